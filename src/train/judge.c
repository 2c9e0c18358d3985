/* Judges combinations of members: see train/judge.h. */
#include "train/judge.h"

#include "base/error.h"
#include "base/mem.h"
#include "lapwing/evaluate.h"
#include "math/elementary.h"
#include "math/quantile.h"
#include "train/rank.h"

#include <math.h>
#include <string.h>

#define AGREEMENT_ROWS 8192u
#define RESAMPLES 200u
#define LEVEL_NONE (-1.0) /* Below every level: of a row of which nothing can be told. */
#define ENERGY_LEAST 1e-9

static const double judge_levels[LW_JUDGE_LEVELS] = {0.5, 1.0, 1.5, 2.0};

static size_t unit_of(const struct lw_judge *judge, size_t entity)
{
    return judge->is_pooled ? 0 : entity;
}

static const struct lw_held_stretch *stretch_at(const struct lw_held_out *held, size_t entity,
                                                size_t fold)
{
    return &held->stretches[entity * held->n_folds + fold];
}

static bool is_labelled(const struct lw_held_out *held, const struct lw_held_stretch *stretch,
                        size_t i)
{
    const uint8_t *labels = held->entities[stretch->entity].labels;

    return labels != NULL && labels[stretch->first_row + i] != 0;
}

bool lw_judge_counts(const struct lw_held_out *held, const struct lw_held_stretch *stretch,
                     size_t i, bool labelled)
{
    return i >= LW_VALIDATION_GAP && (labelled || !is_labelled(held, stretch, i));
}

static double *medians_at(const struct lw_judge *judge, size_t fold, size_t unit)
{
    return judge->medians + (fold * judge->n_units + unit) * judge->held->n_members;
}

/* Adds a member's known distances in a stretch to `work`; returns the new number of values. */
static size_t gather_distances(const struct lw_held_out *held,
                               const struct lw_held_stretch *stretch, size_t member, double *work,
                               size_t n)
{
    for (size_t i = 0; i < stretch->n_rows; i++) {
        double distance = (double)held->distances[(stretch->at + i) * held->n_members + member];

        if (!isnan(distance) && lw_judge_counts(held, stretch, i, false)) {
            work[n++] = distance;
        }
    }
    return n;
}

/* The median of a member's distances in stretches before a fold, of the entities of a unit. */
static double median_of(const struct lw_judge *judge, size_t fold, size_t unit, size_t member,
                        double *work)
{
    const struct lw_held_out *held = judge->held;
    size_t n = 0;

    for (size_t e = 0; e < held->n_entities; e++) {
        for (size_t k = 0; unit_of(judge, e) == unit && k < fold; k++) {
            n = gather_distances(held, stretch_at(held, e, k), member, work, n);
        }
    }
    return n > 0 ? lw_median_of(work, n) : 0.0;
}

enum lw_status lw_judge_init(const struct lw_held_out *held, const struct lw_plan *plan,
                             bool is_pooled, struct lw_judge *ret_judge, struct lw_error *reterr)
{
    struct lw_judge judge = {.held = held,
                             .plan = plan,
                             .is_pooled = is_pooled,
                             .n_units = is_pooled ? 1 : held->n_entities};
    double *work = lw_mem_calloc(held->n_rows, sizeof(*work));

    judge.medians = lw_mem_calloc((held->n_folds + 1) * judge.n_units,
                                  held->n_members * sizeof(*judge.medians));
    if (work == NULL || judge.medians == NULL) {
        lw_mem_free(work);
        lw_mem_free(judge.medians);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to judge %zu rows", held->n_rows);
    }
    for (size_t fold = 1; fold <= held->n_folds; fold++) {
        for (size_t unit = 0; unit < judge.n_units; unit++) {
            for (size_t m = 0; m < held->n_members; m++) {
                medians_at(&judge, fold, unit)[m] = median_of(&judge, fold, unit, m, work);
            }
        }
    }
    lw_mem_free(work);
    *ret_judge = judge;
    return LW_OK;
}

void lw_judge_fini(struct lw_judge *judge)
{
    lw_mem_free(judge->medians);
    memset(judge, 0, sizeof(*judge));
}

/* ---- one combination ---- */

/* Combined energies of a stretch as the fold's medians see them; NaN where nothing is known. */
static void combine_stretch(const struct lw_judge *judge, const double *weights, size_t fold,
                            const struct lw_held_stretch *stretch, double *ret_energies)
{
    const struct lw_held_out *held = judge->held;
    const double *medians = medians_at(judge, fold, unit_of(judge, stretch->entity));
    double energies[LW_ENSEMBLE_MEMBERS_MAX];

    for (size_t i = 0; i < stretch->n_rows; i++) {
        const float *distances = held->distances + (stretch->at + i) * held->n_members;

        for (size_t m = 0; m < held->n_members; m++) {
            energies[m] = lw_energy((double)distances[m], medians[m], judge->plan->members[m].unit);
        }
        ret_energies[i] = lw_energy_combine(energies, weights, held->n_members);
    }
}

/* Smooths them in place. */
static void smooth(double *energies, size_t n)
{
    double smoothed = -1.0;

    for (size_t i = 0; i < n; i++) {
        if (!isnan(energies[i])) {
            smoothed = lw_energy_smooth(smoothed, energies[i]);
            energies[i] = smoothed;
        }
    }
}

/* Adds what counts of a stretch to `work`; returns the new number of values. */
static size_t gather(const struct lw_held_out *held, const struct lw_held_stretch *stretch,
                     const double *smoothed, double *work, size_t n)
{
    for (size_t i = 0; i < stretch->n_rows; i++) {
        if (lw_judge_counts(held, stretch, i, false) && !isnan(smoothed[i])) {
            work[n++] = smoothed[i];
        }
    }
    return n;
}

/* The .9 quantile of values, which are sorted by it. */
static double high_of(double *work, size_t n)
{
    struct lw_sorted sorted = lw_sorted_array(work, n);

    lw_sort(work, n);
    return lw_quantile(&sorted, 0.9);
}

/* One fold of one unit: calibrated on the stretches before, then judged. work: double[n_rows]
 * twice. */
static void judge_unit(const struct lw_judge *judge, const double *weights, size_t fold,
                       size_t unit, double *work, struct lw_judged *judged)
{
    const struct lw_held_out *held = judge->held;
    struct lw_calibration *calibration = &judged->calibrations[fold * judge->n_units + unit];
    double *scratch = work + held->n_rows, before;
    size_t n = 0;

    for (size_t e = 0; e < held->n_entities; e++) {
        for (size_t k = 0; unit_of(judge, e) == unit && k < fold; k++) {
            combine_stretch(judge, weights, fold, stretch_at(held, e, k), scratch);
            smooth(scratch, stretch_at(held, e, k)->n_rows);
            n = gather(held, stretch_at(held, e, k), scratch, work, n);
        }
    }
    if (lw_calibration_fit(work, n, calibration, NULL) != LW_OK) {
        calibration->scale = 0.0; /* Too little is known before this fold. */
        return;
    }
    before = high_of(work, n);
    for (size_t e = 0; e < held->n_entities; e++) {
        const struct lw_held_stretch *stretch = stretch_at(held, e, fold);
        double *energies = judged->energies + stretch->at;

        if (unit_of(judge, e) != unit) {
            continue;
        }
        combine_stretch(judge, weights, fold, stretch, energies);
        memcpy(scratch, energies, stretch->n_rows * sizeof(*scratch));
        smooth(scratch, stretch->n_rows);
        for (size_t i = 0; i < stretch->n_rows; i++) {
            judged->levels[stretch->at + i] = lw_calibration_level(calibration, scratch[i]);
        }
        n = gather(held, stretch, scratch, work, 0);
        if (n > 0) {
            double after = high_of(work, n);

            judged->change[e * held->n_folds + fold] = lw_log10((after + ENERGY_LEAST) /
                                                                (before + ENERGY_LEAST));
        }
    }
}

enum lw_status lw_judge_apply(const struct lw_judge *judge, const double *weights,
                              struct lw_judged *ret_judged, struct lw_error *reterr)
{
    const struct lw_held_out *held = judge->held;
    size_t n_stretches = held->n_entities * held->n_folds;
    double *work = lw_mem_calloc(2 * held->n_rows, sizeof(*work));
    struct lw_judged judged = {.levels = lw_mem_calloc(held->n_rows, sizeof(*judged.levels)),
                               .energies = lw_mem_calloc(held->n_rows, sizeof(*judged.energies)),
                               .change = lw_mem_calloc(n_stretches, sizeof(*judged.change)),
                               .calibrations = lw_mem_calloc(held->n_folds * judge->n_units,
                                                             sizeof(*judged.calibrations))};

    if (work == NULL || judged.levels == NULL || judged.energies == NULL || judged.change == NULL ||
        judged.calibrations == NULL) {
        lw_mem_free(work);
        lw_judged_fini(&judged);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to judge %zu rows", held->n_rows);
    }
    for (size_t i = 0; i < held->n_rows; i++) {
        judged.levels[i] = judged.energies[i] = NAN;
    }
    for (size_t i = 0; i < n_stretches; i++) {
        judged.change[i] = NAN;
    }
    for (size_t fold = 1; fold < held->n_folds; fold++) {
        for (size_t unit = 0; unit < judge->n_units; unit++) {
            judge_unit(judge, weights, fold, unit, work, &judged);
        }
    }
    lw_mem_free(work);
    *ret_judged = judged;
    return LW_OK;
}

void lw_judged_fini(struct lw_judged *judged)
{
    lw_mem_free(judged->levels);
    lw_mem_free(judged->energies);
    lw_mem_free(judged->change);
    lw_mem_free(judged->calibrations);
    memset(judged, 0, sizeof(*judged));
}

/* ---- how good it is ---- */

/* Rows judged of an entity as a series for evaluation, labelled ones included. */
static size_t series_of(const struct lw_held_out *held, const double *levels, size_t entity,
                        double *ret_scores, uint8_t *ret_labels)
{
    size_t n = 0;

    for (size_t k = 1; k < held->n_folds; k++) {
        const struct lw_held_stretch *stretch = stretch_at(held, entity, k);

        for (size_t i = LW_VALIDATION_GAP; i < stretch->n_rows; i++) {
            double level = levels[stretch->at + i];

            ret_labels[n] = is_labelled(held, stretch, i);
            ret_scores[n++] = isnan(level) ? LEVEL_NONE : level;
        }
    }
    return n;
}

static size_t count_events(const uint8_t *labels, size_t n)
{
    size_t n_events = 0;

    for (size_t i = 0; i < n; i++) {
        n_events += labels[i] != 0 && (i == 0 || labels[i - 1] == 0) ? 1 : 0;
    }
    return n_events;
}

static enum lw_status evaluate(const struct lw_eval_series *series, size_t n, uint64_t seed,
                               struct lw_judgement *judgement, struct lw_error *reterr)
{
    struct lw_eval_figure figures[LW_EVAL_FIGURES_MAX];
    struct lw_evaluation *evaluation = NULL;
    struct lw_eval_options options;
    enum lw_status status;
    size_t n_figures;

    lw_eval_options_default(&options);
    options.no_vus = true;
    options.n_resamples = RESAMPLES;
    options.seed = seed;
    status = lw_evaluate(series, n, &options, &evaluation, reterr);
    if (status != LW_OK) {
        return status;
    }
    n_figures = lw_evaluation_read(evaluation, LW_EVAL_RANKING, 0, figures, LW_EVAL_FIGURES_MAX);
    for (size_t i = 0; i < n_figures; i++) {
        if (strcmp(figures[i].name, "auc_pr") == 0) {
            judgement->auc_pr = figures[i].value;
            judgement->auc_pr_low = figures[i].low;
            judgement->auc_pr_high = figures[i].high;
        }
    }
    lw_evaluation_destroy(evaluation);
    return LW_OK;
}

static enum lw_status measure_ranking(const struct lw_judge *judge, const struct lw_judged *judged,
                                      uint64_t seed, struct lw_judgement *judgement,
                                      struct lw_error *reterr)
{
    const struct lw_held_out *held = judge->held;
    double *scores = lw_mem_calloc(held->n_rows, sizeof(*scores));
    uint8_t *labels = lw_mem_calloc(held->n_rows, sizeof(*labels));
    struct lw_eval_series *series = lw_mem_calloc(held->n_entities, sizeof(*series));
    enum lw_status status = LW_OK;
    size_t at = 0;

    if (scores == NULL || labels == NULL || series == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to judge %zu rows", held->n_rows);
    }
    for (size_t e = 0; status == LW_OK && e < held->n_entities; e++) {
        size_t n = series_of(held, judged->levels, e, scores + at, labels + at);

        series[e] = (struct lw_eval_series){
            .name = "entity", .scores = scores + at, .labels = labels + at, .n_rows = n};
        judgement->n_events += count_events(labels + at, n);
        at += n;
    }
    if (status == LW_OK && judgement->n_events > 0) {
        status = evaluate(series, held->n_entities, seed, judgement, reterr);
    }
    lw_mem_free(scores);
    lw_mem_free(labels);
    lw_mem_free(series);
    return status;
}

/* Rows that count, and those of them above each level. */
static void count_levels(const struct lw_held_out *held, const double *levels,
                         size_t ret_above[LW_JUDGE_LEVELS], size_t *ret_n)
{
    memset(ret_above, 0, LW_JUDGE_LEVELS * sizeof(*ret_above));
    *ret_n = 0;
    for (size_t s = 0; s < held->n_entities * held->n_folds; s++) {
        const struct lw_held_stretch *stretch = &held->stretches[s];

        for (size_t i = 0; i < stretch->n_rows; i++) {
            double level = levels[stretch->at + i];

            if (isnan(level) || !lw_judge_counts(held, stretch, i, false)) {
                continue;
            }
            (*ret_n)++;
            for (size_t l = 0; l < LW_JUDGE_LEVELS; l++) {
                ret_above[l] += level >= judge_levels[l] ? 1 : 0;
            }
        }
    }
}

enum lw_status lw_judge_measure(const struct lw_judge *judge, const struct lw_judged *judged,
                                uint64_t seed, struct lw_judgement *ret_judgement,
                                struct lw_error *reterr)
{
    const struct lw_held_out *held = judge->held;
    struct lw_judgement judgement = {
        .auc_pr = NAN, .auc_pr_low = NAN, .auc_pr_high = NAN, .tail_error = 0.0};
    size_t above[LW_JUDGE_LEVELS], n, n_changes = 0;
    enum lw_status status;

    count_levels(held, judged->levels, above, &n);
    for (size_t l = 0; l < LW_JUDGE_LEVELS; l++) {
        double promised = (double)n * lw_exp(-judge_levels[l] * 2.30258509299404568402);

        judgement.tail_error += fabs(lw_log10(((double)above[l] + 0.5) / (promised + 0.5))) /
                                LW_JUDGE_LEVELS;
    }
    for (size_t i = 0; i < held->n_entities * held->n_folds; i++) {
        if (!isnan(judged->change[i])) {
            judgement.instability += fabs(judged->change[i]);
            n_changes++;
        }
    }
    judgement.instability = n_changes > 0 ? judgement.instability / (double)n_changes : (double)NAN;
    judgement.tail_error = n > 0 ? judgement.tail_error : (double)NAN;
    judgement.disagreement = judgement.tail_error + judgement.instability;
    status = measure_ranking(judge, judged, seed, &judgement, reterr);
    if (status == LW_OK) {
        *ret_judgement = judgement;
    }
    return status;
}

double lw_judge_agreement(const struct lw_held_out *held, const double *levels, const double *other,
                          size_t entity)
{
    LW_UNINITIALIZED double a[AGREEMENT_ROWS], b[AGREEMENT_ROWS], scratch[3 * AGREEMENT_ROWS];
    size_t every = held->n_rows / AGREEMENT_ROWS + 1, n = 0;

    if (entity != SIZE_MAX) {
        const struct lw_held_stretch *last = stretch_at(held, entity, held->n_folds - 1);

        every = (last->at + last->n_rows - stretch_at(held, entity, 0)->at) / AGREEMENT_ROWS + 1;
    }
    for (size_t s = 0; s < held->n_entities * held->n_folds; s++) {
        const struct lw_held_stretch *stretch = &held->stretches[s];

        if (entity != SIZE_MAX && stretch->entity != entity) {
            continue;
        }
        for (size_t i = LW_VALIDATION_GAP; i < stretch->n_rows; i += every) {
            size_t at = stretch->at + i;

            if (!isnan(levels[at]) && !isnan(other[at]) && n < AGREEMENT_ROWS) {
                a[n] = levels[at];
                b[n++] = other[at];
            }
        }
    }
    return lw_rank_correlation(a, b, n, scratch);
}
