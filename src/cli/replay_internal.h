/*
 * What the files of `lapwing replay` share: its state, and who does what.
 *
 *   replay.c            begin and end; what the shards call; the turns of reading, scoring, writing
 *   replay_detectors.c  which detectors run, from options or a configuration
 *   replay_files.c      CSV files and recordings, one after another
 *   replay_server.c     history of a Prometheus server
 *   replay_model.c      whether the model file of --model serves anybody
 *
 * `lapwing train` reads with it, too.
 */
#ifndef LW_CLI_REPLAY_INTERNAL_H
#define LW_CLI_REPLAY_INTERNAL_H

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/replay_options.h"
#include "cli/replay_record.h"
#include "cli/replay_rows.h"
#include "connect/source_csv.h"

#define LW_REPLAY_SAID_BYTES 1024
#define LW_REPLAY_SECOND_NS INT64_C(1000000000)

struct replay {
    const char *name; /* What messages begin with: "lapwing replay". */
    struct lw_replay_options options;
    struct lw_terminal terminal;
    struct lw_progress progress;
    struct lw_engine *engine;
    struct lw_feed feed;
    uint32_t n_shards;
    struct lw_replay_recorder *recorders[LW_ENGINE_SHARDS_MAX]; /* NULL: nothing is kept for people.
                                                                 */
    struct lw_rows_block blocks[2][LW_ENGINE_SHARDS_MAX];
    uint32_t gathering;   /* The half of blocks that the shards fill. */
    struct lw_rows *rows; /* NULL: no --out. */
    FILE *out;
    struct lw_feature_column *features;
    struct lw_csv_batch batch;
    int64_t step_ns; /* Of the detectors, the shortest; 0: rows or samples. */
    int64_t watermark_every_ns, watermark_ns;
    bool has_detectors, has_times, has_lateness, is_benchmark;
    uint32_t n_detectors;
    char detector[LW_SHORT_NAME_MAX]; /* The one added last. */
    int64_t first_ns, last_ns;        /* Event time. */
    uint64_t n_rows, n_samples, n_bad, bad[LW_CSV_FAULT_NEVER];
    uint64_t bytes_done, bytes_all;
    char said[LW_REPLAY_SAID_BYTES]; /* Of the last file. */
    bool is_failed, is_input_bad;
    bool *is_shared_name; /* By file. */
};

/* What follows from the options, once they are read into replay->options. */
void lw_replay_setup(struct replay *replay, const char *name);
/* Begins an engine, reads every input to its end and closes what is open. */
enum lw_exit lw_replay_read(struct replay *replay);
/* Ends and frees what lw_replay_read() began, whether it went well or not. */
void lw_replay_end(struct replay *replay);

/* One message on standard error; on a terminal it is wrapped at words. */
void lw_replay_say(struct replay *replay, const char *format, ...) LW_PRINTF(2, 3);
/* Hears of a bad row: told, or only counted. For struct lw_csv_listener. */
void lw_replay_bad_row(void *context, const struct lw_csv_complaint *complaint);
/* Waits until all is scored and gives the shards the other half of the blocks. */
void lw_replay_turn(struct replay *replay);
/* Writes what the shards gathered before the last turn. */
void lw_replay_write(struct replay *replay);
/* While an input is being ended, anomalies that close were still open. */
void lw_replay_ending(struct replay *replay, bool is_ending);

/*
 * Puts the detectors into the engine and opens --out. Called once the first file's dialect is
 * known, for it decides what a step is where nobody said; NULL stands for a recording or a server.
 */
enum lw_exit lw_replay_detectors_begin(struct replay *replay, const struct lw_csv_dialect *dialect);

/* Finds the files whose names others have too: their entities are named by path. */
enum lw_status lw_replay_files_begin(struct replay *replay, struct lw_error *reterr) LW_MUST_USE;
/*
 * The entity of a file: its name, or, where another file has the same name, folder and name. So two
 * hosts' "cpu.csv" are two entities.
 */
void lw_replay_unit_name(const struct replay *replay, size_t file, char ret_name[LW_NAME_MAX]);
/* Replays one file. What cannot be read is told and noted; only what must end the program is
 * answered. */
enum lw_exit lw_replay_file(struct replay *replay, size_t file);
/* Says so when the model file knows none of the entities and has no model for strangers. */
void lw_replay_model_check(struct replay *replay);
/* Replays what a server has; likewise. */
enum lw_exit lw_replay_server(struct replay *replay);

#endif
