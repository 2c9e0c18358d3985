/* `lapwing sinks`: how sinks do, and what becomes of their dead letters. It asks the daemon, or
 * works on its folder while none runs. */
#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "base/time_text.h"
#include "cli/command.h"
#include "connect/http_client.h"
#include "lapwing/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERVER_DEFAULT "http://127.0.0.1:8080"
#define URL_MAX 1024
#define ANSWER_MAX ((size_t)16 << 20)
#define TIMEOUT_NS INT64_C(10000000000)
#define LETTERS_AT_ONCE 100
#define SECOND_NS 1e9

enum verb { VERB_LIST, VERB_DEAD, VERB_REPLAY, VERB_DROP };

static const char *const VERBS[] = {"list", "dead", "replay", "drop", NULL};

struct sinks_command {
    const char *server, *folder; /* NULL: not given. */
    enum verb verb;
    const char *sink;
    uint64_t key;                  /* 0: all. */
    struct lw_engine *engine;      /* Of the folder, or ... */
    struct lw_http_client *client; /* ... to the server. */
};

static const struct argp_option OPTIONS[] = {
    {"server", 's', "URL", 0, "The daemon to ask (" SERVER_DEFAULT ")", 1},
    {"data-dir", 'd', "DIR", 0, "Its folder, while no daemon runs, in place of a daemon", 1},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 2},
    {0},
};

static const char ABOUT[] =
    "Say how sinks do, and decide what becomes of events that they refused or that grew too old "
    "for "
    "them: their dead letters.\v"
    "Verbs: list (the default), how each sink does; dead SINK, its dead letters, a line each; "
    "replay "
    "SINK [KEY], tell it one of them after all, or all; drop SINK [KEY], forget one, or all. Exit "
    "codes: 0 done; 1 no memory; 2 wrong usage; 3 no daemon there, a folder that cannot be read, "
    "no "
    "such sink or dead letter.";

static void verb_take(struct sinks_command *command, const char *argument,
                      const struct argp_state *state)
{
    for (int i = 0; VERBS[i] != NULL; i++) {
        if (strcmp(VERBS[i], argument) == 0) {
            command->verb = (enum verb)i;
            return;
        }
    }
    argp_error(state, "\"%s\" is no verb; there are \"list\", \"dead\", \"replay\" and \"drop\"",
               argument);
}

static void key_take(struct sinks_command *command, const char *argument,
                     const struct argp_state *state)
{
    char *end = NULL;

    errno = 0;
    command->key = strtoull(argument, &end, 10);
    if (argument[0] < '1' || argument[0] > '9' || *end != '\0' || errno != 0 ||
        command->key > INT64_MAX) {
        argp_error(state, "\"%s\" is no key of a dead letter", argument);
    }
}

static error_t take_flag(int key, char *argument, struct argp_state *state)
{
    struct sinks_command *command = state->input;
    unsigned n_most = command->verb == VERB_LIST ? 1 : command->verb == VERB_DEAD ? 2 : 3;

    switch (key) {
    case 's':
        command->server = argument;
        return 0;
    case 'd':
        command->folder = argument;
        return 0;
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            verb_take(command, argument, state);
        } else if (state->arg_num >= n_most) {
            argp_error(state, "unexpected argument \"%s\"", argument);
        } else if (state->arg_num == 1) {
            command->sink = argument;
        } else {
            key_take(command, argument, state);
        }
        return 0;
    case ARGP_KEY_END:
        if (command->verb != VERB_LIST && command->sink == NULL) {
            argp_error(state, "\"%s\" needs the name of a sink", VERBS[command->verb]);
        }
        if (command->server != NULL && command->folder != NULL) {
            argp_error(state, "--server and --data-dir exclude each other");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {
    .options = OPTIONS, .parser = take_flag, .args_doc = "[VERB [SINK [KEY]]]", .doc = ABOUT};

const struct argp *lw_sinks_argp(void)
{
    return &ARGP;
}

/* ---- the server ---- */

/* The answer to a path with the sink and more as its query; a GET unless it is to change something.
 * The caller owns *ret_json: json_decref(). */
static enum lw_status ask(struct sinks_command *command, const char *path, const char *more,
                          bool changes, json_t **ret_json, struct lw_error *reterr)
{
    const char *server = command->server == NULL ? SERVER_DEFAULT : command->server;
    char url[URL_MAX];
    char *sink = lw_http_escape(command->client, command->sink == NULL ? "" : command->sink);
    struct lw_http_request request = {.url = url,
                                      .content_type = "application/json",
                                      .body = changes ? "" : NULL,
                                      .answer_bytes_max = ANSWER_MAX,
                                      .stop = -1};
    struct lw_http_answer answer;
    enum lw_status status;
    json_t *json;
    size_t n_server;
    int n;

    if (sink == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a request");
    }
    n_server = strlen(server);
    while (n_server > 0 && server[n_server - 1] == '/') {
        n_server--;
    }
    n = snprintf(url, sizeof(url), "%.*s%s%s%s%s", (int)n_server, server, path,
                 command->sink == NULL ? "" : "?sink=", command->sink == NULL ? "" : sink, more);
    lw_http_free(sink);
    if (n >= (int)sizeof(url)) {
        return lw_error_set(reterr, LW_ELIMIT, "the address would have more than %d bytes",
                            URL_MAX - 1);
    }
    status = lw_http_url_check(url, true, reterr);
    status = status == LW_OK ? lw_http_post(command->client, &request, &answer, reterr) : status;
    if (status != LW_OK) {
        return status;
    }
    json = json_loadb(answer.body, answer.n_bytes, 0, NULL);
    if (answer.code != 200 || json == NULL) {
        const char *detail = json_string_value(json_object_get(json, "detail"));

        status = lw_error_set(reterr, LW_ENOTFOUND, "%s answered %ld: %s", server, answer.code,
                              detail == NULL ? "this is no lapwing with sinks" : detail);
        json_decref(json);
        return status;
    }
    *ret_json = json;
    return LW_OK;
}

static void text_of(const json_t *json, const char *key, char *ret_text, size_t capacity)
{
    const char *text = json_string_value(json_object_get(json, key));

    (void)snprintf(ret_text, capacity, "%s", text == NULL ? "" : text);
}

static uint64_t count_of(const json_t *json, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(json, key));

    return n > 0 ? (uint64_t)n : 0;
}

static void sink_of(const json_t *json, struct lw_sink_view *ret_sink)
{
    *ret_sink = (struct lw_sink_view){
        .gone = json_is_true(json_object_get(json, "gone")),
        .up = json_is_true(json_object_get(json, "up")),
        .pending = count_of(json, "pending"),
        .delivered = count_of(json, "delivered"),
        .retried = count_of(json, "retried"),
        .dead_kept = count_of(json, "dead_letters"),
        .oldest_ns = (int64_t)(json_number_value(json_object_get(json, "oldest_seconds")) *
                               SECOND_NS)};
    text_of(json, "sink", ret_sink->name, sizeof(ret_sink->name));
    text_of(json, "last_error", ret_sink->last_error, sizeof(ret_sink->last_error));
}

static void letter_of(const json_t *json, struct lw_dead_letter *ret_letter)
{
    const json_t *anomaly = json_object_get(json, "anomaly");
    const char *id = json_string_value(json_object_get(anomaly, "id"));
    const char *event = json_string_value(json_object_get(json, "event"));

    memset(ret_letter, 0, sizeof(*ret_letter));
    ret_letter->key = count_of(json, "key");
    ret_letter->attempts = (uint32_t)count_of(json, "attempts");
    ret_letter->time_ns = (int64_t)(json_number_value(json_object_get(json, "time")) * SECOND_NS);
    ret_letter->anomaly.anomaly.id = id == NULL ? 0 : strtoull(id, NULL, 16);
    ret_letter->anomaly.anomaly.phase = event != NULL && strcmp(event, "closed") == 0
                                            ? LW_ANOMALY_CLOSED
                                            : LW_ANOMALY_OPENED;
    text_of(json, "reason", ret_letter->reason, sizeof(ret_letter->reason));
    text_of(anomaly, "detector", ret_letter->anomaly.detector, LW_SHORT_NAME_MAX);
    text_of(anomaly, "entity_name", ret_letter->anomaly.entity, LW_NAME_MAX);
}

/* ---- what is asked, of either ---- */

static enum lw_status sinks_read(struct sinks_command *command, struct lw_sink_view *sinks,
                                 size_t *ret_n, struct lw_error *reterr)
{
    json_t *json = NULL;
    const json_t *list;
    enum lw_status status;

    if (command->engine != NULL) {
        *ret_n = lw_engine_sinks(command->engine, sinks, LW_SINKS_MAX);
        return LW_OK;
    }
    status = ask(command, "/v1/sinks", "", false, &json, reterr);
    if (status != LW_OK) {
        return status;
    }
    list = json_object_get(json, "sinks");
    *ret_n = json_array_size(list) < LW_SINKS_MAX ? json_array_size(list) : LW_SINKS_MAX;
    for (size_t i = 0; i < *ret_n; i++) {
        sink_of(json_array_get(list, i), &sinks[i]);
    }
    json_decref(json);
    return LW_OK;
}

/* At most LETTERS_AT_ONCE. */
static enum lw_status letters_read(struct sinks_command *command, uint64_t from,
                                   struct lw_dead_letter *letters, size_t *ret_n,
                                   struct lw_error *reterr)
{
    const struct lw_outbox_search search = {
        .sink = command->sink, .from = from, .capacity = LETTERS_AT_ONCE};
    json_t *json = NULL;
    const json_t *list;
    enum lw_status status;
    char more[64];

    if (command->engine != NULL) {
        return lw_engine_dead_letters(command->engine, &search, letters, ret_n, reterr);
    }
    (void)snprintf(more, sizeof(more), "&from=%" PRIu64 "&limit=%d", from, LETTERS_AT_ONCE);
    status = ask(command, "/v1/sinks/dead-letters", more, false, &json, reterr);
    if (status != LW_OK) {
        return status;
    }
    list = json_object_get(json, "dead_letters");
    *ret_n = json_array_size(list) < LETTERS_AT_ONCE ? json_array_size(list) : LETTERS_AT_ONCE;
    for (size_t i = 0; i < *ret_n; i++) {
        letter_of(json_array_get(list, i), &letters[i]);
    }
    json_decref(json);
    return LW_OK;
}

static enum lw_status letters_change(struct sinks_command *command, size_t *ret_n,
                                     struct lw_error *reterr)
{
    bool replay = command->verb == VERB_REPLAY;
    json_t *json = NULL;
    enum lw_status status;
    char more[64] = "";

    if (command->engine != NULL) {
        return replay ? lw_engine_replay_dead_letters(command->engine, command->sink, command->key,
                                                      ret_n, reterr)
                      : lw_engine_drop_dead_letters(command->engine, command->sink, command->key,
                                                    ret_n, reterr);
    }
    if (command->key != 0) {
        (void)snprintf(more, sizeof(more), "&key=%" PRIu64, command->key);
    }
    status = ask(command, replay ? "/v1/sinks/dead-letters/replay" : "/v1/sinks/dead-letters/drop",
                 more, true, &json, reterr);
    if (status == LW_OK) {
        *ret_n = count_of(json, "dead_letters");
        json_decref(json);
    }
    return status;
}

/* ---- what is said ---- */

static enum lw_status say_sinks(struct sinks_command *command, struct lw_error *reterr)
{
    struct lw_sink_view *sinks = lw_mem_calloc(LW_SINKS_MAX, sizeof(*sinks));
    size_t n = 0;
    enum lw_status status;

    if (sinks == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the list of sinks");
    }
    status = sinks_read(command, sinks, &n, reterr);
    if (status == LW_OK) {
        (void)printf("%-20s %-6s %9s %9s %9s %9s %7s  %s\n", "SINK", "STATE", "PENDING", "OLDEST",
                     "DELIVERED", "RETRIED", "DEAD", "LAST ERROR");
    }
    for (size_t i = 0; status == LW_OK && i < n; i++) {
        const struct lw_sink_view *sink = &sinks[i];
        char age[32] = "-";

        if (sink->pending > 0) {
            (void)lw_duration_format(sink->oldest_ns, age, sizeof(age));
        }
        (void)printf(
            "%-20s %-6s %9" PRIu64 " %9s %9" PRIu64 " %9" PRIu64 " %7" PRIu64 "  %s\n", sink->name,
            sink->gone ? "gone"
            : sink->up ? "up"
                       : "down",
            sink->pending, age, sink->delivered, sink->retried, sink->dead_kept, sink->last_error);
    }
    lw_mem_free(sinks);
    return status;
}

static void letter_say(const struct lw_dead_letter *letter)
{
    char time[LW_TIME_TEXT_MAX];

    (void)lw_time_format(letter->time_ns, time);
    (void)printf("%" PRIu64 " %s %016" PRIx64 " %s %s/%s after %" PRIu32 " attempt%s: %s\n",
                 letter->key, time, letter->anomaly.anomaly.id,
                 letter->anomaly.anomaly.phase == LW_ANOMALY_CLOSED ? "closed" : "opened",
                 letter->anomaly.detector, letter->anomaly.entity, letter->attempts,
                 letter->attempts == 1 ? "" : "s", letter->reason);
}

static enum lw_status say_letters(struct sinks_command *command, struct lw_error *reterr)
{
    struct lw_dead_letter *letters = lw_mem_calloc(LETTERS_AT_ONCE, sizeof(*letters));
    enum lw_status status = LW_OK;
    uint64_t from = 0;
    size_t n = LETTERS_AT_ONCE;

    if (letters == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for dead letters");
    }
    while (status == LW_OK && n == LETTERS_AT_ONCE) {
        n = 0;
        status = letters_read(command, from, letters, &n, reterr);
        for (size_t i = 0; i < n; i++) {
            letter_say(&letters[i]);
            from = letters[i].key + 1;
        }
    }
    lw_mem_free(letters);
    return status;
}

static enum lw_status say_change(struct sinks_command *command, struct lw_error *reterr)
{
    size_t n = 0;
    enum lw_status status = letters_change(command, &n, reterr);

    if (status == LW_OK) {
        (void)printf("%zu dead letter%s %s\n", n, n == 1 ? "" : "s",
                     command->verb == VERB_DROP ? "dropped" : "to be told");
    }
    return status;
}

/* ---- the command ---- */

/* The outbox of a folder, which no daemon may have open. */
static enum lw_status open_folder(struct sinks_command *command, struct lw_error *reterr)
{
    const struct lw_engine_config config = {.n_shards = 1};
    char folder[PATH_MAX];
    struct stat info;
    enum lw_status status;

    (void)snprintf(folder, sizeof(folder), "%s/keyed", command->folder);
    if (stat(folder, &info) != 0) {
        return lw_error_set(reterr, LW_EIO, "cannot open %s: %s", folder, strerror(errno));
    }
    status = lw_engine_create(&config, &command->engine, reterr);
    return status == LW_OK ? lw_engine_open_outbox(command->engine, folder, reterr) : status;
}

int lw_command_sinks(int argc, char **argv)
{
    struct sinks_command command = {0};
    const struct lw_http_setup setup = {.timeout_ns = TIMEOUT_NS};
    struct lw_error error = {0};
    enum lw_status status;

    argp_err_exit_status = LW_EXIT_USAGE;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &command) != 0) {
        return LW_EXIT_USAGE;
    }
    status = command.folder != NULL ? open_folder(&command, &error)
                                    : lw_http_client_create(&setup, &command.client, &error);
    if (status == LW_OK) {
        status = command.verb == VERB_LIST   ? say_sinks(&command, &error)
                 : command.verb == VERB_DEAD ? say_letters(&command, &error)
                                             : say_change(&command, &error);
    }
    lw_engine_destroy(command.engine);
    lw_http_client_destroy(command.client);
    if (status != LW_OK) {
        (void)fprintf(stderr, "lapwing sinks: %s\n", error.message);
    }
    return status == LW_OK       ? LW_EXIT_OK
           : status == LW_ENOMEM ? LW_EXIT_FAILED
           : status == LW_EINVAL ? LW_EXIT_USAGE
                                 : LW_EXIT_INPUT;
}
