/*
 * The journal and a snapshot on this disk, in build/ or where TMPDIR says: CPU of appending records
 * of one sample, groups of 64 KiB written and synced against plain write and fdatasync of the same
 * bytes in the same groups, and a snapshot of 400 MB: its wall and CPU time and its last sync.
 */
#define _GNU_SOURCE
#include "support/bench.h"

#include "store/journal.h"
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#define RECORD_BYTES 24
#define GROUP_RECORDS 2048
#define GROUP_BYTES (GROUP_RECORDS * (RECORD_BYTES + 8) + 48)
#define N_GROUPS 200
#define BLOCK_BYTES ((size_t)256 << 10)
#define N_BLOCKS 1600

static uint8_t bytes[1 << 20];

static void must(int is_true, const char *what)
{
    if (!is_true) {
        (void)fprintf(stderr, "bench_journal: %s\n", what);
        exit(1);
    }
}

static double wall_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Wall seconds of all groups; CPU seconds of appending alone. */
static double journal_run(const char *dir, double *ret_append_cpu_s)
{
    const struct lw_journal_piece piece = {bytes, RECORD_BYTES};
    struct lw_journal_config config = {.io = lw_io_system(), .dir = dir};
    struct lw_journal *journal = NULL;
    struct lw_error error = {0};
    uint64_t given, durable;
    double begin;

    must(lw_journal_open(&config, &journal, &error) == LW_OK, error.message);
    *ret_append_cpu_s = 0.0;
    begin = wall_s();
    for (size_t i = 0; i < N_GROUPS; i++) {
        double cpu = lw_bench_cpu_s();

        for (size_t j = 0; j < GROUP_RECORDS; j++) {
            must(lw_journal_append(journal, 1, &piece, 1, &given) == LW_OK, "append");
        }
        *ret_append_cpu_s += lw_bench_cpu_s() - cpu;
        must(lw_journal_sync(journal, &durable, &error) == LW_OK, error.message);
    }
    begin = wall_s() - begin;
    lw_journal_close(journal);
    return begin;
}

static double plain_run(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double begin = wall_s();

    must(fd >= 0, path);
    for (size_t i = 0; i < N_GROUPS; i++) {
        must(pwrite(fd, bytes, GROUP_BYTES, (off_t)(i * GROUP_BYTES)) == GROUP_BYTES &&
                 fdatasync(fd) == 0,
             "plain write");
    }
    begin = wall_s() - begin;
    (void)close(fd);
    return begin;
}

static void snapshot_run(const char *dir)
{
    struct lw_snapshot_config config = {.io = lw_io_system(), .dir = dir};
    double gb = (double)BLOCK_BYTES * N_BLOCKS * 1e-9, cpu = lw_bench_cpu_s(), begin = wall_s(),
           end;
    struct lw_snapshot_writer *writer = NULL;
    struct lw_error error = {0};

    must(lw_snapshot_create(&config, 1, 1, &writer, &error) == LW_OK, error.message);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        must(lw_snapshot_add(writer, 1, bytes, BLOCK_BYTES, &error) == LW_OK, error.message);
    }
    end = wall_s();
    must(lw_snapshot_commit(writer, &error) == LW_OK, error.message);
    lw_bench_print("snapshot_commit", 1e3 * (wall_s() - end), "ms");
    lw_bench_print("snapshot_write", 1e3 * gb / (wall_s() - begin), "MB/s");
    lw_bench_print("snapshot_cpu", (lw_bench_cpu_s() - cpu) / gb, "s/GB");
    begin = wall_s();
    {
        struct lw_snapshot_reader *reader = NULL;
        struct lw_snapshot_block block;

        must(lw_snapshot_open(&config, "00000000000000000001.snapshot", &reader, &error) == LW_OK,
             error.message);
        while (lw_snapshot_next(reader, &block, &error) == LW_OK) {
        }
        lw_snapshot_close(reader);
    }
    lw_bench_print("snapshot_read", 1e3 * gb / (wall_s() - begin), "MB/s");
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char dir[256], path[300];
    double append_s = 0.0, best = 1e9, plain = 1e9;

    (void)snprintf(dir, sizeof(dir), "%s/lapwing-bench-XXXXXX", tmp == NULL ? "." : tmp);
    must(mkdtemp(dir) != NULL, dir);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 7);
    }
    for (int i = 0; i < 3; i++) { /* By turns: the disk is not always the same. */
        double seconds;

        (void)snprintf(path, sizeof(path), "%s/plain", dir);
        seconds = plain_run(path);
        plain = seconds < plain ? seconds : plain;
        (void)snprintf(path, sizeof(path), "%s/journal%d", dir, i);
        seconds = journal_run(path, &append_s);
        best = seconds < best ? seconds : best;
    }
    lw_bench_print("journal_append", append_s / (N_GROUPS * GROUP_RECORDS) * 1e9, "ns");
    lw_bench_print_peer("journal_group", best / N_GROUPS * 1e3, "ms", "write+fdatasync", "-",
                        plain / N_GROUPS * 1e3);
    (void)snprintf(path, sizeof(path), "%s/snapshots", dir);
    snapshot_run(path);
    (void)snprintf(path, sizeof(path), "rm -r %s", dir);
    return system(path) == 0 ? 0 : 1;
}
