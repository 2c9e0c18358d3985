/*
 * Any bytes as an engine's state, behind a file head that holds: taken or refused, and the engine
 * works afterwards.
 *
 * With LW_SEEDS=folder in its environment the program first writes its seeds into that folder:
 * states of an engine without entities, with a new one, with a silent one, with one that trains and
 * has an anomaly open, and with one whose models serve.
 */
#define _GNU_SOURCE
#include "base/hash.h"
#include "lapwing/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD_BYTES 32u
#define STEP_NS INT64_C(10000000000)
#define START_NS INT64_C(1700000000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* Small models, so that a training that was on its way costs little. */
static const char *const OPTIONS[] = {"models",      "linear, knn", "tuning",      "knn.core=8",
                                      "train_after", "64",          "train_rows",  "64",
                                      "step",        "10s",         "quiet_steps", "5"};

static struct lw_engine *engine;
static char path[64];
static int fd;

static void must(enum lw_status status)
{
    if (status != LW_OK) {
        abort();
    }
}

static void detector_set(struct lw_engine *owner)
{
    struct lw_spec *spec = NULL;

    must(lw_spec_create(&spec, NULL));
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i += 2) {
        must(lw_spec_set(spec, OPTIONS[i], OPTIONS[i + 1], NULL));
    }
    must(lw_engine_set_detector(owner, "d", spec, NULL));
    lw_spec_destroy(spec);
}

static void detector_renew(void)
{
    (void)!lw_engine_remove_detector(engine, "d", NULL);
    detector_set(engine);
}

/* ---- seeds ---- */

/* What an engine saves, without the head of its file. */
static void seed_write(const char *folder, const char *name, struct lw_engine *owner)
{
    char saved[256], seed[256];
    uint8_t head[HEAD_BYTES], byte;
    FILE *from, *to;

    (void)snprintf(saved, sizeof(saved), "%s/%s.saved", folder, name);
    (void)snprintf(seed, sizeof(seed), "%s/%s", folder, name);
    must(lw_engine_save(owner, saved, NULL));
    from = fopen(saved, "rb");
    to = fopen(seed, "wb");
    if (from == NULL || to == NULL || fread(head, sizeof(head), 1, from) != 1) {
        abort();
    }
    while (fread(&byte, 1, 1, from) == 1) {
        must(fwrite(&byte, 1, 1, to) == 1 ? LW_OK : LW_EIO);
    }
    if (fclose(from) != 0 || fclose(to) != 0 || unlink(saved) != 0) {
        abort();
    }
}

/* Steps [from, to) of an entity with two metrics. */
static void push_steps(const struct lw_feed *feed, int64_t from, int64_t to, double jump)
{
    static const char *const METRICS[2] = {"cpu", "load"};
    const struct lw_label label = {"instance", "e"};

    for (int64_t step = from; step < to; step++) {
        for (int64_t i = 0; i < 2; i++) {
            const struct lw_series_key key = {METRICS[i], &label, 1};
            struct lw_point point = {.time_ns = START_NS + step * STEP_NS,
                                     .value = jump + (double)((step + i) % (7 + i))};

            must(feed->series(feed->context, &key, &point.series, NULL));
            must(feed->push(feed->context, &point, 1));
        }
        must(feed->watermark(feed->context, START_NS + step * STEP_NS));
    }
}

/* An entity that has seen so many steps, the last of them higher, and then nothing for a while. */
static void seed_make(const char *folder, const char *name, int64_t n_steps, double jump,
                      int64_t silent_ns)
{
    struct lw_engine *owner = NULL;
    struct lw_feed feed;

    must(lw_engine_create(&(struct lw_engine_config){.n_shards = 1}, &owner, NULL));
    detector_set(owner);
    must(lw_engine_feed(owner, "seeds", &feed, NULL));
    push_steps(&feed, 0, n_steps, 0.0);
    if (n_steps > 0) {
        push_steps(&feed, n_steps, n_steps + 4, jump);
        must(feed.watermark(feed.context, START_NS + (n_steps + 4) * STEP_NS + silent_ns));
    }
    lw_engine_flush(owner);
    seed_write(folder, name, owner);
    lw_engine_destroy(owner);
}

static void seeds_write(const char *folder)
{
    seed_make(folder, "empty", 0, 0.0, 0);
    seed_make(folder, "fresh", 3, 0.0, 0);
    seed_make(folder, "training_and_open", 66, 1000.0, 0);
    seed_make(folder, "silent", 40, 0.0, 3600 * STEP_NS);
    seed_make(folder, "serving", 90, 0.0, 0);
}

/* ---- an input ---- */

static void start(void)
{
    if (getenv("LW_SEEDS") != NULL) {
        seeds_write(getenv("LW_SEEDS"));
    }
    must(lw_engine_create(&(struct lw_engine_config){.n_shards = 1}, &engine, NULL));
    detector_renew();
    fd = memfd_create("state", MFD_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static void file_write(const uint8_t *data, size_t n_bytes)
{
    uint8_t head[HEAD_BYTES] = "lapwing\n\1";
    uint64_t hash = lw_hash_bytes(data, n_bytes, 1);
    uint64_t length = n_bytes;

    memcpy(head + 16, &length, sizeof(length));
    memcpy(head + 24, &hash, sizeof(hash));
    if (ftruncate(fd, 0) != 0 || pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        pwrite(fd, data, n_bytes, sizeof(head)) != (ssize_t)n_bytes) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_engine_totals totals;
    uint32_t n_skipped = 0;
    enum lw_status status;

    if (engine == NULL) {
        start();
    }
    file_write(data, n_bytes);
    status = lw_engine_load(engine, path, &n_skipped, NULL);
    lw_engine_totals(engine, &totals);
    if (status == LW_OK) {
        lw_engine_finish(engine);
    } else if (status == LW_EINVAL || status == LW_EIO || totals.n_entities != 0) {
        abort(); /* The bytes alone are at fault, and nothing of them is left. */
    }
    detector_renew();
    return 0;
}
