/* The window against a plain array that is sorted and searched from one end to the other. */
#include "stream/window.h"

#include "base/rng.h"
#include "support/test.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CAPACITY 37

/* The window that needs no thought. */
struct reference {
    struct lw_window_sample samples[CAPACITY];
    uint32_t n;
};

static bool same_value(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool comes_before(const struct lw_window_sample *a, const struct lw_window_sample *b)
{
    if (a->time_ns != b->time_ns) {
        return a->time_ns < b->time_ns;
    }
    if (isnan(a->value) || isnan(b->value)) {
        return !isnan(a->value);
    }
    return a->value < b->value || (a->value == b->value && signbit(a->value) && !signbit(b->value));
}

static enum lw_window_outcome reference_insert(struct reference *reference, int64_t time_ns,
                                               double value)
{
    struct lw_window_sample sample = {time_ns, value};
    uint32_t at = 0;

    for (uint32_t i = 0; i < reference->n; i++) {
        if (reference->samples[i].time_ns == time_ns &&
            same_value(reference->samples[i].value, value)) {
            return LW_WINDOW_DUPLICATE;
        }
    }
    if (reference->n == CAPACITY) {
        return LW_WINDOW_FULL;
    }
    while (at < reference->n && comes_before(&reference->samples[at], &sample)) {
        at++;
    }
    memmove(&reference->samples[at + 1], &reference->samples[at],
            (reference->n - at) * sizeof(sample));
    reference->samples[at] = sample;
    reference->n++;
    return LW_WINDOW_TAKEN;
}

static uint32_t reference_evict(struct reference *reference, int64_t before_ns)
{
    uint32_t kept = 0, n = reference->n;

    for (uint32_t i = 0; i < n; i++) {
        if (reference->samples[i].time_ns >= before_ns) {
            reference->samples[kept++] = reference->samples[i];
        }
    }
    reference->n = kept;
    return n - kept;
}

static void check_range(const struct lw_window *window, const struct reference *reference,
                        int64_t from_ns, int64_t to_ns)
{
    struct lw_window_range range;
    size_t n = 0;

    lw_window_range(window, from_ns, to_ns, &range);
    for (uint32_t i = 0; i < reference->n; i++) {
        const struct lw_window_sample *expected = &reference->samples[i];

        if (expected->time_ns < from_ns || expected->time_ns >= to_ns) {
            continue;
        }
        assert_true(n < lw_window_range_length(&range));
        assert_int_equal(lw_window_range_at(&range, n)->time_ns, expected->time_ns);
        assert_true(same_value(lw_window_range_at(&range, n)->value, expected->value));
        n++;
    }
    assert_int_equal(lw_window_range_length(&range), n);
}

static double any_value(struct lw_rng *rng)
{
    static const double values[] = {0.0, -0.0, 1.5, -1.5, 3.0, 1e300, -1e300};
    uint64_t i = lw_rng_below(rng, 8);

    return i == 7 ? (double)NAN : values[i];
}

static void test_window__does_what_a_sorted_array_does(void **state)
{
    struct lw_window_sample memory[CAPACITY];
    struct lw_window window;
    struct reference reference = {.n = 0};
    struct lw_rng rng;
    int64_t now_ns = -500;

    (void)state;
    printf("seed 11\n");
    lw_rng_seed(&rng, 11);
    lw_window_init(&window, memory, CAPACITY);
    for (int round = 0; round < 200000; round++) {
        uint64_t what = lw_rng_below(&rng, 10);
        int64_t near_ns = now_ns - (int64_t)lw_rng_below(&rng, 12);

        if (what < 7) {
            double value = any_value(&rng);

            assert_int_equal(lw_window_insert(&window, near_ns, value),
                             reference_insert(&reference, near_ns, value));
        } else if (what == 7) {
            now_ns += (int64_t)lw_rng_below(&rng, 5);
        } else if (what == 8) {
            near_ns -= 6;
            assert_int_equal(lw_window_evict(&window, near_ns),
                             reference_evict(&reference, near_ns));
        } else {
            check_range(&window, &reference, near_ns - 3, near_ns + 2);
        }
        assert_int_equal(window.n, reference.n);
    }
    check_range(&window, &reference, INT64_MIN, INT64_MAX);
}

static void test_window__has_the_same_content_after_any_order_of_arrival(void **state)
{
    struct lw_window_sample first_memory[30], memory[30], given[30];
    struct lw_window first, window;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 5);
    lw_window_init(&first, first_memory, 30);
    for (int i = 0; i < 30; i++) {
        given[i] = (struct lw_window_sample){i / 3, (double)(i % 3) * 0.1};
        assert_int_equal(lw_window_insert(&first, given[i].time_ns, given[i].value),
                         LW_WINDOW_TAKEN);
    }
    for (int round = 0; round < 100; round++) {
        lw_window_init(&window, memory, 30);
        for (uint64_t left = 30; left > 0; left--) {
            uint64_t pick = lw_rng_below(&rng, left);
            struct lw_window_sample sample = given[pick];

            given[pick] = given[left - 1];
            given[left - 1] = sample;
            assert_int_equal(lw_window_insert(&window, sample.time_ns, sample.value),
                             LW_WINDOW_TAKEN);
        }
        assert_memory_equal(memory, first_memory, sizeof(memory));
    }
}

static void test_window__takes_every_nan_for_the_same(void **state)
{
    struct lw_window_sample memory[4];
    struct lw_window window;
    uint64_t bits = UINT64_C(0xFFF8000000000001);
    double odd;

    (void)state;
    memcpy(&odd, &bits, sizeof(odd));
    lw_window_init(&window, memory, 4);
    assert_int_equal(lw_window_insert(&window, 7, (double)NAN), LW_WINDOW_TAKEN);
    assert_int_equal(lw_window_insert(&window, 7, odd), LW_WINDOW_DUPLICATE);
    assert_int_equal(lw_window_insert(&window, 7, 1e308), LW_WINDOW_TAKEN);
    assert_true(isnan(memory[1].value));
}

static void test_window__says_duplicate_even_when_full(void **state)
{
    struct lw_window_sample memory[2];
    struct lw_window window;

    (void)state;
    lw_window_init(&window, memory, 2);
    assert_int_equal(lw_window_insert(&window, 1, 1.0), LW_WINDOW_TAKEN);
    assert_int_equal(lw_window_insert(&window, 2, 1.0), LW_WINDOW_TAKEN);
    assert_int_equal(lw_window_insert(&window, 1, 1.0), LW_WINDOW_DUPLICATE);
    assert_int_equal(lw_window_insert(&window, 1, 2.0), LW_WINDOW_FULL);
    assert_int_equal(lw_window_insert(&window, 3, 1.0), LW_WINDOW_FULL);
    assert_int_equal(lw_window_evict(&window, 2), 1);
    assert_int_equal(lw_window_insert(&window, 3, 1.0), LW_WINDOW_TAKEN);
}

static void test_window__survives_bytes(void **state)
{
    struct lw_window_sample memory[8], again_memory[8];
    struct lw_window window, again;
    struct lw_writer writer, second;
    struct lw_reader reader;

    (void)state;
    lw_window_init(&window, memory, 8);
    for (int i = 0; i < 13; i++) {
        (void)lw_window_insert(&window, i, i % 5 == 0 ? (double)NAN : i);
        (void)lw_window_evict(&window, i - 5);
    }
    lw_writer_init(&writer);
    lw_writer_init(&second);
    lw_window_save(&window, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    lw_window_init(&again, again_memory, 8);
    assert_int_equal(lw_window_load(&again, &reader, NULL), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_window_save(&again, &second);
    assert_int_equal(second.n_bytes, writer.n_bytes);
    assert_memory_equal(second.data, writer.data, writer.n_bytes);
    for (size_t n = 0; n < writer.n_bytes; n++) {
        lw_reader_init(&reader, writer.data, n);
        assert_int_equal(lw_window_load(&again, &reader, NULL), LW_EFORMAT);
        assert_int_equal(again.n, 0);
    }
    lw_writer_fini(&writer);
    lw_writer_fini(&second);
}

static void test_window__refuses_bytes_out_of_order_or_too_many(void **state)
{
    static const int64_t times[3] = {1, 3, 2};
    struct lw_window_sample memory[3];
    struct lw_window window;
    struct lw_writer writer;
    struct lw_reader reader;
    struct lw_error error;

    (void)state;
    lw_writer_init(&writer);
    lw_write_u32(&writer, 3);
    for (int i = 0; i < 3; i++) {
        lw_write_i64(&writer, times[i]);
        lw_write_f64(&writer, 1.0);
    }
    lw_window_init(&window, memory, 3);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_window_load(&window, &reader, &error), LW_EFORMAT);
    assert_string_equal(error.message, "sample 2 of a saved window is out of order");
    lw_window_init(&window, memory, 2);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_window_load(&window, &reader, &error), LW_EFORMAT);
    assert_string_equal(error.message, "a saved window has 3 samples; this one holds 2");
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window__does_what_a_sorted_array_does),
        cmocka_unit_test(test_window__has_the_same_content_after_any_order_of_arrival),
        cmocka_unit_test(test_window__takes_every_nan_for_the_same),
        cmocka_unit_test(test_window__says_duplicate_even_when_full),
        cmocka_unit_test(test_window__survives_bytes),
        cmocka_unit_test(test_window__refuses_bytes_out_of_order_or_too_many),
    };

    return LW_TEST_RUN(tests);
}
