/*
 * Any bytes as the state of an entity, behind a head and a checksum that hold: what is taken must
 * go on working, and be saved again.
 *
 * The first byte chooses the detector; the rest is the state without its first 16 bytes (magic,
 * version, hash of the options) and its last 8 (checksum), which are put in their place here.
 */
#include "base/hash.h"
#include "lapwing/lapwing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 16u
#define TAIL_BYTES 8u
#define N_DETECTORS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static struct lw_detector *detectors[N_DETECTORS];

static void must(enum lw_status status)
{
    if (status != LW_OK) {
        abort();
    }
}

static void detectors_create(void)
{
    static const char *const STEPS[N_DETECTORS] = {"10s", "sample", "row", "sample"};

    for (unsigned i = 0; i < N_DETECTORS; i++) {
        struct lw_spec *spec = NULL;

        must(lw_spec_create(&spec, NULL));
        must(lw_spec_set(spec, "step", STEPS[i], NULL));
        must(lw_spec_set(spec, "features", i == 0 ? "all" : "none", NULL));
        must(lw_spec_set(spec, "lateness", i == 3 ? "30s" : "0s", NULL));
        must(lw_spec_set(spec, "train_after", "64", NULL));
        must(lw_spec_set(spec, "train_rows", "64", NULL));
        must(lw_spec_set_metric(spec, "b", "aggregate", "rate", NULL));
        must(lw_spec_set_metric(spec, "c", "aggregate", "p95", NULL));
        must(lw_detector_create(spec, "fuzz", &detectors[i], NULL));
        lw_spec_destroy(spec);
    }
}

/* A day of samples, which also trains. */
static void work(struct lw_entity *entity)
{
    uint32_t n_series = lw_entity_n_series(entity);
    float values[256];

    for (int64_t step = 0; step < 150; step++) {
        struct lw_sample row[8];
        size_t n = 0;

        for (uint32_t i = 0; i < n_series && n < 8; i++) {
            row[n++] = (struct lw_sample){i, INT64_C(1700000000000000000) + step * 10000000000,
                                          step % 50 == 49 ? NAN : (double)(step % 7)};
        }
        lw_observe(entity, row, n, 0, NULL);
        lw_advance(entity, INT64_C(1700000000000000000) + step * 10000000000, NULL);
    }
    lw_advance(entity, INT64_MAX, NULL);
    for (uint32_t i = 0; i < n_series; i++) {
        (void)lw_entity_features(entity, i, values, 256);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const uint8_t HEAD[8] = {0x57, 0x4C, 0x45, 0x31, 1, 0, 0, 0};
    struct lw_pool *pool = NULL;
    struct lw_entity *entity = NULL;
    struct lw_detector *detector;
    uint8_t *bytes;
    uint64_t hash;
    size_t n;

    if (n_bytes == 0) {
        return 0;
    }
    if (detectors[0] == NULL) {
        detectors_create();
    }
    detector = detectors[data[0] % N_DETECTORS];
    n = HEAD_BYTES + n_bytes - 1;
    bytes = malloc(n + TAIL_BYTES);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, HEAD, sizeof(HEAD));
    hash = lw_detector_hash(detector);
    memcpy(bytes + sizeof(HEAD), &hash, sizeof(hash));
    memcpy(bytes + HEAD_BYTES, data + 1, n_bytes - 1);
    hash = lw_hash_bytes(bytes, n, 0);
    memcpy(bytes + n, &hash, sizeof(hash));
    must(lw_pool_create(&pool, NULL));
    if (lw_entity_load(pool, detector, bytes, n + TAIL_BYTES, &entity, NULL) == LW_OK) {
        void *saved = NULL;
        size_t n_saved = 0;

        work(entity);
        must(lw_entity_save(entity, &saved, &n_saved, NULL));
        lw_bytes_free(saved);
    }
    lw_pool_destroy(pool);
    free(bytes);
    return 0;
}
