/* What is to be evaluated, as the command line names it, gathered from its files. */
#ifndef LW_CLI_EVAL_GATHER_H
#define LW_CLI_EVAL_GATHER_H

#include "cli/eval_inputs.h"

struct lw_eval_request {
    const char *scores, *labels, *data; /* labels and data: NULL where not given. */
    struct lw_eval_columns columns;
    struct lw_eval_warmup warmup;
    double step_s;   /* 0: found. */
    bool with_nab;   /* Runs of labelled rows are NAB's windows. */
    bool is_partial; /* Series without scores are left out, and told. */
    /* Hears of what was left out: a sentence. */
    void (*tell)(const char *sentence);
};

/* Adds all series. The message names file, line and reason. */
enum lw_status lw_eval_gather(const struct lw_eval_request *request, struct lw_eval_inputs *inputs,
                              struct lw_error *reterr) LW_MUST_USE;

#endif
