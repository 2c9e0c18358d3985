/* The shape of an ECOD model, shared by the files that learn, score and store it: see
 * model/ecod.c. */
#ifndef LW_MODEL_ECOD_INTERNAL_H
#define LW_MODEL_ECOD_INTERNAL_H

#include "model/model.h"

#include <stdint.h>

#define LW_ECOD_KNOTS_MIN 16
#define LW_ECOD_KNOTS_MAX 1024

struct lw_ecod_options {
    int64_t knots;
};

/* How many training values lie below a knot, and how many do not lie above it. */
struct lw_ecod_counts {
    uint32_t below;
    uint32_t upto; /* > below */
};

/* The knots of a column: a range of the model's. None where no value of it is known. */
struct lw_ecod_column {
    uint32_t begin;
    uint32_t n_knots; /* At most LW_ECOD_KNOTS_MAX. */
    uint32_t n_rows;  /* Known values: upto of the last knot, or 0. */
};

/*
 * A fitted model, immutable, in one block of memory. A column's knots are finite and ascend; the
 * first has nothing below it, and each has below >= upto of the one before: what lies between two
 * knots and is of neither is the difference.
 */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_knots;               /* Of all columns. */
    struct lw_ecod_column *columns; /* [n_dims] */
    struct lw_ecod_counts *counts;  /* [n_knots] */
    float *values;                  /* [n_knots] */
};

/* A cleared model of n_dims columns and n_knots knots in all. */
enum lw_status lw_ecod_create(uint32_t n_dims, uint32_t n_knots, struct lw_model **ret_model,
                              struct lw_error *reterr);
void lw_ecod_destroy(struct lw_model *model);

/* model/ecod_fit.c and model/ecod_saved.c */
enum lw_status lw_ecod_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model,
                           struct lw_error *reterr);
void lw_ecod_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_ecod_load(struct lw_reader *reader, struct lw_model **ret_model,
                            struct lw_error *reterr);

#endif
