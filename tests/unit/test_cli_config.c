/* The configuration file: every option from its text, and a message with its place for every
 * mistake. */
#include "support/test.h"

#include "cli/config.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN LW_TEST_DATA "/../golden/config"

static struct lw_config *config;
static struct lw_error error;

static int config_open(void **state)
{
    (void)state;
    config = malloc(sizeof(*config));
    lw_config_init(config);
    memset(&error, 0, sizeof(error));
    return 0;
}

static int config_close(void **state)
{
    (void)state;
    lw_config_fini(config);
    free(config);
    return 0;
}

static enum lw_status parse(const char *text)
{
    return lw_config_parse(config, "lapwing.yaml", text, strlen(text), &error);
}

static void check_good(const char *text)
{
    if (parse(text) != LW_OK) {
        fail_msg("%s\n%s", text, error.message);
    }
}

/* ---- goldens ---- */

static void read_all(const char *name, char *ret_text, size_t capacity)
{
    char path[512];
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/%s", GOLDEN, name);
    file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("cannot read %s", path);
    }
    n = fread(ret_text, 1, capacity - 1, file);
    ret_text[n] = '\0';
    (void)fclose(file);
}

static bool check_golden(const char *name)
{
    char text[4096], expected[1024], expected_name[300];
    struct lw_error got = {0};
    enum lw_status status;
    int length = (int)strlen(name) - (int)strlen(".yaml");

    (void)snprintf(expected_name, sizeof(expected_name), "%.*s.txt", length, name);
    read_all(name, text, sizeof(text));
    read_all(expected_name, expected, sizeof(expected));
    expected[strcspn(expected, "\n")] = '\0';
    lw_config_fini(config);
    lw_config_init(config);
    status = lw_config_parse(config, name, text, strlen(text), &got);
    if ((status == LW_OK) != (expected[0] == '\0') || strcmp(got.message, expected) != 0) {
        print_error("%s: %d\n  got      %s\n  expected %s\n", name, status, got.message, expected);
        return false;
    }
    return true;
}

static void test_config__says_of_each_mistake_what_the_goldens_say(void **state)
{
    DIR *folder = opendir(GOLDEN);
    struct dirent *entry;
    unsigned n = 0, n_wrong = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot != NULL && strcmp(dot, ".yaml") == 0) {
            n++;
            n_wrong += check_golden(entry->d_name) ? 0 : 1;
        }
    }
    (void)closedir(folder);
    print_message("%u goldens\n", n);
    assert_true(n >= 30);
    assert_int_equal(n_wrong, 0);
}

/* ---- every option ---- */

/* A value that is not the option's default, as a user would write it. */
static const char *other_value(const struct lw_option *option, char ret_text[64])
{
    switch (option->type) {
    case LW_OPTION_BOOL:
        return strcmp(option->fallback, "true") == 0 ? "false" : "true";
    case LW_OPTION_ENUM:
        return strcmp(option->choices[0], option->fallback) == 0 ? option->choices[1]
                                                                 : option->choices[0];
    case LW_OPTION_TEXT:
        return "other";
    case LW_OPTION_DURATION:
        return strcmp(option->fallback, "2h") == 0 ? "3h" : "2h";
    case LW_OPTION_SIZE:
        return option->max < 3 << 20 ? "3KiB" : "3MiB";
    default:
        (void)snprintf(ret_text, 64, "%.0f", option->min > -1e9 ? option->min + 1 : 7.0);
        return ret_text;
    }
}

static void check_taken(const struct lw_option *option, const void *from, const char *value)
{
    char got[LW_CONFIG_PATH_MAX];

    (void)lw_option_format(option, from, got, sizeof(got));
    if (strcmp(got, value) != 0) {
        fail_msg("%s: %s was set, %s was got", option->name, value, got);
    }
}

static void test_config__takes_every_option_at_the_top(void **state)
{
    size_t n;
    const struct lw_option *table = lw_config_option_table(&n);

    (void)state;
    assert_true(n >= 6);
    for (size_t i = 0; i < n; i++) {
        char text[256], number[64];
        const char *value = other_value(&table[i], number);

        (void)snprintf(text, sizeof(text), "%s: %s\n", table[i].name, value);
        check_good(text);
        check_taken(&table[i], &config->options, value);
    }
}

static void test_config__takes_every_option_of_pushing(void **state)
{
    size_t n;
    const struct lw_option *table = lw_push_option_table(&n);

    (void)state;
    assert_true(n >= 10);
    for (size_t i = 0; i < n; i++) {
        char text[256], number[64];
        const char *value = other_value(&table[i], number);

        (void)snprintf(text, sizeof(text), "push: {%s: %s}\n", table[i].name, value);
        check_good(text);
        check_taken(&table[i], &config->push, value);
    }
}

static void test_config__takes_every_option_of_a_source(void **state)
{
    size_t n;
    const struct lw_option *table = lw_source_option_table(&n);

    (void)state;
    assert_true(n >= 8);
    for (size_t i = 0; i < n; i++) {
        char text[256], number[64];
        bool interval = strcmp(table[i].name, "interval") == 0;
        const char *value = interval ? "7s" : other_value(&table[i], number);

        lw_config_fini(config);
        lw_config_init(config);
        if (strcmp(table[i].name, "type") == 0) {
            (void)snprintf(text, sizeof(text), "sources: {s: {type: csv, path: x}}");
        } else {
            (void)snprintf(text, sizeof(text), "sources:\n  s:\n    %s: %s\n", table[i].name,
                           value);
        }
        check_good(text);
        assert_int_equal(config->n_sources, 1);
        assert_string_equal(config->sources[0].name, "s");
        check_taken(&table[i], &config->sources[0].options, value);
    }
}

static void test_config__takes_every_option_of_a_detector(void **state)
{
    struct lw_option_view options[64];
    size_t n = lw_spec_options(false, options, 64);

    (void)state;
    assert_true(n >= 18 && n <= 64);
    for (size_t i = 0; i < n; i++) {
        char text[256], got[1024];

        lw_config_fini(config);
        lw_config_init(config);
        (void)snprintf(text, sizeof(text), "detectors:\n  d:\n    %s: \"%s\"\n", options[i].name,
                       options[i].fallback);
        check_good(text);
        assert_int_equal(config->n_detectors, 1);
        assert_int_equal(lw_spec_get(config->detectors[0].spec, options[i].name, got, sizeof(got)),
                         LW_OK);
    }
    n = lw_spec_options(true, options, 64);
    assert_true(n >= 9 && n <= 64);
    for (size_t i = 0; i < n; i++) {
        char text[256];

        lw_config_fini(config);
        lw_config_init(config);
        (void)snprintf(text, sizeof(text),
                       "detectors:\n  d:\n    metrics:\n      m*: {%s: \"%s\"}\n", options[i].name,
                       options[i].fallback);
        check_good(text);
    }
}

static void test_config__takes_where_scores_go(void **state)
{
    (void)state;
    check_good("scores: {}\n");
    assert_string_equal(config->scores.url, "");
    assert_string_equal(config->scores.match, "*");
    check_good("scores: {url: \"http://prometheus:9090/api/v1/write\", match: [\"node_*\", up], "
               "every: 6, buffer: 1MiB, timeout: 3s}\n");
    assert_string_equal(config->scores.url, "http://prometheus:9090/api/v1/write");
    assert_string_equal(config->scores.match, "node_*,up");
    assert_int_equal(config->scores.every, 6);
    assert_int_equal(config->scores.buffer_bytes, 1 << 20);
    assert_int_equal(config->scores.http.timeout_ns, INT64_C(3000000000));
}

static void test_config__joins_lists_by_commas(void **state)
{
    char got[1024];

    (void)state;
    check_good("detectors:\n  d:\n    match: [a_*, b, \"c?\"]\n    entity:\n      - room\n      - "
               "floor\n    holidays: []\n");
    assert_int_equal(lw_spec_get(config->detectors[0].spec, "match", got, sizeof(got)), LW_OK);
    assert_string_equal(got, "a_*,b,c?");
    assert_int_equal(lw_spec_get(config->detectors[0].spec, "entity", got, sizeof(got)), LW_OK);
    assert_string_equal(got, "room,floor");
    assert_int_equal(lw_spec_get(config->detectors[0].spec, "holidays", got, sizeof(got)), LW_OK);
    assert_string_equal(got, "");
}

static void test_config__begins_a_host_detector_with_what_hosts_need(void **state)
{
    char of_host[1024], of_other[1024];
    struct lw_detector *host = NULL, *other = NULL;

    (void)state;
    check_good("detectors:\n  host: {seed: 1}\n  other: {seed: 1}\n");
    assert_int_equal(lw_spec_get(config->detectors[0].spec, "step", of_host, 1024), LW_OK);
    assert_int_equal(lw_spec_get(config->detectors[1].spec, "step", of_other, 1024), LW_OK);
    assert_int_equal(lw_detector_create(config->detectors[0].spec, "x", &host, NULL), LW_OK);
    assert_int_equal(lw_detector_create(config->detectors[1].spec, "x", &other, NULL), LW_OK);
    assert_true(lw_detector_hash(host) != lw_detector_hash(other));
    lw_detector_release(host);
    lw_detector_release(other);
    check_good("detectors:\n  host: {step: 33s}\n"); /* Each may be changed. */
    assert_int_equal(lw_spec_get(config->detectors[0].spec, "step", of_host, 1024), LW_OK);
    assert_string_equal(of_host, "33s");
}

/* ---- limits and files ---- */

static void test_config__bounds_sources_and_detectors(void **state)
{
    char *text = calloc(1, 8192);
    size_t used = (size_t)sprintf(text, "sources:\n");

    (void)state;
    for (unsigned i = 0; i < LW_CONFIG_SOURCES_MAX; i++) {
        used += (size_t)sprintf(text + used, "  s%u: {type: host}\n", i);
    }
    check_good(text);
    assert_int_equal(config->n_sources, LW_CONFIG_SOURCES_MAX);
    lw_config_fini(config);
    lw_config_init(config);
    (void)sprintf(text + used, "  more: {type: host}\n");
    assert_int_equal(parse(text), LW_ELIMIT);
    assert_non_null(strstr(error.message, "lapwing.yaml:34:3: "));
    used = (size_t)sprintf(text, "detectors:\n");
    for (unsigned i = 0; i <= LW_ENGINE_DETECTORS_MAX; i++) {
        used += (size_t)sprintf(text + used, "  d%u: {step: 1s}\n", i);
    }
    assert_int_equal(parse(text), LW_ELIMIT);
    assert_non_null(strstr(error.message, "lapwing.yaml:66:3: "));
    free(text);
}

static void test_config__reads_files_up_to_a_mebibyte(void **state)
{
    char path[] = "/tmp/lapwing-test-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < LW_CONFIG_BYTES_MAX / 16; i++) {
        assert_true(fputs("# fifteen bytes\n", file) >= 0);
    }
    assert_int_equal(fflush(file), 0);
    assert_int_equal(lw_config_read(config, path, &error), LW_OK);
    assert_true(fputs("#", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lw_config_read(config, path, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "1048576 bytes"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(lw_config_read(config, path, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(lw_config_read(config, "/tmp", &error), LW_EIO);
    assert_non_null(strstr(error.message, "directory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_open, config_close)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_config__says_of_each_mistake_what_the_goldens_say),
        TEST(test_config__takes_every_option_at_the_top),
        TEST(test_config__takes_every_option_of_pushing),
        TEST(test_config__takes_every_option_of_a_source),
        TEST(test_config__takes_every_option_of_a_detector),
        TEST(test_config__takes_where_scores_go),
        TEST(test_config__joins_lists_by_commas),
        TEST(test_config__begins_a_host_detector_with_what_hosts_need),
        TEST(test_config__bounds_sources_and_detectors),
        TEST(test_config__reads_files_up_to_a_mebibyte),
    };

    return LW_TEST_RUN(tests);
}
