/*
 * Loads a model file from any bytes, which are given a checksum and a length that fit. What loads
 * must serve: its entities are found and scored, and it saves the very bytes it came from.
 */
#include "base/hash.h"
#include "engine/fleet/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 18u
#define N_STEPS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void put_u64(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

static void serve(const struct lw_model_file *file)
{
    for (uint32_t i = 0; i < file->n_entities; i++) {
        const struct lw_model_entity *entity = lw_model_file_entity(file, file->entities[i].name);
        uint32_t group = lw_model_file_group(file, file->entities[i].name);
        float *state = malloc(file->entities[i].n_state * sizeof(float) + 1);
        float *row = calloc(file->groups[group].n_columns, sizeof(float));

        if (entity != &file->entities[i]) {
            abort();
        }
        if (state != NULL && row != NULL) {
            memcpy(state, entity->state, entity->n_state * sizeof(float));
            for (int step = 0; step < N_STEPS; step++) {
                const float *const rows[] = {row};
                double energy;

                lw_ensemble_step(file->groups[group].ensemble, &state, rows, 1, &energy, NULL);
            }
        }
        free(state);
        free(row);
    }
    (void)lw_model_file_group(file, "nobody");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_model_file *file = NULL;
    struct lw_writer writer;
    uint8_t *bytes;

    if (n_bytes < HEAD_BYTES + 8) {
        return 0;
    }
    bytes = malloc(n_bytes);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, n_bytes);
    put_u64(bytes + 10, n_bytes - HEAD_BYTES - 8);
    put_u64(bytes + n_bytes - 8, lw_hash_bytes(bytes, n_bytes - 8, UINT64_C(0x6d6f64656c73)));
    if (lw_model_file_load(bytes, n_bytes, &file, NULL) == LW_OK) {
        serve(file);
        lw_writer_init(&writer);
        lw_model_file_save(file, &writer);
        if (writer.status == LW_OK &&
            (writer.n_bytes != n_bytes || memcmp(writer.data, bytes, n_bytes) != 0)) {
            abort();
        }
        lw_writer_fini(&writer);
        lw_model_file_release(file);
    }
    free(bytes);
    return 0;
}
