/* The checks before a fit, and the envelope around every class's bytes. */
#include "support/test.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/option.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_ROWS 40
#define N_DIMS 3

static struct lw_model *forest_fit(const struct lw_model_class *forest)
{
    float rows[N_ROWS * N_DIMS];
    void *options = malloc(forest->options_bytes);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_rng_seed(&rng, 11);
    for (size_t i = 0; i < N_ROWS * N_DIMS; i++) {
        rows[i] = (float)lw_rng_double(&rng);
    }
    lw_options_default(forest->options, forest->n_options, options);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "trees", "3", &error), LW_OK);
    assert_int_equal(
        forest->fit(options,
                    &(struct lw_model_rows){.values = rows, .n_rows = N_ROWS, .n_dims = N_DIMS},
                    &rng, &model, &error),
        LW_OK);
    free(options);
    return model;
}

/* An envelope in its own memory, so that a sanitizer sees a read behind its end. */
static uint8_t *envelope_make(size_t *ret_n_bytes)
{
    const struct lw_model_class *forest = lw_model_class_find("iforest");
    struct lw_model *model = forest_fit(forest);
    struct lw_writer writer;
    uint8_t *bytes;

    lw_writer_init(&writer);
    lw_model_save(forest, model, &writer);
    assert_int_equal(writer.status, LW_OK);
    bytes = malloc(writer.n_bytes);
    memcpy(bytes, writer.data, writer.n_bytes);
    *ret_n_bytes = writer.n_bytes;
    lw_writer_fini(&writer);
    forest->destroy(model);
    return bytes;
}

static enum lw_status envelope_load(const uint8_t *bytes, size_t n_bytes, struct lw_error *reterr)
{
    const struct lw_model_class *model_class = NULL;
    struct lw_model *model = NULL;
    struct lw_reader reader;
    enum lw_status status;

    lw_reader_init(&reader, bytes, n_bytes);
    status = lw_model_load(&reader, &model_class, &model, reterr);
    assert_int_equal(status == LW_OK, model != NULL);
    assert_int_equal(status == LW_OK, model_class != NULL);
    if (status == LW_OK) {
        model_class->destroy(model);
    }
    return status;
}

/* Makes the checksum fit again after a change that is meant to be seen by what comes behind it. */
static void envelope_seal(uint8_t *bytes, size_t n_bytes)
{
    uint64_t hash = lw_hash_bytes(bytes, n_bytes - 8, 0);

    for (size_t i = 0; i < 8; i++) {
        bytes[n_bytes - 8 + i] = (uint8_t)(hash >> (8 * i));
    }
}

static void test_model__every_damaged_byte_of_an_envelope_is_found(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = envelope_make(&n_bytes);
    struct lw_error error;

    (void)state;
    assert_int_equal(envelope_load(bytes, n_bytes, &error), LW_OK);
    for (size_t i = 0; i < n_bytes; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            bytes[i] ^= (uint8_t)(1u << bit);
            if (envelope_load(bytes, n_bytes, &error) == LW_OK) {
                fail_msg("bit %u of byte %zu may be turned unseen", bit, i);
            }
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    free(bytes);
}

static void test_model__a_cut_envelope_is_refused(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = envelope_make(&n_bytes);
    struct lw_error error;

    (void)state;
    for (size_t n = 0; n < n_bytes; n++) {
        uint8_t *cut = malloc(n > 0 ? n : 1);

        memcpy(cut, bytes, n);
        assert_int_equal(envelope_load(cut, n, &error), LW_EFORMAT);
        free(cut);
    }
    free(bytes);
}

static void test_model__refusals_name_their_cause(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = envelope_make(&n_bytes);
    struct lw_error error = {0};

    (void)state;
    bytes[4] = 9; /* The envelope's version. */
    envelope_seal(bytes, n_bytes);
    assert_int_equal(envelope_load(bytes, n_bytes, &error), LW_EVERSION);
    assert_non_null(strstr(error.message, "format 9"));
    bytes[4] = 1;
    bytes[10] = 'x'; /* The first letter of the class's name. */
    envelope_seal(bytes, n_bytes);
    assert_int_equal(envelope_load(bytes, n_bytes, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "\"xforest\""));
    bytes[10] = 'i';
    bytes[25] = 7; /* The class's own version, behind 4 + 2 + 4 + 7 + 8 bytes. */
    envelope_seal(bytes, n_bytes);
    assert_int_equal(envelope_load(bytes, n_bytes, &error), LW_EVERSION);
    assert_non_null(strstr(error.message, "version 7"));
    free(bytes);
}

static void test_model__an_envelope_leaves_the_reader_behind_itself(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = envelope_make(&n_bytes);
    uint8_t *twice = malloc(2 * n_bytes);
    const struct lw_model_class *model_class;
    struct lw_model *model;
    struct lw_error error;
    struct lw_reader reader;

    (void)state;
    memcpy(twice, bytes, n_bytes);
    memcpy(twice + n_bytes, bytes, n_bytes);
    lw_reader_init(&reader, twice, 2 * n_bytes);
    for (size_t i = 1; i <= 2; i++) {
        assert_int_equal(lw_model_load(&reader, &model_class, &model, &error), LW_OK);
        assert_int_equal(reader.at, i * n_bytes);
        model_class->destroy(model);
    }
    free(twice);
    free(bytes);
}

static enum lw_status fit_check(const struct lw_model_class *forest, const void *options,
                                size_t n_rows, size_t n_dims, struct lw_error *reterr)
{
    struct lw_model_rows rows = {.n_rows = n_rows, .n_dims = n_dims};

    return lw_model_check_fit(forest, options, &rows, reterr);
}

static void test_model__fit_refuses_shapes_and_options_out_of_bounds(void **state)
{
    const struct lw_model_class *forest = lw_model_class_find("iforest");
    void *options = calloc(1, forest->options_bytes);
    struct lw_error error = {0};

    (void)state;
    lw_options_default(forest->options, forest->n_options, options);
    assert_int_equal(fit_check(forest, options, 2, 1, &error), LW_OK);
    assert_int_equal(fit_check(forest, options, 1, 1, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "1 rows"));
    assert_int_equal(fit_check(forest, options, LW_MODEL_ROWS_MAX + (size_t)1, 1, &error),
                     LW_EINVAL);
    assert_int_equal(fit_check(forest, options, 2, 0, &error), LW_EINVAL);
    assert_int_equal(fit_check(forest, options, 2, LW_MODEL_DIMS_MAX + 1, &error), LW_EINVAL);
    memset(options, 0, forest->options_bytes);
    assert_int_equal(fit_check(forest, options, 2, 1, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "option trees is 0"));
    free(options);
}

static void test_model__a_row_is_missing_when_all_of_it_is(void **state)
{
    float row[5] = {NAN, NAN, NAN, NAN, NAN};

    (void)state;
    assert_true(lw_model_row_is_missing(row, 5));
    row[4] = INFINITY;
    assert_false(lw_model_row_is_missing(row, 5));
    assert_true(lw_model_row_is_missing(row, 4));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__every_damaged_byte_of_an_envelope_is_found),
        cmocka_unit_test(test_model__a_cut_envelope_is_refused),
        cmocka_unit_test(test_model__refusals_name_their_cause),
        cmocka_unit_test(test_model__an_envelope_leaves_the_reader_behind_itself),
        cmocka_unit_test(test_model__fit_refuses_shapes_and_options_out_of_bounds),
        cmocka_unit_test(test_model__a_row_is_missing_when_all_of_it_is),
    };
    return LW_TEST_RUN(tests);
}
