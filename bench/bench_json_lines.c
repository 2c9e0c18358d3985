/*
 * JSON lines, 100,000 series, on one core: from the request's body to points that are ready for the
 * feed, with the look-up of every series.
 *
 * The peer is jansson: each line is loaded and its metric, labels, time and value are asked for; no
 * series is looked up.
 */
#include "support/push.h"

#include "connect/json_push.h"

#include <jansson.h>

static double sum;

static size_t line_write(char *at, size_t capacity, const struct push_bench_name *name,
                         const char *value)
{
    return (size_t)snprintf(at, capacity,
                            "{\"metric\":\"%s\",\"labels\":{\"device\":\"%s\",\"instance\":\"%s\","
                            "\"job\":\"node\"},\"time\":%d.250,\"value\":%s}\n",
                            name->metric, name->device, name->instance, PUSH_TIME_S, value);
}

static void jansson_line(const char *line, size_t n_bytes)
{
    json_t *tree = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *key;
    json_t *value;

    if (tree == NULL) {
        push_bench_die("jansson does not take a line");
    }
    json_object_foreach(json_object_get(tree, "labels"), key, value)
    {
        sum += (double)json_string_length(value);
    }
    sum += (double)json_string_length(json_object_get(tree, "metric"));
    sum += json_number_value(json_object_get(tree, "time"));
    sum += json_number_value(json_object_get(tree, "value"));
    json_decref(tree);
}

static void jansson_run(void *context)
{
    const struct push_bench *bench = context;

    for (uint32_t i = 0; i < PUSH_BODIES; i++) {
        const char *at = bench->bodies[i];
        const char *end = at + bench->n_bytes[i];

        while (at < end) {
            const char *line_end = memchr(at, '\n', (size_t)(end - at));

            jansson_line(at, (size_t)(line_end - at));
            at = line_end + 1;
        }
    }
}

int main(void)
{
    static struct push_bench bench;

    push_bench_init(&bench, &lw_push_json, "/v1/samples", "application/x-ndjson");
    push_bench_bodies(&bench, 256, line_write);
    push_bench_print("json_lines_samples_per_s", &bench, jansson_run, "jansson", JANSSON_VERSION);
    push_bench_fini(&bench);
    return sum > 0.0 ? 0 : 1;
}
