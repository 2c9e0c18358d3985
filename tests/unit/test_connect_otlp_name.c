/* Names of metrics and labels: examples of the compatibility specification, and what is odd. */
#include "connect/otlp/otlp_name.h"

#include "support/test.h"

#include <string.h>

static struct lw_otlp_text text(const char *of)
{
    return (struct lw_otlp_text){of, strlen(of)};
}

static void metric_check(const char *name, const char *unit, enum lw_otlp_kind kind,
                         const char *expected)
{
    char found[LW_OTLP_NAME_MAX];

    lw_otlp_metric_name(text(name), text(unit), kind, found);
    assert_string_equal(found, expected);
}

static void test_name__has_the_unit_in_words(void **state)
{
    (void)state;
    metric_check("http.server.request.duration", "s", LW_OTLP_OTHER,
                 "http_server_request_duration_seconds");
    metric_check("system.memory.usage", "By", LW_OTLP_GAUGE, "system_memory_usage_bytes");
    metric_check("system.network.io", "By/s", LW_OTLP_GAUGE, "system_network_io_bytes_per_second");
    metric_check("ticks", "1/min", LW_OTLP_GAUGE, "ticks_per_min");
    metric_check("queue.rate", "{message}/s", LW_OTLP_GAUGE, "queue_rate_per_second");
    metric_check("jvm.classes", "{class}", LW_OTLP_OTHER, "jvm_classes");
    metric_check("room", " Cel ", LW_OTLP_GAUGE, "room_celsius");
    metric_check("speed", "furlong.fortnight", LW_OTLP_GAUGE, "speed_furlong_fortnight");
    metric_check("plain", "", LW_OTLP_GAUGE, "plain");
}

static void test_name__does_not_repeat_a_unit(void **state)
{
    (void)state;
    metric_check("process.uptime.seconds", "s", LW_OTLP_GAUGE, "process_uptime_seconds");
    metric_check("memory_usage_bytes", "By", LW_OTLP_GAUGE, "memory_usage_bytes");
}

static void test_name__says_total_and_ratio_last_and_once(void **state)
{
    (void)state;
    metric_check("process.cpu.time", "s", LW_OTLP_TOTAL, "process_cpu_time_seconds_total");
    metric_check("requests_total", "By", LW_OTLP_TOTAL, "requests_bytes_total");
    metric_check("requests", "1", LW_OTLP_TOTAL, "requests_total");
    metric_check("requests", "1", LW_OTLP_OTHER, "requests");
    metric_check("cpu.utilization", "1", LW_OTLP_GAUGE, "cpu_utilization_ratio");
    metric_check("hit.ratio", "1", LW_OTLP_GAUGE, "hit_ratio");
    metric_check("total", "", LW_OTLP_TOTAL, "total");
}

static void test_name__keeps_letters_digits_and_colons(void **state)
{
    (void)state;
    metric_check("a..b--c  d", "", LW_OTLP_GAUGE, "a_b_c_d");
    metric_check("__private__", "", LW_OTLP_GAUGE, "private");
    metric_check("job:rate", "", LW_OTLP_GAUGE, "job:rate");
    metric_check("9lives", "", LW_OTLP_GAUGE, "_9lives");
    metric_check("größe", "", LW_OTLP_GAUGE, "gr_e");
    metric_check("...", "s", LW_OTLP_TOTAL, "");
    metric_check("", "s", LW_OTLP_GAUGE, "");
}

static void test_name__is_cut_at_whole_parts_when_too_long(void **state)
{
    char name[LW_OTLP_NAME_MAX + 100], found[LW_OTLP_NAME_MAX];

    (void)state;
    memset(name, 'a', sizeof(name));
    lw_otlp_metric_name((struct lw_otlp_text){name, LW_OTLP_NAME_MAX - 1}, text("s"), LW_OTLP_TOTAL,
                        found);
    assert_int_equal(strlen(found), LW_OTLP_NAME_MAX - 1);
    lw_otlp_metric_name((struct lw_otlp_text){name, sizeof(name)}, text("s"), LW_OTLP_GAUGE, found);
    assert_string_equal(found, "seconds");
}

static void label_check(const char *name, const char *expected)
{
    char found[64];

    assert_int_equal(lw_otlp_label_name(text(name), found, sizeof(found)), strlen(expected));
    assert_string_equal(found, expected);
}

static void test_label__is_named_as_prometheus_names_it(void **state)
{
    (void)state;
    label_check("http.request.method", "http_request_method");
    label_check("a..b", "a__b");
    label_check("3rd", "key_3rd");
    label_check("_x", "key_x");
    label_check(".x", "key_x");
    label_check("_", "key_");
    label_check("__x", "__x");
    label_check("größe", "gr__e");
    label_check("日本", "__");
}

static void test_label__is_refused_when_it_does_not_fit(void **state)
{
    char found[16];

    (void)state;
    assert_int_equal(lw_otlp_label_name(text(""), found, sizeof(found)), 0);
    assert_int_equal(lw_otlp_label_name(text("abcdefghijkl"), found, sizeof(found)), 0);
    assert_int_equal(lw_otlp_label_name(text("1bcdefghijk"), found, sizeof(found)), 15);
    assert_string_equal(found, "key_1bcdefghijk");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name__has_the_unit_in_words),
        cmocka_unit_test(test_name__does_not_repeat_a_unit),
        cmocka_unit_test(test_name__says_total_and_ratio_last_and_once),
        cmocka_unit_test(test_name__keeps_letters_digits_and_colons),
        cmocka_unit_test(test_name__is_cut_at_whole_parts_when_too_long),
        cmocka_unit_test(test_label__is_named_as_prometheus_names_it),
        cmocka_unit_test(test_label__is_refused_when_it_does_not_fit),
    };

    return LW_TEST_RUN(tests);
}
