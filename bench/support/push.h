/*
 * What benches of push sources share: 100,000 series named as node exporters of 1,000 hosts name
 * them, values of a real server, a feed that takes everything, and the decoder's rate on one core.
 *
 * The values are metrics of machine-1-6 of SMD, as they are written there.
 */
#ifndef LW_BENCH_SUPPORT_PUSH_H
#define LW_BENCH_SUPPORT_PUSH_H

#include "bench.h"

#include "connect/push.h"

#include <stdbool.h>

#define PUSH_HOSTS 1000
#define PUSH_METRICS 100
#define PUSH_SERIES (PUSH_HOSTS * PUSH_METRICS)
#define PUSH_BODIES 20 /* Requests that hold a sample of each series. */
#define PUSH_TIME_S 1700000000
#define PUSH_VALUES 65536
#define PUSH_CSV LW_TEST_DATA "/smd/machine-1-6-train.csv"

struct push_bench {
    const struct lw_push_class *class_;
    struct lw_push_input input;
    struct lw_ingest *ingest;
    struct lw_ingest_request *request;
    uint32_t n_series;
    uint64_t n_points;
    char *bodies[PUSH_BODIES];
    size_t n_bytes[PUSH_BODIES];
    char values[PUSH_VALUES][24]; /* Texts of the file. */
    uint32_t n_values;
};

static inline void push_bench_die(const char *what)
{
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline enum lw_status push_bench_series(void *context, const struct lw_series_key *key,
                                               uint32_t *ret_series, struct lw_error *reterr)
{
    struct push_bench *bench = context;

    (void)key;
    (void)reterr;
    *ret_series = bench->n_series++;
    return LW_OK;
}

static inline enum lw_status push_bench_push(void *context, const struct lw_point *points, size_t n)
{
    struct push_bench *bench = context;

    (void)points;
    bench->n_points += n;
    return LW_OK;
}

static inline enum lw_status push_bench_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static inline void push_bench_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    (void)n;
    push_bench_die(reason);
}

static inline uint64_t push_bench_position(void *context)
{
    (void)context;
    return 0;
}

static inline const char *push_bench_query(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

static inline void push_bench_values(struct push_bench *bench)
{
    char line[4096];
    FILE *file = fopen(PUSH_CSV, "r");

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        push_bench_die(PUSH_CSV " cannot be read");
    }
    while (bench->n_values < PUSH_VALUES && fgets(line, sizeof(line), file) != NULL) {
        char *rest = NULL;

        for (char *at = strtok_r(line, ",\n", &rest); at != NULL && bench->n_values < PUSH_VALUES;
             at = strtok_r(NULL, ",\n", &rest)) {
            (void)snprintf(bench->values[bench->n_values++], sizeof(bench->values[0]), "%s", at);
        }
    }
    (void)fclose(file);
}

/* What a series is called. */
struct push_bench_name {
    char metric[64], instance[64], device[32];
};

static inline void push_bench_name(uint32_t series, struct push_bench_name *ret_name)
{
    static const char *const metrics[] = {"node_cpu_seconds_total",
                                          "node_network_receive_bytes_total",
                                          "node_network_transmit_bytes_total",
                                          "node_disk_io_time_seconds_total",
                                          "node_disk_read_bytes_total",
                                          "node_disk_written_bytes_total",
                                          "node_filesystem_avail_bytes",
                                          "node_memory_MemAvailable_bytes",
                                          "node_load1",
                                          "node_context_switches_total"};
    static const char *const devices[] = {"cpu0", "cpu1", "cpu2",    "cpu3", "eth0",
                                          "sda",  "sdb",  "nvme0n1", "lo",   "dm-0"};
    uint32_t metric = series % PUSH_METRICS;

    (void)snprintf(ret_name->metric, sizeof(ret_name->metric), "%s", metrics[metric / 10]);
    (void)snprintf(ret_name->device, sizeof(ret_name->device), "%s", devices[metric % 10]);
    (void)snprintf(ret_name->instance, sizeof(ret_name->instance), "web-%04u.example.net:9100",
                   series / PUSH_METRICS);
}

/* Builds the bodies: `write` puts one sample's line at the end of a body and returns its length. */
static inline void push_bench_bodies(struct push_bench *bench, size_t line_bytes_max,
                                     size_t (*write)(char *at, size_t capacity,
                                                     const struct push_bench_name *name,
                                                     const char *value))
{
    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        size_t capacity = PUSH_SERIES / PUSH_BODIES * line_bytes_max;

        bench->bodies[i] = malloc(capacity);
        if (bench->bodies[i] == NULL) {
            push_bench_die("no memory");
        }
        for (uint32_t k = 0; k < PUSH_SERIES / PUSH_BODIES; k++) {
            struct push_bench_name name;
            uint32_t series = i * (PUSH_SERIES / PUSH_BODIES) + k;

            push_bench_name(series, &name);
            bench->n_bytes[i] += write(bench->bodies[i] + bench->n_bytes[i],
                                       capacity - bench->n_bytes[i], &name,
                                       bench->values[series % bench->n_values]);
        }
    }
}

static inline void push_bench_init(struct push_bench *bench, const struct lw_push_class *class_,
                                   const char *path, const char *content_type)
{
    const struct lw_feed feed = {.series = push_bench_series,
                                 .push = push_bench_push,
                                 .watermark = push_bench_watermark,
                                 .dropped = push_bench_dropped,
                                 .position = push_bench_position,
                                 .durable = push_bench_position,
                                 .context = bench};
    const struct lw_ingest_config config = {.feed = &feed, .source = class_->source};

    bench->class_ = class_;
    bench->input = (struct lw_push_input){
        .path = path, .content_type = content_type, .query = push_bench_query, .context = bench};
    if (lw_ingest_create(&config, &bench->ingest, NULL) != LW_OK ||
        lw_ingest_request_create(bench->ingest, &bench->request, NULL) != LW_OK) {
        push_bench_die("no memory");
    }
    push_bench_values(bench);
}

static inline void push_bench_fini(struct push_bench *bench)
{
    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        free(bench->bodies[i]);
    }
    lw_ingest_request_destroy(bench->request);
    lw_ingest_destroy(bench->ingest);
}

/* A sample of each series, request by request. */
static inline void push_bench_run(void *context)
{
    struct push_bench *bench = context;

    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        struct lw_push_answer answer = {0};

        bench->input.body = (const uint8_t *)bench->bodies[i];
        bench->input.n_bytes = bench->n_bytes[i];
        lw_ingest_request_reset(bench->request);
        bench->class_->take(&bench->input, bench->request, &answer);
        if (answer.code >= 300) {
            (void)fprintf(stderr, "%.*s\n", (int)answer.body.n_bytes, (char *)answer.body.data);
            push_bench_die("a request was refused");
        }
        lw_writer_fini(&answer.body);
    }
}

/* Measures the class beside `peer`, which reads the same bodies; both a sample of each series. */
static inline void push_bench_print(const char *figure, struct push_bench *bench,
                                    void (*peer)(void *context), const char *peer_name,
                                    const char *peer_version)
{
    double ours_s, peer_s;
    uint64_t before;

    push_bench_run(bench);
    before = bench->n_points;
    push_bench_run(bench);
    if (bench->n_series != PUSH_SERIES || bench->n_points - before != PUSH_SERIES) {
        push_bench_die("not every sample was taken");
    }
    ours_s = lw_bench_median_s(push_bench_run, bench);
    peer_s = lw_bench_median_s(peer, bench);
    printf("{\"bench\": \"%s\", \"value\": %.6g, \"unit\": \"samples/s\", \"peer\": \"%s\", "
           "\"peer_version\": \"%s\", \"peer_value\": %.6g, \"ratio\": %.6g}\n",
           figure, PUSH_SERIES / ours_s, peer_name, peer_version, PUSH_SERIES / peer_s,
           peer_s / ours_s);
    (void)fflush(stdout);
}

#endif
