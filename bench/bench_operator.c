/*
 * Tier 0 by the library alone: 100,000 series, one sample of each in turn, every sample a step.
 *
 * operator_tier0_ns_per_sample: CPU time, 100,000 entities of one series; ..._10_series: 10,000
 * entities of ten. The clock starts when every series has seen 2,000 samples. So that this does not
 * take minutes, 2,000 different series are fed, and the others are loaded from their saved states,
 * which are the states they would have. A run counts only if every sample gave a verdict and if, of
 * 1,000 series picked at random, all that the run made of them is what `lapwing replay` makes of
 * the same samples, and the state is byte for byte that of one fed all the way. LW_SEED picks; it
 * is said.
 *
 * tier0_bytes_per_series: what 100,000 series add to the resident set; no step is open.
 */
#include "support/bench.h"
#include "support/population.h"
#include "support/replayed.h"

#include "base/rng.h"

#include "lapwing/lapwing.h"

#include <sys/wait.h>
#include <unistd.h>

#define PEERS LW_TEST_DATA "/../../bench/peers"
#define N_SERIES 100000u
#define N_FED 2000u
#define ROWS_BEFORE 2000u
#define ROUNDS 10u /* Samples of every series in one repeat. */
#define REPEATS 7u
#define AHEAD 2u /* Series that are fetched before their turn. */
#define SERIES_MOST 10u
#define N_CHECKED 1000u /* Series, all those of N_CHECKED / n_series entities. */
#define ROWS_TIMED ((size_t)ROUNDS * REPEATS)
#define ROWS_TOUCHED 64u

/* The detector, here and in replay, where each series has a budget for itself. */
static const struct lw_replayed_option OPTIONS[] = {
    {"step", "sample"}, {"budget_scope", "series"}, {NULL, NULL}};

struct saved {
    void *bytes;
    size_t n_bytes;
};

/* An entity that is held to replay; it is the context of the one that is timed. */
struct checked {
    uint32_t number;
    size_t n; /* Verdicts while the clock ran, the first ones kept. */
    struct lw_verdict verdicts[SERIES_MOST * ROWS_TIMED];
    struct lw_entity *fed; /* Its twin, fed all the way. */
};

struct bench {
    struct lw_population population;
    struct lw_detector *detector;
    struct lw_pool *pool;
    uint32_t n_series, n_entities, n_fed; /* Series of an entity; entities; those that were fed. */
    struct saved *saved;                  /* n_fed */
    struct lw_entity **entities;          /* n_entities */
    double *values;                       /* [ROUNDS][N_FED] */
    struct checked *checked;              /* N_CHECKED / n_series */
    struct lw_rng rng;
    struct lw_sink sink;
    uint64_t n_verdicts;
    uint64_t n_alarms; /* Of the verdicts that were checked. */
    size_t row;        /* Next one of every series. */
};

static void expect(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        (void)fprintf(stderr, "bench_operator: %s\n", error->message);
        exit(1);
    }
}

static void verdict_take(void *context, const struct lw_entity *entity,
                         const struct lw_verdict *verdict)
{
    struct checked *checked = lw_entity_context(entity);

    (*(uint64_t *)context)++;
    if (checked != NULL) {
        if (checked->n < sizeof(checked->verdicts) / sizeof(checked->verdicts[0])) {
            checked->verdicts[checked->n] = *verdict;
        }
        checked->n++;
    }
}

static void detector_make(struct bench *bench)
{
    struct lw_error error = {0};
    struct lw_spec *spec;

    expect(lw_spec_create(&spec, &error), &error);
    for (const struct lw_replayed_option *option = OPTIONS; option->name != NULL; option++) {
        expect(lw_spec_set(spec, option->name, option->value, &error), &error);
    }
    expect(lw_detector_create(spec, "bench", &bench->detector, &error), &error);
    lw_spec_destroy(spec);
}

static struct lw_entity *entity_make(struct lw_pool *pool, const struct bench *bench,
                                     uint32_t number)
{
    struct lw_error error = {0};
    struct lw_entity *entity;
    char name[64];
    uint32_t series;

    (void)snprintf(name, sizeof(name), "web-%06u.example.net", number);
    expect(lw_entity_create(pool, bench->detector, name, &entity, &error), &error);
    for (uint32_t i = 0; i < bench->n_series; i++) {
        (void)snprintf(name, sizeof(name), "requests_total{path=\"/v%u\"}", i);
        expect(lw_entity_series(entity, "requests_total", name, &series, &error), &error);
    }
    return entity;
}

/* Rows from..to of every series of an entity, as entity `number` has them. */
static void entity_feed(const struct bench *bench, struct lw_entity *entity, uint32_t number,
                        size_t from, size_t to)
{
    struct lw_sample samples[SERIES_MOST];

    for (size_t row = from; row < to; row++) {
        for (uint32_t i = 0; i < bench->n_series; i++) {
            samples[i] = (struct lw_sample){
                i, lw_population_time(row),
                lw_population_value(&bench->population, number * bench->n_series + i, row)};
        }
        lw_observe(entity, samples, bench->n_series, row, NULL);
    }
}

static void entities_save(struct bench *bench)
{
    struct lw_error error = {0};
    struct lw_pool *pool;

    bench->saved = calloc(bench->n_fed, sizeof(*bench->saved));
    expect(lw_pool_create(&pool, &error), &error);
    for (uint32_t i = 0; i < bench->n_fed; i++) {
        struct lw_entity *entity = entity_make(pool, bench, i);

        entity_feed(bench, entity, i, 0, ROWS_BEFORE);
        expect(lw_entity_save(entity, &bench->saved[i].bytes, &bench->saved[i].n_bytes, &error),
               &error);
    }
    lw_pool_destroy(pool);
}

static void entities_load(struct bench *bench)
{
    struct lw_error error = {0};

    bench->entities = calloc(bench->n_entities, sizeof(struct lw_entity *));
    expect(lw_pool_create(&bench->pool, &error), &error);
    for (uint32_t i = 0; i < bench->n_entities; i++) {
        const struct saved *saved = &bench->saved[i % bench->n_fed];

        expect(lw_entity_load(bench->pool, bench->detector, saved->bytes, saved->n_bytes,
                              &bench->entities[i], &error),
               &error);
    }
}

static void values_make(struct bench *bench)
{
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t number = 0; number < N_FED; number++) {
            bench->values[round * N_FED + number] = lw_population_value(&bench->population, number,
                                                                        bench->row + round);
        }
    }
}

/* One sample of each series, the state of the one AHEAD of it fetched meanwhile. */
static void round_run(struct bench *bench, const double *values)
{
    int64_t time_ns = lw_population_time(bench->row);
    uint32_t n = bench->n_series;

    for (uint32_t number = 0; number < bench->n_entities; number++) {
        const double *own = values + number % bench->n_fed * n;

        for (uint32_t i = 0; i < n; i++) {
            struct lw_sample sample = {i, time_ns, own[i]};
            uint32_t next = number + (i + AHEAD) / n;

            if (next < bench->n_entities) {
                lw_prefetch(bench->entities[next], (i + AHEAD) % n, time_ns);
            }
            lw_observe(bench->entities[number], &sample, 1, bench->row, &bench->sink);
        }
    }
    bench->row++;
}

/* Median CPU time of a sample, in nanoseconds. */
static double repeats_run(struct bench *bench)
{
    double ns[REPEATS];

    for (size_t repeat = 0; repeat < REPEATS; repeat++) {
        double begin;

        values_make(bench);
        begin = lw_bench_cpu_s();
        for (size_t round = 0; round < ROUNDS; round++) {
            round_run(bench, bench->values + round * N_FED);
        }
        ns[repeat] = (lw_bench_cpu_s() - begin) * 1e9 / (ROUNDS * (double)N_SERIES);
    }
    qsort(ns, REPEATS, sizeof(ns[0]), lw_bench_compare);
    return ns[REPEATS / 2];
}

/* ---- the check: outside the measured time ---- */

/* Picks entities at random, none twice; their verdicts are kept from now on. */
static void entities_pick(struct bench *bench)
{
    bench->checked = calloc(N_CHECKED / bench->n_series, sizeof(*bench->checked));
    for (uint32_t i = 0; i < N_CHECKED / bench->n_series;) {
        uint32_t number = (uint32_t)lw_rng_below(&bench->rng, bench->n_entities);
        struct checked *checked = &bench->checked[i];

        if (lw_entity_context(bench->entities[number]) == NULL) {
            /* Not zero, so that no page is new to the run. */
            memset(checked->verdicts, 0xff, sizeof(checked->verdicts));
            checked->number = number;
            lw_entity_set_context(bench->entities[number], checked);
            i++;
        }
    }
}

/* Entity and series as CSV has them. */
static void names_write(char ret_names[2 * LW_NAME_MAX], uint32_t entity, uint32_t series)
{
    (void)snprintf(ret_names, (size_t)2 * LW_NAME_MAX,
                   "web-%06u.example.net,\"requests_total{path=\"\"/v%u\"\"}\"", entity, series);
}

static void samples_write(const struct bench *bench, struct lw_replayed *replayed)
{
    char names[2 * LW_NAME_MAX];

    for (size_t row = 0; row < bench->row; row++) {
        for (uint32_t i = 0; i < N_CHECKED; i++) {
            uint32_t number = bench->checked[i / bench->n_series].number;
            uint32_t series = i % bench->n_series;

            names_write(names, number, series);
            lw_replayed_sample(replayed, names, lw_population_time(row),
                               lw_population_value(&bench->population,
                                                   number % bench->n_fed * bench->n_series + series,
                                                   row));
        }
    }
}

static void verdict_keep(void *context, const struct lw_entity *entity,
                         const struct lw_verdict *verdict)
{
    (void)entity;
    *(struct lw_verdict *)context = *verdict;
}

/* One sample of the twin: its verdict and, from the rows that were timed, the run's are replay's.
 */
static void sample_check(struct bench *bench, struct checked *checked, size_t row, uint32_t series,
                         struct lw_replayed *replayed)
{
    struct lw_verdict verdict = {.score = -1.0f}; /* Stays when there is none. */
    const struct lw_sink sink = {.verdict = verdict_keep, .context = &verdict};
    struct lw_sample sample = {
        series, lw_population_time(row),
        lw_population_value(&bench->population,
                            checked->number % bench->n_fed * bench->n_series + series, row)};
    char names[2 * LW_NAME_MAX];

    lw_observe(checked->fed, &sample, 1, row, &sink);
    names_write(names, checked->number, series);
    lw_replayed_next(replayed, names, sample.time_ns);
    lw_replayed_expect(replayed, &verdict, "the library says otherwise");
    bench->n_alarms += verdict.alarm;
    if (row >= ROWS_BEFORE) {
        const struct lw_verdict *timed =
            &checked->verdicts[(row - ROWS_BEFORE) * bench->n_series + series];

        if (timed->series != series || timed->time_ns != sample.time_ns || timed->tag != row) {
            lw_replayed_fail(replayed, "the run's verdict is about another sample");
        }
        lw_replayed_expect(replayed, timed, "the run said otherwise");
    }
}

/* Ends the bench unless the timed entity is to the byte what its twin is. */
static void state_check(const struct bench *bench, const struct checked *checked)
{
    struct lw_error error = {0};
    struct saved ours, theirs;

    expect(lw_entity_save(checked->fed, &theirs.bytes, &theirs.n_bytes, &error), &error);
    expect(lw_entity_save(bench->entities[checked->number], &ours.bytes, &ours.n_bytes, &error),
           &error);
    if (ours.n_bytes != theirs.n_bytes || memcmp(ours.bytes, theirs.bytes, ours.n_bytes) != 0) {
        (void)fprintf(stderr, "bench_operator: entity %u differs from one fed all the way\n",
                      checked->number);
        exit(1);
    }
    lw_bytes_free(ours.bytes);
    lw_bytes_free(theirs.bytes);
}

/* Ends the bench when a sample was lost. */
static void counts_check(const struct bench *bench)
{
    uint64_t wanted = (uint64_t)N_SERIES * ROWS_TIMED;

    if (bench->n_verdicts != wanted) {
        (void)fprintf(stderr, "bench_operator: %lu verdicts of %lu samples\n", bench->n_verdicts,
                      wanted);
        exit(1);
    }
    for (uint32_t i = 0; i < N_CHECKED / bench->n_series; i++) {
        if (bench->checked[i].n != bench->n_series * ROWS_TIMED) {
            (void)fprintf(stderr, "bench_operator: %zu verdicts of entity %u\n",
                          bench->checked[i].n, bench->checked[i].number);
            exit(1);
        }
    }
}

/* Ends the bench when what it timed is not what replay does. */
static void entities_check(struct bench *bench)
{
    struct lw_error error = {0};
    struct lw_replayed replayed = lw_replayed_begin();
    struct lw_pool *pool;

    counts_check(bench);
    samples_write(bench, &replayed);
    lw_replayed_run(&replayed, OPTIONS);
    expect(lw_pool_create(&pool, &error), &error);
    for (uint32_t i = 0; i < N_CHECKED / bench->n_series; i++) {
        bench->checked[i].fed = entity_make(pool, bench, bench->checked[i].number % bench->n_fed);
    }
    for (size_t row = 0; row < bench->row; row++) {
        for (uint32_t i = 0; i < N_CHECKED; i++) {
            sample_check(bench, &bench->checked[i / bench->n_series], row, i % bench->n_series,
                         &replayed);
        }
    }
    for (uint32_t i = 0; i < N_CHECKED / bench->n_series; i++) {
        state_check(bench, &bench->checked[i]);
    }
    lw_replayed_end(&replayed);
    (void)fprintf(stderr, "bench_operator: %lu verdicts (%lu alarms) of %u series are replay's\n",
                  replayed.n_rows, bench->n_alarms, N_CHECKED);
    lw_pool_destroy(pool);
}

/* ---- time ---- */

static double time_shape(struct bench *bench, uint32_t n_series)
{
    double ns;

    bench->n_series = n_series;
    bench->n_entities = N_SERIES / n_series;
    bench->n_fed = N_FED / n_series;
    bench->row = ROWS_BEFORE;
    bench->n_verdicts = bench->n_alarms = 0;
    entities_save(bench);
    entities_load(bench);
    entities_pick(bench);
    ns = repeats_run(bench);
    entities_check(bench);
    for (uint32_t i = 0; i < bench->n_fed; i++) {
        lw_bytes_free(bench->saved[i].bytes);
    }
    free(bench->saved);
    free(bench->checked);
    free(bench->entities);
    lw_pool_destroy(bench->pool);
    return ns;
}

/* ---- memory ---- */

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total, resident;

    if (file == NULL || fscanf(file, "%lu %lu", &total, &resident) != 2) {
        (void)fprintf(stderr, "bench_operator: /proc/self/statm cannot be read\n");
        exit(1);
    }
    (void)fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* In a process of its own, so that nothing freed before is used again. */
static void measure_bytes(struct bench *bench, uint32_t n_series, const char *name)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct lw_error error = {0};
        double before = resident_bytes();

        bench->n_series = n_series;
        bench->n_entities = N_SERIES / n_series;
        expect(lw_pool_create(&bench->pool, &error), &error);
        for (uint32_t i = 0; i < bench->n_entities; i++) {
            entity_feed(bench, entity_make(bench->pool, bench, i), i, 0, ROWS_TOUCHED);
        }
        lw_bench_print(name, (resident_bytes() - before) / N_SERIES, "bytes");
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        (void)fprintf(stderr, "bench_operator: %s was not measured\n", name);
        exit(1);
    }
}

/* A peer's cost of a sample, in nanoseconds; without one the figure stands alone. */
static void print_beside_peer(double ns)
{
    char version[64];
    double peer_ns;
    FILE *pipe = lw_bench_peer_open(PEERS, "tier0.py", "river",
                                    "'" LW_TEST_DATA "/series/nab_elb_request_count_8c0756.csv'");

    if (pipe == NULL || fscanf(pipe, "%63s %lf", version, &peer_ns) != 2) {
        (void)fprintf(stderr, "bench_operator: no result of River, so there is no ratio\n");
        lw_bench_print("operator_tier0_ns_per_sample", ns, "ns");
    } else {
        lw_bench_print_peer("operator_tier0_ns_per_sample", ns, "ns", "River GaussianScorer",
                            version, peer_ns);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

/* The seed of what is picked: another one every time, unless it is given. */
static uint64_t seed_take(void)
{
    const char *text = getenv("LW_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

    (void)fprintf(stderr, "bench_operator: LW_SEED=%lu\n", seed);
    return seed;
}

int main(void)
{
    struct bench bench = {.population = lw_population_read()};

    detector_make(&bench);
    measure_bytes(&bench, 1, "tier0_bytes_per_series");
    measure_bytes(&bench, 10, "tier0_bytes_per_series_10_series");
    bench.values = calloc((size_t)ROUNDS * N_FED, sizeof(double));
    bench.sink = (struct lw_sink){.verdict = verdict_take, .context = &bench.n_verdicts};
    lw_rng_seed(&bench.rng, seed_take());
    print_beside_peer(time_shape(&bench, 1));
    lw_bench_print("operator_tier0_ns_per_sample_10_series", time_shape(&bench, 10), "ns");
    free(bench.values);
    lw_detector_release(bench.detector);
    lw_population_free(&bench.population);
    return 0;
}
