/* connect/protobuf.h against bytes of the format's own description. */
#include "connect/protobuf.h"

#include "support/test.h"

#define READ(bytes) read_all((const uint8_t *)(bytes), sizeof(bytes) - 1)

struct reading {
    size_t n;
    bool bad;
    struct lw_protobuf_field fields[8];
};

static struct reading read_all(const uint8_t *bytes, size_t n_bytes)
{
    struct reading reading = {0};
    struct lw_protobuf message;

    lw_protobuf_init(&message, bytes, n_bytes);
    while (reading.n < 8 && lw_protobuf_next(&message, &reading.fields[reading.n])) {
        reading.n++;
    }
    reading.bad = message.bad;
    return reading;
}

static void test_next__reads_each_wire_type(void **state)
{
    /* 1: 150; 2: 1.5; 3: "hi"; 4 (fixed32): 7; 5: -1 */
    struct reading r = READ("\x08\x96\x01"
                            "\x11\0\0\0\0\0\0\xf8\x3f"
                            "\x1a\x02hi"
                            "\x25\x07\0\0\0"
                            "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");

    (void)state;
    assert_false(r.bad);
    assert_int_equal(r.n, 5);
    assert_int_equal(r.fields[0].number, 1);
    assert_int_equal(r.fields[0].value, 150);
    assert_true(lw_protobuf_double(&r.fields[1]) == 1.5);
    assert_int_equal(r.fields[2].n_bytes, 2);
    assert_memory_equal(r.fields[2].bytes, "hi", 2);
    assert_int_equal(r.fields[3].wire, LW_PROTOBUF_FIXED32);
    assert_int_equal(r.fields[3].value, 7);
    assert_true(lw_protobuf_int(&r.fields[4]) == -1);
}

static void test_next__passes_over_groups(void **state)
{
    struct reading r = READ("\x0b\x13\x08\x01\x14\x0c\x18\x05");

    (void)state;
    assert_false(r.bad);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.fields[0].number, 3);
    assert_int_equal(r.fields[0].value, 5);
}

static void test_next__refuses_what_is_damaged(void **state)
{
    uint8_t deep[LW_PROTOBUF_GROUPS_MAX + 1];

    (void)state;
    assert_true(READ("\x08").bad);       /* No value. */
    assert_true(READ("\x08\x80").bad);   /* A number cut off. */
    assert_true(READ("\x1a\x03hi").bad); /* Longer than what is there. */
    assert_true(READ("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi").bad);
    assert_true(READ("\x11\0\0\0\0\0\0\xf8").bad); /* 7 bytes of 8. */
    assert_true(READ("\x25\0\0\0").bad);           /* 3 of 4. */
    assert_true(READ("\x00\x01").bad);             /* Field 0. */
    assert_true(READ("\x0e\x01").bad);             /* Wire type 6. */
    assert_true(READ("\x0c").bad);                 /* The end of no group. */
    assert_true(READ("\x0b\x14").bad);             /* The end of another. */
    assert_true(READ("\x0b\x08\x01").bad);         /* A group without one. */
    assert_true(READ("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01").bad); /* 11 bytes. */
    assert_true(READ("\x88\x80\x80\x80\x80\x01\x01").bad); /* A key of more than 32 bits. */
    memset(deep, 0x0b, sizeof(deep));
    assert_true(read_all(deep, sizeof(deep)).bad);
}

static void test_next__of_nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_all(NULL, 0).n, 0);
    assert_false(read_all(NULL, 0).bad);
}

static void test_sint__is_zigzag(void **state)
{
    (void)state;
    assert_true(lw_protobuf_sint(0) == 0);
    assert_true(lw_protobuf_sint(1) == -1);
    assert_true(lw_protobuf_sint(2) == 1);
    assert_true(lw_protobuf_sint(UINT64_MAX) == INT64_MIN);
    assert_true(lw_protobuf_sint(UINT64_MAX - 1) == INT64_MAX);
}

static void test_varint__reads_packed_numbers(void **state)
{
    struct reading r = READ("\x0a\x04\x03\x8e\x02\x05");
    struct lw_protobuf packed;
    uint64_t values[3];

    (void)state;
    lw_protobuf_enter(&r.fields[0], &packed);
    for (size_t i = 0; i < 3; i++) {
        assert_true(lw_protobuf_varint(&packed, &values[i]));
    }
    assert_ptr_equal(packed.at, packed.end);
    assert_int_equal(values[1], 270);
    assert_false(lw_protobuf_varint(&packed, &values[0]));
    assert_true(packed.bad);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next__reads_each_wire_type),
        cmocka_unit_test(test_next__passes_over_groups),
        cmocka_unit_test(test_next__refuses_what_is_damaged),
        cmocka_unit_test(test_next__of_nothing_is_nothing),
        cmocka_unit_test(test_sint__is_zigzag),
        cmocka_unit_test(test_varint__reads_packed_numbers),
    };

    return LW_TEST_RUN(tests);
}
