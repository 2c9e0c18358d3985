/* Model files: the same bits after saving and loading, looked up by name, and safe on any bytes. */
#include "support/mem_faulty.h"
#include "support/model_file.h"
#include "support/test.h"

#include <string.h>

#define QUICK "knn.core=20"
#define N_COLUMNS 3u

static char *columns[N_COLUMNS] = {"cpu", "memory", "load{core=\"1\"}"};
static char known[] = "web-1";

static struct lw_writer written(void)
{
    struct lw_test_model_file want = {"linear, knn", QUICK, known, columns, N_COLUMNS};
    struct lw_writer writer;
    struct lw_error error = {0};

    if (lw_test_model_file_write(&want, &writer, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return writer;
}

static struct lw_model_file *loaded(const struct lw_writer *writer)
{
    struct lw_model_file *file = NULL;
    struct lw_error error = {0};

    if (lw_model_file_load(writer->data, writer->n_bytes, &file, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return file;
}

/* A checksum that fits whatever the body is. */
static void seal(struct lw_writer *writer)
{
    uint64_t sum = lw_hash_bytes(writer->data, writer->n_bytes - 8, UINT64_C(0x6d6f64656c73));

    for (size_t i = 0; i < 8; i++) {
        writer->data[writer->n_bytes - 8 + i] = (uint8_t)(sum >> 8 * i);
    }
}

static void test_model_file__holds_what_was_saved(void **state)
{
    struct lw_writer writer = written(), again;
    struct lw_model_file *file = loaded(&writer);

    (void)state;
    assert_int_equal(file->n_groups, 1);
    assert_int_equal(file->groups[0].n_columns, N_COLUMNS);
    assert_string_equal(file->groups[0].columns[2], columns[2]);
    assert_int_equal(file->n_entities, 1);
    assert_string_equal(file->entities[0].name, known);
    assert_int_equal(file->entities[0].n_state, lw_ensemble_n_state(file->groups[0].ensemble));
    assert_string_equal(file->report, "{}");
    lw_writer_init(&again);
    lw_model_file_save(file, &again);
    assert_int_equal(again.n_bytes, writer.n_bytes);
    assert_memory_equal(again.data, writer.data, writer.n_bytes);
    lw_writer_fini(&again);
    lw_model_file_release(file);
    lw_writer_fini(&writer);
}

static void test_model_file__scores_the_same_bits_after_loading(void **state)
{
    struct lw_writer writer = written();
    struct lw_model_file *a = loaded(&writer), *b = loaded(&writer);
    float *states[2] = {a->entities[0].state, b->entities[0].state};

    (void)state;
    for (uint64_t step = 0; step < 50; step++) {
        float row[N_COLUMNS];
        const float *const rows[1] = {row};
        double energies[2];

        for (uint32_t i = 0; i < N_COLUMNS; i++) {
            row[i] = 2.0f * lw_test_model_value(i, LW_TEST_MODEL_ROWS + step);
        }
        lw_ensemble_step(a->groups[0].ensemble, &states[0], rows, 1, &energies[0], NULL);
        lw_ensemble_step(b->groups[0].ensemble, &states[1], rows, 1, &energies[1], NULL);
        assert_memory_equal(&energies[0], &energies[1], sizeof(energies[0]));
        assert_true(energies[0] > 0.0);
    }
    lw_model_file_release(a);
    lw_model_file_release(b);
    lw_writer_fini(&writer);
}

static void test_model_file__finds_entities_and_falls_back(void **state)
{
    char *names[] = {"a", "b", "ba", "c", "z"};
    struct lw_model_entity entities[5] = {0};
    struct lw_model_file file = {
        .n_groups = 2, .fallback = 1, .n_entities = 5, .entities = entities};

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        entities[i].name = names[i];
        entities[i].group = i % 2;
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_ptr_equal(lw_model_file_entity(&file, names[i]), &entities[i]);
        assert_int_equal(lw_model_file_group(&file, names[i]), i % 2);
    }
    assert_null(lw_model_file_entity(&file, "bb"));
    assert_null(lw_model_file_entity(&file, ""));
    assert_int_equal(lw_model_file_group(&file, "zz"), 1);
    file.fallback = LW_MODEL_GROUP_NONE;
    assert_int_equal(lw_model_file_group(&file, "zz"), LW_MODEL_GROUP_NONE);
}

static void test_model_file__lives_as_long_as_it_has_owners(void **state)
{
    int64_t live = lw_test_mem_live();
    struct lw_writer writer = written();
    struct lw_model_file *file = loaded(&writer);

    (void)state;
    lw_writer_fini(&writer);
    assert_ptr_equal(lw_model_file_retain(file), file);
    lw_model_file_release(file);
    assert_string_equal(file->entities[0].name, known);
    lw_model_file_release(file);
    lw_model_file_release(NULL);
    assert_null(lw_model_file_retain(NULL));
    assert_int_equal(lw_test_mem_live(), live);
}

static void test_model_file__refuses_every_single_damaged_byte(void **state)
{
    struct lw_writer writer = written();
    struct lw_error error;

    (void)state;
    for (size_t i = 0; i < writer.n_bytes; i += i < 64 ? 1 : 97) {
        struct lw_model_file *file = NULL;

        writer.data[i] ^= 0x20;
        assert_int_not_equal(lw_model_file_load(writer.data, writer.n_bytes, &file, &error), LW_OK);
        assert_null(file);
        writer.data[i] ^= 0x20;
    }
    for (size_t n = 0; n < writer.n_bytes; n += 61) {
        struct lw_model_file *file = NULL;

        assert_int_equal(lw_model_file_load(writer.data, n, &file, &error), LW_EFORMAT);
    }
    lw_writer_fini(&writer);
}

static void test_model_file__says_when_it_is_too_new(void **state)
{
    struct lw_writer writer = written();
    struct lw_model_file *file = NULL;
    struct lw_error error;

    (void)state;
    writer.data[8]++;
    seal(&writer);
    assert_int_equal(lw_model_file_load(writer.data, writer.n_bytes, &file, &error), LW_EVERSION);
    writer.data[8] = 0;
    seal(&writer);
    assert_int_equal(lw_model_file_load(writer.data, writer.n_bytes, &file, &error), LW_EVERSION);
    lw_writer_fini(&writer);
}

static void test_model_file__hash_leaves_the_report_out(void **state)
{
    struct lw_writer writer = written(), other;
    struct lw_model_file *file = loaded(&writer), *renamed;
    uint64_t hash = file->hash;

    (void)state;
    file->report[0] = '['; /* "{}" to "[}": the report alone. */
    lw_writer_init(&other);
    lw_model_file_save(file, &other);
    renamed = loaded(&other);
    assert_true(renamed->hash == hash);
    lw_model_file_release(renamed);
    lw_writer_reset(&other);
    file->groups[0].columns[0][0] = 'C';
    lw_model_file_save(file, &other);
    renamed = loaded(&other);
    assert_true(renamed->hash != hash);
    lw_model_file_release(renamed);
    lw_writer_fini(&other);
    lw_model_file_release(file);
    lw_writer_fini(&writer);
}

static void test_model_file__believes_no_count_behind_a_good_checksum(void **state)
{
    struct lw_writer writer = written();
    size_t head = 8 + 2 + 8;
    struct lw_error error;

    (void)state;
    for (size_t at = head; at < head + 200; at++) { /* Groups, columns, texts, views. */
        struct lw_model_file *file = NULL;
        uint8_t kept = writer.data[at];

        writer.data[at] = 0xff;
        seal(&writer);
        if (lw_model_file_load(writer.data, writer.n_bytes, &file, &error) == LW_OK) {
            lw_model_file_release(file);
        }
        writer.data[at] = kept;
    }
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_file__holds_what_was_saved),
        cmocka_unit_test(test_model_file__scores_the_same_bits_after_loading),
        cmocka_unit_test(test_model_file__finds_entities_and_falls_back),
        cmocka_unit_test(test_model_file__lives_as_long_as_it_has_owners),
        cmocka_unit_test(test_model_file__refuses_every_single_damaged_byte),
        cmocka_unit_test(test_model_file__says_when_it_is_too_new),
        cmocka_unit_test(test_model_file__hash_leaves_the_report_out),
        cmocka_unit_test(test_model_file__believes_no_count_behind_a_good_checksum),
    };

    return LW_TEST_RUN(tests);
}
