/*
 * Nearest neighbours by looking at all points, fast: squared distances of a block of points side by
 * side, then the k least of them without sorting.
 *
 * Choice of the k least. The distances at hand, up to SPAN_POINTS, are dealt to LW_GROUPS groups.
 * The k-th least of the groups' minima is a bound that k distances do not exceed, and few others:
 * for k = 20 of 500 some 4 on average. Only groups whose minimum is within the bound are looked at,
 * and only values within it are sorted in. For further spans the bound is the k-th nearest so far.
 *
 * Order of work. A tile of rows goes through one block after another, so that a block is in the
 * first cache for all of them. Each row is computed alone, in the same order whatever the tile, so
 * batches and single rows give the same bits.
 *
 * Cost: n_points n_dims of (subtract, multiply, add) a row, 8 or 16 at a time.
 */
#include "math/neighbours.h"

#include "base/mem.h"
#include "math/kernels.h"

#include <assert.h>
#include <math.h>

#define BLOCK_FLOATS 8192u /* 32 KiB: two thirds of a first cache, or all of a small one. */
#define BLOCK_POINTS_MAX 512u
#define SPAN_POINTS 1024u                  /* Distances of a row that are kept at a time. */
#define ALIGN_FLOATS (64u / sizeof(float)) /* Loads of 64 bytes should not cross cache lines. */

static_assert(LW_NEIGHBOURS_MAX <= LW_GROUPS, "the bound is one of the groups' minima");
static_assert(BLOCK_POINTS_MAX % LW_GROUPS == 0, "a block is whole groups");
static_assert(BLOCK_POINTS_MAX <= SPAN_POINTS, "a span has room for a block");

static size_t block_points(size_t n_points, size_t n_dims)
{
    size_t n = BLOCK_FLOATS / n_dims / LW_GROUPS * LW_GROUPS;
    size_t n_needed = (n_points + LW_GROUPS - 1) / LW_GROUPS * LW_GROUPS;

    n = n < LW_GROUPS ? LW_GROUPS : n;
    n = n > BLOCK_POINTS_MAX ? BLOCK_POINTS_MAX : n;
    return n < n_needed ? n : n_needed;
}

static size_t points_floats(size_t n_points, size_t n_dims)
{
    size_t n_block = block_points(n_points, n_dims);

    return (n_points + n_block - 1) / n_block * n_block * n_dims;
}

size_t lw_neighbours_floats(size_t n_points, size_t n_dims)
{
    return points_floats(n_points, n_dims) + n_dims + ALIGN_FLOATS;
}

void lw_neighbours_init(struct lw_neighbours *set, float *memory, size_t n_points, size_t n_dims)
{
    size_t n_floats = points_floats(n_points, n_dims);
    size_t past = (uintptr_t)memory / sizeof(float) % ALIGN_FLOATS;

    set->n_points = (uint32_t)n_points;
    set->n_dims = (uint32_t)n_dims;
    set->n_block = (uint32_t)block_points(n_points, n_dims);
    set->points = memory + (past == 0 ? 0 : ALIGN_FLOATS - past);
    set->centre = set->points + n_floats;
    for (size_t i = 0; i < n_floats; i++) {
        set->points[i] = INFINITY;
    }
    memset(set->centre, 0, n_dims * sizeof(float));
}

/* Within the limit; NaN stays. */
static float value_within(float x)
{
    x = x > LW_NEIGHBOURS_LIMIT ? LW_NEIGHBOURS_LIMIT : x;
    return x < -LW_NEIGHBOURS_LIMIT ? -LW_NEIGHBOURS_LIMIT : x;
}

static float *point_values(const struct lw_neighbours *set, size_t point)
{
    return set->points + point / set->n_block * set->n_block * set->n_dims + point % set->n_block;
}

static bool row_is_known(const float *row, size_t n_dims)
{
    for (size_t dim = 0; dim < n_dims; dim++) {
        if (!isnan(row[dim])) {
            return true;
        }
    }
    return false;
}

size_t lw_neighbours_known(const struct lw_neighbours_rows *rows, size_t n_dims)
{
    size_t n_known = 0;

    for (size_t i = 0; i < rows->n_rows; i++) {
        n_known += row_is_known(rows->values + i * rows->stride, n_dims);
    }
    return n_known;
}

/* The centre from the points' known values, which then stands in for the missing ones. */
static void holes_fill(struct lw_neighbours *set)
{
    for (size_t dim = 0; dim < set->n_dims; dim++) {
        double sum = 0.0;
        size_t n = 0;

        for (size_t point = 0; point < set->n_points; point++) {
            float value = lw_neighbours_value(set, point, dim);

            if (!isnan(value)) {
                sum += (double)value;
                n++;
            }
        }
        set->centre[dim] = n > 0 ? value_within((float)(sum / (double)n)) : 0.0f;
        for (size_t point = 0; point < set->n_points; point++) {
            float *value = point_values(set, point) + dim * set->n_block;

            *value = isnan(*value) ? set->centre[dim] : *value;
        }
    }
}

static void point_write(struct lw_neighbours *set, size_t point, const float *row)
{
    float *values = point_values(set, point);

    for (size_t dim = 0; dim < set->n_dims; dim++) {
        values[dim * set->n_block] = value_within(row[dim]);
    }
}

/* Into random order (Fisher and Yates). Rows near in time are near each other: left in their order,
 * a block might hold all neighbours of a row, and each of its points would be sorted in. */
static void points_shuffle(struct lw_neighbours *set, struct lw_rng *rng)
{
    for (size_t point = set->n_points; point > 1; point--) {
        float *a = point_values(set, point - 1);
        float *b = point_values(set, (size_t)lw_rng_below(rng, point));

        for (size_t at = 0; at < (size_t)set->n_dims * set->n_block; at += set->n_block) {
            float value = a[at];

            a[at] = b[at];
            b[at] = value;
        }
    }
}

/* Knuth, "The Art of Computer Programming", volume 2, algorithm S: each of the rows left is taken
 * with the probability that makes up the number. */
void lw_neighbours_draw(struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                        size_t n_known, struct lw_rng *rng)
{
    const float *last = rows->values;
    size_t n_left = n_known, point = 0;

    for (size_t i = 0; i < rows->n_rows && point < set->n_points; i++) {
        const float *row = rows->values + i * rows->stride;

        if (!row_is_known(row, set->n_dims)) {
            continue;
        }
        if (lw_rng_below(rng, n_left) < set->n_points - point) {
            point_write(set, point, row);
            last = row;
            point++;
        }
        n_left--;
    }
    for (; point < set->n_points; point++) {
        point_write(set, point, last);
    }
    points_shuffle(set, rng);
    holes_fill(set);
}

void lw_neighbours_put(struct lw_neighbours *set, size_t point, const float *row)
{
    float *values = point_values(set, point);

    for (size_t dim = 0; dim < set->n_dims; dim++) {
        values[dim * set->n_block] = isnan(row[dim]) ? set->centre[dim] : value_within(row[dim]);
    }
}

void lw_neighbours_get(const struct lw_neighbours *set, size_t point, float *ret_row)
{
    for (size_t dim = 0; dim < set->n_dims; dim++) {
        ret_row[dim] = lw_neighbours_value(set, point, dim);
    }
}

/* Sorts a key into n keys, of which no more than k are kept. Returns how many there are. */
static size_t keys_insert(uint64_t *keys, size_t n, size_t k, uint64_t key)
{
    size_t at = n < k ? n : k - 1;

    if (n == k && key > keys[at]) {
        return n;
    }
    for (; at > 0 && keys[at - 1] > key; at--) {
        keys[at] = keys[at - 1];
    }
    keys[at] = key;
    return n < k ? n + 1 : n;
}

/* Indices of the values that do not exceed the bound, group by group; without a branch that depends
 * on them. */
static size_t span_candidates(const float *squared, size_t n, const float *minima, float bound,
                              uint16_t *ret_candidates)
{
    uint16_t groups[LW_GROUPS + 1] LW_UNINITIALIZED;
    size_t n_groups = 0, n_candidates = 0;

    for (size_t group = 0; group < LW_GROUPS; group++) {
        groups[n_groups] = (uint16_t)group;
        n_groups += minima[group] <= bound;
    }
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t at = groups[i]; at < n; at += LW_GROUPS) {
            ret_candidates[n_candidates] = (uint16_t)at;
            n_candidates += squared[at] <= bound;
        }
    }
    return n_candidates;
}

/* Brings the k nearest keys of a row up to date with n distances more, those of the points from
 * `first` on. */
static void span_choose(const float *squared, size_t n, size_t first, size_t k, uint64_t *keys)
{
    float minima[LW_GROUPS] LW_UNINITIALIZED, bound;
    uint16_t candidates[SPAN_POINTS + 1] LW_UNINITIALIZED; /* One behind the last is written. */
    size_t n_candidates, n_keys = first == 0 ? 0 : k;

    bound = lw_kernels_best()->minima(squared, n, first == 0 ? k : 0, minima);
    bound = first == 0 ? bound : lw_neighbour_squared(keys[k - 1]);
    n_candidates = span_candidates(squared, n, minima, bound, candidates);
    for (size_t i = 0; i < n_candidates; i++) {
        uint64_t point = first + candidates[i];
        uint32_t bits;

        memcpy(&bits, &squared[candidates[i]], sizeof(bits));
        n_keys = keys_insert(keys, n_keys, k, (uint64_t)bits << 32 | point);
    }
    assert(n_keys == k);
}

/* The rows as they are searched for: holes filled, values within the limit. Returns how many. */
static size_t queries_fill(const struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                           float *ret_queries)
{
    size_t n = LW_NEIGHBOURS_DIMS_MAX / set->n_dims;

    n = n < LW_NEIGHBOURS_TILE ? n : LW_NEIGHBOURS_TILE;
    n = n < rows->n_rows ? n : rows->n_rows;
    for (size_t i = 0; i < n; i++) {
        const float *row = rows->values + i * rows->stride;
        float *query = ret_queries + i * set->n_dims;

        for (size_t dim = 0; dim < set->n_dims; dim++) {
            query[dim] = isnan(row[dim]) ? set->centre[dim] : value_within(row[dim]);
        }
    }
    return n;
}

size_t lw_neighbours_find(const struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                          size_t k, struct lw_neighbours_found *ret_found)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    float squared[LW_NEIGHBOURS_TILE][SPAN_POINTS] LW_UNINITIALIZED;
    size_t n_rows = queries_fill(set, rows, ret_found->queries);
    size_t n_block = set->n_block, n_span;

    for (size_t first = 0; first < set->n_points; first += n_span) {
        for (n_span = 0; n_span + n_block <= SPAN_POINTS && first + n_span < set->n_points;
             n_span += n_block) {
            for (size_t i = 0; i < n_rows; i++) {
                kernels->distances(set->points + (first + n_span) * set->n_dims,
                                   ret_found->queries + i * set->n_dims, set->n_dims, n_block,
                                   squared[i] + n_span);
            }
        }
        for (size_t i = 0; i < n_rows; i++) {
            span_choose(squared[i], n_span, first, k, ret_found->keys[i]);
        }
    }
    return n_rows;
}

void lw_neighbours_save(const struct lw_neighbours *set, struct lw_writer *writer)
{
    lw_write_f32s(writer, set->centre, set->n_dims);
    for (size_t point = 0; point < set->n_points; point++) {
        for (size_t dim = 0; dim < set->n_dims; dim++) {
            lw_write_f32(writer, lw_neighbours_value(set, point, dim));
        }
    }
}

/* A value that a point or the centre may have. */
static bool value_load(struct lw_reader *reader, float *ret_value)
{
    *ret_value = lw_read_f32(reader);
    return reader->status == LW_OK && fabsf(*ret_value) <= LW_NEIGHBOURS_LIMIT;
}

bool lw_neighbours_load(struct lw_neighbours *set, struct lw_reader *reader)
{
    for (size_t dim = 0; dim < set->n_dims; dim++) {
        if (!value_load(reader, &set->centre[dim])) {
            return false;
        }
    }
    for (size_t point = 0; point < set->n_points; point++) {
        float *values = point_values(set, point);

        for (size_t dim = 0; dim < set->n_dims; dim++) {
            if (!value_load(reader, &values[dim * set->n_block])) {
                return false;
            }
        }
    }
    return true;
}
