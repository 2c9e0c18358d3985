/*
 * Every table of kernels gives the same bits: on random sizes, alignments and values, among them
 * infinities, NaN, zeros of both signs and subnormal numbers. The seed is printed; LW_SEED sets it.
 */
#include "support/test.h"

#include "base/rng.h"
#include "math/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_MAX 300
#define TRIALS 20000

static struct lw_rng rng;

static void assert_same(float a, float b, const char *what, const char *table)
{
    if (memcmp(&a, &b, sizeof(a)) != 0 && !(isnan(a) && isnan(b))) {
        fail_msg("%s of %s gives %a, plain %a", what, table, (double)b, (double)a);
    }
}

/* Numbers of very different size; strange ones in one array of four. */
static void fill(float *values, size_t n, int with_strange)
{
    static const float strange[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e-42f, -3e-45f, 3e38f};

    for (size_t i = 0; i < n; i++) {
        double size = ldexp(lw_rng_double(&rng) - 0.5, (int)lw_rng_below(&rng, 60) - 30);

        values[i] = with_strange && lw_rng_below(&rng, 8) == 0 ? strange[lw_rng_below(&rng, 8)]
                                                               : (float)size;
    }
}

struct trial {
    float a[N_MAX + LW_LANES];
    float b[N_MAX + LW_LANES];
    size_t n;      /* Any. */
    size_t offset; /* Into a and b, so that loads are not aligned. */
};

static void compare_sums(const struct lw_kernels *plain, const struct lw_kernels *other,
                         const struct trial *trial)
{
    const float *a = trial->a + trial->offset, *b = trial->b + trial->offset;
    float y[2][N_MAX];

    assert_same(plain->dot(a, b, trial->n), other->dot(a, b, trial->n), "dot", other->name);
    assert_same(plain->distance_squared(a, b, trial->n), other->distance_squared(a, b, trial->n),
                "distance_squared", other->name);
    memcpy(y[0], b, sizeof(float) * trial->n);
    memcpy(y[1], b, sizeof(float) * trial->n);
    plain->add_scaled(y[0], a, a[0], trial->n);
    other->add_scaled(y[1], a, a[0], trial->n);
    for (size_t i = 0; i < trial->n; i++) {
        assert_same(y[0][i], y[1][i], "add_scaled", other->name);
    }
}

/* product and distances, of as many inputs and outputs as fit into the trial's numbers. */
static void compare_products(const struct lw_kernels *plain, const struct lw_kernels *other,
                             const struct trial *trial)
{
    size_t n_out = trial->n / LW_LANES % 7 * LW_LANES;
    size_t n = n_out == 0 ? 0 : trial->n / n_out;
    float y[2][N_MAX];

    memcpy(y[0], trial->b, sizeof(y[0]));
    memcpy(y[1], trial->b, sizeof(y[1]));
    plain->product(trial->a, trial->b, n, n_out, y[0]);
    other->product(trial->a, trial->b, n, n_out, y[1]);
    for (size_t i = 0; i < n_out; i++) {
        assert_same(y[0][i], y[1][i], "product", other->name);
    }
    plain->distances(trial->a, trial->b, n, n_out, y[0]);
    other->distances(trial->a, trial->b, n, n_out, y[1]);
    for (size_t i = 0; i < n_out; i++) {
        assert_same(y[0][i], y[1][i], "distances", other->name);
    }
}

static void compare_curves(const struct lw_kernels *plain, const struct lw_kernels *other,
                           const struct trial *trial)
{
    void (*const curves[][2])(float *, size_t) = {
        {plain->exp, other->exp}, {plain->sigmoid, other->sigmoid}, {plain->tanh, other->tanh}};
    size_t n = trial->n / LW_LANES * LW_LANES;
    float y[2][N_MAX];

    memcpy(y[0], trial->a, sizeof(y[0]));
    memcpy(y[1], trial->a, sizeof(y[1]));
    plain->compress(y[0], trial->n);
    other->compress(y[1], trial->n);
    for (size_t i = 0; i < N_MAX; i++) { /* Those behind the end among them. */
        assert_same(y[0][i], y[1][i], "compress", other->name);
    }
    for (size_t k = 0; k < 3; k++) {
        memcpy(y[0], trial->a, sizeof(y[0]));
        memcpy(y[1], trial->a, sizeof(y[1]));
        curves[k][0](y[0], n);
        curves[k][1](y[1], n);
        for (size_t i = 0; i < n; i++) {
            assert_same(y[0][i], y[1][i], "exp, sigmoid or tanh", other->name);
        }
    }
}

/* minima, of values without NaN, whose k is any. */
static void compare_minima(const struct lw_kernels *plain, const struct lw_kernels *other,
                           const struct trial *trial)
{
    float values[N_MAX], minima[2][LW_GROUPS];
    size_t n = trial->n / LW_GROUPS * LW_GROUPS, k = trial->n % (LW_GROUPS + 1);

    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = isnan(trial->a[i]) ? 0.0f : trial->a[i];
    }
    assert_same(plain->minima(values, n, k, minima[0]), other->minima(values, n, k, minima[1]),
                "minima's bound", other->name);
    for (size_t i = 0; i < LW_GROUPS; i++) {
        assert_same(minima[0][i], minima[1][i], "minima", other->name);
    }
}

/* nearest and extremes take whole vectors, and extremes no NaN. */
static void compare_searches(const struct lw_kernels *plain, const struct lw_kernels *other,
                             const struct trial *trial)
{
    size_t n = trial->n / LW_LANES * LW_LANES;
    size_t index[2] = {0, 0};
    float found[2], least[2], greatest[2];

    if (n == 0) {
        return;
    }
    found[0] = plain->nearest(trial->a, n, trial->b[0], &index[0]);
    found[1] = other->nearest(trial->a, n, trial->b[0], &index[1]);
    assert_same(found[0], found[1], "nearest", other->name);
    assert_int_equal(index[0], index[1]);
    plain->extremes(trial->a, n, &least[0], &greatest[0]);
    other->extremes(trial->a, n, &least[1], &greatest[1]);
    assert_same(least[0], least[1], "extremes", other->name);
    assert_same(greatest[0], greatest[1], "extremes", other->name);
}

/* reach and join, of boxes and a row in the trial's numbers; join without NaN. */
static void compare_boxes(const struct lw_kernels *plain, const struct lw_kernels *other,
                          const struct trial *trial)
{
    size_t n = trial->n / (4 * LW_LANES) * LW_LANES;
    float a[N_MAX], box[2][N_MAX];
    const float *const sides[4] = {a, a + n, a + 2 * n, a + 3 * n};
    bool changes[2];

    assert_same(plain->reach(trial->a, trial->b, trial->a + n, n),
                other->reach(trial->a, trial->b, trial->a + n, n), "reach", other->name);
    for (size_t i = 0; i < N_MAX; i++) {
        a[i] = isnan(trial->a[i]) ? 0.0f : trial->a[i];
    }
    memcpy(box[0], trial->n % 2 == 0 ? trial->b : a, sizeof(box[0]));
    memcpy(box[1], box[0], sizeof(box[1]));
    assert_same(plain->join(box[0], sides, n, &changes[0]),
                other->join(box[1], sides, n, &changes[1]), "join", other->name);
    assert_memory_equal(box[0], box[1], sizeof(box[0]));
    assert_int_equal(changes[0], changes[1]);
    plain->join(box[0], sides, n, &changes[0]);
    assert_false(changes[0]);
}

static void test_kernels__all_tables_give_the_same_bits(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);

    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        struct trial trial = {.n = lw_rng_below(&rng, N_MAX),
                              .offset = lw_rng_below(&rng, LW_LANES)};

        fill(trial.a, N_MAX + LW_LANES, i % 4 == 0);
        fill(trial.b, N_MAX + LW_LANES, i % 4 == 1);
        for (size_t t = 1; t < n_tables; t++) {
            compare_sums(tables[0], tables[t], &trial);
            compare_products(tables[0], tables[t], &trial);
            compare_minima(tables[0], tables[t], &trial);
            compare_boxes(tables[0], tables[t], &trial);
            compare_curves(tables[0], tables[t], &trial);
            if (i % 4 != 0) {
                compare_searches(tables[0], tables[t], &trial);
            }
        }
    }
    printf("%zu tables compared\n", n_tables);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__all_tables_give_the_same_bits),
    };
    const char *text = getenv("LW_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20260131;

    printf("LW_SEED=%llu\n", (unsigned long long)seed);
    lw_rng_seed(&rng, seed);
    return LW_TEST_RUN(tests);
}
