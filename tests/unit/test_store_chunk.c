/* Times and values through the codec and back, bit for bit: real series, seeded ones, the odd ones,
 * and bytes that no writer made. */
#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/rng.h"
#include "store/chunk.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX LW_CHUNK_SAMPLES_MAX
#define SECOND ((int64_t)1000000000)

static struct lw_chunk_coder *coder;
static struct lw_writer writer;
static int64_t times[MAX], times_read[MAX];
static double values[MAX], values_read[MAX];

static int coder_make(void **state)
{
    (void)state;
    coder = lw_chunk_coder_create();
    lw_writer_init(&writer);
    return coder == NULL;
}

static int coder_drop(void **state)
{
    (void)state;
    lw_chunk_coder_destroy(coder);
    lw_writer_fini(&writer);
    return lw_test_mem_live() != 0;
}

/* Bytes that n values take; fails where they do not come back. */
static size_t check_values(size_t n)
{
    struct lw_reader reader;

    lw_writer_reset(&writer);
    lw_chunk_values_write(coder, values, n, &writer);
    assert_int_equal(writer.status, LW_OK);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    memset(values_read, 0x55, sizeof(values_read));
    assert_int_equal(lw_chunk_values_read(coder, &reader, n, values_read), LW_OK);
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&values[i], &values_read[i], sizeof(double)) != 0) {
            fail_msg("value %zu of %zu was %.17g (%a) and is %.17g", i, n, values[i], values[i],
                     values_read[i]);
        }
    }
    return writer.n_bytes;
}

static size_t check_times(size_t n)
{
    struct lw_reader reader;
    struct lw_chunk_span span;

    lw_writer_reset(&writer);
    lw_chunk_times_write(coder, times, n, &writer);
    assert_int_equal(writer.status, LW_OK);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_chunk_times_read(&reader, &span, times_read), LW_OK);
    assert_int_equal(span.n, n);
    assert_true(span.first_ns == times[0] && span.last_ns == times[n - 1]);
    assert_memory_equal(times, times_read, n * sizeof(times[0]));
    return writer.n_bytes;
}

/* The last column of a CSV file. */
static size_t series_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    size_t n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL && n < MAX) {
        const char *cell = strchr(line, ',');
        char *end;

        if (cell != NULL) {
            values[n] = strtod(cell + 1, &end);
            n += end != cell + 1;
        }
    }
    (void)fclose(file);
    return n;
}

static void test_values__real_series_come_back_and_are_small(void **state)
{
    static const struct {
        const char *name;
        double bytes; /* A sample, at most: measured, and a little. */
    } series[] = {
        {"nab_elb_request_count_8c0756.csv", 1.1},
        {"nab_iio_network_in.csv", 3.3},
        {"nab_ec2_cpu_c6585a_2000.csv", 0.5},
        {"nab_nyc_taxi_2000.csv", 1.7},
        {"mscloud_app1_04.csv", 1.2},
        {"mscloud_purchase_02.csv", 0.7},
        {"host_loop_disk_avail.csv", 0.1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++) {
        char path[512];
        size_t n, n_bytes;

        (void)snprintf(path, sizeof(path), "%s/series/%s", LW_TEST_DATA, series[i].name);
        n = series_read(path);
        assert_true(n > 500);
        n_bytes = check_values(n);
        printf("%s: %.3f bytes a value\n", series[i].name, (double)n_bytes / (double)n);
        if ((double)n_bytes > series[i].bytes * (double)n) {
            fail_msg("%s takes %.3f bytes a value, more than %.3f", series[i].name,
                     (double)n_bytes / (double)n, series[i].bytes);
        }
        for (size_t part = 1; part <= 100; part += 33) {
            (void)check_values(part);
        }
    }
}

static void test_values__one_constant_or_odd(void **state)
{
    static const uint64_t odd[] = {
        0x0000000000000000u, 0x8000000000000000u, 0x7FF0000000000000u, 0xFFF0000000000000u,
        0x7FF8000000000000u, 0x7FF0000000000001u, 0xFFF8DEADBEEF1234u, 0x0000000000000001u,
        0x7FEFFFFFFFFFFFFFu, 0x3FB999999999999Au, 0x4340000000000000u, 0xC33FFFFFFFFFFFFFu,
    };
    size_t n_odd = sizeof(odd) / sizeof(odd[0]);

    (void)state;
    for (size_t i = 0; i < n_odd; i++) {
        memcpy(&values[0], &odd[i], sizeof(double));
        (void)check_values(1);
        for (size_t k = 1; k < MAX; k++) {
            values[k] = values[0];
        }
        assert_in_range(check_values(MAX), 1, 16);
        for (size_t k = 0; k < 1000; k++) { /* A rare one among decimals. */
            values[k] = 0.1 * (double)(k % 17);
            if (k % 97 == 13) {
                memcpy(&values[k], &odd[i], sizeof(double));
            }
        }
        (void)check_values(1000);
    }
    for (size_t k = 0; k < MAX; k++) {
        memcpy(&values[k], &odd[(k * k + k / 5) % n_odd], sizeof(double));
    }
    (void)check_values(MAX);
}

static void test_values__gaps_of_nan_cost_little_among_decimals(void **state)
{
    size_t without, with;

    (void)state;
    for (size_t k = 0; k < 2000; k++) {
        values[k] = (double)(k * 7919 % 1000) / 100;
    }
    without = check_values(2000);
    for (size_t k = 0; k < 2000; k += 100) {
        values[k] = NAN;
    }
    with = check_values(2000);
    assert_in_range(with, 1, without + 20 * 16);
}

static double random_value(struct lw_rng *rng, unsigned kind, double last)
{
    uint64_t bits = lw_rng_next(rng);
    double value;

    switch (kind) {
    case 0: /* Any bits at all. */
        memcpy(&value, &bits, sizeof(value));
        return value;
    case 1: /* A walk of decimals. */
        return round((last + (double)(bits % 2001) / 1000 - 1) * 1000) / 1000;
    case 2: /* A counter. */
        return last + (double)(bits % 100);
    case 3: /* Floats of single precision. */
        return (double)(float)((double)(bits % 100000) / 317);
    case 4: /* Ratios of small counts. */
        return (double)(bits % 82) / 81;
    case 5: /* Mostly nothing. */
        return bits % 50 == 0 ? (double)(bits >> 40) : 0;
    default: /* Noise in full precision. */
        return last * 0.9 + (double)(bits >> 11) * 0x1p-53;
    }
}

static void test_values__seeded_ones_come_back(void **state)
{
    uint64_t seed = getenv("LW_SEED") != NULL ? strtoull(getenv("LW_SEED"), NULL, 0) : 20261121;
    struct lw_rng rng;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    lw_rng_seed(&rng, seed);
    for (unsigned round = 0; round < 700; round++) {
        size_t n = 1 + lw_rng_next(&rng) % (round % 10 == 0 ? MAX : 200);

        for (size_t i = 0; i < n; i++) {
            values[i] = random_value(&rng, round % 7, i > 0 ? values[i - 1] : 100);
        }
        assert_in_range(check_values(n), 1, 32 + n * 10);
    }
}

static void test_times__an_even_schedule_costs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < MAX; i++) {
        times[i] = 1763700000 * SECOND + (int64_t)i * 15 * SECOND;
    }
    assert_in_range(check_times(MAX), 1, 64);
    for (size_t i = 3000; i < MAX; i++) {
        times[i] += 3600 * SECOND; /* An hour is missing. */
    }
    assert_in_range(check_times(MAX), 1, 80);
}

static void test_times__jitter_costs_its_own_bits_alone(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (size_t i = 0; i < MAX; i++) { /* 8 ms around every 10 s: 3 bits. */
        times[i] = 1763700000 * SECOND + (int64_t)i * 10 * SECOND +
                   (int64_t)(lw_rng_next(&rng) % 8) * 1000000;
    }
    assert_in_range(check_times(MAX), 1, MAX / 2); /* 4 bits each. */
}

static void test_times__extremes_and_equal_ones(void **state)
{
    (void)state;
    times[0] = INT64_MIN;
    times[1] = INT64_MAX;
    (void)check_times(2);
    times[0] = INT64_MAX;
    (void)check_times(1);
    times[0] = times[1] = times[2] = -5;
    times[3] = INT64_MAX - 5;
    (void)check_times(4);
    times[0] = INT64_MIN;
    times[1] = INT64_MIN;
    times[2] = -1;
    (void)check_times(3);
}

static void test_times__that_do_not_ascend_are_refused(void **state)
{
    struct lw_reader reader;
    struct lw_chunk_span span;

    (void)state;
    times[0] = 10;
    times[1] = 9;
    times[2] = 12;
    lw_writer_reset(&writer);
    lw_chunk_times_write(coder, times, 3, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_chunk_times_read(&reader, &span, times_read), LW_EFORMAT);
}

/* Any damage is an error or other numbers, never more than that; a sanitizer sees the rest. */
static void test_chunks__damaged_bytes_are_safe(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 99);
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = 1 + lw_rng_next(&rng) % 300;
        uint8_t *bytes;
        struct lw_reader reader;
        struct lw_chunk_span span;
        size_t n_bytes;

        for (size_t i = 0; i < n; i++) {
            values[i] = random_value(&rng, round % 7, i > 0 ? values[i - 1] : 100);
            times[i] = (int64_t)(i * i);
        }
        lw_writer_reset(&writer);
        if (round % 2 == 0) {
            lw_chunk_values_write(coder, values, n, &writer);
        } else {
            lw_chunk_times_write(coder, times, n, &writer);
        }
        n_bytes = writer.n_bytes - lw_rng_next(&rng) % (writer.n_bytes < 8 ? 1 : 8);
        bytes = malloc(n_bytes);
        memcpy(bytes, writer.data, n_bytes);
        bytes[lw_rng_next(&rng) % n_bytes] ^= (uint8_t)(1 << lw_rng_next(&rng) % 8);
        lw_reader_init(&reader, bytes, n_bytes);
        if (round % 2 == 0) {
            (void)!lw_chunk_values_read(coder, &reader, n, values_read);
        } else if (lw_chunk_times_read(&reader, &span, times_read) == LW_OK) {
            for (size_t i = 1; i < span.n; i++) {
                assert_true(times_read[i] >= times_read[i - 1]);
            }
        }
        free(bytes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values__real_series_come_back_and_are_small,
                                        coder_make, coder_drop),
        cmocka_unit_test_setup_teardown(test_values__one_constant_or_odd, coder_make, coder_drop),
        cmocka_unit_test_setup_teardown(test_values__gaps_of_nan_cost_little_among_decimals,
                                        coder_make, coder_drop),
        cmocka_unit_test_setup_teardown(test_values__seeded_ones_come_back, coder_make, coder_drop),
        cmocka_unit_test_setup_teardown(test_times__an_even_schedule_costs_nothing, coder_make,
                                        coder_drop),
        cmocka_unit_test_setup_teardown(test_times__jitter_costs_its_own_bits_alone, coder_make,
                                        coder_drop),
        cmocka_unit_test_setup_teardown(test_times__extremes_and_equal_ones, coder_make,
                                        coder_drop),
        cmocka_unit_test_setup_teardown(test_times__that_do_not_ascend_are_refused, coder_make,
                                        coder_drop),
        cmocka_unit_test_setup_teardown(test_chunks__damaged_bytes_are_safe, coder_make,
                                        coder_drop),
    };

    return LW_TEST_RUN(tests);
}
