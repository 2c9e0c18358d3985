/*
 * The named features of a metric and of pairs of metrics: one value a step in, a vector of floats
 * out.
 *
 * One table (feature/table.c) names every feature with its unit and formula and makes
 * docs/features.md. A layout, compiled once and immutable, says how long the windows are and which
 * features are wanted; a state, of fixed size and without pointers, holds one metric's last `long`
 * values and what is learnt of its seasons. Windows are worked out anew when they are read: no sum
 * is carried on, so nothing drifts, and a step at which nobody reads costs next to nothing.
 *
 * Missing values. NaN and infinite values are missing; values beyond LW_FEATURE_VALUE_MAX are cut
 * to it. A missing step is filled with the last observed value for up to `impute_steps` steps in a
 * row, and from then on with the median of the long window. Filled values enter the windows and the
 * running means, never the learnt seasons; the features `missing` and `missing_share` say so. A
 * metric that has not been observed yet has no window: its features are NaN but for these two.
 *
 * "Cannot tell yet" is NaN: a feature is NaN until the values its formula needs are there.
 * Everything else is finite.
 */
#ifndef LW_FEATURE_FEATURE_H
#define LW_FEATURE_FEATURE_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

#define LW_FEATURE_SHORT_MIN 4
#define LW_FEATURE_SHORT_MAX 128
#define LW_FEATURE_LONG_MAX 1024
#define LW_FEATURE_IMPUTE_MAX 100000
#define LW_FEATURE_STEP_MAX_NS (INT64_C(86400) * 1000000000)
#define LW_FEATURE_VALUE_MAX 1e30
/* Lead and lag are looked for up to this many steps either way. */
#define LW_FEATURE_LAG_MAX 6
/* An autocorrelation below this is no period. */
#define LW_FEATURE_PERIOD_LEAST 0.3

struct lw_calendar; /* feature/calendar.h; NULL is UTC without holidays. */

enum lw_feature_group { LW_FEATURE_OF_METRIC, LW_FEATURE_OF_PAIR, LW_FEATURE_GROUPS };

enum lw_feature_window { LW_FEATURE_NO_WINDOW, LW_FEATURE_SHORT, LW_FEATURE_LONG };

/* What a state must keep up for a feature; what no wanted feature needs is not worked out. */
enum lw_feature_need {
    LW_FEATURE_NEEDS_SHORT_ORDER = 1, /* The short window in order of size. (The long one's is
                                         always kept: imputation reads it.) */
    LW_FEATURE_NEEDS_SEASON = 2,      /* The profiles of hour of day and day of week. */
    LW_FEATURE_NEEDS_PERIOD = 4       /* The search for a period. */
};

struct lw_feature_view;

/* A row of the table. */
struct lw_feature {
    const char *name; /* lower_case; unique in its group. */
    const char *unit; /* "metric" stands for the metric's own unit, "1" for none. */
    const char *formula;
    uint32_t needs; /* enum lw_feature_need, or-ed. */
    enum lw_feature_window window;
    double (*read)(struct lw_feature_view *view, enum lw_feature_window window);
};

/* The table's rows of a group; a feature's place in them is its bit in a mask. At most 64. */
const struct lw_feature *lw_feature_table(enum lw_feature_group group, size_t *ret_n);
/* The bit of the feature of that name, or 0. */
uint64_t lw_feature_find(enum lw_feature_group group, const char *name);
/* The bits of all features of the group. */
uint64_t lw_feature_all(enum lw_feature_group group);

struct lw_feature_config {
    uint32_t short_steps;  /* LW_FEATURE_SHORT_MIN to LW_FEATURE_SHORT_MAX; default 30 */
    uint32_t long_steps;   /* More than short_steps, at most LW_FEATURE_LONG_MAX; default 360 */
    uint32_t impute_steps; /* 0 to LW_FEATURE_IMPUTE_MAX; default 5 */
    int64_t step_ns;       /* 1 to LW_FEATURE_STEP_MAX_NS; default 10 s */
    const struct lw_calendar *calendar; /* Borrowed as long as the layout lives; may be NULL. */
    uint64_t wanted[LW_FEATURE_GROUPS]; /* Bits; default all. */
};

/* Compiled from a configuration; immutable; plain data, shared by all threads. */
struct lw_feature_layout {
    struct lw_feature_config config;
    size_t n_columns[LW_FEATURE_GROUPS]; /* Floats that a read gives. */
    uint32_t needs;
    double step_s;
    double fast_weight, slow_weight;      /* Of the newest value in the running means. */
    double hour_memory, day_memory;       /* Steps that the profiles remember in one bin. */
    size_t long_order_at, short_order_at; /* Bytes from the state's start. */
    size_t state_bytes;
};

void lw_feature_config_default(struct lw_feature_config *ret_config);
/* LW_EINVAL when a figure is out of its bounds or a wanted bit names no feature. Allocates nothing.
 */
enum lw_status lw_feature_layout_init(struct lw_feature_layout *ret_layout,
                                      const struct lw_feature_config *config,
                                      struct lw_error *reterr) LW_MUST_USE;
/* Column `column` of a read: its row of the table. column < layout->n_columns[group]. */
const struct lw_feature *lw_feature_column(const struct lw_feature_layout *layout,
                                           enum lw_feature_group group, size_t column);

/* One metric's state: layout->state_bytes of the caller's memory, aligned to 8. May be copied and
 * moved byte for byte. */
struct lw_feature_state;

void lw_feature_init(const struct lw_feature_layout *layout, struct lw_feature_state *state);
/* One step goes by, at UTC time_ns, with this value (NaN: missing). Every step must be given, also
 * the missing ones. Allocates nothing; O(log long_steps) and a move within the window. */
void lw_feature_observe(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                        int64_t time_ns, double value);
/* The wanted features after the last step: float[layout->n_columns[LW_FEATURE_OF_METRIC]], in the
 * table's order. */
void lw_feature_read(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                     float *ret_features);
/* The same of two metrics of one entity, that have been given the same steps:
 * float[layout->n_columns[LW_FEATURE_OF_PAIR]]. */
void lw_feature_pair_read(const struct lw_feature_layout *layout,
                          const struct lw_feature_state *first,
                          const struct lw_feature_state *second, float *ret_features);
/* The learnt period in steps; 0 while none is known. */
uint32_t lw_feature_period_steps(const struct lw_feature_state *state);

/* Versioned bytes. A loaded state goes on with the same bits. */
void lw_feature_save(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                     struct lw_writer *writer);
/* LW_EFORMAT for damaged bytes, LW_EVERSION for a newer version's, LW_EINVAL when they were written
 * under another layout (windows or features). On failure the state is as after lw_feature_init. */
enum lw_status lw_feature_load(const struct lw_feature_layout *layout,
                               struct lw_feature_state *state, struct lw_reader *reader,
                               struct lw_error *reterr) LW_MUST_USE;

#endif
