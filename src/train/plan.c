/* Reads what an ensemble is to be made of: see train/plan.h. */
#include "train/plan.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_MAX 320
#define BLANKS " \t\r\n"

/* A member of a preset. The weights and least units were found by experiment on four sets of
 * labelled data: docs/ensemble.md has the figures. */
struct preset_member {
    const char *class;
    enum lw_view view;
    double weight, unit;
};

static const struct preset_member preset_full[] = {
    {"linear", LW_VIEW_VALUES, 1.0, 1.0},     {"lstm", LW_VIEW_VALUES, 1.0, 1.0},
    {"recent", LW_VIEW_EMBEDDING, 1.0, 0.25}, {"knn", LW_VIEW_PATCH, 1.0, 0.5},
    {"knn", LW_VIEW_RESIDUAL, 1.0, 1.0},      {"ocsvm", LW_VIEW_EMBEDDING, 1.0, 0.25},
    {"ocsvm", LW_VIEW_RESIDUAL, 1.0, 1.0},    {"iforest", LW_VIEW_RESIDUAL, 1.0, 0.3},
    {"lof", LW_VIEW_EMBEDDING, 0.25, 1.0},    {"autoencoder", LW_VIEW_VALUES, 0.25, 1.0},
};

static const struct preset_member preset_lean[] = {
    {"linear", LW_VIEW_VALUES, 1.0, 1.0},
    {"knn", LW_VIEW_EMBEDDING, 1.0, 0.25},
    {"knn", LW_VIEW_PATCH, 1.0, 0.5},
    {"knn", LW_VIEW_RESIDUAL, 1.0, 1.0},
};

static const char *const view_names[] = {[LW_VIEW_VALUES] = "values",
                                         [LW_VIEW_FEATURES] = "features",
                                         [LW_VIEW_RESIDUAL] = "residual",
                                         [LW_VIEW_EMBEDDING] = "embedding",
                                         [LW_VIEW_PATCH] = "patch"};

const char *lw_view_name(enum lw_view view)
{
    return view_names[view];
}

static enum lw_status plan_preset(const struct preset_member *members, size_t n,
                                  struct lw_plan *ret_plan, struct lw_error *reterr)
{
    for (size_t i = 0; i < n; i++) {
        struct lw_plan_member *member = &ret_plan->members[ret_plan->n_members];

        if (ret_plan->n_members == LW_ENSEMBLE_MEMBERS_MAX) {
            return lw_error_set(reterr, LW_ELIMIT, "more than %d members", LW_ENSEMBLE_MEMBERS_MAX);
        }
        ret_plan->n_members++;
        *member = (struct lw_plan_member){lw_model_class_find(members[i].class), members[i].view,
                                          members[i].weight, members[i].unit};
        if (member->class == NULL) {
            return lw_error_set(reterr, LW_ENOTFOUND, "there is no model \"%s\"", members[i].class);
        }
    }
    return LW_OK;
}

/* Takes the blanks off both ends, in place; returns where the text now begins. */
static char *trim(char *text)
{
    text += strspn(text, BLANKS);
    for (size_t end = strlen(text); end > 0 && strchr(BLANKS, text[end - 1]) != NULL;) {
        text[--end] = '\0';
    }
    return text;
}

/* Copies the next item of a list without the blanks around it; returns what follows, or NULL at the
 * end. */
static const char *next_item(const char *list, char *ret_item, bool *ret_fits)
{
    size_t n;

    list += strspn(list, BLANKS ",");
    n = strcspn(list, ",");
    *ret_fits = n < ITEM_MAX;
    if (*list == '\0') {
        return NULL;
    }
    snprintf(ret_item, ITEM_MAX, "%.*s", (int)(n < ITEM_MAX ? n : ITEM_MAX - 1), list);
    (void)trim(ret_item); /* It begins with no blank. */
    return list + n;
}

static enum lw_status view_parse(const char *name, enum lw_view *ret_view, struct lw_error *reterr)
{
    for (int view = 0; view <= LW_VIEW_PATCH; view++) {
        if (strcmp(name, view_names[view]) == 0 && view != LW_VIEW_FEATURES) {
            *ret_view = (enum lw_view)view;
            return LW_OK;
        }
    }
    return lw_error_set(reterr, LW_ENOTFOUND,
                        "there is no view \"%s\": values, residual, embedding and patch are", name);
}

/* Names of all classes, for messages. */
static void class_names(char *ret_names, size_t capacity)
{
    size_t n = 0;

    ret_names[0] = '\0';
    for (size_t i = 0; lw_model_classes()[i] != NULL && n < capacity; i++) {
        n += (size_t)snprintf(ret_names + n, capacity - n, "%s%s", i > 0 ? ", " : "",
                              lw_model_classes()[i]->name);
    }
}

/* "class", "class@view", "class*weight", "class@view*weight" */
static enum lw_status member_parse(char *item, struct lw_plan *plan, struct lw_error *reterr)
{
    char *weight = strchr(item, '*'), *view = strchr(item, '@'), *end = NULL, names[256];
    struct lw_plan_member member = {.weight = 1.0};
    enum lw_status status = LW_OK;

    if (weight != NULL) {
        *weight++ = '\0';
        weight = trim(weight);
        member.weight = strtod(weight, &end);
        if (end == weight || *end != '\0' || !(member.weight >= 0.0 && member.weight <= 1e6)) {
            return lw_error_set(reterr, LW_EINVAL,
                                "weight \"%s\" of model \"%s\": a number from 0 to 1e6 is expected",
                                weight, item);
        }
    }
    if (view != NULL) {
        *view++ = '\0';
        view = trim(view);
    }
    item = trim(item);
    member.class = lw_model_class_find(item);
    if (member.class == NULL) {
        class_names(names, sizeof(names));
        return lw_error_set(reterr, LW_ENOTFOUND,
                            "there is no model \"%s\"; there are the presets full and lean, and %s",
                            item, names);
    }
    member.view = member.class->view;
    member.unit = member.class->unit;
    if (view != NULL) {
        status = view_parse(view, &member.view, reterr);
    }
    if (status == LW_OK && plan->n_members == LW_ENSEMBLE_MEMBERS_MAX) {
        status = lw_error_set(reterr, LW_ELIMIT, "more than %d members", LW_ENSEMBLE_MEMBERS_MAX);
    }
    if (status == LW_OK) {
        plan->members[plan->n_members++] = member;
    }
    return status;
}

static enum lw_status list_parse(const char *models, struct lw_plan *plan, struct lw_error *reterr)
{
    char item[ITEM_MAX];
    bool fits;
    enum lw_status status = LW_OK;

    while (status == LW_OK && (models = next_item(models, item, &fits)) != NULL) {
        if (!fits) {
            return lw_error_set(reterr, LW_EINVAL, "\"%.40s...\" is too long for a model", item);
        }
        if (strcmp(item, "full") == 0) {
            status = plan_preset(preset_full, sizeof(preset_full) / sizeof(preset_full[0]), plan,
                                 reterr);
        } else if (strcmp(item, "lean") == 0) {
            status = plan_preset(preset_lean, sizeof(preset_lean) / sizeof(preset_lean[0]), plan,
                                 reterr);
        } else {
            status = member_parse(item, plan, reterr);
        }
    }
    return status;
}

/* "class.option=value" */
static enum lw_status option_parse(char *item, struct lw_plan *plan, struct lw_error *reterr)
{
    char *name = strchr(item, '.'), *value = strchr(item, '=');
    struct lw_plan_option *option = &plan->options[plan->n_options];
    void *scratch;
    enum lw_status status;

    if (name == NULL || value == NULL || value < name) {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"%s\": expected an option of a model as model.option=value", item);
    }
    if (plan->n_options == LW_PLAN_OPTIONS_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "more than %d options of models",
                            LW_PLAN_OPTIONS_MAX);
    }
    *name++ = '\0';
    *value++ = '\0';
    item = trim(item);
    name = trim(name);
    value = trim(value);
    if (strlen(name) >= sizeof(option->name) || strlen(value) >= sizeof(option->value)) {
        return lw_error_set(reterr, LW_EINVAL, "\"%.40s\" of model %.40s is too long for an option",
                            name, item);
    }
    option->class = lw_model_class_find(item);
    if (option->class == NULL) {
        return lw_error_set(reterr, LW_ENOTFOUND, "there is no model \"%s\"", item);
    }
    snprintf(option->name, sizeof(option->name), "%s", name);
    snprintf(option->value, sizeof(option->value), "%s", value);
    scratch = lw_mem_calloc(1, option->class->options_bytes + 1);
    if (scratch == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the options of model %s", item);
    }
    status = lw_options_set(option->class->options, option->class->n_options, scratch, name, value,
                            reterr);
    lw_mem_free(scratch);
    plan->n_options++;
    return status;
}

enum lw_status lw_plan_parse(const char *models, const char *options, struct lw_plan *ret_plan,
                             struct lw_error *reterr)
{
    char item[ITEM_MAX];
    double weights = 0.0;
    bool fits;
    enum lw_status status;

    memset(ret_plan, 0, sizeof(*ret_plan));
    status = list_parse(models, ret_plan, reterr);
    while (status == LW_OK && (options = next_item(options, item, &fits)) != NULL) {
        status = fits ? option_parse(item, ret_plan, reterr)
                      : lw_error_set(reterr, LW_EINVAL, "\"%.40s...\" is too long for an option",
                                     item);
    }
    for (uint32_t i = 0; i < ret_plan->n_members; i++) {
        weights += ret_plan->members[i].weight;
    }
    if (status == LW_OK && !(weights > 0.0)) {
        status = lw_error_set(reterr, LW_EINVAL, "\"%s\" names no model that has a weight above 0",
                              models);
    }
    return status;
}

enum lw_status lw_plan_fit(const struct lw_plan *plan, const struct lw_model_class *class,
                           const struct lw_model_rows *rows, uint64_t seed,
                           struct lw_model **ret_model, struct lw_error *reterr)
{
    void *options = lw_mem_calloc(1, class->options_bytes + 1);
    struct lw_rng rng;
    enum lw_status status = LW_OK;

    if (options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the options of model %s",
                            class->name);
    }
    lw_options_default(class->options, class->n_options, options);
    for (uint32_t i = 0; status == LW_OK && i < plan->n_options; i++) {
        if (plan->options[i].class == class) {
            status = lw_options_set(class->options, class->n_options, options,
                                    plan->options[i].name, plan->options[i].value, reterr);
        }
    }
    lw_rng_seed(&rng, seed);
    if (status == LW_OK) {
        status = class->fit(options, rows, &rng, ret_model, reterr);
    }
    lw_mem_free(options);
    return status;
}
