/*
 * Whole requests encoded by Python's protobuf library, in both encodings: the samples are those of
 * a second reading of them (tests/data/otlp/make.py), and a series is one series however it is
 * sent.
 */
#define _GNU_SOURCE
#include "connect/otlp/push_otlp.h"

#include "support/otlp.h"

#define N_REQUESTS 8

static char *file_read(int request, const char *ending, size_t *ret_n_bytes)
{
    char path[512];
    char *data = NULL;
    FILE *file, *copy;
    int byte;

    (void)snprintf(path, sizeof(path), "%s/otlp/request-%d.%s", LW_TEST_DATA, request, ending);
    file = fopen(path, "rb");
    copy = open_memstream(&data, ret_n_bytes);
    assert_non_null(file);
    while ((byte = fgetc(file)) != EOF) {
        (void)fputc(byte, copy);
    }
    (void)fclose(file);
    (void)fclose(copy);
    return data;
}

static int line_order(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The lines of a text, in the order of their bytes: requests of long times are handed over by time.
 * The text is cut up; the caller frees the list. */
static char **lines_sort(char *text, size_t *ret_n)
{
    char **lines = calloc(strlen(text) + 1, sizeof(*lines)), *rest = NULL;

    *ret_n = 0;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        lines[(*ret_n)++] = line;
    }
    qsort(lines, *ret_n, sizeof(*lines), line_order);
    return lines;
}

/* Every line is the expected one; says which is not. */
static void lines_compare(int request, const char *encoding, const char *got, char *expected)
{
    char *copy = strdup(got);
    size_t n, n_expected;
    char **lines = lines_sort(copy, &n), **wanted = lines_sort(expected, &n_expected);

    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(lines[i], wanted[i]) != 0) {
            fail_msg("request %d in %s, line %zu in order:\n%s\nis not\n%s", request, encoding, i,
                     lines[i], wanted[i]);
        }
    }
    free(lines);
    free(wanted);
    free(copy);
}

static void request_compare(struct otlp_kept *kept, int request, const char *ending,
                            const char *content_type)
{
    size_t n_body, n_expected;
    char *body = file_read(request, ending, &n_body);
    char *expected = file_read(request, "expected", &n_expected);

    assert_true(n_expected > 1000);
    assert_int_equal(otlp_take(kept, content_type, body, n_body), 200);
    lines_compare(request, ending, otlp_lines(kept), expected);
    free(body);
    free(expected);
}

static void test_requests__mean_what_a_second_reading_says(void **state)
{
    (void)state;
    for (int request = 1; request <= N_REQUESTS; request++) {
        struct otlp_kept *kept = otlp_start();

        request_compare(kept, request, "pb", "application/x-protobuf");
        assert_int_equal(kept->answer.body.n_bytes, 0);
        request_compare(kept, request, "pb", "application/x-protobuf");
        otlp_end(kept);
    }
}

static void test_requests__mean_the_same_in_json(void **state)
{
    (void)state;
    for (int request = 1; request <= N_REQUESTS; request++) {
        struct otlp_kept *kept = otlp_start();

        request_compare(kept, request, "json", "application/json; charset=utf-8");
        assert_string_equal(otlp_body(kept), "{}");
        otlp_end(kept);
    }
}

static void test_requests__name_the_same_series_in_both_encodings(void **state)
{
    struct otlp_kept *kept = otlp_start();
    uint64_t n_series;

    (void)state;
    request_compare(kept, 5, "pb", "application/x-protobuf");
    n_series = lw_ingest_n_series(kept->ingest);
    assert_true(n_series > 50);
    request_compare(kept, 5, "json", "application/json");
    assert_int_equal(lw_ingest_n_series(kept->ingest), n_series);
    otlp_end(kept);
}

/* Cut anywhere, a request is refused as a whole, or is a whole one that is shorter. */
static void test_requests__are_refused_when_they_are_cut(void **state)
{
    struct otlp_kept *kept = otlp_start();
    size_t n_body, n_refused = 0;
    char *body = file_read(4, "pb", &n_body);

    (void)state;
    for (size_t n = 1; n < n_body; n++) {
        char *part = malloc(n); /* Of its exact size, for the sanitizer. */

        memcpy(part, body, n);
        if (otlp_take(kept, "application/x-protobuf", part, n) == 400) {
            assert_string_equal(otlp_lines(kept), "");
            n_refused++;
        } else {
            assert_int_equal(kept->answer.code, 200);
            (void)otlp_lines(kept);
        }
        free(part);
    }
    assert_true(n_refused > n_body - 8);
    free(body);
    body = file_read(4, "json", &n_body);
    for (size_t n = 0; n < n_body - 1; n++) {
        char *part = malloc(n + 1);

        memcpy(part, body, n);
        assert_int_equal(otlp_take(kept, "application/json", part, n), 400);
        free(part);
    }
    free(body);
    otlp_end(kept);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests__mean_what_a_second_reading_says),
        cmocka_unit_test(test_requests__mean_the_same_in_json),
        cmocka_unit_test(test_requests__name_the_same_series_in_both_encodings),
        cmocka_unit_test(test_requests__are_refused_when_they_are_cut),
    };

    return LW_TEST_RUN(tests);
}
