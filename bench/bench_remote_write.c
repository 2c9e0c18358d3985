/*
 * Remote write decoded: an unpacked message in, samples of known series out, on one core.
 *
 * 100,000 series with node exporters' labels, one sample each, in 20 messages of version 1.0 and in
 * 20 of 2.0; then a million series, whose names no longer fit any cache. Ours is decoding and
 * looking up every series, up to the feed; the peer is protobuf-c unpacking the same messages
 * of 1.0 into its own structures, in a process of its own (bench/peers/remote_write_protobuf_c).
 */
#define _GNU_SOURCE
#include "support/push.h"

#include "connect/protobuf_write.h"
#include "connect/remote_write/remote_write.h"

#include <string.h>
#include <unistd.h>

#define MANY_COPIES 10

static void label_write(struct lw_writer *out, const char *name, const char *value)
{
    struct lw_writer label;

    lw_writer_init(&label);
    lw_protobuf_write_bytes(&label, 1, name, strlen(name));
    lw_protobuf_write_bytes(&label, 2, value, strlen(value));
    lw_protobuf_write_bytes(out, 1, label.data, label.n_bytes);
    lw_writer_fini(&label);
}

static void sample_write(struct lw_writer *out, const char *value)
{
    struct lw_writer sample;

    lw_writer_init(&sample);
    lw_protobuf_write_double(&sample, 1, strtod(value, NULL));
    lw_protobuf_write_int64(&sample, 2, INT64_C(1000) * PUSH_TIME_S);
    lw_protobuf_write_bytes(out, 2, sample.data, sample.n_bytes);
    lw_writer_fini(&sample);
}

/* Seven labels, as a scraped node exporter's series have. */
static const char *const LABELS[] = {"__name__", "cluster", "device", "instance",
                                     "job",      "mode",    "region"};

static void values_of(const struct push_bench_name *name, const char *ret_values[7])
{
    ret_values[0] = name->metric;
    ret_values[1] = "production";
    ret_values[2] = name->device;
    ret_values[3] = name->instance;
    ret_values[4] = "node-exporter";
    ret_values[5] = "system";
    ret_values[6] = "eu-central-1";
}

static size_t write_1(char *at, size_t capacity, const struct push_bench_name *name,
                      const char *value)
{
    struct lw_writer series, out;
    const char *values[7];
    size_t n_bytes;

    lw_writer_init(&series);
    lw_writer_init(&out);
    values_of(name, values);
    for (size_t i = 0; i < 7; i++) {
        label_write(&series, LABELS[i], values[i]);
    }
    sample_write(&series, value);
    lw_protobuf_write_bytes(&out, 1, series.data, series.n_bytes);
    n_bytes = out.n_bytes;
    if (n_bytes > capacity) {
        push_bench_die("a message is too large");
    }
    memcpy(at, out.data, n_bytes);
    lw_writer_fini(&series);
    lw_writer_fini(&out);
    return n_bytes;
}

/* ---- version 2.0: a table of texts for each message ---- */

struct symbols {
    size_t n;
    char texts[4096][64];
};

static uint32_t symbol_of(struct symbols *symbols, const char *text)
{
    for (size_t i = 0; i < symbols->n; i++) {
        if (strcmp(symbols->texts[i], text) == 0) {
            return (uint32_t)i;
        }
    }
    (void)snprintf(symbols->texts[symbols->n], sizeof(symbols->texts[0]), "%s", text);
    return (uint32_t)symbols->n++;
}

static void body_2(struct push_bench *bench, uint32_t body)
{
    static struct symbols symbols;
    struct lw_writer message, all;

    symbols.n = 1; /* The first is empty. */
    symbols.texts[0][0] = '\0';
    lw_writer_init(&message);
    for (uint32_t k = 0; k < PUSH_SERIES / PUSH_BODIES; k++) {
        struct lw_writer series, refs;
        struct push_bench_name name;
        const char *values[7];
        uint32_t number = body * (PUSH_SERIES / PUSH_BODIES) + k;

        lw_writer_init(&series);
        lw_writer_init(&refs);
        push_bench_name(number, &name);
        values_of(&name, values);
        for (size_t i = 0; i < 7; i++) {
            lw_protobuf_write_varint(&refs, symbol_of(&symbols, LABELS[i]));
            lw_protobuf_write_varint(&refs, symbol_of(&symbols, values[i]));
        }
        lw_protobuf_write_bytes(&series, 1, refs.data, refs.n_bytes);
        sample_write(&series, bench->values[number % bench->n_values]);
        lw_protobuf_write_bytes(&message, 5, series.data, series.n_bytes);
        lw_writer_fini(&refs);
        lw_writer_fini(&series);
    }
    lw_writer_init(&all);
    for (size_t i = 0; i < symbols.n; i++) {
        lw_protobuf_write_bytes(&all, 4, symbols.texts[i], strlen(symbols.texts[i]));
    }
    lw_write_raw(&all, message.data, message.n_bytes);
    bench->bodies[body] = malloc(all.n_bytes);
    memcpy(bench->bodies[body], all.data, all.n_bytes);
    bench->n_bytes[body] = all.n_bytes;
    lw_writer_fini(&all);
    lw_writer_fini(&message);
}

/* ---- the peer ---- */

/* Seconds the peer takes for the first message; 0 without it. */
static double peer_seconds(const struct push_bench *bench, char version[32])
{
    char path[] = "/tmp/lapwing-bench-XXXXXX";
    char command[512];
    double seconds = 0;
    int fd = mkstemp(path);
    FILE *pipe;

    if (fd < 0 || write(fd, bench->bodies[0], bench->n_bytes[0]) != (ssize_t)bench->n_bytes[0]) {
        push_bench_die("no temporary file");
    }
    (void)close(fd);
    (void)snprintf(command, sizeof(command), "'%s/bench/peers/remote_write_protobuf_c' '%s'",
                   LW_TEST_DATA "/../..", path);
    pipe = popen(command, "r"); /* NOLINT(cert-env33-c): our own script. */
    if (pipe == NULL || fscanf(pipe, "%31s %lf", version, &seconds) != 2) {
        (void)fprintf(stderr, "bench_remote_write: no peer: protobuf-c is not there\n");
        seconds = 0;
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    (void)unlink(path);
    return seconds;
}

static double ours_seconds(struct push_bench *bench)
{
    uint64_t before;

    push_bench_run(bench);
    before = bench->n_points;
    push_bench_run(bench);
    if (bench->n_points - before != PUSH_SERIES) {
        push_bench_die("not every sample was taken");
    }
    return lw_bench_median_s(push_bench_run, bench);
}

/* ---- a million series ---- */

/* The messages again and again, under names of their own: the last byte of each "instance" differs.
 */
static void rename_all(struct push_bench *bench, int copy)
{
    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        char *at = bench->bodies[i], *end = at + bench->n_bytes[i];

        while ((at = memmem(at, (size_t)(end - at), "net:910", 7)) != NULL) {
            at[7] = (char)('0' + copy);
            at += 8;
        }
    }
}

static void run_many(void *context)
{
    for (int copy = 0; copy < MANY_COPIES; copy++) {
        rename_all(context, copy);
        push_bench_run(context);
    }
}

static void run_rename(void *context)
{
    for (int copy = 0; copy < MANY_COPIES; copy++) {
        rename_all(context, copy);
    }
}

int main(void)
{
    static struct push_bench one, two;
    char version[32] = "none";
    double ours_s, peer_s, rename_s;

    push_bench_init(&one, &lw_remote_write_class, "/api/v1/write", "application/x-protobuf");
    push_bench_bodies(&one, 512, write_1);
    ours_s = ours_seconds(&one);
    peer_s = peer_seconds(&one, version) * PUSH_BODIES;
    printf("{\"bench\": \"remote_write_decode\", \"value\": %.6g, \"unit\": \"samples/s\", "
           "\"peer\": \"protobuf-c\", \"peer_version\": \"%s\", \"peer_value\": %.6g, "
           "\"ratio\": %.6g}\n",
           PUSH_SERIES / ours_s, version, peer_s > 0 ? PUSH_SERIES / peer_s : 0,
           peer_s > 0 ? peer_s / ours_s : 0);
    (void)fflush(stdout);
    run_many(&one); /* Defines them. */
    rename_s = lw_bench_median_s(run_rename, &one);
    ours_s = lw_bench_median_s(run_many, &one) - rename_s;
    printf("{\"bench\": \"remote_write_decode_1m\", \"value\": %.6g, \"unit\": \"samples/s\"}\n",
           MANY_COPIES * PUSH_SERIES / ours_s);
    push_bench_fini(&one);

    push_bench_init(&two, &lw_remote_write_class, "/api/v1/write",
                    "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    push_bench_values(&two);
    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        body_2(&two, i);
    }
    ours_s = ours_seconds(&two);
    printf("{\"bench\": \"remote_write_2_decode\", \"value\": %.6g, \"unit\": \"samples/s\"}\n",
           PUSH_SERIES / ours_s);
    push_bench_fini(&two);
    return 0;
}
