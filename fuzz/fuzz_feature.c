/*
 * Any bytes as a saved feature state: refused, or a state that goes on without a stray read and is
 * saved and loaded again. The windows are small so that mutations reach every field.
 */
#include "feature/feature.h"
#include "feature/scale.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void state_use(const struct lw_feature_layout *layout, struct lw_feature_state *state)
{
    float features[64];

    for (int i = 0; i < 20; i++) {
        lw_feature_observe(layout, state, i * INT64_C(3600000000000),
                           i % 5 == 2 ? NAN : (double)(i % 3));
        lw_feature_read(layout, state, features);
        lw_feature_pair_read(layout, state, state, features);
    }
}

static void state_try(const struct lw_feature_layout *layout, const uint8_t *data, size_t n_bytes)
{
    struct lw_feature_state *state = malloc(layout->state_bytes);
    struct lw_reader reader;
    struct lw_writer writer;

    lw_reader_init(&reader, data, n_bytes);
    if (state == NULL || lw_feature_load(layout, state, &reader, NULL) != LW_OK) {
        free(state);
        return;
    }
    lw_writer_init(&writer);
    state_use(layout, state);
    lw_feature_save(layout, state, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    if (writer.status == LW_OK && lw_feature_load(layout, state, &reader, NULL) != LW_OK) {
        abort();
    }
    lw_writer_fini(&writer);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_feature_config config;
    struct lw_feature_layout layout;
    struct lw_reader reader;
    struct lw_scale scales[2];
    float row[2] = {1.0f, -1e30f};

    lw_feature_config_default(&config);
    config.short_steps = 4;
    config.long_steps = 8;
    if (lw_feature_layout_init(&layout, &config, NULL) != LW_OK) {
        abort();
    }
    state_try(&layout, data, n_bytes);
    lw_reader_init(&reader, data, n_bytes);
    if (lw_scale_load(&reader, 2, scales, NULL) == LW_OK) {
        lw_scale_apply(scales, 2, row, row);
    }
    return 0;
}
