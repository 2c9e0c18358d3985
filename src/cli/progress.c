/* The progress bar: see cli/progress.h. */
#include "cli/progress.h"

#include "base/clock.h"

#include <string.h>

#define DRAW_EVERY_NS 100000000
#define SECOND_NS 1e9
#define BAR_COLUMNS 30
#define BAR_EIGHTHS (BAR_COLUMNS * 8)
#define RATE_WEIGHT 0.3

void lw_progress_init(struct lw_progress *progress, FILE *stream, bool is_quiet)
{
    memset(progress, 0, sizeof(*progress));
    progress->terminal = lw_terminal_of(stream);
    progress->is_on = progress->terminal.is_terminal && !is_quiet;
    progress->began_ns = lw_clock_monotonic_ns();
    progress->drawn_ns = progress->began_ns;
    progress->rate_ns = progress->began_ns;
}

void lw_count_format(double count, char *ret_text, size_t capacity)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;

    while (count >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        count /= 1000.0;
        unit++;
    }
    (void)snprintf(ret_text, capacity, "%.*f%s",
                   unit == 0 || count >= 99.95 ? 0 : (count >= 9.995 ? 1 : 2), count, units[unit]);
}

static void bar_draw(const struct lw_terminal *terminal, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(share * BAR_EIGHTHS);
    FILE *stream = terminal->stream;

    filled = filled > BAR_EIGHTHS ? BAR_EIGHTHS : filled;
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_GREEN), stream);
    for (int i = 0; i < filled / 8; i++) {
        (void)fputs(terminal->has_unicode ? "█" : "#", stream);
    }
    if (terminal->has_unicode) {
        (void)fputs(eighths[filled % 8], stream);
    }
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_NONE), stream);
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_DIM), stream);
    for (int i = filled / 8 + (terminal->has_unicode && filled % 8 != 0); i < BAR_COLUMNS; i++) {
        (void)fputs(terminal->has_unicode ? "·" : ".", stream);
    }
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_NONE), stream);
}

static void left_draw(const struct lw_progress *progress, int64_t now_ns, double share)
{
    double passed_s = (double)(now_ns - progress->began_ns) / SECOND_NS;
    double left_s = share > 0.0 ? passed_s * (1.0 - share) / share : 0.0;
    FILE *stream = progress->terminal.stream;

    if (left_s >= 3600.0) {
        (void)fprintf(stream, "  %.0f:%02d h left", left_s / 3600.0 - 0.5,
                      (int)(left_s / 60.0) % 60);
    } else {
        (void)fprintf(stream, "  %d:%02d left", (int)left_s / 60, (int)left_s % 60);
    }
}

void lw_progress_update(struct lw_progress *progress, uint64_t done, uint64_t total,
                        uint64_t samples)
{
    int64_t now_ns;
    double share, rate;
    char text[32];
    FILE *stream = progress->terminal.stream;

    if (!progress->is_on) {
        return;
    }
    now_ns = lw_clock_monotonic_ns();
    if (now_ns - progress->drawn_ns < DRAW_EVERY_NS) {
        return;
    }
    rate = (double)(samples - progress->rate_samples) * SECOND_NS /
           (double)(now_ns - progress->rate_ns);
    progress->rate = progress->rate_samples == 0
                         ? rate
                         : progress->rate + RATE_WEIGHT * (rate - progress->rate);
    progress->rate_samples = samples;
    progress->rate_ns = progress->drawn_ns = now_ns;
    lw_count_format(progress->rate, text, sizeof(text));
    (void)fputs("\r\033[K", stream);
    if (total > 0) {
        share = (double)done / (double)total;
        bar_draw(&progress->terminal, share);
        (void)fprintf(stream, " %3d %%  %7s samples/s", (int)(share * 100.0), text);
        left_draw(progress, now_ns, share);
    } else {
        char bytes[32];

        lw_count_format((double)done, bytes, sizeof(bytes));
        (void)fprintf(stream, "%sB read  %7s samples/s", bytes, text);
    }
    (void)fflush(stream);
    progress->is_shown = true;
}

void lw_progress_show(struct lw_progress *progress, const char *what, double share)
{
    int64_t now_ns;
    FILE *stream = progress->terminal.stream;
    int columns = progress->terminal.width - BAR_COLUMNS - 24;

    if (!progress->is_on) {
        return;
    }
    now_ns = lw_clock_monotonic_ns();
    if (now_ns - progress->drawn_ns < DRAW_EVERY_NS) {
        return;
    }
    progress->drawn_ns = now_ns;
    (void)fputs("\r\033[K", stream);
    bar_draw(&progress->terminal, share);
    (void)fprintf(stream, " %3d %%", (int)(share * 100.0));
    left_draw(progress, now_ns, share);
    (void)fputs("  ", stream);
    if (columns > 0) {
        lw_terminal_cell(&progress->terminal, what,
                         lw_text_columns(what) < columns ? lw_text_columns(what) : columns);
    }
    (void)fflush(stream);
    progress->is_shown = true;
}

void lw_progress_clear(struct lw_progress *progress)
{
    if (progress->is_shown) {
        (void)fputs("\r\033[K", progress->terminal.stream);
        (void)fflush(progress->terminal.stream);
        progress->is_shown = false;
    }
}

int64_t lw_progress_elapsed_ns(const struct lw_progress *progress)
{
    return lw_clock_monotonic_ns() - progress->began_ns;
}
