/* Fits, calibrates and stores one entity's tier 1: see train/tier1.h. */
#include "train/tier1.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define MODEL_NAME_MAX 64
/* Least unit of a distance: a forest's score of quite ordinary rows (the recipe's table of
 * members). */
#define UNIT_LEAST 0.3

struct lw_tier1 {
    const struct lw_model_class *class;
    struct lw_model *model;
    double median; /* Of the distances of the rows kept back. */
    struct lw_calibration calibration;
};

double lw_tier1_energy(const struct lw_tier1 *tier1, const float *row)
{
    float distance;

    if (lw_model_row_is_missing(row, lw_tier1_n_columns(tier1))) {
        return NAN;
    }
    tier1->class->score(tier1->model, NULL, row, 1, &distance);
    return lw_energy((double)distance, tier1->median, UNIT_LEAST);
}

/* One fit with the class's default options. */
static enum lw_status fit_once(const struct lw_model_class *class, const float *rows, size_t n_rows,
                               size_t n_columns, uint64_t seed, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    void *options = class->options_bytes > 0 ? lw_mem_calloc(1, class->options_bytes) : NULL;
    struct lw_rng rng;
    enum lw_status status;

    if (class->options_bytes > 0 && options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the options of model %s",
                            class->name);
    }
    lw_options_default(class->options, class->n_options, options);
    lw_rng_seed(&rng, seed);
    status = class->fit(
        options, &(struct lw_model_rows){.values = rows, .n_rows = n_rows, .n_dims = n_columns},
        &rng, ret_model, reterr);
    lw_mem_free(options);
    return status;
}

/* Unit and calibration from the distances of rows that the model has not seen, in time order, none
 * NaN; reorders `work`. */
static enum lw_status calibrate(struct lw_tier1 *tier1, const float *distances, double *work,
                                size_t n, struct lw_calibrator *calibrator, struct lw_error *reterr)
{
    double smoothed = -1.0;
    enum lw_status status;

    for (size_t i = 0; i < n; i++) {
        work[i] = (double)distances[i];
    }
    tier1->median = lw_median_of(work, n);
    for (size_t i = 0; i < n; i++) {
        smoothed = lw_energy_smooth(smoothed,
                                    lw_energy((double)distances[i], tier1->median, UNIT_LEAST));
        work[i] = smoothed;
    }
    status = lw_calibration_fit(work, n, &tier1->calibration, reterr);
    smoothed = -1.0;
    for (size_t i = 0; status == LW_OK && calibrator != NULL && i < n; i++) {
        smoothed = lw_energy_smooth(smoothed,
                                    lw_energy((double)distances[i], tier1->median, UNIT_LEAST));
        lw_calibrator_prime(calibrator, lw_calibration_level(&tier1->calibration, smoothed));
    }
    return status;
}

/* Drops the distances of rows of which nothing is known; returns how many are left. */
static size_t known_only(float *distances, size_t n)
{
    size_t n_known = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isnan(distances[i])) {
            distances[n_known++] = distances[i];
        }
    }
    return n_known;
}

/* Scores the newest rows with a model of the older ones and calibrates on them. */
static enum lw_status hold_out(struct lw_tier1 *tier1, const struct lw_training_rows *rows,
                               uint64_t seed, struct lw_calibrator *calibrator,
                               struct lw_error *reterr)
{
    size_t share = (size_t)(LW_TIER1_KEPT_BACK * (double)rows->n_rows);
    size_t n_kept = share < LW_CALIBRATION_ROWS_MIN ? LW_CALIBRATION_ROWS_MIN : share;
    size_t n_older = rows->n_rows - n_kept, n_known;
    float *distances = lw_mem_calloc(n_kept, sizeof(*distances));
    double *work = lw_mem_calloc(n_kept, sizeof(*work));
    struct lw_model *model = NULL;
    enum lw_status status = LW_ENOMEM;

    if (distances == NULL || work == NULL) {
        (void)lw_error_set(reterr, LW_ENOMEM, "no memory to calibrate on %zu rows", n_kept);
        goto done;
    }
    status = fit_once(tier1->class, rows->rows, n_older, rows->stride, seed, &model, reterr);
    if (status != LW_OK) {
        goto done;
    }
    tier1->class->score(model, NULL, rows->rows + n_older * rows->stride, n_kept, distances);
    n_known = known_only(distances, n_kept);
    if (n_known < LW_CALIBRATION_ROWS_MIN) {
        status = lw_error_set(reterr, LW_EINVAL,
                              "%zu rows to calibrate on of which something is known; at least %d "
                              "are needed",
                              n_known, LW_CALIBRATION_ROWS_MIN);
        goto done;
    }
    status = calibrate(tier1, distances, work, n_known, calibrator, reterr);
done:
    tier1->class->destroy(model);
    lw_mem_free(distances);
    lw_mem_free(work);
    return status;
}

enum lw_status lw_tier1_fit(const struct lw_model_class *class, const struct lw_training_rows *rows,
                            uint64_t seed, struct lw_calibrator *calibrator,
                            struct lw_tier1 **ret_tier1, struct lw_error *reterr)
{
    struct lw_tier1 *tier1;
    enum lw_status status;

    if (rows->n_rows < LW_TIER1_ROWS_MIN) {
        return lw_error_set(reterr, LW_EINVAL, "%u rows to train on; at least %d are needed",
                            rows->n_rows, LW_TIER1_ROWS_MIN);
    }
    tier1 = lw_mem_calloc(1, sizeof(*tier1));
    if (tier1 == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for tier 1");
    }
    tier1->class = class;
    status = hold_out(tier1, rows, seed, calibrator, reterr);
    if (status == LW_OK) {
        status = fit_once(class, rows->rows, rows->n_rows, rows->stride, lw_rng_mix(seed),
                          &tier1->model, reterr);
    }
    if (status != LW_OK) {
        lw_tier1_destroy(tier1);
        return status;
    }
    *ret_tier1 = tier1;
    return LW_OK;
}

void lw_tier1_destroy(struct lw_tier1 *tier1)
{
    if (tier1 != NULL) {
        tier1->class->destroy(tier1->model);
        lw_mem_free(tier1);
    }
}

size_t lw_tier1_n_columns(const struct lw_tier1 *tier1)
{
    return tier1->class->n_dims(tier1->model);
}

void lw_tier1_attribute(const struct lw_tier1 *tier1, const float *row, float *ret_shares)
{
    tier1->class->attribute(tier1->model, NULL, row, ret_shares);
}

const struct lw_calibration *lw_tier1_calibration(const struct lw_tier1 *tier1)
{
    return &tier1->calibration;
}

size_t lw_tier1_bytes(const struct lw_tier1 *tier1)
{
    return sizeof(*tier1) + tier1->class->bytes(tier1->model);
}

void lw_tier1_save(const struct lw_tier1 *tier1, struct lw_writer *writer)
{
    lw_write_text(writer, tier1->class->name);
    lw_write_f64(writer, tier1->median);
    lw_calibration_save(&tier1->calibration, writer);
    tier1->class->save(tier1->model, writer);
}

enum lw_status lw_tier1_load(struct lw_reader *reader, struct lw_tier1 **ret_tier1,
                             struct lw_error *reterr)
{
    struct lw_tier1 *tier1 = lw_mem_calloc(1, sizeof(*tier1));
    char name[MODEL_NAME_MAX];
    enum lw_status status;

    if (tier1 == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for tier 1");
    }
    lw_read_text(reader, name, sizeof(name));
    tier1->median = lw_read_f64(reader);
    tier1->class = lw_model_class_find(name);
    if (reader->status != LW_OK || !isfinite(tier1->median)) {
        status = lw_error_set(reterr, LW_EFORMAT, "tier 1 in the state is damaged");
    } else if (tier1->class == NULL) {
        status = lw_error_set(reterr, LW_ENOTFOUND,
                              "the state holds a model \"%s\", which this program does not have",
                              name);
    } else {
        status = lw_calibration_load(&tier1->calibration, reader, reterr);
    }
    if (status == LW_OK) {
        status = tier1->class->load(reader, &tier1->model, reterr);
    }
    if (status != LW_OK) {
        if (tier1->class != NULL) {
            lw_tier1_destroy(tier1);
        } else {
            lw_mem_free(tier1);
        }
        return status;
    }
    *ret_tier1 = tier1;
    return LW_OK;
}
