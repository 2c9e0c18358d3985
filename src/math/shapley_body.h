/*
 * The kernel of tree Shapley values, math/shapley.h: part of math/kernels_body.h, and compiled with
 * it once for each instruction set. A lane is one point of the quadrature; lanes are added in one
 * fixed order.
 */
#include "math/shapley.h"

#include <string.h>

typedef double f64x4 __attribute__((vector_size(32)));

#define SHAPLEY_INLINE static inline __attribute__((always_inline))

/* 1 when the row goes to the second side. */
SHAPLEY_INLINE uint32_t shapley_second(const struct lw_shapley_cut *cut, const float *row)
{
    uint32_t bits;
    float x;

    memcpy(&bits, row + (cut->column & ~LW_SHAPLEY_SIGN), sizeof(bits));
    bits ^= cut->column & LW_SHAPLEY_SIGN;
    memcpy(&x, &bits, sizeof(x));
    return !(x < cut->threshold);
}

/* Scratch of one tree. */
struct shapley_walk {
    f64x4 *sums;         /* [2 n_cuts + 1]: leaves, then cuts: the leaves below, times the factors
                            between. */
    f64x4 *factors;      /* By slot: the factors above. */
    double *r;           /* By slot: r of that side; 0 when the row does not keep to it. */
    uint32_t (*ways)[2]; /* By cut: the kid on the side the row takes, and the other one. */
};

static void shapley_follow(const struct lw_shapley_tree *tree, const float *row,
                           struct shapley_walk walk)
{
    for (size_t i = 0; i < tree->n_cuts; i++) {
        const struct lw_shapley_cut *cut = tree->cuts + i;
        uint32_t second = shapley_second(cut, row);
        double r = cut->r[second];

        if (cut->above != 0 && walk.r[cut->above] == 0.0) {
            r = 0.0;
        }
        walk.r[2 * i + 2 + second] = r;
        walk.r[2 * i + 3 - second] = 0.0;
        walk.ways[i][0] = cut->kids[second];
        walk.ways[i][1] = cut->kids[second ^ 1u];
    }
}

static void shapley_sum(const struct lw_shapley_tree *tree, const struct lw_shapley_lanes *points,
                        struct shapley_walk walk)
{
    f64x4 u, *sums = walk.sums + tree->n_cuts + 1;

    memcpy(&u, points, sizeof(u));
    memcpy(walk.sums, tree->leaves, (tree->n_cuts + 1) * sizeof(*tree->leaves));
    for (size_t i = tree->n_cuts; i-- > 0;) {
        const struct lw_shapley_cut *cut = tree->cuts + i;
        double r = walk.r[2 * i + 2] + walk.r[2 * i + 3];
        f64x4 sum = (1.0 + u * r) * walk.sums[walk.ways[i][0]] + walk.sums[walk.ways[i][1]];

        if (cut->above != 0) {
            sum /= 1.0 + u * walk.r[cut->above];
        }
        sums[i] = sum;
    }
}

/* Down: with the factors above it, what each cut says of its column. */
static void shapley_settle(const struct lw_shapley_tree *tree,
                           const struct lw_shapley_lanes *points, struct shapley_walk walk,
                           f64x4 *values)
{
    f64x4 u;

    memcpy(&u, points, sizeof(u));
    walk.factors[1] = (f64x4){1.0, 1.0, 1.0, 1.0};
    for (size_t i = 0; i < tree->n_cuts; i++) {
        const struct lw_shapley_cut *cut = tree->cuts + i;
        const double *r = walk.r + 2 * i + 2;
        f64x4 factor = walk.factors[cut->slot], *value;
        f64x4 sum = (r[0] + r[1] - 1.0) * walk.sums[walk.ways[i][0]] - walk.sums[walk.ways[i][1]];

        if (cut->above != 0) {
            double r_above = walk.r[cut->above];

            factor /= 1.0 + u * r_above;
            sum -= (r_above - 1.0) * walk.sums[tree->n_cuts + 1 + i];
        }
        walk.factors[2 * i + 2] = (1.0 + u * r[0]) * factor;
        walk.factors[2 * i + 3] = (1.0 + u * r[1]) * factor;
        value = values + (cut->column & ~LW_SHAPLEY_SIGN);
        *value += sum * factor;
    }
}

static void kernel_shapley(const struct lw_shapley_tree *tree,
                           const struct lw_shapley_lanes *points, const float *row, void *scratch,
                           struct lw_shapley_lanes *values)
{
    struct shapley_walk walk = {.sums = scratch};

    walk.factors = walk.sums + 2 * tree->n_cuts + 1;
    walk.r = (double *)(walk.factors + 2 * tree->n_cuts + 2);
    walk.ways = (void *)(walk.r + 2 * tree->n_cuts + 2);
    shapley_follow(tree, row, walk);
    shapley_sum(tree, points, walk);
    shapley_settle(tree, points, walk, (f64x4 *)values);
}
