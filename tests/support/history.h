/*
 * A history on a simulated disk, and the oracle it is held to.
 *
 * Journal record r (1, 2, 3 ...) holds one sample of each series that record_has() names; what they
 * are is a function of series and record, so the oracle needs no memory of its own.
 */
#ifndef LW_TESTS_SUPPORT_HISTORY_H
#define LW_TESTS_SUPPORT_HISTORY_H

#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/error.h"
#include "base/rng.h"
#include "store/history.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SERIES 40u
#define SECOND ((int64_t)1000000000)
#define BEGIN (1763700000 * SECOND)
#define DIR "/history"

struct world {
    struct lw_simulated_disk *disk;
    const struct lw_io *io; /* In its place, where there is none. */
    const char *dir;        /* NULL: DIR. */
    struct lw_history *history;
    uint32_t shift; /* Of the numbers that names have: another run numbers series otherwise. */
    size_t merge_bytes;
    int64_t retention_ns, merge_ns;
    uint64_t disk_bytes;
};

static inline const char *name_of(uint32_t index)
{
    static char names[SERIES][64];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    (void)pthread_mutex_lock(&lock);
    if (names[index][0] == '\0') {
        (void)snprintf(names[index], sizeof(names[index]),
                       "metric_%u{instance=\"host-%02u:9100\",job=\"node\"}", index % 5, index);
    }
    (void)pthread_mutex_unlock(&lock);
    return names[index];
}

static inline void number_names(void *context, const uint32_t *series, size_t n,
                                struct lw_history_name *ret_names)
{
    const struct world *world = context;

    for (size_t i = 0; i < n; i++) {
        const char *text = series[i] < SERIES ? name_of((series[i] + world->shift) % SERIES) : NULL;

        ret_names[i] = (struct lw_history_name){text, text != NULL ? strlen(text) : 0};
    }
}

static inline bool record_has(uint32_t index, uint64_t record)
{
    return index % 8 != 7 || record % 50 < 3; /* Some are there now and then. */
}

/* Every 13th record is late, and every 17th is a second sample of the same time. */
static inline int64_t record_time(uint32_t index, uint64_t record)
{
    int64_t time = BEGIN + (int64_t)record * SECOND + (int64_t)(lw_rng_mix(record) % 2000000);

    if (record % 13 == 0 && index % 3 == 0) {
        return time - 40 * SECOND;
    }
    return record % 17 == 0 && index % 3 == 1 ? record_time(index, record - 1) : time;
}

static inline double record_value(uint32_t index, uint64_t record)
{
    uint64_t mixed = lw_rng_mix(record * SERIES + index);

    switch (index % 4) {
    case 0:
        return (double)(mixed % 10000) / 100;
    case 1:
        return (double)record * 4096;
    case 2:
        return (double)mixed / 3;
    default:
        return record % 100 == 0 ? -0.0 : 7;
    }
}

static inline struct lw_history_config world_config(struct world *world)
{
    return (struct lw_history_config){.io = world->disk != NULL ? lw_simulated_disk_io(world->disk)
                                                                : world->io,
                                      .dir = world->dir != NULL ? world->dir : DIR,
                                      .names = number_names,
                                      .context = world,
                                      .retention_ns = world->retention_ns,
                                      .disk_bytes = world->disk_bytes,
                                      .merge_bytes = world->merge_bytes,
                                      .merge_ns = world->merge_ns};
}

static inline enum lw_status world_open(struct world *world)
{
    struct lw_history_config config = world_config(world);
    struct lw_error error = {0};
    enum lw_status status = lw_history_open(&config, &world->history, &error);

    if (status != LW_OK) {
        world->history = NULL;
    }
    return status;
}

static inline void world_close(struct world *world)
{
    lw_history_close(world->history);
    world->history = NULL;
}

struct range {
    struct world *world;
    uint64_t first, last;
};

static inline enum lw_status range_read(void *context, const struct lw_history_taker *taker,
                                        struct lw_error *reterr)
{
    const struct range *range = context;
    enum lw_status status = LW_OK;

    for (uint64_t record = range->first; record <= range->last; record++) {
        for (uint32_t series = 0; series < SERIES && status == LW_OK; series++) {
            uint32_t index = (series + range->world->shift) % SERIES;
            struct lw_history_input point = {series, record_time(index, record),
                                             record_value(index, record)};

            if (record_has(index, record)) {
                status = taker->take(taker->context, &point, 1, reterr);
            }
        }
    }
    return status;
}

static inline enum lw_status write_range(struct world *world, uint64_t first, uint64_t last)
{
    struct range range = {world, first, last};
    struct lw_error error = {0};
    enum lw_status status = lw_history_write(
        world->history, first, last, &(struct lw_history_source){range_read, &range}, &error);

    if (status != LW_OK) {
        assert_true(error.message[0] != '\0');
    }
    return status;
}

/* A file of given samples. */
struct given {
    const struct lw_history_input *points;
    size_t n;
};

static inline enum lw_status given_read(void *context, const struct lw_history_taker *taker,
                                        struct lw_error *reterr)
{
    const struct given *given = context;

    return taker->take(taker->context, given->points, given->n, reterr);
}

static inline enum lw_status write_given(struct world *world, uint64_t number,
                                         const struct lw_history_input *points, size_t n,
                                         struct lw_error *reterr)
{
    struct given given = {points, n};

    return lw_history_write(world->history, number, number,
                            &(struct lw_history_source){given_read, &given}, reterr);
}

/* ---- the oracle ---- */

struct expected {
    int64_t *times_ns;
    double *values;
    size_t n;
};

/* Samples of records first to last in a stretch, stably sorted by time. */
static inline struct expected expect(uint32_t index, uint64_t first, uint64_t last, int64_t from_ns,
                                     int64_t to_ns)
{
    struct expected expected = {calloc(last + 1, sizeof(int64_t)), calloc(last + 1, sizeof(double)),
                                0};

    for (uint64_t record = first; record <= last; record++) {
        int64_t time = record_time(index, record);
        size_t at = expected.n;

        if (!record_has(index, record) || time < from_ns || time >= to_ns) {
            continue;
        }
        while (at > 0 && expected.times_ns[at - 1] > time) {
            expected.times_ns[at] = expected.times_ns[at - 1];
            expected.values[at] = expected.values[at - 1];
            at--;
        }
        expected.times_ns[at] = time;
        expected.values[at] = record_value(index, record);
        expected.n++;
    }
    return expected;
}

static inline void check_series(struct lw_history_view *view, uint32_t index, uint64_t first,
                                uint64_t last, int64_t from_ns, int64_t to_ns)
{
    struct expected expected = expect(index, first, last, from_ns, to_ns);
    struct lw_history_samples samples;

    lw_history_samples_init(&samples);
    assert_int_equal(lw_history_read(view, name_of(index), from_ns, to_ns, &samples, NULL), LW_OK);
    assert_int_equal(samples.n_damaged, 0);
    if (samples.n != expected.n) {
        fail_msg("%s has %zu samples and should have %zu", name_of(index), samples.n, expected.n);
    }
    if (samples.n > 0) {
        assert_memory_equal(samples.times_ns, expected.times_ns, samples.n * sizeof(int64_t));
        assert_memory_equal(samples.values, expected.values, samples.n * sizeof(double));
    }
    lw_history_samples_fini(&samples);
    free(expected.times_ns);
    free(expected.values);
}

/* All series hold just the records first to last. */
static inline void check_all(struct world *world, uint64_t first, uint64_t last)
{
    struct lw_history_view *view;

    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    for (uint32_t index = 0; index < SERIES; index++) {
        check_series(view, index, first, last, INT64_MIN, INT64_MAX);
        check_series(view, index, first, last, BEGIN + 20 * SECOND, BEGIN + 75 * SECOND);
    }
    lw_history_view_close(view);
}

static inline int world_make(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    *state = world;
    return lw_simulated_disk_create(7, &world->disk) == LW_OK ? 0 : 1;
}

static inline int world_drop(void **state)
{
    struct world *world = *state;

    lw_history_close(world->history);
    lw_simulated_disk_destroy(world->disk);
    free(world);
    return lw_test_mem_live() != 0;
}

static inline struct lw_history_stats stats_of(struct world *world)
{
    struct lw_history_stats stats;

    lw_history_stats(world->history, &stats);
    return stats;
}

static inline void compact_all(struct world *world)
{
    size_t n_merged = 1;

    while (n_merged > 0) {
        assert_int_equal(lw_history_compact(world->history, &n_merged, NULL), LW_OK);
    }
}

static inline size_t file_bytes(struct world *world, const char *path, uint8_t **ret_bytes)
{
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    int fd = lw_io_open(io, path, O_RDONLY, 0);
    size_t n;

    assert_true(fd >= 0);
    n = (size_t)io->size(io->context, fd);
    *ret_bytes = malloc(n);
    assert_int_equal(lw_io_read_all(io, fd, path, *ret_bytes, n, 0, NULL), LW_OK);
    (void)io->close(io->context, fd);
    return n;
}

struct listed {
    char last[64];
    size_t n;
    uint64_t n_samples;
};

static inline void count_listed(void *context, const struct lw_history_series *series)
{
    struct listed *listed = context;

    listed->n++;
    listed->n_samples += series->n_samples;
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_make, world_drop)

#endif
