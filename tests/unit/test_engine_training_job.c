/*
 * Trainings away from the step that asks for them: who runs them, who waits, what is left, and that
 * the same comes of it.
 *
 * The models are of a class that counts its fits by thread, and that holds those of other threads
 * than the test's own while a gate is shut; else it is "ecod".
 */
#include "support/mem_faulty.h"
#include "support/model_file.h"
#include "support/oom.h"
#include "support/test.h"

#include "base/error.h"
#include "engine/operator/training_job.h"
#include "model/ecod.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define CAPACITY (5 * LW_TRAINING_BLOCK)
#define STRIDE 4u
#define N_COLUMNS 3u
#define N_ROWS 200u
/* A training fits each of its models twice. */
#define FITS 2u

/* ---- the class that tells ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t owner;
    bool is_shut, fails;
    unsigned n_own, n_others; /* Fits that began, in the test's thread and in others. */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum lw_status gate_fit(const void *options, const struct lw_model_rows *rows,
                               struct lw_rng *rng, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    bool fails;

    (void)pthread_mutex_lock(&gate.lock);
    if (pthread_equal(pthread_self(), gate.owner)) {
        gate.n_own++;
    } else {
        gate.n_others++;
        (void)pthread_cond_broadcast(&gate.changed);
        while (gate.is_shut) {
            (void)pthread_cond_wait(&gate.changed, &gate.lock);
        }
    }
    fails = gate.fails;
    (void)pthread_mutex_unlock(&gate.lock);
    return fails ? lw_error_set(reterr, LW_ELIMIT, "as the test wants it")
                 : lw_model_ecod.fit(options, rows, rng, ret_model, reterr);
}

static void gate_set(bool is_shut)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.is_shut = is_shut;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

/* Waits until fits of other threads have begun. */
static void gate_await(unsigned n_others)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.n_others < n_others) {
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    }
    (void)pthread_mutex_unlock(&gate.lock);
}

/* ---- what is trained on ---- */

static struct lw_model_class told_class;
static struct lw_detector *detector;
static float memory[CAPACITY * STRIDE];
static uint64_t starts[CAPACITY / LW_TRAINING_BLOCK];
static struct lw_training_rows rows;
static const float natural[N_COLUMNS] = {0.0f, 2.0f, 0.0f};
static int64_t n_blocks_before;

static int set_up(void **state)
{
    struct lw_spec *spec = NULL;

    (void)state;
    gate.owner = pthread_self();
    gate.is_shut = gate.fails = false;
    gate.n_own = gate.n_others = 0;
    told_class = lw_model_ecod;
    told_class.fit = gate_fit;
    if (lw_spec_create(&spec, NULL) != LW_OK ||
        lw_spec_set(spec, "models", "ecod", NULL) != LW_OK ||
        lw_detector_create(spec, "test", &detector, NULL) != LW_OK) {
        return 1;
    }
    lw_spec_destroy(spec);
    detector->plan->members[0].class = &told_class;
    lw_training_rows_init(&rows, memory, starts, CAPACITY, STRIDE);
    for (uint64_t i = 0; i < N_ROWS; i++) {
        const float row[STRIDE] = {lw_test_model_value(0, i), lw_test_model_value(1, i),
                                   i % 9 == 4 ? NAN : lw_test_model_value(2, i), NAN};

        lw_training_rows_offer(&rows, row, false);
    }
    n_blocks_before = lw_test_mem_live();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lw_detector_release(detector);
    return 0;
}

static struct lw_training_job *job_new(struct lw_trainer *trainer)
{
    struct lw_training_job *job = lw_training_job_create(
        &(struct lw_training_need){detector, &rows, N_COLUMNS, natural}, trainer);

    assert_non_null(job);
    return job;
}

static struct lw_trainer *trainer_new(size_t n_threads)
{
    struct lw_trainer *trainer = NULL;

    assert_int_equal(lw_trainer_create(n_threads, &trainer, NULL), LW_OK);
    return trainer;
}

/* All that a result means, as one number. */
static uint64_t result_hash(const struct lw_training_result *result)
{
    struct lw_writer writer;
    uint64_t hash;

    lw_writer_init(&writer);
    lw_ensemble_save(result->ensemble, &writer);
    lw_write_f32s(&writer, result->states, result->n_state);
    lw_calibrator_save(&result->calibrators[0], &writer);
    assert_int_equal(writer.status, LW_OK);
    hash = lw_hash_bytes(writer.data, writer.n_bytes, 0);
    lw_writer_fini(&writer);
    return hash;
}

static uint64_t finish(struct lw_training_job *job)
{
    struct lw_training_result result = {0};
    struct lw_error error = {0};
    uint64_t hash;

    if (lw_training_job_finish(job, &result, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(result.n_entities, 1);
    hash = result_hash(&result);
    lw_training_result_fini(&result);
    return hash;
}

/* The same rows fitted without any job. */
static uint64_t reference(void)
{
    float copy[N_ROWS][N_COLUMNS];
    struct lw_training_entity entity = {.rows = copy[0], .n_rows = N_ROWS};
    struct lw_training_set set = {.entities = &entity,
                                  .n_entities = 1,
                                  .n_columns = N_COLUMNS,
                                  .natural = natural,
                                  .seed = (uint64_t)detector->spec->detector.seed,
                                  .n_threads = 1};
    struct lw_training_result result = {0};
    static uint64_t hash; /* It is the same in every test. */

    if (hash != 0) {
        return hash;
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        memcpy(copy[i], memory + i * STRIDE, sizeof(copy[i]));
    }
    assert_int_equal(lw_ensemble_fit(detector->plan, &set, &result, NULL), LW_OK);
    hash = result_hash(&result);
    lw_training_result_fini(&result);
    return hash;
}

static void nothing_left(void)
{
    assert_int_equal(lw_test_mem_live(), n_blocks_before);
}

/* ---- who runs it ---- */

static void test_training_job__is_what_its_rows_make_of_it(void **state)
{
    uint64_t expected = reference();
    struct lw_training_job *job = job_new(NULL);

    (void)state;
    gate.n_own = 0;
    memset(memory, 0, sizeof(memory)); /* It has a copy. */
    assert_int_equal(finish(job), expected);
    assert_int_equal(gate.n_own, FITS);
    nothing_left();
}

static void test_training_job__is_run_by_its_owner_when_nobody_began(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *first, *second, *third;

    (void)state;
    gate_set(true);
    first = job_new(trainer);
    gate_await(1);
    second = job_new(trainer); /* It waits behind the first, which is held. */
    third = job_new(trainer);
    gate.n_own = 0;
    assert_int_equal(finish(second), expected);
    assert_int_equal(gate.n_own, FITS);
    gate_set(false);
    assert_int_equal(finish(first), expected);
    assert_int_equal(finish(third), expected);
    lw_trainer_destroy(trainer);
    assert_true(gate.n_others == FITS || gate.n_others == 2 * FITS); /* Never the second. */
    assert_int_equal(gate.n_own + gate.n_others, 3 * FITS);
    nothing_left();
}

static bool was_opened;

static void *open_later(void *argument)
{
    const struct timespec while_ns = {.tv_nsec = 30000000};

    (void)argument;
    (void)nanosleep(&while_ns, NULL);
    (void)pthread_mutex_lock(&gate.lock);
    was_opened = true;
    gate.is_shut = false;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
    return NULL;
}

static void test_training_job__is_waited_for_while_it_runs(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *job;
    pthread_t opener;

    (void)state;
    was_opened = false;
    gate.n_own = 0;
    gate_set(true);
    job = job_new(trainer);
    gate_await(1);
    assert_int_equal(pthread_create(&opener, NULL, open_later, NULL), 0);
    assert_int_equal(finish(job), expected);
    assert_true(was_opened);
    assert_int_equal(gate.n_own, 0);
    assert_int_equal(gate.n_others, FITS);
    (void)pthread_join(opener, NULL);
    lw_trainer_destroy(trainer);
    nothing_left();
}

static void test_trainer__runs_many_jobs_on_its_threads(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(3);
    struct lw_training_job *jobs[8];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        jobs[i] = job_new(trainer);
    }
    gate_await(3);
    for (size_t i = 8; i-- > 0;) { /* From the end: some wait, some run, some are done. */
        assert_int_equal(finish(jobs[i]), expected);
    }
    lw_trainer_destroy(trainer);
    nothing_left();
}

/* ---- who goes ---- */

static void test_training_job__may_go_while_it_waits(void **state)
{
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *first, *second;

    (void)state;
    gate_set(true);
    first = job_new(trainer);
    gate_await(1);
    second = job_new(trainer);
    lw_training_job_destroy(second);
    gate_set(false);
    (void)finish(first);
    second = job_new(trainer); /* Behind the one that went. */
    gate_await(FITS + 1);
    (void)finish(second);
    lw_trainer_destroy(trainer);
    assert_int_equal(gate.n_others, 2 * FITS);
    assert_int_equal(gate.n_own, 0);
    nothing_left();
}

static void test_training_job__may_go_while_it_runs(void **state)
{
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *job;

    (void)state;
    gate_set(true);
    job = job_new(trainer);
    gate_await(1);
    lw_training_job_destroy(job);
    gate_set(false);
    lw_trainer_destroy(trainer);
    assert_int_equal(gate.n_others, FITS);
    nothing_left();
}

static void test_trainer__leaves_what_nobody_began_to_the_owners(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(0);
    struct lw_training_job *job = job_new(trainer), *unwanted = job_new(trainer);

    (void)state;
    gate.n_own = 0;
    lw_trainer_destroy(trainer);
    assert_int_equal(finish(job), expected);
    assert_int_equal(gate.n_own, FITS);
    lw_training_job_destroy(unwanted);
    nothing_left();
}

static void test_trainer__may_go_before_its_results_are_asked_for(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *job = job_new(trainer), *unwanted;

    (void)state;
    gate.n_own = 0;
    gate_await(FITS);
    unwanted = job_new(trainer);
    lw_trainer_destroy(trainer); /* Ends when the job is done. */
    assert_int_equal(finish(job), expected);
    assert_int_equal(gate.n_own, 0);
    lw_training_job_destroy(unwanted);
    nothing_left();
}

/* ---- what goes wrong ---- */

static void test_training_job__tells_why_it_failed_in_another_thread(void **state)
{
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_result result = {0};
    struct lw_training_job *job;
    struct lw_error error = {0};

    (void)state;
    gate.fails = true;
    job = job_new(trainer);
    gate_await(1);
    assert_int_equal(lw_training_job_finish(job, &result, &error), LW_ELIMIT);
    assert_string_equal(error.message, "as the test wants it");
    assert_null(result.ensemble);
    assert_int_equal(gate.n_own, 0);
    lw_trainer_destroy(trainer);
    nothing_left();
}

static void test_training_job__needs_rows(void **state)
{
    float few_memory[CAPACITY * STRIDE];
    uint64_t few_starts[CAPACITY / LW_TRAINING_BLOCK];
    const float row[STRIDE] = {1.0f, 2.0f, 3.0f, 4.0f};
    struct lw_training_need need = {detector, &rows, N_COLUMNS, natural};

    (void)state;
    lw_training_rows_init(&rows, few_memory, few_starts, CAPACITY, STRIDE);
    for (size_t i = 0; i + 1 < LW_TRAIN_ROWS_MIN; i++) {
        lw_training_rows_offer(&rows, row, false);
    }
    assert_null(lw_training_job_create(&need, NULL));
    lw_training_rows_offer(&rows, row, false);
    need.n_columns = 0;
    assert_null(lw_training_job_create(&need, NULL));
    nothing_left();
}

static enum lw_status job_alone(void *user)
{
    struct lw_training_job *job = lw_training_job_create(
        &(struct lw_training_need){detector, &rows, N_COLUMNS, natural}, NULL);

    (void)user;
    lw_training_job_destroy(job);
    return job == NULL ? LW_ENOMEM : LW_OK;
}

static void test_training_job__survives_each_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("a training job", job_alone, NULL);
}

/* ---- as bytes ---- */

static void save(struct lw_writer *writer)
{
    struct lw_training_job *job = job_new(NULL);

    lw_writer_init(writer);
    lw_training_job_save(job, writer);
    assert_int_equal(writer->status, LW_OK);
    lw_training_job_destroy(job);
}

static enum lw_status load(const void *bytes, size_t n_bytes, struct lw_trainer *trainer,
                           struct lw_training_job **ret_job)
{
    struct lw_reader reader;
    enum lw_status status;

    lw_reader_init(&reader, bytes, n_bytes);
    status = lw_training_job_load(detector, &reader, trainer, ret_job, NULL);
    if (status == LW_OK) {
        assert_int_equal(lw_reader_left(&reader), 0);
    }
    return status;
}

static void test_training_job__comes_to_the_same_when_loaded(void **state)
{
    uint64_t expected = reference();
    struct lw_trainer *trainer = trainer_new(1);
    struct lw_training_job *job = NULL, *again = NULL;
    struct lw_writer writer, second;

    (void)state;
    save(&writer);
    assert_int_equal(load(writer.data, writer.n_bytes, NULL, &job), LW_OK);
    lw_writer_init(&second);
    lw_training_job_save(job, &second);
    assert_int_equal(second.n_bytes, writer.n_bytes);
    assert_memory_equal(second.data, writer.data, writer.n_bytes);
    assert_int_equal(finish(job), expected);
    gate.n_own = 0;
    assert_int_equal(load(second.data, second.n_bytes, trainer, &again), LW_OK);
    gate_await(1);
    assert_int_equal(finish(again), expected);
    assert_int_equal(gate.n_own, 0);
    lw_trainer_destroy(trainer);
    lw_writer_fini(&writer);
    lw_writer_fini(&second);
    nothing_left();
}

/* Rows with a gap, so that there are two runs. */
static void make_gap(void)
{
    const float row[STRIDE] = {1.0f, 2.0f, 3.0f, 4.0f};

    lw_training_rows_init(&rows, memory, starts, CAPACITY, STRIDE);
    for (uint64_t i = 0; i < 4 * LW_TRAINING_BLOCK; i++) { /* The first block of trouble counts. */
        lw_training_rows_offer(&rows, row,
                               i / LW_TRAINING_BLOCK == 0 || i / LW_TRAINING_BLOCK == 2);
    }
}

static void test_training_job__refuses_what_is_damaged(void **state)
{
    struct lw_training_job *job = NULL;
    struct lw_writer writer;
    uint8_t first, second;

    (void)state;
    make_gap();
    save(&writer);
    for (size_t n = 0; n < writer.n_bytes; n++) {
        assert_int_equal(load(writer.data, n, NULL, &job), LW_EFORMAT);
        assert_null(job);
    }
    /* u32 columns, u32 rows, u32 runs, u32 lengths of two runs. */
    assert_int_equal(writer.data[8], 2);
    first = writer.data[12];
    second = writer.data[16];
    writer.data[16]++;
    assert_int_equal(load(writer.data, writer.n_bytes, NULL, &job), LW_EFORMAT);
    writer.data[12] = (uint8_t)(first + second);
    writer.data[16] = 0;
    assert_int_equal(load(writer.data, writer.n_bytes, NULL, &job), LW_EFORMAT);
    writer.data[12] = first;
    writer.data[16] = second;
    assert_int_equal(load(writer.data, writer.n_bytes, NULL, &job), LW_OK);
    lw_training_job_destroy(job);
    lw_writer_fini(&writer);
    nothing_left();
}

static struct lw_writer saved;

static enum lw_status load_alone(void *user)
{
    struct lw_training_job *job = NULL;
    enum lw_status status = load(saved.data, saved.n_bytes, NULL, &job);

    (void)user;
    lw_training_job_destroy(job);
    return status;
}

static void test_training_job__survives_each_failing_allocation_when_loaded(void **state)
{
    (void)state;
    save(&saved);
    lw_oom_sweep("a loaded training job", load_alone, NULL);
    lw_writer_fini(&saved);
}

static enum lw_status trainer_alone(void *user)
{
    struct lw_trainer *trainer = NULL;
    enum lw_status status = lw_trainer_create(1, &trainer, NULL);

    (void)user;
    lw_trainer_destroy(trainer);
    return status;
}

static void test_trainer__survives_each_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("a trainer", trainer_alone, NULL);
}

int main(void)
{
#define JOB_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        JOB_TEST(test_training_job__is_what_its_rows_make_of_it),
        JOB_TEST(test_training_job__is_run_by_its_owner_when_nobody_began),
        JOB_TEST(test_training_job__is_waited_for_while_it_runs),
        JOB_TEST(test_trainer__runs_many_jobs_on_its_threads),
        JOB_TEST(test_training_job__may_go_while_it_waits),
        JOB_TEST(test_training_job__may_go_while_it_runs),
        JOB_TEST(test_trainer__leaves_what_nobody_began_to_the_owners),
        JOB_TEST(test_trainer__may_go_before_its_results_are_asked_for),
        JOB_TEST(test_training_job__tells_why_it_failed_in_another_thread),
        JOB_TEST(test_training_job__needs_rows),
        JOB_TEST(test_training_job__survives_each_failing_allocation),
        JOB_TEST(test_training_job__comes_to_the_same_when_loaded),
        JOB_TEST(test_training_job__refuses_what_is_damaged),
        JOB_TEST(test_training_job__survives_each_failing_allocation_when_loaded),
        JOB_TEST(test_trainer__survives_each_failing_allocation),
    };

    return LW_TEST_RUN(tests);
}
