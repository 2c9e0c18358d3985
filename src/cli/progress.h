/* A progress bar on a terminal: how far, how fast, how long still. Silent where there is no
 * terminal. */
#ifndef LW_CLI_PROGRESS_H
#define LW_CLI_PROGRESS_H

#include "cli/terminal.h"

#include <stdint.h>

struct lw_progress {
    struct lw_terminal terminal;
    bool is_shown; /* A line is on the screen. */
    bool is_on;
    int64_t began_ns; /* Monotonic clock. */
    int64_t drawn_ns;
    int64_t rate_ns; /* When the rate was taken last. */
    uint64_t rate_samples;
    double rate; /* Samples a second, smoothed. */
};

/* On `stream` if it is a terminal and not `quiet`. */
void lw_progress_init(struct lw_progress *progress, FILE *stream, bool is_quiet);
/* Draws at most ten times a second. done of total bytes (total 0: not known). */
void lw_progress_update(struct lw_progress *progress, uint64_t done, uint64_t total,
                        uint64_t samples);
/* The same for work that is no stream of samples: what is done now, and how much of it all. */
void lw_progress_show(struct lw_progress *progress, const char *what, double share);
/* Takes the line away, so that something else can be printed. */
void lw_progress_clear(struct lw_progress *progress);
/* Since the start. */
int64_t lw_progress_elapsed_ns(const struct lw_progress *progress);
/* "1.24 M", "830 k", "12": at most 7 characters. */
void lw_count_format(double count, char *ret_text, size_t capacity);

#endif
