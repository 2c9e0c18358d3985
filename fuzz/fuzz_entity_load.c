/*
 * Any bytes as the state of an entity, behind a head and a checksum that hold: what is taken must
 * go on working, and be saved again.
 *
 * The first byte chooses the detector; the rest is the state without its first 16 bytes (magic,
 * version, hash of the options) and its last 8 (checksum), which are put in their place here. The
 * models of tier 1 are small, so that an input costs milliseconds.
 *
 * With LW_SEEDS=folder in its environment the program first writes its seeds into that folder:
 * states of each kind of detector before a training, while one is on its way, when its models
 * serve, and with an anomaly open.
 */
#include "support/model_file.h"

#include "base/hash.h"
#include "lapwing/lapwing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 16u
#define TAIL_BYTES 8u
#define STEP_NS INT64_C(10000000000)
#define START_NS INT64_C(1700000000000000000)
#define MODELS "linear, knn, lstm"
#define TUNING "knn.core=8, lstm.cells=4, lstm.steps=2, lstm.windows=2, lstm.window=4"

/* A training begins at 64 rows and serves from 72 on. */
#define STEPS_FRESH 20
#define STEPS_ON_ITS_WAY 70
#define STEPS_SERVING 100
#define STEPS_SEEN 108

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* The kinds of detectors; each is made once. */
struct kind {
    const char *name, *step, *lateness;
    bool has_features, has_file, collects;
    struct lw_detector *detector;
};

static struct kind kinds[] = {{"10s", "10s", "0s", true, false, false, NULL},
                              {"sample", "sample", "0s", false, false, false, NULL},
                              {"row", "row", "0s", false, false, false, NULL},
                              {"sample_late", "sample", "30s", false, false, false, NULL},
                              {"row_file", "row", "0s", false, true, false, NULL},
                              {"10s_file", "10s", "0s", false, true, false, NULL},
                              {"row_collect", "row", "0s", false, false, true, NULL}};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void must(enum lw_status status)
{
    if (status != LW_OK) {
        abort();
    }
}

/* A model file that knows the entity "known", and a metric that no entity here has. */
static void serve_file(struct lw_spec *spec)
{
    static char known[] = "known", a[] = "a", b[] = "b", absent[] = "absent";
    static char *columns[] = {b, absent, a};
    struct lw_writer writer;

    must(lw_test_model_file_write(&(struct lw_test_model_file){MODELS, TUNING, known, columns, 3},
                                  &writer, NULL));
    must(lw_spec_set_models(spec, writer.data, writer.n_bytes, NULL));
    lw_writer_fini(&writer);
}

static void detectors_create(void)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        struct lw_spec *spec = NULL;

        must(lw_spec_create(&spec, NULL));
        must(lw_spec_set(spec, "step", kinds[i].step, NULL));
        must(lw_spec_set(spec, "features", kinds[i].has_features ? "all" : "none", NULL));
        must(lw_spec_set(spec, "lateness", kinds[i].lateness, NULL));
        must(lw_spec_set(spec, "collect", kinds[i].collects ? "true" : "false", NULL));
        must(lw_spec_set(spec, "models", MODELS, NULL));
        must(lw_spec_set(spec, "tuning", TUNING, NULL));
        must(lw_spec_set(spec, "train_after", "64", NULL));
        must(lw_spec_set(spec, "train_rows", "64", NULL));
        must(lw_spec_set_metric(spec, "b", "aggregate", "rate", NULL));
        must(lw_spec_set_metric(spec, "c", "aggregate", "p95", NULL));
        if (kinds[i].has_file) {
            serve_file(spec);
        }
        must(lw_detector_create(spec, "fuzz", &kinds[i].detector, NULL));
        lw_spec_destroy(spec);
    }
}

/* Steps [from, to), one sample of each of the first eight series in most of them. */
static void work(struct lw_entity *entity, int64_t from, int64_t to, double jump)
{
    uint32_t n_series = lw_entity_n_series(entity);

    for (int64_t step = from; step < to; step++) {
        struct lw_sample row[8];
        size_t n = 0;

        for (uint32_t i = 0; i < n_series && n < 8; i++) {
            row[n++] = (struct lw_sample){i, START_NS + step * STEP_NS,
                                          step % 50 == 49 ? (double)NAN
                                                          : jump + (double)(step % 7)};
        }
        lw_observe(entity, row, n, 0, NULL);
        lw_advance(entity, START_NS + step * STEP_NS, NULL);
    }
}

/* ---- seeds ---- */

static void seed_write(const char *folder, size_t kind, const char *what,
                       const struct lw_entity *entity)
{
    char path[256];
    void *saved = NULL;
    size_t n_saved = 0;
    uint8_t first = (uint8_t)kind;
    FILE *file;

    must(lw_entity_save(entity, &saved, &n_saved, NULL));
    (void)snprintf(path, sizeof(path), "%s/%s_%s", folder, kinds[kind].name, what);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(&first, 1, 1, file) != 1 ||
        fwrite((uint8_t *)saved + HEAD_BYTES, n_saved - HEAD_BYTES - TAIL_BYTES, 1, file) != 1 ||
        fclose(file) != 0) {
        abort();
    }
    lw_bytes_free(saved);
}

static void seeds_of(const char *folder, size_t kind, const char *name)
{
    static const char *const SERIES[] = {"a", "b", "c"};
    bool is_known = kinds[kind].has_file && strcmp(name, "known") == 0;
    struct lw_pool *pool = NULL;
    struct lw_entity *entity = NULL;
    uint32_t number;

    must(lw_pool_create(&pool, NULL));
    must(lw_entity_create(pool, kinds[kind].detector, name, &entity, NULL));
    for (size_t i = 0; i < 3; i++) {
        must(lw_entity_series(entity, SERIES[i], SERIES[i], &number, NULL));
    }
    work(entity, 0, STEPS_FRESH, 0.0);
    seed_write(folder, kind, is_known ? "known_fresh" : "fresh", entity);
    work(entity, STEPS_FRESH, STEPS_ON_ITS_WAY, 0.0);
    if (!kinds[kind].has_file) {
        seed_write(folder, kind, "on_its_way", entity);
    }
    work(entity, STEPS_ON_ITS_WAY, STEPS_SERVING, 0.0);
    seed_write(folder, kind, is_known ? "known_serving" : "serving", entity);
    work(entity, STEPS_SERVING, STEPS_SEEN, 1000.0);
    seed_write(folder, kind, is_known ? "known_open" : "open", entity);
    lw_pool_destroy(pool);
}

static void seeds_write(const char *folder)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        seeds_of(folder, i, "entity");
        if (kinds[i].has_file) {
            seeds_of(folder, i, "known");
        }
    }
}

/* ---- an input ---- */

/* Steps after those of the seeds, enough for a training on its way to come into service; then all
 * that an entity can be asked. */
static void exercise(struct lw_entity *entity)
{
    uint32_t n_series = lw_entity_n_series(entity);
    float values[256];

    work(entity, STEPS_SEEN, STEPS_SEEN + 30, 0.0);
    lw_advance(entity, INT64_MAX, NULL);
    for (uint32_t i = 0; i < n_series; i++) {
        (void)lw_entity_features(entity, i, values, 256);
    }
    (void)lw_entity_models(entity, values, 256);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const uint8_t HEAD[8] = {0x57, 0x4C, 0x45, 0x31, 2, 0, 0, 0};
    struct lw_pool *pool = NULL;
    struct lw_entity *entity = NULL;
    struct lw_detector *detector;
    uint8_t *bytes;
    uint64_t hash;
    size_t n;

    if (n_bytes == 0) {
        return 0;
    }
    if (kinds[0].detector == NULL) {
        detectors_create();
        if (getenv("LW_SEEDS") != NULL) {
            seeds_write(getenv("LW_SEEDS"));
        }
    }
    detector = kinds[data[0] % N_KINDS].detector;
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

        exercise(entity);
        must(lw_entity_save(entity, &saved, &n_saved, NULL));
        lw_bytes_free(saved);
    }
    lw_pool_destroy(pool);
    free(bytes);
    return 0;
}
