/* What `lapwing replay` was asked to do. */
#ifndef LW_CLI_REPLAY_OPTIONS_H
#define LW_CLI_REPLAY_OPTIONS_H

#include "cli/replay_rows.h"
#include "connect/csv/dialect.h"

#define LW_REPLAY_SETTINGS_MAX 256
#define LW_REPLAY_TOP_DEFAULT 20

/* --set option=value, or --metric pattern:option=value. */
struct lw_replay_setting {
    const char *pattern; /* NULL: of the detector. */
    const char *option, *value;
};

struct lw_replay_options {
    char **files;
    size_t n_files;
    struct lw_csv_options csv;
    const char *names_ignored[LW_CSV_NAMES_MAX], *names_used[LW_CSV_NAMES_MAX];
    const char *config;
    const char *step;
    struct lw_replay_setting settings[LW_REPLAY_SETTINGS_MAX];
    size_t n_settings;
    const char *out, *svg;
    enum lw_rows_format format;
    bool is_wide, is_quiet, is_strict;
    uint32_t n_threads, top;
};

/*
 * Reads the command line; the texts point into argv, which is changed. Ends the program on --help
 * and on what cannot be taken, as argp does.
 */
void lw_replay_options_read(int argc, char **argv, struct lw_replay_options *ret_options);

#endif
