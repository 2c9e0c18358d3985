/* Groups of alike entities. */
#include "support/test.h"

#include "base/rng.h"
#include "train/cluster.h"

#include <math.h>
#include <stdlib.h>

#define N_ROWS 512u
#define N_COLUMNS 5u
#define N_ENTITIES 12u

/* Three kinds of entities: what moves together differs; centre and scale differ in all. */
static float *rows_of_kind(size_t kind, uint64_t seed)
{
    float *rows = calloc(N_ROWS * N_COLUMNS, sizeof(*rows));
    struct lw_rng rng;

    lw_rng_seed(&rng, seed);
    for (size_t i = 0; i < N_ROWS; i++) {
        double common = lw_rng_double(&rng);

        for (size_t c = 0; c < N_COLUMNS; c++) {
            double own = lw_rng_double(&rng);
            double value = kind == 0 ? common : kind == 1 && c % 2 == 0 ? -common : own;

            value = kind == 1 && c % 2 == 1 ? common : value;
            rows[i * N_COLUMNS + c] = (float)((value + 0.1 * own) * (double)(1 + seed) +
                                              100.0 * (double)seed);
        }
    }
    return rows;
}

static void take(size_t kind, uint64_t seed, float *ret_signature)
{
    float *rows = rows_of_kind(kind, seed);
    struct lw_training_entity entity = {.rows = rows, .n_rows = N_ROWS};

    assert_int_equal(lw_signature_take(&entity, N_COLUMNS, 1, ret_signature, NULL), LW_OK);
    free(rows);
}

static double apart(const float *a, const float *b)
{
    double sum = 0.0;

    for (size_t i = 0; i < LW_SIGNATURE_PARTS; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    return sqrt(sum);
}

static void test_cluster__signatures_know_the_kind_and_not_the_scale(void **state)
{
    float a[LW_SIGNATURE_PARTS], b[LW_SIGNATURE_PARTS], other[LW_SIGNATURE_PARTS];

    (void)state;
    take(0, 1, a);
    take(0, 7, b);
    take(2, 1, other);
    assert_true(apart(a, b) < 0.1 * apart(a, other));
}

static void test_cluster__finds_the_kinds(void **state)
{
    static float signatures[N_ENTITIES][LW_SIGNATURE_PARTS];
    size_t cluster[N_ENTITIES];
    struct lw_clusters clusters;

    (void)state;
    for (size_t e = 0; e < N_ENTITIES; e++) {
        take(e % 3, e, signatures[e]);
    }
    assert_int_equal(lw_clusters_find(&signatures[0][0], N_ENTITIES, cluster, &clusters, NULL),
                     LW_OK);
    assert_int_equal(clusters.n_clusters, 3);
    assert_true(clusters.silhouette > 0.5 && clusters.silhouette <= 1.0);
    for (size_t e = 0; e < N_ENTITIES; e++) {
        assert_int_equal(cluster[e], e % 3); /* Numbered by the first of them. */
    }
    for (size_t c = 0; c < 3; c++) {
        assert_int_equal(clusters.medoids[c] % 3, c);
    }
}

static void test_cluster__those_of_one_kind_stay_together(void **state)
{
    static float signatures[N_ENTITIES][LW_SIGNATURE_PARTS];
    size_t cluster[N_ENTITIES];
    struct lw_clusters clusters;

    (void)state;
    for (size_t e = 0; e < N_ENTITIES; e++) {
        take(0, e, signatures[e]);
        signatures[e][0] = signatures[0][0];
    }
    for (size_t e = 1; e < N_ENTITIES; e++) { /* The very same: distances of 0. */
        for (size_t p = 0; p < LW_SIGNATURE_PARTS; p++) {
            signatures[e][p] = signatures[0][p];
        }
    }
    assert_int_equal(lw_clusters_find(&signatures[0][0], N_ENTITIES, cluster, &clusters, NULL),
                     LW_OK);
    assert_int_equal(clusters.n_clusters, 1);
    assert_true(isnan(clusters.silhouette));
    assert_int_equal(lw_clusters_find(&signatures[0][0], 1, cluster, &clusters, NULL), LW_OK);
    assert_int_equal(clusters.n_clusters, 1);
    assert_int_equal(cluster[0], 0);
}

static void test_cluster__more_than_the_sample_join_the_nearest(void **state)
{
    size_t n = 3 * LW_CLUSTER_SAMPLE + 5;
    float *signatures = calloc(n, sizeof(float) * LW_SIGNATURE_PARTS);
    size_t *cluster = calloc(n, sizeof(*cluster));
    struct lw_clusters clusters;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (size_t e = 0; e < n; e++) {
        signatures[e * LW_SIGNATURE_PARTS] = (float)((e % 2 == 0 ? 0.0 : 10.0) +
                                                     lw_rng_double(&rng));
    }
    assert_int_equal(lw_clusters_find(signatures, n, cluster, &clusters, NULL), LW_OK);
    assert_int_equal(clusters.n_clusters, 2);
    for (size_t e = 0; e < n; e++) {
        assert_int_equal(cluster[e], e % 2);
    }
    free(signatures);
    free(cluster);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster__signatures_know_the_kind_and_not_the_scale),
        cmocka_unit_test(test_cluster__finds_the_kinds),
        cmocka_unit_test(test_cluster__those_of_one_kind_stay_together),
        cmocka_unit_test(test_cluster__more_than_the_sample_join_the_nearest),
    };

    return LW_TEST_RUN(tests);
}
