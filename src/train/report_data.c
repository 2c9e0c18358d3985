/* The part of a training's report that tells of the data. */
#include "train/training_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define METRICS_LISTED 512u
#define ENTITIES_LISTED 1000u
#define FINDINGS_LISTED 100u
#define MISSING_SHARE_TOLD 0.05

/* What is known of one metric over all entities. */
struct metric_sum {
    size_t n_entities, n_known, n_rows, counts[LW_FINDINGS];
    double minimum, maximum, medians, shift;
    size_t n_medians;
};

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

static double seconds_of(int64_t time_ns)
{
    return (double)time_ns / 1e9;
}

static const char *entities_word(size_t n)
{
    return n == 1 ? "entity" : "entities";
}

LW_PRINTF(4, 5)
static void finding(struct lw_json *json, const char *severity, const char *kind,
                    const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    lw_json_begin_object(json);
    text(json, "severity", severity);
    text(json, "kind", kind);
    text(json, "text", sentence);
    lw_json_end(json);
}

/* ---- one metric ---- */

static void sum_metrics(const struct training *training, struct metric_sum *sums)
{
    for (size_t e = 0; e < training->n_entities; e++) {
        const struct trained_entity *entity = &training->entities[e];

        for (size_t i = 0; i < entity->source->n_series; i++) {
            const struct lw_quality_metric *metric = &entity->quality.metrics[i];
            struct metric_sum *sum = &sums[entity->columns[i]];

            sum->minimum = sum->n_entities == 0 || !(metric->minimum >= sum->minimum)
                               ? metric->minimum
                               : sum->minimum;
            sum->maximum = sum->n_entities == 0 || !(metric->maximum <= sum->maximum)
                               ? metric->maximum
                               : sum->maximum;
            sum->n_entities++;
            sum->n_known += metric->n_known;
            sum->n_rows += entity->source->n_rows;
            if (!isnan(metric->median)) {
                sum->medians += metric->median;
                sum->n_medians++;
            }
            sum->shift = metric->shift > sum->shift ? metric->shift : sum->shift;
            for (unsigned bit = 0; bit < LW_FINDINGS; bit++) {
                sum->counts[bit] += metric->findings >> bit & 1;
            }
        }
    }
}

/* Is a column known in at least half of the entities that are used? */
static bool column_is_used(const struct training *training, const struct metric_sum *sum)
{
    size_t known = sum->n_entities - sum->counts[0];

    return known > 0 && (training->sharing == LW_SHARING_OWN || 2 * known >= training->n_used);
}

static void write_metric(const struct training *training, const struct metric_sum *sum,
                         const char *name, struct lw_json *json)
{
    static const char *const keys[LW_FINDINGS] = {
        "missing_in", "constant_in", "flag_in", "stuck_in", "extreme_in", "counter_in", "drift_in"};
    bool is_used = column_is_used(training, sum);

    lw_json_begin_object(json);
    text(json, "name", name);
    lw_json_key(json, "used");
    lw_json_bool(json, is_used);
    text(json, "why", is_used ? NULL : "known too rarely, or in fewer than half of the entities");
    whole(json, "entities", sum->n_entities);
    number(json, "missing_share",
           sum->n_rows > 0 ? 1.0 - (double)sum->n_known / (double)sum->n_rows : (double)NAN);
    number(json, "minimum", sum->minimum);
    number(json, "median",
           sum->n_medians > 0 ? sum->medians / (double)sum->n_medians : (double)NAN);
    number(json, "maximum", sum->maximum);
    for (unsigned bit = 0; bit < LW_FINDINGS; bit++) {
        whole(json, keys[bit], sum->counts[bit]);
    }
    number(json, "largest_shift", sum->shift);
    lw_json_end(json);
}

/* ---- one entity ---- */

static void write_detail(const struct lw_quality_metric *metric, unsigned bit, size_t n_rows,
                         struct lw_json *json)
{
    double known = n_rows > 0 ? (double)metric->n_known / (double)n_rows : 0.0;
    char sentence[160];
    double value = NAN;

    switch (1u << bit) {
    case LW_FINDING_MISSING:
        value = 1.0 - known;
        (void)snprintf(sentence, sizeof(sentence), "known in %.1f %% of the rows only",
                       100.0 * known);
        break;
    case LW_FINDING_CONSTANT:
        value = metric->median;
        (void)snprintf(sentence, sizeof(sentence), "always %g", metric->median);
        break;
    case LW_FINDING_STUCK:
        value = (double)metric->longest_still;
        (void)snprintf(sentence, sizeof(sentence), "stood still for %zu rows",
                       metric->longest_still);
        break;
    case LW_FINDING_EXTREME:
        value = (double)metric->n_extreme;
        (void)snprintf(sentence, sizeof(sentence), "%zu values far outside of all others",
                       metric->n_extreme);
        break;
    case LW_FINDING_COUNTER:
        (void)snprintf(sentence, sizeof(sentence),
                       "only ever rises, as a counter does: take its rate");
        break;
    default:
        value = metric->shift;
        (void)snprintf(sentence, sizeof(sentence),
                       "moved by %.1f times its spread from the first third to the last",
                       metric->shift);
    }
    number(json, "value", value);
    text(json, "text", sentence);
}

static void write_findings(const struct trained_entity *entity, struct lw_json *json)
{
    size_t n = 0;

    lw_json_key(json, "findings");
    lw_json_begin_array(json);
    for (size_t i = 0; i < entity->source->n_series; i++) {
        const struct lw_quality_metric *metric = &entity->quality.metrics[i];

        for (unsigned bit = 0; bit < LW_FINDINGS && n < FINDINGS_LISTED; bit++) {
            unsigned flag = metric->findings & 1u << bit;

            if (flag != 0 && lw_quality_is_told(flag)) {
                lw_json_begin_object(json);
                text(json, "metric", entity->source->series[i]);
                text(json, "kind", lw_finding_name(bit));
                write_detail(metric, bit, entity->source->n_rows, json);
                lw_json_end(json);
                n++;
            }
        }
    }
    lw_json_end(json);
}

static void write_entity(const struct trained_entity *entity, struct lw_json *json)
{
    const struct lw_training_source *source = entity->source;
    bool has_times = source->n_rows > 0 && source->times_ns != NULL;
    bool is_timeless = source->n_rows > 0 && source->times_ns == NULL;

    lw_json_begin_object(json);
    text(json, "name", source->name);
    lw_json_key(json, "used");
    lw_json_bool(json, entity->is_used);
    text(json, "why", entity->is_used ? NULL : entity->why);
    number(json, "group", entity->group == SIZE_MAX ? (double)NAN : (double)entity->group);
    whole(json, "rows_seen", source->n_seen);
    whole(json, "rows", source->n_rows);
    whole(json, "rows_used", entity->n_used);
    number(json, "start", has_times ? seconds_of(source->times_ns[0]) : (double)NAN);
    number(json, "end", has_times ? seconds_of(source->times_ns[source->n_rows - 1]) : (double)NAN);
    number(json, "step", entity->quality.step_s > 0.0 ? entity->quality.step_s : (double)NAN);
    number(json, "gaps", is_timeless ? (double)NAN : (double)entity->quality.n_gaps);
    number(json, "longest_gap", is_timeless ? (double)NAN : entity->quality.longest_gap_s);
    number(json, "missing_share", entity->quality.missing_share);
    whole(json, "not_finite", source->not_finite);
    whole(json, "late", source->late);
    whole(json, "duplicates", source->duplicates);
    whole(json, "overflow", source->overflow);
    write_findings(entity, json);
    lw_json_end(json);
}

/* Those with more findings first: two passes, each in the order of names. */
static void write_entities(const struct training *training, struct lw_json *json)
{
    size_t n = 0;

    lw_json_key(json, "entity_list");
    lw_json_begin_array(json);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t e = 0; e < training->n_entities && n < ENTITIES_LISTED; e++) {
            const struct trained_entity *entity = &training->entities[e];
            bool is_troubled = entity->quality.n_findings > 0 || !entity->is_used;

            if (training->n_entities <= ENTITIES_LISTED ? pass == 0 : is_troubled == (pass == 0)) {
                write_entity(entity, json);
                n++;
            }
        }
    }
    lw_json_end(json);
    whole(json, "entities_not_listed", training->n_entities - n);
}

/* ---- all of it ---- */

struct data_sum {
    uint64_t seen, rows, used, not_finite, late, duplicates, overflow, gaps;
    size_t metrics[LW_FINDINGS], entities[LW_FINDINGS], n_used, n_gapped, n_timeless;
    double missing, start, end, longest_gap;
};

static void sum_entity(const struct trained_entity *entity, struct data_sum *sum)
{
    const struct lw_training_source *source = entity->source;
    unsigned any = 0;

    sum->n_used += entity->is_used ? 1 : 0;
    sum->seen += source->n_seen;
    sum->rows += source->n_rows;
    sum->used += entity->n_used;
    sum->not_finite += source->not_finite;
    sum->late += source->late;
    sum->duplicates += source->duplicates;
    sum->overflow += source->overflow;
    sum->gaps += entity->quality.n_gaps;
    sum->n_gapped += entity->quality.n_gaps > 0 ? 1 : 0;
    sum->longest_gap = entity->quality.longest_gap_s > sum->longest_gap
                           ? entity->quality.longest_gap_s
                           : sum->longest_gap;
    sum->missing += entity->quality.missing_share * (double)source->n_rows;
    sum->n_timeless += source->n_rows > 0 && source->times_ns == NULL ? 1 : 0;
    if (source->n_rows > 0 && source->times_ns != NULL) {
        double start = seconds_of(source->times_ns[0]);
        double end = seconds_of(source->times_ns[source->n_rows - 1]);

        sum->start = start >= sum->start ? sum->start : start;
        sum->end = end <= sum->end ? sum->end : end;
    }
    for (size_t i = 0; i < source->n_series; i++) {
        for (unsigned bit = 0; bit < LW_FINDINGS; bit++) {
            sum->metrics[bit] += entity->quality.metrics[i].findings >> bit & 1;
        }
        any |= entity->quality.metrics[i].findings;
    }
    for (unsigned bit = 0; bit < LW_FINDINGS; bit++) {
        sum->entities[bit] += any >> bit & 1;
    }
}

static void write_counted(const struct data_sum *sum, struct lw_json *json)
{
    static const struct {
        const char *severity, *what;
    } told[LW_FINDINGS] = {
        {"warning", "hardly ever known and left out there"},
        {"note", "always the same; any other value will be strange"},
        {NULL, NULL},
        {"warning", "stood still for long, though they move otherwise: look for a fault"},
        {"warning", "a few values far outside of all others: look for a fault"},
        {"warning", "only ever rising, as counters do: take their rates"},
        {"warning", "moved by more than twice their spread from the first third of the rows to "
                    "the last: what is learnt may be out of date soon"}};

    for (unsigned bit = 0; bit < LW_FINDINGS; bit++) {
        if (told[bit].what != NULL && sum->metrics[bit] > 0) {
            finding(json, told[bit].severity, lw_finding_name(bit), "%zu series of %zu %s: %s",
                    sum->metrics[bit], sum->entities[bit], entities_word(sum->entities[bit]),
                    told[bit].what);
        }
    }
}

static void write_warnings(const struct training *training, const struct data_sum *sum,
                           struct lw_json *json)
{
    lw_json_key(json, "findings");
    lw_json_begin_array(json);
    if (sum->n_used < training->n_entities) {
        finding(json, sum->n_used == 0 ? "error" : "warning", "too_short",
                "%zu of %zu %s left out: too few rows, or no metric known often enough",
                training->n_entities - sum->n_used, training->n_entities,
                entities_word(training->n_entities));
    }
    write_counted(sum, json);
    if (sum->rows > 0 && sum->missing > MISSING_SHARE_TOLD * (double)sum->rows) {
        finding(json, "warning", "missing", "%.1f %% of all values are missing",
                100.0 * sum->missing / (double)sum->rows);
    }
    if (sum->gaps > 0) {
        finding(json, "note", "gap", "%llu %s in %zu %s, the longest of %g s",
                (unsigned long long)sum->gaps, sum->gaps == 1 ? "gap" : "gaps", sum->n_gapped,
                entities_word(sum->n_gapped), sum->longest_gap);
    }
    if (sum->n_timeless > 0) {
        finding(json, "note", "no_times",
                "rows were kept without their times: gaps are not known%s",
                training->request->step_s > 0.0 ? "" : ", nor is the step");
    }
    if (sum->late + sum->duplicates + sum->not_finite + sum->overflow > 0) {
        finding(json, "note", "late",
                "%llu samples came too late, %llu twice, %llu were no finite numbers, %llu too "
                "many for their step",
                (unsigned long long)sum->late, (unsigned long long)sum->duplicates,
                (unsigned long long)sum->not_finite, (unsigned long long)sum->overflow);
    }
    if (training->thin > 1) {
        finding(json, "note", "thinned",
                "one block of rows in %zu is used: that takes %llu MiB, %llu MiB are allowed",
                training->thin, (unsigned long long)(training->memory_needed >> 20),
                (unsigned long long)(training->options.memory_max >> 20));
    }
    if (!(training->step_s > 0.0)) {
        finding(json, "note", "no_step",
                "the time between rows is not known, so budgets of days mean nothing here");
    }
    lw_json_end(json);
}

static size_t write_metrics(const struct training *training, struct lw_json *json)
{
    size_t n_names = lw_intern_count(training->names), n_used = 0;
    struct metric_sum *sums = lw_mem_calloc(n_names + 1, sizeof(*sums));

    lw_json_key(json, "metric_list");
    lw_json_begin_array(json);
    if (sums == NULL) {
        json->out.status = LW_ENOMEM;
    } else {
        sum_metrics(training, sums);
        for (size_t i = 0; i < n_names; i++) {
            n_used += column_is_used(training, &sums[i]) ? 1 : 0;
            if (i < METRICS_LISTED) {
                write_metric(training, &sums[i], lw_intern_peek(training->names, (uint32_t)i, NULL),
                             json);
            }
        }
    }
    lw_json_end(json);
    lw_mem_free(sums);
    return n_used;
}

void lw_report_data(const struct training *training, struct lw_json *json)
{
    struct data_sum sum = {.start = NAN, .end = NAN};

    for (size_t e = 0; e < training->n_entities; e++) {
        sum_entity(&training->entities[e], &sum);
    }
    lw_json_key(json, "data");
    lw_json_begin_object(json);
    whole(json, "entities", training->n_entities);
    whole(json, "entities_used", sum.n_used);
    whole(json, "rows_seen", sum.seen);
    whole(json, "rows", sum.rows);
    whole(json, "rows_used", sum.used);
    whole(json, "thinned_by", training->thin);
    whole(json, "metrics", lw_intern_count(training->names));
    number(json, "missing_share", sum.rows > 0 ? sum.missing / (double)sum.rows : (double)NAN);
    number(json, "start", sum.start);
    number(json, "end", sum.end);
    number(json, "step", training->step_s > 0.0 ? training->step_s : (double)NAN);
    whole(json, "not_finite", sum.not_finite);
    whole(json, "late", sum.late);
    whole(json, "duplicates", sum.duplicates);
    whole(json, "overflow", sum.overflow);
    write_warnings(training, &sum, json);
    whole(json, "metrics_used", write_metrics(training, json));
    write_entities(training, json);
    lw_json_end(json);
}
