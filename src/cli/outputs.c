/* Sink threads of the daemon: see cli/outputs.h. */
#define _GNU_SOURCE
#include "cli/outputs.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A thread looks after itself so often, whatever comes. */
#define TAKE_NS INT64_C(5000000000)
/* After the outbox could not be read. */
#define TROUBLE_MS 1000

struct output {
    struct lw_outputs *outputs;
    struct lw_config_sink config; /* Its options are owned. */
    void *sink;
    size_t batch;
    struct lw_outbox_event *events;
    struct lw_sink_event *told;
    struct lw_sink_result *answers;
    struct lw_outbox_result *results;
    pthread_t thread;
    int stop[2];      /* A pipe: closing the second end stops. */
    atomic_bool over; /* Told to stop. */
    bool running;
    bool down; /* What the log said last. */
};

struct lw_outputs {
    struct lw_engine *engine;
    const struct lw_log *log;
    struct output output[LW_CONFIG_SINKS_MAX];
};

enum lw_status lw_outputs_create(struct lw_engine *engine, const struct lw_log *log,
                                 struct lw_outputs **ret_outputs, struct lw_error *reterr)
{
    struct lw_outputs *outputs = lw_mem_calloc(1, sizeof(*outputs));

    if (outputs == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the sinks");
    }
    outputs->engine = engine;
    outputs->log = log;
    *ret_outputs = outputs;
    return LW_OK;
}

/* ---- telling ---- */

static void log_result(struct output *output, const struct lw_sink_event *event,
                       const struct lw_sink_result *answer)
{
    const struct lw_log *log = output->outputs->log;
    bool down = answer->answer == LW_SINK_RETRY;

    if (answer->answer == LW_SINK_REFUSED) {
        lw_log(log, LW_LOG_WARN, "sink refused an event", LW_LOG_TEXT("sink", output->config.name),
               LW_LOG_TEXT("id", event->id), LW_LOG_TEXT("reason", answer->reason));
    }
    if (down != output->down) {
        lw_log(log, down ? LW_LOG_WARN : LW_LOG_INFO,
               down ? "sink cannot be told" : "sink is told again",
               LW_LOG_TEXT("sink", output->config.name), LW_LOG_TEXT("reason", answer->reason));
        output->down = down;
    }
}

/* One attempt for n events, from the outbox to the sink and back. */
static void tell(struct output *output, size_t n)
{
    struct lw_error error = {0};
    size_t n_results = 0;
    bool over;

    for (size_t i = 0; i < n; i++) {
        const struct lw_outbox_event *event = &output->events[i];
        struct lw_sink_event *told = &output->told[i];

        *told = (struct lw_sink_event){.key = event->key,
                                       .phase = event->anomaly.anomaly.phase,
                                       .attempt = event->attempt,
                                       .resend = event->resend,
                                       .anomaly = &event->anomaly};
        (void)snprintf(told->id, sizeof(told->id), "%016" PRIx64, event->anomaly.anomaly.id);
    }
    memset(output->answers, 0, n * sizeof(*output->answers));
    output->config.class->deliver(output->sink, output->told, n, output->stop[0], output->answers);
    over = atomic_load(&output->over);
    for (size_t i = 0; i < n; i++) {
        const struct lw_sink_result *answer = &output->answers[i];
        struct lw_outbox_result *result = &output->results[n_results];

        if (over && answer->answer == LW_SINK_RETRY) {
            continue; /* Cut short: no failure of the sink's. */
        }
        log_result(output, &output->told[i], answer);
        *result = (struct lw_outbox_result){.key = output->told[i].key,
                                            .answer = (enum lw_outbox_answer)answer->answer,
                                            .retry_after_ns = answer->retry_after_ns};
        (void)snprintf(result->reason, sizeof(result->reason), "%s", answer->reason);
        n_results++;
    }
    if (lw_engine_report_events(output->outputs->engine, output->config.name, output->results,
                                n_results, &error) != LW_OK) {
        lw_log(output->outputs->log, LW_LOG_ERROR, "sink's events cannot be put down",
               LW_LOG_TEXT("sink", output->config.name), LW_LOG_TEXT("reason", error.message));
    }
}

_Static_assert((int)LW_SINK_DELIVERED == (int)LW_OUTBOX_DELIVERED &&
                   (int)LW_SINK_RETRY == (int)LW_OUTBOX_RETRY &&
                   (int)LW_SINK_REFUSED == (int)LW_OUTBOX_REFUSED,
               "a sink's answers are the outbox's");

static void *output_main(void *argument)
{
    struct output *output = argument;
    const struct lw_outbox_request request = {
        .sink = output->config.name, .timeout_ns = TAKE_NS, .capacity = output->batch};

    while (!atomic_load(&output->over)) {
        struct lw_error error = {0};
        size_t n = 0;
        enum lw_status status = lw_engine_take_events(output->outputs->engine, &request,
                                                      output->events, &n, &error);

        if (status != LW_OK) {
            struct pollfd stop = {.fd = output->stop[0], .events = POLLIN};

            lw_log(output->outputs->log, LW_LOG_ERROR, "sink's events cannot be read",
                   LW_LOG_TEXT("sink", output->config.name), LW_LOG_TEXT("reason", error.message));
            (void)poll(&stop, 1, TROUBLE_MS);
        } else if (n > 0) {
            tell(output, n);
        }
    }
    return NULL;
}

/* ---- threads ---- */

static void output_free(struct output *output)
{
    if (output->sink != NULL) {
        output->config.class->destroy(output->sink);
    }
    lw_config_sink_fini(&output->config);
    lw_mem_free(output->events);
    lw_mem_free(output->told);
    lw_mem_free(output->answers);
    lw_mem_free(output->results);
    *output = (struct output){0};
}

/* A copy that lives as long as the thread. */
static enum lw_status config_copy(struct lw_config_sink *to, const struct lw_config_sink *from,
                                  struct lw_error *reterr)
{
    enum lw_status status = lw_config_sink_init(to, from->name, from->class->type, reterr);

    if (status == LW_OK) {
        to->common = from->common;
        memcpy(to->options, from->options, from->class->options_bytes);
    }
    return status;
}

static enum lw_status output_prepare(struct output *output, const struct lw_config_sink *config,
                                     struct lw_error *reterr)
{
    enum lw_status status = config_copy(&output->config, config, reterr);

    if (status == LW_OK) {
        status = config->class->create(config->name, output->config.options, &output->sink, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    output->batch = config->class->batch(output->sink);
    output->events = lw_mem_calloc(output->batch, sizeof(*output->events));
    output->told = lw_mem_calloc(output->batch, sizeof(*output->told));
    output->answers = lw_mem_calloc(output->batch, sizeof(*output->answers));
    output->results = lw_mem_calloc(output->batch, sizeof(*output->results));
    return output->events != NULL && output->told != NULL && output->answers != NULL &&
                   output->results != NULL
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory for sink \"%s\"", config->name);
}

static enum lw_status output_open(struct output *output, struct lw_error *reterr)
{
    const struct lw_sink_common *common = &output->config.common;
    const struct lw_outbox_options options = {
        .resend_ns = output->config.class->resend_ns(output->sink),
        .max_age_ns = common->max_age_ns,
        .rate = common->rate,
        .burst = (double)common->burst,
        .dead_letters_max = (uint32_t)common->dead_letters};

    return lw_engine_open_sink(output->outputs->engine, output->config.name, &options, reterr);
}

static enum lw_status output_start(struct output *output, const struct lw_config_sink *config,
                                   struct lw_error *reterr)
{
    enum lw_status status = output_prepare(output, config, reterr);

    if (status == LW_OK) {
        status = output_open(output, reterr);
    }
    if (status == LW_OK && pipe2(output->stop, O_CLOEXEC) != 0) {
        status = lw_error_set(reterr, LW_EIO, "cannot start sink \"%s\": %s", config->name,
                              strerror(errno));
    }
    if (status == LW_OK && pthread_create(&output->thread, NULL, output_main, output) != 0) {
        (void)close(output->stop[0]);
        (void)close(output->stop[1]);
        status = lw_error_set(reterr, LW_EIO, "cannot start the thread of sink \"%s\"",
                              config->name);
    }
    if (status != LW_OK) {
        output_free(output);
        return status;
    }
    output->running = true;
    return LW_OK;
}

static void output_stop(struct output *output)
{
    if (!output->running) {
        return;
    }
    atomic_store(&output->over, true);
    (void)close(output->stop[1]);
    lw_engine_wake_sink(output->outputs->engine, output->config.name);
    (void)pthread_join(output->thread, NULL);
    (void)close(output->stop[0]);
    output_free(output);
}

static bool config_has(const struct lw_config *config, const struct lw_config_sink *sink)
{
    for (size_t i = 0; i < config->n_sinks; i++) {
        if (lw_config_sink_same(&config->sinks[i], sink)) {
            return true;
        }
    }
    return false;
}

/* Starts a sink unless it runs already. */
static enum lw_status ensure(struct lw_outputs *outputs, const struct lw_config_sink *sink,
                             struct lw_error *reterr)
{
    struct output *place = NULL;

    for (size_t i = 0; i < LW_CONFIG_SINKS_MAX; i++) {
        struct output *output = &outputs->output[i];

        if (output->running && lw_config_sink_same(&output->config, sink)) {
            return LW_OK;
        }
        place = place == NULL && !output->running ? output : place;
    }
    place->outputs = outputs; /* There is one: a configuration has no more sinks than there are
                                 places. */
    return output_start(place, sink, reterr);
}

enum lw_status lw_outputs_try(const struct lw_config *config, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < config->n_sinks; i++) {
        const struct lw_config_sink *one = &config->sinks[i];
        void *sink = NULL;

        status = one->class->create(one->name, one->options, &sink, reterr);
        if (status == LW_OK) {
            one->class->destroy(sink);
        }
    }
    return status;
}

enum lw_status lw_outputs_set(struct lw_outputs *outputs, const struct lw_config *config,
                              struct lw_error *reterr)
{
    const char *names[LW_CONFIG_SINKS_MAX];
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < LW_CONFIG_SINKS_MAX; i++) {
        struct output *output = &outputs->output[i];

        if (output->running && !config_has(config, &output->config)) {
            output_stop(output);
        }
    }
    for (size_t i = 0; i < config->n_sinks; i++) {
        enum lw_status one = ensure(outputs, &config->sinks[i], status == LW_OK ? reterr : NULL);

        names[i] = config->sinks[i].name;
        status = status == LW_OK ? one : status;
    }
    if (status == LW_OK) {
        return lw_engine_keep_sinks(outputs->engine, names, config->n_sinks, reterr);
    }
    (void)!lw_engine_keep_sinks(outputs->engine, names, config->n_sinks, NULL);
    return status;
}

void lw_outputs_destroy(struct lw_outputs *outputs)
{
    if (outputs == NULL) {
        return;
    }
    for (size_t i = 0; i < LW_CONFIG_SINKS_MAX; i++) {
        output_stop(&outputs->output[i]);
    }
    lw_mem_free(outputs);
}
