/*
 * Loads a model from any bytes: the first byte picks the envelope (0) or a class of the registry (1
 * and up), whose bytes have no checksum to hide behind. What loads must score, attribute, and save
 * the very bytes it came from.
 */
#include "base/bytes.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_ROWS 19 /* A full group of rows and some more. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* Rows of the values that cuts treat differently. */
static float row_value(size_t i)
{
    static const float values[] = {0.0f, 1.0f, -1.0f, NAN, INFINITY, -INFINITY, 0.5f, 1e-40f};

    return values[(i * 2654435761u >> 7) % (sizeof(values) / sizeof(values[0]))];
}

static void model_use(const struct lw_model_class *model_class, const struct lw_model *model)
{
    size_t n_dims = model_class->n_dims(model);
    size_t n_state = model_class->n_state == NULL ? 0 : model_class->n_state(model);
    float *rows = malloc(N_ROWS * n_dims * sizeof(float)),
          *results = malloc((N_ROWS + n_dims) * sizeof(float)),
          *state = calloc(n_state + 1, sizeof(float));

    if (rows != NULL && results != NULL && state != NULL) {
        for (size_t i = 0; i < N_ROWS * n_dims; i++) {
            rows[i] = row_value(i);
        }
        model_class->score(model, n_state > 0 ? state : NULL, rows, N_ROWS, results);
        model_class->attribute(model, n_state > 0 ? state : NULL, rows + (N_ROWS - 1) * n_dims,
                               results + N_ROWS);
        for (size_t i = 0; i < n_dims; i++) {
            if (!(isfinite(results[N_ROWS + i]) && results[N_ROWS + i] >= 0.0f)) {
                abort();
            }
        }
    }
    free(state);
    free(results);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    const struct lw_model_class *model_class = NULL;
    struct lw_model *model = NULL;
    struct lw_error error;
    struct lw_reader reader;
    struct lw_writer writer;
    enum lw_status status;
    size_t n_classes = 0;

    while (lw_model_classes()[n_classes] != NULL) {
        n_classes++;
    }
    if (n_bytes == 0 || data[0] > n_classes) {
        return 0;
    }
    lw_reader_init(&reader, data + 1, n_bytes - 1);
    if (data[0] == 0) {
        status = lw_model_load(&reader, &model_class, &model, &error);
    } else {
        model_class = lw_model_classes()[data[0] - 1];
        status = model_class->load(&reader, &model, &error);
    }
    if (status != LW_OK) {
        return 0;
    }
    model_use(model_class, model);
    lw_writer_init(&writer);
    if (data[0] == 0) {
        lw_model_save(model_class, model, &writer);
    } else {
        model_class->save(model, &writer);
    }
    if (writer.status == LW_OK &&
        (writer.n_bytes != reader.at || memcmp(writer.data, data + 1, reader.at) != 0)) {
        abort();
    }
    lw_writer_fini(&writer);
    model_class->destroy(model);
    return 0;
}
