/*
 * An engine on a state of load_warm under 100,000 samples/s: how long from a sample to its verdict,
 * and how long snapshots stop a shard.
 *
 *     load_step DIR SERIES FIRST_ROUND SECONDS RATE SNAPSHOT_EVERY_S NAME=VALUE ...
 *
 * An embedder by the public headers: one feed, a listener, journal and snapshots on, as many shards
 * as processors. An open loop: each millisecond has its samples, and time counts from the moment
 * they were meant to be pushed, late or not, to the moment the listener is told of the verdict.
 * With `step: sample` each sample is the last of its step. One JSON object at the end.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "series.h"

#include "lapwing/state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>

#define TICK_NS INT64_C(1000000)
#define BATCH_MAX 4096u
#define SNAPSHOTS_MAX 1024

struct step {
    struct lw_engine *engine;
    struct lw_feed feed;
    struct lw_population population;
    uint32_t n_series;
    int64_t began_ns;
    struct histogram delays[LW_ENGINE_SHARDS_MAX]; /* Each its shard's. */
    double stalls_ms[SNAPSHOTS_MAX];
    int n_snapshots;
    double every_s;
    atomic_bool stop;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void expect(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        (void)fprintf(stderr, "load_step: %s\n", error->message);
        exit(1);
    }
}

/* The tag is the tick that the sample was meant for. */
static void verdict_take(void *context, uint32_t shard, const struct lw_engine_verdict *verdict)
{
    struct step *step = context;

    histogram_add(&step->delays[shard],
                  now_ns() - step->began_ns - (int64_t)verdict->verdict->tag * TICK_NS);
}

static void engine_open(struct step *step, const char *folder, char **options, int n)
{
    const struct lw_listener listener = {.verdict = verdict_take, .context = step};
    const struct lw_engine_config config = {.history_steps = 600, .listener = &listener};
    struct lw_error error = {0};
    struct lw_spec *spec;

    expect(lw_engine_create(&config, &step->engine, &error), &error);
    expect(lw_spec_create(&spec, &error), &error);
    for (int i = 0; i < n; i++) {
        char *value = strchr(options[i], '=');

        *value = '\0';
        expect(lw_spec_set(spec, options[i], value + 1, &error), &error);
    }
    expect(lw_engine_set_detector(step->engine, "all", spec, &error), &error);
    lw_spec_destroy(spec);
    expect(
        lw_engine_open_state(step->engine, &(struct lw_state_config){.dir = folder}, NULL, &error),
        &error);
    expect(lw_engine_feed(step->engine, "remote_write", &step->feed, &error), &error);
}

static void numbers_check(struct step *step)
{
    for (uint32_t i = 0; i < step->n_series; i++) {
        struct lw_error error = {0};
        struct series_names names;
        struct lw_label labels[3];
        uint32_t number = 0;

        series_name_of(i, &names);
        labels[0] = (struct lw_label){"device", names.device};
        labels[1] = (struct lw_label){"instance", names.instance};
        labels[2] = (struct lw_label){"job", "node"};
        expect(step->feed.series(
                   step->feed.context,
                   &(struct lw_series_key){.metric = names.metric, .labels = labels, .n_labels = 3},
                   &number, &error),
               &error);
        if (number != i) {
            (void)fprintf(stderr, "load_step: series %u is not the state's\n", i);
            exit(1);
        }
    }
}

/* Snapshots beside the load, and how long each stopped a shard at most. */
static void *snapshots_main(void *argument)
{
    struct step *step = argument;

    while (!atomic_load(&step->stop) && step->n_snapshots < SNAPSHOTS_MAX) {
        struct lw_state_totals totals;
        struct lw_error error = {0};
        struct timespec nap = {
            .tv_sec = (time_t)step->every_s,
            .tv_nsec = (long)((step->every_s - (double)(time_t)step->every_s) * 1e9)};

        (void)nanosleep(&nap, NULL);
        expect(lw_engine_checkpoint(step->engine, &error), &error);
        expect(lw_engine_state(step->engine, &totals), &error);
        step->stalls_ms[step->n_snapshots++] = totals.checkpoint_stall_s * 1e3;
    }
    return NULL;
}

static void tick_push(struct step *step, uint64_t from, uint64_t to, uint64_t tick)
{
    static struct lw_point points[BATCH_MAX];
    struct lw_error error = {.message = "the feed refuses"};
    size_t n = 0;

    for (uint64_t at = from; at < to; at++) {
        uint32_t series = (uint32_t)(at % step->n_series);
        int64_t round = (int64_t)(at / step->n_series);

        points[n++] = (struct lw_point){
            .series = series,
            .time_ns = series_time_ms(series, step->n_series, round,
                                      LW_POPULATION_STEP_NS / 1000000) *
                       1000000,
            .value = lw_population_value(&step->population, series, (size_t)round),
            .tag = tick};
    }
    expect(step->feed.push(step->feed.context, points, n), &error);
    if (tick % 5 == 0) { /* As often as a push source tells it. */
        expect(step->feed.watermark(step->feed.context, points[n - 1].time_ns), &error);
    }
}

static uint64_t load_run(struct step *step, int64_t first, double seconds, double rate)
{
    uint64_t at = (uint64_t)first * step->n_series, begin = at;
    double per_tick = rate * (double)TICK_NS / 1e9;

    step->began_ns = now_ns() + 100 * TICK_NS;
    for (uint64_t tick = 0; tick < (uint64_t)(seconds * 1e9 / (double)TICK_NS); tick++) {
        int64_t meant_ns = step->began_ns + (int64_t)tick * TICK_NS;
        struct timespec until = {.tv_sec = meant_ns / 1000000000, .tv_nsec = meant_ns % 1000000000};
        uint64_t to = begin + (uint64_t)((double)(tick + 1) * per_tick);

        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        tick_push(step, at, to, tick);
        at = to;
    }
    return at - begin;
}

static void report(const struct step *step, uint64_t n_samples)
{
    static struct histogram all;
    struct lw_engine_totals totals;

    for (int i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        histogram_merge(&all, &step->delays[i]);
    }
    lw_engine_totals(step->engine, &totals);
    (void)printf("{\"samples\": %lu, \"verdicts\": %lu, \"dropped\": %lu, \"entities\": %u, "
                 "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"stalls_ms\": [",
                 n_samples, all.n,
                 totals.late + totals.duplicates + totals.not_finite + totals.overflow,
                 totals.n_entities, histogram_ms(&all, 0.5), histogram_ms(&all, 0.99),
                 (double)all.max_ns / 1e6);
    for (int i = 0; i < step->n_snapshots; i++) {
        (void)printf("%s%.4f", i == 0 ? "" : ", ", step->stalls_ms[i]);
    }
    (void)puts("]}");
}

int main(int argc, char **argv)
{
    static struct step step;
    pthread_t snapshots;
    uint64_t n_samples;

    if (argc < 7) {
        (void)fputs("usage: load_step DIR SERIES FIRST_ROUND SECONDS RATE SNAPSHOT_EVERY_S "
                    "NAME=VALUE ...\n",
                    stderr);
        return 2;
    }
    step.n_series = (uint32_t)atol(argv[2]);
    step.every_s = atof(argv[6]);
    if (atof(argv[5]) * (double)TICK_NS / 1e9 > BATCH_MAX - 1) {
        (void)fputs("load_step: RATE is too high\n", stderr);
        return 2;
    }
    step.population = lw_population_read();
    engine_open(&step, argv[1], argv + 7, argc - 7);
    numbers_check(&step);
    if (pthread_create(&snapshots, NULL, snapshots_main, &step) != 0) {
        (void)fputs("load_step: no thread\n", stderr);
        return 1;
    }
    n_samples = load_run(&step, atoll(argv[3]), atof(argv[4]), atof(argv[5]));
    lw_engine_flush(step.engine);
    atomic_store(&step.stop, true);
    (void)pthread_join(snapshots, NULL);
    report(&step, n_samples);
    lw_engine_destroy(step.engine);
    lw_population_free(&step.population);
    return 0;
}
