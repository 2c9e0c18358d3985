/* What a replay found, for people: a table of the strongest anomalies, each with its sparkline, and
 * the counts. */
#ifndef LW_CLI_SUMMARY_H
#define LW_CLI_SUMMARY_H

#include "cli/progress.h"
#include "cli/replay_record.h"
#include "cli/terminal.h"

/* What is shown. Borrowed. */
struct lw_summary {
    const struct lw_replay_anomaly *const *anomalies; /* The strongest first. */
    size_t n_anomalies;
    size_t top; /* Of them are listed. */
    const struct lw_engine_totals *totals;
    uint64_t n_rows;
    int64_t first_ns, last_ns; /* Event time; first > last: none. */
    int64_t elapsed_ns;
    bool has_times;
    int64_t row_ns;
    int64_t step_ns;   /* Added to durations: the last step has a length too. */
    bool is_benchmark; /* The operating point promises no budget. */
};

void lw_summary_print(const struct lw_summary *summary, const struct lw_terminal *terminal);
/* "2014-02-26 22:05", with seconds where there are some. */
void lw_moment_format(int64_t time_ns, char *ret_text, size_t capacity);

#endif
