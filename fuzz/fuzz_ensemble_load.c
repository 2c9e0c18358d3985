/*
 * Loads an ensemble from any bytes. What loads must step without harm through strange rows, alone
 * and in a batch, tell shares, and save the very bytes it came from.
 */
#include "base/bytes.h"
#include "detect/ensemble.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_ROWS 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static float row_value(size_t i)
{
    static const float values[] = {0.0f, 1.0f, -1.0f, NAN, INFINITY, -INFINITY, 0.5f, 3e38f};

    return values[(i * 2654435761u >> 7) % (sizeof(values) / sizeof(values[0]))];
}

static void ensemble_use(const struct lw_ensemble *ensemble)
{
    size_t n = lw_ensemble_n_columns(ensemble);
    float *rows = malloc(N_ROWS * n * sizeof(float)), *shares = malloc(n * sizeof(float));
    float *state = calloc(lw_ensemble_n_state(ensemble), sizeof(float));
    float distances[N_ROWS * LW_ENSEMBLE_MEMBERS_MAX];
    const float *row_of[N_ROWS];
    float *state_of[N_ROWS];
    double energies[N_ROWS];

    if (rows != NULL && shares != NULL && state != NULL) {
        for (size_t i = 0; i < n; i++) {
            state[n + i] = 1.0f; /* Inverse units. */
        }
        for (size_t i = 0; i < N_ROWS * n; i++) {
            rows[i] = row_value(i);
            row_of[i / n] = rows + i / n * n;
            state_of[i / n] = state;
        }
        lw_ensemble_step(ensemble, state_of, row_of, N_ROWS, energies, distances);
        lw_ensemble_step(ensemble, state_of, row_of, 1, energies, NULL);
        lw_ensemble_attribute(ensemble, state, shares);
        for (size_t i = 0; i < n; i++) {
            if (!(isfinite(shares[i]) && shares[i] >= 0.0f)) {
                abort();
            }
        }
    }
    free(state);
    free(shares);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_ensemble *ensemble = NULL;
    struct lw_error error;
    struct lw_reader reader;
    struct lw_writer writer;

    lw_reader_init(&reader, data, n_bytes);
    if (lw_ensemble_load(&reader, &ensemble, &error) != LW_OK) {
        return 0;
    }
    ensemble_use(ensemble);
    lw_writer_init(&writer);
    lw_ensemble_save(ensemble, &writer);
    if (writer.status == LW_OK &&
        (writer.n_bytes != reader.at || memcmp(writer.data, data, reader.at) != 0)) {
        abort();
    }
    lw_writer_fini(&writer);
    lw_ensemble_destroy(ensemble);
    return 0;
}
