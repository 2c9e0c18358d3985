/*
 * The series of an evaluation: scores of one file joined with labels of another, or with windows.
 *
 * Rows are joined by their number where both have as many, or the scores lack just the warm-up;
 * else by their times. Memory: 10 bytes a row once joined, 20 more of the file that is being read.
 */
#ifndef LW_CLI_EVAL_INPUTS_H
#define LW_CLI_EVAL_INPUTS_H

#include "cli/eval_table.h"
#include "cli/eval_windows.h"
#include "lapwing/evaluate.h"

/* Rows at the beginning of a series that do not count. */
enum lw_eval_warmup_kind {
    LW_EVAL_WARMUP_GIVEN,   /* What the labels' source says; none where it says nothing. */
    LW_EVAL_WARMUP_ROWS,    /* amount rows */
    LW_EVAL_WARMUP_PERCENT, /* amount percent, rounded down */
    LW_EVAL_WARMUP_NAB      /* 15 %, at most 750 */
};

struct lw_eval_warmup {
    enum lw_eval_warmup_kind kind;
    double amount;
};

struct lw_eval_inputs {
    struct lw_eval_series *series; /* Names, arrays and windows are owned. */
    size_t n, capacity;
    uint64_t n_missing;       /* Rows without a score, which count as the lowest of their series. */
    uint64_t n_windows_empty; /* Windows without any row. */
};

/* How a series is joined. */
struct lw_eval_join {
    const char *name;                      /* Of the series. */
    const char *scores_path, *labels_path; /* For messages. */
    struct lw_eval_warmup warmup;
    double step_s; /* Between rows; 0: by their times, where there are any; below 0: not known. */
    bool counts_runs_as_windows; /* NAB's score of runs of labelled rows. */
};

/*
 * Adds a series. `scores` is emptied; `labels` is not and may be the same. LW_EFORMAT: their rows
 * do not fit together; LW_ENOMEM.
 */
enum lw_status lw_eval_inputs_join(struct lw_eval_inputs *inputs, const struct lw_eval_join *join,
                                   struct lw_eval_rows *scores, const struct lw_eval_rows *labels,
                                   struct lw_error *reterr) LW_MUST_USE;
/* The same with periods: the times are those of `timed`, which has as many rows and may be `scores`
 * itself. */
enum lw_status lw_eval_inputs_join_windows(struct lw_eval_inputs *inputs,
                                           const struct lw_eval_join *join,
                                           struct lw_eval_rows *scores,
                                           const struct lw_eval_rows *timed,
                                           const struct lw_eval_periods *periods,
                                           struct lw_error *reterr) LW_MUST_USE;
void lw_eval_inputs_fini(struct lw_eval_inputs *inputs);

#endif
