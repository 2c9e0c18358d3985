/*
 * The views of an entity that tier 1's models read: made of its newest step values and of what
 * came before, each once a step.
 *
 *   values     z = 3 asinh(z' / 3), z' = (x - centre) / unit by metric
 *   residual   what a linear forecast leaves of z, in trained units, compressed the same way
 *   embedding  means of z over steps t; t-1; t-2..3; t-4..7; t-8..15; t-16..31 on 16 principal
 *              components; and the length e of what these leave: a rest
 *   patch      8 principal components of z over 32 steps, their means taken off, on 16 principal
 *              components of such patches; what these leave; and what the first 8 leave, lately:
 *              two rests
 *
 * A metric of which every value so far was 0 or 1 is a flag: its z is 0 until another value comes.
 * A metric of which training knew no value has no scale: its z is 0. A missing value counts as the
 * last one known. struct lw_views is fitted once, immutable, and may
 * be shared by alike entities; centre, unit and flags belong to the entity and lie in its state.
 * State is an array of floats.
 */
#ifndef LW_DETECT_VIEWS_H
#define LW_DETECT_VIEWS_H

#include "base/bytes.h"
#include "base/rng.h"
#include "lapwing/status.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_VIEWS_COLUMNS_MAX 512
#define LW_VIEWS_STEPS 32 /* Steps the embedding and the patch look back. */
#define LW_VIEWS_SPANS 6  /* Means in the embedding. */
#define LW_VIEWS_COMPONENTS 16
#define LW_VIEWS_FIRST 8 /* Components of one step that patches are made of. */
#define LW_VIEWS_EMBEDDING (LW_VIEWS_COMPONENTS + 1)
#define LW_VIEWS_PATCH (LW_VIEWS_COMPONENTS + 2)
#define LW_VIEWS_PATCH_INPUTS (LW_VIEWS_STEPS * LW_VIEWS_FIRST)

/* What one step looks like. Borrowed memory of the caller, by lw_view. */
struct lw_views_row {
    float *values;    /* [n_columns] */
    float *residual;  /* [n_columns], compressed. */
    float *embedding; /* [LW_VIEWS_EMBEDDING] */
    float *patch;     /* [LW_VIEWS_PATCH] */
    float surprise;   /* Length of the residual before compression: the linear forecaster's
                         distance; NaN before it can tell. */
};

struct lw_views;

/* Floats of a view's row; 0 for LW_VIEW_FEATURES, which is not made here. */
size_t lw_view_width(enum lw_view view, size_t n_columns);
/* The last so many of them are rests: see struct lw_model_rows. */
size_t lw_view_rests(enum lw_view view);
/* The part of a step that a view is. */
const float *lw_view_of(const struct lw_views_row *row, enum lw_view view);

/*
 * Centre, unit and flags of each metric, from rows of one entity (float[n_rows][n_columns], NaN
 * where missing), into a fresh state. unit = max(standard deviation, 0.01 max(n, |mean|)) with n
 * the metric's natural unit: its entry in natural where that is > 0, else 1, but ten times the
 * trained range where that is less and not 0. natural may be NULL.
 */
void lw_views_learn_scale(const float *rows, size_t n_rows, size_t n_columns, const float *natural,
                          float *state);
/* Floats of the part of a state that lw_views_learn_scale() fills. */
size_t lw_views_n_scale(size_t n_columns);
/* One row of raw values to z, by a state of which the scale is known; flags that turn are noted. */
void lw_views_scale_row(size_t n_columns, float *state, const float *row, float *ret_values);

/*
 * Fit to scaled rows: z, as lw_views_scale_row() makes them, of one run or several.
 *
 * LW_EINVAL for fewer than 2 rows or a number of columns out of bounds, LW_ENOMEM. Deterministic
 * from the stream. Cost: that of the linear forecaster (model/linear.h) and O(rows columns^2) for
 * the components, from rows evenly spread such that they cost at most 2e9 multiply-adds.
 */
enum lw_status lw_views_fit(const struct lw_model_rows *rows, struct lw_rng *rng,
                            struct lw_views **ret_views, struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_views_destroy(struct lw_views *views);
size_t lw_views_n_columns(const struct lw_views *views);
size_t lw_views_n_state(const struct lw_views *views);
size_t lw_views_bytes(const struct lw_views *views);
/* One step of raw values (NaN: missing). Allocates nothing. Up to 160 columns about 5 columns^2 +
 * 140 columns + 5,000 multiply-adds, above that 150 columns + 5,000. 30 KB of stack. */
void lw_views_step(const struct lw_views *views, float *state, const float *row,
                   struct lw_views_row *ret_row);
/* Residual of the step before compression, in trained units: float[n_columns]. */
const float *lw_views_residual(const struct lw_views *views, const float *state);
/* Centre and unit of a column in this state, in the metric's unit; a unit of infinity where
 * training knew no value. */
float lw_views_centre(const struct lw_views *views, const float *state, size_t column);
float lw_views_unit(const struct lw_views *views, const float *state, size_t column);

void lw_views_save(const struct lw_views *views, struct lw_writer *writer);
enum lw_status lw_views_load(struct lw_reader *reader, struct lw_views **ret_views,
                             struct lw_error *reterr) LW_MUST_USE;

#endif
