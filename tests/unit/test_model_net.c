/* What the networks share, against plain loops in double precision written from the formulas. */
#include "support/test.h"

#include "base/rng.h"
#include "model/net.h"

#include <math.h>
#include <stdlib.h>

#define N_IN 13
#define N_OUT 11
#define N_ROWS 5

static struct lw_rng rng;

static void fill(float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)(2.0 * lw_rng_double(&rng) - 1.0);
    }
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * (1.0 + fabs(b)))) {
        fail_msg("%.9g instead of %.9g", a, b);
    }
}

static void test_layer__goes_forward_as_the_formula_says(void **state)
{
    struct lw_layer layer = lw_layer_of(N_IN, N_OUT);
    float weights[(1 + N_IN) * 16], x[N_IN], y[16];

    (void)state;
    assert_int_equal(layer.n_wide, 16);
    assert_int_equal(lw_layer_floats(&layer), sizeof(weights) / sizeof(float));
    lw_rng_seed(&rng, 1);
    lw_layer_init(&layer, weights, &rng);
    fill(x, N_IN);
    weights[3] = 0.5f; /* A bias. */
    lw_layer_forward(lw_kernels_best(), &layer, weights, x, y);
    for (size_t o = 0; o < 16; o++) {
        double sum = o == 3 ? 0.5 : 0.0;

        for (size_t i = 0; i < N_IN; i++) {
            assert_true(fabs((double)weights[(1 + i) * 16 + o]) <= sqrt(6.0 / (N_IN + N_OUT)));
            sum += (double)x[i] * (double)weights[(1 + i) * 16 + o];
        }
        assert_near((double)y[o], sum, 1e-6);
        assert_true(o < N_OUT || y[o] == 0.0f);
    }
}

static void test_layer__goes_back_as_the_formula_says(void **state)
{
    struct lw_layer layer = lw_layer_of(N_IN, N_OUT);
    float weights[(1 + N_IN) * 16], gradient[(1 + N_IN) * 16] = {0}, turned[N_OUT * 16];
    float x[N_ROWS * N_IN], dy[N_ROWS * 16] = {0}, scratch[N_IN * N_ROWS], dx[8];
    struct lw_layer_batch batch = {x, N_IN, dy, N_ROWS, scratch};

    (void)state;
    lw_rng_seed(&rng, 2);
    lw_layer_init(&layer, weights, &rng);
    fill(x, N_ROWS * N_IN);
    for (size_t row = 0; row < N_ROWS; row++) {
        fill(dy + row * 16, N_OUT);
    }
    lw_layer_learn(lw_kernels_best(), &layer, &batch, gradient);
    for (size_t i = 0; i <= N_IN; i++) {
        for (size_t o = 0; o < 16; o++) {
            double sum = 0.0;

            for (size_t row = 0; row < N_ROWS; row++) {
                sum += (double)dy[row * 16 + o] * (i == 0 ? 1.0 : (double)x[row * N_IN + i - 1]);
            }
            assert_near((double)gradient[i * 16 + o], sum, 1e-6);
        }
    }
    lw_layer_turn(&layer, weights, 6, 7, turned);
    lw_layer_backward(lw_kernels_best(), &layer, turned, 7, dy, dx);
    for (size_t i = 0; i < 8; i++) {
        double sum = 0.0;

        for (size_t o = 0; i < 7 && o < N_OUT; o++) {
            sum += (double)dy[o] * (double)weights[(1 + 6 + i) * 16 + o];
        }
        assert_near((double)dx[i], sum, 1e-6);
    }
}

/* Algorithm 1 of the paper, on gradients of very different size. */
static void test_adam__steps_as_the_paper_says(void **state)
{
    float means[4] = {0}, squares[4] = {0}, weights[4] = {1.0f, -1.0f, 0.5f, 0.0f}, gradient[4];
    double m[4] = {0}, v[4] = {0}, w[4] = {1.0, -1.0, 0.5, 0.0};
    struct lw_adam adam = {means, squares, 4, 1.0, 1.0};

    (void)state;
    lw_rng_seed(&rng, 3);
    for (int t = 1; t <= 200; t++) {
        fill(gradient, 4);
        gradient[1] *= 1e-4f;
        gradient[2] += 3.0f;
        gradient[3] = 0.0f;
        lw_adam_step(&adam, 1e-2, gradient, weights);
        for (size_t i = 0; i < 4; i++) {
            double g = (double)gradient[i];

            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            w[i] -= 1e-2 * (m[i] / (1.0 - pow(0.9, t))) /
                    (sqrt(v[i] / (1.0 - pow(0.999, t))) + 1e-8);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        assert_near((double)weights[i], w[i], 1e-3);
    }
    assert_true(weights[3] == 0.0f);
}

static void test_clip__shortens_what_is_long_and_refuses_what_is_no_number(void **state)
{
    float gradient[3] = {3.0f, 0.0f, 4.0f};

    (void)state;
    assert_true(lw_net_clip(lw_kernels_best(), gradient, 3, 10.0f));
    assert_true(gradient[0] == 3.0f && gradient[2] == 4.0f);
    assert_true(lw_net_clip(lw_kernels_best(), gradient, 3, 1.0f));
    assert_near((double)gradient[0], 0.6, 1e-6);
    assert_near((double)gradient[2], 0.8, 1e-6);
    gradient[1] = NAN;
    assert_false(lw_net_clip(lw_kernels_best(), gradient, 3, 1.0f));
    gradient[1] = 3e38f;
    assert_false(lw_net_clip(lw_kernels_best(), gradient, 3, 1.0f));
}

static void test_best__keeps_the_weights_of_the_least_loss(void **state)
{
    static const double losses[] = {3.0, 2.0, 2.5, NAN, 1.0, 1.0};
    static const size_t n_without[] = {0, 0, 1, 2, 0, 1};
    float kept = 0.0f;
    struct lw_best best = {&kept, 1, INFINITY, 0};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        float weight = (float)i;

        lw_best_offer(&best, losses[i], &weight);
        assert_int_equal(best.n_without, n_without[i]);
    }
    assert_true(kept == 4.0f && best.loss == 1.0);
}

/* Huber's loss is the integral of the clamped error, which training uses as its slope. */
static void test_huber__has_the_slope_that_training_takes(void **state)
{
    (void)state;
    for (double e = -3.0; e <= 3.0; e += 0.0625) {
        double slope = (lw_net_huber(e + 1e-6) - lw_net_huber(e - 1e-6)) / 2e-6;

        assert_near(slope, (double)lw_net_clamp((float)e, 1.0f), 1e-6);
    }
}

static void test_gains__are_one_by_the_rms_with_a_floor(void **state)
{
    static const double squares[] = {400.0, 1e-9, 0.0, 25.0}, counts[] = {100.0, 100.0, 0.0, 25.0};
    float gains[4];

    (void)state;
    lw_net_gains(squares, counts, 4, gains);
    assert_near((double)gains[0], 0.5, 1e-6);
    assert_near((double)gains[1], 10.0, 1e-6);
    assert_near((double)gains[2], 10.0, 1e-6);
    assert_near((double)gains[3], 1.0, 1e-6);
}

static void test_held__is_the_newest_share_of_a_run(void **state)
{
    (void)state;
    assert_int_equal(lw_net_held(0), 0);
    assert_int_equal(lw_net_held(6), 0);
    assert_int_equal(lw_net_held(7), 1);
    assert_int_equal(lw_net_held(1000), 150);
    assert_int_equal(lw_net_held(1099), 164);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer__goes_forward_as_the_formula_says),
        cmocka_unit_test(test_layer__goes_back_as_the_formula_says),
        cmocka_unit_test(test_adam__steps_as_the_paper_says),
        cmocka_unit_test(test_clip__shortens_what_is_long_and_refuses_what_is_no_number),
        cmocka_unit_test(test_best__keeps_the_weights_of_the_least_loss),
        cmocka_unit_test(test_huber__has_the_slope_that_training_takes),
        cmocka_unit_test(test_gains__are_one_by_the_rms_with_a_floor),
        cmocka_unit_test(test_held__is_the_newest_share_of_a_run),
    };

    return LW_TEST_RUN(tests);
}
