/* What a training learns from: judged, labelled, cut to columns, thinned to fit memory. */
#include "train/training_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS 64u
#define SECOND_NS INT64_C(1000000000) /* From row to row where their times were not kept. */
#define NAMES_MAX 1000000u
#define NAMES_BYTES_MAX ((size_t)256 << 20)
#define COLUMN_ENTITIES_LEAST 0.5 /* Share of the entities of a group that know a column. */
/* Bytes a fit takes, for a row of `c` columns and in all: train/ensemble_fit.h. */
#define FIT_ROW_BYTES(c) (8u * (c) + 300u)
#define FIT_SHARES 1.7 /* Of the rows, by both fits together. */
#define FIT_BYTES ((uint64_t)24 << 20)

/* ---- judged ---- */

struct quality_jobs {
    struct training *training;
    enum lw_status *statuses;
};

static void job_quality(void *context, size_t i)
{
    struct quality_jobs *jobs = context;
    struct trained_entity *entity = &jobs->training->entities[i];

    jobs->statuses[i] = lw_quality_judge(entity->source, jobs->training->request->step_s,
                                         &entity->quality, NULL);
}

static enum lw_status judge_rows(struct training *training, struct lw_error *reterr)
{
    struct quality_jobs jobs = {training,
                                lw_mem_calloc(training->n_entities + 1, sizeof(*jobs.statuses))};
    enum lw_status status = LW_OK;

    if (jobs.statuses == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to judge %zu entities",
                            training->n_entities);
    }
    lw_parallel(training->n_entities, training->options.n_threads, job_quality, &jobs);
    for (size_t i = 0; status == LW_OK && i < training->n_entities; i++) {
        if (jobs.statuses[i] != LW_OK) {
            status = lw_error_set(reterr, jobs.statuses[i], "no memory to judge entity \"%s\"",
                                  training->entities[i].source->name);
        }
    }
    lw_mem_free(jobs.statuses);
    return status;
}

static enum lw_status name_columns(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = lw_intern_create(NAMES_MAX, NAMES_BYTES_MAX, &training->names, reterr);

    for (size_t e = 0; status == LW_OK && e < training->n_entities; e++) {
        struct trained_entity *entity = &training->entities[e];
        size_t n = entity->source->n_series;

        entity->columns = lw_mem_calloc(n + 1, sizeof(*entity->columns));
        if (entity->columns == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for the columns of entity \"%s\"",
                                entity->source->name);
        }
        for (size_t i = 0; status == LW_OK && i < n; i++) {
            status = lw_intern_add(training->names, entity->source->series[i],
                                   strlen(entity->source->series[i]), &entity->columns[i], reterr);
        }
    }
    return status;
}

/* The first row at or after a moment. */
static size_t row_at(const struct lw_training_source *source, int64_t time_ns)
{
    size_t low = 0, high = source->n_rows;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (source->times_ns[middle] < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Marks the rows of one label in one entity; LW_OK and nothing when it is of another. */
static enum lw_status mark(struct trained_entity *entity, const struct lw_train_label *label,
                           bool *met, struct lw_error *reterr)
{
    size_t n_rows = entity->source->n_rows;

    if (label->entity != NULL && strcmp(label->entity, entity->source->name) != 0) {
        return LW_OK;
    }
    for (size_t i = row_at(entity->source, label->start_ns);
         i < n_rows && entity->source->times_ns[i] <= label->end_ns; i++) {
        if (entity->labels == NULL) {
            entity->labels = lw_mem_calloc(n_rows, 1);
        }
        if (entity->labels == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for the labels of entity \"%s\"",
                                entity->source->name);
        }
        entity->n_labelled += entity->labels[i] == 0 ? 1 : 0;
        entity->labels[i] = 1;
        *met = true;
    }
    return LW_OK;
}

static enum lw_status mark_all(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t l = 0; status == LW_OK && l < training->options.n_labels; l++) {
        bool met = false;

        for (size_t e = 0; status == LW_OK && e < training->n_entities; e++) {
            status = mark(&training->entities[e], &training->options.labels[l], &met, reterr);
        }
        training->labels_outside += met ? 0 : 1;
    }
    return status;
}

/* Which entities can be learnt from. */
static void pick_entities(struct training *training)
{
    double sum = 0.0;
    size_t n_steps = 0;

    for (size_t e = 0; e < training->n_entities; e++) {
        struct trained_entity *entity = &training->entities[e];
        size_t n_known = 0;

        for (size_t i = 0; i < entity->source->n_series; i++) {
            n_known += (entity->quality.metrics[i].findings & LW_FINDING_MISSING) == 0 ? 1 : 0;
        }
        entity->group = SIZE_MAX;
        if (entity->source->n_rows - entity->n_labelled < LW_TRAIN_ROWS_MIN) {
            entity->why = "too few rows";
        } else if (n_known == 0) {
            entity->why = "no metric is known often enough";
        } else {
            entity->is_used = true;
            training->n_used++;
        }
        if (entity->is_used && entity->quality.step_s > 0.0) {
            sum += entity->quality.step_s;
            n_steps++;
        }
    }
    training->step_s = lw_quality_seconds(training->request->step_s > 0.0
                                              ? training->request->step_s
                                          : n_steps > 0 ? sum / (double)n_steps
                                                        : 0.0);
}

enum lw_status lw_training_judge_data(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = judge_rows(training, reterr);

    if (status == LW_OK) {
        status = name_columns(training, reterr);
    }
    if (status == LW_OK) {
        status = mark_all(training, reterr);
    }
    if (status == LW_OK) {
        pick_entities(training);
    }
    return status;
}

/* ---- columns ---- */

/* The columns of one entity, in the order of its series. */
static void own_columns(const struct trained_entity *entity, struct column_set *set)
{
    for (size_t i = 0; i < entity->source->n_series && set->n < LW_VIEWS_COLUMNS_MAX; i++) {
        if ((entity->quality.metrics[i].findings & LW_FINDING_MISSING) == 0) {
            set->natural[set->n] = entity->source->natural != NULL ? entity->source->natural[i]
                                                                   : 0.0f;
            set->columns[set->n++] = entity->columns[i];
        }
    }
}

/* Where an entity has the column of that name; SIZE_MAX: nowhere, or with nothing known in it. */
static size_t find_column(const struct trained_entity *entity, uint32_t name)
{
    for (size_t i = 0; i < entity->source->n_series; i++) {
        size_t at = (i + name) % entity->source->n_series; /* Mostly the first look. */

        if (entity->columns[at] == name) {
            return (entity->quality.metrics[at].findings & LW_FINDING_MISSING) == 0 ? at : SIZE_MAX;
        }
    }
    return SIZE_MAX;
}

void lw_training_columns(const struct training *training, const size_t *entities, size_t n,
                         struct column_set *ret_columns)
{
    struct column_set set = {0};
    uint32_t n_names = n == 1 ? 0 : lw_intern_count(training->names);

    if (n == 1) {
        own_columns(&training->entities[entities[0]], &set);
    }
    /* In the order of first sight; a name is looked for in the entities that may have it. */
    for (uint32_t name = 0; name < n_names && set.n < LW_VIEWS_COLUMNS_MAX; name++) {
        size_t n_with = 0;
        float natural = 0.0f;

        for (size_t e = 0; e < n; e++) {
            const struct trained_entity *entity = &training->entities[entities[e]];
            size_t at = find_column(entity, name);

            if (at != SIZE_MAX) {
                n_with++;
                natural = entity->source->natural != NULL ? entity->source->natural[at] : natural;
            }
        }
        if (n_with > 0 && (double)n_with >= COLUMN_ENTITIES_LEAST * (double)n) {
            set.natural[set.n] = natural;
            set.columns[set.n++] = name;
        }
    }
    *ret_columns = set;
}

/* ---- rows ---- */

void lw_gathered_fini(struct gathered *gathered)
{
    lw_mem_free(gathered->rows);
    lw_mem_free(gathered->runs);
    lw_mem_free(gathered->times_ns);
    lw_mem_free(gathered->labels);
    memset(gathered, 0, sizeof(*gathered));
}

/* Which series each column is; SIZE_MAX: none. */
static void map_columns(const struct trained_entity *entity, const struct column_set *columns,
                        size_t *ret_map)
{
    for (size_t c = 0; c < columns->n; c++) {
        ret_map[c] = SIZE_MAX;
        for (size_t i = 0; i < entity->source->n_series; i++) {
            if (entity->columns[i] == columns->columns[c]) {
                ret_map[c] = i;
                break;
            }
        }
    }
}

/* Copies one row; false where nothing of it is known. */
static bool copy_row(const struct lw_training_source *source, size_t row, const size_t *map,
                     size_t n_columns, float *ret_row)
{
    const float *from = source->rows + row * source->stride;
    bool is_known = false;

    for (size_t c = 0; c < n_columns; c++) {
        ret_row[c] = map[c] == SIZE_MAX ? NAN : from[map[c]];
        is_known = is_known || !isnan(ret_row[c]);
    }
    return is_known;
}

static bool gathered_room(const struct trained_entity *entity, size_t n_columns,
                          struct gathered *gathered)
{
    size_t n = entity->source->n_rows + 1;

    gathered->rows = lw_mem_alloc(n * (n_columns + 1) * sizeof(float));
    gathered->runs = lw_mem_alloc(n * sizeof(size_t));
    gathered->times_ns = lw_mem_alloc(n * sizeof(int64_t));
    gathered->labels = lw_mem_calloc(n, 1);
    return gathered->rows != NULL && gathered->runs != NULL && gathered->times_ns != NULL &&
           gathered->labels != NULL;
}

enum lw_status lw_training_gather(const struct training *training, size_t entity,
                                  const struct column_set *columns, bool without_labelled,
                                  struct gathered *ret_gathered, struct lw_error *reterr)
{
    const struct trained_entity *of = &training->entities[entity];
    const struct lw_training_source *source = of->source;
    size_t map[LW_VIEWS_COLUMNS_MAX], run = 0, run_begin = 0, run_end = 0;
    struct gathered g = {0};
    bool begins = true;

    if (!gathered_room(of, columns->n, &g)) {
        lw_gathered_fini(&g);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the rows of entity \"%s\"",
                            source->name);
    }
    map_columns(of, columns, map);
    for (size_t i = 0; i < source->n_rows; i++) {
        bool labelled = of->labels != NULL && of->labels[i] != 0;

        if (i == run_end) {
            run_begin = run_end;
            run_end += source->runs[run++];
            begins = true;
        }
        if ((i - run_begin) / BLOCK_ROWS % training->thin != 0 || (labelled && without_labelled)) {
            begins = true;
            continue;
        }
        if (!copy_row(source, i, map, columns->n, g.rows + g.n_rows * columns->n)) {
            continue; /* As if it were not there. */
        }
        if (begins) {
            g.runs[g.n_runs++] = 0;
            begins = false;
        }
        g.runs[g.n_runs - 1]++;
        g.labels[g.n_rows] = labelled;
        g.times_ns[g.n_rows++] = source->times_ns != NULL ? source->times_ns[i]
                                                          : (int64_t)i * SECOND_NS;
    }
    *ret_gathered = g;
    return LW_OK;
}

/* ---- memory ---- */

/* Bytes that training takes at most with one block of rows in `thin`, one fit at a time, and what
 * one fit more beside it takes. The number of threads has no part in it, for what is trained must
 * not depend on that. */
static uint64_t memory_needed(const struct training *training, size_t thin, uint64_t *ret_fit)
{
    uint64_t all = 0, largest = 0, validated = 0, of_fit;
    size_t n_members = training->wanted.n_members + 8, n = 0; /* Those of presets too. */

    for (size_t e = 0; e < training->n_entities; e++) {
        const struct trained_entity *entity = &training->entities[e];
        uint64_t rows = entity->source->n_rows, c = entity->source->n_series, kept = rows / thin;
        uint64_t bytes;

        if (!entity->is_used) {
            continue;
        }
        c = c < LW_VIEWS_COLUMNS_MAX ? c : LW_VIEWS_COLUMNS_MAX;
        bytes = rows * (4 * c + 21) + (uint64_t)(FIT_SHARES * (double)(kept * FIT_ROW_BYTES(c))) +
                kept * (8 + 4 * n_members) / 3;
        all += bytes;
        largest = bytes > largest ? bytes : largest;
        /* Folds of the entities validated: rows twice, distances of both ways of sharing. */
        validated += n++ < LW_TRAINING_VALIDATED_MAX
                         ? rows * (8 * c + 21) + kept * (8 * n_members + 64)
                         : 0;
    }
    of_fit = largest + FIT_BYTES;
    *ret_fit = of_fit;
    all = training->options.sharing == LW_SHARING_OWN ? of_fit : all + of_fit;
    return all > validated + of_fit ? all : validated + of_fit;
}

enum lw_status lw_training_fit_memory(struct training *training, struct lw_error *reterr)
{
    uint64_t longest = 0, of_fit;

    for (size_t e = 0; e < training->n_entities; e++) {
        if (training->entities[e].is_used && training->entities[e].source->n_rows > longest) {
            longest = training->entities[e].source->n_rows;
        }
    }
    for (training->thin = 1;; training->thin *= 2) {
        training->memory_needed = memory_needed(training, training->thin, &of_fit);
        if (training->memory_needed <= training->options.memory_max) {
            uint64_t more = (training->options.memory_max - training->memory_needed) / of_fit;

            training->n_parallel = more < training->options.n_threads ? (size_t)more + 1
                                                                      : training->options.n_threads;
            return LW_OK;
        }
        if (training->thin == LW_TRAINING_THIN_MAX ||
            longest / (2 * training->thin) < LW_VALIDATION_ROWS_MIN) {
            return lw_error_set(reterr, LW_ELIMIT,
                                "training takes %llu MiB at least, but may take %llu MiB; allow "
                                "it more memory or give it fewer rows",
                                (unsigned long long)(training->memory_needed >> 20) + 1,
                                (unsigned long long)(training->options.memory_max >> 20));
        }
    }
}
