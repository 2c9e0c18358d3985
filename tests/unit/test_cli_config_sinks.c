/* Sinks of the configuration: options of all, options by type, and what each mistake is answered.
 */
#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/mem.h"
#include "cli/config.h"

#include <string.h>

static struct lw_config *config;
static struct lw_error error;

static int config_open(void **state)
{
    (void)state;
    config = lw_mem_calloc(1, sizeof(*config));
    lw_config_init(config);
    memset(&error, 0, sizeof(error));
    return 0;
}

static int config_close(void **state)
{
    (void)state;
    lw_config_fini(config);
    lw_mem_free(config);
    return 0;
}

static enum lw_status parse(const char *text)
{
    return lw_config_parse(config, "lapwing.yaml", text, strlen(text), &error);
}

static void check_refused(const char *text, enum lw_status expected, const char *place,
                          const char *word)
{
    enum lw_status status;

    lw_config_fini(config);
    lw_config_init(config);
    status = parse(text);
    if (status != expected || strncmp(error.message, place, strlen(place)) != 0 ||
        strstr(error.message, word) == NULL) {
        fail_msg("%s\n%d: %s", text, status, error.message);
    }
}

static void check_option(const struct lw_option *table, size_t n, const void *values,
                         const char *name, const char *expected)
{
    const struct lw_option *option = lw_options_find(table, n, name);
    char text[256];

    assert_non_null(option);
    (void)lw_option_format(option, values, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_sinks__take_options_of_all_and_of_their_type(void **state)
{
    const struct lw_config_sink *sink;
    size_t n;
    const struct lw_option *common = lw_sink_common_table(&n);

    (void)state;
    if (parse("sinks:\n"
              "  log: {path: /tmp/a.jsonl, type: file, rate: 2.5, max_age: 2h}\n"
              "  hook:\n"
              "    type: webhook\n"
              "    url: http://127.0.0.1:9/x\n"
              "    burst: 7\n"
              "    dead_letters: 20\n") != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(config->n_sinks, 2);
    sink = &config->sinks[0];
    assert_string_equal(sink->name, "log");
    assert_string_equal(sink->class->type, "file");
    assert_true(sink->common.rate == 2.5);
    assert_int_equal(sink->common.burst, 100);
    assert_int_equal(sink->common.max_age_ns, INT64_C(7200) * 1000000000);
    check_option(sink->class->options, sink->class->n_options, sink->options, "path",
                 "/tmp/a.jsonl");
    sink = &config->sinks[1];
    assert_string_equal(sink->class->type, "webhook");
    check_option(common, n, &sink->common, "burst", "7");
    check_option(common, n, &sink->common, "dead_letters", "20");
    check_option(common, n, &sink->common, "max_age", "1d");
    check_option(sink->class->options, sink->class->n_options, sink->options, "url",
                 "http://127.0.0.1:9/x");
}

static void test_sinks__say_what_is_wrong_and_where(void **state)
{
    char many[2048] = "sinks:\n";

    (void)state;
    check_refused("sinks: [a]\n", LW_EINVAL, "lapwing.yaml:1:1: ", "sinks by name");
    check_refused("sinks:\n  a: 3\n", LW_EINVAL, "lapwing.yaml:2:3: ", "as type: webhook");
    check_refused("sinks:\n  a: {path: x}\n", LW_ENOTFOUND,
                  "lapwing.yaml:2:3: ", "there are: alertmanager, webhook, file");
    check_refused("sinks:\n  a: {type: pigeon}\n", LW_ENOTFOUND, "lapwing.yaml:2:3: ", "pigeon");
    check_refused("sinks:\n  a: {type: file, pth: x}\n", LW_ENOTFOUND,
                  "lapwing.yaml:2:19: ", "\"path\"");
    check_refused("sinks:\n  a: {type: file, url: x}\n", LW_ENOTFOUND,
                  "lapwing.yaml:2:19: ", "url");
    check_refused("sinks:\n  a: {type: file, burst: 0}\n", LW_EINVAL, "lapwing.yaml:2:26: ", "1");
    check_refused("sinks:\n  a: {type: file, max_age: soon}\n", LW_EINVAL,
                  "lapwing.yaml:2:28: ", "soon");
    for (int i = 0; i <= LW_CONFIG_SINKS_MAX; i++) {
        size_t used = strlen(many);

        (void)snprintf(many + used, sizeof(many) - used, "  s%d: {type: file, path: x}\n", i);
    }
    check_refused(many, LW_ELIMIT, "lapwing.yaml:18:3: ", "16");
}

static void test_sinks__defaults_hold(void **state)
{
    size_t n;
    const struct lw_option *table = lw_sink_common_table(&n);

    (void)state;
    for (const struct lw_sink_class *const *class = lw_sink_classes(); *class != NULL; class ++) {
        struct lw_config_sink sink;

        assert_int_equal(lw_config_sink_init(&sink, "a", (*class)->type, &error), LW_OK);
        for (size_t i = 0; i < n; i++) { /* No class has an option that all have. */
            assert_null(lw_options_find((*class)->options, (*class)->n_options, table[i].name));
        }
        assert_null(lw_options_find((*class)->options, (*class)->n_options, "type"));
        lw_config_sink_fini(&sink);
        lw_test_mem_fail_at(1);
        assert_int_equal(lw_config_sink_init(&sink, "a", (*class)->type, &error), LW_ENOMEM);
        lw_test_mem_fail_at(0);
    }
}

static void test_sinks__are_the_same_when_every_option_is(void **state)
{
    struct lw_config_sink a, b;

    (void)state;
    assert_int_equal(lw_config_sink_init(&a, "a", "file", &error), LW_OK);
    assert_int_equal(lw_config_sink_init(&b, "a", "file", &error), LW_OK);
    assert_true(lw_config_sink_same(&a, &b));
    assert_int_equal(lw_config_sink_set(&b, "path", "/x", &error), LW_OK);
    assert_false(lw_config_sink_same(&a, &b));
    assert_int_equal(lw_config_sink_set(&a, "path", "/x", &error), LW_OK);
    assert_true(lw_config_sink_same(&a, &b));
    assert_int_equal(lw_config_sink_set(&a, "rate", "3", &error), LW_OK);
    assert_false(lw_config_sink_same(&a, &b));
    lw_config_sink_fini(&b);
    assert_int_equal(lw_config_sink_init(&b, "a", "webhook", &error), LW_OK);
    assert_false(lw_config_sink_same(&a, &b));
    lw_config_sink_fini(&a);
    lw_config_sink_fini(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sinks__take_options_of_all_and_of_their_type,
                                        config_open, config_close),
        cmocka_unit_test_setup_teardown(test_sinks__say_what_is_wrong_and_where, config_open,
                                        config_close),
        cmocka_unit_test(test_sinks__defaults_hold),
        cmocka_unit_test(test_sinks__are_the_same_when_every_option_is),
    };

    return LW_TEST_RUN(tests);
}
