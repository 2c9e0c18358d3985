/*
 * Solves the quadratic program of a One-Class SVM,
 *
 *     least 1/2 a' Q a, Q the bells of each row at each other, 0 <= a <= 1, sum of a = nu rows,
 *
 * by sequential minimal optimisation: a step moves weight from one row j to another row i, as much
 * as helps, until no pair is left that gains. With G = Q a, the kernel sum at each row, i is the
 * row of the least sum that can take weight; j, of those that have some to give, is the one whose
 * step gains most, (G_j - G_i)^2 / (Q_ii + Q_jj - 2 Q_ij).
 *
 * Source. Fan, Chen and Lin, "Working Set Selection Using Second Order Information for Training
 * Support Vector Machines", JMLR 2005. We depart from it: no rows are shrunk away, as looking for j
 * only among the rows of weight is already short where nu is small.
 *
 * Numerics. Q is made of the floats of the kernels that score, sums are doubles in the order of the
 * rows, and libm is not called: the same rows give the same bits on every machine.
 *
 * Cost. A column of Q is computed when a step first needs it, so it is rows times the rows that
 * ever have weight, little more than the support vectors, rather than rows^2; a step takes 2 rows
 * operations. Memory: 4 bytes times rows^2 are asked for, of which only those columns are touched.
 */
#include "base/error.h"
#include "base/mem.h"
#include "model/ocsvm_internal.h"

#include <math.h>
#include <string.h>

#define STOP 1e-5         /* Least violation of the optimum that is worked on: K is off by less. */
#define CURVATURE 1e-12   /* Stands in for that of two rows that are alike. */
#define STEPS_MAX 2000000 /* What there is by then is a valid machine, only not the best. */

struct solver {
    const struct lw_model *drawn; /* The rows as if all were support vectors. */
    const float *points;          /* [n][n_dims]: they, row by row. */
    size_t n;
    double *alphas;   /* [n]: a */
    double *sums;     /* [n]: G */
    uint32_t *givers; /* [n_givers]: the rows with a > 0, in any order. */
    size_t n_givers;
    bool *is_known; /* [n]: whether the column is computed. */
    float *columns; /* [n][n_wide]: Q */
};

/* A row is its own nearest, so its bells are the column as it is. */
static const float *solver_column(struct solver *solver, size_t i)
{
    float *column = solver->columns + i * solver->drawn->n_wide;

    if (!solver->is_known[i]) {
        (void)lw_ocsvm_bells(solver->drawn, solver->points + i * solver->drawn->n_dims, column);
        solver->is_known[i] = true;
    }
    return column;
}

/* All weight on the first rows. */
static void solver_begin(struct solver *solver, double nu)
{
    double left = nu * (double)solver->n;

    for (size_t i = 0; i < solver->n && left > 0.0; i++) {
        const float *column = solver_column(solver, i);

        solver->alphas[i] = left < 1.0 ? left : 1.0;
        solver->givers[solver->n_givers++] = (uint32_t)i;
        for (size_t k = 0; k < solver->n; k++) {
            solver->sums[k] += solver->alphas[i] * (double)column[k];
        }
        left -= 1.0;
    }
}

/* The row of the least sum among those that can take weight; n where none can. */
static size_t solver_taker(const struct solver *solver)
{
    double least = INFINITY;
    size_t taker = solver->n;

    for (size_t k = 0; k < solver->n; k++) {
        if (solver->sums[k] < least && solver->alphas[k] < 1.0) {
            least = solver->sums[k];
            taker = k;
        }
    }
    return taker;
}

static double curvature(float bell)
{
    double value = 2.0 - 2.0 * (double)bell;

    return value > CURVATURE ? value : CURVATURE;
}

/* Where in givers the row is whose weight gains most on the taker; n_givers at the optimum. */
static size_t solver_giver(const struct solver *solver, size_t taker, const float *column)
{
    double most = 0.0, widest = 0.0;
    size_t giver = solver->n_givers;

    for (size_t at = 0; at < solver->n_givers; at++) {
        size_t j = solver->givers[at];
        double slope = solver->sums[j] - solver->sums[taker];
        double gain = slope * slope / curvature(column[j]);

        widest = slope > widest ? slope : widest;
        if (slope > 0.0 && gain > most) {
            most = gain;
            giver = at;
        }
    }
    return widest < STOP ? solver->n_givers : giver;
}

/* Moves weight from the row at `at` in givers. */
static void solver_move(struct solver *solver, size_t taker, size_t at)
{
    size_t giver = solver->givers[at];
    const float *to = solver_column(solver, taker), *from = solver_column(solver, giver);
    double *alphas = solver->alphas, room = 1.0 - alphas[taker];
    double step = (solver->sums[giver] - solver->sums[taker]) / curvature(to[giver]);
    bool is_new = !(alphas[taker] > 0.0);

    step = step < room ? step : room;
    step = step < alphas[giver] ? step : alphas[giver];
    alphas[taker] = step < room ? alphas[taker] + step : 1.0;
    alphas[giver] -= step;
    if (!(alphas[giver] > 0.0)) {
        solver->givers[at] = solver->givers[--solver->n_givers];
    }
    if (is_new) {
        solver->givers[solver->n_givers++] = (uint32_t)taker;
    }
    for (size_t k = 0; k < solver->n; k++) {
        solver->sums[k] += step * ((double)to[k] - (double)from[k]);
    }
}

/* The kernel sum of the border: the mean of those of the rows on it, 0 < a < 1; without any, half
 * way between the rows outside and those inside. */
static double solver_rho(const struct solver *solver)
{
    double sum = 0.0, outside = 0.0, inside = INFINITY;
    size_t n_border = 0;

    for (size_t k = 0; k < solver->n; k++) {
        double alpha = solver->alphas[k], kernel = solver->sums[k];

        if (alpha >= 1.0) {
            outside = kernel > outside ? kernel : outside;
        } else if (alpha > 0.0) {
            sum += kernel;
            n_border++;
        } else {
            inside = kernel < inside ? kernel : inside;
        }
    }
    if (n_border > 0) {
        return sum / (double)n_border;
    }
    return isinf(inside) ? outside : (outside + inside) / 2.0;
}

static void solver_run(struct solver *solver, double nu)
{
    solver_begin(solver, nu);
    for (size_t step = 0; step < STEPS_MAX; step++) {
        size_t taker = solver_taker(solver), at;

        if (taker == solver->n) {
            return;
        }
        at = solver_giver(solver, taker, solver_column(solver, taker));
        if (at == solver->n_givers) {
            return;
        }
        solver_move(solver, taker, at);
    }
}

enum lw_status lw_ocsvm_solve(const struct lw_model *drawn, const float *points, double nu,
                              double *ret_alphas, double *ret_rho, struct lw_error *reterr)
{
    size_t n = drawn->n_vectors;
    struct solver solver = {.drawn = drawn, .points = points, .n = n, .alphas = ret_alphas};
    enum lw_status st = LW_OK;

    solver.sums = lw_mem_calloc(n, sizeof(*solver.sums));
    solver.givers = lw_mem_calloc(n, sizeof(*solver.givers));
    solver.is_known = lw_mem_calloc(n, sizeof(*solver.is_known));
    solver.columns = lw_mem_alloc(n * drawn->n_wide * sizeof(*solver.columns));
    if (solver.sums == NULL || solver.givers == NULL || solver.is_known == NULL ||
        solver.columns == NULL) {
        st = lw_error_set(reterr, LW_ENOMEM, "ocsvm: no memory to learn from %zu rows", n);
    } else {
        memset(ret_alphas, 0, n * sizeof(*ret_alphas));
        solver_run(&solver, nu);
        *ret_rho = solver_rho(&solver);
    }
    lw_mem_free(solver.columns);
    lw_mem_free(solver.is_known);
    lw_mem_free(solver.givers);
    lw_mem_free(solver.sums);
    return st;
}
