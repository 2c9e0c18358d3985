/* Line protocol: the rules of its syntax, with the messages of InfluxDB 1.6.7, and what a request
 * gives: series, samples, answers of both versions. */
#include "connect/influx/influx_line.h"
#include "connect/influx/influx_push.h"
#include "support/push_call.h"

#define V1 ((struct push_call_input){.path = "/write", .query = "db=t"})
#define V2 ((struct push_call_input){.path = "/api/v2/write", .query = "org=o&bucket=b"})

static struct push_call call;

static int set_up(void **state)
{
    (void)state;
    push_call_init(&call, &lw_push_influx, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    push_call_fini(&call);
    return 0;
}

static struct push_call_input with(const char *query)
{
    return (struct push_call_input){.path = "/write", .query = query};
}

/* What a real server of version 1.6.7 said to each of these; NULL: 204. */
static const struct {
    const char *line, *wrong;
} server_said[] = {
    {"cpu value=1", NULL},
    {"cpu", "missing fields"},
    {"cpu ", "missing fields"},
    {"cpu value=", "missing field value"},
    {"cpu value=x", "invalid boolean"},
    {"cpu,host value=1", "missing tag value"},
    {"cpu,host= value=1", "missing tag value"},
    {"cpu,=a value=1", "missing tag key"},
    {",host=a value=1", "missing measurement"},
    {"cpu value=1 x", "bad timestamp"},
    {"cpu value=1 12 13", "point is invalid"},
    {"cpu value=\"abc", "unbalanced quotes"},
    {"cpu value=1i,b=2.5i", "invalid number"},
    {"cpu value=1e999", "invalid float"},
    {"cpu =1", "missing field key"},
    {"cpu v=1,", "invalid field format"},
    {"cpu v", "invalid field format"},
    {"cpu,a=1,a=2 v=1", "duplicate tags"},
    {"", NULL},
    {"# c\n\n", NULL},
    {"cpu v=+1", "invalid boolean"},
    {"cpu v=.5", NULL},
    {"cpu v=5.", NULL},
    {"cpu v=-.5", NULL},
    {"cpu v=1e", "invalid float"},
    {"cpu v=1.5e+3", NULL},
    {"cpu v=tRUE", "invalid boolean"},
    {"cpu v=NaN", "invalid number"},
    {"cpu v=1 1.5", "bad timestamp"},
    {" cpu v=1", NULL},
    {"cpu  v=1  12  ", NULL},
    {"cpu\tv=1", "missing fields"},
    {"c\\=pu v=1", NULL},
    {"cpu v=- ", "invalid number"},
    {"cpu v=-5i", NULL},
    {"cpu v=0x10", "invalid number"},
};

static void test_influx__says_what_the_real_server_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(server_said) / sizeof(server_said[0]); i++) {
        char expected[256];
        unsigned code = push_call_take(&call, V1, server_said[i].line);

        if (server_said[i].wrong == NULL) {
            if (code != 204 || call.answer.body.n_bytes != 0) {
                fail_msg("\"%s\" gives %u %s", server_said[i].line, code, call.body);
            }
            continue;
        }
        (void)snprintf(expected, sizeof(expected), "': %s dropped=1\"}", server_said[i].wrong);
        if (code != 400 || strstr(call.body, expected) == NULL ||
            strstr(call.body, "{\"error\":\"line 1: unable to parse '") != call.body) {
            fail_msg("\"%s\" gives %u %s, not %s", server_said[i].line, code, call.body, expected);
        }
    }
}

static void test_influx__names_series_by_measurement_field_and_tags(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, V1,
                                    "cpu,host=a,zone=z-1 usage_user=1.5,value=2i,up=t,idle=7u 5\n"
                                    "temperature value=-3e2\n"),
                     204);
    push_call_expect(&call, "cpu_usage_user{host=\"a\",zone=\"z-1\"}", 1, 1.5);
    push_call_expect(&call, "cpu{host=\"a\",zone=\"z-1\"}", 1, 2.0);
    push_call_expect(&call, "cpu_up{host=\"a\",zone=\"z-1\"}", 1, 1.0);
    push_call_expect(&call, "cpu_idle{host=\"a\",zone=\"z-1\"}", 1, 7.0);
    push_call_expect(&call, "temperature", 1, -300.0);
    assert_int_equal(call.kept.n_series, 5);
    assert_non_null(strstr(call.kept.log, "point 0 5 0x1.8p+0 flags 0"));
    /* The same series again, each field first in its line. */
    assert_int_equal(push_call_take(&call, V1,
                                    "cpu,host=a,zone=z-1 usage_user=2\n"
                                    "cpu,host=a,zone=z-1  idle=8u\n"
                                    "cpu,host=a,zone=z-1 x=1,usage_user=3"),
                     204);
    push_call_expect(&call, "cpu_usage_user{host=\"a\",zone=\"z-1\"}", 3, 3.0);
    push_call_expect(&call, "cpu_idle{host=\"a\",zone=\"z-1\"}", 2, 8.0);
}

static void test_influx__undoes_escapes(void **state)
{
    (void)state;
    assert_int_equal(
        push_call_take(&call, V1,
                       "my\\ cpu\\,x\\=y,ho\\=st=a\\ b\\,c\\=d,path=C:\\dir f\\ 1\\=\\,=4\n"
                       "quoted,q=\"it's\" v=1"),
        204);

    assert_int_equal(call.kept.n_series, 2);
    assert_string_equal(call.kept.keys[0],
                        "my cpu,x\\=y_f 1=,{ho=st=\"a b,c=d\",path=\"C:\\dir\"}");
    assert_string_equal(call.kept.keys[1], "quoted_v{q=\"\"it's\"\"}");
}

static void test_influx__passes_texts_over_and_counts_them(void **state)
{
    (void)state;
    assert_int_equal(
        push_call_take(&call, V1,
                       "log msg=\"a, b=1 \\\"quoted\\\" \\\\ and\nanother line v=5\",n=1i "
                       "7\nlog msg=\"only text\" 8\nlog n=2 9\nlog n="),
        400);
    assert_non_null(strstr(call.body, "partial write: line 5: unable to parse 'log n='"));
    push_call_expect(&call, "log_n", 2, 2.0);
    assert_int_equal(call.kept.n_series, 1);
    assert_non_null(strstr(call.kept.log, "dropped text_field 2"));
    assert_non_null(strstr(call.kept.log, "dropped bad_line 1"));
    /* Tags are looked at also where nothing but texts is. */
    assert_int_equal(push_call_take(&call, V1, "log,a msg=\"x\""), 400);
}

static void test_influx__keeps_the_good_lines(void **state)
{
    static const char body[] = "good v=1\nbad v\n\n# v\ngood v=2\nbad2 v=\ngood v=3\n";

    (void)state;
    assert_int_equal(push_call_take(&call, V1, body), 400);
    assert_string_equal(
        call.body, "{\"error\":\"partial write: line 2: unable to parse 'bad v': invalid field "
                   "format\\nline 6: unable to parse 'bad2 v=': missing field value "
                   "dropped=2\"}");
    push_call_expect(&call, "good_v", 3, 3.0);
    assert_int_equal(push_call_take(&call, V2, body), 400);
    assert_string_equal(
        call.body, "{\"code\":\"invalid\",\"message\":\"partial write: line 2: unable to parse "
                   "'bad v': invalid field format\\nline 6: unable to parse 'bad2 v=': missing "
                   "field value dropped=2\",\"line\":2}");
    assert_int_equal(push_call_take(&call, V2, "bad v"), 400);
    assert_string_equal(call.body,
                        "{\"code\":\"invalid\",\"message\":\"line 1: unable to parse 'bad "
                        "v': invalid field format dropped=1\",\"line\":1}");
    push_call_expect(&call, "good_v", 6, 3.0);
}

static void test_influx__a_broken_text_of_many_lines_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(
        push_call_take(&call, V1,
                       "log bad,msg=\"x\ninjected v=1\" 5\ngood v=1\nlog msg=\"never\nends v=2"),
        400);
    assert_int_equal(call.kept.n_series, 1);
    push_call_expect(&call, "good_v", 1, 1.0);
    assert_non_null(strstr(call.body, "line 4: unable to parse"));
    assert_non_null(strstr(call.body, "unbalanced quotes"));
}

static void test_influx__reads_times_in_every_precision(void **state)
{
    static const struct {
        const char *query, *line, *expected;
    } cases[] = {
        {"db=t", "a v=1 1234567890123456789", "point 0 1234567890123456789 "},
        {"precision=n", "a v=1 -5", "point 0 -5 "},
        {"precision=ns", "a v=1 5", "point 0 5 "},
        {"precision=u", "a v=1 5", "point 0 5000 "},
        {"precision=us", "a v=1 5", "point 0 5000 "},
        {"precision=ms", "a v=1 5", "point 0 5000000 "},
        {"precision=s", "a v=1 5", "point 0 5000000000 "},
        {"precision=m", "a v=1 5", "point 0 300000000000 "},
        {"precision=h", "a v=1 5", "point 0 18000000000000 "},
        {"precision=", "a v=1 5\r\n", "point 0 5 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(push_call_take(&call, with(cases[i].query), cases[i].line), 204);
        if (strstr(call.kept.log, cases[i].expected) == NULL) {
            fail_msg("%s with %s gives %s", cases[i].line, cases[i].query, call.kept.log);
        }
    }
    assert_int_equal(push_call_take(&call, with("precision=x"), "a v=1"), 400);
    assert_non_null(strstr(call.body, "precision"));
    assert_int_equal(push_call_take(&call, with("precision=h"), "a v=1 99999999999999"), 400);
    assert_non_null(strstr(call.body, "time outside range"));
    assert_int_equal(push_call_take(&call, V1, "a v=1 99999999999999999999"), 400);
    assert_non_null(strstr(call.body, "time outside range"));
    /* Ahead of the clock: refused, with its line. */
    assert_int_equal(push_call_take(&call, with("precision=s"), "a v=1 1\na v=1 1700001000"), 400);
    assert_non_null(strstr(call.body, "partial write: line 2: a sample's time is"));
}

static void test_influx__reads_integers_to_their_bounds(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, V1,
                                    "a x=9223372036854775807i,y=-9223372036854775808i,"
                                    "z=18446744073709551615u,w=000000000000000000000000000007i"),
                     204);
    push_call_expect(&call, "a_x", 1, 9223372036854775807.0);
    push_call_expect(&call, "a_y", 1, -9223372036854775808.0);
    push_call_expect(&call, "a_z", 1, 18446744073709551615.0);
    push_call_expect(&call, "a_w", 1, 7.0);
    assert_int_equal(push_call_take(&call, V1, "a x=9223372036854775808i"), 400);
    assert_non_null(strstr(call.body, "out of range"));
    assert_int_equal(push_call_take(&call, V1, "a x=-9223372036854775809i"), 400);
    assert_int_equal(push_call_take(&call, V1, "a x=18446744073709551616u"), 400);
    assert_int_equal(push_call_take(&call, V1, "a x=-1u"), 400);
    assert_int_equal(push_call_take(&call, V1, "a x=1ix"), 400);
}

static void test_influx__makes_the_database_a_label_where_asked(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, with("db=one&db_label=db"), "a,t=x v=1"), 204);
    assert_int_equal(push_call_take(&call, with("db=two&db_label=db"), "a,t=x v=2"), 204);
    assert_int_equal(push_call_take(&call, with("db=two"), "a,t=x v=3"), 204);
    assert_int_equal(push_call_take(&call,
                                    (struct push_call_input){.path = "/api/v2/write",
                                                             .query = "bucket=one&db_label=db"},
                                    "a,t=x v=4"),
                     204);
    push_call_expect(&call, "a_v{t=\"x\",db=\"one\"}", 2, 4.0);
    push_call_expect(&call, "a_v{t=\"x\",db=\"two\"}", 1, 2.0);
    push_call_expect(&call, "a_v{t=\"x\"}", 1, 3.0);
    assert_int_equal(push_call_take(&call, with("db=one&db_label=t"), "a,t=x v=1"), 400);
}

static void test_influx__has_limits_of_tags_names_and_fields(void **state)
{
    static char line[40000];
    size_t n = 0;

    (void)state;
    n = (size_t)snprintf(line, sizeof(line), "a");
    for (int i = 0; i < LW_LABELS_MAX; i++) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, ",t%d=x", i);
    }
    (void)snprintf(line + n, sizeof(line) - n, " v=1");
    assert_int_equal(push_call_take(&call, V1, line), 204);
    (void)snprintf(line + n, sizeof(line) - n, ",more=x v=1,w=2");
    assert_int_equal(push_call_take(&call, V1, line), 400);
    assert_non_null(strstr(call.body, "more than 48 tags dropped=2"));

    memset(line, 'a', LW_INFLUX_NAME_MAX - 2);
    memcpy(line + LW_INFLUX_NAME_MAX - 2, " v=1", sizeof(" v=1"));
    assert_int_equal(push_call_take(&call, V1, line), 400); /* Fits here, not into a metric. */
    memset(line, 'a', LW_INFLUX_NAME_MAX - 1);
    memcpy(line + LW_INFLUX_NAME_MAX - 1, " v=1", sizeof(" v=1"));
    assert_int_equal(push_call_take(&call, V1, line), 400);
    assert_non_null(strstr(call.body, "more than 4096 bytes"));

    n = (size_t)snprintf(line, sizeof(line), "b ");
    for (int i = 0; i < LW_INFLUX_FIELDS_MAX; i++) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%sf%d=\"\"", i > 0 ? "," : "", i);
    }
    assert_int_equal(push_call_take(&call, V1, line), 204);
    (void)snprintf(line + n, sizeof(line) - n, ",more=1");
    assert_int_equal(push_call_take(&call, V1, line), 400);
    assert_non_null(strstr(call.body, "more than 1024 fields"));
    assert_int_equal(push_call_take_n(&call, V1, "a\0b v=1", 7), 400);
}

static void test_influx__tells_when_nothing_can_be_kept(void **state)
{
    (void)state;
    call.kept.push_answer = LW_EBUSY;
    assert_int_equal(push_call_take(&call, V1, "a v=1"), 503);
    assert_non_null(strstr(call.body, "{\"error\":\"nothing can be kept"));
    assert_int_equal(push_call_take(&call, V2, "a v=1"), 503);
    assert_non_null(strstr(call.body, "{\"code\":\"unavailable\",\"message\":"));
}

static void test_influx__refuses_in_the_version_s_form(void **state)
{
    struct lw_push_input input = {.path = "/api/v2/write"};
    struct lw_push_answer answer = {0};

    (void)state;
    lw_push_influx.refuse(&input, 413, "too large", &answer);
    assert_int_equal(answer.code, 413);
    assert_string_equal(answer.fields[0].name, "X-Influxdb-Version");
    assert_memory_equal(answer.body.data,
                        "{\"code\":\"request too large\",\"message\":\"too large\"}",
                        answer.body.n_bytes);
    lw_writer_fini(&answer.body);
    memset(&answer, 0, sizeof(answer));
    input.path = "/write";
    lw_push_influx.refuse(&input, 429, "later", &answer);
    assert_memory_equal(answer.body.data, "{\"error\":\"later\"}", answer.body.n_bytes);
    lw_writer_fini(&answer.body);
}

static void test_influx__answers_the_statements_clients_begin_with(void **state)
{
    struct push_call_input input = {.path = "/query", .query = "q=CREATE DATABASE \"t\""};

    (void)state;
    assert_int_equal(push_call_take(&call, input, ""), 200);
    assert_string_equal(call.body, "{\"results\":[{\"statement_id\":0}]}");
    input.query = "";
    assert_int_equal(push_call_take(&call, input, "q=CREATE+DATABASE+%22t%22"), 200);
    input.query = "q=SELECT * FROM cpu";
    assert_int_equal(push_call_take(&call, input, ""), 400);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_influx__says_what_the_real_server_says, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__names_series_by_measurement_field_and_tags,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_influx__undoes_escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_influx__passes_texts_over_and_counts_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__keeps_the_good_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_influx__a_broken_text_of_many_lines_is_one_line,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_influx__reads_times_in_every_precision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__reads_integers_to_their_bounds, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__makes_the_database_a_label_where_asked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__has_limits_of_tags_names_and_fields, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__tells_when_nothing_can_be_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__refuses_in_the_version_s_form, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_influx__answers_the_statements_clients_begin_with,
                                        set_up, tear_down),
    };

    return LW_TEST_RUN(tests);
}
