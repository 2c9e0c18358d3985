/*
 * Tier 0 on eight kinds of real series: what it says of each is written down, at both operating
 * points.
 *
 * Each case lies in a text beside this file: the onsets with row, kind, surprise and event score,
 * the share of rows in alarm, and a hash over every bit of every result, which must be the same on
 * every machine. After a change that is meant to move them, run with LW_GOLDEN_WRITE=1 and read the
 * difference: why.md says what to look for.
 */
#include "support/series.h"
#include "support/test.h"

#include "detect/baseline/baseline.h"

#include <math.h>

#define TEXT_MAX 65536

struct text {
    char bytes[TEXT_MAX];
    size_t n;
};

static void text_add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->bytes + text->n, TEXT_MAX - text->n, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < TEXT_MAX - text->n);
    text->n += (size_t)n;
}

static uint64_t hash_float(uint64_t hash, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    bits = isnan(value) ? 0x7FC00000u : bits;
    for (int i = 0; i < 4; i++) {
        hash = (hash ^ ((bits >> (8 * i)) & 0xFF)) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static void describe(struct text *text, const struct lw_test_series *series, bool benchmark)
{
    static const char *const kinds[] = {"none",  "spike", "drop",    "level",
                                        "trend", "noise", "pattern", "range"};
    struct lw_baseline_config config = {
        .benchmark = benchmark, .legal_min = -INFINITY, .legal_max = INFINITY};
    struct lw_baseline *baseline = aligned_alloc(64, (lw_baseline_bytes() + 63) / 64 * 64);
    struct lw_baseline_result result;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    size_t n_alarm = 0;

    lw_baseline_init(baseline);
    text_add(text, "%s\n", benchmark ? "point benchmark" : "default point, one a week");
    for (size_t i = 0; i < series->n; i++) {
        const float *floats = &result.score;

        lw_baseline_step(&config, baseline, series->times_ns[i], series->values[i], &result);
        for (int k = 0; k < 7; k++) { /* score event q return_rows expected lower upper */
            hash = hash_float(hash, floats[k]);
        }
        n_alarm += result.alarm;
        if (result.onset) {
            text_add(text, "row %zu: %s, q %.2f, event %.3f%s\n", i, kinds[result.kind],
                     (double)result.q, (double)result.event,
                     result.confidence == LW_CONFIDENCE_FULL ? "" : ", low confidence");
        }
    }
    text_add(text, "in alarm: %zu of %zu rows\nhash: %016llx\n\n", n_alarm, series->n,
             (unsigned long long)hash);
    free(baseline);
}

static void golden_equals(const char *name, const char *file, bool cumulate)
{
    struct lw_test_series *series = lw_test_series_read(file);
    struct text *text = calloc(1, sizeof(*text)), *expected = calloc(1, sizeof(*expected));
    char path[512];
    FILE *stream;

    for (size_t i = 1; cumulate && i < series->n; i++) {
        series->values[i] += series->values[i - 1];
    }
    describe(text, series, true);
    describe(text, series, false);
    (void)snprintf(path, sizeof(path), "%s/../golden/baseline/%s.txt", LW_TEST_DATA, name);
    stream = fopen(path, getenv("LW_GOLDEN_WRITE") != NULL ? "w+" : "r");
    assert_non_null(stream);
    if (getenv("LW_GOLDEN_WRITE") != NULL) {
        assert_int_equal(fwrite(text->bytes, 1, text->n, stream), text->n);
        rewind(stream);
    }
    expected->n = fread(expected->bytes, 1, TEXT_MAX - 1, stream);
    (void)fclose(stream);
    if (strcmp(text->bytes, expected->bytes) != 0) {
        fail_msg("%s differs; got:\n%s", path, text->bytes);
    }
    free(expected);
    free(text);
    free(series);
}

static void test_golden__constant_that_comes_alive(void **state)
{
    (void)state;
    golden_equals("constant", "mscloud_ingress_02_excerpt.csv", false);
}

static void test_golden__constant_that_moves(void **state)
{
    (void)state;
    golden_equals("full_disk", "host_loop_disk_avail.csv", false);
}

static void test_golden__nearly_constant(void **state)
{
    (void)state;
    golden_equals("near_constant", "nab_ec2_cpu_c6585a_2000.csv", false);
}

static void test_golden__sparse(void **state)
{
    (void)state;
    golden_equals("sparse", "mscloud_outbound_23.csv", false);
}

static void test_golden__small_integers(void **state)
{
    (void)state;
    golden_equals("integer", "mscloud_purchase_02.csv", false);
}

static void test_golden__counter_of_passengers(void **state)
{
    (void)state;
    golden_equals("counter", "nab_nyc_taxi_2000.csv", true);
}

static void test_golden__bursty(void **state)
{
    (void)state;
    golden_equals("bursty", "nab_iio_network_in.csv", false);
}

static void test_golden__seasonal(void **state)
{
    (void)state;
    golden_equals("seasonal", "nab_elb_request_count_8c0756.csv", false);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__constant_that_comes_alive),
        cmocka_unit_test(test_golden__constant_that_moves),
        cmocka_unit_test(test_golden__nearly_constant),
        cmocka_unit_test(test_golden__sparse),
        cmocka_unit_test(test_golden__small_integers),
        cmocka_unit_test(test_golden__counter_of_passengers),
        cmocka_unit_test(test_golden__bursty),
        cmocka_unit_test(test_golden__seasonal),
    };

    return LW_TEST_RUN(tests);
}
