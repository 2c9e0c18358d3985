/* The plot of a replay: see cli/replay_plot.h. */
#include "cli/replay_plot.h"

#include "base/mem.h"
#include "cli/plot.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SHARE_MIN 0.15f /* A series that had less to do with an anomaly gets no panel for it. */
#define CALM_PANELS 6   /* Without anomalies: the first series. */
#define TEXT_BYTES (2 * LW_NAME_MAX + 8)

struct panel {
    uint32_t entity, series;
    char title[TEXT_BYTES], subtitle[64];
    const struct lw_trace *trace;
    struct lw_plot_mark *marks; /* LW_REPLAY_ANOMALIES_MAX. */
    size_t n_marks;
};

struct panels {
    const struct lw_replay_plot *plot;
    struct panel panels[LW_REPLAY_PANELS_MAX];
    struct lw_plot_panel shown[LW_REPLAY_PANELS_MAX];
    size_t n;
    size_t n_wanted; /* Series with anomalies, those without room included. */
};

static const struct lw_trace *trace_find(const struct lw_replay_plot *plot, uint32_t entity,
                                         uint32_t series)
{
    const struct lw_trace *trace = NULL;

    for (uint32_t i = 0; i < plot->n_recorders && trace == NULL; i++) {
        trace = lw_replay_recorder_trace(plot->recorders[i], entity, series);
    }
    return trace;
}

static bool panel_exists(const struct panels *panels, uint32_t entity, uint32_t series)
{
    for (size_t i = 0; i < panels->n; i++) {
        if (panels->panels[i].entity == entity && panels->panels[i].series == series) {
            return true;
        }
    }
    return false;
}

static void panel_add(struct panels *panels, uint32_t entity, const char *entity_name,
                      uint32_t series)
{
    const struct lw_trace *trace = trace_find(panels->plot, entity, series);
    struct panel *panel = &panels->panels[panels->n];
    struct lw_series_view view;
    size_t n = 0;

    if (trace == NULL || panel_exists(panels, entity, series)) {
        return;
    }
    panels->n_wanted++;
    if (panels->n == LW_REPLAY_PANELS_MAX ||
        lw_engine_series(panels->plot->engine, entity, series, &view, 1, &n) != LW_OK || n == 0) {
        return;
    }
    panel->marks = lw_mem_calloc(LW_REPLAY_ANOMALIES_MAX, sizeof(*panel->marks));
    if (panel->marks == NULL) {
        return;
    }
    panel->entity = entity;
    panel->series = series;
    panel->trace = trace;
    (void)snprintf(panel->title, sizeof(panel->title), "%s · %s", entity_name, view.name);
    panels->n++;
}

/* Shades an anomaly in the panels of the series that had to do with it. */
static void anomaly_mark(struct panels *panels, const struct lw_replay_anomaly *kept)
{
    const struct lw_anomaly *anomaly = &kept->anomaly;

    for (size_t p = 0; p < panels->n; p++) {
        struct panel *panel = &panels->panels[p];

        for (uint32_t i = 0; i < anomaly->n_contributions && panel->entity == kept->entity_number;
             i++) {
            if (anomaly->contributions[i].series != panel->series ||
                panel->n_marks == LW_REPLAY_ANOMALIES_MAX) {
                continue;
            }
            panel->marks[panel->n_marks++] = (struct lw_plot_mark){
                .first_ns = anomaly->start_ns,
                .last_ns = anomaly->last_ns,
                .peak_ns = anomaly->peak_ns,
                .peak_value = i == 0 ? anomaly->contributions[i].value : NAN,
                .title = kept->sentence};
        }
    }
}

static void panels_choose(struct panels *panels)
{
    const struct lw_replay_plot *plot = panels->plot;

    for (size_t a = 0; a < plot->n_anomalies; a++) {
        const struct lw_replay_anomaly *kept = plot->anomalies[a];

        for (uint32_t i = 0; i < kept->anomaly.n_contributions; i++) {
            const struct lw_contribution *part = &kept->anomaly.contributions[i];

            if (part->series != LW_SERIES_NONE && (i == 0 || part->share >= SHARE_MIN)) {
                panel_add(panels, kept->entity_number, kept->entity, part->series);
            }
        }
    }
    for (size_t a = 0; a < plot->n_anomalies; a++) {
        anomaly_mark(panels, plot->anomalies[a]);
    }
}

/* Nothing was found: the first series, so that there is something to look at. */
static void calm_panels_choose(struct panels *panels)
{
    struct lw_entity_view entity;

    for (uint32_t e = 0; panels->n < CALM_PANELS; e++) {
        if (lw_engine_entities(panels->plot->engine, e, &entity, 1) == 0) {
            return;
        }
        for (uint32_t i = 0; i < entity.n_series && panels->n < CALM_PANELS; i++) {
            panel_add(panels, entity.number, entity.name, i);
        }
    }
}

static void plot_print(struct panels *panels, FILE *stream)
{
    const struct lw_replay_plot *plot = panels->plot;
    char title[128], note[160];
    struct lw_plot shown = {.title = title,
                            .note = note,
                            .panels = panels->shown,
                            .n_panels = panels->n,
                            .has_times = plot->has_times,
                            .row_ns = plot->row_ns};

    for (size_t i = 0; i < panels->n; i++) {
        struct panel *panel = &panels->panels[i];

        (void)snprintf(panel->subtitle, sizeof(panel->subtitle), "%zu anomal%s", panel->n_marks,
                       panel->n_marks == 1 ? "y" : "ies");
        panels->shown[i] = (struct lw_plot_panel){.title = panel->title,
                                                  .subtitle = panel->n_marks > 0 ? panel->subtitle
                                                                                 : "",
                                                  .trace = panel->trace,
                                                  .marks = panel->marks,
                                                  .n_marks = panel->n_marks};
    }
    if (plot->n_anomalies == 0) {
        (void)snprintf(title, sizeof(title), "No anomaly");
        (void)snprintf(note, sizeof(note), "The first series; times are UTC");
    } else {
        (void)snprintf(title, sizeof(title), "%zu anomal%s", plot->n_anomalies,
                       plot->n_anomalies == 1 ? "y" : "ies");
        (void)snprintf(note, sizeof(note),
                       "%zu of the %zu series concerned, the strongest first; times are UTC",
                       panels->n, panels->n_wanted);
    }
    lw_plot_write(&shown, stream);
}

bool lw_replay_plot_write(const struct lw_replay_plot *plot, const char *path)
{
    struct panels *panels = lw_mem_calloc(1, sizeof(*panels));
    FILE *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    bool is_written = false;

    if (panels == NULL || stream == NULL) {
        (void)fprintf(stderr, "lapwing replay: %s: %s\n", path,
                      stream == NULL ? strerror(errno) : "no memory for the plot");
    } else {
        panels->plot = plot;
        panels_choose(panels);
        if (plot->n_anomalies == 0) {
            calm_panels_choose(panels);
        }
        plot_print(panels, stream);
        is_written = fflush(stream) == 0 && ferror(stream) == 0;
        if (!is_written) {
            (void)fprintf(stderr, "lapwing replay: %s: %s\n", path, strerror(errno));
        }
        for (size_t i = 0; i < panels->n; i++) {
            lw_mem_free(panels->panels[i].marks);
        }
    }
    if (stream != NULL && stream != stdout) {
        is_written = fclose(stream) == 0 && is_written;
    }
    lw_mem_free(panels);
    return is_written;
}
