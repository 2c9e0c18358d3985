/* The history damaged, cut off by crashes, with every call to the disk and every allocation failing
 * in turn. */
#include "support/history.h"
#include "support/oom.h"

#include <unistd.h>

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

#define DAY_RECORDS 90 /* In files of 10: eight of them are merged. */

/* Nine files, merged as they come, some dropped. Begins behind what is covered; a failure ends
 * it. */
static enum lw_status day(struct world *world)
{
    enum lw_status status = world->history != NULL ? LW_OK : world_open(world);

    while (status == LW_OK && lw_history_covered(world->history) < DAY_RECORDS) {
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
    check_all(world, 1, DAY_RECORDS);
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
        /* What a signal interrupts is done again. */
        assert_true(status == LW_OK || (kind != LW_DISK_EINTR && kind != LW_DISK_SHORT));
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
        check_all(&world, 1, DAY_RECORDS);
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

static int sync_nothing(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static int sync_no_dir(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static enum lw_status oom_scenario(void *user)
{
    struct lw_io hasty = *lw_io_system(); /* Nobody cuts the power here. */
    struct world world = {.dir = user, .io = &hasty};
    struct lw_history_view *view = NULL;
    struct lw_history_samples samples;
    struct listed listed = {0};
    struct lw_history_lister lister = {NULL, count_listed, &listed};
    const struct lw_io *io = lw_io_system();
    size_t n_damaged;
    enum lw_status status;

    hasty.sync = sync_nothing;
    hasty.sync_dir = sync_no_dir;
    status = day(&world);

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
        assert_int_equal(samples.n, DAY_RECORDS);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WORLD_TEST(test_history__every_changed_byte_is_noticed),
        WORLD_TEST(test_history__what_is_set_aside_stays_covered),
        WORLD_TEST(test_history__survives_a_fault_at_every_call),
        WORLD_TEST(test_history__survives_a_power_cut_at_every_call),
        WORLD_TEST(test_history__survives_every_allocation_that_fails),
    };

    return LW_TEST_RUN(tests);
}
