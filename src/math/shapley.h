/*
 * Exact Shapley values of trees of cuts: what each column of a row adds to the value of the leaf it
 * comes to, or takes from it.
 *
 * The game. A tree that knows only some columns S of a row walks both ways at a cut of any other
 * column, and weighs the ways by the training rows that went there; v(S) is what it then expects.
 * The Shapley value of a column is what it adds to v(S), averaged over all orders in which columns
 * could be told. In v, a leaf of value y counts y times a product over the distinct columns of its
 * path: of a told column o = 1 when the row keeps to the path at each of its cuts, else 0; of an
 * untold one z, the share of training rows that keep to it. Averaged over all orders, which is an
 * integral over the chance t that a column was told before, column i gets of this leaf
 *
 *     y (o_i - z_i) integral over t from 0 to 1 of the product over j /= i of (t o_j + (1 - t) z_j)
 *
 * How it is computed. The integrand is a polynomial of a degree below the number of columns, which
 * Gauss's quadrature with half as many points integrates without error. The product of all z is the
 * share of training rows in the leaf; that and (1 - t) taken out, a column which the row does not
 * keep to leaves the factor 1, and one that it keeps to 1 + u r with r = 1 / z, u = t / (1 - t). At
 * each point, one walk up sums the leaves below every cut, times the factors between; one walk down
 * multiplies the factors above, and each cut settles its column from both. Where a column is cut
 * again below itself, the new factor takes the place of the old, and what the upper cut gave for
 * the leaves there is taken back. So a row costs a few operations a cut, where the usual algorithm
 * needs the square of the depth a leaf. All numbers are positive and none cancels.
 *
 * Source. Lundberg et al., "From local explanations to global understanding with explainable AI for
 * trees", Nature Machine Intelligence 2, 2020: the game, there "path dependent". Yu et al., "Linear
 * TreeShap", NeurIPS 2022: polynomials in place of subsets. We depart from the latter: at Gauss's
 * points, all inside (0, 1), no polynomial is ever divided.
 */
#ifndef LW_MATH_SHAPLEY_H
#define LW_MATH_SHAPLEY_H

#include <stddef.h>
#include <stdint.h>

#define LW_SHAPLEY_POINTS 4u
#define LW_SHAPLEY_DEPTH_MAX 12u
/* In cut.column: the sign of x is turned before the comparison. */
#define LW_SHAPLEY_SIGN 0x80000000u

/* x, turned where the column says so, goes to the first side when below the threshold, else, and
 * when it is NaN, to the second. */
struct lw_shapley_cut {
    float threshold;
    uint32_t column; /* With LW_SHAPLEY_SIGN. */
};

/*
 * A tree as a heap: the root is node 1, the sides of cut i are 2i and 2i + 1. What the row comes to
 * at a leaf stands at the bottom: at the leaf's descendants of the greatest depth, all alike.
 */
struct lw_shapley_tree {
    const struct lw_shapley_cut *cuts; /* [1 << depth] */
    const uint8_t *again;   /* [1 << depth]: how far above cut i the nearest cut of its column is on
                               the way to the root; 0 where there is none. */
    const uint64_t *is_cut; /* [lw_shapley_n_words(depth)]: a bit a node. */
    const uint64_t *is_leaf;
    const uint16_t *counts; /* [2 << depth]: training rows that reach a node. */
    const float *values;    /* [1 << depth]: of node (1 << depth) + k. */
    const double *inverses; /* [counts[1] + 1]: 1 / k. */
    uint32_t depth;
};

/* Four numbers, one for each point of a pass. */
struct lw_shapley_lanes {
    double lane[LW_SHAPLEY_POINTS];
};

/* Of a pass, its points as u, and after them what a leaf below m distinct columns is multiplied
 * by. */
#define LW_SHAPLEY_PASS_LANES (LW_SHAPLEY_DEPTH_MAX + 2u)

/* Bytes of scratch, aligned to 32, that the kernel takes for a tree of that depth; not cleared. */
#define LW_SHAPLEY_SCRATCH_BYTES(depth) (160u << (depth))

/* 64-bit words that hold a bit for each node of a tree. */
static inline size_t lw_shapley_n_words(uint32_t depth)
{
    return depth < 6 ? 1 : (size_t)2 << (depth - 6);
}

/* How many passes are exact for paths of up to that many distinct columns: 1 or 2. */
size_t lw_shapley_n_passes(size_t n_columns);
/* Pass i of so many, for leaves that are worth their value times their training rows times the
 * weight. */
void lw_shapley_pass(size_t n_passes, size_t i, double weight,
                     struct lw_shapley_lanes ret_pass[LW_SHAPLEY_PASS_LANES]);

#endif
