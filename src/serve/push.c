/* Push sources behind HTTP: see serve/push.h. */
#include "serve/push.h"

#include "base/error.h"
#include "base/mem.h"
#include "serve/unpack.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CLASSES_MAX 16
/* Memory to unpack into that is kept for the next request. */
#define UNPACKED_KEPT ((size_t)16 << 20)

/* What one request at a time is taken with; kept for the next. */
struct work {
    struct work *next;
    struct lw_ingest_request *request;
    struct lw_unpacked unpacked;
};

struct source {
    const struct lw_push_class *class;
    struct lw_feed feed;      /* Of the engine itself; valid once ingest is there. */
    struct lw_ingest *ingest; /* NULL: not used yet. */
    struct work *free;
};

struct lw_push {
    struct lw_push_config config;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t idle;
    bool ended;
    size_t n_active; /* Calls of take() and tick under way. */
    struct source sources[CLASSES_MAX];
    size_t n_sources;
};

/* ---- life ---- */

enum lw_status lw_push_create(const struct lw_push_config *config, struct lw_push **ret_push,
                              struct lw_error *reterr)
{
    const struct lw_push_class *const *classes = lw_push_classes();
    struct lw_push *push = lw_mem_calloc(1, sizeof(*push));

    if (push == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the push sources");
    }
    push->config = *config;
    (void)pthread_mutex_init(&push->lock, NULL);
    (void)pthread_cond_init(&push->idle, NULL);
    while (push->n_sources < CLASSES_MAX && classes[push->n_sources] != NULL) {
        push->sources[push->n_sources].class = classes[push->n_sources];
        push->n_sources++;
    }
    *ret_push = push;
    return LW_OK;
}

static void work_destroy(struct work *work)
{
    lw_ingest_request_destroy(work->request);
    lw_unpacked_fini(&work->unpacked);
    lw_mem_free(work);
}

void lw_push_destroy(struct lw_push *push)
{
    if (push == NULL) {
        return;
    }
    for (size_t i = 0; i < push->n_sources; i++) {
        struct source *source = &push->sources[i];

        while (source->free != NULL) {
            struct work *work = source->free;

            source->free = work->next;
            work_destroy(work);
        }
        lw_ingest_destroy(source->ingest);
    }
    (void)pthread_cond_destroy(&push->idle);
    (void)pthread_mutex_destroy(&push->lock);
    lw_mem_free(push);
}

void lw_push_end(struct lw_push *push)
{
    (void)pthread_mutex_lock(&push->lock);
    push->ended = true;
    while (push->n_active > 0) {
        (void)pthread_cond_wait(&push->idle, &push->lock);
    }
    (void)pthread_mutex_unlock(&push->lock);
}

/* ---- sources and what they work with ---- */

static struct source *source_of(struct lw_push *push, const struct lw_http_exchange *exchange)
{
    const struct lw_push_class *class = lw_http_tag(exchange);
    size_t i = 0;

    while (push->sources[i].class != class) {
        i++;
    }
    return &push->sources[i];
}

/* The lock is held. */
static enum lw_status source_open(struct lw_push *push, struct source *source,
                                  struct lw_error *reterr)
{
    const struct lw_push_options *options = &push->config.options;
    struct lw_feed feed;
    struct lw_ingest_config config = {
        .feed = &feed, .source = source->class->source, .limits = options->limits};
    enum lw_status status;

    if (source->ingest != NULL) {
        return LW_OK;
    }
    status = lw_engine_feed(push->config.engine, source->class->source, &source->feed, reterr);
    feed = source->feed;
    if (status == LW_OK && options->wrap != NULL) {
        status = options->wrap(options->context, source->class->source, &source->feed, &feed,
                               reterr);
    }
    return status == LW_OK ? lw_ingest_create(&config, &source->ingest, reterr) : status;
}

/* Counts a call in; false when the sources have ended. The lock is held. */
static bool push_enter(struct lw_push *push)
{
    push->n_active += push->ended ? 0 : 1;
    return !push->ended;
}

/* The lock is held. */
static void push_leave(struct lw_push *push)
{
    if (--push->n_active == 0) {
        (void)pthread_cond_broadcast(&push->idle);
    }
}

/* What a request of the source is taken with, to be given back by work_give(). LW_EIO when the
 * sources have ended. */
static enum lw_status work_take(struct lw_push *push, struct source *source, struct work **ret_work,
                                struct lw_error *reterr)
{
    struct work *work = NULL;
    enum lw_status status;

    (void)pthread_mutex_lock(&push->lock);
    status = push->ended ? lw_error_set(reterr, LW_EIO, "Lapwing is ending.")
                         : source_open(push, source, reterr);
    if (status == LW_OK) {
        (void)push_enter(push);
        work = source->free;
        source->free = work == NULL ? NULL : work->next;
    }
    (void)pthread_mutex_unlock(&push->lock);
    if (status != LW_OK) {
        return status;
    }
    if (work == NULL) {
        work = lw_mem_calloc(1, sizeof(*work));
        status = work == NULL ? lw_error_set(reterr, LW_ENOMEM, "Out of memory.")
                              : lw_ingest_request_create(source->ingest, &work->request, reterr);
    }
    if (status != LW_OK) {
        lw_mem_free(work);
        (void)pthread_mutex_lock(&push->lock);
        push_leave(push);
        (void)pthread_mutex_unlock(&push->lock);
        return status;
    }
    *ret_work = work;
    return LW_OK;
}

static void work_give(struct lw_push *push, struct source *source, struct work *work)
{
    lw_ingest_request_reset(work->request);
    if (work->unpacked.capacity > UNPACKED_KEPT) {
        lw_unpacked_fini(&work->unpacked);
    }
    (void)pthread_mutex_lock(&push->lock);
    work->next = source->free;
    source->free = work;
    push_leave(push);
    (void)pthread_mutex_unlock(&push->lock);
}

void lw_push_tick(struct lw_push *push)
{
    for (size_t i = 0; i < push->n_sources; i++) {
        bool enters;

        (void)pthread_mutex_lock(&push->lock);
        enters = push->sources[i].ingest != NULL && push_enter(push);
        (void)pthread_mutex_unlock(&push->lock);
        if (!enters) {
            continue;
        }
        lw_ingest_tick(push->sources[i].ingest);
        (void)pthread_mutex_lock(&push->lock);
        push_leave(push);
        (void)pthread_mutex_unlock(&push->lock);
    }
}

const char *lw_push_source(struct lw_push *push, size_t index, uint64_t *ret_series)
{
    struct lw_ingest *ingest;

    if (index >= push->n_sources) {
        return NULL;
    }
    (void)pthread_mutex_lock(&push->lock);
    ingest = push->sources[index].ingest;
    (void)pthread_mutex_unlock(&push->lock);
    *ret_series = ingest == NULL ? UINT64_MAX : lw_ingest_n_series(ingest);
    return push->sources[index].class->source;
}

/* ---- answers ---- */

static const char *query_of(const void *context, const char *name)
{
    return lw_http_query(context, name);
}

static struct lw_push_input input_of(const struct lw_http_exchange *exchange)
{
    return (struct lw_push_input){.path = lw_http_path(exchange),
                                  .content_type = lw_http_field(exchange, "Content-Type"),
                                  .content_encoding = lw_http_field(exchange, "Content-Encoding"),
                                  .query = query_of,
                                  .context = exchange};
}

/* Sends what the class said. */
static void answer_send(struct lw_http_exchange *exchange, struct lw_push_answer *answer)
{
    for (size_t i = 0; i < answer->n_fields; i++) {
        lw_http_add_field(exchange, answer->fields[i].name, answer->fields[i].value);
    }
    lw_http_send_text(exchange, answer->code, answer->content_type, &answer->body);
}

/* An error of ours in the protocol's form; with when to come again where that helps. */
static void refuse(const struct lw_push_class *class, struct lw_http_exchange *exchange,
                   unsigned code, const char *detail)
{
    struct lw_push_input input = input_of(exchange);
    struct lw_push_answer answer = {0};
    char seconds[16];

    (void)snprintf(seconds, sizeof(seconds), "%d",
                   code == 429 ? LW_PUSH_RETRY_BUSY_S : LW_PUSH_RETRY_READ_ONLY_S);
    if (code == 429 || code == 503) {
        lw_http_add_field(exchange, "Retry-After", seconds);
    }
    if (class->refuse == NULL) {
        lw_http_send_problem(exchange, code, "%s", detail);
        return;
    }
    lw_writer_init(&answer.body);
    class->refuse(&input, code, detail, &answer);
    answer_send(exchange, &answer);
    lw_writer_fini(&answer.body);
}

/* The encoding a body says it has: NULL for none. False for one that the class does not take. */
static bool encoding_of(const struct lw_push_class *class, const struct lw_http_exchange *exchange,
                        const char **ret_encoding)
{
    const char *said = lw_http_field(exchange, "Content-Encoding");

    *ret_encoding = NULL;
    if (said == NULL || said[0] == '\0' || strcasecmp(said, "identity") == 0) {
        return true;
    }
    for (size_t i = 0; class->encodings[i] != NULL; i++) {
        if (strcasecmp(class->encodings[i], said) == 0) {
            *ret_encoding = class->encodings[i];
            return true;
        }
    }
    return false;
}

unsigned lw_push_begin(struct lw_push *push, struct lw_http_exchange *exchange,
                       char ret_detail[LW_HTTP_DETAIL_MAX])
{
    struct source *source = source_of(push, exchange);
    const char *encoding;
    struct lw_error error = {0};
    enum lw_status status;

    if (!encoding_of(source->class, exchange, &encoding)) {
        (void)snprintf(ret_detail, LW_HTTP_DETAIL_MAX, "This Content-Encoding is not taken here.");
        return 415;
    }
    if (!atomic_load(push->config.ready)) {
        (void)snprintf(ret_detail, LW_HTTP_DETAIL_MAX, "Lapwing is starting.");
        return 503;
    }
    (void)pthread_mutex_lock(&push->lock);
    status = push->ended ? lw_error_set(&error, LW_EIO, "Lapwing is ending.")
                         : source_open(push, source, &error);
    (void)pthread_mutex_unlock(&push->lock);
    if (status == LW_OK) {
        status = source->feed.ready(source->feed.context, &error);
    }
    (void)snprintf(ret_detail, LW_HTTP_DETAIL_MAX, "%s", error.message);
    return status == LW_OK ? 0 : status == LW_EBUSY ? 429 : 503;
}

void lw_push_refuse(struct lw_push *push, struct lw_http_exchange *exchange, unsigned code,
                    const char *detail)
{
    refuse(source_of(push, exchange)->class, exchange, code, detail);
}

/* ---- answers that wait for the disk ---- */

struct waiting {
    const struct source *source;
    struct lw_push_answer answer;
    bool is_read_only; /* Waited for long, and the disk cannot be written. */
};

static bool waiting_is_due(void *state, int64_t waited_ns)
{
    struct waiting *waiting = state;
    const struct lw_feed *feed = &waiting->source->feed;

    if (feed->durable(feed->context) >= waiting->answer.position) {
        return true;
    }
    waiting->is_read_only = waited_ns >= LW_PUSH_READ_ONLY_MS * INT64_C(1000000) &&
                            feed->ready(feed->context, NULL) == LW_EIO;
    return waiting->is_read_only;
}

static void waiting_answer(void *state, struct lw_http_exchange *exchange)
{
    struct waiting *waiting = state;
    const struct lw_feed *feed = &waiting->source->feed;

    if (feed->durable(feed->context) >= waiting->answer.position) {
        answer_send(exchange, &waiting->answer);
    } else {
        refuse(waiting->source->class, exchange, 503,
               "The samples could not be written to the disk in time; send them again.");
    }
}

static void waiting_destroy(void *state)
{
    struct waiting *waiting = state;

    lw_writer_fini(&waiting->answer.body);
    lw_mem_free(waiting);
}

static const struct lw_http_postponed WAITING = {
    .is_due = waiting_is_due, .answer = waiting_answer, .destroy = waiting_destroy};

/* Sends the answer when it may be sent, now or later. */
static void answer_when_durable(const struct source *source, struct lw_http_exchange *exchange,
                                struct lw_push_answer *answer)
{
    const struct lw_feed *feed = &source->feed;
    struct waiting *waiting;

    if (answer->position == 0 || feed->durable(feed->context) >= answer->position) {
        answer_send(exchange, answer);
        return;
    }
    waiting = lw_mem_calloc(1, sizeof(*waiting));
    if (waiting == NULL) {
        refuse(source->class, exchange, 503, "Out of memory.");
        return;
    }
    waiting->source = source;
    waiting->answer = *answer;
    lw_writer_init(&answer->body);
    lw_http_postpone(exchange, &WAITING, waiting);
}

/* ---- a request ---- */

static unsigned code_of(enum lw_status status)
{
    switch (status) {
    case LW_EFORMAT:
        return 400;
    case LW_ELIMIT:
        return 413;
    case LW_EBUSY:
        return 429;
    default:
        return 503;
    }
}

static void work_run(const struct source *source, struct work *work,
                     struct lw_http_exchange *exchange)
{
    const struct lw_push_class *class = source->class;
    struct lw_push_input input = input_of(exchange);
    struct lw_push_answer answer = {0};
    const char *encoding;
    struct lw_error error = {0};

    input.body = lw_http_body(exchange, &input.n_bytes);
    (void)encoding_of(class, exchange, &encoding); /* It was found good when the headers came. */
    if (encoding != NULL) {
        enum lw_status status = lw_unpack(encoding, input.body, input.n_bytes,
                                          class->decoded_bytes_max, &work->unpacked, &error);

        if (status != LW_OK) {
            refuse(class, exchange, code_of(status), error.message);
            return;
        }
        input.body = work->unpacked.bytes;
        input.n_bytes = work->unpacked.n_bytes;
    }
    lw_writer_init(&answer.body);
    class->take(&input, work->request, &answer);
    if (answer.code == 429 || answer.code == 503) {
        lw_http_add_field(exchange, "Retry-After", answer.code == 429 ? "1" : "5");
    }
    answer_when_durable(source, exchange, &answer);
    lw_writer_fini(&answer.body);
}

void lw_push_answer(struct lw_push *push, struct lw_http_exchange *exchange)
{
    struct source *source = source_of(push, exchange);
    struct work *work;
    struct lw_error error = {0};
    enum lw_status status = work_take(push, source, &work, &error);

    if (status != LW_OK) {
        refuse(source->class, exchange, 503, error.message);
        return;
    }
    work_run(source, work, exchange);
    work_give(push, source, work);
}
