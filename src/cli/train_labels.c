/* Labels for training: see cli/train_labels.h. */
#include "cli/train_labels.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/eval_table.h"

#include <stdio.h>
#include <string.h>

#define ENTITIES_AT_ONCE 64

void lw_train_labels_fini(struct lw_train_labels *labels)
{
    for (size_t i = 0; i < labels->n_names; i++) {
        lw_mem_free(labels->names[i]);
    }
    lw_mem_free(labels->names);
    lw_mem_free(labels->items);
    memset(labels, 0, sizeof(*labels));
}

/* A name that lives as long as the labels; NULL without memory. */
static const char *name_keep(struct lw_train_labels *labels, const char *name)
{
    char *copy;

    if (labels->n_names == labels->names_capacity) {
        size_t capacity = labels->names_capacity == 0 ? 16 : 2 * labels->names_capacity;
        char **names = lw_mem_realloc(labels->names, capacity * sizeof(*names));

        if (names == NULL) {
            return NULL;
        }
        labels->names = names;
        labels->names_capacity = capacity;
    }
    copy = lw_mem_alloc(strlen(name) + 1);
    if (copy != NULL) {
        memcpy(copy, name, strlen(name) + 1);
        labels->names[labels->n_names++] = copy;
    }
    return copy;
}

static enum lw_status label_add(struct lw_train_labels *labels, const char *entity,
                                int64_t start_ns, int64_t end_ns, struct lw_error *reterr)
{
    if (labels->n == labels->capacity) {
        size_t capacity = labels->capacity == 0 ? 64 : 2 * labels->capacity;
        struct lw_train_label *items = lw_mem_realloc(labels->items, capacity * sizeof(*items));

        if (items == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu labels", capacity);
        }
        labels->items = items;
        labels->capacity = capacity;
    }
    labels->items[labels->n++] = (struct lw_train_label){
        .entity = entity, .start_ns = start_ns, .end_ns = end_ns};
    return LW_OK;
}

/* ---- windows ---- */

static enum lw_status entity_label(struct lw_train_labels *labels,
                                   const struct lw_eval_windows *windows, const char *name,
                                   struct lw_error *reterr)
{
    struct lw_eval_periods *periods = lw_eval_windows_find(windows, name);
    const char *kept = periods == NULL ? NULL : name_keep(labels, name);
    enum lw_status status = LW_OK;

    if (periods == NULL) {
        return LW_OK;
    }
    if (kept == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for labels");
    }
    periods->is_used = true;
    for (size_t i = 0; i < periods->n && status == LW_OK; i++) {
        status = label_add(labels, kept, periods->items[i].first_ns, periods->items[i].last_ns,
                           reterr);
    }
    return status;
}

enum lw_status lw_train_labels_of_windows(struct lw_train_labels *labels,
                                          const struct lw_eval_windows *windows,
                                          struct lw_engine *engine, const char *detector,
                                          void (*unknown)(void *context, const char *name),
                                          void *context, struct lw_error *reterr)
{
    struct lw_entity_view *views = lw_mem_calloc(ENTITIES_AT_ONCE, sizeof(*views));
    enum lw_status status = LW_OK;
    size_t n = ENTITIES_AT_ONCE;

    if (views == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for labels");
    }
    for (uint32_t from = 0; n == ENTITIES_AT_ONCE && status == LW_OK;) {
        n = lw_engine_entities(engine, from, views, ENTITIES_AT_ONCE);
        for (size_t i = 0; i < n && status == LW_OK; i++) {
            from = views[i].number + 1;
            if (strcmp(views[i].detector, detector) == 0) {
                status = entity_label(labels, windows, views[i].name, reterr);
            }
        }
    }
    for (size_t i = 0; i < windows->n && status == LW_OK && unknown != NULL; i++) {
        if (!windows->entries[i].is_used && windows->entries[i].n > 0) {
            unknown(context, windows->entries[i].name);
        }
    }
    lw_mem_free(views);
    return status;
}

/* ---- a column ---- */

/* Runs of labelled rows as stretches of time; without times a row's number tells it. */
static enum lw_status runs_add(struct lw_train_labels *labels, const struct lw_eval_rows *rows,
                               const char *entity, int64_t interval_ns, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < rows->n && status == LW_OK; i++) {
        size_t first = i;

        if (rows->labels[i] == 0) {
            continue;
        }
        while (i + 1 < rows->n && rows->labels[i + 1] != 0) {
            i++;
        }
        status = rows->times == NULL
                     ? label_add(labels, entity, (int64_t)first * interval_ns,
                                 (int64_t)i * interval_ns, reterr)
                     : label_add(labels, entity, rows->times[first], rows->times[i], reterr);
    }
    return status;
}

static enum lw_status file_label(struct lw_train_labels *labels, const struct replay *replay,
                                 size_t file, const char *column, struct lw_error *reterr)
{
    const struct lw_csv_options *csv = &replay->options.csv;
    const struct lw_eval_columns columns = {.label = column,
                                            .separator = csv->separator,
                                            .wants_labels = true,
                                            .wants_times = replay->has_times,
                                            .ignores_times = !replay->has_times};
    struct lw_eval_table table = {0};
    char unit[LW_NAME_MAX];
    enum lw_status status = lw_eval_table_read(replay->options.files[file], &columns, &table,
                                               reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_replay_unit_name(replay, file, unit);
    for (size_t i = 0; i < table.n_groups && status == LW_OK; i++) {
        const struct lw_eval_rows *rows = &table.groups[i];
        const char *name = name_keep(labels, rows->name[0] == '\0' ? unit : rows->name);

        status = name == NULL ? lw_error_set(reterr, LW_ENOMEM, "no memory for labels")
                              : runs_add(labels, rows, name, csv->interval_ns, reterr);
    }
    lw_eval_table_fini(&table);
    return status;
}

enum lw_status lw_train_labels_of_column(struct lw_train_labels *labels,
                                         const struct replay *replay, const char *column,
                                         struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < replay->options.n_files && status == LW_OK; i++) {
        if (strcmp(replay->options.files[i], "-") == 0) {
            return lw_error_set(reterr, LW_EINVAL,
                                "--label-column cannot be read from standard input, which is read "
                                "once: give a file, or --labels");
        }
        status = file_label(labels, replay, i, column, reterr);
    }
    return status;
}
