/*
 * The report of a training: JSON as docs/training.md has it.
 *
 * All that is measured with a clock stands in the last section, so what is before it is the same
 * for the same rows, options and seed.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "math/quantile.h"
#include "train/rank.h"
#include "train/training_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define REPORT_VERSION 1
#define QUANTILES 7u
#define DAY_S 86400.0
#define CORRELATION_ROWS 4096u

static const double quantile_shares[QUANTILES] = {0.1, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999};
static const double curve_levels[] = {0.3, 0.5, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0};
static const char *const sharing_names[] = {"auto", "own", "clusters", "all"};

static void number(struct lw_json *json, const char *key, double value)
{
    lw_json_key(json, key);
    lw_json_number(json, value);
}

static void whole(struct lw_json *json, const char *key, uint64_t value)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)value);
}

static void text(struct lw_json *json, const char *key, const char *value)
{
    lw_json_key(json, key);
    lw_json_text(json, value);
}

static void truth(struct lw_json *json, const char *key, bool value)
{
    lw_json_key(json, key);
    lw_json_bool(json, value);
}

static void begin_object(struct lw_json *json, const char *key)
{
    lw_json_key(json, key);
    lw_json_begin_object(json);
}

static void begin_array(struct lw_json *json, const char *key)
{
    lw_json_key(json, key);
    lw_json_begin_array(json);
}

/* ---- what was asked for ---- */

static void write_options(const struct training *training, struct lw_json *json)
{
    const struct lw_train_options *options = &training->options;

    begin_object(json, "options");
    text(json, "models", options->models);
    text(json, "tuning", options->tuning);
    text(json, "sharing", sharing_names[options->sharing]);
    whole(json, "seed", options->seed);
    whole(json, "folds", options->n_folds);
    whole(json, "memory_max", options->memory_max);
    lw_json_end(json);
}

static void write_labels(const struct training *training, struct lw_json *json)
{
    uint64_t rows = 0, events = 0;

    for (size_t e = 0; e < training->n_entities; e++) {
        const struct trained_entity *entity = &training->entities[e];

        rows += entity->n_labelled;
        for (size_t i = 0; entity->labels != NULL && i < entity->source->n_rows; i++) {
            events += entity->labels[i] != 0 && (i == 0 || entity->labels[i - 1] == 0) ? 1 : 0;
        }
    }
    begin_object(json, "labels");
    whole(json, "given", training->options.n_labels);
    whole(json, "events", events);
    whole(json, "rows", rows);
    whole(json, "outside", training->labels_outside);
    lw_json_end(json);
}

/* ---- validation ---- */

static void write_folds(const struct training *training, struct lw_json *json)
{
    const struct lw_held_out *held = &training->held_own;

    begin_array(json, "fold_list");
    for (size_t k = 0; k < held->n_folds; k++) {
        uint64_t trained = 0, tested = 0;

        for (size_t e = 0; e < held->n_entities; e++) {
            const struct lw_held_stretch *stretch = &held->stretches[e * held->n_folds + k];

            trained += stretch->first_row;
            tested += stretch->n_rows - LW_VALIDATION_GAP;
        }
        lw_json_begin_object(json);
        whole(json, "train_rows", trained);
        whole(json, "test_rows", tested);
        truth(json, "judged", k > 0);
        lw_json_end(json);
    }
    lw_json_end(json);
}

static void write_candidate(const struct lw_candidate *candidate, struct lw_json *json)
{
    lw_json_begin_object(json);
    text(json, "name", candidate->name);
    text(json, "kind", candidate->is_member ? "member" : "preset");
    number(json, "disagreement", candidate->judgement.disagreement);
    number(json, "tail_error", candidate->judgement.tail_error);
    number(json, "instability", candidate->judgement.instability);
    number(json, "auc_pr", candidate->judgement.auc_pr);
    number(json, "auc_pr_low", candidate->judgement.auc_pr_low);
    number(json, "auc_pr_high", candidate->judgement.auc_pr_high);
    number(json, "cost", candidate->cost);
    truth(json, "selected", candidate->is_selected);
    lw_json_end(json);
}

/* Labels change weights; which models are trained is asked for. */
static const char *selected_why(const struct training *training)
{
    const struct lw_selection *selection = training->selection;

    if (selection->weights_learned) {
        return "it was asked for; labels changed its weights";
    }
    if (selection->has_labels) {
        return "it was asked for, and weights learnt from labels are no better";
    }
    return training->options.n_labels > 0
               ? "it was asked for, and fewer than 5 labelled events lie in the rows that folds "
                 "judge, too few to know another to be better"
               : "it was asked for, and without labels no other is known to be better";
}

static void write_validation(const struct training *training, struct lw_json *json)
{
    const struct lw_selection *selection = training->selection;

    begin_object(json, "validation");
    text(json, "status", training->skipped == NULL ? "done" : "skipped");
    text(json, "reason", training->skipped);
    whole(json, "folds", training->options.n_folds);
    whole(json, "gap_rows", LW_VALIDATION_GAP);
    whole(json, "entities", training->n_validated);
    if (training->skipped == NULL) {
        write_folds(training, json);
        text(json, "criterion",
             "held-out disagreement: mean absolute log10 of achieved over promised share of rows "
             "above the levels 0.5, 1, 1.5 and 2, plus mean absolute log10 of the change of the "
             "scores' 0.9 quantile from what came before to the stretch judged; smaller is better");
        begin_array(json, "candidates");
        for (size_t i = 0; i < selection->n_candidates; i++) {
            write_candidate(&selection->candidates[i], json);
        }
        lw_json_end(json);
        text(json, "selected", selection->candidates[0].name);
        text(json, "why", selected_why(training));
    }
    lw_json_end(json);
}

/* ---- members ---- */

/* Known distances of a member in the sample, into work. */
static size_t member_ratios(const struct training *training, size_t member, double *work)
{
    size_t n = 0;

    for (size_t i = 0; i < training->kept.n; i++) {
        double ratio = (double)training->kept.ratios[i * training->final.n_members + member];

        if (!isnan(ratio)) {
            work[n++] = ratio;
        }
    }
    return n;
}

static void write_quantiles(const struct training *training, size_t member, double *work,
                            struct lw_json *json)
{
    size_t n = member_ratios(training, member, work);
    struct lw_sorted sorted = lw_sorted_array(work, n);

    lw_sort(work, n);
    begin_array(json, "quantiles");
    for (size_t q = 0; q < QUANTILES; q++) {
        lw_json_number(json, n > 0 ? lw_quantile(&sorted, quantile_shares[q]) : (double)NAN);
    }
    lw_json_end(json);
}

/* Options of the class as the plan has them. */
static void write_model_options(const struct lw_plan *plan, const struct lw_model_class *class,
                                struct lw_json *json)
{
    void *options = lw_mem_calloc(1, class->options_bytes + 1);
    char value[256];

    begin_object(json, "options");
    if (options == NULL) {
        json->out.status = LW_ENOMEM;
    } else {
        lw_options_default(class->options, class->n_options, options);
        for (size_t i = 0; i < plan->n_options; i++) {
            if (plan->options[i].class == class &&
                lw_options_set(class->options, class->n_options, options, plan->options[i].name,
                               plan->options[i].value, NULL) != LW_OK) {
                continue; /* The plan has refused it already. */
            }
        }
        for (size_t i = 0; i < class->n_options; i++) {
            (void)lw_option_format(&class->options[i], options, value, sizeof(value));
            text(json, class->options[i].name, value);
        }
    }
    lw_json_end(json);
    lw_mem_free(options);
}

/* The number of a member in what is fitted; SIZE_MAX where it was left out. */
static size_t final_place(const struct training *training, size_t member)
{
    size_t n = 0;

    for (size_t m = 0; m < training->wanted.n_members; m++) {
        double weight = training->skipped == NULL ? training->selection->weights[m]
                                                  : training->wanted.members[m].weight;

        if (m == member) {
            return weight > 0.0 ? n : SIZE_MAX;
        }
        n += weight > 0.0 ? 1 : 0;
    }
    return SIZE_MAX;
}

static void write_member(const struct training *training, size_t member, double *work,
                         struct lw_json *json)
{
    const struct lw_plan_member *wanted = &training->wanted.members[member];
    const struct lw_trained_group *group = &training->outcome->groups[0];
    size_t place = final_place(training, member);
    double weight = place == SIZE_MAX ? 0.0 : training->final.members[place].weight, sum = 0.0;
    char name[64];

    for (size_t m = 0; m < training->final.n_members; m++) {
        sum += training->final.members[m].weight;
    }
    lw_member_name(wanted, name, sizeof(name));
    lw_json_begin_object(json);
    text(json, "name", name);
    text(json, "class", wanted->class->name);
    text(json, "view", lw_view_name(wanted->view));
    text(json, "title", wanted->class->title);
    write_model_options(&training->wanted, wanted->class, json);
    number(json, "weight", weight);
    number(json, "recipe_weight", wanted->weight);
    number(json, "weight_share", weight / sum);
    number(json, "unit", wanted->unit);
    number(json, "cost", lw_member_cost(wanted, group->n_columns));
    number(json, "worth",
           training->skipped == NULL ? training->selection->worth[member] : (double)NAN);
    truth(json, "pays", place != SIZE_MAX);
    text(json, "why",
         place != SIZE_MAX      ? NULL
         : wanted->weight > 0.0 ? "leaving it out changes less than its share of the cost asks for"
                                : "it was given no weight");
    if (place != SIZE_MAX) {
        whole(json, "bytes", group->result.members[place].bytes);
        write_quantiles(training, place, work, json);
    } else {
        whole(json, "bytes", 0);
        lw_json_key(json, "quantiles");
        lw_json_null(json);
    }
    lw_json_end(json);
}

/* Spearman's correlation of two members over the sample; NaN for one that was left out. */
static double member_correlation(const struct training *training, const size_t pair[2],
                                 double *work)
{
    size_t a = final_place(training, pair[0]), b = final_place(training, pair[1]), n = 0;
    size_t every = training->kept.n / CORRELATION_ROWS + 1;
    double *second = work + CORRELATION_ROWS;

    if (a == SIZE_MAX || b == SIZE_MAX) {
        return NAN;
    }
    for (size_t i = 0; i < training->kept.n && n < CORRELATION_ROWS; i += every) {
        const float *row = training->kept.ratios + i * training->final.n_members;

        if (!isnan(row[a]) && !isnan(row[b])) {
            work[n] = (double)row[a];
            second[n++] = (double)row[b];
        }
    }
    return lw_rank_correlation(work, second, n, work + 2 * (size_t)CORRELATION_ROWS);
}

static void write_members(const struct training *training, double *work, struct lw_json *json)
{
    size_t n = training->wanted.n_members;

    begin_array(json, "members");
    for (size_t m = 0; m < n; m++) {
        write_member(training, m, work, json);
    }
    lw_json_end(json);
    begin_array(json, "quantile_shares");
    for (size_t q = 0; q < QUANTILES; q++) {
        lw_json_number(json, quantile_shares[q]);
    }
    lw_json_end(json);
    begin_array(json, "correlation");
    for (size_t a = 0; a < n; a++) {
        lw_json_begin_array(json);
        for (size_t b = 0; b < n; b++) {
            size_t pair[2] = {a < b ? a : b, a < b ? b : a};

            lw_json_number(json, a == b ? 1.0 : member_correlation(training, pair, work));
        }
        lw_json_end(json);
    }
    lw_json_end(json);
}

static void write_weights(const struct training *training, struct lw_json *json)
{
    const struct lw_selection *selection = training->selection;
    const char *why = "no labels were given";

    if (selection->weights_learned) {
        why = "weights learnt from labels before each fold rank the labels in it better";
    } else if (selection->has_labels) {
        why = "weights learnt from labels before each fold rank the labels in it no better";
    } else if (training->options.n_labels > 0) {
        why = "fewer than 5 labelled events lie in the rows that folds judge";
    }
    begin_object(json, "weights");
    text(json, "source", selection->weights_learned ? "labels" : "recipe");
    text(json, "why", why);
    number(json, "shrinkage", training->skipped == NULL ? selection->shrinkage : (double)NAN);
    number(json, "auc_pr_recipe",
           training->skipped == NULL ? selection->auc_pr_recipe : (double)NAN);
    number(json, "auc_pr_labels",
           training->skipped == NULL ? selection->auc_pr_labels : (double)NAN);
    lw_json_end(json);
}

/* ---- sharing ---- */

static void write_sharing(const struct training *training, struct lw_json *json)
{
    const struct lw_training_outcome *outcome = training->outcome;
    bool grouped = training->sharing == LW_SHARING_CLUSTERS;

    begin_object(json, "sharing");
    text(json, "asked", sharing_names[training->options.sharing]);
    text(json, "chosen", sharing_names[training->sharing]);
    whole(json, "groups", outcome->n_groups);
    number(json, "loss", training->loss);
    number(json, "limit", LW_SHARING_LOSS);
    whole(json, "entities_compared", training->has_all ? training->n_validated : 0);
    number(json, "auc_pr_own", training->auc_pr_own);
    number(json, "auc_pr_all", training->auc_pr_all);
    number(json, "silhouette", grouped ? training->clusters.silhouette : (double)NAN);
    text(json, "why", training->sharing_why);
    number(json, "fallback",
           outcome->fallback == SIZE_MAX ? (double)NAN : (double)outcome->fallback);
    lw_json_end(json);
    begin_array(json, "groups");
    for (size_t g = 0; g < outcome->n_groups; g++) {
        const struct lw_trained_group *group = &outcome->groups[g];
        uint64_t rows = 0;

        for (size_t i = 0; i < group->n_entities; i++) {
            rows += training->entities[group->entities[i]].n_used;
        }
        lw_json_begin_object(json);
        whole(json, "group", g);
        whole(json, "entities", group->n_entities);
        whole(json, "metrics", group->n_columns);
        whole(json, "rows", rows);
        whole(json, "bytes", lw_ensemble_bytes(group->result.ensemble));
        text(json, "medoid",
             grouped ? training->entities[training->clusters.medoids[g]].source->name : NULL);
        lw_json_end(json);
    }
    lw_json_end(json);
}

/* ---- calibration and budget ---- */

static const struct lw_judged *judged_of(const struct training *training,
                                         const struct lw_held_out **ret_held)
{
    bool is_shared = training->has_all && training->sharing != LW_SHARING_OWN;

    *ret_held = is_shared ? &training->held_all : &training->held_own;
    return is_shared ? &training->judged_all : &training->judged_own;
}

/* The share of an entity's rows judged that lie at or above a level; SIZE_MAX: of all. */
static double share_above(const struct lw_held_out *held, const double *levels, size_t entity,
                          double level, size_t *ret_n)
{
    size_t n = 0, above = 0;

    for (size_t s = 0; s < held->n_entities * held->n_folds; s++) {
        const struct lw_held_stretch *stretch = &held->stretches[s];

        for (size_t i = 0; (entity == SIZE_MAX || stretch->entity == entity) && i < stretch->n_rows;
             i++) {
            double now = levels[stretch->at + i];

            if (!isnan(now) && lw_judge_counts(held, stretch, i, false)) {
                n++;
                above += now >= level ? 1 : 0;
            }
        }
    }
    *ret_n = n;
    return n > 0 ? (double)above / (double)n : (double)NAN;
}

static void write_curve_point(const struct lw_held_out *held, const double *levels, double level,
                              struct lw_json *json)
{
    double shares[LW_TRAINING_VALIDATED_MAX];
    struct lw_sorted sorted;
    size_t n_rows, n = 0;

    lw_json_begin_object(json);
    number(json, "level", level);
    number(json, "promised_share", lw_exp(-level * 2.30258509299404568402));
    number(json, "achieved_share", share_above(held, levels, SIZE_MAX, level, &n_rows));
    for (size_t e = 0; e < held->n_entities; e++) {
        double share = share_above(held, levels, e, level, &n_rows);

        if (!isnan(share)) {
            shares[n++] = share;
        }
    }
    lw_sort(shares, n);
    sorted = lw_sorted_array(shares, n);
    number(json, "low_entity", n > 0 ? lw_quantile(&sorted, 0.1) : (double)NAN);
    number(json, "high_entity", n > 0 ? lw_quantile(&sorted, 0.9) : (double)NAN);
    lw_json_end(json);
}

/* How far entities are from each other in what they make of level 1: standard deviation of log10 of
 * their shares. */
static double entities_spread(const struct lw_held_out *held, const double *levels)
{
    double sum = 0.0, squares = 0.0, count = 0.0;
    size_t n_rows;

    for (size_t e = 0; e < held->n_entities; e++) {
        double share = share_above(held, levels, e, 1.0, &n_rows);

        if (!isnan(share)) {
            double place = lw_log10(share + 0.5 / (double)n_rows);

            sum += place;
            squares += place * place;
            count += 1.0;
        }
    }
    if (count < 2.0) {
        return NAN;
    }
    squares -= sum * sum / count;
    return sqrt((squares > 0.0 ? squares : 0.0) / (count - 1.0));
}

static void write_calibration(const struct training *training, struct lw_json *json)
{
    const struct lw_held_out *held;
    const double *levels = judged_of(training, &held)->levels;
    size_t n_rows;

    begin_object(json, "calibration");
    (void)share_above(held, levels, SIZE_MAX, 0.0, &n_rows);
    whole(json, "rows", n_rows);
    begin_array(json, "curve");
    for (size_t i = 0; i < sizeof(curve_levels) / sizeof(curve_levels[0]); i++) {
        write_curve_point(held, levels, curve_levels[i], json);
    }
    lw_json_end(json);
    number(json, "entities_spread", entities_spread(held, levels));
    lw_json_end(json);
}

static void write_budget_row(const struct training *training, size_t i, struct lw_json *json)
{
    static const char *const names[LW_TRAINING_BUDGETS] = {"1 day", "1 week", "benchmark"};
    static const double seconds[LW_TRAINING_BUDGETS] = {DAY_S, 7.0 * DAY_S, NAN};
    const struct lw_budget_row *row = &training->budgets[i];
    double entities = training->request->budget_is_shared ? (double)training->n_used : 1.0;
    /* Days of the whole detector (or of one entity) that the rows judged stand for. */
    double days = i < 2 ? (double)row->n_rows * training->step_s / (DAY_S * entities) : (double)NAN;

    lw_json_begin_object(json);
    text(json, "name", names[i]);
    number(json, "seconds", seconds[i]);
    number(json, "rows", row->budget_rows);
    number(json, "cut", row->cut);
    number(json, "promised", row->promised);
    whole(json, "achieved", row->achieved);
    number(json, "low", row->low);
    number(json, "high", row->high);
    number(json, "promised_per_day", row->promised / days);
    number(json, "achieved_per_day", (double)row->achieved / days);
    number(json, "low_per_day", row->low / days);
    number(json, "high_per_day", row->high / days);
    number(json, "time_in_alarm", row->alarm_share);
    truth(json, "holds", row->promised >= row->low);
    lw_json_end(json);
}

static void write_budget(const struct training *training, struct lw_json *json)
{
    const struct lw_budget_row *any = &training->budgets[LW_TRAINING_BUDGETS - 1];
    bool has_step = training->step_s > 0.0;

    begin_object(json, "budget");
    text(json, "scope", training->request->budget_is_shared ? "detector" : "entity");
    whole(json, "entities", training->n_used);
    number(json, "step", has_step ? training->step_s : (double)NAN);
    whole(json, "rows", any->n_rows);
    number(json, "seconds", has_step ? (double)any->n_rows * training->step_s : (double)NAN);
    whole(json, "excluded_rows", any->n_excluded);
    begin_array(json, "table");
    for (size_t i = 0; i < LW_TRAINING_BUDGETS; i++) {
        if (has_step || i == LW_TRAINING_BUDGETS - 1) {
            write_budget_row(training, i, json);
        }
    }
    lw_json_end(json);
    lw_json_end(json);
}

/* ---- plots ---- */

static void write_plot(const struct training *training, const struct plot *plot,
                       struct lw_json *json)
{
    const struct trained_entity *entity = &training->entities[plot->entity];
    const struct lw_training_source *source = entity->source;

    lw_json_begin_object(json);
    text(json, "name", source->name);
    whole(json, "every", plot->every);
    begin_array(json, "time");
    for (size_t i = 0; i < plot->n; i++) {
        lw_json_number(json, plot->times_s[i]);
    }
    lw_json_end(json);
    begin_array(json, "level");
    for (size_t i = 0; i < plot->n; i++) {
        lw_json_number(json, plot->levels[i]);
    }
    lw_json_end(json);
    begin_array(json, "labels");
    for (size_t i = 0, end; entity->labels != NULL && i < source->n_rows; i = end + 1) {
        for (end = i; end < source->n_rows && entity->labels[end] != 0; end++) {
        }
        if (end > i && plot->n > 0 && (double)source->times_ns[end - 1] / 1e9 >= plot->times_s[0]) {
            lw_json_begin_array(json);
            lw_json_number(json, (double)source->times_ns[i] / 1e9);
            lw_json_number(json, (double)source->times_ns[end - 1] / 1e9);
            lw_json_end(json);
        }
    }
    lw_json_end(json);
    lw_json_end(json);
}

static void write_plots(const struct training *training, struct lw_json *json)
{
    begin_object(json, "plots");
    begin_object(json, "levels");
    begin_array(json, "edges");
    for (size_t i = 0; i <= LW_TRAINING_LEVEL_BINS; i++) {
        lw_json_number(json, 0.25 * (double)i);
    }
    lw_json_end(json);
    begin_array(json, "counts");
    for (size_t i = 0; i < LW_TRAINING_LEVEL_BINS; i++) {
        lw_json_int(json, (int64_t)training->kept.levels[i]);
    }
    lw_json_end(json);
    lw_json_end(json);
    begin_array(json, "entities");
    for (size_t p = 0; p < training->n_plots; p++) {
        write_plot(training, &training->plots[p], json);
    }
    lw_json_end(json);
    whole(json, "entities_not_plotted", training->n_used - training->n_plots);
    lw_json_end(json);
}

/* ---- memory and time ---- */

static void write_memory(const struct training *training, struct lw_json *json)
{
    const struct lw_training_outcome *outcome = training->outcome;
    uint64_t models = 0;

    for (size_t g = 0; g < outcome->n_groups; g++) {
        models += lw_ensemble_bytes(outcome->groups[g].result.ensemble);
    }
    begin_object(json, "memory");
    whole(json, "limit", training->options.memory_max);
    whole(json, "needed", training->memory_needed);
    whole(json, "model_bytes", models);
    whole(json, "state_bytes_an_entity",
          outcome->groups[0].result.n_state * sizeof(float) + sizeof(struct lw_calibrator));
    lw_json_end(json);
}

static void write_timing(const struct training *training, struct lw_json *json)
{
    const struct lw_training_outcome *outcome = training->outcome;
    char name[64];

    begin_object(json, "timing");
    number(json, "seconds", (double)(lw_clock_monotonic_ns() - training->started_ns) * 1e-9);
    whole(json, "n_threads", training->options.n_threads);
    number(json, "ns_per_vector", training->ns_per_vector);
    begin_array(json, "members");
    for (size_t m = 0; m < training->final.n_members; m++) {
        double seconds = 0.0;

        for (size_t g = 0; g < outcome->n_groups; g++) {
            seconds += outcome->groups[g].result.members[m].fit_seconds;
        }
        lw_member_name(&training->final.members[m], name, sizeof(name));
        lw_json_begin_object(json);
        text(json, "name", name);
        number(json, "fit_seconds", seconds);
        number(json, "ns_per_vector", outcome->groups[0].result.members[m].nanoseconds_a_row);
        lw_json_end(json);
    }
    lw_json_end(json);
    lw_json_end(json);
}

static void write_trained(const struct training *training, double *work, struct lw_json *json)
{
    write_validation(training, json);
    write_members(training, work, json);
    write_weights(training, json);
    write_sharing(training, json);
    if (training->has_own) {
        write_calibration(training, json);
        write_budget(training, json);
    }
    write_plots(training, json);
    write_memory(training, json);
    write_timing(training, json);
}

enum lw_status lw_training_report(const struct training *training, enum lw_status status,
                                  const char *reason, char **ret_report, size_t *ret_n_bytes,
                                  struct lw_error *reterr)
{
    size_t n_work = training->kept.n > 5 * (size_t)CORRELATION_ROWS ? training->kept.n
                                                                    : 5 * (size_t)CORRELATION_ROWS;
    double *work = lw_mem_calloc(n_work, sizeof(*work));
    struct lw_json json;
    char *report = NULL;

    lw_json_init(&json);
    lw_json_begin_object(&json);
    text(&json, "format", "lapwing training report");
    whole(&json, "version", REPORT_VERSION);
    text(&json, "detector", training->request->detector);
    text(&json, "status", status == LW_OK ? "trained" : "refused");
    text(&json, "reason", status == LW_OK ? NULL : reason);
    write_options(training, &json);
    lw_report_data(training, &json);
    write_labels(training, &json);
    if (status == LW_OK && work != NULL) {
        write_trained(training, work, &json);
    }
    lw_json_end(&json);
    if (work != NULL && lw_json_peek(&json) != NULL) {
        *ret_n_bytes = strlen(lw_json_peek(&json));
        report = lw_mem_alloc(*ret_n_bytes + 1);
        if (report != NULL) {
            memcpy(report, lw_json_peek(&json), *ret_n_bytes + 1);
        }
    }
    lw_json_fini(&json);
    lw_mem_free(work);
    if (report == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the report");
    }
    *ret_report = report;
    return LW_OK;
}
