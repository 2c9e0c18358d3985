/*
 * The journal made history, the whole way: read, decode, sort, compress, write; and merge. 100,000
 * series with the values of real ones, a sample each a round, in records of 2,000 as a sender's
 * requests are; 64 rounds a file. CPU time a sample, and the process' memory before and at most.
 */
#include "support/bench.h"

#include "base/rng.h"
#include "engine/state/archive.h"

#include <sys/resource.h>
#include <unistd.h>

#define SERIES 100000u
#define ROUNDS 64u
#define FILES 8u
#define RECORD_POINTS 2000u
#define COLUMNS 38u
#define ROWS 20000u

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench_archive: %s\n", what);
    exit(1);
}

static void must(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        die(error->message);
    }
}

static char dir[] = "/tmp/lapwing-bench-XXXXXX";
static double values[COLUMNS][ROWS];
static size_t n_rows;

static void values_read(void)
{
    static char line[8192];
    FILE *file = fopen(LW_TEST_DATA "/smd/machine-1-6-train.csv", "r");

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        die("no values");
    }
    while (n_rows < ROWS && fgets(line, sizeof(line), file) != NULL) {
        char *at = line;

        for (size_t i = 0; i < COLUMNS; i++) {
            values[i][n_rows] = strtod(at, &at);
            at += *at == ',';
        }
        n_rows++;
    }
    (void)fclose(file);
}

static void file_remove(void *context, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    (void)unlink(path);
}

static void folder_remove(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)lw_io_system()->list(NULL, path, file_remove, path);
    (void)rmdir(path);
}

static int64_t real_ns(void *context)
{
    (void)context;
    return INT64_C(1763700000000000000);
}

/* An engine that has names, and nothing else. */
static void names_make(struct lw_engine *engine)
{
    struct lw_error error;

    (void)pthread_mutex_init(&engine->route, NULL);
    must(lw_intern_create(SERIES, (size_t)64 << 20, &engine->series_names, &error), &error);
    for (uint32_t i = 0; i < SERIES; i++) {
        char name[128];
        uint32_t number;
        int n = snprintf(name, sizeof(name),
                         "node_metric_%u_total{device=\"device-%u\",instance=\"host-%05u:9100\","
                         "job=\"node\"}",
                         i % 20, i % 7, i / 20);

        must(lw_intern_add(engine->series_names, name, (size_t)n, &number, &error), &error);
    }
    engine->n_series = SERIES;
}

static void rounds_write(struct lw_durable *durable, uint64_t first)
{
    static struct lw_point points[RECORD_POINTS];
    struct lw_writer writer;
    struct lw_error error;
    uint64_t number;

    lw_writer_init(&writer);
    for (uint64_t round = first; round < first + ROUNDS; round++) {
        for (uint32_t at = 0; at < SERIES; at += RECORD_POINTS) {
            int64_t time_ns = real_ns(NULL) + (int64_t)round * 10000000000 +
                              (int64_t)(lw_rng_mix(round * SERIES + at) % 50) * 1000000;

            for (uint32_t i = 0; i < RECORD_POINTS; i++) {
                uint32_t series = at + i;

                points[i] = (struct lw_point){
                    .series = series,
                    .time_ns = time_ns,
                    .value = values[series % COLUMNS][(round + series * UINT64_C(7919)) % n_rows]};
            }
            lw_writer_reset(&writer);
            lw_points_write(&writer, 0, points, RECORD_POINTS);
            must(lw_journal_append(durable->journal, LW_RECORD_POINTS,
                                   &(struct lw_journal_piece){writer.data, writer.n_bytes}, 1,
                                   &number),
                 &error);
        }
        must(lw_journal_sync(durable->journal, &number, &error), &error);
        atomic_store(&durable->durable, number);
    }
    durable->n_journaled += (uint64_t)SERIES * ROUNDS;
    lw_writer_fini(&writer);
}

static double rss_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%*s %ld", &pages) != 1) {
        die("no /proc/self/statm");
    }
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static double peak_mib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* A file each. Some turns merge, too: the median is of those that do not. */
static void files_write(struct lw_durable *durable, struct lw_archive *archive)
{
    struct lw_history_stats stats;
    struct lw_error error;
    double turns_s[FILES], all_s = 0;

    for (uint64_t file = 0; file < FILES; file++) {
        double begin;

        rounds_write(durable, file * ROUNDS);
        if (file == 0) {
            lw_bench_print("archive_rss_before", rss_mib(), "MiB");
        }
        begin = lw_bench_cpu_s();
        must(lw_archive_turn(archive, false, &error), &error);
        turns_s[file] = lw_bench_cpu_s() - begin;
        all_s += turns_s[file];
    }
    lw_history_stats(lw_archive_history(archive), &stats);
    if (stats.n_samples != (uint64_t)SERIES * ROUNDS * FILES) {
        die("not all samples are in the history");
    }
    qsort(turns_s, FILES, sizeof(double), compare);
    lw_bench_print("archive_ns_per_sample", turns_s[FILES / 2] / (SERIES * ROUNDS) * 1e9, "ns");
    lw_bench_print("archive_with_merges_ns_per_sample", all_s / (double)stats.n_samples * 1e9,
                   "ns");
    lw_bench_print("archive_files_merged", (double)stats.files_merged, "1");
    lw_bench_print("archive_bytes_per_sample", (double)stats.n_bytes / (double)stats.n_samples,
                   "B");
    lw_bench_print("archive_rss_peak", peak_mib(), "MiB");
    lw_bench_print("archive_rss_after", rss_mib(), "MiB");
}

int main(void)
{
    struct lw_engine *engine = calloc(1, sizeof(*engine));
    struct lw_durable *durable = calloc(1, sizeof(*durable));
    struct lw_error error;

    if (engine == NULL || durable == NULL || mkdtemp(dir) == NULL) {
        die("no folder for the files");
    }
    values_read();
    names_make(engine);
    durable->engine = engine;
    durable->io = lw_io_system();
    durable->real_ns = real_ns;
    (void)snprintf(durable->dir, sizeof(durable->dir), "%s", dir);
    (void)snprintf(durable->journal_dir, sizeof(durable->journal_dir), "%s/journal", dir);
    durable->journal_config = (struct lw_journal_config){.io = durable->io,
                                                         .dir = durable->journal_dir};
    must(lw_journal_open(&durable->journal_config, &durable->journal, &error), &error);
    must(lw_archive_create(durable, &durable->archive, &error), &error);
    files_write(durable, durable->archive);
    lw_archive_destroy(durable->archive);
    lw_journal_close(durable->journal);
    folder_remove("journal");
    folder_remove("history");
    (void)rmdir(dir);
    lw_intern_destroy(engine->series_names);
    free(durable);
    free(engine);
    return 0;
}
