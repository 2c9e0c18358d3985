/*
 * Does the model file of --model serve anybody? See cli/replay_internal.h.
 *
 * Models that each entity has for itself are found by the entity's name, and a file next month may
 * have another name than the one that was trained on.
 */
#include "cli/replay_internal.h"

#include "base/mem.h"
#include "cli/models_file.h"
#include "cli/train_fields.h"
#include "cli/train_report.h"
#include "lapwing/train.h"

#include <string.h>

#define ENTITIES_AT_ONCE 64

/* The report in a model file, or NULL. */
static json_t *report_of(const char *path)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    char *text = NULL;
    json_t *report = NULL;

    if (lw_models_read(path, &bytes, &n_bytes, NULL) == LW_OK &&
        lw_models_report(bytes, n_bytes, &text, NULL) == LW_OK) {
        report = lw_report_parse(text, NULL);
    }
    lw_mem_free(bytes);
    lw_bytes_free(text);
    return report;
}

static bool report_knows(const json_t *report, const char *name)
{
    for (size_t i = 0; i < lw_field_count(report, "data.entity_list"); i++) {
        const json_t *entity = lw_field_item(report, "data.entity_list", i);

        if (lw_field_is(entity, "used") && strcmp(lw_field_text(entity, "name"), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Is any entity of the replay known? *ret_first is the name of the first one. */
static bool any_known(struct replay *replay, const json_t *report, char ret_first[LW_NAME_MAX])
{
    struct lw_entity_view *views = lw_mem_calloc(ENTITIES_AT_ONCE, sizeof(*views));
    bool is_known = views == NULL; /* Without memory nothing is claimed. */
    size_t n = ENTITIES_AT_ONCE;

    ret_first[0] = '\0';
    for (uint32_t from = 0; !is_known && n == ENTITIES_AT_ONCE;) {
        n = lw_engine_entities(replay->engine, from, views, ENTITIES_AT_ONCE);
        for (size_t i = 0; i < n && !is_known; i++) {
            from = views[i].number + 1;
            if (ret_first[0] == '\0') {
                (void)snprintf(ret_first, LW_NAME_MAX, "%s", views[i].name);
            }
            is_known = report_knows(report, views[i].name);
        }
    }
    lw_mem_free(views);
    return is_known;
}

void lw_replay_model_check(struct replay *replay)
{
    json_t *report = replay->options.model == NULL || replay->options.is_quiet
                         ? NULL
                         : report_of(replay->options.model);
    char first[LW_NAME_MAX];

    /* With a model for strangers all are served; names that are not listed cannot be judged. */
    if (report != NULL && lw_field(report, "sharing.fallback") == NULL &&
        !(lw_field_number(report, "data.entities_not_listed") > 0.0) &&
        lw_field_count(report, "data.entity_list") > 0 && !any_known(replay, report, first)) {
        const char *known = lw_field_text(lw_field_item(report, "data.entity_list", 0), "name");

        lw_replay_say(replay,
                      "%s: its models are of single entities, such as \"%.100s\"; \"%.100s\" is "
                      "none of them and was not served. If it is the same, say --as \"%.100s\"",
                      replay->options.model, known, first, known);
    }
    json_decref(report);
}
