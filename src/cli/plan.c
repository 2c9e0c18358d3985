/* `lapwing plan`: what detectors would take of memory, before they are enabled. */
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/memory_limit.h"
#include "cli/train_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTITIES_DEFAULT 100u
#define METRICS_DEFAULT 10u

struct plan_command {
    const char *config_path;
    uint32_t n_series, n_entities, n_metrics; /* 0: not given. */
    int64_t limit;                            /* 0: as configured. */
    bool json;
    struct lw_config config;
    struct lw_memory_need need;
};

/* Keys of options without a short name. */
enum option_key { OPTION_SERIES = 256, OPTION_ENTITIES, OPTION_METRICS, OPTION_MEMORY };

static const struct argp_option OPTIONS[] = {
    {"config", 'c', "FILE", 0, "Plan for the detectors of FILE; without it for the default one", 1},
    {"entities", OPTION_ENTITIES, "M", 0, "So many entities (100)", 1},
    {"metrics", OPTION_METRICS, "K", 0, "So many series of each entity (10)", 1},
    {"series", OPTION_SERIES, "N", 0, "So many series in all, in place of one of the two above", 1},
    {"memory", OPTION_MEMORY, "SIZE", 0,
     "Limit, such as 2GiB, in place of the configuration's option \"memory\"", 1},
    {"format", 'f', "FORMAT", 0, "\"text\" (default) or \"json\"", 1},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 2},
    {0},
};

static const char ABOUT[] =
    "Say how much memory each series and each entity of a detector would take, what all of them "
    "would, and how many a limit holds. It makes two entities and trains one to see.\v"
    "Sizes are the engine's own; server, sources and sinks come to some 50 MiB more. Exit codes: 0 "
    "done; 1 no memory; 2 wrong usage or configuration.";

static uint32_t number_take(const char *name, const char *argument, const struct argp_state *state)
{
    char *end = NULL;
    unsigned long long number = strtoull(argument, &end, 10);

    if (argument[0] < '0' || argument[0] > '9' || *end != '\0' || number == 0 ||
        number > LW_ENGINE_SERIES_MAX) {
        argp_error(state, "--%s: \"%s\" is no number from 1 to %u", name, argument,
                   LW_ENGINE_SERIES_MAX);
    }
    return (uint32_t)number;
}

static int64_t size_take(const char *argument, const struct argp_state *state)
{
    static const struct lw_option SIZE = {
        .name = "memory", .type = LW_OPTION_SIZE, .min = 1, .max = 1e15, .unit = "bytes"};
    struct lw_error error = {0};
    int64_t size = 0;

    if (lw_options_set(&SIZE, 1, &size, "memory", argument, &error) != LW_OK) {
        argp_error(state, "--%s", error.message);
    }
    return size;
}

/* Any two of the three numbers say the third. */
static void command_settle(struct plan_command *command, const struct argp_state *state)
{
    uint32_t n_series = command->n_series;

    if (n_series > 0 && command->n_entities > 0 && command->n_metrics > 0) {
        argp_error(state, "--series, --entities and --metrics: two of them say the third");
    }
    if (n_series > 0 && command->n_entities > 0) {
        command->n_metrics = (n_series + command->n_entities - 1) / command->n_entities;
    }
    command->n_metrics = command->n_metrics == 0 ? METRICS_DEFAULT : command->n_metrics;
    if (command->n_entities == 0) {
        command->n_entities = n_series > 0
                                  ? (n_series + command->n_metrics - 1) / command->n_metrics
                                  : ENTITIES_DEFAULT;
    }
}

static error_t option_take(int key, char *argument, struct argp_state *state)
{
    struct plan_command *command = state->input;

    switch (key) {
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case 'c':
        command->config_path = argument;
        return 0;
    case OPTION_ENTITIES:
        command->n_entities = number_take("entities", argument, state);
        return 0;
    case OPTION_METRICS:
        command->n_metrics = number_take("metrics", argument, state);
        return 0;
    case OPTION_SERIES:
        command->n_series = number_take("series", argument, state);
        return 0;
    case OPTION_MEMORY:
        command->limit = size_take(argument, state);
        return 0;
    case 'f':
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
            argp_error(state, "--format: \"%s\" is none of text, json", argument);
        }
        command->json = strcmp(argument, "json") == 0;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", argument);
        return EINVAL;
    case ARGP_KEY_END:
        command_settle(command, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {.options = OPTIONS, .parser = option_take, .doc = ABOUT};

const struct argp *lw_plan_argp(void)
{
    return &ARGP;
}

/* ---- what is said ---- */

/* What a limit holds of a plan. */
struct held {
    size_t limit;
    uint32_t tier0, tier1; /* Entities. */
    uint32_t with_tier1;   /* Of those asked for, that keep tier 1 when all of them are there. */
};

static struct held held_of(const struct plan_command *command, const struct lw_memory_plan *plan)
{
    struct held held = {.limit = (size_t)command->limit};
    size_t room;

    held.tier0 = lw_memory_plan_entities(plan, &command->need, held.limit, 0);
    held.tier1 = lw_memory_plan_entities(plan, &command->need, held.limit, 1);
    room = held.limit / 100 * 90;
    room = room > plan->total_tier0 ? room - plan->total_tier0 : 0;
    held.with_tier1 = plan->entity_tier1 == 0 || room / plan->entity_tier1 > command->n_entities
                          ? command->n_entities
                          : (uint32_t)(room / plan->entity_tier1);
    held.with_tier1 = held.with_tier1 < held.tier0 ? held.with_tier1 : held.tier0;
    return held;
}

static void line_print(const char *of, const char *what, size_t n_bytes, const char *remark)
{
    char text[LW_FIGURE_MAX];

    (void)printf("  %-12s %-12s %10s  %s\n", of, what, lw_figure_bytes((double)n_bytes, text),
                 remark);
}

static void plan_print(const struct plan_command *command, const char *name,
                       const struct lw_memory_plan *plan)
{
    struct held held = held_of(command, plan);
    char text[LW_FIGURE_MAX];

    (void)printf("detector \"%s\", %u entities with %u series each\n", name, command->n_entities,
                 command->n_metrics);
    line_print("each series", "tier 0", plan->series_tier0, "baseline, names, tables");
    line_print("each entity", "tier 1", plan->entity_tier1,
               plan->entity_tier1 == 0 ? "none"
               : plan->shares_model    ? "rows and state; the model is shared"
                                       : "rows, state and its own model");
    line_print("each series", "history", plan->series_history, "steps for the page");
    line_print("all", "tier 0", plan->total_tier0, "");
    line_print("", "and tier 1", plan->total_tier1, "");
    line_print("", "and history", plan->total_tier1 + plan->total_history, "");
    if (held.limit == 0) {
        return;
    }
    (void)printf("  a limit of %s holds %u such entities with tier 1, %u without\n",
                 lw_figure_bytes((double)held.limit, text), held.tier1, held.tier0);
    if (held.tier0 < command->n_entities) {
        (void)printf("  it does not hold these: series would be refused\n");
    } else if (held.with_tier1 < command->n_entities) {
        (void)printf("  of these, %u would step down to tier 0\n",
                     command->n_entities - held.with_tier1);
    }
}

static void figure(struct lw_json *json, const char *key, size_t value)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)value);
}

static void plan_write(const struct plan_command *command, const char *name,
                       const struct lw_memory_plan *plan, struct lw_json *json)
{
    struct held held = held_of(command, plan);

    lw_json_begin_object(json);
    lw_json_key(json, "detector");
    lw_json_text(json, name);
    figure(json, "entities", command->n_entities);
    figure(json, "series_each", command->n_metrics);
    figure(json, "series_tier0_bytes", plan->series_tier0);
    figure(json, "entity_tier1_bytes", plan->entity_tier1);
    lw_json_key(json, "shares_model");
    lw_json_bool(json, plan->shares_model);
    figure(json, "series_history_bytes", plan->series_history);
    figure(json, "fixed_bytes", plan->fixed);
    figure(json, "total_tier0_bytes", plan->total_tier0);
    figure(json, "total_tier1_bytes", plan->total_tier1);
    figure(json, "total_history_bytes", plan->total_history);
    figure(json, "limit_bytes", held.limit);
    figure(json, "limit_holds_entities_tier0", held.tier0);
    figure(json, "limit_holds_entities_tier1", held.tier1);
    figure(json, "entities_with_tier1", held.with_tier1);
    lw_json_end(json);
}

/* ---- the command ---- */

static enum lw_status prepare(struct plan_command *command, struct lw_error *reterr)
{
    const struct lw_config_options *options = &command->config.options;
    enum lw_status status = LW_OK;

    lw_config_init(&command->config);
    if (command->config_path != NULL) {
        status = lw_config_read(&command->config, command->config_path, reterr);
    } else if (lw_config_detector(&command->config, "default") == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a detector");
    }
    if (status == LW_OK) {
        status = lw_config_fill(&command->config, reterr);
    }
    command->need = (struct lw_memory_need){.n_entities = command->n_entities,
                                            .n_series = command->n_metrics,
                                            .n_shards = (uint32_t)options->threads,
                                            .history_steps = (uint32_t)options->history_steps,
                                            .history_bytes = (size_t)options->history_bytes};
    if (command->limit == 0) {
        command->limit = options->memory_bytes == 0 ? (int64_t)lw_memory_limit()
                                                    : options->memory_bytes;
    }
    return status;
}

static enum lw_status plan_all(const struct plan_command *command, struct lw_json *json,
                               struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < command->config.n_detectors; i++) {
        const struct lw_config_detector *detector = &command->config.detectors[i];
        struct lw_memory_plan plan;

        status = lw_engine_plan_memory(detector->spec, &command->need, &plan, reterr);
        if (status == LW_OK && command->json) {
            plan_write(command, detector->name, &plan, json);
        } else if (status == LW_OK) {
            plan_print(command, detector->name, &plan);
        }
    }
    return status;
}

int lw_command_plan(int argc, char **argv)
{
    struct plan_command command = {0};
    struct lw_error error = {0};
    struct lw_json json;
    enum lw_status status;

    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, &command);
    lw_json_init(&json);
    lw_json_begin_array(&json);
    status = prepare(&command, &error);
    if (status == LW_OK) {
        status = plan_all(&command, &json, &error);
    }
    lw_json_end(&json);
    if (status == LW_OK && command.json) {
        status = json.out.status;
        (void)printf("%.*s\n", (int)json.out.n_bytes, (const char *)json.out.data);
    }
    if (status != LW_OK) {
        (void)fprintf(stderr, "lapwing plan: %s\n", error.message);
    }
    lw_json_fini(&json);
    lw_config_fini(&command.config);
    return status == LW_OK ? LW_EXIT_OK : status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_USAGE;
}
