/* What a stream's other end can show: colours, block characters, how many columns. */
#ifndef LW_CLI_TERMINAL_H
#define LW_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

struct lw_terminal {
    FILE *stream;
    bool is_terminal;
    bool has_colour;  /* A terminal, NO_COLOR unset, TERM not "dumb". */
    bool has_unicode; /* The locale's encoding is UTF-8. */
    int width;        /* Columns; 100 when it is no terminal. */
};

enum lw_colour {
    LW_COLOUR_NONE,
    LW_COLOUR_BOLD,
    LW_COLOUR_DIM,
    LW_COLOUR_RED,
    LW_COLOUR_GREEN,
    LW_COLOUR_YELLOW,
    LW_COLOUR_BLUE
};

struct lw_terminal lw_terminal_of(FILE *stream);
/* The sequence that begins a colour (NONE: ends it); "" where there are no colours. */
const char *lw_terminal_colour(const struct lw_terminal *terminal, enum lw_colour colour);
/* Columns a UTF-8 text takes, wide characters counted as one. */
int lw_text_columns(const char *text);
/* Prints a text cut and padded to `columns`. */
void lw_terminal_cell(const struct lw_terminal *terminal, const char *text, int columns);
/* Prints a text wrapped at words, every line after the first indented. */
void lw_terminal_wrap(const struct lw_terminal *terminal, const char *text, int indent,
                      int from_column);

#endif
