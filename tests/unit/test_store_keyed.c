/* The keyed store: what is written is read in order, survives a reopening, and a full disk. */
#define _GNU_SOURCE
#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/keyed.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS_MAX 64

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    return mkdtemp(folder) == NULL ? 1 : 0;
}

static int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static struct lw_keyed *open_store(const char *dir)
{
    const struct lw_keyed_config config = {.dir = dir};
    struct lw_error error = {0};
    struct lw_keyed *keyed = NULL;

    if (lw_keyed_open(&config, &keyed, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return keyed;
}

static void put(struct lw_keyed *keyed, const char *key, const char *value)
{
    struct lw_keyed_batch *batch = lw_keyed_batch_create();

    assert_non_null(batch);
    lw_keyed_put(batch, key, strlen(key), value, strlen(value));
    assert_int_equal(lw_keyed_batch_count(batch), 1);
    assert_int_equal(lw_keyed_write(keyed, batch, NULL), LW_OK);
    lw_keyed_batch_destroy(batch);
}

static void check_value(struct lw_keyed *keyed, const char *key, const char *expected)
{
    struct lw_writer value;
    enum lw_status status;

    lw_writer_init(&value);
    status = lw_keyed_get(keyed, key, strlen(key), &value, NULL);
    if (expected == NULL) {
        assert_int_equal(status, LW_ENOTFOUND);
    } else {
        assert_int_equal(status, LW_OK);
        assert_int_equal(value.n_bytes, strlen(expected));
        assert_memory_equal(value.data, expected, value.n_bytes);
    }
    lw_writer_fini(&value);
}

struct met {
    size_t n, most;
    char keys[PAIRS_MAX][16];
};

static bool meet(void *context, const struct lw_keyed_pair *pair)
{
    struct met *met = context;

    (void)snprintf(met->keys[met->n++], sizeof(met->keys[0]), "%.*s", (int)pair->n_key,
                   (const char *)pair->key);
    return met->n < met->most;
}

static void check_scan(struct lw_keyed *keyed, const char *prefix, const char *from,
                       const char *expected)
{
    const struct lw_keyed_range range = {.prefix = prefix,
                                         .n_prefix = strlen(prefix),
                                         .from = from,
                                         .n_from = from == NULL ? 0 : strlen(from)};
    struct met met = {.most = PAIRS_MAX};
    char all[256] = "";

    assert_int_equal(lw_keyed_scan(keyed, &range, meet, &met, NULL), LW_OK);
    for (size_t i = 0; i < met.n; i++) {
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", met.keys[i]);
    }
    assert_string_equal(all, expected);
}

static void check_reads_and_scans(struct lw_keyed *keyed)
{
    put(keyed, "b1", "x");
    put(keyed, "a2", "two");
    put(keyed, "a1", "one");
    put(keyed, "a3", "");
    check_value(keyed, "a1", "one");
    check_value(keyed, "a3", "");
    check_value(keyed, "a4", NULL);
    check_scan(keyed, "a", NULL, "a1 a2 a3 ");
    check_scan(keyed, "a", "a2", "a2 a3 ");
    check_scan(keyed, "a", "a20", "a3 ");
    check_scan(keyed, "c", NULL, "");
    check_scan(keyed, "", NULL, "a1 a2 a3 b1 ");
}

static void test_keyed__reads_and_scans_in_order(void **state)
{
    struct lw_keyed *keyed = open_store(folder);

    (void)state;
    check_reads_and_scans(keyed);
    lw_keyed_close(keyed);
    keyed = open_store(NULL); /* In memory it is the same. */
    check_reads_and_scans(keyed);
    assert_int_equal(lw_keyed_sync(keyed, NULL), LW_OK);
    lw_keyed_close(keyed);
    lw_keyed_close(NULL);
}

static void test_keyed__writes_a_batch_as_a_whole_and_survives_a_reopening(void **state)
{
    char dir[96];
    struct stat info;
    struct lw_keyed *keyed;
    struct lw_keyed_batch *batch = lw_keyed_batch_create();

    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/keyed", folder);
    keyed = open_store(dir);
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    put(keyed, "gone", "x");
    lw_keyed_put(batch, "first", 5, "1", 1);
    lw_keyed_remove(batch, "gone", 4);
    lw_keyed_put(batch, "first", 5, "2", 1);
    assert_int_equal(lw_keyed_batch_count(batch), 3);
    assert_int_equal(lw_keyed_write(keyed, batch, NULL), LW_OK);
    lw_keyed_batch_clear(batch);
    assert_int_equal(lw_keyed_batch_count(batch), 0);
    lw_keyed_batch_destroy(batch);
    assert_int_equal(lw_keyed_sync(keyed, NULL), LW_OK);
    lw_keyed_close(keyed);
    keyed = open_store(dir);
    check_value(keyed, "first", "2");
    check_value(keyed, "gone", NULL);
    lw_keyed_close(keyed);
}

static void test_keyed__folder_belongs_to_one(void **state)
{
    struct lw_keyed *keyed = open_store(folder), *second = NULL;
    const struct lw_keyed_config config = {.dir = folder};
    struct lw_error error = {0};

    (void)state;
    assert_int_equal(lw_keyed_open(&config, &second, &error), LW_EIO);
    assert_non_null(strstr(error.message, folder));
    assert_null(second);
    lw_keyed_close(keyed);
}

static void test_keyed__says_that_memory_is_short(void **state)
{
    struct lw_keyed *keyed = NULL;
    const struct lw_keyed_config config = {.dir = folder};

    (void)state;
    for (uint64_t i = 1; i <= 2; i++) {
        lw_test_mem_fail_at(i);
        assert_int_equal(lw_keyed_open(&config, &keyed, NULL), LW_ENOMEM);
        lw_test_mem_fail_at(0);
        assert_null(keyed);
    }
    lw_test_mem_fail_at(1);
    assert_null(lw_keyed_batch_create());
    lw_test_mem_fail_at(0);
}

/* A number of bytes nobody needs, until the disk is full. */
static void fill_disk(const char *path)
{
    static const char zeros[65536];
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof(zeros)) > 0) {
    }
    (void)close(fd);
}

static enum lw_status put_large(struct lw_keyed *keyed, unsigned number)
{
    char value[20000];
    char key[16];
    struct lw_keyed_batch *batch = lw_keyed_batch_create();
    enum lw_status status;

    (void)snprintf(key, sizeof(key), "n%06u", number);
    memset(value, (int)(number % 251), sizeof(value));
    lw_keyed_put(batch, key, strlen(key), value, sizeof(value));
    status = lw_keyed_write(keyed, batch, NULL);
    lw_keyed_batch_destroy(batch);
    return status;
}

/* Writes until the disk refuses; returns how many were taken. */
static unsigned write_until_refused(struct lw_keyed *keyed)
{
    unsigned n = 0;

    while (n < 2000 && put_large(keyed, n) == LW_OK) {
        n++;
    }
    assert_true(n < 2000);
    assert_true(lw_keyed_degraded(keyed));
    assert_int_equal(put_large(keyed, n), LW_EIO);
    check_value(keyed, "before", "kept"); /* Reading goes on. */
    return n;
}

/* There is room again: it comes back by itself, with all that was acknowledged. */
static void check_recovers(struct lw_keyed *keyed, unsigned n)
{
    int64_t until_ns = lw_clock_monotonic_ns() + INT64_C(30000000000);
    struct lw_writer value;

    while (put_large(keyed, n) != LW_OK && lw_clock_monotonic_ns() < until_ns) {
        (void)usleep(50000);
    }
    assert_false(lw_keyed_degraded(keyed));
    lw_writer_init(&value);
    for (unsigned i = 0; i <= n; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "n%06u", i);
        assert_int_equal(lw_keyed_get(keyed, key, strlen(key), &value, NULL), LW_OK);
        assert_int_equal(value.n_bytes, 20000);
        assert_int_equal(value.data[19999], i % 251);
    }
    lw_writer_fini(&value);
    assert_int_equal(lw_keyed_sync(keyed, NULL), LW_OK);
}

static void test_keyed__comes_back_when_a_full_disk_has_room_again(void **state)
{
    char ballast[96], dir[96];
    struct lw_keyed *keyed;
    unsigned n;

    (void)state;
    if (geteuid() != 0 || mount("tmpfs", folder, "tmpfs", 0, "size=24m") != 0) {
        print_message("no small disk can be mounted here: the next test stands for this one\n");
        return;
    }
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
    (void)snprintf(dir, sizeof(dir), "%s/keyed", folder);
    keyed = open_store(dir);
    put(keyed, "before", "kept");
    fill_disk(ballast);
    n = write_until_refused(keyed);
    assert_int_equal(unlink(ballast), 0);
    check_recovers(keyed, n);
    lw_keyed_close(keyed);
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

static void test_keyed__comes_back_when_files_may_grow_again(void **state)
{
    struct lw_keyed *keyed = open_store(folder);
    struct rlimit before;
    unsigned n;

    (void)state;
    put(keyed, "before", "kept");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, before.rlim_max}), 0);
    n = write_until_refused(keyed);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    check_recovers(keyed, n);
    lw_keyed_close(keyed);
}

/* ---- whatever the moment at which there is no more room, the process lives on ---- */

struct busy {
    struct lw_keyed *keyed;
    atomic_bool stop;
};

static void *write_on(void *argument)
{
    struct busy *busy = argument;

    for (unsigned i = 0; !atomic_load(&busy->stop); i++) {
        (void)put_large(busy->keyed, i);
    }
    return NULL;
}

static void *sync_on(void *argument)
{
    struct busy *busy = argument;

    while (!atomic_load(&busy->stop)) {
        (void)!lw_keyed_sync(busy->keyed, NULL);
    }
    return NULL;
}

/* Another process's life with a store; ends it. */
static void live_busily(const char *dir, bool clean)
{
    const struct lw_keyed_config config = {.dir = dir};
    struct busy busy = {0};
    pthread_t writer, syncer;

    if (lw_keyed_open(&config, &busy.keyed, NULL) == LW_OK) {
        (void)pthread_create(&writer, NULL, write_on, &busy);
        (void)pthread_create(&syncer, NULL, sync_on, &busy);
        (void)usleep(130000); /* Longer than until it is opened again. */
        if (!clean) {
            _exit(0);
        }
        atomic_store(&busy.stop, true);
        (void)pthread_join(writer, NULL);
        (void)pthread_join(syncer, NULL);
        lw_keyed_close(busy.keyed);
    }
    _exit(0);
}

static void check_lives(const char *dir, rlim_t bytes, bool clean)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY}, no_core = {0, 0};
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        live_busily(dir, clean);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) {
        fail_msg("with files of %llu bytes it ended by signal %d", (unsigned long long)bytes,
                 WTERMSIG(status));
    }
}

static void test_keyed__never_ends_the_process_for_lack_of_room(void **state)
{
    static const rlim_t sizes[] = {0,     10,    100,   1000,   2000,   3000,  5000,
                                   10000, 20000, 40000, 100000, 200000, 400000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char dir[96];

        (void)snprintf(dir, sizeof(dir), "%s/%zu", folder, i);
        check_lives(dir, sizes[i], true);
        check_lives(dir, sizes[i], false); /* What a kill leaves is opened again. */
        check_lives(dir, sizes[i], true);
        check_lives(dir, RLIM_INFINITY, false);
    }
}

static void test_keyed__opens_an_empty_store_quickly(void **state)
{
    int64_t best_ns = INT64_MAX;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char dir[96];
        int64_t start_ns;
        struct lw_keyed *keyed;

        (void)snprintf(dir, sizeof(dir), "%s/%u", folder, i);
        start_ns = lw_clock_monotonic_ns();
        keyed = open_store(dir);
        start_ns = lw_clock_monotonic_ns() - start_ns;
        best_ns = start_ns < best_ns ? start_ns : best_ns;
        lw_keyed_close(keyed);
    }
    print_message("an empty store opens in %.1f ms\n", (double)best_ns / 1e6);
    assert_true(best_ns < 300000000); /* 6 ms where nothing else runs. */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, drop_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_keyed__reads_and_scans_in_order),
        TEST(test_keyed__writes_a_batch_as_a_whole_and_survives_a_reopening),
        TEST(test_keyed__folder_belongs_to_one),
        TEST(test_keyed__says_that_memory_is_short),
        TEST(test_keyed__comes_back_when_a_full_disk_has_room_again),
        TEST(test_keyed__comes_back_when_files_may_grow_again),
        TEST(test_keyed__never_ends_the_process_for_lack_of_room),
        TEST(test_keyed__opens_an_empty_store_quickly),
    };

    (void)signal(SIGXFSZ, SIG_IGN);
    return LW_TEST_RUN(tests);
}
