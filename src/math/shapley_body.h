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

/* Scratch of one tree; by node but for the lists. */
struct shapley_walk {
    f64x4 *sums;        /* The leaves below, times the factors between. */
    f64x4 *factors;     /* The factors above. */
    double *r;          /* r of the node's cut and side; 0 when the row does not keep to it. Node 0
                           stands for what is above the first cut of a column. */
    uint8_t *n_columns; /* Distinct columns above. */
    uint16_t *cuts;     /* The nodes that are cuts, each behind those above it. */
    uint16_t *ways;     /* By place in that list: the node to which the row goes. */
    size_t n_cuts;
};

SHAPLEY_INLINE struct shapley_walk shapley_walk_init(void *scratch, uint32_t depth)
{
    size_t n_nodes = (size_t)2 << depth;
    struct shapley_walk walk = {.sums = scratch};

    walk.factors = walk.sums + n_nodes;
    walk.r = (double *)(walk.factors + n_nodes);
    walk.cuts = (void *)(walk.r + n_nodes);
    walk.ways = walk.cuts + n_nodes / 2;
    walk.n_columns = (uint8_t *)(walk.ways + n_nodes / 2);
    return walk;
}

/* The node below the cut above i that has its column; 0 where there is none. */
SHAPLEY_INLINE uint32_t shapley_above(const struct lw_shapley_tree *tree, uint32_t i)
{
    return tree->again[i] == 0 ? 0 : i >> (tree->again[i] - 1);
}

/* Down: where the row goes at every cut. */
static void shapley_follow(const struct lw_shapley_tree *tree, const float *row,
                           struct shapley_walk *walk)
{
    size_t n_words = lw_shapley_n_words(tree->depth);

    walk->r[0] = 1.0;
    walk->n_columns[1] = 0;
    for (size_t word = 0; word < n_words; word++) {
        for (uint64_t bits = tree->is_cut[word]; bits != 0; bits &= bits - 1) {
            uint32_t i = (uint32_t)(64 * word) + (uint32_t)__builtin_ctzll(bits);
            uint32_t second = shapley_second(tree->cuts + i, row), way = 2 * i + second;
            uint32_t above = shapley_above(tree, i);
            uint8_t n_columns = (uint8_t)(walk->n_columns[i] + (above == 0));

            walk->r[way] = tree->counts[i] * tree->inverses[tree->counts[way]] * walk->r[above];
            walk->r[way ^ 1u] = 0.0;
            walk->n_columns[2 * i] = n_columns;
            walk->n_columns[2 * i + 1] = n_columns;
            walk->ways[walk->n_cuts] = (uint16_t)way;
            walk->cuts[walk->n_cuts++] = (uint16_t)i;
        }
    }
}

static void shapley_leaves(const struct lw_shapley_tree *tree, const struct lw_shapley_lanes *pass,
                           const struct shapley_walk *walk)
{
    uint32_t n_bottom = 1u << tree->depth;
    size_t n_words = lw_shapley_n_words(tree->depth);

    for (size_t word = 0; word < n_words; word++) {
        for (uint64_t bits = tree->is_leaf[word]; bits != 0; bits &= bits - 1) {
            uint32_t i = (uint32_t)(64 * word) + (uint32_t)__builtin_ctzll(bits);
            uint32_t below = i << (tree->depth + (uint32_t)__builtin_clz(i) - 31u);
            double value = (double)tree->values[below - n_bottom] * tree->counts[i];
            f64x4 factor;

            memcpy(&factor, pass + 1 + walk->n_columns[i], sizeof(factor));
            walk->sums[i] = value * factor;
        }
    }
}

static void shapley_sum(const struct lw_shapley_tree *tree, const struct lw_shapley_lanes *points,
                        const struct shapley_walk *walk)
{
    f64x4 u;

    memcpy(&u, points, sizeof(u));
    for (size_t k = walk->n_cuts; k-- > 0;) {
        uint32_t i = walk->cuts[k], way = walk->ways[k], above = shapley_above(tree, i);
        f64x4 sum = (1.0 + u * walk->r[way]) * walk->sums[way] + walk->sums[way ^ 1u];

        if (above != 0) {
            sum /= 1.0 + u * walk->r[above];
        }
        walk->sums[i] = sum;
    }
}

/* Down: with the factors above it, what each cut says of its column. */
static void shapley_settle(const struct lw_shapley_tree *tree,
                           const struct lw_shapley_lanes *points, const struct shapley_walk *walk,
                           f64x4 *values)
{
    f64x4 u;

    memcpy(&u, points, sizeof(u));
    walk->factors[1] = (f64x4){1.0, 1.0, 1.0, 1.0};
    for (size_t k = 0; k < walk->n_cuts; k++) {
        uint32_t i = walk->cuts[k], way = walk->ways[k], above = shapley_above(tree, i);
        double r = walk->r[way];
        f64x4 factor = walk->factors[i];
        f64x4 sum = (r - 1.0) * walk->sums[way] - walk->sums[way ^ 1u];

        if (above != 0) {
            double r_above = walk->r[above];

            factor /= 1.0 + u * r_above;
            sum -= (r_above - 1.0) * walk->sums[i];
        }
        walk->factors[way] = (1.0 + u * r) * factor;
        walk->factors[way ^ 1u] = factor;
        values[tree->cuts[i].column & ~LW_SHAPLEY_SIGN] += sum * factor;
    }
}

static void kernel_shapley(const struct lw_shapley_tree *tree, const struct lw_shapley_lanes *pass,
                           const float *row, void *scratch, struct lw_shapley_lanes *values)
{
    struct shapley_walk walk = shapley_walk_init(scratch, tree->depth);

    shapley_follow(tree, row, &walk);
    shapley_leaves(tree, pass, &walk);
    shapley_sum(tree, pass, &walk);
    shapley_settle(tree, pass, &walk, (f64x4 *)values);
}
