/* Exporting any model, and what a form of it loses: its own scores beside those that ONNX Runtime
 * gives for the graph. */
#include "model/onnx_export.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "model/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_SHARE 0.01 /* Of the mean score: no score counts as smaller. */

enum lw_status lw_onnx_export(const struct lw_model_class *model_class,
                              const struct lw_model *model, const struct lw_onnx_form *form,
                              struct lw_writer *writer, struct lw_error *reterr)
{
    enum lw_status st;

    if (model_class->export_onnx == NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "%s: this model has no ONNX form; autoencoder, iforest and lstm have",
                            model_class->name);
    }
    if (!(form->prune >= 0.0 && form->prune < 1.0)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "%s: a share of %g of the weights, but 0 to less than 1 are allowed",
                            model_class->name, form->prune);
    }
    st = model_class->export_onnx(model, form, writer, reterr);
    if (st == LW_OK && writer->status != LW_OK) {
        st = lw_error_set(reterr, writer->status, "%s: no memory for its graph", model_class->name);
    }
    return st;
}

/* Scores of all rows, each run from a fresh state. */
static enum lw_status rows_score(const struct lw_model_class *model_class,
                                 const struct lw_model *model, const struct lw_model_rows *rows,
                                 float *ret_scores, struct lw_error *reterr)
{
    size_t n_state = model_class->n_state == NULL ? 0 : model_class->n_state(model), begin = 0;
    float *state = lw_mem_calloc(n_state + 1, sizeof(*state));

    if (state == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for %zu numbers of a state",
                            n_state);
    }
    for (size_t run = 0; run < lw_model_n_runs(rows); run++) {
        size_t n = lw_model_run(rows, run);

        memset(state, 0, n_state * sizeof(*state));
        model_class->score(model, n_state > 0 ? state : NULL, rows->values + begin * rows->n_dims,
                           n, ret_scores + begin);
        begin += n;
    }
    lw_mem_free(state);
    return LW_OK;
}

struct ranked {
    float score;
    double rank;
    size_t at;
};

static int compare_scores(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->score < y->score ? -1 : x->score > y->score;
}

static int compare_places(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* Ranks from 0 in the scores' places, ties sharing their mean. */
static void ranks_of(struct ranked *ranked, size_t n)
{
    qsort(ranked, n, sizeof(*ranked), compare_scores);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && ranked[end].score == ranked[begin].score; end++) {
        }
        for (size_t i = begin; i < end; i++) {
            ranked[i].rank = (double)(begin + end - 1) / 2.0;
        }
    }
    qsort(ranked, n, sizeof(*ranked), compare_places);
}

static double correlation(const struct ranked *a, const struct ranked *b, size_t n)
{
    double mean = (double)(n - 1) / 2.0, ab = 0.0, aa = 0.0, bb = 0.0;

    for (size_t i = 0; i < n; i++) {
        ab += (a[i].rank - mean) * (b[i].rank - mean);
        aa += (a[i].rank - mean) * (a[i].rank - mean);
        bb += (b[i].rank - mean) * (b[i].rank - mean);
    }
    return aa > 0.0 && bb > 0.0 ? ab / sqrt(aa * bb) : (double)NAN;
}

/* Both models' scores of n rows, NaN where either cannot tell. */
static enum lw_status loss_measure(const float *own, const float *other, size_t n,
                                   struct lw_onnx_loss *loss, struct lw_error *reterr)
{
    struct ranked *a = lw_mem_calloc(n, 2 * sizeof(*a)), *b;
    double mean = 0.0;
    size_t n_both = 0;

    if (a == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory to rank %zu scores", n);
    }
    b = a + n;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(own[i]) && !isnan(other[i])) {
            a[n_both] = (struct ranked){.score = own[i], .at = n_both};
            b[n_both] = (struct ranked){.score = other[i], .at = n_both};
            mean += (double)own[i];
            n_both++;
        }
    }
    mean /= n_both > 0 ? (double)n_both : 1.0;
    loss->n_rows = n_both;
    for (size_t i = 0; i < n_both; i++) {
        double size = (double)a[i].score, least = mean * LEAST_SHARE, error;

        size = size > least ? size : least;
        error = fabs((double)a[i].score - (double)b[i].score);
        error = error > 0.0 ? error / size : 0.0;
        loss->max_error = error > loss->max_error ? error : loss->max_error;
        loss->mean_error += error / (double)n_both;
    }
    ranks_of(a, n_both);
    ranks_of(b, n_both);
    loss->rank_correlation = n_both > 0 ? correlation(a, b, n_both) : (double)NAN;
    lw_mem_free(a);
    return LW_OK;
}

/* The graph as a model of class onnx, which takes holes as ours does. */
static enum lw_status graph_load(const struct lw_writer *graph, const struct lw_model_rows *rows,
                                 struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_onnx_options *options = lw_mem_calloc(1, sizeof(*options));
    enum lw_status st;

    if (options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for options");
    }
    lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
    options->holes = LW_ONNX_HOLES_KEEP;
    st = lw_onnx_fit_bytes(options, graph->data, graph->n_bytes, rows, ret_model, reterr);
    lw_mem_free(options);
    return st;
}

enum lw_status lw_onnx_compare(const struct lw_model_class *model_class,
                               const struct lw_model *model, const struct lw_onnx_form *form,
                               const struct lw_model_rows *rows, struct lw_onnx_loss *ret_loss,
                               struct lw_error *reterr)
{
    static const struct lw_onnx_form lossless = {0};
    struct lw_onnx_loss loss = {0};
    struct lw_model *other = NULL;
    struct lw_writer graph;
    float *scores = NULL;
    enum lw_status st;

    if (rows->n_dims != model_class->n_dims(model)) {
        return lw_error_set(reterr, LW_EINVAL, "%s: rows of %zu values, but the model reads %zu",
                            model_class->name, rows->n_dims, model_class->n_dims(model));
    }
    lw_writer_init(&graph);
    st = lw_onnx_export(model_class, model, &lossless, &graph, reterr);
    loss.n_float_bytes = graph.n_bytes;
    lw_writer_reset(&graph);
    if (st == LW_OK) {
        st = lw_onnx_export(model_class, model, form, &graph, reterr);
        loss.n_bytes = graph.n_bytes;
    }
    if (st == LW_OK) {
        st = graph_load(&graph, rows, &other, reterr);
    }
    if (st == LW_OK) {
        scores = lw_mem_calloc(rows->n_rows, 2 * sizeof(*scores));
        st = scores != NULL
                 ? rows_score(model_class, model, rows, scores, reterr)
                 : lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for %zu scores", rows->n_rows);
    }
    if (st == LW_OK) {
        st = rows_score(&lw_model_onnx, other, rows, scores + rows->n_rows, reterr);
    }
    if (st == LW_OK) {
        st = loss_measure(scores, scores + rows->n_rows, rows->n_rows, &loss, reterr);
    }
    if (st == LW_OK) {
        *ret_loss = loss;
    }
    lw_mem_free(scores);
    lw_model_onnx.destroy(other);
    lw_writer_fini(&graph);
    return st;
}
