/* The registry: every class is complete, and is found by its own name only. */
#include "support/test.h"

#include "model/model.h"

#include <string.h>

static void test_registry__every_class_is_complete(void **state)
{
    const struct lw_model_class *const *classes = lw_model_classes();
    size_t n = 0;

    (void)state;
    for (; classes[n] != NULL; n++) {
        const struct lw_model_class *model = classes[n];

        assert_int_equal(model->version, LW_MODEL_CONTRACT_VERSION);
        assert_true(strlen(model->name) > 0 && strlen(model->name) < LW_MODEL_NAME_MAX);
        assert_int_equal(strspn(model->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                         strlen(model->name));
        assert_true(strlen(model->title) > 0 && strlen(model->formula) > 0 &&
                    strlen(model->source) > 0);
        assert_true(model->n_options == 0 || (model->options != NULL && model->options_bytes > 0));
        assert_true(model->fit != NULL && model->score != NULL && model->attribute != NULL);
        assert_true(model->save != NULL && model->load != NULL);
        assert_true(model->n_dims != NULL && model->bytes != NULL && model->destroy != NULL);
    }
    assert_true(n > 0);
}

static void test_registry__finds_each_class_by_its_name_only(void **state)
{
    const struct lw_model_class *const *classes = lw_model_classes();

    (void)state;
    for (size_t i = 0; classes[i] != NULL; i++) {
        assert_ptr_equal(lw_model_class_find(classes[i]->name), classes[i]); /* So no name is there
                                                                                twice. */
    }
    assert_non_null(lw_model_class_find("iforest"));
    assert_null(lw_model_class_find(""));
    assert_null(lw_model_class_find("iforest "));
    assert_null(lw_model_class_find("Iforest"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__every_class_is_complete),
        cmocka_unit_test(test_registry__finds_each_class_by_its_name_only),
    };
    return LW_TEST_RUN(tests);
}
