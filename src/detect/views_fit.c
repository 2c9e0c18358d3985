/* How the views are fitted, saved and loaded: see detect/views.h. */
#include "detect/views_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/linear_algebra.h"

#include <math.h>
#include <string.h>

#define VIEWS_VERSION 1u
#define COMPONENT_WORK 2e9 /* Multiply-adds that a covariance may cost. */
#define NUMBER_MAX 1e6f    /* More than any mean of z or offset, and so than any component. */

enum lw_status lw_projection_create(size_t n_in, size_t n_out, struct lw_projection *ret_projection,
                                    struct lw_error *reterr)
{
    struct lw_projection projection = {.n_in = (uint32_t)n_in, .n_out = (uint32_t)n_out};

    projection.mean = lw_mem_calloc(n_in * (n_out + 1) + n_out, sizeof(float));
    if (projection.mean == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu components of %zu columns", n_out,
                            n_in);
    }
    projection.components = projection.mean + n_in;
    projection.offset = projection.components + n_in * n_out;
    *ret_projection = projection;
    return LW_OK;
}

void lw_projection_fini(struct lw_projection *projection)
{
    lw_mem_free(projection->mean);
    projection->mean = NULL;
}

/* Rows' mean and covariance while they are gathered. */
struct gather {
    size_t n;
    double n_rows;
    double *sum;      /* [n] */
    double *products; /* [n][n] */
    double *row;      /* [n] */
};

static void gather_add(struct gather *gather, const float *x)
{
    for (size_t i = 0; i < gather->n; i++) {
        gather->row[i] = (double)x[i];
        gather->sum[i] += gather->row[i];
    }
    lw_gram_add(gather->products, gather->row, gather->n);
    gather->n_rows += 1.0;
}

/* Sums become the mean, products the covariance, both triangles. */
static void gather_finish(struct gather *gather)
{
    size_t n = gather->n;

    for (size_t i = 0; i < n; i++) {
        gather->sum[i] /= gather->n_rows;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double covariance = gather->products[i * n + j] / gather->n_rows -
                                gather->sum[i] * gather->sum[j];

            gather->products[i * n + j] = covariance;
            gather->products[j * n + i] = covariance;
        }
    }
}

/* What projections are made from: rows go through the state, and one in `every` is given on. */
struct passage {
    struct lw_views *views;
    const struct lw_model_rows *rows;
    float *state, *inputs;
    size_t every;
    /* Fills inputs from the state after a step. */
    void (*inputs_of)(size_t n_columns, const struct lw_views_state *parts, float *ret_inputs);
};

static void inputs_spans(size_t n_columns, const struct lw_views_state *parts, float *ret_inputs)
{
    lw_views_spans(n_columns, parts, ret_inputs);
}

static void inputs_shape(size_t n_columns, const struct lw_views_state *parts, float *ret_inputs)
{
    (void)n_columns;
    lw_views_shape(parts, ret_inputs);
}

static void inputs_step(size_t n_columns, const struct lw_views_state *parts, float *ret_inputs)
{
    size_t newest = ((size_t)*parts->count + LW_VIEWS_STEPS - 1) % LW_VIEWS_STEPS;

    memcpy(ret_inputs, parts->ring + newest * n_columns, n_columns * sizeof(float));
}

static void passage_gather(struct passage *passage, struct gather *gather)
{
    size_t n_columns = passage->views->n_columns, number = 0;
    const float *row = passage->rows->values;

    for (size_t run = 0; run < lw_model_n_runs(passage->rows); run++) {
        struct lw_views_state parts = lw_views_state_parts(n_columns, passage->state);

        *parts.count = 0.0f;
        for (size_t i = 0; i < lw_model_run(passage->rows, run); i++, row += n_columns) {
            lw_views_push(passage->views, &parts, row);
            if (number++ % passage->every == 0) {
                passage->inputs_of(n_columns, &parts, passage->inputs);
                gather_add(gather, passage->inputs);
            }
        }
    }
    gather_finish(gather);
}

/* The leading components of the covariance into the projection. Components of no variance are left
 * zero: a coordinate that never was shows in the rest. */
static enum lw_status components_of(const struct gather *gather, size_t n_wanted,
                                    struct lw_rng *rng, struct lw_projection *projection,
                                    struct lw_error *reterr)
{
    size_t n = gather->n, k = n_wanted < n ? n_wanted : n;
    double *scratch = lw_mem_calloc(LW_PRINCIPAL_SCRATCH(n, k) + k * (n + 1), sizeof(double));
    double *values, *vectors;

    if (scratch == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for components of %zu columns", n);
    }
    values = scratch + LW_PRINCIPAL_SCRATCH(n, k);
    vectors = values + k;
    lw_principal(gather->products, n, k, rng, scratch, values, vectors);
    for (size_t i = 0; i < n; i++) {
        projection->mean[i] = (float)gather->sum[i];
        for (size_t c = 0; c < k; c++) {
            bool is_real = values[c] > 1e-9 * values[0] && values[c] > 0.0;

            projection->components[i * projection->n_out + c] = is_real ? (float)vectors[c * n + i]
                                                                        : 0.0f;
            projection->offset[c] += projection->components[i * projection->n_out + c] *
                                     projection->mean[i];
        }
    }
    lw_mem_free(scratch);
    return LW_OK;
}

static enum lw_status projection_fit(struct passage *passage, size_t n_in, size_t n_out,
                                     struct lw_rng *rng, struct lw_projection *ret_projection,
                                     struct lw_error *reterr)
{
    struct gather gather = {.n = n_in};
    enum lw_status status = lw_projection_create(n_in, n_out, ret_projection, reterr);

    if (status != LW_OK) {
        return status;
    }
    gather.sum = lw_mem_calloc(n_in * (n_in + 2), sizeof(double));
    if (gather.sum == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a covariance of %zu columns", n_in);
    }
    passage->every = 1 + (size_t)((double)passage->rows->n_rows * (double)n_in * (double)n_in /
                                  2.0 / COMPONENT_WORK);
    gather.row = gather.sum + n_in;
    gather.products = gather.row + n_in;
    passage_gather(passage, &gather);
    status = components_of(&gather, n_out, rng, ret_projection, reterr);
    lw_mem_free(gather.sum);
    return status;
}

static enum lw_status projections_fit(struct lw_views *views, const struct lw_model_rows *rows,
                                      struct lw_rng *rng, struct lw_error *reterr)
{
    size_t n = views->n_columns, n_spans = LW_VIEWS_SPANS * n;
    struct passage passage = {.views = views, .rows = rows};
    enum lw_status status;

    passage.state = lw_mem_calloc(lw_views_n_state(views), sizeof(float));
    passage.inputs = lw_mem_calloc(n_spans + LW_VIEWS_PATCH_INPUTS, sizeof(float));
    if (passage.state == NULL || passage.inputs == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to make views of %zu columns", n);
        goto done;
    }
    /* The patch's inputs need the first components; the others need the rings alone, which the
     * projection `first`, still zero, does not disturb. */
    status = lw_projection_create(n, LW_VIEWS_FIRST, &views->first, reterr);
    if (status == LW_OK) {
        struct lw_projection first = {0};

        passage.inputs_of = inputs_step;
        status = projection_fit(&passage, n, LW_VIEWS_FIRST, rng, &first, reterr);
        lw_projection_fini(&views->first);
        views->first = first;
    }
    if (status == LW_OK) {
        passage.inputs_of = inputs_spans;
        status = projection_fit(&passage, n_spans, LW_VIEWS_COMPONENTS, rng, &views->embedding,
                                reterr);
    }
    if (status == LW_OK) {
        passage.inputs_of = inputs_shape;
        status = projection_fit(&passage, LW_VIEWS_PATCH_INPUTS, LW_VIEWS_COMPONENTS, rng,
                                &views->patch, reterr);
    }
done:
    lw_mem_free(passage.inputs);
    lw_mem_free(passage.state);
    return status;
}

static enum lw_status linear_fit_default(const struct lw_model_rows *rows, struct lw_rng *rng,
                                         struct lw_model **ret_model, struct lw_error *reterr)
{
    void *options = lw_mem_calloc(1, lw_model_linear.options_bytes);
    enum lw_status status;

    if (options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the options of model linear");
    }
    lw_options_default(lw_model_linear.options, lw_model_linear.n_options, options);
    status = lw_model_linear.fit(options, rows, rng, ret_model, reterr);
    lw_mem_free(options);
    return status;
}

enum lw_status lw_views_fit(const struct lw_model_rows *rows, struct lw_rng *rng,
                            struct lw_views **ret_views, struct lw_error *reterr)
{
    struct lw_views *views;
    enum lw_status status;

    if (rows->n_rows < 2 || rows->n_dims < 1 || rows->n_dims > LW_VIEWS_COLUMNS_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "views of %zu rows of %zu columns; at least 2 rows and 1 to %d columns "
                            "are needed",
                            rows->n_rows, rows->n_dims, LW_VIEWS_COLUMNS_MAX);
    }
    views = lw_mem_calloc(1, sizeof(*views));
    if (views == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for views");
    }
    views->n_columns = (uint32_t)rows->n_dims;
    status = linear_fit_default(rows, rng, &views->linear, reterr);
    if (status == LW_OK) {
        status = projections_fit(views, rows, rng, reterr);
    }
    if (status != LW_OK) {
        lw_views_destroy(views);
        return status;
    }
    *ret_views = views;
    return LW_OK;
}

void lw_views_destroy(struct lw_views *views)
{
    if (views != NULL) {
        lw_model_linear.destroy(views->linear);
        lw_projection_fini(&views->embedding);
        lw_projection_fini(&views->first);
        lw_projection_fini(&views->patch);
        lw_mem_free(views);
    }
}

static void projection_save(const struct lw_projection *projection, struct lw_writer *writer)
{
    lw_write_f32s(writer, projection->mean,
                  (size_t)projection->n_in * (projection->n_out + 1) + projection->n_out);
}

static enum lw_status projection_load(struct lw_reader *reader, size_t n_in, size_t n_out,
                                      struct lw_projection *ret_projection, struct lw_error *reterr)
{
    size_t n = n_in * (n_out + 1) + n_out;
    enum lw_status status;

    if (n * sizeof(float) > lw_reader_left(reader)) {
        return lw_error_set(reterr, LW_EFORMAT, "the views are cut short");
    }
    status = lw_projection_create(n_in, n_out, ret_projection, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_read_f32s(reader, ret_projection->mean, n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(ret_projection->mean[i]) <= NUMBER_MAX)) {
            return lw_error_set(reterr, LW_EFORMAT, "the views are damaged: a component of %g",
                                (double)ret_projection->mean[i]);
        }
    }
    return LW_OK;
}

void lw_views_save(const struct lw_views *views, struct lw_writer *writer)
{
    lw_write_u16(writer, VIEWS_VERSION);
    lw_write_u32(writer, views->n_columns);
    lw_model_linear.save(views->linear, writer);
    projection_save(&views->embedding, writer);
    projection_save(&views->first, writer);
    projection_save(&views->patch, writer);
}

static enum lw_status views_load_parts(struct lw_views *views, struct lw_reader *reader,
                                       struct lw_error *reterr)
{
    size_t n = views->n_columns;
    enum lw_status status = lw_model_linear.load(reader, &views->linear, reterr);

    if (status == LW_OK && lw_model_linear.n_dims(views->linear) != n) {
        status = lw_error_set(reterr, LW_EFORMAT, "the views' forecaster reads other columns");
    }
    if (status == LW_OK) {
        status = projection_load(reader, LW_VIEWS_SPANS * n, LW_VIEWS_COMPONENTS, &views->embedding,
                                 reterr);
    }
    if (status == LW_OK) {
        status = projection_load(reader, n, LW_VIEWS_FIRST, &views->first, reterr);
    }
    if (status == LW_OK) {
        status = projection_load(reader, LW_VIEWS_PATCH_INPUTS, LW_VIEWS_COMPONENTS, &views->patch,
                                 reterr);
    }
    return status;
}

enum lw_status lw_views_load(struct lw_reader *reader, struct lw_views **ret_views,
                             struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    uint32_t n_columns = lw_read_u32(reader);
    struct lw_views *views;
    enum lw_status status;

    if (reader->status == LW_OK && version != VIEWS_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the views are of version %u, but this program reads %u",
                            (unsigned)version, VIEWS_VERSION);
    }
    if (reader->status != LW_OK || n_columns < 1 || n_columns > LW_VIEWS_COLUMNS_MAX) {
        return lw_error_set(reterr, LW_EFORMAT, "the views are damaged: %u columns",
                            (unsigned)n_columns);
    }
    views = lw_mem_calloc(1, sizeof(*views));
    if (views == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for views");
    }
    views->n_columns = n_columns;
    status = views_load_parts(views, reader, reterr);
    if (status != LW_OK) {
        lw_views_destroy(views);
        return status;
    }
    *ret_views = views;
    return LW_OK;
}
