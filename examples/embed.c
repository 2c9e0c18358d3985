/*
 * The smallest host: reads "time,value" rows from a CSV file, watches them as one series, prints
 * each anomaly.
 *
 *     cc embed.c $(pkg-config --cflags --libs lapwing) -o embed && ./embed data.csv
 *
 * Times are taken from the rows' order, one every five minutes: a real host would parse them.
 */
#include <lapwing/lapwing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS 300000000000

/* Everything the program owns; zero until made, so that finish() can run at any point. */
struct host {
    struct lw_spec *spec;
    struct lw_detector *detector;
    struct lw_pool *pool;
    FILE *file;
};

static void on_anomaly(void *context, const struct lw_entity *entity,
                       const struct lw_anomaly *anomaly)
{
    unsigned *n_opened = context;

    if (anomaly->phase == LW_ANOMALY_OPENED) {
        (*n_opened)++;
        printf("%s: anomaly at row %lld, score %.3f\n", lw_entity_name(entity),
               (long long)(anomaly->start_ns / STEP_NS), (double)anomaly->peak_score);
    }
}

static enum lw_status watch(struct host *host, struct lw_error *error)
{
    unsigned n_opened = 0;
    const struct lw_sink sink = {.verdict = NULL, .anomaly = on_anomaly, .context = &n_opened};
    struct lw_entity *entity = NULL;
    struct lw_sample sample = {.time_ns = 0, .value = 0.0, .series = 0};
    enum lw_status status = lw_entity_create(host->pool, host->detector, "file", &entity, error);
    char line[256];

    if (status == LW_OK) {
        status = lw_entity_series(entity, "value", "value", &sample.series, error);
    }
    while (status == LW_OK && fgets(line, sizeof(line), host->file) != NULL) {
        const char *comma = strchr(line, ',');
        char *end = NULL;

        sample.value = comma == NULL ? (double)NAN : strtod(comma + 1, &end);
        if (comma != NULL && end != comma + 1) { /* A heading is no number. */
            lw_observe(entity, &sample, 1, 0, &sink);
        }
        sample.time_ns += STEP_NS;
    }
    if (status == LW_OK) {
        printf("%u anomalies\n", n_opened);
    }
    return status;
}

static enum lw_status start(struct host *host, struct lw_error *error)
{
    enum lw_status status = lw_spec_create(&host->spec, error);

    if (status == LW_OK) {
        status = lw_spec_set(host->spec, "step", "sample", error);
    }
    if (status == LW_OK) {
        status = lw_detector_create(host->spec, "example", &host->detector, error);
    }
    if (status == LW_OK) {
        status = lw_pool_create(&host->pool, error);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "tests/data/series/nab_elb_request_count_8c0756.csv";
    struct host host = {NULL, NULL, NULL, NULL};
    struct lw_error error = {LW_OK, ""};
    enum lw_status status = LW_EIO;

    host.file = fopen(path, "r");
    if (host.file == NULL) {
        perror(path);
        return 1;
    }
    status = start(&host, &error);
    if (status == LW_OK) {
        status = watch(&host, &error);
    }
    if (status != LW_OK) {
        fprintf(stderr, "%s: %s\n", lw_status_name(status), error.message);
    }
    lw_pool_destroy(host.pool);
    lw_detector_release(host.detector);
    lw_spec_destroy(host.spec);
    fclose(host.file);
    return status == LW_OK ? 0 : 1;
}
