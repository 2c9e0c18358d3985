/* Protobuf as no library writes it, but as the format allows it; and many new series at once. */
#include "connect/otlp/otlp_metrics.h"

#include "connect/protobuf_write.h"
#include "support/otlp.h"

#define TIME_NS INT64_C(1700000000000000000)

static void fixed64_write(struct lw_writer *out, uint32_t number, int64_t value)
{
    lw_protobuf_write_varint(out, LW_PROTOBUF_KEY(number, LW_PROTOBUF_FIXED64));
    lw_write_i64(out, value);
}

static void attribute_write(struct lw_writer *out, uint32_t number, const char *key,
                            const char *text)
{
    struct lw_writer pair, value;

    lw_writer_init(&pair);
    lw_writer_init(&value);
    lw_protobuf_write_bytes(&value, 1, text, strlen(text));
    lw_protobuf_write_bytes(&pair, 2, value.data, value.n_bytes); /* The value first. */
    lw_protobuf_write_bytes(&pair, 1, key, strlen(key));
    lw_protobuf_write_bytes(out, number, pair.data, pair.n_bytes);
    lw_writer_fini(&pair);
    lw_writer_fini(&value);
}

/* Moves a finished message into a field of another. */
static void message_move(struct lw_writer *out, uint32_t number, struct lw_writer *message)
{
    lw_protobuf_write_bytes(out, number, message->data, message->n_bytes);
    lw_writer_fini(message);
    lw_writer_init(message);
}

/* Sends a gauge's points as a request of a resource that comes behind its metrics, and a metric
 * whose name comes behind its data. */
static unsigned points_send(struct otlp_kept *kept, struct lw_writer *gauge, const char *service)
{
    struct lw_writer inner, outer;
    unsigned code;

    lw_writer_init(&inner);
    lw_writer_init(&outer);
    message_move(&inner, 5, gauge);
    lw_protobuf_write_bytes(&inner, 1, "g", 1);
    message_move(&outer, 2, &inner);
    message_move(&inner, 2, &outer);
    attribute_write(&outer, 1, "service.name", service);
    message_move(&inner, 1, &outer);
    message_move(&outer, 1, &inner);
    code = otlp_take(kept, "application/x-protobuf", outer.data, outer.n_bytes);
    lw_writer_fini(&outer);
    return code;
}

static void test_metrics__takes_fields_in_any_order_and_of_several_the_last(void **state)
{
    struct otlp_kept *kept = otlp_start();
    struct lw_writer gauge, point;

    (void)state;
    lw_writer_init(&gauge);
    lw_writer_init(&point);
    attribute_write(&point, 7, "a", "1");
    fixed64_write(&point, 6, 12); /* as_int; as_double below replaces it. */
    attribute_write(&point, 7, "b", "2");
    fixed64_write(&point, 3, 5);
    lw_protobuf_write_bytes(&point, 100, "unknown", 7);
    lw_protobuf_write_varint(&point, LW_PROTOBUF_KEY(8, LW_PROTOBUF_VARINT));
    lw_protobuf_write_varint(&point, 1);
    attribute_write(&point, 7, "c", "3");
    fixed64_write(&point, 3, TIME_NS);
    lw_protobuf_write_double(&point, 4, 2.5);
    lw_protobuf_write_varint(&point, LW_PROTOBUF_KEY(8, LW_PROTOBUF_VARINT));
    lw_protobuf_write_varint(&point, 0);
    message_move(&gauge, 1, &point);
    attribute_write(&point, 7, "a", "1"); /* The same series, its attributes together. */
    attribute_write(&point, 7, "b", "2");
    attribute_write(&point, 7, "c", "3");
    fixed64_write(&point, 3, TIME_NS + 1);
    fixed64_write(&point, 6, -7);
    message_move(&gauge, 1, &point);
    assert_int_equal(points_send(kept, &gauge, "s"), 200);
    assert_string_equal(otlp_lines(kept),
                        "g{job=\"s\",a=\"1\",b=\"2\",c=\"3\"}\t1700000000000000000\t2.5\n"
                        "g{job=\"s\",a=\"1\",b=\"2\",c=\"3\"}\t1700000000000000001\t-7\n");
    assert_int_equal(kept->n_series, 1);
    otlp_end(kept);
}

/* More new series than look-ups are under way at once, each several times, some points bad. */
static void test_metrics__keeps_the_order_of_many_new_series(void **state)
{
    struct otlp_kept *kept = otlp_start();
    struct lw_writer gauge, point;
    char *expected = NULL;
    size_t n_expected = 0;
    FILE *lines = open_memstream(&expected, &n_expected);

    (void)state;
    lw_writer_init(&gauge);
    lw_writer_init(&point);
    for (int i = 0; i < 200; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", i * 7 % 30 / (i % 3 + 1));
        attribute_write(&point, 7, "a", text);
        fixed64_write(&point, 3, i % 11 == 5 ? 0 : TIME_NS + i);
        fixed64_write(&point, 6, i);
        message_move(&gauge, 1, &point);
        if (i % 11 != 5) {
            (void)fprintf(lines, "g{job=\"s\",a=\"%s\"}\t%lld\t%d\n", text,
                          (long long)(TIME_NS + i), i);
        }
    }
    (void)fclose(lines);
    assert_int_equal(points_send(kept, &gauge, "s"), 200);
    assert_string_equal(otlp_lines(kept), expected);
    assert_int_equal(kept->n_dropped, 18);
    free(expected);
    otlp_end(kept);
}

static void test_metrics__rejects_all_points_of_a_resource_that_cannot_be_named(void **state)
{
    struct otlp_kept *kept = otlp_start();
    struct lw_writer gauge, point;
    char service[5000];

    (void)state;
    memset(service, 'x', sizeof(service) - 1);
    service[sizeof(service) - 1] = '\0';
    lw_writer_init(&gauge);
    lw_writer_init(&point);
    for (int i = 0; i < 20; i++) {
        fixed64_write(&point, 3, TIME_NS + i);
        fixed64_write(&point, 6, i);
        message_move(&gauge, 1, &point);
    }
    assert_int_equal(points_send(kept, &gauge, service), 200);
    assert_string_equal(otlp_lines(kept), "");
    assert_non_null(strstr(otlp_body(kept), "resource 1, metric 1 (g), point 1: the labels have "
                                            "more than 4096 bytes"));
    assert_non_null(strstr(otlp_body(kept), "; and 12 more"));
    assert_int_equal(kept->n_dropped, 20);
    otlp_end(kept);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__takes_fields_in_any_order_and_of_several_the_last),
        cmocka_unit_test(test_metrics__keeps_the_order_of_many_new_series),
        cmocka_unit_test(test_metrics__rejects_all_points_of_a_resource_that_cannot_be_named),
    };

    return LW_TEST_RUN(tests);
}
