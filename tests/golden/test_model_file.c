/*
 * Model files of old, read for ever: tests/golden/model_file has one of each version, and what it
 * said of some steps when it was made. Today's program has to say the same, bit for bit.
 */
#include "support/model_file.h"
#include "support/test.h"

#include <inttypes.h>
#include <string.h>

#define FOLDER LW_TEST_DATA "/../golden/model_file/"
#define N_COLUMNS 3u

static struct lw_model_file *loaded(const char *name)
{
    static uint8_t bytes[1 << 20];
    struct lw_model_file *models = NULL;
    struct lw_error error = {0};
    char path[512];
    size_t n_bytes;
    FILE *file;

    (void)snprintf(path, sizeof(path), FOLDER "%s", name);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is not there", path);
    }
    n_bytes = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    if (lw_model_file_load(bytes, n_bytes, &models, &error) != LW_OK) {
        fail_msg("%s: %s", path, error.message);
    }
    return models;
}

static void test_model_file__of_version_1_says_what_it_said(void **state)
{
    struct lw_model_file *models = loaded("version-1.models");
    const struct lw_model_entity *entity = lw_model_file_entity(models, "web-1");
    float *entity_state;
    FILE *expected = fopen(FOLDER "version-1.csv", "r");
    unsigned long long step;
    double energy, said;
    int n = 0;

    (void)state;
    assert_non_null(entity);
    assert_non_null(expected);
    assert_string_equal(models->groups[0].columns[0], "cpu");
    assert_int_equal(models->groups[0].n_columns, N_COLUMNS);
    assert_int_equal(models->groups[0].ensemble->n_members, 8);
    entity_state = entity->state;
    assert_int_equal(fscanf(expected, "step,energy\n"), 0);
    while (fscanf(expected, "%llu,%lf\n", &step, &said) == 2) {
        float row[N_COLUMNS];
        const float *const rows[] = {row};

        for (uint32_t i = 0; i < N_COLUMNS; i++) {
            row[i] = lw_test_model_value(i, step) * (step % 10 == 0 ? 2.0f : 1.0f);
        }
        lw_ensemble_step(models->groups[0].ensemble, &entity_state, rows, 1, &energy, NULL);
        if (memcmp(&energy, &said, sizeof(energy)) != 0) {
            fail_msg("step %llu: %.17g, but it said %.17g", step, energy, said);
        }
        n++;
    }
    assert_int_equal(n, 64);
    (void)fclose(expected);
    lw_model_file_release(models);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_file__of_version_1_says_what_it_said),
    };

    return LW_TEST_RUN(tests);
}
