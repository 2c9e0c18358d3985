/* The source "scrape": targets, their moments, one loop. See connect/source_scrape.h. */
#include "connect/source_scrape.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "connect/scrape/transfer.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND_NS INT64_C(1000000000)
#define NS_PER_MS 1000000
#define TURN_NS SECOND_NS         /* The loop turns at least so often. */
#define PAUSE_NS (60 * SECOND_NS) /* When it did not, the machine slept. */
#define FILES_EVERY_NS (5 * SECOND_NS)
#define INTERVAL_NS (15 * SECOND_NS) /* Defaults. */
#define TIMEOUT_NS (10 * SECOND_NS)
#define BODY_BYTES (INT64_C(16) << 20)
#define SAMPLES 200000
#define LABEL_BYTES 1024
#define OWN_SERIES 3 /* up and the like. */

struct lw_source_scrape {
    struct lw_held_feed held;
    struct lw_scrape_taker taker;
    struct lw_scrape_transfers transfers;
    struct lw_target_defaults defaults;
    struct lw_label labels[LW_TARGET_LABELS_MAX]; /* job and those of the configuration. */
    char *texts[10];                              /* Copies of the configuration's. */
    size_t n_texts;
    const char *patterns; /* NULL: no files. */
    int64_t interval_ns;
    void (*tell)(void *context, const struct lw_scrape_event *event);
    void *context;
    CURLM *multi;
    struct lw_scrape_target **targets;
    size_t n_targets, capacity;
    uint64_t origin;     /* Of the targets being read. */
    uint64_t files_seen; /* Hash of the files' names, sizes and times. */
    int64_t files_next_ns, tick_next_ns, turned_ns;
    bool is_full; /* Told that there are too many targets. */
};

static void tell(const struct lw_source_scrape *source, struct lw_scrape_event event)
{
    event.detail = event.detail == NULL ? "" : event.detail;
    if (source->tell != NULL) {
        source->tell(source->context, &event);
    }
}

/* ---- targets ---- */

static void target_free(struct lw_source_scrape *source, struct lw_scrape_target *target)
{
    if (target->is_running) {
        (void)curl_multi_remove_handle(source->multi, target->curl);
    }
    lw_scrape_transfer_fini(target);
    lw_mem_free(target);
}

static void identify(struct lw_source_scrape *source, struct lw_scrape_target *target)
{
    char text[2 * LW_TARGET_BYTES_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", target->target.url) + 1;

    for (size_t i = 0; i < target->target.n_labels; i++) { /* They fit: so did the originals. */
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", target->target.labels[i].name) + 1;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", target->target.labels[i].value) + 1;
    }
    lw_ingest_digest(source->taker.request, text, n, target->identity);
    /* Not by the secret: a restart finds the same moments. */
    target->next_ns = (int64_t)(lw_hash_bytes(text, n, 0) % (uint64_t)source->interval_ns);
}

/* The target's next moment after now: whole intervals and its own offset. */
static void schedule(const struct lw_source_scrape *source, struct lw_scrape_target *target,
                     int64_t now_ns)
{
    int64_t offset_ns = target->next_ns % source->interval_ns;
    int64_t since_ns = now_ns - offset_ns;

    target->next_ns = since_ns - since_ns % source->interval_ns + source->interval_ns + offset_ns;
}

static bool target_add(struct lw_source_scrape *source, struct lw_scrape_target *target)
{
    if (source->n_targets == source->capacity) {
        size_t capacity = source->capacity == 0 ? 16 : source->capacity * 2;
        struct lw_scrape_target **grown = lw_mem_realloc(source->targets,
                                                         capacity * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        source->targets = grown;
        source->capacity = capacity;
    }
    source->targets[source->n_targets++] = target;
    return true;
}

static struct lw_scrape_target *target_find(struct lw_source_scrape *source,
                                            const uint8_t identity[LW_SCRAPE_IDENTITY_BYTES])
{
    for (size_t i = 0; i < source->n_targets; i++) {
        if (memcmp(source->targets[i]->identity, identity, LW_SCRAPE_IDENTITY_BYTES) == 0) {
            return source->targets[i];
        }
    }
    return NULL;
}

/* A lw_target_function: keeps the target, unless it is there already. */
static bool target_take(void *context, const struct lw_target *named)
{
    struct lw_source_scrape *source = context;
    struct lw_scrape_target *target = lw_mem_calloc(1, sizeof(*target));
    struct lw_scrape_target *known;

    if (target == NULL) {
        return false;
    }
    lw_target_copy(named, &target->target);
    identify(source, target);
    known = target_find(source, target->identity);
    if (known != NULL) {
        known->origin = known->is_named ? known->origin : source->origin;
        known->is_named = true;
        lw_mem_free(target);
        return true;
    }
    target->is_named = true;
    target->origin = source->origin;
    schedule(source, target, lw_clock_real_ns());
    if (source->n_targets == LW_SCRAPE_TARGETS_MAX || !target_add(source, target)) {
        if (!source->is_full) {
            source->is_full = true;
            tell(source, (struct lw_scrape_event){.kind = LW_SCRAPE_FILES,
                                                  .target = target->target.url,
                                                  .detail = "there are more than 10,000 targets; "
                                                            "this and further ones are left out"});
        }
        lw_mem_free(target);
    }
    return true;
}

static void targets_sweep(struct lw_source_scrape *source)
{
    size_t n = 0;

    for (size_t i = 0; i < source->n_targets; i++) {
        struct lw_scrape_target *target = source->targets[i];

        if (target->is_named) {
            source->targets[n++] = target;
        } else {
            tell(source,
                 (struct lw_scrape_event){.kind = LW_SCRAPE_GONE, .target = target->target.url});
            target_free(source, target);
        }
    }
    source->is_full = source->is_full && n == LW_SCRAPE_TARGETS_MAX;
    source->n_targets = n;
}

static enum lw_status static_targets(struct lw_source_scrape *source, const char *targets,
                                     struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK && *targets != '\0') {
        size_t n = strcspn(targets, ",");
        size_t blanks = strspn(targets, " ");
        struct lw_target target;
        char address[1024];

        (void)snprintf(address, sizeof(address), "%.*s", (int)(n - (blanks < n ? blanks : n)),
                       targets + (blanks < n ? blanks : n));
        status = n < sizeof(address)
                     ? lw_target_make(&source->defaults, address, NULL, 0, &target, reterr)
                     : lw_error_set(reterr, LW_ELIMIT, "a target has at most 1023 bytes");
        if (status == LW_OK && !target_take(source, &target)) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for a target");
        }
        targets += n + (targets[n] == ',' ? 1 : 0);
    }
    return status;
}

/* ---- files of targets ---- */

static bool files_find(const char *patterns, glob_t *ret_files)
{
    int flags = 0;

    memset(ret_files, 0, sizeof(*ret_files));
    while (*patterns != '\0') {
        size_t n = strcspn(patterns, ",");
        char pattern[1024];

        if (n > 0 && n < sizeof(pattern)) {
            (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)n, patterns);
            if (glob(pattern, flags, NULL, ret_files) == GLOB_NOSPACE) {
                return false;
            }
            flags = GLOB_APPEND;
        }
        patterns += n + (patterns[n] == ',' ? 1 : 0);
    }
    return true;
}

/* A hash by which a change of any file shows. */
static uint64_t files_hash(const glob_t *files)
{
    uint64_t hash = 1;

    for (size_t i = 0; i < files->gl_pathc; i++) {
        struct stat about = {0};
        int64_t facts[5];

        (void)stat(files->gl_pathv[i], &about);
        facts[0] = (int64_t)about.st_ino;
        facts[1] = (int64_t)about.st_size;
        facts[2] = (int64_t)about.st_mtim.tv_sec;
        facts[3] = (int64_t)about.st_mtim.tv_nsec;
        facts[4] = (int64_t)about.st_dev;
        hash = lw_hash_bytes(files->gl_pathv[i], strlen(files->gl_pathv[i]), hash);
        hash = lw_hash_bytes(facts, sizeof(facts), hash);
    }
    return hash;
}

/* Of a file that cannot be read the targets stay; reterr then says why, of the first one. */
static enum lw_status file_read(struct lw_source_scrape *source, const char *path,
                                struct lw_error *reterr)
{
    enum lw_status status;

    source->origin = lw_hash_bytes(path, strlen(path), 1) | 1;
    status = lw_targets_read(&source->defaults, path, target_take, source, reterr);
    for (size_t i = 0; status != LW_OK && i < source->n_targets; i++) {
        source->targets[i]->is_named = source->targets[i]->is_named ||
                                       source->targets[i]->origin == source->origin;
    }
    return status;
}

/* Reads the files again if any changed. The first failure is handed back, the others are told. */
static enum lw_status files_poll(struct lw_source_scrape *source, struct lw_error *reterr)
{
    enum lw_status first = LW_OK;
    glob_t files;
    uint64_t hash;

    if (source->patterns == NULL || !files_find(source->patterns, &files)) {
        return LW_OK;
    }
    hash = files_hash(&files);
    for (size_t i = 0; hash != source->files_seen && i < source->n_targets; i++) {
        source->targets[i]->is_named = source->targets[i]->origin == 0;
    }
    for (size_t i = 0; hash != source->files_seen && i < files.gl_pathc; i++) {
        struct lw_error error = {0};
        enum lw_status status = i < LW_TARGETS_FILES_MAX
                                    ? file_read(source, files.gl_pathv[i], &error)
                                    : lw_error_set(&error, LW_ELIMIT, "more than %d files",
                                                   LW_TARGETS_FILES_MAX);

        if (status != LW_OK) {
            tell(source, (struct lw_scrape_event){.kind = LW_SCRAPE_FILES,
                                                  .target = files.gl_pathv[i],
                                                  .detail = error.message});
            first = first == LW_OK ? lw_error_set(reterr, status, "%s", error.message) : first;
        }
    }
    if (hash != source->files_seen) {
        targets_sweep(source);
    }
    source->files_seen = hash;
    globfree(&files);
    return first;
}

/* ---- making ---- */

static const char *given(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* A copy of a text that lives as long as the source; NULL for none. *ret_fits is false without
 * memory. */
static char *copy(struct lw_source_scrape *source, const char *text, bool *ret_fits)
{
    size_t n = given(text) == NULL ? 0 : strlen(text) + 1;
    char *copied = n == 0 ? NULL : lw_mem_alloc(n);

    if (copied != NULL) {
        memcpy(copied, text, n);
        source->texts[source->n_texts++] = copied;
    }
    *ret_fits = *ret_fits && (n == 0 || copied != NULL);
    return copied;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static enum lw_status config_check(const struct lw_source_scrape_config *config,
                                   struct lw_error *reterr)
{
    if (given(config->targets) == NULL && given(config->files) == NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a source of type scrape needs \"targets\" or \"files\"");
    }
    if (config->interval_ns < 0 || config->timeout_ns < 0 || config->body_bytes_max < 0 ||
        config->samples_max < 0 || config->series_max < 0 || config->labels_max < 0 ||
        config->labels_max > LW_LABELS_MAX || config->label_bytes_max < 0) {
        return lw_error_set(reterr, LW_EINVAL, "a limit is below 0, or label_limit above %d",
                            LW_LABELS_MAX);
    }
    if (config->timeout_ns > or_default(config->interval_ns, INTERVAL_NS)) {
        return lw_error_set(reterr, LW_EINVAL, "the time-out is longer than the interval");
    }
    if (given(config->auth_file) != NULL && given(config->basic_auth_file) != NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "only one of \"auth_file\" and \"basic_auth_file\" can be");
    }
    return LW_OK;
}

static enum lw_status texts_set(struct lw_source_scrape *source,
                                const struct lw_source_scrape_config *config,
                                struct lw_error *reterr)
{
    bool fits = true;
    char *labels = copy(source, config->labels, &fits);
    char *job = copy(source, given(config->job) == NULL ? "scrape" : config->job, &fits);
    size_t n_labels = 0;
    enum lw_status status;

    source->transfers.auth_file = copy(source, config->auth_file, &fits);
    source->transfers.basic_auth_file = copy(source, config->basic_auth_file, &fits);
    source->transfers.ca_file = copy(source, config->ca_file, &fits);
    source->transfers.cert_file = copy(source, config->cert_file, &fits);
    source->transfers.key_file = copy(source, config->key_file, &fits);
    source->patterns = copy(source, config->files, &fits);
    source->defaults.scheme = copy(source, given(config->scheme) == NULL ? "http" : config->scheme,
                                   &fits);
    source->defaults.path = copy(source, given(config->path) == NULL ? "/metrics" : config->path,
                                 &fits);
    if (!fits) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a source");
    }
    source->labels[0] = (struct lw_label){"job", job};
    status = labels == NULL ? LW_OK
                            : lw_target_labels_parse(labels, source->labels + 1,
                                                     LW_TARGET_LABELS_MAX - 1, &n_labels, reterr);
    source->defaults.labels = source->labels;
    source->defaults.n_labels = 1 + n_labels;
    return status;
}

static enum lw_status parts_create(struct lw_source_scrape *source,
                                   const struct lw_source_scrape_config *config,
                                   const struct lw_feed *feed, struct lw_error *reterr)
{
    struct lw_scrape_taker *taker = &source->taker;
    const struct lw_feed held = lw_held_feed_init(&source->held, feed);
    struct lw_ingest_config ingest = {.feed = &held, .source = "scrape"};
    enum lw_status status;

    taker->samples_max = (size_t)or_default(config->samples_max, SAMPLES);
    taker->labels_max = (size_t)or_default(config->labels_max, LW_LABELS_MAX);
    taker->label_bytes_max = (size_t)or_default(config->label_bytes_max, LABEL_BYTES);
    taker->honor_labels = config->honor_labels;
    ingest.limits.series = (uint64_t)config->series_max;
    ingest.limits.samples_of_request = taker->samples_max + OWN_SERIES;
    ingest.limits.series_of_request = taker->samples_max + OWN_SERIES;
    status = lw_ingest_create(&ingest, &taker->ingest, reterr);
    if (status == LW_OK) {
        status = lw_ingest_request_create(taker->ingest, &taker->request, reterr);
    }
    if (status == LW_OK) {
        status = lw_exposition_create(&taker->exposition, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    source->multi = curl_multi_init();
    if (source->multi == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for connections");
    }
    (void)curl_multi_setopt(source->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                            (long)LW_SCRAPE_CONNECTIONS_MAX);
    return LW_OK;
}

enum lw_status lw_source_scrape_create(const struct lw_source_scrape_config *config,
                                       const struct lw_feed *feed,
                                       struct lw_source_scrape **ret_source,
                                       struct lw_error *reterr)
{
    struct lw_source_scrape *source;
    enum lw_status status = config_check(config, reterr);

    if (status != LW_OK) {
        return status;
    }
    source = lw_mem_calloc(1, sizeof(*source));
    if (source == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes", sizeof(*source));
    }
    source->interval_ns = or_default(config->interval_ns, INTERVAL_NS);
    source->transfers.timeout_ns = or_default(
        config->timeout_ns, TIMEOUT_NS < source->interval_ns ? TIMEOUT_NS : source->interval_ns);
    source->transfers.body_bytes_max = (size_t)or_default(config->body_bytes_max, BODY_BYTES);
    source->transfers.skips_verify = config->skips_verify;
    source->tell = config->tell;
    source->context = config->context;
    status = parts_create(source, config, feed, reterr);
    if (status == LW_OK) {
        status = texts_set(source, config, reterr);
    }
    if (status == LW_OK && config->targets != NULL) {
        status = static_targets(source, config->targets, reterr);
    }
    if (status == LW_OK) {
        status = files_poll(source, reterr);
    }
    if (status != LW_OK) {
        lw_source_scrape_destroy(source);
        return status;
    }
    *ret_source = source;
    return LW_OK;
}

void lw_source_scrape_destroy(struct lw_source_scrape *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < source->n_targets; i++) {
        target_free(source, source->targets[i]);
    }
    if (source->multi != NULL) {
        (void)curl_multi_cleanup(source->multi);
    }
    for (size_t i = 0; i < source->n_texts; i++) {
        lw_mem_free(source->texts[i]);
    }
    lw_ingest_request_destroy(source->taker.request);
    lw_ingest_destroy(source->taker.ingest);
    lw_exposition_destroy(source->taker.exposition);
    lw_mem_free(source->taker.samples);
    lw_mem_free(source->targets);
    lw_mem_free(source);
}

size_t lw_source_scrape_n_targets(const struct lw_source_scrape *source)
{
    return source->n_targets;
}

/* ---- scraping ---- */

/* Whether samples of a target under way are waited for. */
static bool is_waited_for(const struct lw_scrape_target *target)
{
    return target->state != LW_SCRAPE_STATE_DOWN;
}

/* Event time may go up to the beginning of the earliest scrape that is waited for. */
static enum lw_status hold(struct lw_source_scrape *source)
{
    int64_t hold_ns = INT64_MAX;

    for (size_t i = 0; i < source->n_targets; i++) {
        const struct lw_scrape_target *target = source->targets[i];

        if (target->is_running && is_waited_for(target) && target->started_ns < hold_ns) {
            hold_ns = target->started_ns;
        }
    }
    return lw_held_feed_hold(&source->held, hold_ns);
}

static void tell_result(const struct lw_source_scrape *source, struct lw_scrape_target *target,
                        const struct lw_scrape_result *result)
{
    enum lw_scrape_state state = result->is_up ? LW_SCRAPE_STATE_UP : LW_SCRAPE_STATE_DOWN;
    struct lw_scrape_event event = {.target = target->target.url, .n = result->n_samples};

    if (state != target->state) {
        event.kind = result->is_up ? LW_SCRAPE_UP : LW_SCRAPE_DOWN;
        event.detail = result->is_up ? NULL : result->reason;
        tell(source, event);
    }
    if (result->is_up && result->n_rejected > 0 && result->n_rejected != target->n_rejected) {
        event.kind = LW_SCRAPE_REJECTED;
        event.detail = result->reason;
        event.n = result->n_rejected;
        tell(source, event);
    }
    target->n_rejected = result->n_rejected;
}

/* The end of a scrape, by its answer or, with CURLE_FAILED_INIT, before there was one. */
static enum lw_status scrape_end(struct lw_source_scrape *source, struct lw_scrape_target *target,
                                 struct lw_scrape_result *result)
{
    enum lw_status status;

    result->time_ns = is_waited_for(target) ? target->started_ns : lw_clock_real_ns();
    result->duration_s = (double)(lw_clock_monotonic_ns() - target->started_monotonic_ns) / 1e9;
    status = lw_scrape_take(&source->taker, target, result);
    lw_scrape_transfer_forget(target);
    if (status == LW_EBUSY) { /* Read-only until the disk is well again; the samples are gone. */
        source->held.feed.dropped(source->held.feed.context, "read_only",
                                  source->taker.n_samples + OWN_SERIES);
        status = LW_OK;
    }
    if (!result->is_up) {
        source->held.feed.dropped(source->held.feed.context, "scrape_failed", 1);
    }
    tell_result(source, target, result);
    target->state = result->is_up ? LW_SCRAPE_STATE_UP : LW_SCRAPE_STATE_DOWN;
    return status;
}

static enum lw_status scrape_begin(struct lw_source_scrape *source, struct lw_scrape_target *target,
                                   int64_t now_ns)
{
    struct lw_scrape_result result = {.is_up = false};
    struct lw_error error = {0};
    enum lw_status status = lw_scrape_transfer_begin(&source->transfers, target, &error);

    target->started_ns = now_ns;
    target->started_monotonic_ns = lw_clock_monotonic_ns();
    schedule(source, target, now_ns);
    if (status == LW_OK) {
        target->is_running = curl_multi_add_handle(source->multi, target->curl) == CURLM_OK;
        if (target->is_running) {
            return LW_OK;
        }
        (void)lw_error_set(&error, LW_ENOMEM, "no memory for a connection");
    }
    (void)snprintf(result.reason, sizeof(result.reason), "%.300s", error.message);
    return scrape_end(source, target, &result);
}

static enum lw_status scrapes_begin(struct lw_source_scrape *source, int64_t now_ns)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < source->n_targets; i++) {
        struct lw_scrape_target *target = source->targets[i];

        if (!target->is_running &&
            (target->next_ns <= now_ns || target->next_ns > now_ns + 2 * source->interval_ns)) {
            status = scrape_begin(source, target, now_ns); /* Or the clock was set back. */
        }
    }
    return status == LW_OK ? hold(source) : status;
}

static enum lw_status scrapes_end(struct lw_source_scrape *source)
{
    const CURLMsg *message;
    enum lw_status status = LW_OK;
    bool any = false;
    int n_left;

    while (status == LW_OK && (message = curl_multi_info_read(source->multi, &n_left)) != NULL) {
        struct lw_scrape_result result = {.is_up = false};
        struct lw_scrape_target *target = NULL;
        CURLcode code = message->data.result;
        char *private_data = NULL;

        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
        target = (struct lw_scrape_target *)(void *)private_data;
        (void)curl_multi_remove_handle(source->multi, message->easy_handle);
        target->is_running = false;
        lw_scrape_transfer_end(target, code, &result);
        status = scrape_end(source, target, &result);
        any = true;
    }
    return status == LW_OK && any ? hold(source) : status;
}

/* What is done about once a second beside the scrapes. */
static enum lw_status housekeep(struct lw_source_scrape *source, int64_t now_ns)
{
    enum lw_status status = LW_OK;
    struct lw_error error;

    if (source->turned_ns != 0 && now_ns - source->turned_ns > PAUSE_NS) {
        status = source->held.feed.watermark(source->held.feed.context, INT64_MIN);
    }
    source->turned_ns = now_ns;
    if (lw_clock_monotonic_ns() >= source->files_next_ns) {
        source->files_next_ns = lw_clock_monotonic_ns() + FILES_EVERY_NS;
        (void)!files_poll(source, &error); /* Told already. */
    }
    if (lw_clock_monotonic_ns() >= source->tick_next_ns) {
        source->tick_next_ns = lw_clock_monotonic_ns() + SECOND_NS;
        lw_ingest_tick(source->taker.ingest);
    }
    return status;
}

/* Until the next scrape, an answer, or a while. */
static int wait_ms(const struct lw_source_scrape *source, int64_t now_ns)
{
    int64_t left_ns = TURN_NS;

    for (size_t i = 0; i < source->n_targets; i++) {
        const struct lw_scrape_target *target = source->targets[i];

        if (!target->is_running && target->next_ns - now_ns < left_ns) {
            left_ns = target->next_ns - now_ns;
        }
    }
    return left_ns <= 0 ? 0 : (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

enum lw_status lw_source_scrape_run(struct lw_source_scrape *source, int stop_fd,
                                    struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK) {
        struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
        int64_t now_ns = lw_clock_real_ns();
        int n_running;

        status = housekeep(source, now_ns);
        status = status == LW_OK ? scrapes_begin(source, now_ns) : status;
        if (curl_multi_perform(source->multi, &n_running) != CURLM_OK) {
            return lw_error_set(reterr, LW_EIO, "libcurl cannot go on with the scrapes");
        }
        status = status == LW_OK ? scrapes_end(source) : status;
        if (status == LW_OK &&
            curl_multi_poll(source->multi, &stop, 1, wait_ms(source, lw_clock_real_ns()), NULL) !=
                CURLM_OK) {
            return lw_error_set(reterr, LW_EIO, "the source cannot wait for answers");
        }
        if (stop.revents != 0) {
            return LW_OK;
        }
    }
    return lw_error_set(reterr, status, "the samples of a scrape were refused: %s",
                        lw_status_name(status));
}
