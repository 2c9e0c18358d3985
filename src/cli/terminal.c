/* What a stream's other end can show: see cli/terminal.h. */
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100
#define WIDTH_MIN 40

static bool is_utf8_locale(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0') {
            return strstr(value, "UTF-8") != NULL || strstr(value, "utf-8") != NULL ||
                   strstr(value, "UTF8") != NULL || strstr(value, "utf8") != NULL;
        }
    }
    return false;
}

struct lw_terminal lw_terminal_of(FILE *stream)
{
    struct lw_terminal terminal = {.stream = stream, .width = WIDTH_DEFAULT};
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    struct winsize size;

    terminal.is_terminal = isatty(fileno(stream)) == 1;
    terminal.has_unicode = is_utf8_locale();
    terminal.has_colour = terminal.is_terminal && (no_colour == NULL || no_colour[0] == '\0') &&
                          term != NULL && strcmp(term, "dumb") != 0;
    if (terminal.is_terminal && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        terminal.width = size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
    }
    return terminal;
}

const char *lw_terminal_colour(const struct lw_terminal *terminal, enum lw_colour colour)
{
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m", "\033[31m",
                                        "\033[32m", "\033[33m", "\033[34m"};

    return terminal->has_colour ? codes[colour] : "";
}

static bool is_inner_byte(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

int lw_text_columns(const char *text)
{
    int columns = 0;

    for (; *text != '\0'; text++) {
        columns += is_inner_byte(*text) ? 0 : 1;
    }
    return columns;
}

/* The bytes of the first `columns` characters. */
static size_t bytes_of(const char *text, int columns)
{
    size_t n = 0;

    while (text[n] != '\0' && (columns > 0 || is_inner_byte(text[n]))) {
        columns -= is_inner_byte(text[n]) ? 0 : 1;
        n++;
    }
    return n;
}

void lw_terminal_cell(const struct lw_terminal *terminal, const char *text, int columns)
{
    int taken = lw_text_columns(text);

    if (taken > columns) {
        const char *mark = terminal->has_unicode ? "…" : "~";

        (void)fprintf(terminal->stream, "%.*s%s", (int)bytes_of(text, columns - 1), text, mark);
        return;
    }
    (void)fprintf(terminal->stream, "%s%*s", text, columns - taken, "");
}

void lw_terminal_wrap(const struct lw_terminal *terminal, const char *text, int indent,
                      int from_column)
{
    int column = from_column;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        char word[1024];
        int taken;

        n = n < sizeof(word) ? n : sizeof(word) - 1;
        memcpy(word, text, n);
        word[n] = '\0';
        taken = lw_text_columns(word);
        if (column > from_column && column + 1 + taken > terminal->width) {
            (void)fprintf(terminal->stream, "\n%*s", indent, "");
            column = from_column = indent;
        } else if (column > from_column) {
            (void)fputc(' ', terminal->stream);
            column++;
        }
        (void)fputs(word, terminal->stream);
        column += taken;
        text += n;
        text += *text == ' ' ? 1 : 0;
    }
}
