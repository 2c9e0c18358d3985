/*
 * A sender of samples over HTTP, for benches: real series replicated over labels, an open loop.
 *
 *     load_sender PROTOCOL HOST:PORT PATH SERIES ROUNDS BATCH CONNECTIONS RATE [FIRST [STEP_MS]]
 *
 * PROTOCOL is remote_write, otlp, influx or json. Each round is one sample of every series, one
 * step of time later; BATCH samples make a request; each connection has a share of the series and
 * sends them in order, and none is a whole round ahead of another. With a RATE (samples/s) every
 * request has a moment at which it is meant to be sent, and its latency counts from there, late or
 * not (no coordinated omission); with 0 each connection sends as soon as it is answered. 429, 503
 * and a connection that breaks mean that the same request is sent again, until it is taken. FIRST
 * is the round to begin with: values and times go on. SIGTERM ends it with the round at hand. One
 * JSON object at the end.
 *
 * LOAD_SPIKES names a file to write: then every 20th host has
 * one value far above all others in the course of the rounds (none in the first), and a line there
 * says which series, the sample's time in milliseconds and when its request was meant to be sent,
 * in nanoseconds of the monotonic clock.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "series.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <snappy-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LABELS_MAX 512u
#define SERIES_A_SPIKE (20u * SERIES_METRICS)
#define CONNECTIONS_MAX 64

enum protocol { REMOTE_WRITE, OTLP, INFLUX, JSON };

struct load {
    enum protocol protocol;
    const char *host, *port, *path;
    uint32_t n_series, batch, n_connections;
    int64_t rounds, first;
    double rate;
    int64_t step_ms;
    char (*texts)[LABELS_MAX]; /* What stays the same of a series' sample, by series. */
    uint16_t *n_text;
    struct lw_population population;
    int64_t began_ns;
    FILE *spikes;              /* NULL: none. */
    _Atomic int64_t last;      /* Round to end before. */
    pthread_mutex_t lock;      /* Guards what follows. */
    pthread_cond_t next_round; /* All connections are through with one. */
    uint32_t n_arrived, n_active;
    int64_t n_turns;
};

struct connection {
    struct load *load;
    uint32_t number, from, to; /* Series. */
    int fd;
    struct histogram *latency;
    uint64_t n_sent, n_requests, n_again, n_failed;
    char *body, *packed;
    size_t n_body, n_packed;
    char answer[65536];
    size_t n_answer;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "load_sender: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- series ---- */

static size_t put_varint(char *at, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        at[n++] = (char)(value | 0x80);
        value >>= 7;
    }
    at[n++] = (char)value;
    return n;
}

static size_t put_field(char *at, unsigned tag, const char *bytes, size_t n)
{
    size_t head = put_varint(at, tag);

    head += put_varint(at + head, n);
    memcpy(at + head, bytes, n);
    return head + n;
}

static size_t put_label(char *at, const char *name, const char *value)
{
    char label[256];
    size_t n = put_field(label, 0x0a, name, strlen(name));

    n += put_field(label + n, 0x12, value, strlen(value));
    return put_field(at, 0x0a, label, n);
}

static size_t put_attribute(char *at, const char *key, const char *value)
{
    char any[256], pair[512];
    size_t n_any = put_field(any, 0x0a, value, strlen(value));
    size_t n = put_field(pair, 0x0a, key, strlen(key));

    n += put_field(pair + n, 0x12, any, n_any);
    return put_field(at, 0x3a, pair, n); /* NumberDataPoint.attributes */
}

/* node_metric_17{device="device-3",instance="host-00042:9100",job="node"} in its protocol's form.
 */
static void series_name(struct load *load, uint32_t series)
{
    char *at = load->texts[series];
    struct series_names names;
    size_t n = 0;

    series_name_of(series, &names);
    switch (load->protocol) {
    case REMOTE_WRITE:
        n = put_label(at, "__name__", names.metric);
        n += put_label(at + n, "device", names.device);
        n += put_label(at + n, "instance", names.instance);
        n += put_label(at + n, "job", "node");
        break;
    case OTLP: /* Metric{name}, and the attributes of its one point. */
        n = put_attribute(at, "device", names.device);
        n += put_attribute(at + n, "instance", names.instance);
        n += put_attribute(at + n, "job", "node");
        break;
    case INFLUX:
        n = (size_t)snprintf(at, LABELS_MAX,
                             "%s,device=%s,instance=%s,job=node value=", names.metric, names.device,
                             names.instance);
        break;
    case JSON:
        n = (size_t)snprintf(at, LABELS_MAX,
                             "{\"metric\":\"%s\",\"labels\":{\"device\":\"%s\",\"instance\":\"%s\","
                             "\"job\":\"node\"},\"time\":",
                             names.metric, names.device, names.instance);
        break;
    }
    load->n_text[series] = (uint16_t)n;
}

/* ---- values ---- */

/* At the first series of a host. */
static bool is_spike(const struct load *load, uint32_t series, int64_t round)
{
    return load->spikes != NULL && load->rounds > 1 && series % SERIES_A_SPIKE == 0 &&
           round == load->first + 1 + series / SERIES_A_SPIKE % (load->rounds - 1);
}

static double value_of(const struct load *load, uint32_t series, int64_t round)
{
    double value = lw_population_value(&load->population, series, (size_t)round);

    return is_spike(load, series, round) ? value + 100.0 * series_range(&load->population, series)
                                         : value;
}

static int64_t time_of(const struct load *load, uint32_t series, int64_t round)
{
    return series_time_ms(series, load->n_series, round, load->step_ms);
}

/* ---- requests ---- */

static size_t sample_remote_write(const struct load *load, uint32_t series, int64_t time_ms,
                                  double value, char *at)
{
    char sample[32] = {0x09};
    size_t n_sample = 9, n_text = load->n_text[series], n;

    memcpy(sample + 1, &value, 8);
    sample[n_sample++] = 0x10;
    n_sample += put_varint(sample + n_sample, (uint64_t)time_ms);
    at[0] = 0x0a;
    n = 1 + put_varint(at + 1, n_text + 2 + n_sample);
    memcpy(at + n, load->texts[series], n_text);
    n += n_text;
    at[n++] = 0x12;
    at[n++] = (char)n_sample;
    memcpy(at + n, sample, n_sample);
    return n + n_sample;
}

/* Metric{name=1, gauge=5{data_points=1}} within ScopeMetrics.metrics=2. */
static size_t sample_otlp(const struct load *load, uint32_t series, int64_t time_ms, double value,
                          char *at)
{
    char point[LABELS_MAX + 32], gauge[LABELS_MAX + 48], metric[LABELS_MAX + 128], name[64];
    uint64_t time_ns = (uint64_t)time_ms * 1000000;
    size_t n = 0;
    int n_name = snprintf(name, sizeof(name), "node_metric_%u", series % SERIES_METRICS);

    point[n++] = 0x19; /* time_unix_nano, fixed64 */
    memcpy(point + n, &time_ns, 8);
    n += 8;
    point[n++] = 0x21; /* as_double */
    memcpy(point + n, &value, 8);
    n += 8;
    memcpy(point + n, load->texts[series], load->n_text[series]);
    n += load->n_text[series];
    n = put_field(gauge, 0x0a, point, n);
    {
        size_t n_metric = put_field(metric, 0x0a, name, (size_t)n_name);

        n_metric += put_field(metric + n_metric, 0x2a, gauge, n);
        return put_field(at, 0x12, metric, n_metric);
    }
}

static size_t sample_text(const struct load *load, uint32_t series, int64_t time_ms, double value,
                          char *at)
{
    size_t n = load->n_text[series];

    memcpy(at, load->texts[series], n);
    if (load->protocol == INFLUX) {
        return n + (size_t)sprintf(at + n, "%.6g %lld000000\n", value, (long long)time_ms);
    }
    return n + (size_t)sprintf(at + n, "%lld,\"value\":%.6g}\n", (long long)time_ms, value);
}

/* What stands around the samples of an OTLP request: lengths first, so the body moves. */
static size_t wrap_otlp(char *body, size_t n)
{
    char head[32], outer[32];
    size_t n_head = 0, n_outer = 0;

    head[n_head++] = 0x12; /* ResourceMetrics.scope_metrics */
    n_head += put_varint(head + n_head, n);
    outer[n_outer++] = 0x0a; /* resource_metrics */
    n_outer += put_varint(outer + n_outer, n + n_head);
    memmove(body + n_outer + n_head, body, n);
    memcpy(body, outer, n_outer);
    memcpy(body + n_outer, head, n_head);
    return n + n_head + n_outer;
}

static void request_make(struct connection *c, int64_t round, uint32_t from, uint32_t to)
{
    struct load *load = c->load;
    const char *type = "application/x-protobuf", *encoding = "";
    const char *body = c->body;
    char head[512];
    size_t n = 0;
    int n_head;

    for (uint32_t i = from; i < to; i++) {
        int64_t at_ms = time_of(load, i, round);
        double value = value_of(load, i, round);

        n += load->protocol == REMOTE_WRITE
                 ? sample_remote_write(load, i, at_ms, value, c->body + n)
             : load->protocol == OTLP ? sample_otlp(load, i, at_ms, value, c->body + n)
                                      : sample_text(load, i, at_ms, value, c->body + n);
    }
    if (load->protocol == REMOTE_WRITE) {
        size_t n_packed = snappy_max_compressed_length(n);

        (void)snappy_compress(c->body, n, c->packed + sizeof(head), &n_packed);
        body = c->packed + sizeof(head);
        n = n_packed;
        encoding = "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";
    } else if (load->protocol == OTLP) {
        n = wrap_otlp(c->body, n);
    } else {
        type = load->protocol == INFLUX ? "text/plain" : "application/x-ndjson";
    }
    n_head = snprintf(head, sizeof(head),
                      "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: %s\r\n%sContent-Length: "
                      "%zu\r\n\r\n",
                      load->path, load->host, load->port, type, encoding, n);
    if (load->protocol != REMOTE_WRITE) {
        memcpy(c->packed + sizeof(head), body, n);
    }
    memcpy(c->packed + sizeof(head) - n_head, head, (size_t)n_head);
    c->n_packed = n + (size_t)n_head;
    memmove(c->packed, c->packed + sizeof(head) - n_head, c->n_packed);
}

/* ---- the wire ---- */

static bool connection_open(struct connection *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int one = 1;

    c->n_answer = 0;
    if (getaddrinfo(c->load->host, c->load->port, &hints, &found) != 0) {
        return false;
    }
    c->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd >= 0 && connect(c->fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    freeaddrinfo(found);
    if (c->fd >= 0) {
        (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return c->fd >= 0;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

        if (done <= 0) {
            return false;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

/* The code of the answer, its body read and forgotten; 0 when the connection broke. */
static int answer_read(struct connection *c)
{
    for (;;) {
        char *end;
        ssize_t n;

        c->answer[c->n_answer] = '\0';
        end = strstr(c->answer, "\r\n\r\n");
        if (end != NULL) {
            const char *length = strcasestr(c->answer, "content-length:");
            size_t n_body = length != NULL && length < end ? (size_t)atol(length + 15) : 0;
            size_t n_all = (size_t)(end - c->answer) + 4 + n_body;

            if (c->n_answer >= n_all) {
                int code = atoi(c->answer + 9);

                c->n_answer -= n_all;
                memmove(c->answer, c->answer + n_all, c->n_answer);
                return code;
            }
        }
        n = recv(c->fd, c->answer + c->n_answer, sizeof(c->answer) - 1 - c->n_answer, 0);
        if (n <= 0) {
            return 0;
        }
        c->n_answer += (size_t)n;
    }
}

/* Until it is taken: the sender's own retry. */
static void request_send(struct connection *c, uint32_t n_samples, int64_t meant_ns)
{
    for (;;) {
        int code = 0;

        if (c->fd < 0 && !connection_open(c)) {
            struct timespec nap = {.tv_nsec = 20000000};

            (void)nanosleep(&nap, NULL);
            continue;
        }
        if (write_all(c->fd, c->packed, c->n_packed)) {
            code = answer_read(c);
        }
        if (code >= 200 && code < 300) {
            break;
        }
        if (code == 0) {
            (void)close(c->fd);
            c->fd = -1;
        } else if (code < 500 && code != 429) {
            (void)fprintf(stderr, "load_sender: answer %d\n", code);
            c->n_failed += n_samples;
            return;
        } else {
            struct timespec nap = {.tv_nsec = 50000000};

            (void)nanosleep(&nap, NULL);
        }
        c->n_again++;
    }
    histogram_add(c->latency, now_ns() - meant_ns);
    c->n_sent += n_samples;
    c->n_requests++;
}

static void spikes_write(struct connection *c, int64_t round, uint32_t from, uint32_t to,
                         int64_t meant_ns)
{
    for (uint32_t i = from; i < to; i++) {
        if (is_spike(c->load, i, round)) {
            (void)fprintf(c->load->spikes, "%u %lld %lld\n", i,
                          (long long)time_of(c->load, i, round), (long long)meant_ns);
        }
    }
}

/* Waits for the moment that a request is meant to be sent at, and says which it is. */
static int64_t moment_wait(const struct load *load, uint64_t n_before)
{
    double samples_per_s = load->rate / load->n_connections;
    int64_t meant_ns = load->began_ns + (int64_t)((double)n_before / samples_per_s * 1e9);
    struct timespec until = {.tv_sec = meant_ns / 1000000000, .tv_nsec = meant_ns % 1000000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    return meant_ns;
}

/* None goes on before all are through: samples are in time order, but for one round. */
static void round_end(struct load *load)
{
    int64_t turn;

    (void)pthread_mutex_lock(&load->lock);
    turn = load->n_turns;
    if (++load->n_arrived == load->n_active) {
        load->n_arrived = 0;
        load->n_turns++;
        (void)pthread_cond_broadcast(&load->next_round);
    }
    while (turn == load->n_turns) {
        (void)pthread_cond_wait(&load->next_round, &load->lock);
    }
    (void)pthread_mutex_unlock(&load->lock);
}

static void *connection_main(void *argument)
{
    struct connection *c = argument;
    struct load *load = c->load;
    uint64_t n_before = 0;

    for (int64_t round = load->first; round < atomic_load(&load->last); round++) {
        for (uint32_t from = c->from; from < c->to; from += load->batch) {
            uint32_t to = c->to - from < load->batch ? c->to : from + load->batch;
            int64_t meant_ns;

            request_make(c, round, from, to);
            meant_ns = load->rate > 0.0 ? moment_wait(load, n_before) : now_ns();
            spikes_write(c, round, from, to, meant_ns);
            n_before += to - from;
            request_send(c, to - from, meant_ns);
        }
        round_end(load);
    }
    return NULL;
}

/* SIGTERM: the last round is the one after what any connection may be at. */
static void *signals_main(void *argument)
{
    struct load *load = argument;
    sigset_t signals;
    int number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigwait(&signals, &number);
    (void)pthread_mutex_lock(&load->lock);
    if (load->first + load->n_turns + 2 < atomic_load(&load->last)) {
        atomic_store(&load->last, load->first + load->n_turns + 2);
    }
    (void)pthread_mutex_unlock(&load->lock);
    return NULL;
}

/* ---- the whole ---- */

static void load_prepare(struct load *load, char **argv, int argc)
{
    static const char *const NAMES[] = {"remote_write", "otlp", "influx", "json"};
    char *colon;

    for (int i = 0; i < 4; i++) {
        load->protocol = strcmp(argv[1], NAMES[i]) == 0 ? (enum protocol)i : load->protocol;
    }
    load->host = argv[2];
    colon = strrchr(argv[2], ':');
    *colon = '\0';
    load->port = colon + 1;
    load->path = argv[3];
    load->n_series = (uint32_t)atol(argv[4]);
    load->rounds = atoll(argv[5]);
    load->batch = (uint32_t)atol(argv[6]);
    load->n_connections = (uint32_t)atol(argv[7]);
    load->rate = atof(argv[8]);
    load->step_ms = argc > 10 ? atoll(argv[10]) : LW_POPULATION_STEP_NS / 1000000;
    load->first = argc > 9 ? atoll(argv[9]) : 0;
    load->last = load->first + load->rounds;
    load->n_active = load->n_connections;
    (void)pthread_mutex_init(&load->lock, NULL);
    (void)pthread_cond_init(&load->next_round, NULL);
    if (getenv("LOAD_SPIKES") != NULL) {
        load->spikes = fopen(getenv("LOAD_SPIKES"), "w");
        if (load->spikes == NULL) {
            die(getenv("LOAD_SPIKES"));
        }
    }
    load->texts = malloc((size_t)load->n_series * LABELS_MAX);
    load->n_text = malloc(load->n_series * sizeof(uint16_t));
    load->population = lw_population_read();
    for (uint32_t i = 0; i < load->n_series; i++) {
        series_name(load, i);
    }
}

static void load_report(const struct load *load, struct connection *connections, int64_t took_ns)
{
    struct histogram *all = connections[0].latency;
    struct rusage usage;
    uint64_t n_sent = connections[0].n_sent, n_requests = connections[0].n_requests,
             n_again = connections[0].n_again, n_failed = connections[0].n_failed;
    double cpu_s;

    for (uint32_t i = 1; i < load->n_connections; i++) {
        histogram_merge(all, connections[i].latency);
        n_sent += connections[i].n_sent;
        n_requests += connections[i].n_requests;
        n_again += connections[i].n_again;
        n_failed += connections[i].n_failed;
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    (void)printf("{\"samples\": %llu, \"rounds\": %lld, \"requests\": %llu, \"again\": %llu, "
                 "\"failed\": %llu, "
                 "\"wall_s\": %.3f, \"samples_per_s\": %.0f, \"cpu_s\": %.3f, \"p50_ms\": %.3f, "
                 "\"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
                 (unsigned long long)n_sent, (long long)load->n_turns,
                 (unsigned long long)n_requests, (unsigned long long)n_again,
                 (unsigned long long)n_failed, (double)took_ns / 1e9,
                 (double)n_sent / ((double)took_ns / 1e9), cpu_s, histogram_ms(all, 0.5),
                 histogram_ms(all, 0.99), (double)all->max_ns / 1e6);
}

/* The first series of a connection: a host's go over one, as a scrape does. */
static uint32_t share_of(const struct load *load, uint32_t number)
{
    uint64_t series = (uint64_t)load->n_series * number / load->n_connections;

    return number == load->n_connections ? load->n_series
                                         : (uint32_t)(series / SERIES_METRICS * SERIES_METRICS);
}

int main(int argc, char **argv)
{
    static struct load load;
    static struct connection connections[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX], signals_thread;
    sigset_t signals;

    if (argc < 9) {
        (void)fprintf(stderr, "usage: load_sender PROTOCOL HOST:PORT PATH SERIES ROUNDS BATCH "
                              "CONNECTIONS RATE [FIRST [STEP_MS]]\n");
        return 2;
    }
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    load_prepare(&load, argv, argc);
    if (load.n_connections == 0 || load.n_connections > CONNECTIONS_MAX || load.batch == 0 ||
        load.n_series < load.n_connections ||
        pthread_create(&signals_thread, NULL, signals_main, &load) != 0) {
        (void)fprintf(stderr, "load_sender: 1 to %d connections, each with a series, and a batch\n",
                      CONNECTIONS_MAX);
        return 2;
    }
    load.began_ns = now_ns();
    for (uint32_t i = 0; i < load.n_connections; i++) {
        struct connection *c = &connections[i];

        c->load = &load;
        c->number = i;
        c->from = share_of(&load, i);
        c->to = share_of(&load, i + 1);
        c->fd = -1;
        c->latency = calloc(1, sizeof(*c->latency));
        c->body = malloc((size_t)load.batch * (LABELS_MAX + 64) + 256);
        c->packed = malloc(snappy_max_compressed_length((size_t)load.batch * (LABELS_MAX + 64)) +
                           4096);
        if (pthread_create(&threads[i], NULL, connection_main, c) != 0) {
            die("thread");
        }
    }
    for (uint32_t i = 0; i < load.n_connections; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    load_report(&load, connections, now_ns() - load.began_ns);
    if (load.spikes != NULL && fclose(load.spikes) != 0) {
        die("LOAD_SPIKES");
    }
    return 0;
}
