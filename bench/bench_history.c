/*
 * The compressed history on real series: bytes a sample (times and names included), M samples/s in
 * and out per CPU second, beside zstd -3 of the 16 byte pairs and the size Gorilla would need.
 *
 * Sets: `host` (the recordings in tests/data), `smd` (there, too); with DATA=dir, which holds kpi/
 * and smd/ in full, `kpi` and the five machines. `fleet`: those series replicated over 100,000
 * names of about 110 bytes, 10 s apart with their instance's jitter of milliseconds, in files of 40
 * samples a series, apart and merged.
 */
#include "support/bench.h"

#include "base/rng.h"
#include "connect/recording.h"
#include "lapwing/plugin.h"
#include "store/history.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define SERIES_MAX 1024
#define SECOND ((int64_t)1000000000)
#define FLEET_SERIES 100000u
#define FLEET_SAMPLES 40
#define FLEET_FILES 8

struct series {
    int64_t *times_ns;
    double *values;
    size_t n, capacity;
};

struct set {
    const char *name;
    struct series series[SERIES_MAX];
    size_t n;
    size_t base; /* Number of the first series of the recording that is read. */
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench_history: %s\n", what);
    exit(1);
}

static void must(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        die(error->message);
    }
}

static void series_add(struct series *series, int64_t time_ns, double value)
{
    if (series->n == series->capacity) {
        series->capacity = series->capacity * 2 + 1024;
        series->times_ns = realloc(series->times_ns, series->capacity * sizeof(int64_t));
        series->values = realloc(series->values, series->capacity * sizeof(double));
    }
    series->times_ns[series->n] = time_ns;
    series->values[series->n++] = value;
}

/* ---- reading the sets ---- */

/* Rows of a CSV file, plain or compressed. With `time` the first column is seconds and the second
 * the value; else each column is a series of minutes, but for "label". */
static void csv_read(struct set *set, const char *path, bool time)
{
    static char line[65536];
    gzFile file = gzopen(path, "rb");
    size_t row = 0;
    int64_t minute = 60 * SECOND;

    if (file == NULL || gzgets(file, line, sizeof(line)) == NULL) {
        die(path);
    }
    for (; gzgets(file, line, sizeof(line)) != NULL; row++) {
        char *at = line;
        size_t i = 0;
        int64_t time_ns = 1500000000 * SECOND + (int64_t)row * minute;

        if (time) {
            time_ns = strtoll(at, &at, 10) * SECOND;
            at++;
        }
        while (*at != '\0' && *at != '\n' && i < (time ? 1 : 38)) {
            series_add(&set->series[set->n + i++], time_ns, strtod(at, &at));
            at += *at == ',';
        }
    }
    set->n += time ? 1 : 38;
    (void)gzclose(file);
}

static void folder_read(struct set *set, const char *data, const char *folder, bool time)
{
    char path[1024];
    DIR *dir;
    struct dirent *entry;

    (void)snprintf(path, sizeof(path), "%s/%s", data, folder);
    dir = opendir(path);
    if (dir == NULL) {
        die(path);
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".csv") != NULL && set->n + 38 <= SERIES_MAX) {
            (void)snprintf(path, sizeof(path), "%s/%s/%s", data, folder, entry->d_name);
            csv_read(set, path, time);
        }
    }
    (void)closedir(dir);
}

static enum lw_status feed_series(void *context, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct set *set = context;

    (void)key;
    (void)reterr;
    *ret_series = (uint32_t)(set->n - set->base);
    return ++set->n <= SERIES_MAX ? LW_OK : LW_ELIMIT;
}

static enum lw_status feed_push(void *context, const struct lw_point *points, size_t n)
{
    struct set *set = context;

    for (size_t i = 0; i < n; i++) {
        series_add(&set->series[set->base + points[i].series], points[i].time_ns, points[i].value);
    }
    return LW_OK;
}

static enum lw_status feed_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static void feed_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    (void)reason;
    (void)n;
}

static enum lw_status feed_of(void *context, const char *source, struct lw_feed *ret_feed,
                              struct lw_error *reterr)
{
    (void)source;
    (void)reterr;
    *ret_feed = (struct lw_feed){.series = feed_series,
                                 .push = feed_push,
                                 .watermark = feed_watermark,
                                 .dropped = feed_dropped,
                                 .context = context};
    return LW_OK;
}

static void recording_read(struct set *set, const char *path)
{
    struct lw_recording_player player = {feed_of, set};
    struct lw_recording *recording;
    struct lw_error error;
    bool more = true;

    set->base = set->n;
    must(lw_recording_open(path, &player, &recording, &error), &error);
    while (more) {
        must(lw_recording_next(recording, &more, &error), &error);
    }
    lw_recording_close(recording);
}

/* ---- what others need ---- */

static unsigned bits_dod(int64_t dod)
{
    return dod == 0                               ? 1
           : dod >= -63 && dod <= 64              ? 9
           : dod >= -255 && dod <= 256            ? 12
           : dod >= -2047 && dod <= 2048          ? 16
           : dod >= INT32_MIN && dod <= INT32_MAX ? 36
                                                  : 68;
}

/* Bytes by the paper's encoding (Pelkonen et al., 2015), times in milliseconds. */
static double gorilla_bytes(const struct series *series)
{
    uint64_t n_bits = 128, before = 0, bits;
    int64_t last = 0, delta = 0;
    int lead = -1, trail = 0;

    for (size_t i = 0; i < series->n; i++) {
        int64_t time = series->times_ns[i] / 1000000;
        uint64_t changed;

        memcpy(&bits, &series->values[i], sizeof(bits));
        changed = bits ^ before;
        if (i > 0) {
            n_bits += bits_dod(time - last - delta);
            delta = time - last;
            if (changed == 0) {
                n_bits += 1;
            } else {
                int zeros = __builtin_clzll(changed), ends = __builtin_ctzll(changed);

                zeros = zeros > 31 ? 31 : zeros;
                if (lead >= 0 && zeros >= lead && ends >= trail) {
                    n_bits += 2 + (uint64_t)(64 - lead - trail);
                } else {
                    lead = zeros;
                    trail = ends;
                    n_bits += 2 + 5 + 6 + (uint64_t)(64 - lead - trail);
                }
            }
        }
        last = time;
        before = bits;
    }
    return (double)n_bits / 8;
}

/* zstd -3 of (time, value) pairs, 4,096 at a time; adds its CPU time. */
static double zstd_bytes(const struct series *series, double *seconds)
{
    static uint8_t pairs[4096 * 16], packed[4096 * 17 + 1024];
    double bytes = 0, begin = lw_bench_cpu_s();

    for (size_t at = 0; at < series->n; at += 4096) {
        size_t n = series->n - at < 4096 ? series->n - at : 4096;

        for (size_t i = 0; i < n; i++) {
            memcpy(pairs + 16 * i, &series->times_ns[at + i], 8);
            memcpy(pairs + 16 * i + 8, &series->values[at + i], 8);
        }
        bytes += (double)ZSTD_compress(packed, sizeof(packed), pairs, n * 16, 3);
    }
    *seconds += lw_bench_cpu_s() - begin;
    return bytes;
}

/* ---- ours ---- */

static char dir[] = "/tmp/lapwing-bench-XXXXXX";

static const char *name_of(void *context, uint32_t series)
{
    static char names[FLEET_SERIES][128];

    (void)context;
    if (names[series][0] == '\0') {
        (void)snprintf(names[series], sizeof(names[series]),
                       "node_metric_%03u_total{datacenter=\"eu-west-1\",instance=\"host-%04u."
                       "example.org:9100\",job=\"node\",rack=\"r%02u\"}",
                       series % 100, series / 100, series / 100 % 40);
    }
    return names[series];
}

static void remove_one(void *context, const char *name)
{
    char path[1024];

    (void)context;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)unlink(path);
}

static void names_of(void *context, const uint32_t *series, size_t n,
                     struct lw_history_name *ret_names)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = name_of(context, series[i]);

        ret_names[i] = (struct lw_history_name){text, strlen(text)};
    }
}

static struct lw_history *history_open(void)
{
    struct lw_history_config config = {.io = lw_io_system(), .dir = dir, .names = names_of};
    struct lw_history *history;
    struct lw_error error;

    (void)config.io->list(NULL, dir, remove_one, NULL);
    must(lw_history_open(&config, &history, &error), &error);
    return history;
}

static void print(const struct set *set, const char *what, double value, const char *unit)
{
    char bench[128];

    (void)snprintf(bench, sizeof(bench), "history_%s_%s", set->name, what);
    lw_bench_print(bench, value, unit);
}

/* Reads all back and compares; CPU seconds. */
static double read_all(struct lw_history *history, const struct set *set)
{
    struct lw_history_samples samples;
    struct lw_history_view *view;
    struct lw_error error;
    double begin = lw_bench_cpu_s();

    lw_history_samples_init(&samples);
    must(lw_history_view_open(history, &view, &error), &error);
    for (uint32_t i = 0; i < set->n; i++) {
        const struct series *series = &set->series[i];

        must(lw_history_read(view, name_of(NULL, i), INT64_MIN, INT64_MAX, &samples, &error),
             &error);
        if (samples.n != series->n ||
            memcmp(samples.times_ns, series->times_ns, series->n * sizeof(int64_t)) != 0 ||
            memcmp(samples.values, series->values, series->n * sizeof(double)) != 0) {
            die("a series did not come back as it was");
        }
    }
    lw_history_view_close(view);
    lw_history_samples_fini(&samples);
    return lw_bench_cpu_s() - begin;
}

/* One file of the whole set, in the order a journal has: sample by sample over all series. */
static enum lw_status set_give(void *context, const struct lw_history_taker *taker,
                               struct lw_error *reterr)
{
    const struct set *set = context;
    enum lw_status status = LW_OK;
    bool more = true;

    for (size_t row = 0; more && status == LW_OK; row++) {
        more = false;
        for (uint32_t i = 0; i < set->n && status == LW_OK; i++) {
            const struct series *series = &set->series[i];

            if (row < series->n) {
                struct lw_history_input point = {i, series->times_ns[row], series->values[row]};

                status = taker->take(taker->context, &point, 1, reterr);
                more = true;
            }
        }
    }
    return status;
}

static void bench_set(const struct set *set)
{
    struct lw_history *history = history_open();
    const struct lw_history_source source = {set_give, (void *)set};
    struct lw_history_stats stats;
    struct lw_error error;
    double gorilla = 0, zstd = 0, zstd_s = 0, begin, write_s, n;

    for (size_t i = 0; i < set->n; i++) {
        gorilla += gorilla_bytes(&set->series[i]);
        zstd += zstd_bytes(&set->series[i], &zstd_s);
    }
    begin = lw_bench_cpu_s();
    must(lw_history_write(history, 1, 1, &source, &error), &error);
    write_s = lw_bench_cpu_s() - begin;
    lw_history_stats(history, &stats);
    n = (double)stats.n_samples;
    print(set, "samples", n, "1");
    print(set, "bytes_per_sample", (double)stats.n_bytes / n, "B");
    print(set, "gorilla_bytes_per_sample", gorilla / n, "B");
    print(set, "zstd3_bytes_per_sample", zstd / n, "B");
    print(set, "write_ns_per_sample", write_s / n * 1e9, "ns");
    print(set, "zstd3_ns_per_sample", zstd_s / n * 1e9, "ns");
    print(set, "write_mb_per_cpu_s", n * 16e-6 / write_s, "MB/s");
    print(set, "read_msamples_per_cpu_s", n * 1e-6 / read_all(history, set), "M/s");
    lw_history_close(history);
}

/* What file number `file` of the fleet is made of, in the order of a journal. */
static void fleet_points(const struct set *set, uint64_t file, struct lw_history_input *ret_points)
{
    size_t n = 0;

    for (uint64_t row = file * FLEET_SAMPLES; row < (file + 1) * FLEET_SAMPLES; row++) {
        for (uint32_t i = 0; i < FLEET_SERIES; i++) {
            const struct series *source = &set->series[i * 7919 % set->n];
            uint32_t instance = i / 100;
            int64_t ms = instance + (int64_t)(lw_rng_mix(row * 1000 + instance) % 8);

            ret_points[n++] = (struct lw_history_input){
                i, (1763700000 + (int64_t)row * 10) * SECOND + ms * 1000000,
                source->values[(row + instance * 37) % source->n]};
        }
    }
}

static enum lw_status fleet_give(void *context, const struct lw_history_taker *taker,
                                 struct lw_error *reterr)
{
    return taker->take(taker->context, context, FLEET_SERIES * FLEET_SAMPLES, reterr);
}

/* 100,000 series as a fleet has them, in files of few samples each, then merged. */
static void bench_fleet(struct set *set)
{
    struct lw_history *history = history_open();
    struct lw_history_input *points = malloc(sizeof(*points) * FLEET_SERIES * FLEET_SAMPLES);
    struct lw_history_stats stats;
    struct lw_error error;
    double begin, write_s = 0;
    size_t n_merged = 1;

    if (points == NULL) {
        die("no memory");
    }
    set->name = "fleet";
    for (uint32_t i = 0; i < FLEET_SERIES; i++) {
        (void)name_of(NULL, i);
    }
    for (uint64_t file = 0; file < FLEET_FILES; file++) {
        const struct lw_history_source source = {fleet_give, points};

        fleet_points(set, file, points);
        begin = lw_bench_cpu_s();
        must(lw_history_write(history, file + 1, file + 1, &source, &error), &error);
        write_s += lw_bench_cpu_s() - begin;
    }
    free(points);
    lw_history_stats(history, &stats);
    print(set, "bytes_per_sample", (double)stats.n_bytes / (double)stats.n_samples, "B");
    print(set, "write_ns_per_sample", write_s / (double)stats.n_samples * 1e9, "ns");
    begin = lw_bench_cpu_s();
    while (n_merged > 0) {
        must(lw_history_compact(history, &n_merged, &error), &error);
    }
    write_s = lw_bench_cpu_s() - begin;
    lw_history_stats(history, &stats);
    print(set, "files_merged", (double)stats.files_merged, "1");
    print(set, "merged_bytes_per_sample", (double)stats.n_bytes / (double)stats.n_samples, "B");
    print(set, "merge_ns_per_sample", write_s / (double)stats.n_samples * 1e9, "ns");
    lw_history_close(history);
}

int main(void)
{
    static const char *const recordings[] = {"small-server", "loop-disk",  "live-run",
                                             "quiet-hour",   "live-quiet", "busy-machine"};
    static struct set host = {.name = "host"}, smd = {.name = "smd"}, kpi = {.name = "kpi"};
    static struct set all;
    const char *data = getenv("DATA");

    if (mkdtemp(dir) == NULL) {
        die("no folder for the files");
    }
    for (size_t i = 0; i < sizeof(recordings) / sizeof(recordings[0]); i++) {
        char path[1024];

        (void)snprintf(path, sizeof(path), "%s/host/recordings/%s.rec.gz", LW_TEST_DATA,
                       recordings[i]);
        recording_read(&host, path);
    }
    if (data != NULL) {
        folder_read(&smd, data, "smd/train", false);
        folder_read(&kpi, data, "kpi/series", true);
    } else {
        csv_read(&smd, LW_TEST_DATA "/smd/machine-1-6-train.csv", false);
    }
    bench_set(&host);
    bench_set(&smd);
    if (kpi.n > 0) {
        bench_set(&kpi);
    }
    for (size_t i = 0; i < host.n && all.n < SERIES_MAX; i++) {
        all.series[all.n++] = host.series[i];
        if (i < smd.n) {
            all.series[all.n++] = smd.series[i];
        }
        if (i < kpi.n) {
            all.series[all.n++] = kpi.series[i];
        }
    }
    bench_fleet(&all);
    (void)lw_io_system()->list(NULL, dir, remove_one, NULL);
    (void)rmdir(dir);
    return 0;
}
