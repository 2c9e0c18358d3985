/* Every class of models, with each allocation of fit, save and load failing in turn: an error,
 * nothing leaked, and no result. */
#include "support/mem_faulty.h"
#include "support/onnx.h"
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

#define CALLS_MAX                                                                                  \
    1000 /* More than any class's fit, save or load asks for; the loops end when a call passes     \
            unharmed. */

struct subject {
    const struct lw_model_class *model_class;
    void *options;
    struct lw_test_table table;
};

static enum lw_status subject_fit(const struct subject *subject, struct lw_model **ret_model)
{
    struct lw_model_rows rows = {.values = subject->table.values,
                                 .n_rows = subject->table.n_rows,
                                 .n_dims = subject->table.n_dims};
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_rng_seed(&rng, 5);
    return subject->model_class->fit(subject->options, &rows, &rng, ret_model, &error);
}

static struct lw_model *fit_survives(const struct subject *subject)
{
    for (uint64_t n = 1; n < CALLS_MAX; n++) {
        struct lw_model *model = NULL;
        int64_t live = lw_test_mem_live();
        enum lw_status status;

        lw_test_mem_fail_at(n);
        status = subject_fit(subject, &model);
        if (!lw_test_mem_has_failed()) {
            assert_int_equal(status, LW_OK);
            assert_true(n > 1);
            return model;
        }
        lw_test_mem_fail_at(0);
        assert_int_equal(status, LW_ENOMEM);
        assert_null(model);
        assert_int_equal(lw_test_mem_live(), live);
    }
    fail_msg("%s: a fit asks for memory without end", subject->model_class->name);
    return NULL;
}

static void save_survives(const struct subject *subject, const struct lw_model *model,
                          struct lw_writer *ret_writer)
{
    for (uint64_t n = 1; n < CALLS_MAX; n++) {
        lw_writer_init(ret_writer);
        lw_test_mem_fail_at(n);
        lw_model_save(subject->model_class, model, ret_writer);
        if (!lw_test_mem_has_failed()) {
            assert_int_equal(ret_writer->status, LW_OK);
            assert_true(n > 1);
            return;
        }
        lw_test_mem_fail_at(0);
        assert_int_equal(ret_writer->status, LW_ENOMEM);
        lw_writer_fini(ret_writer);
    }
    fail_msg("%s: a save asks for memory without end", subject->model_class->name);
}

static void load_survives(const struct lw_writer *writer)
{
    for (uint64_t n = 1; n < CALLS_MAX; n++) {
        const struct lw_model_class *model_class = NULL;
        struct lw_model *model = NULL;
        struct lw_error error = {0};
        struct lw_reader reader;
        int64_t live = lw_test_mem_live();
        enum lw_status status;

        lw_reader_init(&reader, writer->data, writer->n_bytes);
        lw_test_mem_fail_at(n);
        status = lw_model_load(&reader, &model_class, &model, &error);
        if (!lw_test_mem_has_failed()) {
            assert_int_equal(status, LW_OK);
            assert_true(n > 1);
            model_class->destroy(model);
            return;
        }
        lw_test_mem_fail_at(0);
        assert_int_equal(status, LW_ENOMEM);
        assert_null(model);
        assert_int_equal(lw_test_mem_live(), live);
    }
    fail_msg("a load asks for memory without end");
}

static void test_model__survives_each_failing_allocation(void **state)
{
    struct subject subject = {.table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv")};

    (void)state;
    for (size_t i = 0; lw_model_classes()[i] != NULL; i++) {
        int64_t live = lw_test_mem_live();
        struct lw_writer writer;
        struct lw_model *model;

        subject.model_class = lw_model_classes()[i];
        if (subject.model_class->is_foreign && !lw_test_onnx_is_here()) {
            continue;
        }
        subject.options = calloc(1, subject.model_class->options_bytes + 1);
        lw_options_default(subject.model_class->options, subject.model_class->n_options,
                           subject.options);
        if (subject.model_class->is_foreign) {
            struct lw_model_rows rows = {.values = subject.table.values,
                                         .n_rows = subject.table.n_rows,
                                         .n_dims = subject.table.n_dims};

            lw_test_onnx_options(&rows, subject.options);
        }
        model = fit_survives(&subject);
        save_survives(&subject, model, &writer);
        load_survives(&writer);
        lw_test_mem_fail_at(0);
        lw_writer_fini(&writer);
        subject.model_class->destroy(model);
        assert_int_equal(lw_test_mem_live(), live);
        if (subject.model_class->is_foreign) {
            (void)unlink(((const struct lw_onnx_options *)subject.options)->path);
        }
        free(subject.options);
    }
    lw_test_table_free(&subject.table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__survives_each_failing_allocation),
    };
    return LW_TEST_RUN(tests);
}
