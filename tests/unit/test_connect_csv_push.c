/* CSV over HTTP: tables of both layouts, what the query says of columns, and lines and columns of
 * what cannot be taken. */
#include "connect/csv_push.h"
#include "support/push_call.h"

#include <math.h>

static struct push_call call;

static int set_up(void **state)
{
    (void)state;
    push_call_init(&call, &lw_push_csv, NULL);
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
    return (struct push_call_input){
        .path = "/v1/samples/csv", .query = query, .content_type = "text/csv; header=present"};
}

static void test_csv_push__takes_wide_tables(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, with(""),
                                    "time,host,cpu,mem\r\n"
                                    "2020-09-13T12:26:40Z,web-1,0.5,7e2\r\n"
                                    "2020-09-13T12:26:40Z,\"web-2\",0.25,\r\n"
                                    "2020-09-13T12:26:50.5Z,web-1,0.75,701\r\n"),
                     200);
    assert_string_equal(call.body, "{\"taken\":6,\"rejected\":0,\"errors\":[]}");
    push_call_expect(&call, "cpu{instance=\"web-1\"}", 2, 0.75);
    push_call_expect(&call, "mem{instance=\"web-1\"}", 2, 701.0);
    push_call_expect(&call, "cpu{instance=\"web-2\"}", 1, 0.25);
    assert_non_null(strstr(call.kept.log, "point 0 1600000010500000000 "));
    /* The next request knows the series. */
    assert_int_equal(push_call_take(&call, with("time=1&time_format=s&entity=host"),
                                    "t,host,cpu\n1600000060,web-1,0.125\n"),
                     200);
    push_call_expect(&call, "cpu{instance=\"web-1\"}", 3, 0.125);
    assert_int_equal(call.kept.n_series, 4);
}

static void test_csv_push__takes_long_tables(void **state)
{
    (void)state;
    assert_int_equal(
        push_call_take(&call, with("time=t&time_format=ms&series=name&value=v&instance=plant"),
                       "t,name,v\n1600000000500,flow,1.5\n"
                       "1600000000500,\"disk{mount=\"\"/\"\"}\",2\n"),
        200);
    push_call_expect(&call, "flow{instance=\"plant\"}", 1, 1.5);
    push_call_expect(&call, "disk{mount=\"/\",instance=\"plant\"}", 1, 2.0);
    assert_non_null(strstr(call.kept.log, "point 0 1600000000500000000 "));
}

static void test_csv_push__tells_line_and_column(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, with("time=time"),
                                    "time,host,cpu\n"
                                    "1600000000,a,1\n"
                                    "1600000001,a,x\n"
                                    "soon,a,1\n"
                                    "\n"
                                    "1600000002,a\n"
                                    "1800000000,\"a\",2\n"
                                    "1600000003,a,3\n"),
                     200);
    assert_non_null(strstr(call.body, "{\"taken\":3,\"rejected\":4,"));
    assert_non_null(strstr(
        call.body, "{\"line\":3,\"reason\":\"column \\\"cpu\\\": \\\"x\\\" is no number\"}"));
    assert_non_null(strstr(call.body, "{\"line\":4,\"reason\":\"column \\\"time\\\": "));
    assert_non_null(strstr(call.body, "{\"line\":6,\"reason\":\"2 fields, 3 expected\"}"));
    assert_non_null(strstr(call.body, "{\"line\":7,\"reason\":\"a sample's time is "));
    push_call_expect(&call, "cpu{instance=\"a\"}", 3, 3.0);
}

static void test_csv_push__counts_what_refused_series_lose(void **state)
{
    (void)state;
    call.kept.series_limit = 1;
    assert_int_equal(
        push_call_take(&call, with("time=time"), "time,cpu,mem\n1600000000,1,2\n1600000001,3,4\n"),
        200);
    assert_non_null(strstr(call.body, "{\"taken\":2,\"rejected\":3,"));
    push_call_expect(&call, "cpu{instance=\"csv\"}", 2, 3.0);
}

static void test_csv_push__takes_the_time_of_arrival_where_asked(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, with(""), "cpu,mem\n1,2\n"), 400);
    assert_non_null(strstr(call.body, "no column of times was found: name it with time"));
    assert_int_equal(push_call_take(&call, with("time=none"), "cpu,mem\n1,2\n"), 200);
    assert_non_null(strstr(call.kept.log, "point 0 1700000000000000000 "));
}

static void test_csv_push__refuses_what_it_cannot_read(void **state)
{
    struct push_call_input input = with("");

    (void)state;
    assert_int_equal(push_call_take(&call, with("time=when"), "time,cpu\n1600000000,1\n"), 400);
    assert_non_null(strstr(call.body, "when"));
    assert_null(strstr(call.body, "--"));
    assert_int_equal(push_call_take(&call, input, ""), 400);
    assert_int_equal(push_call_take_n(&call, input, "\x1f\x8b\x08", 3), 400);
    assert_non_null(strstr(call.body, "Content-Encoding"));
    assert_int_equal(push_call_take(&call, with("separator=xx"), "time,cpu\n1,1\n"), 400);
    assert_int_equal(push_call_take(&call, with("decimal=,"), "time,cpu\n1,1\n"), 400);
    assert_int_equal(push_call_take(&call, with("layout=deep"), "time,cpu\n1,1\n"), 400);
    input.content_type = "application/json";
    assert_int_equal(push_call_take(&call, input, "time,cpu\n1600000000,1\n"), 415);
    assert_int_equal(call.kept.n_series, 0);
}

static void test_csv_push__takes_other_separators(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, with("separator=;&decimal=,&time=time"),
                                    "time;cpu\n1600000000;0,5\n"),
                     200);
    push_call_expect(&call, "cpu{instance=\"csv\"}", 1, 0.5);
    assert_int_equal(
        push_call_take(&call, with("separator=tab&time=time"), "time\tcpu\n1600000001\t0.75\n"),
        200);
    push_call_expect(&call, "cpu{instance=\"csv\"}", 2, 0.75);
}

static void test_csv_push__tells_when_nothing_can_be_kept(void **state)
{
    (void)state;
    call.kept.push_answer = LW_EBUSY;
    assert_int_equal(push_call_take(&call, with("time=time"), "time,cpu\n1600000000,1\n"), 503);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_csv_push__takes_wide_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__takes_long_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__tells_line_and_column, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__counts_what_refused_series_lose, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__takes_the_time_of_arrival_where_asked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__refuses_what_it_cannot_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__takes_other_separators, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_push__tells_when_nothing_can_be_kept, set_up,
                                        tear_down),
    };

    return LW_TEST_RUN(tests);
}
