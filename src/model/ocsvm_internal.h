/* The shape of a One-Class SVM, shared by the files that train and score it: see model/ocsvm.c. */
#ifndef LW_MODEL_OCSVM_INTERNAL_H
#define LW_MODEL_OCSVM_INTERNAL_H

#include "model/model.h"

#include <stdint.h>

#define LW_OCSVM_ROWS_MAX 4096u  /* Rows trained on, so support vectors too. */
#define LW_OCSVM_VALUE_MAX 1e15f /* Values count as no larger: their squares add up in a float. */
#define LW_OCSVM_WIDTH_MIN 1e-12 /* Bounds of v. */
#define LW_OCSVM_WIDTH_MAX 1e36
#define LW_OCSVM_COEF_MIN 1e-12f /* Support vectors of less are left out. */
#define LW_OCSVM_LOG_PEAK_MAX 100.0

/* What v is when no gamma is given. */
enum lw_ocsvm_width {
    LW_OCSVM_VARIANCE, /* The columns' variances added up. */
    LW_OCSVM_SCALE /* Columns times the variance of all values: gamma='scale' of scikit-learn. */
};

struct lw_ocsvm_options {
    double nu;
    int64_t rows;
    double gamma;
    int width; /* enum lw_ocsvm_width */
    double least;
};

/*
 * A trained machine, immutable, in one block of memory. Support vectors are stored dimension by
 * dimension and padded to whole vectors of lanes with copies of the first, whose coefficients
 * are 0. There is at least one; all numbers are finite and within the limits above.
 */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_vectors;
    uint32_t n_wide; /* n_vectors rounded up to whole vectors of lanes. */
    float gamma;     /* 1 / width */
    double width;    /* v */
    double rho;      /* The kernel sum at the border that holds all but a share nu of the rows. */
    double log_peak; /* ln Kmax: the largest kernel sum of the rows trained on. */
    float *fill;     /* [n_dims]: what a missing value counts as, the column's mean. */
    float *coefs;    /* [n_wide]: in (0, 1]. */
    float *vectors;  /* [n_dims][n_wide] */
};

/* A cleared machine; of the shape, n_dims, n_vectors, width, rho and log_peak are read and must be
 * within the limits. */
enum lw_status lw_ocsvm_create(const struct lw_model *shape, struct lw_model **ret_model,
                               struct lw_error *reterr);
/* Fills the padding, once coefs and vectors are complete. */
void lw_ocsvm_pad(struct lw_model *model);
void lw_ocsvm_destroy(struct lw_model *model);
/* The row without holes and within the limits: float[n_dims]. */
void lw_ocsvm_clean(const struct lw_model *model, const float *row, float *ret_point);
/* Each support vector's bell at a cleaned point, in proportion to the nearest one's, to
 * float[n_wide]; returns the nearest one's squared distance. */
float lw_ocsvm_bells(const struct lw_model *model, const float *point, float *ret_bells);
/* ln of the kernel sum at a cleaned point; the bells come with it. */
double lw_ocsvm_log_kernel(const struct lw_model *model, const float *point, float *ret_bells);

/* model/ocsvm_train.c and model/ocsvm_saved.c */
enum lw_status lw_ocsvm_fit(const void *options, const struct lw_model_rows *rows,
                            struct lw_rng *rng, struct lw_model **ret_model,
                            struct lw_error *reterr);
void lw_ocsvm_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_ocsvm_load(struct lw_reader *reader, struct lw_model **ret_model,
                             struct lw_error *reterr);

#endif
