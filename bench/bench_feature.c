/*
 * What a step of the features costs: nanoseconds a metric and step on a real series, over 1,000
 * states in turn so that caches hold what they would hold in service. One JSON object a line.
 */
#include "../tests/support/series.h"
#include "support/bench.h"

#include "feature/calendar.h"
#include "feature/feature.h"
#include "feature/scale.h"

#define N_STATES 1000
#define N_STEPS 1200
#define STEP_NS (INT64_C(300) * 1000000000)

static struct lw_feature_layout layout_make(const struct lw_calendar *calendar, uint64_t wanted)
{
    struct lw_feature_config config;
    struct lw_feature_layout layout;
    struct lw_error err;

    lw_feature_config_default(&config);
    config.step_ns = STEP_NS;
    config.calendar = calendar;
    config.wanted[LW_FEATURE_OF_METRIC] = wanted;
    if (lw_feature_layout_init(&layout, &config, &err) != LW_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return layout;
}

/* Sums what was read into *sink, so that nothing is optimised away. */
static void bench_layout(const char *name, const struct lw_feature_layout *layout,
                         const struct lw_test_series *series, double *sink)
{
    unsigned char *states = calloc(N_STATES, layout->state_bytes);
    double observe_s = 0, read_s = 0;
    char bench[64];
    float features[64] = {0};

    if (states == NULL) {
        exit(1);
    }
    for (size_t k = 0; k < N_STATES; k++) {
        lw_feature_init(layout,
                        (struct lw_feature_state *)(void *)(states + k * layout->state_bytes));
    }
    for (size_t i = 0; i < N_STEPS; i++) {
        double start_s = lw_bench_cpu_s(), middle_s;

        for (size_t k = 0; k < N_STATES; k++) {
            struct lw_feature_state *state =
                (struct lw_feature_state *)(void *)(states + k * layout->state_bytes);

            lw_feature_observe(layout, state, series->times_ns[i],
                               series->values[(i + k) % series->n]);
        }
        middle_s = lw_bench_cpu_s();
        for (size_t k = 0; k < N_STATES; k++) {
            lw_feature_read(layout,
                            (struct lw_feature_state *)(void *)(states + k * layout->state_bytes),
                            features);
            *sink += (double)features[0];
        }
        /* Only full windows count. */
        observe_s += i >= N_STEPS / 2 ? middle_s - start_s : 0;
        read_s += i >= N_STEPS / 2 ? lw_bench_cpu_s() - middle_s : 0;
    }
    (void)snprintf(bench, sizeof(bench), "feature_observe_ns_%s", name);
    lw_bench_print(bench, observe_s * 1e9 / (N_STATES * (N_STEPS - N_STEPS / 2)), "ns/step/metric");
    (void)snprintf(bench, sizeof(bench), "feature_read_ns_%s", name);
    lw_bench_print(bench, read_s * 1e9 / (N_STATES * (N_STEPS - N_STEPS / 2)), "ns/step/metric");
    free(states);
}

static void bench_pair(const struct lw_feature_layout *layout, const struct lw_test_series *series,
                       double *sink)
{
    struct lw_feature_state *first = malloc(layout->state_bytes),
                            *second = malloc(layout->state_bytes);
    float features[8];
    double start_s;

    if (first == NULL || second == NULL) {
        exit(1);
    }
    lw_feature_init(layout, first);
    lw_feature_init(layout, second);
    for (size_t i = 0; i < 400; i++) {
        lw_feature_observe(layout, first, series->times_ns[i], series->values[i]);
        lw_feature_observe(layout, second, series->times_ns[i], series->values[i + 3]);
    }
    start_s = lw_bench_cpu_s();
    for (size_t i = 0; i < 100000; i++) {
        lw_feature_pair_read(layout, first, second, features);
        *sink += (double)features[1];
    }
    lw_bench_print("feature_pair_read_ns", (lw_bench_cpu_s() - start_s) * 1e9 / 100000,
                   "ns/step/pair");
    free(first);
    free(second);
}

static void bench_calendar(const struct lw_calendar *calendar, const struct lw_test_series *series,
                           double *sink)
{
    double start_s = lw_bench_cpu_s();

    for (size_t i = 0; i < 10000000; i++) {
        int64_t local_ns = lw_calendar_local_ns(calendar, series->times_ns[i % series->n] +
                                                              (int64_t)i * 1000000000);

        *sink += (double)(local_ns & 1023) +
                 (lw_calendar_is_holiday_local(calendar, local_ns) ? 1.0 : 0.0);
    }
    lw_bench_print("calendar_lookup_ns", (lw_bench_cpu_s() - start_s) * 1e9 / 1e7, "ns/lookup");
}

static void bench_scale(double *sink)
{
    enum { COLUMNS = 38 };
    struct lw_scale scales[COLUMNS];
    float row[COLUMNS], scaled[COLUMNS];
    double start_s;

    for (size_t i = 0; i < COLUMNS; i++) {
        scales[i].centre = (double)i;
        scales[i].scale = 1.0 + (double)i;
        row[i] = (float)(i * i);
    }
    start_s = lw_bench_cpu_s();
    for (size_t i = 0; i < 200000; i++) {
        row[i % COLUMNS] += 1.0f;
        lw_scale_apply(scales, COLUMNS, row, scaled);
        *sink += (double)scaled[i % COLUMNS];
    }
    lw_bench_print("scale_apply_ns", (lw_bench_cpu_s() - start_s) * 1e9 / 200000 / COLUMNS,
                   "ns/value");
}

int main(void)
{
    struct lw_test_series *series = lw_test_series_read("nab_nyc_taxi_2000.csv");
    struct lw_calendar *calendar = NULL;
    struct lw_feature_layout all, few;
    double sink = 0;

    if (lw_calendar_create("Europe/Berlin", "12-25", &calendar, NULL) != LW_OK) {
        return 1;
    }
    all = layout_make(calendar, lw_feature_all(LW_FEATURE_OF_METRIC));
    few = layout_make(calendar, lw_feature_find(LW_FEATURE_OF_METRIC, "level") |
                                    lw_feature_find(LW_FEATURE_OF_METRIC, "long_z"));
    lw_bench_print("feature_state_bytes", (double)all.state_bytes, "bytes/metric");
    bench_layout("all", &all, series, &sink);
    bench_layout("level_and_long_z", &few, series, &sink);
    bench_pair(&all, series, &sink);
    bench_calendar(calendar, series, &sink);
    bench_scale(&sink);
    lw_calendar_destroy(calendar);
    free(series);
    return sink == 0.0 ? 1 : 0;
}
