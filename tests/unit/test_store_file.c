/* Files replaced whole, and what is read back of files that something happened to. */
#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/mem.h"
#include "store/file.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96], beside[112];
static uint8_t content[5000];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    (void)snprintf(beside, sizeof(beside), "%s.new", path);
    for (size_t i = 0; i < sizeof(content); i++) {
        content[i] = (uint8_t)(i * 31 + i / 7);
    }
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder); /* Fails where a temporary file was left. */
}

static void check_reads(const void *bytes, size_t n_bytes)
{
    void *read = NULL;
    size_t n_read = 77;

    assert_int_equal(lw_file_read(path, 1, 5, &read, &n_read, NULL), LW_OK);
    assert_int_equal(n_read, n_bytes);
    assert_memory_equal(read, bytes, n_bytes);
    lw_mem_free(read);
}

static void check_refuses(enum lw_status expected, const char *word)
{
    void *read = NULL;
    size_t n_read = 77;
    struct lw_error error = {0};
    enum lw_status status = lw_file_read(path, 1, 5, &read, &n_read, &error);

    if (status != expected || strstr(error.message, word) == NULL ||
        strstr(error.message, path) == NULL) {
        fail_msg("%d: %s", status, error.message);
    }
    assert_null(read);
    assert_int_equal(n_read, 77);
}

static void test_file__reads_back_what_was_written(void **state)
{
    struct stat info;

    (void)state;
    assert_int_equal(lw_file_replace(path, 1, content, sizeof(content), NULL), LW_OK);
    check_reads(content, sizeof(content));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(lw_file_replace(path, 5, content, 1, NULL), LW_OK);
    check_reads(content, 1);
    assert_int_equal(lw_file_replace(path, 1, NULL, 0, NULL), LW_OK);
    check_reads(content, 0);
}

static void test_file__overwrites_what_a_crash_left_beside_it(void **state)
{
    FILE *file;

    (void)state;
    file = fopen(beside, "w");
    assert_non_null(file);
    assert_true(fputs("half a state", file) >= 0);
    assert_int_equal(fclose(file), 0);
    check_refuses(LW_ENOTFOUND, "no file");
    assert_int_equal(lw_file_replace(path, 1, content, 100, NULL), LW_OK);
    check_reads(content, 100);
    assert_int_not_equal(access(beside, F_OK), 0);
}

static void test_file__tells_every_changed_byte(void **state)
{
    uint8_t whole[232];
    int fd;

    (void)state;
    assert_int_equal(lw_file_replace(path, 1, content, 200, NULL), LW_OK);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, whole, sizeof(whole), 0), sizeof(whole));
    for (off_t at = 0; at < (off_t)sizeof(whole); at++) {
        uint8_t changed = (uint8_t)(whole[at] ^ (1u << (at % 8)));
        void *read = NULL;
        size_t n_read = 0;
        enum lw_status status;

        assert_int_equal(pwrite(fd, &changed, 1, at), 1);
        status = lw_file_read(path, 1, 5, &read, &n_read, NULL);
        if (status != LW_EFORMAT && status != LW_EVERSION) {
            fail_msg("byte %d: %d", (int)at, status);
        }
        assert_int_equal(pwrite(fd, &whole[at], 1, at), 1);
    }
    check_reads(content, 200);
    for (off_t length = 0; length < (off_t)sizeof(whole); length++) { /* Torn anywhere. */
        assert_int_equal(ftruncate(fd, length), 0);
        check_refuses(LW_EFORMAT, length < 32 ? "not a state file" : "torn");
        assert_int_equal(pwrite(fd, whole, sizeof(whole), 0), sizeof(whole));
    }
    assert_int_equal(pwrite(fd, whole, 1, sizeof(whole)), 1);
    check_refuses(LW_EFORMAT, "torn");
    assert_int_equal(close(fd), 0);
}

static void test_file__refuses_versions_it_does_not_know(void **state)
{
    (void)state;
    assert_int_equal(lw_file_replace(path, 6, content, 20, NULL), LW_OK);
    check_refuses(LW_EVERSION, "version 6; this program reads 1 to 5");
    assert_int_equal(lw_file_replace(path, 0, content, 20, NULL), LW_OK);
    check_refuses(LW_EVERSION, "version 0");
}

static void test_file__says_what_the_system_refused(void **state)
{
    struct lw_error error = {0};
    char elsewhere[128], longest[9000];

    (void)state;
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/none/file", folder);
    assert_int_equal(lw_file_replace(elsewhere, 1, content, 10, &error), LW_EIO);
    assert_non_null(strstr(error.message, "No such file or directory"));
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(lw_file_replace(longest, 1, content, 10, &error), LW_EINVAL);
    assert_int_equal(mkdir(path, 0700), 0); /* A folder where the file should be. */
    assert_int_equal(lw_file_replace(path, 1, content, 10, &error), LW_EIO);
    assert_non_null(strstr(error.message, "directory"));
    check_refuses(LW_EIO, "directory");
    assert_int_equal(rmdir(path), 0);
}

static void test_file__keeps_the_one_before_when_the_disk_is_full(void **state)
{
    struct rlimit limit, before;
    struct lw_error error = {0};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    assert_int_equal(lw_file_replace(path, 1, content, 100, NULL), LW_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t room = 0; room < 5032; room += 500) {
        limit = (struct rlimit){room, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(lw_file_replace(path, 1, content, sizeof(content), &error), LW_EIO);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_non_null(strstr(error.message, "File too large"));
        check_reads(content, 100);
    }
    /* The temporary name leads to a device that is always full. */
    assert_int_equal(symlink("/dev/full", beside), 0);
    assert_int_equal(lw_file_replace(path, 1, content, 10, &error), LW_EIO);
    assert_non_null(strstr(error.message, "No space left"));
    check_reads(content, 100);
    assert_int_equal(lw_file_replace(path, 1, content, sizeof(content), NULL), LW_OK);
    check_reads(content, sizeof(content));
    (void)signal(SIGXFSZ, handler);
}

static void test_file__answers_when_there_is_no_memory(void **state)
{
    void *read = NULL;
    size_t n_read = 77;

    (void)state;
    assert_int_equal(lw_file_replace(path, 1, content, 10, NULL), LW_OK);
    lw_test_mem_fail_at(1);
    assert_int_equal(lw_file_read(path, 1, 1, &read, &n_read, NULL), LW_ENOMEM);
    lw_test_mem_fail_at(0);
    assert_null(read);
}

/* At each call of a replacement each fault, then each crash: the file is the old one or the new
 * one, and the new one where the call said so. */
static bool point_reached(enum lw_disk_fault_kind kind, uint64_t at, enum lw_disk_crash crash)
{
    static const struct lw_file_versions VERSIONS = {1, 2};
    struct lw_simulated_disk *disk = NULL;
    const struct lw_io *io;
    size_t n_read = 0;
    void *read = NULL;
    enum lw_status status;
    bool reached, is_new;

    assert_int_equal(lw_simulated_disk_create(at, &disk), LW_OK);
    io = lw_simulated_disk_io(disk);
    assert_int_equal(lw_file_replace_with(io, "file", 1, content, 3000, NULL), LW_OK);
    assert_int_equal(lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.kind = kind, .at = at}),
                     LW_OK);
    status = lw_file_replace_with(io, "file", 2, content + 1000, 4000, NULL);
    reached = lw_simulated_disk_faults(disk) > 0;
    assert_true(status == LW_OK || (status == LW_EIO && reached));
    assert_int_equal(lw_simulated_disk_crash(disk, crash), LW_OK);
    assert_int_equal(lw_file_read_with(io, "file", &VERSIONS, &read, &n_read, NULL), LW_OK);
    is_new = n_read == 4000 && memcmp(read, content + 1000, 4000) == 0;
    if (!is_new && (status == LW_OK || n_read != 3000 || memcmp(read, content, 3000) != 0)) {
        fail_msg("fault %d at call %d, crash %d: %zu bytes", (int)kind, (int)at, (int)crash,
                 n_read);
    }
    lw_mem_free(read);
    lw_simulated_disk_destroy(disk);
    return reached;
}

static void test_file__is_the_old_one_or_the_new_one_after_any_fault(void **state)
{
    size_t n_points = 0;

    (void)state;
    for (enum lw_disk_fault_kind kind = 0; kind < LW_DISK_N_FAULT_KINDS; kind++) {
        bool reached = true;

        for (uint64_t at = 1; reached; at++) {
            for (enum lw_disk_crash crash = 0; crash < LW_DISK_N_CRASHES; crash++) {
                reached = point_reached(kind, at, crash);
                n_points += reached ? 1 : 0;
            }
        }
    }
    printf("faults of a file: %zu points\n", n_points);
    assert_true(n_points > 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_file__reads_back_what_was_written),
        TEST(test_file__overwrites_what_a_crash_left_beside_it),
        TEST(test_file__tells_every_changed_byte),
        TEST(test_file__refuses_versions_it_does_not_know),
        TEST(test_file__says_what_the_system_refused),
        TEST(test_file__keeps_the_one_before_when_the_disk_is_full),
        TEST(test_file__answers_when_there_is_no_memory),
        TEST(test_file__is_the_old_one_or_the_new_one_after_any_fault),
    };

    return LW_TEST_RUN(tests);
}
