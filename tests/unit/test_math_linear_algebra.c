/* Cholesky, Jacobi and the leading components against their definitions, on covariances of real
 * rows and on degenerate ones. */
#include "support/table.h"
#include "support/test.h"

#include "math/linear_algebra.h"

#define N_SMD 38u

static double smd[N_SMD * N_SMD]; /* Covariance of real rows, both triangles. */

/* The covariance by its definition: the mean of products of differences to the mean. */
static int smd_read(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    double mean[N_SMD] = {0}, n = (double)table.n_rows;

    (void)state;
    assert_int_equal(table.n_dims, N_SMD);
    memset(smd, 0, sizeof(smd));
    for (size_t i = 0; i < table.n_rows * N_SMD; i++) {
        mean[i % N_SMD] += (double)table.values[i] / n;
    }
    for (size_t i = 0; i < N_SMD * N_SMD; i++) {
        for (size_t row = 0; row < table.n_rows; row++) {
            smd[i] += ((double)table.values[row * N_SMD + i / N_SMD] - mean[i / N_SMD]) *
                      ((double)table.values[row * N_SMD + i % N_SMD] - mean[i % N_SMD]) / n;
        }
    }
    lw_test_table_free(&table);
    return 0;
}

/* The largest entry of a V' - V' diag(values), and of V V' - 1, of k vectors in rows. */
static double worst_vector(const double *a, size_t n, size_t k, const double *values,
                           const double *vectors)
{
    double worst = 0.0;

    for (size_t i = 0; i < k; i++) {
        for (size_t row = 0; row < n; row++) {
            double sum = -values[i] * vectors[i * n + row];

            for (size_t j = 0; j < n; j++) {
                sum += a[row * n + j] * vectors[i * n + j];
            }
            worst = fmax(worst, fabs(sum));
        }
    }
    return worst;
}

static double worst_product(size_t n, size_t k, const double *vectors)
{
    double worst = 0.0;

    for (size_t i = 0; i < k * k; i++) {
        double sum = i / k == i % k ? -1.0 : 0.0;

        for (size_t j = 0; j < n; j++) {
            sum += vectors[i / k * n + j] * vectors[i % k * n + j];
        }
        worst = fmax(worst, fabs(sum));
    }
    return worst;
}

static void principal(const double *a, size_t n, size_t k, double *ret_values, double *ret_vectors)
{
    double *scratch = calloc(LW_PRINCIPAL_SCRATCH(n, k), sizeof(double));
    struct lw_rng rng;

    lw_rng_seed(&rng, 3);
    lw_principal(a, n, k, &rng, scratch, ret_values, ret_vectors);
    free(scratch);
}

static void test_gram__adds_the_lower_triangle_of_products(void **state)
{
    const double rows[2][3] = {{1.0, 2.0, 3.0}, {-1.0, 0.5, 4.0}};
    double a[9] = {0};

    (void)state;
    lw_gram_add(a, rows[0], 3);
    lw_gram_add(a, rows[1], 3);
    assert_true(a[0] == 2.0 && a[3] == 1.5 && a[4] == 4.25);
    assert_true(a[6] == -1.0 && a[7] == 8.0 && a[8] == 25.0);
    assert_true(a[1] == 0.0 && a[2] == 0.0 && a[5] == 0.0);
}

static void test_cholesky__solves_what_multiplies_back(void **state)
{
    double l[N_SMD * N_SMD], b[N_SMD * 3], given[N_SMD * 3];

    (void)state;
    memcpy(l, smd, sizeof(l));
    for (size_t i = 0; i < N_SMD; i++) {
        l[i * N_SMD + i] += 0.01;
        for (size_t r = 0; r < 3; r++) {
            given[i * 3 + r] = sin((double)(i * 3 + r));
        }
    }
    memcpy(b, given, sizeof(b));
    assert_true(lw_cholesky_factor(l, N_SMD));
    lw_cholesky_solve(l, N_SMD, b, 3);
    for (size_t i = 0; i < N_SMD; i++) {
        for (size_t r = 0; r < 3; r++) {
            double sum = 0.01 * b[i * 3 + r];

            for (size_t j = 0; j < N_SMD; j++) {
                sum += smd[i * N_SMD + j] * b[j * 3 + r];
            }
            assert_true(fabs(sum - given[i * 3 + r]) < 1e-11);
        }
    }
}

static void test_cholesky__refuses_what_is_not_positive_definite(void **state)
{
    double zero[1] = {0.0}, singular[4] = {1.0, 0.0, 1.0, 1.0}, negative[4] = {1.0, 0.0, 2.0, 1.0};
    double missing[4] = {1.0, 0.0, NAN, 1.0}, good[4] = {4.0, -9.0, 2.0, 2.0};

    (void)state;
    assert_false(lw_cholesky_factor(zero, 1));
    assert_false(lw_cholesky_factor(singular, 2));
    assert_false(lw_cholesky_factor(negative, 2));
    assert_false(lw_cholesky_factor(missing, 2));
    assert_true(lw_cholesky_factor(good, 2)); /* The upper triangle is not looked at. */
    assert_true(good[0] == 2.0 && good[2] == 1.0 && good[3] == 1.0);
}

static void test_eigen__takes_a_real_covariance_apart(void **state)
{
    double a[N_SMD * N_SMD], values[N_SMD], vectors[N_SMD * N_SMD], trace = 0.0, sum = 0.0;

    (void)state;
    memcpy(a, smd, sizeof(a));
    lw_eigen_symmetric(a, N_SMD, values, vectors);
    for (size_t i = 0; i < N_SMD; i++) {
        trace += smd[i * N_SMD + i];
        sum += values[i];
        assert_true(i == 0 || values[i] <= values[i - 1]);
    }
    assert_true(fabs(trace - sum) < 1e-13 * trace);
    assert_true(worst_vector(smd, N_SMD, N_SMD, values, vectors) < 1e-13 * values[0]);
    assert_true(worst_product(N_SMD, N_SMD, vectors) < 1e-13);
}

static void test_eigen__knows_small_and_degenerate_matrices(void **state)
{
    double one[1] = {7.0}, two[4] = {2.0, 1.0, 1.0, 2.0}, zero[9] = {0}, values[3], vectors[9];

    (void)state;
    lw_eigen_symmetric(one, 1, values, vectors);
    assert_true(values[0] == 7.0 && vectors[0] == 1.0);
    lw_eigen_symmetric(two, 2, values, vectors);
    assert_true(fabs(values[0] - 3.0) < 1e-15 && fabs(values[1] - 1.0) < 1e-15);
    assert_true(fabs(fabs(vectors[0]) - sqrt(0.5)) < 1e-15 &&
                fabs(vectors[0] - vectors[1]) < 1e-15);
    lw_eigen_symmetric(zero, 3, values, vectors);
    assert_true(values[0] == 0.0 && values[2] == 0.0);
    assert_true(worst_product(3, 3, vectors) == 0.0);
}

static void test_principal__is_the_leading_part_of_all_eigenvectors(void **state)
{
    double a[N_SMD * N_SMD], values[N_SMD], vectors[N_SMD * N_SMD];
    double leading[16], components[16 * N_SMD];

    (void)state;
    memcpy(a, smd, sizeof(a));
    lw_eigen_symmetric(a, N_SMD, values, vectors);
    for (size_t k = 1; k <= 16; k += 5) {
        principal(smd, N_SMD, k, leading, components);
        for (size_t i = 0; i < k; i++) {
            assert_true(fabs(leading[i] - values[i]) < 1e-9 * values[0]);
        }
        assert_true(worst_vector(smd, N_SMD, k, leading, components) < 1e-5 * values[0]);
        assert_true(worst_product(N_SMD, k, components) < 1e-12);
    }
}

/* The largest entry is positive, whatever the start. */
static void test_principal__has_one_sign(void **state)
{
    double values[2][8], components[2][8 * N_SMD];

    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        double scratch[LW_PRINCIPAL_SCRATCH(N_SMD, 8)];
        struct lw_rng rng;

        lw_rng_seed(&rng, seed);
        lw_principal(smd, N_SMD, 8, &rng, scratch, values[seed], components[seed]);
        for (size_t i = 0; i < 8; i++) {
            double largest = 0.0;

            for (size_t j = 0; j < N_SMD; j++) {
                double x = components[seed][i * N_SMD + j];

                largest = fabs(x) > fabs(largest) ? x : largest;
            }
            assert_true(largest > 0.0);
        }
    }
    for (size_t i = 0; i < 8 * N_SMD; i++) {
        assert_true(fabs(components[0][i] - components[1][i]) < 1e-4);
    }
}

static void test_principal__of_a_degenerate_covariance_is_orthonormal_still(void **state)
{
    double a[N_SMD * N_SMD] = {0}, values[N_SMD], components[N_SMD * N_SMD];

    (void)state;
    principal(a, N_SMD, 16, values, components); /* Nothing at all. */
    assert_true(values[0] == 0.0 && values[15] == 0.0);
    assert_true(worst_product(N_SMD, 16, components) < 1e-12);
    for (size_t i = 0; i < N_SMD * N_SMD; i++) {
        a[i] = (double)(i / N_SMD + 1) * (double)(i % N_SMD + 1); /* Of rank one. */
    }
    principal(a, N_SMD, 16, values, components);
    assert_true(fabs(values[0] / (38.0 * 39.0 * 77.0 / 6.0) - 1.0) < 1e-12);
    assert_true(values[1] < 1e-9 * values[0]);
    assert_true(fabs(components[37] / components[0] - 38.0) < 1e-9);
    assert_true(worst_product(N_SMD, 16, components) < 1e-12);
    principal(smd, N_SMD, N_SMD, values, components); /* All of them. */
    assert_true(worst_vector(smd, N_SMD, N_SMD, values, components) < 1e-12 * values[0]);
    assert_true(worst_product(N_SMD, N_SMD, components) < 1e-12);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram__adds_the_lower_triangle_of_products),
        cmocka_unit_test_setup(test_cholesky__solves_what_multiplies_back, smd_read),
        cmocka_unit_test(test_cholesky__refuses_what_is_not_positive_definite),
        cmocka_unit_test_setup(test_eigen__takes_a_real_covariance_apart, smd_read),
        cmocka_unit_test(test_eigen__knows_small_and_degenerate_matrices),
        cmocka_unit_test_setup(test_principal__is_the_leading_part_of_all_eigenvectors, smd_read),
        cmocka_unit_test_setup(test_principal__has_one_sign, smd_read),
        cmocka_unit_test_setup(test_principal__of_a_degenerate_covariance_is_orthonormal_still,
                               smd_read),
    };
    return LW_TEST_RUN(tests);
}
