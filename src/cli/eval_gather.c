/* Scores and labels from files, folders, windows and data folders: see cli/eval_gather.h. */
#include "cli/eval_gather.h"

#include "base/error.h"
#include "cli/eval_files.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MISSING_NAMED_MAX 6
#define MISSING_BYTES 256

/* Where the work stands. */
struct gathering {
    const struct lw_eval_request *request;
    struct lw_eval_inputs *inputs;
    struct lw_eval_windows windows; /* Where labels are windows. */
    size_t n_missing;               /* Series without scores. */
    char missing[MISSING_BYTES];
};

/* ---- one file of scores ---- */

static struct lw_eval_join join_of(const struct gathering *gathering, const char *name,
                                   const char *scores_path, const char *labels_path)
{
    const struct lw_eval_request *request = gathering->request;

    return (struct lw_eval_join){.name = name,
                                 .scores_path = scores_path,
                                 .labels_path = labels_path,
                                 .warmup = request->warmup,
                                 .step_s = request->step_s,
                                 .counts_runs_as_windows = request->with_nab};
}

/* A warm-up that the labels' source asks for, unless the user says otherwise. */
static void warmup_suggest(struct lw_eval_join *join, enum lw_eval_warmup_kind kind, double amount)
{
    if (join->warmup.kind == LW_EVAL_WARMUP_GIVEN) {
        join->warmup = (struct lw_eval_warmup){.kind = kind, .amount = amount};
    }
}

static void series_name(const char *id, const struct lw_eval_table *table, size_t group,
                        char ret_name[LW_EVAL_PATH_MAX])
{
    const char *of_group = table->groups[group].name;

    if (table->n_groups == 1) {
        (void)snprintf(ret_name, LW_EVAL_PATH_MAX, "%s", id);
    } else {
        (void)snprintf(ret_name, LW_EVAL_PATH_MAX, "%.2000s/%s", id, of_group);
    }
}

/* The labels of a series: the only ones there are, or those of its name. */
static const struct lw_eval_rows *labels_find(const struct lw_eval_table *labels, const char *group,
                                              const char *id)
{
    for (size_t i = 0; i < labels->n_groups; i++) {
        if (labels->n_groups == 1 || strcmp(labels->groups[i].name, group) == 0 ||
            strcmp(labels->groups[i].name, id) == 0) {
            return &labels->groups[i];
        }
    }
    return NULL;
}

/* Joins all series of a table of scores with labels; NULL: with their own. */
static enum lw_status table_join(struct gathering *gathering, const char *id, const char *path,
                                 struct lw_eval_table *scores, const struct lw_eval_table *labels,
                                 const char *labels_path, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < scores->n_groups && status == LW_OK; i++) {
        struct lw_eval_rows *rows = &scores->groups[i];
        const struct lw_eval_rows *own = rows;
        char name[LW_EVAL_PATH_MAX];
        struct lw_eval_join join = join_of(gathering, name, path, labels_path);

        series_name(id, scores, i, name);
        if (labels != NULL) {
            own = labels_find(labels, rows->name, id);
            if (own == NULL) {
                return lw_error_set(reterr, LW_EFORMAT, "%s: no labels for \"%.200s\" in %s", path,
                                    name, labels_path);
            }
        }
        status = lw_eval_inputs_join(gathering->inputs, &join, rows, own, reterr);
    }
    return status;
}

/* The same with windows. */
static enum lw_status table_join_windows(struct gathering *gathering, const char *id,
                                         const char *path, struct lw_eval_table *scores,
                                         struct lw_error *reterr)
{
    static const struct lw_eval_periods nothing;
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < scores->n_groups && status == LW_OK; i++) {
        struct lw_eval_rows *rows = &scores->groups[i];
        char name[LW_EVAL_PATH_MAX];
        struct lw_eval_join join = join_of(gathering, name, path, gathering->request->labels);
        struct lw_eval_periods *periods = lw_eval_windows_find(&gathering->windows, id);

        series_name(id, scores, i, name);
        if (rows->name[0] != '\0' && (scores->n_groups > 1 || periods == NULL)) {
            periods = lw_eval_windows_find(&gathering->windows, rows->name);
        }
        if (periods == NULL && gathering->windows.is_complete) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s: %s has no windows of \"%.200s\" (not even an empty list)",
                                path, gathering->request->labels, name);
        }
        if (periods != NULL) {
            periods->is_used = true;
        }
        if (gathering->windows.is_complete) { /* NAB's own form. */
            warmup_suggest(&join, LW_EVAL_WARMUP_NAB, 0.0);
        }
        status = lw_eval_inputs_join_windows(gathering->inputs, &join, rows, rows,
                                             periods == NULL ? &nothing : periods, reterr);
    }
    return status;
}

/* Reads one file of scores and joins it. labels: NULL where they are windows or its own. */
static enum lw_status file_gather(struct gathering *gathering, const char *id, const char *path,
                                  const struct lw_eval_table *labels, const char *labels_path,
                                  struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    struct lw_eval_columns columns = request->columns;
    struct lw_eval_table scores;
    bool has_windows = gathering->windows.entries != NULL;
    enum lw_status status;

    columns.wants_scores = true;
    columns.wants_labels = labels == NULL && !has_windows;
    columns.wants_times = has_windows;
    status = lw_eval_table_read(path, &columns, &scores, reterr);
    if (status != LW_OK) {
        return status;
    }
    status = has_windows ? table_join_windows(gathering, id, path, &scores, reterr)
                         : table_join(gathering, id, path, &scores, labels,
                                      labels == NULL ? path : labels_path, reterr);
    lw_eval_table_fini(&scores);
    return status;
}

/* ---- files and folders ---- */

/* Every file of scores, each with its own labels, one table's, or windows. */
static enum lw_status scores_gather(struct gathering *gathering, const struct lw_eval_table *labels,
                                    struct lw_error *reterr)
{
    const char *scores = gathering->request->scores, *from = gathering->request->labels;
    struct lw_eval_files files = {0};
    char path[LW_EVAL_PATH_MAX];
    enum lw_status status;

    if (!lw_eval_is_folder(scores)) {
        lw_eval_file_id(scores, path);
        return file_gather(gathering, path, scores, labels, from, reterr);
    }
    status = lw_eval_files_list(scores, &files, reterr);
    for (size_t i = 0; status == LW_OK && i < files.n; i++) {
        if (lw_eval_file_find(scores, files.ids[i], path)) {
            status = file_gather(gathering, files.ids[i], path, labels, from, reterr);
        }
    }
    lw_eval_files_fini(&files);
    return status;
}

static void missing_add(struct gathering *gathering, const char *id)
{
    size_t length = strlen(gathering->missing);

    if (gathering->n_missing++ < MISSING_NAMED_MAX) {
        (void)snprintf(gathering->missing + length, sizeof(gathering->missing) - length, " %.36s",
                       id);
    }
}

/* A folder of labels beside one of scores. */
static enum lw_status folders_gather(struct gathering *gathering, struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    struct lw_eval_columns columns = request->columns;
    struct lw_eval_files files = {0};
    enum lw_status status = lw_eval_files_list(request->labels, &files, reterr);

    columns.wants_labels = true;
    for (size_t i = 0; status == LW_OK && i < files.n; i++) {
        char path[LW_EVAL_PATH_MAX], labels_path[LW_EVAL_PATH_MAX];
        struct lw_eval_table labels;

        if (!lw_eval_file_find(request->scores, files.ids[i], path)) {
            missing_add(gathering, files.ids[i]);
            continue;
        }
        if (!lw_eval_file_find(request->labels, files.ids[i], labels_path)) {
            continue; /* Gone since it was listed. */
        }
        status = lw_eval_table_read(labels_path, &columns, &labels, reterr);
        if (status == LW_OK) {
            status = file_gather(gathering, files.ids[i], path, &labels, labels_path, reterr);
            lw_eval_table_fini(&labels);
        }
    }
    lw_eval_files_fini(&files);
    return status;
}

/* Windows of many files beside a folder of scores: every file that they name is wanted. */
static enum lw_status windows_gather(struct gathering *gathering, struct lw_error *reterr)
{
    const char *scores = gathering->request->scores;
    enum lw_status status = LW_OK;

    if (!gathering->windows.is_complete || !lw_eval_is_folder(scores)) {
        return scores_gather(gathering, NULL, reterr);
    }
    for (size_t i = 0; i < gathering->windows.n && status == LW_OK; i++) {
        const char *id = gathering->windows.entries[i].name;
        char path[LW_EVAL_PATH_MAX];

        if (lw_eval_file_find(scores, id, path)) {
            status = file_gather(gathering, id, path, NULL, NULL, reterr);
        } else {
            missing_add(gathering, id);
        }
    }
    return status;
}

/* One file of labels: windows, or a table. */
static enum lw_status labels_gather(struct gathering *gathering, struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    struct lw_eval_columns columns = request->columns;
    struct lw_eval_table labels;
    bool are_windows;
    enum lw_status status = lw_eval_windows_are(request->labels, &are_windows, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (are_windows) {
        status = lw_eval_windows_read(request->labels, &gathering->windows, reterr);
        if (status == LW_OK && gathering->windows.n == 0) {
            status = lw_error_set(reterr, LW_EFORMAT, "%s: it names no window", request->labels);
        }
        return status == LW_OK ? windows_gather(gathering, reterr) : status;
    }
    columns.wants_labels = true;
    status = lw_eval_table_read(request->labels, &columns, &labels, reterr);
    if (status == LW_OK) {
        status = scores_gather(gathering, &labels, reterr);
        lw_eval_table_fini(&labels);
    }
    return status;
}

/* ---- data folders ---- */

/* A data folder while its series are read. */
struct dataset {
    json_t *manifest;
    bool is_nab;
    const char *label_column;
    char separator;
};

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The file of a data folder that labels or times of a series are in. */
static const char *entry_file(const struct dataset *dataset, const json_t *entry)
{
    const char *file = text_of(entry, dataset->is_nab ? "data" : "test");

    return file != NULL || dataset->is_nab ? file : text_of(entry, "series");
}

/* Seconds between rows, as the manifest says it: -1 where it does not. */
static double entry_step(const struct dataset *dataset, const json_t *entry)
{
    const json_t *step = json_object_get(entry, "step_seconds");

    step = step != NULL ? step : json_object_get(dataset->manifest, "step_seconds");
    return json_is_number(step) && json_number_value(step) > 0.0 ? json_number_value(step) : -1.0;
}

static enum lw_status entry_join(struct gathering *gathering, const struct dataset *dataset,
                                 const json_t *entry, struct lw_eval_join *join,
                                 struct lw_eval_table *scores, const struct lw_eval_table *truth,
                                 struct lw_error *reterr)
{
    struct lw_eval_rows *rows = &scores->groups[0];

    if (scores->n_groups > 1) {
        return lw_error_set(reterr, LW_EFORMAT, "%s: it has %zu entities; a series of %s has one",
                            join->scores_path, scores->n_groups, gathering->request->data);
    }
    if (dataset->is_nab) {
        const char *file = entry_file(dataset, entry);
        const char *key = strncmp(file, "data/", 5) == 0 ? file + 5 : file;
        const struct lw_eval_periods *periods = lw_eval_windows_find(&gathering->windows, key);

        if (periods == NULL) {
            return lw_error_set(reterr, LW_EFORMAT, "%s: the windows file does not name %s",
                                gathering->request->data, key);
        }
        warmup_suggest(join, LW_EVAL_WARMUP_NAB, 0.0);
        return lw_eval_inputs_join_windows(gathering->inputs, join, rows, &truth->groups[0],
                                           periods, reterr);
    }
    if (text_of(entry, "test") == NULL) {
        warmup_suggest(join, LW_EVAL_WARMUP_ROWS,
                       json_number_value(json_object_get(entry, "train_rows")));
    }
    return lw_eval_inputs_join(gathering->inputs, join, rows, &truth->groups[0], reterr);
}

static enum lw_status entry_read(struct gathering *gathering, const struct dataset *dataset,
                                 const json_t *entry, const char *scores_path,
                                 struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    struct lw_eval_columns columns = request->columns;
    struct lw_eval_table scores = {0}, truth = {0};
    char path[LW_EVAL_PATH_MAX];
    struct lw_eval_join join = join_of(gathering, text_of(entry, "id"), scores_path, path);
    enum lw_status status;

    if (snprintf(path, sizeof(path), "%s/%s", request->data, entry_file(dataset, entry)) >=
        (int)sizeof(path)) {
        return lw_error_set(reterr, LW_ELIMIT, "%.200s: a path is too long", request->data);
    }
    columns.wants_scores = columns.ignores_times = true;
    status = lw_eval_table_read(scores_path, &columns, &scores, reterr);
    if (status == LW_OK) {
        columns = (struct lw_eval_columns){.label = dataset->label_column,
                                           .separator = dataset->separator,
                                           .wants_labels = !dataset->is_nab,
                                           .wants_times = dataset->is_nab,
                                           .ignores_times = !dataset->is_nab};
        status = lw_eval_table_read(path, &columns, &truth, reterr);
    }
    join.step_s = request->step_s > 0.0 ? request->step_s : entry_step(dataset, entry);
    if (status == LW_OK) {
        status = entry_join(gathering, dataset, entry, &join, &scores, &truth, reterr);
    }
    lw_eval_table_fini(&scores);
    lw_eval_table_fini(&truth);
    return status;
}

static enum lw_status manifest_read(const char *folder, struct dataset *ret_dataset,
                                    struct lw_error *reterr)
{
    char path[LW_EVAL_PATH_MAX];
    json_error_t error;
    const char *separator, *kind;

    if (snprintf(path, sizeof(path), "%s/manifest.json", folder) >= (int)sizeof(path)) {
        return lw_error_set(reterr, LW_ELIMIT, "%.200s: the path is too long", folder);
    }
    ret_dataset->manifest = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (ret_dataset->manifest == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "%s:%d: %s", path, error.line, error.text);
    }
    kind = text_of(ret_dataset->manifest, "kind");
    separator = text_of(ret_dataset->manifest, "separator");
    ret_dataset->label_column = text_of(ret_dataset->manifest, "label_column");
    ret_dataset->separator = separator == NULL ? ',' : separator[0];
    ret_dataset->is_nab = kind != NULL && strcmp(kind, "nab") == 0;
    if (kind == NULL || !json_is_array(json_object_get(ret_dataset->manifest, "series")) ||
        (!ret_dataset->is_nab && ret_dataset->label_column == NULL) ||
        (ret_dataset->is_nab && text_of(ret_dataset->manifest, "windows_file") == NULL)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%s: it lacks one of kind, series, and label_column (or, of kind nab, "
                            "windows_file)",
                            path);
    }
    return LW_OK;
}

static enum lw_status dataset_windows(struct gathering *gathering, const struct dataset *dataset,
                                      struct lw_error *reterr)
{
    char path[LW_EVAL_PATH_MAX];

    if (!dataset->is_nab) {
        return LW_OK;
    }
    if (snprintf(path, sizeof(path), "%s/%s", gathering->request->data,
                 text_of(dataset->manifest, "windows_file")) >= (int)sizeof(path)) {
        return lw_error_set(reterr, LW_ELIMIT, "%.200s: a path is too long",
                            gathering->request->data);
    }
    return lw_eval_windows_read(path, &gathering->windows, reterr);
}

static enum lw_status dataset_gather(struct gathering *gathering, struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    struct dataset dataset = {0};
    enum lw_status status = manifest_read(request->data, &dataset, reterr);
    const json_t *all = json_object_get(dataset.manifest, "series");

    if (status == LW_OK) {
        status = dataset_windows(gathering, &dataset, reterr);
    }
    for (size_t i = 0; status == LW_OK && i < json_array_size(all); i++) {
        const json_t *entry = json_array_get(all, i);
        char path[LW_EVAL_PATH_MAX];

        if (text_of(entry, "id") == NULL || entry_file(&dataset, entry) == NULL) {
            status = lw_error_set(reterr, LW_EFORMAT,
                                  "%s/manifest.json: series %zu has no id, or no file",
                                  request->data, i + 1);
        } else if (lw_eval_file_find(request->scores, text_of(entry, "id"), path)) {
            status = entry_read(gathering, &dataset, entry, path, reterr);
        } else {
            missing_add(gathering, text_of(entry, "id"));
        }
    }
    json_decref(dataset.manifest);
    return status;
}

/* ---- all of it ---- */

/* What was left out; an error where that was not asked for. */
static enum lw_status gathering_end(const struct gathering *gathering, struct lw_error *reterr)
{
    const struct lw_eval_request *request = gathering->request;
    size_t n_unused = 0;
    char sentence[LW_ERROR_MESSAGE_MAX];

    if (gathering->n_missing > 0) {
        (void)snprintf(sentence, sizeof(sentence), "%.150s: no scores for %zu series:%s%s",
                       request->scores, gathering->n_missing, gathering->missing,
                       gathering->n_missing > MISSING_NAMED_MAX ? " ..." : "");
        if (!request->is_partial) {
            return lw_error_set(reterr, LW_ENOTFOUND, "%s (--partial leaves them out)", sentence);
        }
        request->tell(sentence);
    }
    if (gathering->inputs->n == 0) {
        return lw_error_set(reterr, LW_ENOTFOUND, "%.150s: no series to evaluate", request->scores);
    }
    for (size_t i = 0; i < gathering->windows.n; i++) {
        n_unused += request->data == NULL && !gathering->windows.entries[i].is_used;
    }
    if (n_unused > gathering->n_missing) {
        (void)snprintf(sentence, sizeof(sentence),
                       "%.150s: windows of %zu series that have no scores", request->labels,
                       n_unused);
        request->tell(sentence);
    }
    if (gathering->inputs->n_windows_empty > 0) {
        (void)snprintf(sentence, sizeof(sentence), "%llu windows have no row and do not count",
                       (unsigned long long)gathering->inputs->n_windows_empty);
        request->tell(sentence);
    }
    if (gathering->inputs->n_missing > 0) {
        (void)snprintf(sentence, sizeof(sentence),
                       "%llu rows have no score: they rank below all others of their series",
                       (unsigned long long)gathering->inputs->n_missing);
        request->tell(sentence);
    }
    return LW_OK;
}

enum lw_status lw_eval_gather(const struct lw_eval_request *request, struct lw_eval_inputs *inputs,
                              struct lw_error *reterr)
{
    struct gathering gathering = {.request = request, .inputs = inputs};
    enum lw_status status;

    if (request->data != NULL) {
        status = dataset_gather(&gathering, reterr);
    } else if (request->labels == NULL) {
        status = scores_gather(&gathering, NULL, reterr);
    } else if (lw_eval_is_folder(request->labels)) {
        status = folders_gather(&gathering, reterr);
    } else {
        status = labels_gather(&gathering, reterr);
    }
    if (status == LW_OK) {
        status = gathering_end(&gathering, reterr);
    }
    lw_eval_windows_fini(&gathering.windows);
    return status;
}
