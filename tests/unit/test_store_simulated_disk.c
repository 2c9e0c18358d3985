/* The simulated disk: what it keeps, what it forgets, and how it fails. */
#include "support/test.h"

#include "store/simulated_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct lw_simulated_disk *disk;
static const struct lw_io *io;

static int make_disk(void **state)
{
    (void)state;
    if (lw_simulated_disk_create(1, &disk) != LW_OK) {
        return 1;
    }
    io = lw_simulated_disk_io(disk);
    return 0;
}

static int drop_disk(void **state)
{
    (void)state;
    lw_simulated_disk_destroy(disk);
    return 0;
}

static int opened(const char *path, int flags)
{
    int fd = io->open(io->context, path, flags, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const char *text, int64_t at)
{
    assert_int_equal(io->write_at(io->context, fd, text, strlen(text), at), strlen(text));
}

/* What a file holds, or "none". */
static const char *held(const char *path)
{
    static char bytes[8192];
    int fd = io->open(io->context, path, O_RDONLY, 0);
    ssize_t n;

    if (fd == -ENOENT) {
        return "none";
    }
    n = io->read_at(io->context, fd, bytes, sizeof(bytes) - 1, 0);
    assert_true(n >= 0);
    bytes[n] = '\0';
    assert_int_equal(io->close(io->context, fd), 0);
    return bytes;
}

static void arm(enum lw_disk_call call, enum lw_disk_fault_kind kind, uint64_t at, bool sticky)
{
    const struct lw_disk_fault fault = {.call = call, .kind = kind, .at = at, .sticky = sticky};

    assert_int_equal(lw_simulated_disk_fault(disk, &fault), LW_OK);
}

static void crash(enum lw_disk_crash kind)
{
    assert_int_equal(lw_simulated_disk_crash(disk, kind), LW_OK);
}

static void test_disk__keeps_what_was_synced(void **state)
{
    int fd;

    (void)state;
    fd = opened("a", O_RDWR | O_CREAT);
    put(fd, "synced", 0);
    assert_int_equal(io->sync(io->context, fd), 0);
    assert_int_equal(io->sync_dir(io->context, "."), 0);
    put(fd, "cached", 0);
    put(fd, " more", 6);
    fd = opened("b", O_RDWR | O_CREAT);
    put(fd, "b", 0);
    assert_int_equal(io->sync(io->context, fd), 0); /* Its name is not. */
    crash(LW_DISK_KILL);
    assert_string_equal(held("a"), "cached more");
    crash(LW_DISK_CRASH_NOTHING);
    assert_string_equal(held("a"), "synced");
    assert_string_equal(held("b"), "none");
    assert_int_equal(io->close(io->context, fd), -EBADF);
    fd = opened("a", O_RDWR);
    put(fd, "cached", 0);
    crash(LW_DISK_CRASH_ALL);
    assert_string_equal(held("a"), "cached");
}

static void test_disk__forgets_in_any_pattern(void **state)
{
    bool saw_prefix = false, saw_hole = false, saw_zeros = false;
    static char text[5 * LW_DISK_SECTOR_BYTES + 1];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    for (size_t i = 0; i < 200; i++) {
        const char *left;
        size_t n = 0, length;
        int fd = opened("a", O_RDWR | O_CREAT | O_TRUNC);

        assert_int_equal(io->sync(io->context, fd), 0);
        assert_int_equal(io->sync_dir(io->context, "."), 0);
        put(fd, text, 0);
        crash(i % 2 == 0 ? LW_DISK_CRASH_PREFIX : LW_DISK_CRASH_SECTORS);
        fd = opened("a", O_RDONLY);
        length = (size_t)io->size(io->context, fd);
        left = held("a");
        for (size_t j = 0; j < length; j++) {
            assert_true(left[j] == 'x' || (i % 2 == 1 && left[j] == '\0'));
            n += left[j] == 'x' ? 1 : 0;
        }
        assert_int_equal(n % LW_DISK_SECTOR_BYTES, 0);
        saw_prefix = saw_prefix || (i % 2 == 0 && n > 0 && n < sizeof(text) - 1);
        saw_hole = saw_hole || (n < length && left[length - 1] == 'x');
        saw_zeros = saw_zeros || (n < length && left[length - 1] == '\0');
    }
    assert_true(saw_prefix && saw_hole && saw_zeros);
}

static void test_disk__renames_at_once_or_not(void **state)
{
    bool saw_old = false, saw_new = false;

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        int fd = opened("a", O_RDWR | O_CREAT | O_TRUNC);

        put(fd, "old", 0);
        assert_int_equal(io->sync(io->context, fd), 0);
        fd = opened("a.new", O_RDWR | O_CREAT | O_TRUNC);
        put(fd, "new", 0);
        assert_int_equal(io->sync(io->context, fd), 0);
        assert_int_equal(io->sync_dir(io->context, "."), 0);
        assert_int_equal(io->rename(io->context, "a.new", "a"), 0);
        assert_string_equal(held("a"), "new");
        assert_string_equal(held("a.new"), "none");
        crash(LW_DISK_CRASH_ANY);
        saw_new = saw_new || strcmp(held("a"), "new") == 0;
        saw_old = saw_old || strcmp(held("a"), "old") == 0;
        assert_true(strcmp(held("a"), "new") == 0 || strcmp(held("a.new"), "new") == 0);
        (void)io->unlink(io->context, "a.new");
    }
    assert_true(saw_old && saw_new);
}

static void count_name(void *visitor, const char *name)
{
    *(size_t *)visitor += strlen(name);
}

static void test_disk__has_folders(void **state)
{
    size_t n_bytes = 0;

    (void)state;
    assert_int_equal(io->open(io->context, "d/a", O_RDWR | O_CREAT, 0600), -ENOENT);
    assert_int_equal(io->make_dir(io->context, "d"), 0);
    assert_int_equal(io->make_dir(io->context, "d/"), -EEXIST);
    assert_int_equal(io->make_dir(io->context, "d/e"), 0);
    assert_int_equal(io->make_dir(io->context, "x/e"), -ENOENT);
    put(opened("d/a", O_RDWR | O_CREAT), "a", 0);
    put(opened("d/e//bb", O_RDWR | O_CREAT), "b", 0);
    assert_int_equal(io->list(io->context, "d", count_name, &n_bytes), 0);
    assert_int_equal(n_bytes, 2); /* a, e */
    assert_int_equal(io->list(io->context, "x", count_name, &n_bytes), -ENOENT);
    assert_int_equal(io->unlink(io->context, "d"), -EISDIR);
    assert_int_equal(io->rename(io->context, "d", "d/e/f"), -EINVAL);
    assert_int_equal(io->rename(io->context, "d", "f"), 0);
    assert_string_equal(held("./f/e/bb"), "b");
    assert_string_equal(held("d/a"), "none");
    assert_int_equal(io->sync_dir(io->context, "."), 0);
    assert_int_equal(io->sync_dir(io->context, "f"), 0);
    crash(LW_DISK_CRASH_NOTHING); /* bb's folder is named in f, which was synced; bb is not. */
    assert_string_equal(held("f/a"), "");
    assert_string_equal(held("f/e/bb"), "none");
}

static void test_disk__fails_as_it_is_told(void **state)
{
    uint64_t n_calls;
    char bytes[100];
    int fd;

    (void)state;
    fd = opened("a", O_RDWR | O_CREAT);
    arm(LW_DISK_WRITE, LW_DISK_ENOSPC, 2, false);
    arm(LW_DISK_READ, LW_DISK_SHORT, 1, true);
    arm(LW_DISK_ANY, LW_DISK_EINTR, 3, false);
    put(fd, "0123456789", 0);
    assert_int_equal(io->write_at(io->context, fd, "x", 1, 0), -ENOSPC);
    assert_int_equal(io->write_at(io->context, fd, "x", 1, 0), -EINTR);
    put(fd, "0", 0);
    for (size_t i = 0; i < 5; i++) {
        assert_in_range(io->read_at(io->context, fd, bytes, sizeof(bytes), 0), 1, 9);
    }
    assert_int_equal(lw_simulated_disk_faults(disk), 7);
    lw_simulated_disk_mend(disk);
    assert_int_equal(io->read_at(io->context, fd, bytes, sizeof(bytes), 0), 10);
    n_calls = lw_simulated_disk_calls(disk, LW_DISK_ANY);
    assert_int_equal(lw_simulated_disk_calls(disk, LW_DISK_WRITE), 4);
    arm(LW_DISK_ANY, LW_DISK_POWER, 1, false);
    assert_int_equal(io->sync(io->context, fd), -EIO);
    assert_int_equal(io->size(io->context, fd), -EIO);
    assert_int_equal(io->unlink(io->context, "a"), -EIO);
    assert_int_equal(lw_simulated_disk_calls(disk, LW_DISK_ANY), n_calls + 3);
    crash(LW_DISK_CRASH_ALL);
    assert_string_equal(held("a"), "0123456789");
    assert_int_equal(
        lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.kind = LW_DISK_EIO, .at = 0}),
        LW_EINVAL);
    assert_int_equal(
        lw_simulated_disk_fault(
            disk, &(struct lw_disk_fault){.kind = LW_DISK_EINTR, .at = 1, .sticky = true}),
        LW_EINVAL);
    for (size_t i = 0; i < LW_DISK_FAULTS_MAX; i++) {
        arm(LW_DISK_SPACE, LW_DISK_EIO, 1, false);
    }
    assert_int_equal(
        lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.kind = LW_DISK_EIO, .at = 1}),
        LW_ELIMIT);
}

static void test_disk__lies_after_a_failed_sync(void **state)
{
    int fd = opened("a", O_RDWR | O_CREAT);
    bool lost = false;

    (void)state;
    assert_int_equal(io->sync_dir(io->context, "."), 0);
    for (size_t i = 0; i < 20 && !lost; i++) {
        fd = opened("a", O_RDWR | O_TRUNC);
        assert_int_equal(io->sync(io->context, fd), 0);
        put(fd, "bytes", 0);
        arm(LW_DISK_SYNC, LW_DISK_EIO, 1, false);
        assert_int_equal(io->sync(io->context, fd), -EIO);
        assert_int_equal(io->sync(io->context, fd), 0); /* As if all were well. */
        assert_string_equal(held("a"), "bytes");
        crash(LW_DISK_CRASH_ALL);
        lost = strcmp(held("a"), "bytes") != 0;
    }
    assert_true(lost);
}

static void test_disk__is_full_at_its_bound(void **state)
{
    static char bytes[2000];
    int fd = opened("a", O_RDWR | O_CREAT);

    (void)state;
    lw_simulated_disk_limit(disk, 1500);
    assert_int_equal(io->space(io->context, "."), 1500);
    assert_int_equal(io->write_at(io->context, fd, bytes, 1000, 0), 1000);
    assert_int_equal(io->write_at(io->context, fd, bytes, 1000, 1000), 500);
    assert_int_equal(io->write_at(io->context, fd, bytes, 1000, 1500), -ENOSPC);
    assert_int_equal(io->write_at(io->context, fd, bytes, 1000, 500), 1000); /* In place. */
    assert_int_equal(io->truncate(io->context, fd, 1501), -ENOSPC);
    assert_int_equal(io->truncate(io->context, fd, 100), 0);
    assert_int_equal(lw_simulated_disk_used(disk), 100);
    assert_int_equal(io->space(io->context, "."), 1400);
    assert_int_equal(io->unlink(io->context, "a"), 0);
    assert_int_equal(lw_simulated_disk_used(disk), 100); /* It is open still. */
    assert_int_equal(io->close(io->context, fd), 0);
    assert_int_equal(lw_simulated_disk_used(disk), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_disk, drop_disk)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_disk__keeps_what_was_synced),  TEST(test_disk__forgets_in_any_pattern),
        TEST(test_disk__renames_at_once_or_not), TEST(test_disk__has_folders),
        TEST(test_disk__fails_as_it_is_told),    TEST(test_disk__lies_after_a_failed_sync),
        TEST(test_disk__is_full_at_its_bound),
    };

    return LW_TEST_RUN(tests);
}
