/* Learns an ECOD model: sorts each column and keeps the knots of its distribution. See
 * model/ecod.c. */
#include "model/ecod_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/quantile.h"
#include "model/ecod.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define HALVINGS 50 /* Of the factor's range: its last bits are then found. */

/* Scratch of a fit: one column at a time is sorted, the knots of all are gathered. */
struct tally {
    const struct lw_model_rows *rows;
    size_t knots_max;
    double *sorted;                 /* [n_rows]: the column's known values, ascending. */
    struct lw_ecod_column *columns; /* [n_dims] */
    struct lw_ecod_counts *counts;  /* [n_dims][most knots] */
    float *values;                  /* [n_dims][most knots] */
    size_t n_knots;
};

/* Ranks grow from 1 by the factor, by one row at least. */
static double rank_after(double rank, double factor)
{
    double next = floor(rank * factor);

    return next > rank ? next : rank + 1.0;
}

/* How many ranks that gives up to `last`; no more are counted than `most` and one. */
static size_t ranks_count(double last, double factor, size_t most)
{
    size_t n = 0;

    for (double rank = 1.0; rank <= last && n <= most; rank = rank_after(rank, factor)) {
        n++;
    }
    return n;
}

/* The least factor by which `most` ranks reach the middle of n_rows. */
static double ranks_factor(size_t n_rows, size_t most)
{
    double last = (double)n_rows / 2.0, low = 1.0, high = (double)n_rows;

    for (size_t i = 0; i < HALVINGS; i++) {
        double middle = sqrt(low * high);

        if (ranks_count(last, middle, most) > most) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

static size_t tally_sort(struct tally *tally, size_t column)
{
    const struct lw_model_rows *rows = tally->rows;
    size_t n = 0;

    for (size_t i = 0; i < rows->n_rows; i++) {
        float x = rows->values[i * rows->n_dims + column];

        if (!isnan(x)) {
            x = x < FLT_MAX ? x : FLT_MAX;
            tally->sorted[n++] = (double)(x > -FLT_MAX ? x : -FLT_MAX);
        }
    }
    lw_sort(tally->sorted, n);
    return n;
}

static size_t sorted_distinct(const double *sorted, size_t n)
{
    size_t n_distinct = 0;

    for (size_t i = 0; i < n; i++) {
        n_distinct += i == 0 || sorted[i] != sorted[i - 1];
    }
    return n_distinct;
}

/* Appends a knot at the value that has sorted[at], and returns where the next value begins. */
static size_t tally_add(struct tally *tally, size_t at, size_t n)
{
    size_t begin = at, end = at + 1;

    while (begin > 0 && tally->sorted[begin - 1] == tally->sorted[at]) {
        begin--;
    }
    while (end < n && tally->sorted[end] == tally->sorted[at]) {
        end++;
    }
    tally->values[tally->n_knots] = (float)tally->sorted[at];
    tally->counts[tally->n_knots].below = (uint32_t)begin;
    tally->counts[tally->n_knots].upto = (uint32_t)end;
    tally->n_knots++;
    return end;
}

/* Knots at chosen ranks: from the left end up to the middle, then the same seen from the right. */
static void tally_choose(struct tally *tally, size_t n)
{
    size_t ranks[LW_ECOD_KNOTS_MAX / 2] = {0}, n_ranks = 0, next = 0;
    double factor = ranks_factor(n, tally->knots_max / 2);

    for (double rank = 1.0; rank <= (double)n / 2.0; rank = rank_after(rank, factor)) {
        ranks[n_ranks++] = (size_t)rank;
    }
    for (size_t i = 0; i < n_ranks; i++) {
        if (ranks[i] - 1 >= next) {
            next = tally_add(tally, ranks[i] - 1, n);
        }
    }
    for (size_t i = n_ranks; i-- > 0;) {
        if (n - ranks[i] >= next) {
            next = tally_add(tally, n - ranks[i], n);
        }
    }
}

static void tally_column(struct tally *tally, size_t column)
{
    size_t n = tally_sort(tally, column), begin = tally->n_knots;

    if (sorted_distinct(tally->sorted, n) <= tally->knots_max) {
        for (size_t at = 0; at < n;) {
            at = tally_add(tally, at, n);
        }
    } else {
        tally_choose(tally, n);
    }
    tally->columns[column] = (struct lw_ecod_column){.begin = (uint32_t)begin,
                                                     .n_knots = (uint32_t)(tally->n_knots - begin),
                                                     .n_rows = (uint32_t)n};
}

static bool tally_init(struct tally *tally, const struct lw_model_rows *rows, size_t knots)
{
    size_t most = rows->n_rows < knots ? rows->n_rows : knots;

    tally->rows = rows;
    tally->knots_max = knots;
    tally->sorted = lw_mem_calloc(rows->n_rows, sizeof(*tally->sorted));
    tally->columns = lw_mem_calloc(rows->n_dims, sizeof(*tally->columns));
    tally->counts = lw_mem_calloc(rows->n_dims * most, sizeof(*tally->counts));
    tally->values = lw_mem_calloc(rows->n_dims * most, sizeof(*tally->values));
    return tally->sorted != NULL && tally->columns != NULL && tally->counts != NULL &&
           tally->values != NULL;
}

static void tally_fini(struct tally *tally)
{
    lw_mem_free(tally->values);
    lw_mem_free(tally->counts);
    lw_mem_free(tally->columns);
    lw_mem_free(tally->sorted);
}

enum lw_status lw_ecod_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model, struct lw_error *reterr)
{
    const struct lw_ecod_options *chosen = options;
    struct tally tally = {0};
    enum lw_status st = lw_model_check_fit(&lw_model_ecod, options, rows, reterr);

    (void)rng;
    if (st != LW_OK) {
        return st;
    }
    if (!tally_init(&tally, rows, (size_t)chosen->knots)) {
        st = lw_error_set(reterr, LW_ENOMEM, "ecod: no memory to learn from %zu rows",
                          rows->n_rows);
        goto done;
    }
    for (size_t i = 0; i < rows->n_dims; i++) {
        tally_column(&tally, i);
    }
    st = lw_ecod_create((uint32_t)rows->n_dims, (uint32_t)tally.n_knots, ret_model, reterr);
    if (st != LW_OK) {
        goto done;
    }
    memcpy((*ret_model)->columns, tally.columns, rows->n_dims * sizeof(*tally.columns));
    memcpy((*ret_model)->counts, tally.counts, tally.n_knots * sizeof(*tally.counts));
    memcpy((*ret_model)->values, tally.values, tally.n_knots * sizeof(*tally.values));
done:
    tally_fini(&tally);
    return st;
}
