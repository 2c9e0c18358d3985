/* base/bytes: what a writer writes, a reader reads; what is not there, it refuses. */
#include "support/test.h"

#include "base/bytes.h"
#include "support/mem_faulty.h"

#include <math.h>
#include <string.h>

static void test_bytes__round_trip_every_type(void **state)
{
    static const float floats[] = {1.5f, -0.0f, 3e38f};
    static const double doubles[] = {0.1, 1e-310};
    struct lw_writer writer;
    struct lw_reader reader;
    char text[8];
    float floats_back[3];
    double doubles_back[2];

    (void)state;
    lw_writer_init(&writer);
    lw_write_u8(&writer, 0xAB);
    lw_write_u16(&writer, 0xCDEF);
    lw_write_u32(&writer, 0xDEADBEEF);
    lw_write_u64(&writer, 0x0123456789ABCDEF);
    lw_write_i64(&writer, INT64_MIN);
    lw_write_f64(&writer, (double)NAN);
    lw_write_f32s(&writer, floats, 3);
    lw_write_f64s(&writer, doubles, 2);
    lw_write_text(&writer, "marsh");
    assert_int_equal(writer.status, LW_OK);

    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u8(&reader), 0xAB);
    assert_int_equal(lw_read_u16(&reader), 0xCDEF);
    assert_int_equal(lw_read_u32(&reader), 0xDEADBEEF);
    assert_true(lw_read_u64(&reader) == 0x0123456789ABCDEF);
    assert_true(lw_read_i64(&reader) == INT64_MIN);
    assert_true(isnan(lw_read_f64(&reader)));
    lw_read_f32s(&reader, floats_back, 3);
    assert_memory_equal(floats, floats_back, sizeof(floats));
    lw_read_f64s(&reader, doubles_back, 2);
    assert_memory_equal(doubles, doubles_back, sizeof(doubles));
    lw_read_text(&reader, text, sizeof(text));
    assert_string_equal(text, "marsh");
    assert_int_equal(lw_reader_left(&reader), 0);
    assert_int_equal(reader.status, LW_OK);
    lw_writer_fini(&writer);
}

static void test_bytes__are_little_endian(void **state)
{
    static const uint8_t expected[] = {0x04, 0x03, 0x02, 0x01, 0x00, 0x00, 0x80, 0x3F};
    struct lw_writer writer;

    (void)state;
    lw_writer_init(&writer);
    lw_write_u32(&writer, 0x01020304);
    lw_write_f32(&writer, 1.0f);
    assert_int_equal(writer.n_bytes, sizeof(expected));
    assert_memory_equal(writer.data, expected, sizeof(expected));
    lw_writer_fini(&writer);
}

static void test_reader__fails_at_the_end_and_stays_failed(void **state)
{
    static const uint8_t three[] = {1, 2, 3};
    struct lw_reader reader;

    (void)state;
    lw_reader_init(&reader, three, sizeof(three));
    assert_int_equal(lw_read_u32(&reader), 0);
    assert_int_equal(reader.status, LW_EFORMAT);
    assert_int_equal(lw_read_u8(&reader), 0);
    assert_int_equal(reader.status, LW_EFORMAT);
}

static void test_reader__refuses_a_text_that_does_not_fit(void **state)
{
    struct lw_writer writer;
    struct lw_reader reader;
    char text[5];

    (void)state;
    lw_writer_init(&writer);
    lw_write_text(&writer, "marsh");
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    lw_read_text(&reader, text, sizeof(text));
    assert_int_equal(reader.status, LW_EFORMAT);
    assert_string_equal(text, "");
    lw_writer_fini(&writer);
}

static void test_reader__refuses_a_length_beyond_the_end(void **state)
{
    static const uint8_t huge[] = {0xFF, 0xFF, 0xFF, 0xFF, 'a'};
    struct lw_reader reader;
    char text[16];

    (void)state;
    lw_reader_init(&reader, huge, sizeof(huge));
    lw_read_text(&reader, text, sizeof(text));
    assert_int_equal(reader.status, LW_EFORMAT);
    assert_string_equal(text, "");
}

static void test_writer__grows_and_keeps_its_memory_over_reset(void **state)
{
    struct lw_writer writer;
    uint64_t calls;

    (void)state;
    lw_writer_init(&writer);
    for (uint32_t i = 0; i < 10000; i++) {
        lw_write_u32(&writer, i);
    }
    assert_int_equal(writer.n_bytes, 40000);
    lw_writer_reset(&writer);
    calls = lw_test_mem_calls();
    for (uint32_t i = 0; i < 10000; i++) {
        lw_write_u32(&writer, i);
    }
    assert_true(lw_test_mem_calls() == calls);
    assert_int_equal(writer.data[39996], 9999 & 0xFF);
    lw_writer_fini(&writer);
    assert_true(lw_test_mem_live() == 0);
}

static void test_writer__keeps_what_it_has_when_memory_ends(void **state)
{
    struct lw_writer writer;

    (void)state;
    lw_writer_init(&writer);
    lw_write_u8(&writer, 7);
    lw_test_mem_fail_at(1);
    lw_write_raw(&writer, (const uint8_t[1000]){0}, 1000);
    lw_test_mem_fail_at(0);
    assert_int_equal(writer.status, LW_ENOMEM);
    assert_int_equal(writer.n_bytes, 1);
    lw_write_u8(&writer, 8);
    assert_int_equal(writer.n_bytes, 1);
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes__round_trip_every_type),
        cmocka_unit_test(test_bytes__are_little_endian),
        cmocka_unit_test(test_reader__fails_at_the_end_and_stays_failed),
        cmocka_unit_test(test_reader__refuses_a_text_that_does_not_fit),
        cmocka_unit_test(test_reader__refuses_a_length_beyond_the_end),
        cmocka_unit_test(test_writer__grows_and_keeps_its_memory_over_reset),
        cmocka_unit_test(test_writer__keeps_what_it_has_when_memory_ends),
    };
    return LW_TEST_RUN(tests);
}
