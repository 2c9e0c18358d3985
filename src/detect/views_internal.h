/* What views.c and views_fit.c share. */
#ifndef LW_DETECT_VIEWS_INTERNAL_H
#define LW_DETECT_VIEWS_INTERNAL_H

#include "detect/views.h"
#include "model/linear.h"

/* A projection on principal components: c = components' x - offset. */
struct lw_projection {
    uint32_t n_in, n_out;
    float *mean;       /* [n_in] */
    float *components; /* [n_in][n_out], n_out whole vectors, as the product wants them. */
    float *offset;     /* [n_out] components' mean */
};

struct lw_views {
    uint32_t n_columns;
    struct lw_model *linear;
    struct lw_projection embedding; /* SPANS n_columns to COMPONENTS */
    struct lw_projection first;     /* n_columns to FIRST */
    struct lw_projection patch;     /* PATCH_INPUTS to COMPONENTS */
};

/* Where the parts of a state are. */
struct lw_views_state {
    float *centre, *inverse, *flag, *last; /* [n_columns] each: the scale. */
    float *ring;                           /* [STEPS][n_columns] z of the newest steps. */
    float *firsts;                         /* [STEPS][FIRST] */
    float *count;  /* Steps seen, up to 2^22; then it goes round from half of that. */
    float *drift;  /* Running mean square of what the first components leave. */
    float *linear; /* The forecaster's. */
};

struct lw_views_state lw_views_state_parts(size_t n_columns, float *state);
/* Rings and running means take z in; returns the slot of the newest step. */
size_t lw_views_push(const struct lw_views *views, struct lw_views_state *parts, const float *z);
/* The embedding's inputs, float[SPANS n_columns]. */
void lw_views_spans(size_t n_columns, const struct lw_views_state *parts, float *ret_spans);
/* The patch's inputs, oldest step first, float[PATCH_INPUTS], with their means taken off. */
void lw_views_shape(const struct lw_views_state *parts, float *ret_shape);
/* Coordinates into float[n_out]; returns the length of what they leave. */
float lw_projection_apply(const struct lw_projection *projection, const float *x,
                          float *ret_coordinates);

enum lw_status lw_projection_create(size_t n_in, size_t n_out, struct lw_projection *ret_projection,
                                    struct lw_error *reterr) LW_MUST_USE;
void lw_projection_fini(struct lw_projection *projection);

#endif
