/*
 * The little linear algebra that training needs, in double, without a library: ridge regression by
 * Cholesky, and leading principal components by subspace iteration.
 *
 * Matrices are row-major double arrays of the caller. One thread; the same bits on every machine.
 */
#ifndef LW_MATH_LINEAR_ALGEBRA_H
#define LW_MATH_LINEAR_ALGEBRA_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

/* Sweeps of the subspace iteration at most; it ends sooner where the subspace stands still. */
#define LW_PRINCIPAL_SWEEPS 60
/* And no more than cost so many multiply-adds, but always a few. */
#define LW_PRINCIPAL_WORK 3e8
#define LW_PRINCIPAL_SWEEPS_LEAST 6

/* a[n][n] += the lower triangle of the products of one row: a[i][j] += row[i] row[j], j <= i. */
void lw_gram_add(double *a, const double *row, size_t n);
/* In place, lower triangle: a = L L'. False when a is not positive definite; O(n^3 / 6). */
bool lw_cholesky_factor(double *a, size_t n);
/* Solves L L' x = b for n_right right sides at once: b[n][n_right] becomes x. O(n^2 n_right). */
void lw_cholesky_solve(const double *l, size_t n, double *b, size_t n_right);
/* Eigenvalues, falling, and eigenvectors (rows of ret_vectors[n][n], orthonormal) of a symmetric
 * a[n][n], both triangles filled in, which is destroyed. Jacobi's method; for small n: O(n^3) times
 * about 8 sweeps. */
void lw_eigen_symmetric(double *a, size_t n, double *ret_values, double *ret_vectors);
/*
 * The k <= n leading eigenvectors of a covariance a[n][n] (both triangles): rows of
 * ret_vectors[k][n], orthonormal, by falling eigenvalue; each is given the sign that makes its
 * largest entry positive. scratch: double[LW_PRINCIPAL_SCRATCH(n, k)]. Subspace iteration with
 * Rayleigh-Ritz steps (Halko, Martinsson and Tropp, SIAM Review 2011), from a seeded start; exact
 * where n is small. Cost: O(n^2 k) a sweep, LW_PRINCIPAL_SWEEPS at most, less where n is large.
 */
void lw_principal(const double *a, size_t n, size_t k, struct lw_rng *rng, double *scratch,
                  double *ret_values, double *ret_vectors);
#define LW_PRINCIPAL_EXTRA 8u /* Vectors carried beside the k asked for. */
#define LW_PRINCIPAL_WIDTH(n, k)                                                                   \
    (((k) + LW_PRINCIPAL_EXTRA) < (n) ? ((k) + LW_PRINCIPAL_EXTRA) : (n))
#define LW_PRINCIPAL_SCRATCH(n, k)                                                                 \
    (2 * LW_PRINCIPAL_WIDTH(n, k) * ((n) + LW_PRINCIPAL_WIDTH(n, k) + 1))

#endif
