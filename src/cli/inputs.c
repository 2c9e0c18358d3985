/* Source threads of the daemon: see cli/inputs.h. */
#define _GNU_SOURCE
#include "cli/inputs.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "connect/patient_feed.h"
#include "connect/source_csv.h"
#include "connect/source_follow.h"
#include "connect/source_host.h"
#include "connect/source_scrape.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct input {
    struct lw_inputs *inputs;
    struct lw_config_source config;
    struct lw_feed feed;
    struct lw_patient_feed patient;  /* Before it, for those that nobody sends samples again. */
    struct lw_source_host *host;     /* Of type host. */
    struct lw_source_scrape *scrape; /* Of type scrape. */
    struct lw_source_follow *follow; /* Of type follow. */
    pthread_t thread;
    int stop[2];      /* A pipe: closing the second end stops. */
    atomic_bool over; /* Told to stop. */
    bool running;
};

struct lw_inputs {
    struct lw_engine *engine;
    struct lw_recorder *recorder;
    const struct lw_log *log;
    char data_dir[LW_CONFIG_PATH_MAX]; /* As at the start: another one waits for the next. */
    struct input input[LW_CONFIG_SOURCES_MAX];
};

enum lw_status lw_inputs_create(struct lw_engine *engine, struct lw_recorder *recorder,
                                const struct lw_log *log, struct lw_inputs **ret_inputs,
                                struct lw_error *reterr)
{
    struct lw_inputs *inputs = lw_mem_calloc(1, sizeof(*inputs));

    if (inputs == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the sources");
    }
    inputs->engine = engine;
    inputs->recorder = recorder;
    inputs->log = log;
    *ret_inputs = inputs;
    return LW_OK;
}

/* ---- csv ---- */

/* Into the log; the source itself counts what it drops. */
static void complain(void *context, const struct lw_csv_complaint *complaint)
{
    const struct input *input = context;

    lw_log(input->inputs->log, LW_LOG_WARN, "bad row", LW_LOG_TEXT("file", complaint->path),
           LW_LOG_INT("line", complaint->line),
           LW_LOG_TEXT("column", complaint->column == NULL ? "" : complaint->column),
           LW_LOG_TEXT("reason", complaint->detail));
}

static const char *given(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* Reads one file to its end, or until told to stop. */
static enum lw_status csv_read(struct input *input, struct lw_error *reterr)
{
    const struct lw_source_options *own = &input->config.options;
    const struct lw_csv_options options = {.time = given(own->time),
                                           .series = given(own->series),
                                           .value = given(own->value),
                                           .entity = given(own->entity)};
    const struct lw_csv_listener listener = {.complain = complain, .context = input};
    const struct lw_csv_setup setup = {
        .options = &options, .feed = &input->feed, .listener = &listener};
    struct lw_csv_source *source = NULL;
    struct lw_csv_batch batch = {0};
    int64_t watermark_ns = INT64_MIN;
    bool over = false;
    enum lw_status status = lw_csv_batch_init(&batch, reterr);

    if (status == LW_OK) {
        status = lw_csv_source_open(&setup, own->path, &source, reterr);
    }
    while (status == LW_OK && !over && !atomic_load(&input->over)) {
        status = lw_csv_source_read(source, &batch, &over, reterr);
        if (status == LW_OK) {
            status = lw_csv_batch_deliver(&batch, &input->feed, own->interval_ns, &watermark_ns);
        }
    }
    if (status == LW_OK && over) {
        status = input->feed.watermark(input->feed.context, INT64_MIN);
        lw_log(input->inputs->log, LW_LOG_INFO, "file read", LW_LOG_TEXT("file", own->path),
               LW_LOG_INT("rows", lw_csv_source_rows(source)));
    }
    lw_csv_source_close(source);
    lw_csv_batch_fini(&batch);
    return status;
}

/* ---- scrape ---- */

static void scrape_tell(void *context, const struct lw_scrape_event *event)
{
    static const struct {
        enum lw_log_level level;
        const char *message;
    } words[] = {[LW_SCRAPE_UP] = {LW_LOG_INFO, "target is up"},
                 [LW_SCRAPE_DOWN] = {LW_LOG_WARN, "target is down"},
                 [LW_SCRAPE_REJECTED] = {LW_LOG_WARN, "samples left out"},
                 [LW_SCRAPE_GONE] = {LW_LOG_INFO, "target is named no more"},
                 [LW_SCRAPE_FILES] = {LW_LOG_WARN, "targets not read"}};
    const struct input *input = context;

    lw_log(input->inputs->log, words[event->kind].level, words[event->kind].message,
           LW_LOG_TEXT("source", input->config.name), LW_LOG_TEXT("target", event->target),
           LW_LOG_TEXT("reason", event->detail), LW_LOG_INT("samples", event->n));
}

static enum lw_status scrape_create(struct input *input, struct lw_error *reterr)
{
    const struct lw_source_options *own = &input->config.options;
    const struct lw_source_scrape_config config = {.job = input->config.name,
                                                   .targets = own->targets,
                                                   .files = own->files,
                                                   .scheme = own->scheme == 0 ? "http" : "https",
                                                   .path = own->path,
                                                   .labels = own->labels,
                                                   .auth_file = own->auth_file,
                                                   .basic_auth_file = own->basic_auth_file,
                                                   .ca_file = own->ca_file,
                                                   .cert_file = own->cert_file,
                                                   .key_file = own->key_file,
                                                   .skips_verify = !own->verify,
                                                   .honor_labels = own->honor_labels,
                                                   .interval_ns = own->interval_ns,
                                                   .timeout_ns = own->timeout_ns,
                                                   .body_bytes_max = own->body_limit,
                                                   .samples_max = own->sample_limit,
                                                   .series_max = own->series_limit,
                                                   .labels_max = own->label_limit,
                                                   .label_bytes_max = own->label_value_limit,
                                                   .tell = scrape_tell,
                                                   .context = input};

    return lw_source_scrape_create(&config, &input->feed, &input->scrape, reterr);
}

/* ---- follow ---- */

static void follow_tell(void *context, const struct lw_follow_event *event)
{
    static const struct {
        enum lw_log_level level;
        const char *message, *number;
    } words[] = {[LW_FOLLOW_BEGUN] = {LW_LOG_INFO, "file is followed", "from_byte"},
                 [LW_FOLLOW_TRUNCATED] = {LW_LOG_INFO, "file begins anew", "from_byte"},
                 [LW_FOLLOW_GONE] = {LW_LOG_INFO, "file is gone, and read to its end", "left"},
                 [LW_FOLLOW_REJECTED] = {LW_LOG_WARN, "lines left out", "dropped"},
                 [LW_FOLLOW_FAILED] = {LW_LOG_WARN, "file not read", "n"}};
    const struct input *input = context;

    lw_log(input->inputs->log, words[event->kind].level, words[event->kind].message,
           LW_LOG_TEXT("source", input->config.name), LW_LOG_TEXT("file", event->path),
           LW_LOG_TEXT("reason", event->detail), LW_LOG_INT(words[event->kind].number, event->n));
}

/* Beside the state; what a file's name cannot hold becomes "_", and a hash keeps names apart. */
static void follow_state_path(const struct input *input, char *ret_path, size_t capacity)
{
    const char *name = input->config.name;
    char plain[64];
    size_t n = 0;

    for (; name[n] != '\0' && n + 1 < sizeof(plain); n++) {
        bool is_plain = (name[n] >= 'a' && name[n] <= 'z') || (name[n] >= 'A' && name[n] <= 'Z') ||
                        (name[n] >= '0' && name[n] <= '9') || name[n] == '-';

        plain[n] = is_plain ? name[n] : '_';
    }
    plain[n] = '\0';
    (void)snprintf(ret_path, capacity, "%s/follow-%s-%08x.json", input->inputs->data_dir, plain,
                   (unsigned)lw_hash_bytes(name, strlen(name), 0));
}

static enum lw_status follow_create(struct input *input, struct lw_error *reterr)
{
    const struct lw_source_options *own = &input->config.options;
    char state_path[LW_CONFIG_PATH_MAX + 96];
    const struct lw_source_follow_config config = {.paths = own->path,
                                                   .format = (enum lw_follow_format)own->format,
                                                   .from_end = own->from == 1,
                                                   .time = own->time,
                                                   .series = own->series,
                                                   .value = own->value,
                                                   .entity = own->entity,
                                                   .state_path = state_path,
                                                   .series_max = own->series_limit,
                                                   .tell = follow_tell,
                                                   .context = input};

    follow_state_path(input, state_path, sizeof(state_path));
    return lw_source_follow_create(&config, &input->feed, &input->follow, reterr);
}

/* ---- threads ---- */

static enum lw_status input_run(struct input *input, struct lw_error *reterr)
{
    switch (input->config.options.type) {
    case LW_SOURCE_HOST:
        return lw_source_host_run(input->host, input->stop[0], reterr);
    case LW_SOURCE_SCRAPE:
        return lw_source_scrape_run(input->scrape, input->stop[0], reterr);
    case LW_SOURCE_FOLLOW:
        return lw_source_follow_run(input->follow, input->stop[0], reterr);
    default:
        return csv_read(input, reterr);
    }
}

static void *input_main(void *argument)
{
    struct input *input = argument;
    struct lw_error error = {0};

    if (input_run(input, &error) != LW_OK) {
        lw_log(input->inputs->log, LW_LOG_ERROR, "source failed",
               LW_LOG_TEXT("source", input->config.name), LW_LOG_TEXT("reason", error.message));
    }
    return NULL;
}

static enum lw_status feed_create(struct input *input, struct lw_error *reterr)
{
    bool waits = input->config.options.type == LW_SOURCE_HOST ||
                 input->config.options.type == LW_SOURCE_CSV;
    struct lw_feed feed;
    enum lw_status status = lw_engine_feed(input->inputs->engine, input->config.name, &feed,
                                           reterr);

    if (status == LW_OK && input->inputs->recorder != NULL) {
        status = lw_recorder_wrap(input->inputs->recorder, input->config.name, &feed, &feed,
                                  reterr);
    }
    if (status == LW_OK) {
        input->feed = waits ? lw_patient_feed_init(&input->patient, &feed, &input->over) : feed;
    }
    return status;
}

static enum lw_status host_create(struct input *input, struct lw_error *reterr)
{
    const struct lw_source_options *own = &input->config.options;
    const struct lw_source_host_config config = {.instance = given(own->instance),
                                                 .interval_ns = own->interval_ns};

    return lw_source_host_create(&config, &input->feed, &input->host, reterr);
}

/* What belongs to the type. */
static enum lw_status parts_create(struct input *input, struct lw_error *reterr)
{
    switch (input->config.options.type) {
    case LW_SOURCE_HOST:
        return host_create(input, reterr);
    case LW_SOURCE_SCRAPE:
        return scrape_create(input, reterr);
    case LW_SOURCE_FOLLOW:
        return follow_create(input, reterr);
    default:
        return LW_OK;
    }
}

static void parts_destroy(struct input *input)
{
    lw_source_host_destroy(input->host);
    lw_source_scrape_destroy(input->scrape);
    lw_source_follow_destroy(input->follow);
    input->host = NULL;
    input->scrape = NULL;
    input->follow = NULL;
}

static enum lw_status input_start(struct input *input, struct lw_error *reterr)
{
    enum lw_status status = feed_create(input, reterr);

    if (status == LW_OK) {
        status = parts_create(input, reterr);
    }
    if (status == LW_OK && pipe2(input->stop, O_CLOEXEC) != 0) {
        status = lw_error_set(reterr, LW_EIO, "cannot start source \"%s\": %s", input->config.name,
                              strerror(errno));
    }
    if (status == LW_OK) {
        atomic_store(&input->over, false);
        if (pthread_create(&input->thread, NULL, input_main, input) != 0) {
            (void)close(input->stop[0]);
            (void)close(input->stop[1]);
            status = lw_error_set(reterr, LW_EIO, "cannot start the thread of source \"%s\"",
                                  input->config.name);
        }
    }
    if (status != LW_OK) {
        parts_destroy(input);
        return status;
    }
    input->running = true;
    return LW_OK;
}

static void input_stop(struct input *input)
{
    if (!input->running) {
        return;
    }
    atomic_store(&input->over, true);
    (void)close(input->stop[1]);
    (void)pthread_join(input->thread, NULL);
    (void)close(input->stop[0]);
    parts_destroy(input);
    input->running = false;
}

static bool same_source(const struct lw_config_source *a, const struct lw_config_source *b)
{
    size_t n;
    const struct lw_option *table = lw_source_option_table(&n);

    if (strcmp(a->name, b->name) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char first[LW_CONFIG_PATH_MAX], second[LW_CONFIG_PATH_MAX];

        (void)lw_option_format(&table[i], &a->options, first, sizeof(first));
        (void)lw_option_format(&table[i], &b->options, second, sizeof(second));
        if (strcmp(first, second) != 0) {
            return false;
        }
    }
    return true;
}

static bool config_names(const struct lw_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_sources; i++) {
        if (strcmp(config->sources[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool config_has(const struct lw_config *config, const struct lw_config_source *source)
{
    for (size_t i = 0; i < config->n_sources; i++) {
        if (same_source(&config->sources[i], source)) {
            return true;
        }
    }
    return false;
}

/* Starts a source unless it runs already. */
static enum lw_status ensure(struct lw_inputs *inputs, const struct lw_config_source *source,
                             struct lw_error *reterr)
{
    struct input *place = NULL;

    for (size_t i = 0; i < LW_CONFIG_SOURCES_MAX; i++) {
        struct input *input = &inputs->input[i];

        if (input->running && same_source(&input->config, source)) {
            return LW_OK;
        }
        place = place == NULL && !input->running ? input : place;
    }
    memset(place, 0, sizeof(*place)); /* There is one: a configuration has no more sources than
                                         there are places. */
    place->inputs = inputs;
    place->config = *source;
    return input_start(place, reterr);
}

enum lw_status lw_inputs_set(struct lw_inputs *inputs, const struct lw_config *config,
                             struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (inputs->data_dir[0] == '\0') {
        (void)snprintf(inputs->data_dir, sizeof(inputs->data_dir), "%s", config->options.data_dir);
    }
    for (size_t i = 0; i < LW_CONFIG_SOURCES_MAX; i++) {
        struct input *input = &inputs->input[i];

        if (input->running && !config_has(config, &input->config)) {
            input_stop(input);
            if (!config_names(config, input->config.name)) { /* Gone for good: nothing waits for it
                                                                any more. */
                (void)input->feed.watermark(input->feed.context, INT64_MIN);
            }
        }
    }
    for (size_t i = 0; i < config->n_sources; i++) {
        enum lw_status one = ensure(inputs, &config->sources[i], status == LW_OK ? reterr : NULL);

        status = status == LW_OK ? one : status;
    }
    return status;
}

void lw_inputs_destroy(struct lw_inputs *inputs)
{
    if (inputs == NULL) {
        return;
    }
    for (size_t i = 0; i < LW_CONFIG_SOURCES_MAX; i++) {
        input_stop(&inputs->input[i]);
    }
    lw_mem_free(inputs);
}
