/* What `lapwing replay` was asked to do, and what `lapwing train` shares with it: where samples
 * come from and how they are watched. */
#ifndef LW_CLI_REPLAY_OPTIONS_H
#define LW_CLI_REPLAY_OPTIONS_H

#include "cli/replay_rows.h"
#include "connect/csv/dialect.h"
#include "connect/source_prometheus_range.h"

#include <argp.h>

#define LW_REPLAY_SETTINGS_MAX 256
#define LW_REPLAY_TOP_DEFAULT 20

/* --set option=value, or --metric pattern:option=value. */
struct lw_replay_setting {
    const char *pattern; /* NULL: of the detector. */
    const char *option, *value;
};

/* History of a Prometheus server. */
struct lw_replay_prometheus {
    const char *url; /* NULL: files are read instead. */
    const char *queries[LW_PROMETHEUS_QUERIES_MAX];
    size_t n_queries;
    int64_t from_ns, to_ns;
    bool has_from, has_to;
    const char *header_file, *ca_file;
};

struct lw_replay_options {
    char **files;
    size_t n_files;
    struct lw_replay_prometheus prometheus;
    struct lw_csv_options csv;
    const char *unit; /* Entity of files that name none; NULL: by the files' names. */
    const char *names_ignored[LW_CSV_NAMES_MAX], *names_used[LW_CSV_NAMES_MAX];
    const char *config;
    const char *detector; /* Of the configuration, only this one; NULL: all. */
    const char *model;    /* Model file to serve; NULL: none. */
    bool collects;        /* Rows are kept for training, and nothing is told of verdicts. */
    const char *step;
    struct lw_replay_setting settings[LW_REPLAY_SETTINGS_MAX];
    size_t n_settings;
    const char *out, *svg;
    enum lw_rows_format format;
    bool is_wide, is_quiet, is_strict;
    uint32_t n_threads, top;
};

/* The options that replay and train share, as a child of their argp; its input is a struct
 * lw_replay_options, cleared. */
extern const struct argp LW_INPUTS_ARGP;
/* Call once they are read: what goes together, and what is asked for twice. Ends the program on
 * what cannot be. */
void lw_inputs_options_check(const struct lw_replay_options *options,
                             const struct argp_state *state);

/*
 * Reads the command line; the texts point into argv, which is changed. Ends the program on --help
 * and on what cannot be taken, as argp does.
 */
void lw_replay_options_read(int argc, char **argv, struct lw_replay_options *ret_options);

#endif
