/* What an ensemble is to be made of: presets, lists, options, and what is wrong with them. */
#include "support/mem_faulty.h"
#include "support/test.h"

#include "train/plan.h"

#include <stdlib.h>
#include <string.h>

static struct lw_plan plan;
static struct lw_error error;

static enum lw_status parse(const char *models, const char *options)
{
    memset(&error, 0, sizeof(error));
    return lw_plan_parse(models, options, &plan, &error);
}

static void assert_refused(const char *models, const char *options, enum lw_status status,
                           const char *said)
{
    int64_t live = lw_test_mem_live();

    assert_int_equal(parse(models, options), status);
    if (strstr(error.message, said) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, said);
    }
    assert_int_equal(lw_test_mem_live(), live);
}

static void assert_member(size_t i, const char *class, enum lw_view view, double weight)
{
    assert_true(i < plan.n_members);
    assert_string_equal(plan.members[i].class->name, class);
    assert_int_equal(plan.members[i].view, view);
    assert_true(plan.members[i].weight == weight);
    assert_true(plan.members[i].unit > 0.0);
}

static bool has_member(const char *class)
{
    for (size_t i = 0; i < plan.n_members; i++) {
        if (strcmp(plan.members[i].class->name, class) == 0 && plan.members[i].weight > 0.0) {
            return true;
        }
    }
    return false;
}

static void test_plan__full_holds_every_promised_member_and_lean_is_part_of_it(void **state)
{
    struct lw_plan lean;

    (void)state;
    assert_int_equal(parse("lean", ""), LW_OK);
    lean = plan;
    assert_int_equal(parse("full", ""), LW_OK);
    assert_true(has_member("iforest") && has_member("lof") && has_member("ocsvm"));
    assert_true(has_member("autoencoder") && has_member("lstm"));
    assert_true(lean.n_members > 0 && lean.n_members < plan.n_members);
    for (size_t i = 0; i < lean.n_members; i++) {
        assert_true(has_member(lean.members[i].class->name));
    }
    assert_int_equal(plan.n_options, 0);
}

static void test_plan__reads_a_list(void **state)
{
    (void)state;
    assert_int_equal(parse("linear, knn@patch,iforest*0.5 , lof @ values * 2e-1,,", ""), LW_OK);
    assert_int_equal(plan.n_members, 4);
    assert_member(0, "linear", LW_VIEW_VALUES, 1.0);
    assert_member(1, "knn", LW_VIEW_PATCH, 1.0);
    assert_member(2, "iforest", LW_VIEW_RESIDUAL, 0.5);
    assert_member(3, "lof", LW_VIEW_VALUES, 0.2);
    assert_int_equal(parse("lean, ecod", ""), LW_OK);
    assert_member(plan.n_members - 1, "ecod", lw_model_class_find("ecod")->view, 1.0);
    assert_int_equal(parse("knn*0, ecod", ""), LW_OK); /* Shown, but it does not count. */
    assert_string_equal(lw_view_name(plan.members[0].view), "embedding");
}

static void test_plan__reads_options(void **state)
{
    (void)state;
    assert_int_equal(parse("full", "knn.core=250, knn . neighbours = 5,iforest.trees=50"), LW_OK);
    assert_int_equal(plan.n_options, 3);
    assert_string_equal(plan.options[0].name, "core");
    assert_string_equal(plan.options[0].value, "250");
    assert_string_equal(plan.options[1].name, "neighbours");
    assert_string_equal(plan.options[1].value, "5");
    assert_string_equal(plan.options[2].class->name, "iforest");
}

static void test_plan__says_what_is_wrong(void **state)
{
    char text[400];

    (void)state;
    assert_refused("", "", LW_EINVAL, "no model that has a weight");
    assert_refused(" , ", "", LW_EINVAL, "no model");
    assert_refused("knn*0", "", LW_EINVAL, "weight above 0");
    assert_refused("fulll", "", LW_ENOTFOUND, "presets full and lean");
    assert_refused("knnn", "", LW_ENOTFOUND, "iforest");
    assert_refused("knn@features", "", LW_ENOTFOUND, "\"features\"");
    assert_refused("knn@", "", LW_ENOTFOUND, "no view \"\"");
    assert_refused("knn*", "", LW_EINVAL, "weight \"\"");
    assert_refused("knn*-1", "", LW_EINVAL, "\"-1\"");
    assert_refused("knn*nan", "", LW_EINVAL, "\"nan\"");
    assert_refused("knn*1e7", "", LW_EINVAL, "0 to 1e6");
    assert_refused("knn*1x", "", LW_EINVAL, "\"1x\"");
    assert_refused("knn*0.5@patch", "", LW_EINVAL, "\"0.5@patch\"");
    assert_refused("knn", "core=5", LW_EINVAL, "model.option=value");
    assert_refused("knn", "knn.core", LW_EINVAL, "model.option=value");
    assert_refused("knn", "nn.core=5", LW_ENOTFOUND, "\"nn\"");
    assert_refused("knn", "knn.cor=5", LW_ENOTFOUND, "core");
    assert_refused("knn", "knn.core=1", LW_EINVAL, "core");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_refused(text, "", LW_EINVAL, "too long");
    assert_refused("knn", text, LW_EINVAL, "too long");
    memcpy(text, "knn.core=", 9); /* An item, but longer than a value may be. */
    text[300] = '\0';
    assert_refused("knn", text, LW_EINVAL, "too long");
}

/* Lists as long as they may be, and one longer: presets, members, options. */
static void test_plan__holds_its_limits(void **state)
{
    char text[4096];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < LW_ENSEMBLE_MEMBERS_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "knn,");
    }
    assert_int_equal(parse(text, ""), LW_OK);
    assert_int_equal(plan.n_members, LW_ENSEMBLE_MEMBERS_MAX);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "knn");
    assert_refused(text, "", LW_ELIMIT, "32 members");
    assert_refused("full,full,full,full,full,full,full,full,full", "", LW_ELIMIT, "32 members");
    n = 0;
    for (int i = 0; i < LW_PLAN_OPTIONS_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "knn.core=%d,", i + 10);
    }
    assert_int_equal(parse("knn", text), LW_OK);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "knn.core=9");
    assert_refused("knn", text, LW_ELIMIT, "64 options");
}

/* The option reaches the model: a core of two rows knows those only. */
static void test_plan__fits_with_its_options(void **state)
{
    float values[100];
    struct lw_model_rows rows = {.values = values, .n_rows = 100, .n_dims = 1};
    struct lw_model *small = NULL, *large = NULL;
    const struct lw_model_class *knn = lw_model_class_find("knn");

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        values[i] = (float)i;
    }
    assert_int_equal(parse("knn", "knn.core=2, lof.neighbours=3"), LW_OK);
    assert_int_equal(lw_plan_fit(&plan, knn, &rows, 1, &small, &error), LW_OK);
    assert_int_equal(parse("knn", ""), LW_OK);
    assert_int_equal(lw_plan_fit(&plan, knn, &rows, 1, &large, &error), LW_OK);
    assert_true(knn->bytes(small) < knn->bytes(large));
    knn->destroy(small);
    knn->destroy(large);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__full_holds_every_promised_member_and_lean_is_part_of_it),
        cmocka_unit_test(test_plan__reads_a_list),
        cmocka_unit_test(test_plan__reads_options),
        cmocka_unit_test(test_plan__says_what_is_wrong),
        cmocka_unit_test(test_plan__holds_its_limits),
        cmocka_unit_test(test_plan__fits_with_its_options),
    };
    return LW_TEST_RUN(tests);
}
