/* Cholesky, Jacobi and subspace iteration: see math/linear_algebra.h. */
#include "math/linear_algebra.h"

#include <math.h>
#include <string.h>

#define JACOBI_SWEEPS 30
/* The subspace stands still when no eigenvalue changes by more than this share in a sweep. */
#define SETTLED 1e-10

void lw_gram_add(double *a, const double *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *line = a + i * n;
        double x = row[i];

        for (size_t j = 0; j <= i; j++) {
            line[j] += x * row[j];
        }
    }
}

bool lw_cholesky_factor(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];

            for (size_t k = 0; k < j; k++) {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if (i > j) {
                a[i * n + j] = sum / a[j * n + j];
            } else if (sum > 0.0) {
                a[i * n + i] = sqrt(sum);
            } else {
                return false;
            }
        }
    }
    return true;
}

/* b[i] -= factor b[k], whole lines. */
static void line_subtract(double *b, size_t n_right, size_t i, size_t k, double factor)
{
    for (size_t r = 0; r < n_right; r++) {
        b[i * n_right + r] -= factor * b[k * n_right + r];
    }
}

static void line_divide(double *line, size_t n_right, double by)
{
    for (size_t r = 0; r < n_right; r++) {
        line[r] /= by;
    }
}

void lw_cholesky_solve(const double *l, size_t n, double *b, size_t n_right)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            line_subtract(b, n_right, i, k, l[i * n + k]);
        }
        line_divide(b + i * n_right, n_right, l[i * n + i]);
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++) {
            line_subtract(b, n_right, i, k, l[k * n + i]);
        }
        line_divide(b + i * n_right, n_right, l[i * n + i]);
    }
}

/* Turns lines (or columns, by their stride) p and q by the angle of cosine c and sine s. */
static void turn(double *p, double *q, size_t n, size_t stride, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        double x = p[i * stride], y = q[i * stride];

        p[i * stride] = c * x - s * y;
        q[i * stride] = s * x + c * y;
    }
}

/* Makes a[p][q] zero. */
static void jacobi_rotate(double *a, double *vectors, size_t n, size_t p, size_t q)
{
    double theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
    double t = (theta >= 0.0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
    double c = 1.0 / sqrt(t * t + 1.0), s = t * c;

    turn(a + p, a + q, n, n, c, s);
    turn(a + p * n, a + q * n, n, 1, c, s);
    turn(vectors + p * n, vectors + q * n, n, 1, c, s);
}

/* Puts the largest eigenvalue first, and so on, with their vectors. */
static void sort_falling(double *values, double *vectors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t best = i;

        for (size_t j = i + 1; j < n; j++) {
            best = values[j] > values[best] ? j : best;
        }
        if (best != i) {
            double value = values[i];

            values[i] = values[best];
            values[best] = value;
            for (size_t k = 0; k < n; k++) {
                double x = vectors[i * n + k];

                vectors[i * n + k] = vectors[best * n + k];
                vectors[best * n + k] = x;
            }
        }
    }
}

static void jacobi_sweep(double *a, double *vectors, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        for (size_t q = p + 1; q < n; q++) {
            if (a[p * n + q] != 0.0) {
                jacobi_rotate(a, vectors, n, p, q);
            }
        }
    }
}

/* Nothing worth a rotation is left beside the diagonal. */
static bool is_diagonal(const double *a, size_t n)
{
    double off = 0.0, on = 0.0;

    for (size_t p = 0; p < n; p++) {
        on += a[p * n + p] * a[p * n + p];
        for (size_t q = p + 1; q < n; q++) {
            off += a[p * n + q] * a[p * n + q];
        }
    }
    return off <= 1e-26 * on || off == 0.0;
}

void lw_eigen_symmetric(double *a, size_t n, double *ret_values, double *ret_vectors)
{
    memset(ret_vectors, 0, n * n * sizeof(*ret_vectors));
    for (size_t i = 0; i < n; i++) {
        ret_vectors[i * n + i] = 1.0;
    }
    for (int sweep = 0; sweep < JACOBI_SWEEPS && !is_diagonal(a, n); sweep++) {
        jacobi_sweep(a, ret_vectors, n);
    }
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = a[i * n + i];
    }
    sort_falling(ret_values, ret_vectors, n);
}

/* In four partial sums, so that no addition waits for the one before. */
static double line_product(const double *x, const double *y, size_t n)
{
    double sums[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4) {
        sums[0] += x[i] * y[i];
        sums[1] += x[i + 1] * y[i + 1];
        sums[2] += x[i + 2] * y[i + 2];
        sums[3] += x[i + 3] * y[i + 3];
    }
    for (; i < n; i++) {
        sums[0] += x[i] * y[i];
    }
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* Takes off a line what lies along those before it, twice for good measure, and makes it one long;
 * false when nothing was left. */
static bool line_set_apart(double *lines, size_t i, size_t n)
{
    double *line = lines + i * n, before = sqrt(line_product(line, line, n)), length;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < i; k++) {
            double along = line_product(line, lines + k * n, n);

            for (size_t j = 0; j < n; j++) {
                line[j] -= along * lines[k * n + j];
            }
        }
    }
    length = sqrt(line_product(line, line, n));
    if (!(length > 1e-10 * before && length > 0.0)) {
        return false;
    }
    line_divide(line, n, length);
    return true;
}

/* Gram and Schmidt; a line that the others span becomes a unit vector that they do not. */
static void orthonormalise(double *lines, size_t n_lines, size_t n)
{
    for (size_t i = 0; i < n_lines; i++) {
        for (size_t next = i; !line_set_apart(lines, i, n) && next < i + n; next++) {
            memset(lines + i * n, 0, n * sizeof(*lines));
            lines[i * n + next % n] = 1.0;
        }
    }
}

/* The sign that makes the largest entry positive. */
static void fix_sign(double *line, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        best = fabs(line[i]) > fabs(line[best]) ? i : best;
    }
    if (line[best] < 0.0) {
        line_divide(line, n, -1.0);
    }
}

/* Where the workspace of one run lies. */
struct subspace {
    size_t n, width;
    double *basis, *image; /* [width][n] */
    double *small;         /* [width][width] */
    double *turned;        /* [width][width] */
    double *values, *previous;
};

/* image = basis a, then the basis turned so that a is diagonal on it: the Rayleigh-Ritz step. */
static void rayleigh_ritz(const double *a, struct subspace *sub)
{
    size_t n = sub->n, width = sub->width;

    for (size_t i = 0; i < width; i++) {
        for (size_t j = 0; j < n; j++) {
            sub->image[i * n + j] = line_product(sub->basis + i * n, a + j * n, n);
        }
    }
    for (size_t i = 0; i < width; i++) {
        for (size_t j = 0; j <= i; j++) {
            double x = line_product(sub->image + i * n, sub->basis + j * n, n);

            sub->small[i * width + j] = x;
            sub->small[j * width + i] = x;
        }
    }
    lw_eigen_symmetric(sub->small, width, sub->values, sub->turned);
}

/* ret[i] = sum over k of turned[i][k] lines[k]. */
static void combine(const struct subspace *sub, const double *lines, size_t n_ret, double *ret)
{
    size_t n = sub->n;

    memset(ret, 0, n_ret * n * sizeof(*ret));
    for (size_t i = 0; i < n_ret; i++) {
        for (size_t k = 0; k < sub->width; k++) {
            double share = sub->turned[i * sub->width + k];

            for (size_t j = 0; j < n; j++) {
                ret[i * n + j] += share * lines[k * n + j];
            }
        }
    }
}

static bool has_settled(const struct subspace *sub, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        if (fabs(sub->values[i] - sub->previous[i]) > SETTLED * fabs(sub->values[0])) {
            return false;
        }
    }
    return true;
}

/* Sweeps that a matrix of this size is worth. */
static int sweeps_at_most(const struct subspace *sub)
{
    double sweeps = LW_PRINCIPAL_WORK / ((double)sub->width * (double)sub->n * (double)sub->n);

    return sweeps > LW_PRINCIPAL_SWEEPS         ? LW_PRINCIPAL_SWEEPS
           : sweeps < LW_PRINCIPAL_SWEEPS_LEAST ? LW_PRINCIPAL_SWEEPS_LEAST
                                                : (int)sweeps;
}

void lw_principal(const double *a, size_t n, size_t k, struct lw_rng *rng, double *scratch,
                  double *ret_values, double *ret_vectors)
{
    struct subspace sub = {.n = n, .width = LW_PRINCIPAL_WIDTH(n, k)};

    sub.basis = scratch;
    sub.image = sub.basis + sub.width * n;
    sub.small = sub.image + sub.width * n;
    sub.turned = sub.small + sub.width * sub.width;
    sub.values = sub.turned + sub.width * sub.width;
    sub.previous = sub.values + sub.width;
    for (size_t i = 0; i < sub.width * n; i++) {
        sub.basis[i] = lw_rng_double(rng) - 0.5;
    }
    memset(sub.previous, 0, sub.width * sizeof(double));
    orthonormalise(sub.basis, sub.width, n);
    for (int sweep = 1;; sweep++) {
        rayleigh_ritz(a, &sub);
        if (sub.width == n || sweep == sweeps_at_most(&sub) || has_settled(&sub, k)) {
            break;
        }
        memcpy(sub.previous, sub.values, sub.width * sizeof(double));
        memcpy(sub.basis, sub.image, sub.width * n * sizeof(double));
        orthonormalise(sub.basis, sub.width, n);
    }
    combine(&sub, sub.basis, k, ret_vectors);
    memcpy(ret_values, sub.values, k * sizeof(*ret_values));
    for (size_t i = 0; i < k; i++) {
        ret_values[i] = ret_values[i] > 0.0 ? ret_values[i] : 0.0;
        fix_sign(ret_vectors + i * n, n);
    }
}
