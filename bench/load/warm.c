/*
 * Makes the state that benches of the daemon begin with: every series has seen ROUNDS samples.
 *
 *     load_warm DIR SOURCE SERIES ROUNDS NAME=VALUE ...
 *
 * An engine with one detector "all", whose options the arguments NAME=VALUE are, is fed the first
 * rounds of what load_sender sends, as a source of that name would feed it, and leaves a snapshot
 * in DIR. What it writes of the journal meanwhile is gone with the end, and there is no history.
 */
#include "series.h"

#include "lapwing/state.h"

#include <stdbool.h>
#include <unistd.h>

#define BATCH 10000u
#define ROUNDS_A_SYNC 16
#define ROUNDS_A_SNAPSHOT 512

static void expect(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        (void)fprintf(stderr, "load_warm: %s\n", error->message);
        exit(1);
    }
}

static void detector_set(struct lw_engine *engine, char **options, int n)
{
    struct lw_error error = {0};
    struct lw_spec *spec;

    expect(lw_spec_create(&spec, &error), &error);
    for (int i = 0; i < n; i++) {
        char *value = strchr(options[i], '=');

        if (value == NULL) {
            (void)fprintf(stderr, "load_warm: \"%s\" is no NAME=VALUE\n", options[i]);
            exit(2);
        }
        *value = '\0';
        expect(lw_spec_set(spec, options[i], value + 1, &error), &error);
    }
    expect(lw_engine_set_detector(engine, "all", spec, &error), &error);
    lw_spec_destroy(spec);
}

static void feed_name(const struct lw_feed *feed, uint32_t n_series)
{
    for (uint32_t i = 0; i < n_series; i++) {
        struct lw_error error = {0};
        struct series_names names;
        struct lw_label labels[3];
        uint32_t number;

        series_name_of(i, &names);
        labels[0] = (struct lw_label){"device", names.device};
        labels[1] = (struct lw_label){"instance", names.instance};
        labels[2] = (struct lw_label){"job", "node"};
        expect(feed->series(
                   feed->context,
                   &(struct lw_series_key){.metric = names.metric, .labels = labels, .n_labels = 3},
                   &number, &error),
               &error);
        if (number != i) {
            (void)fprintf(stderr, "load_warm: %s was there already\n", names.metric);
            exit(1);
        }
    }
}

struct warm {
    struct lw_engine *engine;
    struct lw_feed feed;
    struct lw_population population;
    uint32_t n_series;
};

static void round_feed(struct warm *warm, int64_t round)
{
    static struct lw_point points[BATCH];
    struct lw_error error = {.message = "the feed refuses"};

    for (uint32_t from = 0; from < warm->n_series; from += BATCH) {
        uint32_t n = warm->n_series - from < BATCH ? warm->n_series - from : BATCH;

        for (uint32_t i = 0; i < n; i++) {
            int64_t time_ms = series_time_ms(from + i, warm->n_series, round,
                                             LW_POPULATION_STEP_NS / 1000000);

            points[i] = (struct lw_point){
                .series = from + i,
                .time_ns = time_ms * 1000000,
                .value = lw_population_value(&warm->population, from + i, (size_t)round)};
        }
        expect(warm->feed.push(warm->feed.context, points, n), &error);
    }
    expect(warm->feed.watermark(warm->feed.context, points[0].time_ns), &error);
}

int main(int argc, char **argv)
{
    static struct warm warm;
    const struct lw_engine_config config = {.history_steps = 1, .history_bytes = 1};
    struct lw_error error = {0};

    if (argc < 5) {
        (void)fputs("usage: load_warm DIR SOURCE SERIES ROUNDS NAME=VALUE ...\n", stderr);
        return 2;
    }
    warm.population = lw_population_read();
    warm.n_series = (uint32_t)atol(argv[3]);
    expect(lw_engine_create(&config, &warm.engine, &error), &error);
    detector_set(warm.engine, argv + 5, argc - 5);
    expect(lw_engine_open_state(warm.engine,
                                &(struct lw_state_config){.dir = argv[1], .manual = true}, NULL,
                                &error),
           &error);
    expect(lw_engine_feed(warm.engine, argv[2], &warm.feed, &error), &error);
    feed_name(&warm.feed, warm.n_series);
    for (int64_t round = 0; round < atoll(argv[4]); round++) {
        round_feed(&warm, round);
        if (round % ROUNDS_A_SYNC == 0) {
            expect(lw_engine_sync(warm.engine, &error), &error);
        }
        if (round % ROUNDS_A_SNAPSHOT == 0) { /* The journal before the one before is dropped. */
            expect(lw_engine_checkpoint(warm.engine, &error), &error);
        }
    }
    expect(lw_engine_checkpoint(warm.engine, &error), &error);
    expect(lw_engine_sync(warm.engine, &error), &error);
    lw_engine_destroy(warm.engine);
    return 0;
}
