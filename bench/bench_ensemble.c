/*
 * The whole of tier 1, step values in, verdict out: views, members, energy, calibration and alarm,
 * on one core.
 *
 * The preset "full" is trained on a real server's 38 metrics, or is the model file that
 * LW_BENCH_MODEL names (make bench-quality leaves one for each server of smd). 256 entities share
 * it, each with a state of its own and at another place of the test rows; batches of 1,024 are four
 * steps of all of them. Beside it: every entity with a model of its own (32 of them, whose memory a
 * cache does not hold), one vector at a time with the wall time of each, the preset "lean", and the
 * five promised members at reference sizes.
 */
#include "support/bench.h"
#include "support/table.h"

#include "base/mem.h"
#include "engine/fleet/model_file.h"
#include "train/ensemble_fit.h"

#include <math.h>

#define N_ENTITIES 256u
#define BATCH_STEPS 4u
#define N_OWN 32u
#define ROW_RUNS 5
#define ROW_CALLS 20000u
#define FIVE "iforest, lof, ocsvm, autoencoder, lstm"
#define FIVE_TUNING "lof.core=2000"

/* One way to serve: entities, their states, and the ensemble that each has. */
struct served {
    struct lw_test_table train, test;
    struct lw_training_result results[N_OWN];
    size_t n_results;
    struct lw_model_file *file; /* NULL: trained here. */
    const struct lw_ensemble *ensembles[N_ENTITIES];
    float *states[N_ENTITIES];
    struct lw_calibrator calibrators[N_ENTITIES];
    const float *rows[N_ENTITIES];
    size_t n_entities, at;
    double cut;
    uint64_t n_alarms;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_ensemble: %s: %s\n", what, why);
    exit(1);
}

static void train(struct served *served, const char *models, const char *tuning, uint64_t seed)
{
    struct lw_training_entity entity = {.rows = served->train.values,
                                        .n_rows = served->train.n_rows};
    struct lw_training_set set = {.entities = &entity,
                                  .n_entities = 1,
                                  .n_columns = served->train.n_dims,
                                  .seed = seed,
                                  .n_threads = 1};
    static struct lw_plan plan;
    struct lw_error error = {0};

    if (lw_plan_parse(models, tuning, &plan, &error) != LW_OK ||
        lw_ensemble_fit(&plan, &set, &served->results[served->n_results++], &error) != LW_OK) {
        fail(models, error.message);
    }
}

static void load(struct served *served, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct lw_error error = {0};
    char *bytes;
    long n;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (n = ftell(file)) < 0) {
        fail(path, "cannot be read");
        return;
    }
    bytes = malloc((size_t)n);
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, (size_t)n, file) != (size_t)n ||
        lw_model_file_load(bytes, (size_t)n, &served->file, &error) != LW_OK) {
        fail(path, error.message);
    }
    fclose(file);
    free(bytes);
    if (lw_ensemble_n_columns(served->file->groups[0].ensemble) != served->test.n_dims) {
        fail(path, "reads other metrics than the test rows have");
    }
}

/* Entity i begins with its own copy of the state after training. */
static void start(struct served *served, size_t n_entities)
{
    served->n_entities = n_entities;
    served->cut = lw_calibrate_cut(1260.0);
    for (size_t i = 0; i < n_entities; i++) {
        size_t own = served->n_results > 0 ? i % served->n_results : 0;
        const struct lw_training_result *result = &served->results[own];
        bool is_file = served->file != NULL;
        size_t n_state = is_file ? served->file->entities[0].n_state : result->n_state;

        served->ensembles[i] = is_file ? served->file->groups[0].ensemble : result->ensemble;
        served->states[i] = malloc(n_state * sizeof(float));
        memcpy(served->states[i], is_file ? served->file->entities[0].state : result->states,
               n_state * sizeof(float));
        served->calibrators[i] = is_file ? served->file->entities[0].calibrator
                                         : result->calibrators[0];
    }
}

static void stop(struct served *served)
{
    for (size_t i = 0; i < served->n_entities; i++) {
        free(served->states[i]);
    }
    for (size_t i = 0; i < served->n_results; i++) {
        lw_training_result_fini(&served->results[i]);
    }
    served->n_results = served->n_entities = 0;
}

static const float *row_of(const struct served *served, size_t entity)
{
    return served->test.values +
           (served->at + entity * 17) % served->test.n_rows * served->test.n_dims;
}

static void decide(struct served *served, size_t entity, double energy)
{
    struct lw_calibrate_result result;

    lw_calibrator_step(&served->ensembles[entity]->calibration, served->cut,
                       &served->calibrators[entity], energy, &result);
    served->n_alarms += result.alarm ? 1 : 0;
}

/* Four steps of all entities under one ensemble. */
static void step_shared(void *context)
{
    struct served *served = context;
    double energies[N_ENTITIES];

    for (size_t step = 0; step < BATCH_STEPS; step++, served->at++) {
        for (size_t i = 0; i < served->n_entities; i++) {
            served->rows[i] = row_of(served, i);
        }
        lw_ensemble_step(served->ensembles[0], served->states, served->rows, served->n_entities,
                         energies, NULL);
        for (size_t i = 0; i < served->n_entities; i++) {
            decide(served, i, energies[i]);
        }
    }
}

/* One step of every entity, each by a call of its own. */
static void step_alone(void *context)
{
    struct served *served = context;

    for (size_t i = 0; i < served->n_entities; i++) {
        const float *row = row_of(served, i);
        double energy;

        lw_ensemble_step(served->ensembles[i], &served->states[i], &row, 1, &energy, NULL);
        decide(served, i, energy);
    }
    served->at++;
}

static double now_wall_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* The best of five runs' 99th percentile of the wall time of single rows, and their median. */
static void print_row_latency(struct served *served)
{
    static double micros[ROW_CALLS];
    double best = INFINITY, median = INFINITY;

    for (int run = 0; run < ROW_RUNS; run++) {
        for (size_t call = 0; call < ROW_CALLS; call++) {
            size_t i = call % served->n_entities;
            const float *row = row_of(served, i);
            double begin = now_wall_us(), energy;

            lw_ensemble_step(served->ensembles[i], &served->states[i], &row, 1, &energy, NULL);
            decide(served, i, energy);
            micros[call] = now_wall_us() - begin;
            served->at += i == 0 ? 1 : 0;
        }
        qsort(micros, ROW_CALLS, sizeof(micros[0]), lw_bench_compare);
        best = micros[ROW_CALLS * 99 / 100] < best ? micros[ROW_CALLS * 99 / 100] : best;
        median = micros[ROW_CALLS / 2] < median ? micros[ROW_CALLS / 2] : median;
    }
    lw_bench_print("ensemble_row_us_p50_wall", median, "us");
    lw_bench_print("ensemble_row_us_p99_wall", best, "us");
}

static void print_rate(const char *bench, double seconds, double vectors)
{
    lw_bench_print(bench, vectors / seconds, "vectors/s");
}

static void bench_shared(struct served *served, const char *bench)
{
    start(served, N_ENTITIES);
    print_rate(bench, lw_bench_median_s(step_shared, served), (double)N_ENTITIES * BATCH_STEPS);
}

int main(void)
{
    static struct served served;
    const char *path = getenv("LW_BENCH_MODEL");

    served.train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    served.test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    if (path != NULL) {
        load(&served, path);
    } else {
        train(&served, "full", "", 1);
    }
    bench_shared(&served, "ensemble_vectors_per_s_core");
    lw_bench_print("ensemble_row_us", lw_bench_median_s(step_alone, &served) * 1e6 / N_ENTITIES,
                   "us");
    print_row_latency(&served);
    lw_bench_print("ensemble_bytes", (double)lw_ensemble_bytes(served.ensembles[0]), "bytes");
    lw_bench_print("ensemble_state_bytes",
                   (double)(lw_ensemble_n_state(served.ensembles[0]) * sizeof(float) +
                            sizeof(struct lw_calibrator)),
                   "bytes");
    stop(&served);
    lw_model_file_release(served.file);
    served.file = NULL;
    for (uint64_t seed = 0; seed < N_OWN; seed++) {
        train(&served, "full", "", seed);
    }
    start(&served, N_OWN);
    print_rate("ensemble_own_vectors_per_s_core", lw_bench_median_s(step_alone, &served), N_OWN);
    stop(&served);
    train(&served, "lean", "", 1);
    bench_shared(&served, "ensemble_lean_vectors_per_s_core");
    stop(&served);
    train(&served, FIVE, FIVE_TUNING, 1);
    bench_shared(&served, "ensemble_five_vectors_per_s_core");
    stop(&served);
    lw_test_table_free(&served.test);
    lw_test_table_free(&served.train);
    return 0;
}
