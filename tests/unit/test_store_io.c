/* The system's disk behind its table, and what goes over short and interrupted calls. */
#include "support/test.h"

#include "store/io.h"
#include "store/simulated_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note_name(void *visitor, const char *name)
{
    (void)snprintf(visitor, 64, "%s", name);
}

static void test_io__is_the_systems_disk(void **state)
{
    const struct lw_io *io = lw_io_system();
    char dir[64] = "/tmp/lapwing-test-XXXXXX", sub[80], path[LW_IO_PATH_MAX], other[128], name[64];
    struct stat info;
    char bytes[16];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(sub, sizeof(sub), "%s/sub", dir);
    assert_int_equal(lw_io_make_dir(io, sub, NULL), LW_OK);
    assert_int_equal(lw_io_make_dir(io, sub, NULL), LW_OK); /* It may be there. */
    assert_int_equal(stat(sub, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(lw_io_join(sub, "a", path, NULL), LW_OK);
    assert_int_equal(lw_io_open(io, path, O_RDWR, 0600), -ENOENT);
    fd = lw_io_open(io, path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(io->write_at(io->context, fd, "0123456789", 10, 5), 10);
    assert_int_equal(io->size(io->context, fd), 15);
    assert_int_equal(io->flush(io->context, fd, 0, 15, false), 0);
    assert_int_equal(io->flush(io->context, fd, 0, 15, true), 0);
    assert_int_equal(lw_io_sync(io, fd), 0);
    assert_int_equal(io->truncate(io->context, fd, 8), 0);
    assert_int_equal(io->read_at(io->context, fd, bytes, sizeof(bytes), 5), 3);
    assert_memory_equal(bytes, "012", 3);
    assert_int_equal(io->close(io->context, fd), 0);
    assert_int_equal(io->close(io->context, fd), -EBADF);
    assert_int_equal(io->read_at(io->context, fd, bytes, 1, 0), -EBADF);
    assert_int_equal(io->write_at(io->context, fd, bytes, 1, 0), -EBADF);
    assert_int_equal(io->sync(io->context, fd), -EBADF);
    assert_int_equal(io->size(io->context, fd), -EBADF);
    (void)snprintf(other, sizeof(other), "%s/b", sub);
    assert_int_equal(io->rename(io->context, path, other), 0);
    assert_int_equal(io->rename(io->context, path, other), -ENOENT);
    assert_int_equal(lw_io_sync_parent(io, other), 0);
    assert_int_equal(lw_io_sync_dir(io, other), -ENOTDIR);
    assert_int_equal(io->list(io->context, sub, note_name, name), 0);
    assert_string_equal(name, "b");
    assert_int_equal(io->list(io->context, other, note_name, name), -ENOTDIR);
    assert_true(io->space(io->context, sub) > 0);
    assert_int_equal(io->space(io->context, path), -ENOENT);
    assert_int_equal(io->unlink(io->context, other), 0);
    assert_int_equal(io->unlink(io->context, other), -ENOENT);
    assert_int_equal(rmdir(sub), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_io__goes_over_short_and_interrupted_calls(void **state)
{
    struct lw_simulated_disk *disk = NULL;
    const struct lw_io *io;
    char text[1001] = "", read[1001] = "";
    struct lw_error error = {0};
    int fd;

    (void)state;
    assert_int_equal(lw_simulated_disk_create(1, &disk), LW_OK);
    io = lw_simulated_disk_io(disk);
    memset(text, 'x', 1000);
    for (uint64_t at = 1; at <= 3; at++) {
        for (enum lw_disk_call call = LW_DISK_OPEN; call < LW_DISK_N_CALLS; call++) {
            assert_int_equal(
                lw_simulated_disk_fault(
                    disk, &(struct lw_disk_fault){.call = call, .kind = LW_DISK_EINTR, .at = at}),
                LW_OK);
        }
        assert_int_equal(
            lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.call = LW_DISK_ANY,
                                                                  .kind = LW_DISK_SHORT,
                                                                  .at = 1,
                                                                  .sticky = true}),
            LW_OK);
        fd = lw_io_open(io, "a", O_RDWR | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(lw_io_write_all(io, fd, "a", text, 1000, 0, NULL), LW_OK);
        assert_int_equal(lw_io_read_all(io, fd, "a", read, 1000, 0, NULL), LW_OK);
        assert_memory_equal(read, text, 1000);
        assert_int_equal(lw_io_sync(io, fd), 0);
        assert_int_equal(lw_io_sync_dir(io, "."), 0);
        lw_simulated_disk_mend(disk);
    }
    assert_int_equal(lw_io_read_all(io, fd, "a", read, 1000, 1, &error), LW_EFORMAT);
    assert_string_equal(error.message, "a ends at byte 1000");
    lw_simulated_disk_limit(disk, 1000);
    assert_int_equal(lw_io_write_all(io, fd, "a", text, 1000, 1, &error), LW_EIO);
    assert_string_equal(error.message, "cannot write a: No space left on device");
    lw_simulated_disk_destroy(disk);
}

static void test_io__refuses_paths_that_are_too_long(void **state)
{
    char longest[LW_IO_PATH_MAX], path[LW_IO_PATH_MAX];
    struct lw_error error = {0};

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(lw_io_join("dir", longest, path, &error), LW_EINVAL);
    assert_string_equal(error.message, "path of 4099 bytes is too long");
    assert_int_equal(lw_io_sync_parent(lw_io_system(), "/"), 0);
    assert_int_equal(lw_io_sync_parent(lw_io_system(), "name"), 0); /* In "." */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io__is_the_systems_disk),
        cmocka_unit_test(test_io__goes_over_short_and_interrupted_calls),
        cmocka_unit_test(test_io__refuses_paths_that_are_too_long),
    };

    return LW_TEST_RUN(tests);
}
