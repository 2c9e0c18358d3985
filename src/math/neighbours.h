/*
 * The exact nearest neighbours of a row among a core set: some hundred to some thousand points, all
 * of which are looked at.
 *
 * A found neighbour is a key: the bits of its squared distance above, its index below. Such keys
 * sort by distance, and by index where distances are equal, so there is one right answer and every
 * machine gives it.
 */
#ifndef LW_MATH_NEIGHBOURS_H
#define LW_MATH_NEIGHBOURS_H

#include "base/bytes.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LW_NEIGHBOURS_POINTS_MAX 16384
#define LW_NEIGHBOURS_DIMS_MAX 4096
#define LW_NEIGHBOURS_MAX 64  /* Neighbours that are found at most. */
#define LW_NEIGHBOURS_TILE 16 /* Rows that are searched for together, at most. */
#define LW_NEIGHBOURS_LIMIT                                                                        \
    1e17f /* Values count as at most this far from 0: so no distance is                            \
             infinite. */

/*
 * The points, in memory of the caller's. Blocks are stored one after another, in each dimension by
 * dimension, so that the distances of many points are computed side by side; places without a point
 * are infinitely far. A block is what the first cache has room for.
 */
struct lw_neighbours {
    uint32_t n_points;
    uint32_t n_dims;
    uint32_t n_block; /* Points a block: a multiple of LW_GROUPS. */
    float *centre;    /* [n_dims] mean of the known values: what a missing value counts as. */
    float *points;    /* [blocks][n_dims][n_block], none NaN. */
};

/* What a search gives, 20 KiB; beside it a search takes 35 KiB of stack. */
struct lw_neighbours_found {
    uint64_t keys[LW_NEIGHBOURS_TILE][LW_NEIGHBOURS_MAX]; /* Of each row, the nearest first. */
    float queries[LW_NEIGHBOURS_DIMS_MAX]; /* [rows][n_dims]: the rows as they were searched for. */
};

/* Rows to draw points from, each n_dims known or missing (NaN) values at the start of a stride. */
struct lw_neighbours_rows {
    const float *values;
    size_t n_rows;
    size_t stride;
};

static inline uint32_t lw_neighbour_point(uint64_t key)
{
    return (uint32_t)key;
}

static inline float lw_neighbour_squared(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float squared;

    memcpy(&squared, &bits, sizeof(squared));
    return squared;
}

static inline float lw_neighbours_value(const struct lw_neighbours *set, size_t point, size_t dim)
{
    size_t block = point / set->n_block;

    return set->points[(block * set->n_dims + dim) * set->n_block + point % set->n_block];
}

/* Floats of memory that a set needs. 1 <= n_points <= LW_NEIGHBOURS_POINTS_MAX, and so for
 * n_dims. */
size_t lw_neighbours_floats(size_t n_points, size_t n_dims);
/* A set in that memory; its points are yet to be drawn, put or loaded. */
void lw_neighbours_init(struct lw_neighbours *set, float *memory, size_t n_points, size_t n_dims);
/* How many of the rows have a known value among their first n_dims. */
size_t lw_neighbours_known(const struct lw_neighbours_rows *rows, size_t n_dims);
/* Fills the set with points drawn at random from the n_known rows that have a known value, without
 * repeats, and takes the centre from them. Where n_known is less than n_points, the last known row
 * makes up the number; where no row is known, points are 0. */
void lw_neighbours_draw(struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                        size_t n_known, struct lw_rng *rng);
/* One point becomes the row; the centre stays. */
void lw_neighbours_put(struct lw_neighbours *set, size_t point, const float *row);
/* One point as a row. */
void lw_neighbours_get(const struct lw_neighbours *set, size_t point, float *ret_row);
/*
 * The k nearest points of as many of the rows as are taken at a time: at least one; returns how
 * many. 1 <= k <= n_points and LW_NEIGHBOURS_MAX. A missing value counts as the centre. A row's
 * answer does not depend on the rows beside it. Allocates nothing.
 */
size_t lw_neighbours_find(const struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                          size_t k, struct lw_neighbours_found *ret_found);
/* f32[n_dims] centre, f32[n_points][n_dims]. */
void lw_neighbours_save(const struct lw_neighbours *set, struct lw_writer *writer);
/* The inverse, into a set that has its shape; false when a value is none that a point may have, or
 * the bytes end. */
bool lw_neighbours_load(struct lw_neighbours *set, struct lw_reader *reader);

#endif
