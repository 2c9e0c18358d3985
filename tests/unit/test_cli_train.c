/* Figures of a report as people read them, fields that may be missing, and model files on disk. */
#include "support/test.h"

#include "base/mem.h"
#include "cli/models_file.h"
#include "cli/train_charts.h"
#include "cli/train_fields.h"
#include "cli/train_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_figure(const char *(*figure)(double, char *), double value, const char *expected)
{
    char text[LW_FIGURE_MAX];

    if (strcmp(figure(value, text), expected) != 0) {
        fail_msg("%.17g: \"%s\", expected \"%s\"", value, text, expected);
    }
}

static void test_figure__has_three_digits_and_a_unit(void **state)
{
    (void)state;
    check_figure(lw_figure, 0.0, "0");
    check_figure(lw_figure, 0.03124, "0.031");
    check_figure(lw_figure, 0.5, "0.50");
    check_figure(lw_figure, -1.234, "-1.23");
    check_figure(lw_figure, 9.996, "10.0");
    check_figure(lw_figure, 99.96, "100");
    check_figure(lw_figure, 1234567.0, "1.23 M");
    check_figure(lw_figure, -1234.0, "-1.23 k");
    check_figure(lw_figure, 3e-7, "3.0e-07");
    check_figure(lw_figure, (double)NAN, "-");
    check_figure(lw_figure_share, 0.154, "15.4 %");
    check_figure(lw_figure_bytes, 1893000.0, "1.89 MB");
    check_figure(lw_figure_bytes, 12.0, "12 bytes");
    check_figure(lw_figure_ns, 8700.0, "8.70 us");
    check_figure(lw_figure_ns, 2.5e9, "2.50 s");
    check_figure(lw_figure_seconds, 86400.0, "1d");
    check_figure(lw_figure_seconds, 1e300, "-");
    check_figure(lw_figure_moment, 1767225600.0, "2026-01-01 00:00");
    check_figure(lw_figure_moment, (double)NAN, "-");
}

static void test_figure__counts_in_words(void **state)
{
    char text[LW_FIGURE_MAX];

    (void)state;
    assert_string_equal(lw_figure_count(1.0, "row", text), "1 row");
    assert_string_equal(lw_figure_count(0.0, "row", text), "0 rows");
    assert_string_equal(lw_figure_count(1234567.0, "row", text), "1,234,567 rows");
    assert_string_equal(lw_figure_count(27.0, "", text), "27");
    assert_string_equal(lw_figure_count((double)NAN, "row", text), "- row");
    assert_string_equal(lw_figure_count(1e300, "row", text), "1,000,000,000,000,000 rows");
}

static void test_field__is_found_by_its_path_or_missing(void **state)
{
    json_t *report = lw_report_parse(
        "{\"a\": {\"b\": {\"c\": 7, \"d\": null, \"e\": true, \"f\": [1, 2]}}, \"g\": \"x\"}",
        NULL);

    (void)state;
    assert_non_null(report);
    assert_true(lw_field_number(report, "a.b.c") == 7.0);
    assert_null(lw_field(report, "a.b.d"));
    assert_true(lw_field_is(report, "a.b.e"));
    assert_int_equal(lw_field_count(report, "a.b.f"), 2);
    assert_null(lw_field_item(report, "a.b.f", 2));
    assert_string_equal(lw_field_text(report, "g"), "x");
    assert_string_equal(lw_field_text(report, "a"), "");
    assert_true(isnan(lw_field_number(report, "g")));
    assert_null(lw_field(report, "a.x.c"));
    assert_null(lw_field(report, "g.h"));
    json_decref(report);
    assert_null(lw_report_parse("[1]", NULL));
    assert_null(lw_report_parse("{", NULL));
}

static void test_report__finds_the_cost_of_a_member_by_its_name(void **state)
{
    json_t *report = lw_report_parse(
        "{\"timing\": {\"members\": [{\"name\": \"knn@patch\", \"ns_per_vector\": 9}]}}", NULL);

    (void)state;
    assert_true(lw_report_member_ns(report, "knn@patch") == 9.0);
    assert_true(isnan(lw_report_member_ns(report, "linear@values")));
    json_decref(report);
}

static void test_page__shows_no_text_as_markup(void **state)
{
    char *page = NULL;
    size_t n_bytes = 0;
    FILE *stream = open_memstream(&page, &n_bytes);

    (void)state;
    assert_non_null(stream);
    lw_page_text(stream, "<a href=\"x\">'&'</a>");
    (void)fclose(stream);
    assert_string_equal(page, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    free(page);
}

static void test_file__is_replaced_whole_and_read_back(void **state)
{
    char folder[] = "/tmp/lapwing-models-XXXXXX", path[64], pipe_path[64];
    struct lw_error error;
    void *bytes = NULL;
    size_t n_bytes = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/m.lwm", folder);
    (void)snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);
    assert_int_equal(lw_models_read(path, &bytes, &n_bytes, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(lw_models_write(path, "old", 3, &error), LW_OK);
    assert_int_equal(lw_models_write(path, "newer", 5, &error), LW_OK);
    assert_int_equal(lw_models_read(path, &bytes, &n_bytes, &error), LW_OK);
    assert_int_equal(n_bytes, 5);
    assert_memory_equal(bytes, "newer", 5);
    lw_mem_free(bytes);
    assert_int_equal(lw_models_read(folder, &bytes, &n_bytes, &error), LW_EINVAL);
    /* A pipe that nobody writes to must not hold up a configuration. */
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(lw_models_read(pipe_path, &bytes, &n_bytes, &error), LW_EINVAL);
    assert_int_equal(lw_models_write("/nowhere/at/all", "x", 1, &error), LW_EIO);
    (void)unlink(pipe_path);
    (void)unlink(path);
    assert_int_equal(rmdir(folder), 0); /* Nothing else was left behind. */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figure__has_three_digits_and_a_unit),
        cmocka_unit_test(test_figure__counts_in_words),
        cmocka_unit_test(test_field__is_found_by_its_path_or_missing),
        cmocka_unit_test(test_report__finds_the_cost_of_a_member_by_its_name),
        cmocka_unit_test(test_page__shows_no_text_as_markup),
        cmocka_unit_test(test_file__is_replaced_whole_and_read_back),
    };

    return LW_TEST_RUN(tests);
}
