/* Names, keys and patterns: what is read, what is written, what is refused and how it is said. */
#include "stream/series_name.h"

#include "base/rng.h"
#include "support/test.h"

#include <string.h>

/* Canonical text of a name, or the error's message. */
static const char *canonical(const char *text)
{
    static char canonical_text[LW_NAME_MAX];
    static struct lw_error error;
    struct lw_series_name name;

    if (lw_series_name_parse(text, strlen(text), &name, &error) != LW_OK ||
        lw_series_name_format(&name, canonical_text, &error) != LW_OK) {
        return error.message;
    }
    return canonical_text;
}

static void test_series_name__has_one_text(void **state)
{
    (void)state;
    assert_string_equal(canonical("up"), "up");
    assert_string_equal(canonical("up{}"), "up");
    assert_string_equal(canonical("up{ }"), "up");
    assert_string_equal(canonical("cpu{mode=\"user\",cpu=\"0\"}"), "cpu{cpu=\"0\",mode=\"user\"}");
    assert_string_equal(canonical("cpu{ mode = \"user\" , cpu = \"0\" , }"),
                        "cpu{cpu=\"0\",mode=\"user\"}");
    assert_string_equal(canonical("x{b=\"\",a=\"1\"}"), "x{a=\"1\"}");
    assert_string_equal(canonical("x{ab=\"1\",a=\"2\",aa=\"3\"}"), "x{a=\"2\",aa=\"3\",ab=\"1\"}");
    assert_string_equal(canonical("CPU load \xC2\xB5s"), "CPU load \xC2\xB5s");
}

static void test_series_name__keeps_escapes(void **state)
{
    struct lw_series_name name;
    char text[LW_NAME_MAX];

    (void)state;
    assert_string_equal(canonical("x{p=\"C:\\\\a \\\"b\\\"\\n\"}"),
                        "x{p=\"C:\\\\a \\\"b\\\"\\n\"}");
    assert_int_equal(lw_series_name_init(&name, "a{b\\c", NULL), LW_OK);
    assert_int_equal(lw_series_name_add(&name, "l", "\\\"\n", NULL), LW_OK);
    assert_int_equal(lw_series_name_format(&name, text, NULL), LW_OK);
    assert_string_equal(text, "a\\{b\\\\c{l=\"\\\\\\\"\\n\"}");
    assert_string_equal(canonical(text), text);
    assert_int_equal(lw_series_name_parse(text, strlen(text), &name, NULL), LW_OK);
    assert_string_equal(lw_series_name_metric(&name), "a{b\\c");
    assert_string_equal(lw_series_name_value(&name, "l"), "\\\"\n");
    assert_null(lw_series_name_value(&name, "m"));
}

static void test_series_name__says_where_it_is_wrong(void **state)
{
    (void)state;
    assert_string_equal(canonical("x{a}"),
                        "a series name is wrong at byte 4: expected = in \"x{a}\"");
    assert_string_equal(canonical("x{a=1}"),
                        "a series name is wrong at byte 5: expected \" in \"x{a=1}\"");
    assert_string_equal(
        canonical("x{a=\"1}"),
        "a series name is wrong at byte 8: expected \" at the end of a value in \"x{a=\"1}\"");
    assert_string_equal(
        canonical("x{a=\"1\" b=\"2\"}"),
        "a series name is wrong at byte 9: expected , or } in \"x{a=\"1\" b=\"2\"}\"");
    assert_string_equal(
        canonical("x{a=\"1\"} 5"),
        "a series name is wrong at byte 9: expected the end after } in \"x{a=\"1\"} 5\"");
    assert_string_equal(canonical("x{,}"),
                        "a series name is wrong at byte 3: expected a label name in \"x{,}\"");
    assert_string_equal(
        canonical("x{a=\"\\t\"}"),
        "a series name is wrong at byte 7: expected one of \\ \" n after \\ in \"x{a=\"\\t\"}\"");
    assert_string_equal(canonical("{a=\"1\"}"), "a metric name is empty");
    assert_string_equal(canonical("x{a=\"1\",a=\"2\"}"), "the label \"a\" comes twice");
    assert_string_equal(canonical("x\ty"), "the metric name \"x\ty\" has a control character");
    assert_string_equal(canonical("x{a=\"\xFF\"}"), "the value of label \"a\" is not UTF-8");
}

static void test_series_name__refuses_a_zero_byte(void **state)
{
    struct lw_series_name name;

    (void)state;
    assert_int_equal(lw_series_name_parse("a\0b", 3, &name, NULL), LW_EINVAL);
    assert_int_equal(lw_series_name_parse("a{b=\"\0\"}", 8, &name, NULL), LW_EINVAL);
    assert_int_equal(lw_series_name_parse("a{b\0=\"1\"}", 9, &name, NULL), LW_EFORMAT);
}

static void test_series_name__is_bounded(void **state)
{
    struct lw_series_name name;
    char text[LW_NAME_MAX + 1], label[16], out[LW_NAME_MAX];

    (void)state;
    memset(text, 'm', LW_NAME_MAX);
    text[LW_NAME_MAX] = '\0';
    assert_int_equal(lw_series_name_init(&name, text, NULL), LW_ETOOLONG);
    assert_int_equal(lw_series_name_parse(text, LW_NAME_MAX, &name, NULL), LW_ETOOLONG);
    text[LW_NAME_MAX - 1] = '\0';
    assert_int_equal(lw_series_name_init(&name, text, NULL), LW_OK);
    assert_int_equal(lw_series_name_format(&name, out, NULL), LW_OK);
    assert_string_equal(out, text);
    assert_int_equal(lw_series_name_add(&name, "l", "1", NULL), LW_OK);
    assert_int_equal(lw_series_name_format(&name, out, NULL), LW_ETOOLONG);
    assert_int_equal(lw_series_name_init(&name, "m", NULL), LW_OK);
    for (int i = 0; i < LW_LABELS_MAX; i++) {
        (void)snprintf(label, sizeof(label), "l%d", i);
        assert_int_equal(lw_series_name_add(&name, label, "1", NULL), LW_OK);
    }
    assert_int_equal(lw_series_name_add(&name, "one", "1", NULL), LW_ETOOLONG);
    assert_int_equal(name.n_labels, LW_LABELS_MAX);
    assert_int_equal(lw_series_name_init(&name, "m", NULL), LW_OK);
    for (int i = 0; i < LW_SERIES_BYTES_MAX / LW_NAME_MAX; i++) {
        (void)snprintf(label, sizeof(label), "l%d", i);
        assert_int_equal(lw_series_name_add(&name, label, text, NULL),
                         i < LW_SERIES_BYTES_MAX / LW_NAME_MAX - 1 ? LW_OK : LW_ETOOLONG);
    }
    assert_int_equal(lw_series_name_init(&name, "m", NULL), LW_OK);
    text[LW_SHORT_NAME_MAX] = '\0';
    assert_int_equal(lw_series_name_add(&name, text, "1", NULL), LW_ETOOLONG);
    text[LW_SHORT_NAME_MAX - 1] = '\0';
    assert_int_equal(lw_series_name_add(&name, text, "1", NULL), LW_OK);
}

/* What cAdvisor says of one container's file system. */
static void test_series_name__takes_what_kubernetes_makes(void **state)
{
    static const char text[] =
        "container_fs_writes_bytes_total{container=\"prometheus-server-configmap-reload\","
        "device=\"/dev/mapper/ubuntu--vg-ubuntu--lv\","
        "id=\"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
        "3f5c1a8e_2d7b_4c55_9d0e_6b1f4a7c2e90.slice/cri-containerd-"
        "9b2f0c4d7a6e5183c2b1a0f9e8d7c6b5a4938271605f4e3d2c1b0a9f8e7d6c5b.scope\","
        "image=\"registry.example.org:5000/monitoring/prometheus-config-reloader@sha256:"
        "2e1d0c9b8a7f6e5d4c3b2a190f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c\","
        "instance=\"gke-production-pool-2-5c4d3e2f-x7k9.europe-west4-a.internal:10250\","
        "job=\"kubernetes-nodes-cadvisor\","
        "name=\"9b2f0c4d7a6e5183c2b1a0f9e8d7c6b5a4938271605f4e3d2c1b0a9f8e7d6c5b\","
        "namespace=\"monitoring\",pod=\"prometheus-server-7c9d6f5b8-4xk2p\"}";
    struct lw_series_name name;
    struct lw_entity_key key;
    char out[LW_NAME_MAX];

    (void)state;
    assert_true(sizeof(text) > 700);
    assert_int_equal(lw_series_name_parse(text, sizeof(text) - 1, &name, NULL), LW_OK);
    assert_int_equal(lw_series_name_format(&name, out, NULL), LW_OK);
    assert_string_equal(out, text);
    assert_int_equal(lw_entity_key_parse("namespace,pod,container", &key, NULL), LW_OK);
    assert_int_equal(lw_entity_key_name(&key, &name, out, NULL), LW_OK);
    assert_string_equal(out, "namespace=monitoring,pod=prometheus-server-7c9d6f5b8-4xk2p,"
                             "container=prometheus-server-configmap-reload");
}

/* What is shuffled into a name comes out sorted and reads back the same. */
static void test_series_name__does_not_depend_on_the_order_of_labels(void **state)
{
    static const char *const LABELS[] = {"z", "job", "le", "instance", "a", "code"};
    static const char *const VALUES[] = {"1", "node", "+Inf", "web-1:9100", "x,y=\"z\"", "5\\00"};
    char first[LW_NAME_MAX] = "", text[LW_NAME_MAX];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 9);
    for (int round = 0; round < 200; round++) {
        struct lw_series_name name;
        size_t order[6] = {0, 1, 2, 3, 4, 5};

        for (size_t i = 5; i > 0; i--) {
            size_t k = (size_t)lw_rng_below(&rng, i + 1), kept = order[i];

            order[i] = order[k];
            order[k] = kept;
        }
        assert_int_equal(lw_series_name_init(&name, "http_requests_total", NULL), LW_OK);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(lw_series_name_add(&name, LABELS[order[i]], VALUES[order[i]], NULL),
                             LW_OK);
        }
        assert_int_equal(lw_series_name_format(&name, text, NULL), LW_OK);
        if (round == 0) {
            (void)snprintf(first, sizeof(first), "%s", text);
        }
        assert_string_equal(text, first);
        assert_string_equal(canonical(text), text);
    }
}

static void check_key(const char *labels, const char *series, const char *entity, const char *rest)
{
    struct lw_entity_key key;
    struct lw_series_name name;
    char text[LW_NAME_MAX];

    assert_int_equal(lw_entity_key_parse(labels, &key, NULL), LW_OK);
    assert_int_equal(lw_series_name_parse(series, strlen(series), &name, NULL), LW_OK);
    assert_int_equal(lw_entity_key_name(&key, &name, text, NULL), LW_OK);
    assert_string_equal(text, entity);
    assert_int_equal(lw_entity_key_rest(&key, &name, text, NULL), LW_OK);
    assert_string_equal(text, rest);
}

static void test_entity_key__splits_a_series(void **state)
{
    (void)state;
    check_key("instance", "up{instance=\"web-1\",job=\"n\"}", "web-1", "up{job=\"n\"}");
    check_key("instance", "up{instance=\"web-1\"}", "web-1", "up");
    check_key("instance", "up{job=\"n\"}", "", "up{job=\"n\"}");
    check_key("", "up{job=\"n\"}", "", "up{job=\"n\"}");
    check_key(" job , instance ", "up{instance=\"a\",job=\"b\",z=\"c\"}", "job=b,instance=a",
              "up{z=\"c\"}");
    check_key("job,instance", "up{job=\"b\"}", "job=b,instance=", "up");
    check_key("a,b", "up{a=\"x,b=y\"}", "a=x\\,b=y,b=", "up");
}

static void test_entity_key__refuses_what_is_no_label(void **state)
{
    struct lw_entity_key key;

    (void)state;
    assert_int_equal(lw_entity_key_parse("a,,b", &key, NULL), LW_EINVAL);
    assert_int_equal(lw_entity_key_parse("a,", &key, NULL), LW_EINVAL);
    assert_int_equal(lw_entity_key_parse("a b", &key, NULL), LW_EINVAL);
    assert_int_equal(lw_entity_key_parse("a,b,a", &key, NULL), LW_EEXIST);
    assert_int_equal(lw_entity_key_parse("a,b,c,d,e,f,g,h", &key, NULL), LW_OK);
    assert_int_equal(key.n_labels, LW_KEY_LABELS_MAX);
    assert_int_equal(lw_entity_key_parse("a,b,c,d,e,f,g,h,i", &key, NULL), LW_ELIMIT);
}

/* The definition, word for word; exponential, so for short texts. */
static bool slow_match(const char *pattern, const char *text)
{
    if (*pattern == '\0') {
        return *text == '\0';
    }
    if (*pattern == '*') {
        return slow_match(pattern + 1, text) || (*text != '\0' && slow_match(pattern, text + 1));
    }
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           slow_match(pattern + 1, text + 1);
}

static void test_glob__follows_its_definition(void **state)
{
    struct lw_rng rng;
    size_t n_matches = 0;

    (void)state;
    lw_rng_seed(&rng, 21);
    for (int round = 0; round < 200000; round++) {
        char pattern[8], text[9];
        size_t n_pattern = (size_t)lw_rng_below(&rng, 8), n_text = (size_t)lw_rng_below(&rng, 9);

        for (size_t i = 0; i < n_pattern; i++) {
            pattern[i] = "ab*?"[lw_rng_below(&rng, 4)];
        }
        for (size_t i = 0; i < n_text; i++) {
            text[i] = "ab"[lw_rng_below(&rng, 2)];
        }
        pattern[n_pattern] = text[n_text] = '\0';
        if (lw_glob_match(pattern, text) != slow_match(pattern, text)) {
            fail_msg("\"%s\" against \"%s\"", pattern, text);
        }
        n_matches += slow_match(pattern, text);
    }
    assert_true(n_matches > 10000);
}

static void test_glob__counts_characters_not_bytes(void **state)
{
    (void)state;
    assert_true(lw_glob_match("?s", "\xC2\xB5s"));
    assert_false(lw_glob_match("??s", "\xC2\xB5s"));
    assert_true(lw_glob_match("*\xC2\xB5*", "a\xC2\xB5"));
}

static void test_glob__is_quick_on_the_worst_pattern(void **state)
{
    char pattern[LW_NAME_MAX], text[LW_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < LW_NAME_MAX - 1; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
        text[i] = 'a';
    }
    pattern[LW_NAME_MAX - 2] = 'b';
    pattern[LW_NAME_MAX - 1] = text[LW_NAME_MAX - 1] = '\0';
    assert_false(lw_glob_match(pattern, text)); /* Trying every star would not end. */
}

static void test_glob__takes_one_of_a_list(void **state)
{
    (void)state;
    assert_true(lw_glob_match_any("node_*, up", "up"));
    assert_true(lw_glob_match_any("node_*, up", "node_load1"));
    assert_false(lw_glob_match_any("node_*, up", "upper"));
    assert_false(lw_glob_match_any("", "up"));
    assert_false(lw_glob_match_any(" , ", ""));
    assert_true(lw_glob_match_any("*", ""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_name__has_one_text),
        cmocka_unit_test(test_series_name__keeps_escapes),
        cmocka_unit_test(test_series_name__says_where_it_is_wrong),
        cmocka_unit_test(test_series_name__refuses_a_zero_byte),
        cmocka_unit_test(test_series_name__is_bounded),
        cmocka_unit_test(test_series_name__takes_what_kubernetes_makes),
        cmocka_unit_test(test_series_name__does_not_depend_on_the_order_of_labels),
        cmocka_unit_test(test_entity_key__splits_a_series),
        cmocka_unit_test(test_entity_key__refuses_what_is_no_label),
        cmocka_unit_test(test_glob__follows_its_definition),
        cmocka_unit_test(test_glob__counts_characters_not_bytes),
        cmocka_unit_test(test_glob__is_quick_on_the_worst_pattern),
        cmocka_unit_test(test_glob__takes_one_of_a_list),
    };

    return LW_TEST_RUN(tests);
}
