/*
 * A member of a model file as an ONNX graph: which one, and what its form loses on given rows.
 *
 * Rows reach the member as in service: through the views of its ensemble, with an entity's scale
 * and otherwise from a fresh state.
 */
#include "lapwing/train.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/fleet/model_file.h"
#include "model/onnx_export.h"
#include "train/plan.h"

#include <stdio.h>
#include <string.h>

/* What is exported, and with whose scale rows are read. */
struct subject {
    const struct lw_model_group *group;
    const struct lw_model_entity *entity; /* NULL: the group has none. */
    const struct lw_member *member;
};

static enum lw_status group_find(const struct lw_model_file *file,
                                 const struct lw_export_options *options,
                                 struct subject *ret_subject, struct lw_error *reterr)
{
    const struct lw_model_entity *entity = NULL;
    uint32_t group = options->group;

    if (options->entity != NULL) {
        entity = lw_model_file_entity(file, options->entity);
        if (entity == NULL) {
            return lw_error_set(reterr, LW_ENOTFOUND, "the model file knows no entity \"%.100s\"",
                                options->entity);
        }
        group = entity->group;
    }
    if (group >= file->n_groups) {
        return lw_error_set(reterr, LW_EINVAL,
                            "group %u, but the model file has %u, numbered from 0", (unsigned)group,
                            (unsigned)file->n_groups);
    }
    for (uint32_t i = 0; entity == NULL && i < file->n_entities; i++) {
        entity = file->entities[i].group == group ? &file->entities[i] : NULL;
    }
    ret_subject->group = &file->groups[group];
    ret_subject->entity = entity;
    return LW_OK;
}

static void member_name(const struct lw_member *member, char *ret_name, size_t capacity)
{
    (void)snprintf(ret_name, capacity, "%s@%s", member->class->name, lw_view_name(member->view));
}

/* The member of a name: its class and view, or its class alone. */
static enum lw_status member_find(const struct lw_ensemble *ensemble, const char *wanted,
                                  const struct lw_member **ret_member, struct lw_error *reterr)
{
    char names[LW_ENSEMBLE_MEMBERS_MAX * 64] = "", name[64];
    size_t n_found = 0, n_names = 0;

    for (uint32_t i = 0; i < ensemble->n_members; i++) {
        const struct lw_member *member = &ensemble->members[i];

        member_name(member, name, sizeof(name));
        n_names += (size_t)snprintf(names + n_names, sizeof(names) - n_names, "%s%s",
                                    i == 0 ? "" : ", ", name);
        if (strcmp(wanted, name) == 0 || strcmp(wanted, member->class->name) == 0) {
            *ret_member = member;
            n_found++;
        }
    }
    if (n_found == 1) {
        return LW_OK;
    }
    return n_found == 0
               ? lw_error_set(reterr, LW_ENOTFOUND, "there is no member \"%.64s\"; there are %s",
                              wanted, names)
               : lw_error_set(reterr, LW_EINVAL, "\"%.64s\" names %zu members; there are %s",
                              wanted, n_found, names);
}

/* For each metric of the group where it stands in the rows. */
static enum lw_status columns_find(const struct lw_model_group *group,
                                   const struct lw_export_options *options, size_t *ret_places,
                                   struct lw_error *reterr)
{
    for (uint32_t i = 0; i < group->n_columns; i++) {
        size_t place = 0;

        while (place < options->n_columns &&
               strcmp(options->columns[place], group->columns[i]) != 0) {
            place++;
        }
        if (place == options->n_columns) {
            return lw_error_set(reterr, LW_EINVAL,
                                "the rows have no metric \"%.100s\", which the models read",
                                group->columns[i]);
        }
        ret_places[i] = place;
    }
    return LW_OK;
}

/* What leads the rows through the views: an entity's state, and a step's views. */
struct passage {
    size_t n_state, n_columns;
    float *state;
    float *row; /* Raw, in the group's order. */
    struct lw_views_row step;
    float *memory; /* All of the above; owned. */
};

static enum lw_status passage_init(const struct subject *subject, struct passage *passage,
                                   struct lw_error *reterr)
{
    const struct lw_views *views = subject->group->ensemble->views;
    size_t n = lw_views_n_columns(views), n_state = lw_views_n_state(views);
    float *memory = lw_mem_calloc(n_state + 3 * n + LW_VIEWS_EMBEDDING + LW_VIEWS_PATCH,
                                  sizeof(*memory));

    if (memory == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for an entity's state");
    }
    *passage = (struct passage){.n_state = n_state, .n_columns = n, .memory = memory};
    passage->state = memory;
    passage->row = passage->state + n_state;
    passage->step.values = passage->row + n;
    passage->step.residual = passage->step.values + n;
    passage->step.embedding = passage->step.residual + n;
    passage->step.patch = passage->step.embedding + LW_VIEWS_EMBEDDING;
    memcpy(passage->state, subject->entity->state, lw_views_n_scale(n) * sizeof(float));
    return LW_OK;
}

/* The rows as the member's view has them; those of which nothing is known change no state, as in
 * service, and are left out. */
static enum lw_status rows_view(const struct subject *subject,
                                const struct lw_export_options *options, float *ret_values,
                                size_t *ret_n_rows, struct lw_error *reterr)
{
    const struct lw_views *views = subject->group->ensemble->views;
    size_t width = lw_view_width(subject->member->view, lw_views_n_columns(views)), n = 0;
    size_t places[LW_VIEWS_COLUMNS_MAX] = {0};
    struct passage passage;
    enum lw_status status = columns_find(subject->group, options, places, reterr);

    if (status == LW_OK) {
        status = passage_init(subject, &passage, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < options->n_rows; i++) {
        for (size_t k = 0; k < passage.n_columns; k++) {
            passage.row[k] = options->rows[i * options->n_columns + places[k]];
        }
        if (!lw_model_row_is_missing(passage.row, passage.n_columns)) {
            lw_views_step(views, passage.state, passage.row, &passage.step);
            memcpy(ret_values + n++ * width, lw_view_of(&passage.step, subject->member->view),
                   width * sizeof(float));
        }
    }
    lw_mem_free(passage.memory);
    *ret_n_rows = n;
    return LW_OK;
}

static enum lw_status loss_measure(const struct subject *subject,
                                   const struct lw_export_options *options,
                                   const struct lw_onnx_form *form, struct lw_export *made,
                                   struct lw_error *reterr)
{
    const struct lw_member *member = subject->member;
    struct lw_model_rows rows = {.n_dims = member->class->n_dims(member->model),
                                 .n_rests = lw_view_rests(member->view)};
    struct lw_onnx_loss loss = {0};
    float *values;
    enum lw_status status;

    if (subject->entity == NULL || options->n_rows > LW_MODEL_ROWS_MAX) {
        return subject->entity == NULL
                   ? lw_error_set(reterr, LW_EINVAL, "the group has no entity to scale rows by")
                   : lw_error_set(reterr, LW_EINVAL, "%zu rows to measure on, but %d are allowed",
                                  options->n_rows, LW_MODEL_ROWS_MAX);
    }
    values = lw_mem_calloc(options->n_rows, rows.n_dims * sizeof(*values));
    if (values == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu rows of %zu values",
                            options->n_rows, rows.n_dims);
    }
    rows.values = values;
    status = rows_view(subject, options, values, &rows.n_rows, reterr);
    if (status == LW_OK && rows.n_rows > 0) {
        status = lw_onnx_compare(member->class, member->model, form, &rows, &loss, reterr);
    }
    lw_mem_free(values);
    if (status == LW_OK && loss.n_rows == 0) {
        status = lw_error_set(reterr, LW_EINVAL, "of the %zu rows none can be judged",
                              options->n_rows);
    }
    made->n_rows = loss.n_rows;
    made->mean_error = loss.mean_error;
    made->max_error = loss.max_error;
    made->rank_correlation = loss.rank_correlation;
    return status;
}

/* The graph in both forms: the length of the plain one, the bytes of the one asked for. */
static enum lw_status graph_write(const struct lw_member *member, const struct lw_onnx_form *form,
                                  struct lw_writer *writer, size_t *ret_n_float_bytes,
                                  struct lw_error *reterr)
{
    static const struct lw_onnx_form plain = {0};
    enum lw_status status = lw_onnx_export(member->class, member->model, &plain, writer, reterr);

    if (status != LW_OK) {
        return status;
    }
    *ret_n_float_bytes = writer->n_bytes;
    lw_writer_reset(writer);
    return lw_onnx_export(member->class, member->model, form, writer, reterr);
}

static enum lw_status file_export(const struct lw_model_file *file,
                                  const struct lw_export_options *options,
                                  struct lw_export *ret_export, struct lw_error *reterr)
{
    const struct lw_onnx_form form = {.int8 = options->int8, .prune = options->prune};
    struct lw_export made = {.n_groups = file->n_groups};
    struct subject subject = {0};
    struct lw_writer writer;
    enum lw_status status = group_find(file, options, &subject, reterr);

    if (status == LW_OK) {
        status = member_find(subject.group->ensemble, options->member, &subject.member, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    made.group = (uint32_t)(subject.group - file->groups);
    lw_writer_init(&writer);
    status = graph_write(subject.member, &form, &writer, &made.n_float_bytes, reterr);
    if (status == LW_OK && options->rows != NULL) {
        status = loss_measure(&subject, options, &form, &made, reterr);
    }
    if (status == LW_OK) {
        made.bytes = writer.data; /* The caller owns it now. */
        made.n_bytes = writer.n_bytes;
        *ret_export = made;
        return LW_OK;
    }
    lw_writer_fini(&writer);
    return status;
}

enum lw_status lw_models_export(const void *bytes, size_t n_bytes,
                                const struct lw_export_options *options,
                                struct lw_export *ret_export, struct lw_error *reterr)
{
    struct lw_model_file *file;
    enum lw_status status;

    if (options == NULL || options->member == NULL) {
        return lw_error_set(reterr, LW_EINVAL, "no member was named to be exported");
    }
    if (options->rows != NULL && (options->n_rows == 0 || options->columns == NULL)) {
        return lw_error_set(reterr, LW_EINVAL, "rows to measure on, but %s",
                            options->n_rows == 0 ? "none of them" : "their columns have no names");
    }
    status = lw_model_file_load(bytes, n_bytes, &file, reterr);
    if (status == LW_OK) {
        status = file_export(file, options, ret_export, reterr);
        lw_model_file_release(file);
    }
    return status;
}
