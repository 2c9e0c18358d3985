/*
 * The history against a plain list of all samples: written, merged, dropped, damaged, cut off by
 * crashes, with every call to the disk and every allocation failing in turn.
 *
 * Journal record r (1, 2, 3 ...) holds one sample of each series that record_has() names; what they
 * are is a function of series and record, so the oracle needs no memory of its own.
 */
#include "support/oom.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/history.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERIES 40u
#define SECOND ((int64_t)1000000000)
#define BEGIN (1763700000 * SECOND)
#define DIR "/history"

struct world {
    struct lw_simulated_disk *disk; /* NULL: the system's. */
    const char *dir;                /* NULL: DIR. */
    struct lw_history *history;
    uint32_t shift; /* Of the numbers that names have: another run numbers series otherwise. */
    size_t merge_bytes;
    int64_t retention_ns, merge_ns;
    uint64_t disk_bytes;
};

static const char *name_of(uint32_t index)
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

static const char *number_name(void *context, uint32_t series)
{
    const struct world *world = context;

    return series < SERIES ? name_of((series + world->shift) % SERIES) : NULL;
}

static bool record_has(uint32_t index, uint64_t record)
{
    return index % 8 != 7 || record % 50 < 3; /* Some are there now and then. */
}

/* Every 13th record is late, and every 17th is a second sample of the same time. */
static int64_t record_time(uint32_t index, uint64_t record)
{
    int64_t time = BEGIN + (int64_t)record * SECOND + (int64_t)(lw_rng_mix(record) % 2000000);

    if (record % 13 == 0 && index % 3 == 0) {
        return time - 40 * SECOND;
    }
    return record % 17 == 0 && index % 3 == 1 ? record_time(index, record - 1) : time;
}

static double record_value(uint32_t index, uint64_t record)
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

static struct lw_history_config world_config(struct world *world)
{
    return (struct lw_history_config){.io = world->disk != NULL ? lw_simulated_disk_io(world->disk)
                                                                : lw_io_system(),
                                      .dir = world->dir != NULL ? world->dir : DIR,
                                      .name = number_name,
                                      .context = world,
                                      .retention_ns = world->retention_ns,
                                      .disk_bytes = world->disk_bytes,
                                      .merge_bytes = world->merge_bytes,
                                      .merge_ns = world->merge_ns};
}

static enum lw_status world_open(struct world *world)
{
    struct lw_history_config config = world_config(world);
    struct lw_error error = {0};
    enum lw_status status = lw_history_open(&config, &world->history, &error);

    if (status != LW_OK) {
        world->history = NULL;
    }
    return status;
}

static void world_close(struct world *world)
{
    lw_history_close(world->history);
    world->history = NULL;
}

static enum lw_status write_range(struct world *world, uint64_t first, uint64_t last)
{
    struct lw_history_writer *writer;
    struct lw_error error = {0};
    enum lw_status status = lw_history_begin(world->history, first, last, &writer, &error);

    if (status != LW_OK) {
        return status;
    }
    for (uint64_t record = first; record <= last; record++) {
        for (uint32_t series = 0; series < SERIES; series++) {
            uint32_t index = (series + world->shift) % SERIES;
            struct lw_history_point point = {series, record_time(index, record),
                                             record_value(index, record)};

            if (record_has(index, record) &&
                (status = lw_history_add(writer, &point, 1, &error)) != LW_OK) {
                lw_history_abandon(writer);
                return status;
            }
        }
    }
    status = lw_history_commit(writer, &error);
    if (status != LW_OK) {
        assert_true(error.message[0] != '\0');
    }
    return status;
}

/* ---- the oracle ---- */

struct expected {
    int64_t *times_ns;
    double *values;
    size_t n;
};

/* Samples of records first to last in a stretch, stably sorted by time. */
static struct expected expect(uint32_t index, uint64_t first, uint64_t last, int64_t from_ns,
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

static void check_series(struct lw_history_view *view, uint32_t index, uint64_t first,
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
static void check_all(struct world *world, uint64_t first, uint64_t last)
{
    struct lw_history_view *view;

    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    for (uint32_t index = 0; index < SERIES; index++) {
        check_series(view, index, first, last, INT64_MIN, INT64_MAX);
        check_series(view, index, first, last, BEGIN + 20 * SECOND, BEGIN + 75 * SECOND);
    }
    lw_history_view_close(view);
}

static int world_make(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    *state = world;
    return lw_simulated_disk_create(7, &world->disk) == LW_OK ? 0 : 1;
}

static int world_drop(void **state)
{
    struct world *world = *state;

    lw_history_close(world->history);
    lw_simulated_disk_destroy(world->disk);
    free(world);
    return lw_test_mem_live() != 0;
}

static struct lw_history_stats stats_of(struct world *world)
{
    struct lw_history_stats stats;

    lw_history_stats(world->history, &stats);
    return stats;
}

static void compact_all(struct world *world)
{
    size_t n_merged = 1;

    while (n_merged > 0) {
        assert_int_equal(lw_history_compact(world->history, &n_merged, NULL), LW_OK);
    }
}

/* ---- writing and reading ---- */

static void test_history__gives_back_what_was_written(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 0);
    check_all(world, 1, 0);
    for (uint64_t first = 1; first < 300; first += 30) {
        assert_int_equal(write_range(world, first, first + 29), LW_OK);
        assert_int_equal(lw_history_covered(world->history), first + 29);
    }
    check_all(world, 1, 300);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 300);
    check_all(world, 1, 300);
    assert_int_equal(stats_of(world).n_files, 10);
    printf("%.3f bytes a sample in files of 30 records\n",
           (double)stats_of(world).n_bytes / (double)stats_of(world).n_samples);
}

static void test_history__long_series_are_cut_in_chunks_and_blocks(void **state)
{
    struct world *world = *state;
    const uint64_t n_records = 30000; /* 1,2 MB of noise in the third series alone: many blocks. */

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, n_records), LW_OK);
    for (uint32_t index = 0; index < SERIES; index += 6) {
        struct lw_history_view *view;

        assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
        check_series(view, index, 1, n_records, BEGIN + 9990 * SECOND, BEGIN + 10400 * SECOND);
        check_series(view, index, 1, n_records, BEGIN + 29000 * SECOND, INT64_MAX);
        lw_history_view_close(view);
    }
}

static void test_history__a_range_is_made_once(void **state)
{
    struct world *world = *state;
    const struct lw_history_writer *none = NULL;
    struct lw_history_writer *writer = NULL;
    struct lw_error error = {0};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 20), LW_OK);
    assert_int_equal(write_range(world, 1, 20), LW_EEXIST);
    assert_int_equal(write_range(world, 5, 9), LW_EEXIST);
    assert_int_equal(lw_history_begin(world->history, 20, 21, &writer, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "covers up to 20"));
    assert_int_equal(lw_history_begin(world->history, 30, 29, &writer, NULL), LW_EINVAL);
    assert_ptr_equal(writer, none);
    assert_int_equal(write_range(world, 21, 21), LW_OK);
    check_all(world, 1, 21);
}

static size_t file_bytes(struct world *world, const char *path, uint8_t **ret_bytes)
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

static void test_history__made_again_it_is_the_same_file(void **state)
{
    struct world *world = *state;
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    const char *path = DIR "/00000000000000000001-00000000000000000060.history";
    uint8_t *once, *again;
    size_t n;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 60), LW_OK);
    n = file_bytes(world, path, &once);
    world_close(world);
    assert_int_equal(io->unlink(io->context, path), 0);
    world->shift = 11; /* The numbers are a run's own business. */
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 60), LW_OK);
    assert_int_equal(file_bytes(world, path, &again), n);
    assert_memory_equal(once, again, n);
    free(once);
    free(again);
}

static void test_history__knows_series_by_name_whatever_their_numbers(void **state)
{
    struct world *world = *state;

    for (uint64_t first = 1; first < 200; first += 20) {
        world->shift = (uint32_t)first;
        assert_int_equal(world_open(world), LW_OK);
        assert_int_equal(write_range(world, first, first + 19), LW_OK);
        world_close(world);
    }
    assert_int_equal(world_open(world), LW_OK);
    check_all(world, 1, 200);
    compact_all(world);
    check_all(world, 1, 200);
}

static void test_history__an_empty_range_is_covered(void **state)
{
    struct world *world = *state;
    struct lw_history_writer *writer;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_begin(world->history, 1, 9, &writer, NULL), LW_OK);
    assert_int_equal(lw_history_commit(writer, NULL), LW_OK);
    assert_int_equal(write_range(world, 10, 30), LW_OK);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 30);
    check_all(world, 10, 30);
}

static void test_history__limits_are_refused(void **state)
{
    struct world *world = *state;
    struct lw_history_writer *writer;
    struct lw_error error = {0};
    struct lw_history_point point = {LW_HISTORY_SERIES_MAX, 1, 1};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_begin(world->history, 1, 1, &writer, NULL), LW_OK);
    assert_int_equal(lw_history_add(writer, &point, 1, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "16777216"));
    assert_int_equal(lw_history_add(writer, &point, LW_HISTORY_POINTS_MAX + 1, &error), LW_ELIMIT);
    lw_history_abandon(writer);
    assert_int_equal(lw_history_begin(world->history, 1, 1, &writer, NULL), LW_OK);
    point.series = SERIES; /* It has no name. */
    assert_int_equal(lw_history_add(writer, &point, 1, &error), LW_OK);
    assert_int_equal(lw_history_commit(writer, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "has no name"));
    assert_int_equal(lw_history_covered(world->history), 0);
}

/* ---- listing and reading many ---- */

struct listed {
    char last[64];
    size_t n;
    uint64_t n_samples;
};

static bool match_third(void *context, const char *name)
{
    (void)context;
    return strncmp(name, "metric_3", 8) == 0;
}

static void list_one(void *context, const struct lw_history_series *series)
{
    struct listed *listed = context;

    assert_true(strcmp(listed->last, series->name) < 0);
    (void)snprintf(listed->last, sizeof(listed->last), "%s", series->name);
    for (uint32_t index = 0; index < SERIES; index++) {
        if (strcmp(name_of(index), series->name) == 0) {
            struct expected expected = expect(index, 1, 100, INT64_MIN, INT64_MAX);

            assert_int_equal(series->n_samples, expected.n);
            assert_true(series->first_ns == expected.times_ns[0]);
            assert_true(series->last_ns == expected.times_ns[expected.n - 1]);
            free(expected.times_ns);
            free(expected.values);
        }
    }
    listed->n++;
    listed->n_samples += series->n_samples;
}

static void count_listed(void *context, const struct lw_history_series *series)
{
    struct listed *listed = context;

    listed->n++;
    listed->n_samples += series->n_samples;
}

static void test_history__lists_series_with_their_spans(void **state)
{
    struct world *world = *state;
    struct listed listed = {0};
    struct lw_history_lister lister = {NULL, list_one, &listed};
    struct lw_history_view *view;

    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 100; first += 25) {
        assert_int_equal(write_range(world, first, first + 24), LW_OK);
    }
    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    assert_int_equal(lw_history_list(view, &lister, NULL), LW_OK);
    assert_int_equal(listed.n, SERIES);
    assert_int_equal(listed.n_samples, stats_of(world).n_samples);
    memset(&listed, 0, sizeof(listed));
    lister.match = match_third;
    assert_int_equal(lw_history_list(view, &lister, NULL), LW_OK);
    assert_int_equal(listed.n, SERIES / 5);
    lw_history_view_close(view);
}

static enum lw_status count_one(void *context, size_t i, const struct lw_history_samples *samples)
{
    size_t *n = context;

    n[i] = samples->n;
    return i == 2 ? LW_EBUSY : LW_OK;
}

static void test_history__reads_many_until_told_to_stop(void **state)
{
    struct world *world = *state;
    const char *names[] = {name_of(0), "nobody", name_of(1), name_of(2)};
    size_t n[4] = {9, 9, 9, 9};
    struct lw_history_view *view;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 50), LW_OK);
    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    assert_int_equal(lw_history_read_many(view, names, 4, INT64_MIN, INT64_MAX, count_one, n),
                     LW_EBUSY);
    assert_int_equal(n[0], 50);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 50);
    assert_int_equal(n[3], 9);
    lw_history_view_close(view);
}

/* ---- merging and dropping ---- */

static void test_history__merged_files_hold_the_same_in_less(void **state)
{
    struct world *world = *state;
    struct lw_history_view *before;
    struct lw_history_stats apart, merged;

    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 6400; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    apart = stats_of(world);
    assert_int_equal(lw_history_view_open(world->history, &before, NULL), LW_OK);
    compact_all(world);
    merged = stats_of(world);
    assert_int_equal(merged.n_files, 1);
    assert_int_equal(merged.files_merged, 64 + 8);
    assert_int_equal(merged.n_samples, apart.n_samples);
    assert_int_equal(merged.covered, 6400);
    assert_true(merged.n_bytes * 10 < apart.n_bytes * 9);
    printf("%.3f bytes a sample apart, %.3f merged\n",
           (double)apart.n_bytes / (double)apart.n_samples,
           (double)merged.n_bytes / (double)merged.n_samples);
    check_series(before, 5, 1, 6400, INT64_MIN, INT64_MAX); /* The old files are still there. */
    assert_true(lw_simulated_disk_used(world->disk) > (int64_t)apart.n_bytes);
    lw_history_view_close(before);
    compact_all(world);
    assert_int_equal(lw_simulated_disk_used(world->disk), (int64_t)merged.n_bytes);
    check_all(world, 1, 6400);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    check_all(world, 1, 6400);
}

static void test_history__merges_stay_within_bytes_and_time(void **state)
{
    struct world *world = *state;

    world->merge_bytes = 60000;
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 2000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    compact_all(world);
    assert_in_range(stats_of(world).n_files, 2, 19);
    check_all(world, 1, 2000);
    world_close(world);
    world->merge_bytes = 0;
    world->merge_ns = 1; /* Nothing is so short. */
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 2001; first < 3000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    compact_all(world);
    assert_true(stats_of(world).n_files >= 12);
}

static void test_history__drops_whole_files_by_age_and_bytes(void **state)
{
    struct world *world = *state;
    struct lw_history_stats stats;
    size_t n_dropped;

    world->retention_ns = 1000 * SECOND;
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 1000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    assert_int_equal(lw_history_retain(world->history, BEGIN + 1099 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(n_dropped, 0);
    assert_int_equal(lw_history_retain(world->history, BEGIN + 1205 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(n_dropped, 2);
    check_all(world, 201, 1000);
    stats = stats_of(world);
    assert_int_equal(stats.files_dropped, 2);
    assert_true(stats.samples_dropped > 6000);
    world_close(world);
    world->disk_bytes = stats.n_bytes / 2;
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_retain(world->history, BEGIN, &n_dropped, NULL), LW_OK);
    assert_in_range(n_dropped, 4, 5);
    assert_true(stats_of(world).n_bytes <= world->disk_bytes);
    /* All are too old: the newest says how far the history reaches. */
    assert_int_equal(lw_history_retain(world->history, BEGIN + 100000 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(stats_of(world).n_files, 1);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 1000);
    check_all(world, 901, 1000);
}

/* ---- damage ---- */

static void flip(struct world *world, const char *path, int64_t at)
{
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    int fd = lw_io_open(io, path, O_RDWR, 0);
    uint8_t byte;

    assert_int_equal(lw_io_read_all(io, fd, path, &byte, 1, at, NULL), LW_OK);
    byte ^= 0x10;
    assert_int_equal(lw_io_write_all(io, fd, path, &byte, 1, at, NULL), LW_OK);
    (void)io->close(io->context, fd);
}

static void damage_visit(void *context, const char *file, const char *damage)
{
    (void)context;
    assert_non_null(strstr(damage, file));
    assert_non_null(strstr(damage, "at byte"));
}

/* Each byte changed is noticed; what the other files hold is served. */
static void test_history__every_changed_byte_is_noticed(void **state)
{
    struct world *world = *state;
    const char *path = DIR "/00000000000000000011-00000000000000000020.history";
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    uint8_t *bytes;
    size_t n, n_aside = 0, n_blocks = 0;

    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 31; first += 10) {
        assert_int_equal(write_range(world, first, first + 9), LW_OK);
    }
    world_close(world);
    n = file_bytes(world, path, &bytes);
    free(bytes);
    for (size_t at = 0; at < n; at++) {
        size_t n_damaged = 0;
        struct lw_history_view *view;
        struct lw_history_samples samples;

        flip(world, path, (int64_t)at);
        assert_true(world_open(world) == LW_OK);
        assert_int_equal(lw_history_verify(world->history, damage_visit, NULL, &n_damaged, NULL),
                         LW_OK);
        if (stats_of(world).files_damaged != 1) {
            fail_msg("byte %zu of %zu was changed and nobody noticed", at, n);
        }
        assert_non_null(strstr(stats_of(world).damage, path));
        assert_int_equal(lw_history_covered(world->history), 30);
        n_blocks += n_damaged;
        lw_history_samples_init(&samples);
        assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
        assert_int_equal(lw_history_read(view, name_of(4), INT64_MIN, INT64_MAX, &samples, NULL),
                         LW_OK);
        assert_true(samples.n >= 20);
        lw_history_view_close(view);
        lw_history_samples_fini(&samples);
        world_close(world);
        if (n_damaged == 0) {
            char aside[128];

            (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
            assert_int_equal(io->rename(io->context, aside, path), 0);
            n_aside++;
        }
        flip(world, path, (int64_t)at);
    }
    printf("%zu set aside, %zu with a damaged block\n", n_aside, n_blocks);
    assert_true(n_aside > 100 && n_blocks > 1000);
}

static void test_history__what_is_set_aside_stays_covered(void **state)
{
    struct world *world = *state;
    const char *path = DIR "/00000000000000000001-00000000000000000010.history";
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    const uint8_t other[40] = "not a history file, but long enough";
    struct lw_history_config config;
    struct lw_error error = {0};
    int fd;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 10), LW_OK);
    world_close(world);
    fd = lw_io_open(io, path, O_RDWR, 0);
    assert_int_equal(lw_io_write_all(io, fd, path, other, sizeof(other), 0, NULL), LW_OK);
    (void)io->close(io->context, fd);
    assert_int_equal(world_open(world), LW_OK);
    assert_non_null(strstr(stats_of(world).damage, "does not begin as a history file"));
    assert_int_equal(lw_history_covered(world->history), 10);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK); /* Set aside, it still says how far it went. */
    assert_int_equal(lw_history_covered(world->history), 10);
    assert_int_equal(stats_of(world).files_damaged, 0);
    world_close(world);
    config = world_config(world);
    config.dir = "/no/such/parent";
    assert_int_equal(lw_history_open(&config, &world->history, &error), LW_EIO);
    assert_non_null(strstr(error.message, "/no/such"));
}

/* ---- faults and crashes ---- */

/* Twelve files, merged as they come, some dropped. Begins behind what is covered; a failure ends
 * it. */
static enum lw_status day(struct world *world)
{
    enum lw_status status = world->history != NULL ? LW_OK : world_open(world);

    while (status == LW_OK && lw_history_covered(world->history) < 120) {
        uint64_t covered = lw_history_covered(world->history);
        size_t n;

        status = write_range(world, covered + 1, covered + 10);
        if (status == LW_OK) {
            status = lw_history_compact(world->history, &n, NULL);
        }
        if (status == LW_OK) {
            status = lw_history_retain(world->history, BEGIN, &n, NULL);
        }
    }
    return status;
}

static uint64_t day_calls(struct world *world)
{
    uint64_t before = lw_simulated_disk_calls(world->disk, LW_DISK_ANY);

    assert_int_equal(day(world), LW_OK);
    check_all(world, 1, 120);
    return lw_simulated_disk_calls(world->disk, LW_DISK_ANY) - before;
}

static void sweep(enum lw_disk_fault_kind kind, enum lw_disk_crash crash, uint64_t n_calls)
{
    for (uint64_t at = 1; at <= n_calls; at++) {
        struct world world = {.disk = NULL};
        enum lw_status status;
        uint64_t covered = 0;

        assert_int_equal(lw_simulated_disk_create(at * 31 + crash, &world.disk), LW_OK);
        assert_int_equal(lw_simulated_disk_fault(
                             world.disk, &(struct lw_disk_fault){LW_DISK_ANY, kind, at, false}),
                         LW_OK);
        status = day(&world);
        assert_true(status == LW_OK || status == LW_EIO);
        /* What a signal interrupts is done again, once the folder is there. */
        assert_true(status == LW_OK || (kind != LW_DISK_EINTR && kind != LW_DISK_SHORT) ||
                    world.history == NULL);
        if (crash != LW_DISK_N_CRASHES) {
            covered = world.history != NULL ? lw_history_covered(world.history) : 0;
            lw_history_close(world.history);
            world.history = NULL;
            assert_int_equal(lw_simulated_disk_crash(world.disk, crash), LW_OK);
            assert_int_equal(world_open(&world), LW_OK);
            if (lw_history_covered(world.history) < covered) {
                fail_msg("call %llu: the journal may be trimmed to %llu, and only %llu is there",
                         (unsigned long long)at, (unsigned long long)covered,
                         (unsigned long long)lw_history_covered(world.history));
            }
            check_all(&world, 1, lw_history_covered(world.history));
        }
        lw_simulated_disk_mend(world.disk);
        assert_int_equal(day(&world), LW_OK);
        assert_int_equal(stats_of(&world).files_damaged, 0);
        check_all(&world, 1, 120);
        lw_history_close(world.history);
        lw_simulated_disk_destroy(world.disk);
    }
}

static void test_history__survives_a_fault_at_every_call(void **state)
{
    uint64_t n_calls = day_calls(*state);

    printf("%llu calls\n", (unsigned long long)n_calls);
    assert_true(n_calls > 100);
    for (int kind = LW_DISK_EIO; kind <= LW_DISK_TORN; kind++) {
        sweep((enum lw_disk_fault_kind)kind, LW_DISK_N_CRASHES, n_calls);
    }
}

static void test_history__survives_a_power_cut_at_every_call(void **state)
{
    uint64_t n_calls = day_calls(*state);

    for (int crash = LW_DISK_KILL; crash <= LW_DISK_CRASH_ALL; crash++) {
        sweep(LW_DISK_POWER, (enum lw_disk_crash)crash, n_calls);
    }
}

static void remove_visit(void *context, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    assert_int_equal(unlink(path), 0);
}

static enum lw_status oom_scenario(void *user)
{
    struct world world = {.dir = user};
    struct lw_history_view *view = NULL;
    struct lw_history_samples samples;
    struct listed listed = {0};
    struct lw_history_lister lister = {NULL, count_listed, &listed};
    const struct lw_io *io = lw_io_system();
    size_t n_damaged;
    enum lw_status status = day(&world);

    lw_history_samples_init(&samples);
    if (status == LW_OK) {
        status = lw_history_view_open(world.history, &view, NULL);
    }
    if (status == LW_OK) {
        status = lw_history_read(view, name_of(3), INT64_MIN, INT64_MAX, &samples, NULL);
    }
    if (status == LW_OK) {
        status = lw_history_list(view, &lister, NULL);
    }
    if (status == LW_OK) {
        status = lw_history_verify(world.history, NULL, NULL, &n_damaged, NULL);
    }
    if (status == LW_OK) {
        assert_int_equal(samples.n, 120);
        assert_int_equal(listed.n, SERIES);
    }
    lw_history_samples_fini(&samples);
    lw_history_view_close(view);
    lw_history_close(world.history);
    assert_int_equal(io->list(NULL, user, remove_visit, user), 0);
    return status;
}

/* On the system's disk: the simulated one allocates too. */
static void test_history__survives_every_allocation_that_fails(void **state)
{
    char dir[] = "/tmp/lapwing-test-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    lw_oom_sweep("history", oom_scenario, dir);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- threads ---- */

static void *read_for_a_while(void *context)
{
    struct world *world = context;

    for (int i = 0; i < 30; i++) {
        struct lw_history_view *view;
        uint64_t covered = lw_history_covered(world->history);
        struct lw_history_samples samples;
        size_t last = 0;

        lw_history_samples_init(&samples);
        assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
        for (uint32_t index = 0; index < SERIES; index += 5) {
            assert_int_equal(
                lw_history_read(view, name_of(index), INT64_MIN, INT64_MAX, &samples, NULL), LW_OK);
            assert_int_equal(samples.n_damaged, 0);
            assert_true(index % 8 == 7 || samples.n >= covered);
            last = samples.n;
            assert_int_equal(
                lw_history_read(view, name_of(index), INT64_MIN, INT64_MAX, &samples, NULL), LW_OK);
            assert_int_equal(samples.n, last); /* A view does not change. */
        }
        lw_history_view_close(view);
        lw_history_samples_fini(&samples);
    }
    return NULL;
}

static void *maintain_for_a_while(void *context)
{
    struct world *world = context;

    while (lw_history_covered(world->history) < 500) {
        size_t n;

        assert_int_equal(lw_history_compact(world->history, &n, NULL), LW_OK);
        assert_int_equal(lw_history_retain(world->history, BEGIN, &n, NULL), LW_OK);
    }
    return NULL;
}

static void test_history__readers_beside_a_writer_and_merges(void **state)
{
    struct world *world = *state;
    pthread_t readers[2], maintainer;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(pthread_create(&maintainer, NULL, maintain_for_a_while, world), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_for_a_while, world), 0);
    }
    for (uint64_t first = 1; first < 500; first += 10) {
        assert_int_equal(write_range(world, first, first + 9), LW_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_int_equal(pthread_join(maintainer, NULL), 0);
    compact_all(world);
    check_all(world, 1, 500);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_make, world_drop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WORLD_TEST(test_history__gives_back_what_was_written),
        WORLD_TEST(test_history__long_series_are_cut_in_chunks_and_blocks),
        WORLD_TEST(test_history__a_range_is_made_once),
        WORLD_TEST(test_history__made_again_it_is_the_same_file),
        WORLD_TEST(test_history__knows_series_by_name_whatever_their_numbers),
        WORLD_TEST(test_history__an_empty_range_is_covered),
        WORLD_TEST(test_history__limits_are_refused),
        WORLD_TEST(test_history__lists_series_with_their_spans),
        WORLD_TEST(test_history__reads_many_until_told_to_stop),
        WORLD_TEST(test_history__merged_files_hold_the_same_in_less),
        WORLD_TEST(test_history__merges_stay_within_bytes_and_time),
        WORLD_TEST(test_history__drops_whole_files_by_age_and_bytes),
        WORLD_TEST(test_history__every_changed_byte_is_noticed),
        WORLD_TEST(test_history__what_is_set_aside_stays_covered),
        WORLD_TEST(test_history__survives_a_fault_at_every_call),
        WORLD_TEST(test_history__survives_a_power_cut_at_every_call),
        WORLD_TEST(test_history__survives_every_allocation_that_fails),
        WORLD_TEST(test_history__readers_beside_a_writer_and_merges),
    };

    return LW_TEST_RUN(tests);
}
