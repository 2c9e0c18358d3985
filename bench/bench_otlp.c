/*
 * OTLP metrics decoded: bytes in, samples of known series out, in protobuf and in JSON, on one
 * core.
 *
 * A request has 500 resources of 5 metrics of 40 points with 3 attributes each, all of them series
 * known before the clock starts, values of real series. Ours is decoding and looking up every
 * series, up to the feed; the peers only parse, into their own structures: protobuf-c in a process
 * of its own, jansson in this one.
 */
#include "support/bench.h"
#include "support/population.h"

#include "connect/ingest.h"
#include "connect/otlp/push_otlp.h"
#include "connect/protobuf_write.h"

#include <inttypes.h>
#include <jansson.h>
#include <unistd.h>

#define N_RESOURCES 500
#define N_METRICS 5
#define N_POINTS 40
#define N_ALL (N_RESOURCES * N_METRICS * N_POINTS)

/* A request, written in both encodings at once. */
struct request {
    struct lw_writer protobuf;
    char *json;
    size_t n_json;
};

static __attribute__((noreturn)) void die(const char *what)
{
    (void)fprintf(stderr, "bench_otlp: %s\n", what);
    exit(1);
}

/* ---- the request ---- */

static void attribute_write(struct lw_writer *out, uint32_t number, FILE *json, const char *key,
                            const char *text, int64_t integer)
{
    struct lw_writer value, pair;

    lw_writer_init(&value);
    lw_writer_init(&pair);
    lw_protobuf_write_bytes(&pair, 1, key, strlen(key));
    if (text != NULL) {
        lw_protobuf_write_bytes(&value, 1, text, strlen(text));
        (void)fprintf(json, "{\"key\":\"%s\",\"value\":{\"stringValue\":\"%s\"}}", key, text);
    } else {
        lw_protobuf_write_int64(&value, 3, integer);
        (void)fprintf(json, "{\"key\":\"%s\",\"value\":{\"intValue\":%" PRId64 "}}", key, integer);
    }
    lw_protobuf_write_bytes(&pair, 2, value.data, value.n_bytes);
    lw_protobuf_write_bytes(out, number, pair.data, pair.n_bytes);
    lw_writer_fini(&value);
    lw_writer_fini(&pair);
}

static void time_write(struct lw_writer *out, uint32_t number, int64_t time_ns)
{
    lw_protobuf_write_varint(out, LW_PROTOBUF_KEY(number, LW_PROTOBUF_FIXED64));
    lw_write_i64(out, time_ns);
}

static void point_write(struct lw_writer *out, FILE *json, size_t number, double value)
{
    static const char *const methods[] = {"GET", "POST"};
    int64_t start_ns = LW_POPULATION_START_NS, time_ns = lw_population_time(100);
    struct lw_writer point;
    char route[64];

    (void)snprintf(route, sizeof(route), "/api/v1/items/%zu", number / 8 % 5);
    lw_writer_init(&point);
    time_write(&point, 2, start_ns);
    time_write(&point, 3, time_ns);
    lw_protobuf_write_double(&point, 4, value);
    (void)fprintf(json, "{\"attributes\":[");
    attribute_write(&point, 7, json, "http.request.method", methods[number % 2], 0);
    (void)fputc(',', json);
    attribute_write(&point, 7, json, "http.route", route, 0);
    (void)fputc(',', json);
    attribute_write(&point, 7, json, "http.response.status_code", NULL,
                    200 + (int64_t)(number / 2 % 4));
    (void)fprintf(json,
                  "],\"startTimeUnixNano\":\"%" PRId64 "\",\"timeUnixNano\":\"%" PRId64
                  "\",\"asDouble\":%.17g}",
                  start_ns, time_ns, value);
    lw_protobuf_write_bytes(out, 1, point.data, point.n_bytes);
    lw_writer_fini(&point);
}

static void metric_write(struct lw_writer *out, FILE *json, const struct lw_population *population,
                         size_t number)
{
    struct lw_writer sum, metric;
    char name[64];

    (void)snprintf(name, sizeof(name), "http.server.requests.%zu", number % N_METRICS);
    (void)fprintf(json, "{\"name\":\"%s\",\"unit\":\"{request}\",\"sum\":{\"dataPoints\":[", name);
    lw_writer_init(&sum);
    lw_writer_init(&metric);
    for (size_t i = 0; i < N_POINTS; i++) {
        (void)fputs(i > 0 ? "," : "", json);
        point_write(&sum, json, i, lw_population_value(population, number * N_POINTS + i, 100));
    }
    (void)fprintf(json, "],\"aggregationTemporality\":2,\"isMonotonic\":true}}");
    lw_protobuf_write_int64(&sum, 2, 2);
    lw_protobuf_write_int64(&sum, 3, 1);
    lw_protobuf_write_bytes(&metric, 1, name, strlen(name));
    lw_protobuf_write_bytes(&metric, 3, "{request}", 9);
    lw_protobuf_write_bytes(&metric, 7, sum.data, sum.n_bytes);
    lw_protobuf_write_bytes(out, 2, metric.data, metric.n_bytes);
    lw_writer_fini(&sum);
    lw_writer_fini(&metric);
}

static void resource_write(struct lw_writer *out, FILE *json,
                           const struct lw_population *population, size_t number)
{
    struct lw_writer resource, scope, whole;
    char pod[64];

    (void)snprintf(pod, sizeof(pod), "checkout-7d9f8b6c5d-%05zu", number);
    lw_writer_init(&resource);
    lw_writer_init(&scope);
    lw_writer_init(&whole);
    (void)fprintf(json, "{\"resource\":{\"attributes\":[");
    attribute_write(&resource, 1, json, "service.name", "checkout", 0);
    (void)fputc(',', json);
    attribute_write(&resource, 1, json, "service.instance.id", pod, 0);
    (void)fputc(',', json);
    attribute_write(&resource, 1, json, "telemetry.sdk.language", "go", 0);
    (void)fprintf(json, "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"library\"},\"metrics\":[");
    lw_protobuf_write_bytes(&scope, 1, "\x0a\x07library", 9);
    for (size_t i = 0; i < N_METRICS; i++) {
        (void)fputs(i > 0 ? "," : "", json);
        metric_write(&scope, json, population, number * N_METRICS + i);
    }
    (void)fprintf(json, "]}]}");
    lw_protobuf_write_bytes(&whole, 1, resource.data, resource.n_bytes);
    lw_protobuf_write_bytes(&whole, 2, scope.data, scope.n_bytes);
    lw_protobuf_write_bytes(out, 1, whole.data, whole.n_bytes);
    lw_writer_fini(&resource);
    lw_writer_fini(&scope);
    lw_writer_fini(&whole);
}

static struct request request_write(void)
{
    struct lw_population population = lw_population_read();
    struct request request = {.json = NULL};
    FILE *json = open_memstream(&request.json, &request.n_json);

    lw_writer_init(&request.protobuf);
    (void)fprintf(json, "{\"resourceMetrics\":[");
    for (size_t i = 0; i < N_RESOURCES; i++) {
        (void)fputs(i > 0 ? "," : "", json);
        resource_write(&request.protobuf, json, &population, i);
    }
    (void)fprintf(json, "]}");
    (void)fclose(json);
    lw_population_free(&population);
    return request;
}

/* ---- a feed that counts ---- */

struct counting {
    uint32_t n_series;
    uint64_t n_points;
};

static enum lw_status counting_series(void *context, const struct lw_series_key *key,
                                      uint32_t *ret_series, struct lw_error *reterr)
{
    (void)key;
    (void)reterr;
    *ret_series = ((struct counting *)context)->n_series++;
    return LW_OK;
}

static enum lw_status counting_push(void *context, const struct lw_point *points, size_t n)
{
    (void)points;
    ((struct counting *)context)->n_points += n;
    return LW_OK;
}

static enum lw_status counting_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static void counting_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    (void)n;
    die(reason);
}

static uint64_t counting_position(void *context)
{
    return ((struct counting *)context)->n_points;
}

/* ---- ours ---- */

struct ours {
    struct lw_ingest_request *request;
    const char *content_type;
    const void *body;
    size_t n_bytes;
};

static const char *no_query(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

static void ours_take(void *context)
{
    struct ours *ours = context;
    const struct lw_push_input input = {.path = "/v1/metrics",
                                        .content_type = ours->content_type,
                                        .query = no_query,
                                        .body = ours->body,
                                        .n_bytes = ours->n_bytes};
    struct lw_push_answer answer = {.code = 0};

    lw_ingest_request_reset(ours->request);
    lw_push_otlp.take(&input, ours->request, &answer);
    if (answer.code != 200) {
        die("a request was not taken");
    }
    lw_writer_fini(&answer.body);
}

/* ---- the peers ---- */

static void jansson_parse(void *context)
{
    const struct request *request = context;
    json_t *root = json_loadb(request->json, request->n_json, 0, NULL);

    if (root == NULL) {
        die("jansson does not read the request");
    }
    json_decref(root);
}

/* Seconds that protobuf-c takes for the request, and its version; false where it is not there. */
static bool protobuf_c_parse(const struct request *request, char ret_version[32], double *ret_s)
{
    char path[] = "/tmp/bench_otlp_XXXXXX", command[4096];
    int file = mkstemp(path);
    bool is_there = false;
    FILE *out;

    if (file < 0 || write(file, request->protobuf.data, request->protobuf.n_bytes) !=
                        (ssize_t)request->protobuf.n_bytes) {
        die("no temporary file");
    }
    (void)close(file);
    (void)snprintf(command, sizeof(command), "'%s/../../bench/peers/otlp_protobuf_c' '%s'",
                   LW_TEST_DATA, path);
    out = popen(command, "r");
    if (out != NULL) {
        is_there = fscanf(out, "%31s %lf", ret_version, ret_s) == 2;
        (void)pclose(out);
    }
    (void)unlink(path);
    return is_there;
}

static void print(const char *bench, double seconds, const char *peer, const char *version,
                  double peer_s)
{
    double rate = N_ALL / seconds;

    if (peer == NULL) {
        lw_bench_print(bench, rate, "points/s");
        return;
    }
    printf("{\"bench\": \"%s\", \"value\": %.6g, \"unit\": \"points/s\", \"peer\": \"%s\", "
           "\"peer_version\": \"%s\", \"peer_value\": %.6g, \"ratio\": %.6g}\n",
           bench, rate, peer, version, N_ALL / peer_s, peer_s / seconds);
    (void)fflush(stdout);
}

int main(void)
{
    struct request request = request_write();
    struct counting counting = {0};
    const struct lw_feed feed = {.series = counting_series,
                                 .push = counting_push,
                                 .watermark = counting_watermark,
                                 .dropped = counting_dropped,
                                 .position = counting_position,
                                 .durable = counting_position,
                                 .context = &counting};
    const struct lw_ingest_config config = {.feed = &feed, .source = "otlp"};
    struct ours ours = {.content_type = "application/x-protobuf",
                        .body = request.protobuf.data,
                        .n_bytes = request.protobuf.n_bytes};
    struct lw_ingest *ingest = NULL;
    char version[32];
    double seconds, peer_s;

    if (lw_ingest_create(&config, &ingest, NULL) != LW_OK ||
        lw_ingest_request_create(ingest, &ours.request, NULL) != LW_OK) {
        die("no memory");
    }
    ours_take(&ours);
    if (counting.n_series != N_ALL || counting.n_points != N_ALL) {
        die("points were lost");
    }
    seconds = lw_bench_median_s(ours_take, &ours);
    if (protobuf_c_parse(&request, version, &peer_s)) {
        print("otlp_protobuf", seconds, "protobuf-c", version, peer_s);
    } else {
        print("otlp_protobuf", seconds, NULL, NULL, 0.0);
    }
    ours.content_type = "application/json";
    ours.body = request.json;
    ours.n_bytes = request.n_json;
    seconds = lw_bench_median_s(ours_take, &ours);
    peer_s = lw_bench_median_s(jansson_parse, &request);
    print("otlp_json", seconds, "jansson", JANSSON_VERSION, peer_s);
    if (counting.n_series != N_ALL) {
        die("a series got a second number");
    }
    lw_ingest_request_destroy(ours.request);
    lw_ingest_destroy(ingest);
    lw_writer_fini(&request.protobuf);
    free(request.json);
    return 0;
}
