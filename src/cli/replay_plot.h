/* Which series of a replay are plotted, and with what beside them. */
#ifndef LW_CLI_REPLAY_PLOT_H
#define LW_CLI_REPLAY_PLOT_H

#include "cli/replay_record.h"

/* Panels of one file: the series with the strongest anomalies. */
#define LW_REPLAY_PANELS_MAX 24

struct lw_replay_plot {
    struct lw_engine *engine;
    struct lw_replay_recorder *const *recorders;
    uint32_t n_recorders;
    const struct lw_replay_anomaly *const *anomalies; /* The strongest first. */
    size_t n_anomalies;
    bool has_times;
    int64_t row_ns;
};

/* Writes the plot to a path; prints why when it cannot be written, and returns false. */
bool lw_replay_plot_write(const struct lw_replay_plot *plot, const char *path);

#endif
