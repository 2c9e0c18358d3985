/*
 * What tabular models are worth together: the area under the ROC curve on labelled tables, each
 * fitted and scored on the whole standardised table, their energies averaged by weight as the
 * ensemble averages them (detect/calibrate.h). Nothing is smoothed: rows of a table have no order.
 *
 *     bench_together_auc [TABLE.csv ...]    a column "label" marks the outliers; default: two
 * tables of tests/data
 *
 * One JSON object a table and set, with the areas of the set's members alone; mean and standard
 * deviation over seeds. The sets:
 *
 * full         those members of the preset full that judge a row by itself, with their weights,
 *              least units and options; the table stands for every view
 * references   isolation forest, LOF and One-Class SVM fitted as their references are, with the
 *              preset's weights
 * levels       the same, but each member's energies become levels -log10 p first
 */
#include "support/auc.h"

#include "detect/calibrate.h"
#include "train/plan.h"

#define N_SEEDS 5
#define REFERENCES "iforest, lof*0.25, ocsvm"
#define AS_REFERENCES                                                                              \
    "lof.neighbours=20, lof.core=16384, lof.least=0, ocsvm.nu=0.5, ocsvm.width=scale, "            \
    "ocsvm.least=0, ocsvm.rows=4096"

struct set {
    const char *name, *models, *options;
    bool is_by_levels;
};

/* Of one set on one table; energies are [n_members][n_rows]. */
struct run {
    struct lw_plan plan; /* Members that keep a state are taken out. */
    const struct set *set;
    const struct lw_test_table *table;
    float *distances; /* [n_rows], and so is work. */
    double *work;
    double *energies;
};

struct areas {
    double sum, square;
};

static const struct set sets[] = {
    {"full", "full", "", false},
    {"references", REFERENCES, AS_REFERENCES, false},
    {"levels", REFERENCES, AS_REFERENCES, true},
};

static void must(enum lw_status status, const struct lw_error *error)
{
    if (status != LW_OK) {
        (void)fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

static struct run run_create(const struct set *set, const struct lw_test_table *table)
{
    struct run run = {.set = set, .table = table};
    struct lw_error error = {0};
    uint32_t n = 0;

    must(lw_plan_parse(set->models, set->options, &run.plan, &error), &error);
    for (uint32_t m = 0; m < run.plan.n_members; m++) {
        if (run.plan.members[m].class->n_state == NULL) {
            run.plan.members[n++] = run.plan.members[m];
        }
    }
    run.plan.n_members = n;
    run.distances = calloc(table->n_rows, sizeof(float));
    run.work = calloc(table->n_rows, sizeof(double));
    run.energies = calloc(table->n_rows * n, sizeof(double));
    return run;
}

static void run_free(struct run *run)
{
    free(run->distances);
    free(run->work);
    free(run->energies);
}

/* Fits and scores a member: its energies, and its area alone. */
static double member_run(struct run *run, uint32_t m, uint64_t seed)
{
    const struct lw_plan_member *member = &run->plan.members[m];
    size_t n = run->table->n_rows;
    struct lw_model_rows rows = {
        .values = run->table->values, .n_rows = n, .n_dims = run->table->n_dims};
    double *energies = run->energies + m * n, median;
    struct lw_model *model = NULL;
    struct lw_calibration calibration;
    struct lw_error error = {0};

    must(lw_plan_fit(&run->plan, member->class, &rows, seed, &model, &error), &error);
    member->class->score(model, NULL, run->table->values, n, run->distances);
    member->class->destroy(model);
    for (size_t i = 0; i < n; i++) {
        run->work[i] = (double)run->distances[i];
    }
    median = lw_median_of(run->work, n);
    for (size_t i = 0; i < n; i++) {
        energies[i] = lw_energy((double)run->distances[i], median, member->unit);
        run->work[i] = energies[i];
    }
    if (run->set->is_by_levels) {
        must(lw_calibration_fit(run->work, n, &calibration, &error), &error);
        for (size_t i = 0; i < n; i++) {
            energies[i] = lw_calibration_level(&calibration, energies[i]);
        }
    }
    return 100.0 * lw_test_table_auc(run->table, run->distances);
}

/* The area of all members, whose energies are there. */
static double members_combine(struct run *run)
{
    double energies[LW_ENSEMBLE_MEMBERS_MAX], weights[LW_ENSEMBLE_MEMBERS_MAX];
    size_t n = run->table->n_rows;

    for (size_t i = 0; i < n; i++) {
        for (uint32_t m = 0; m < run->plan.n_members; m++) {
            energies[m] = run->energies[m * n + i];
            weights[m] = run->plan.members[m].weight;
        }
        run->distances[i] = (float)lw_energy_combine(energies, weights, run->plan.n_members);
    }
    return 100.0 * lw_test_table_auc(run->table, run->distances);
}

static void areas_add(struct areas *areas, double area)
{
    areas->sum += area;
    areas->square += area * area;
}

static void set_measure(const struct set *set, const struct lw_test_table *table, const char *name)
{
    struct run run = run_create(set, table);
    struct areas alone[LW_ENSEMBLE_MEMBERS_MAX] = {{0.0, 0.0}}, all = {0.0, 0.0};
    double mean;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        for (uint32_t m = 0; m < run.plan.n_members; m++) {
            areas_add(&alone[m], member_run(&run, m, seed * LW_ENSEMBLE_MEMBERS_MAX + m));
        }
        areas_add(&all, members_combine(&run));
    }
    mean = all.sum / N_SEEDS;
    printf("{\"bench\": \"together_auc_%.*s_%s\", \"value\": %.2f, \"unit\": \"%%\", "
           "\"deviation\": %.2f, \"seeds\": %d, \"set\": \"%s\", \"members\": [",
           (int)strcspn(name, "."), name, set->name, mean,
           sqrt(fmax(all.square / N_SEEDS - mean * mean, 0.0)), N_SEEDS, set->name);
    for (uint32_t m = 0; m < run.plan.n_members; m++) {
        printf("%s{\"model\": \"%s\", \"value\": %.2f}", m > 0 ? ", " : "",
               run.plan.members[m].class->name, alone[m].sum / N_SEEDS);
    }
    printf("]}\n");
    (void)fflush(stdout);
    run_free(&run);
}

static void table_measure(const char *path)
{
    struct lw_test_table table = lw_test_table_read(path);
    const char *slash = strrchr(path, '/');

    lw_bench_auc_standardise(&table);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        set_measure(&sets[i], &table, slash != NULL ? slash + 1 : path);
    }
    lw_test_table_free(&table);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        table_measure(argv[i]);
    }
    if (argc < 2) {
        table_measure(LW_TEST_DATA "/adbench/breastw.csv");
        table_measure(LW_TEST_DATA "/adbench/glass.csv");
    }
    return 0;
}
