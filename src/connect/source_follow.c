/* The source "follow": the order of its files, what is durable, one loop. See
 * connect/source_follow.h. */
#define _GNU_SOURCE
#include "connect/source_follow.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "connect/follow/source.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define STATE_EVERY_NS (200 * MS_NS)
#define SCAN_EVERY_NS SECOND_NS
#define WAIT_MS 1000        /* While nothing happens; inotify wakes earlier. */
#define WAIT_POLLING_MS 250 /* The same without inotify. */
#define WAIT_MARK_MS 50     /* While something is to become durable. */
#define GATHER_MS 5         /* After a change, so that a burst is one turn. */

/* ---- reading ---- */

/* Whether one file's lines come before those of another one of the same name: a rotated one's
 * before the one that is being written, of others those of the one last written earlier. */
static bool is_elder(const struct lw_follow_file *file, const struct lw_follow_file *other)
{
    bool is_rotated = file->is_rotated || !file->is_found;

    return is_rotated != (other->is_rotated || !other->is_found)
               ? is_rotated
               : file->written_ns < other->written_ns;
}

static bool has_elder(const struct lw_source_follow *source, const struct lw_follow_file *file)
{
    for (size_t i = 0; i < source->n_files; i++) {
        const struct lw_follow_file *other = source->files[i];

        if (other != file && other->stem == file->stem && lw_follow_has_lines(other) &&
            !other->was_refused && is_elder(other, file)) {
            return true;
        }
    }
    return false;
}

/* The file to read next, or NULL. */
static struct lw_follow_file *file_pick(const struct lw_source_follow *source)
{
    struct lw_follow_file *best = NULL;

    for (size_t i = 0; i < source->n_files; i++) {
        struct lw_follow_file *file = source->files[i];

        if (lw_follow_has_lines(file) &&
            (best == NULL || file->at.newest_ns < best->at.newest_ns) && !has_elder(source, file)) {
            best = file;
        }
    }
    return best;
}

static void file_advance(struct lw_source_follow *source, struct lw_follow_file *file, size_t n)
{
    file->at.offset += n;
    if (file->at.head.n < LW_FOLLOW_HEAD_BYTES) {
        file->at.head = lw_follow_head_of(file);
    }
    if (source->taker.held.newest_ns > file->at.newest_ns) {
        file->at.newest_ns = source->taker.held.newest_ns;
    }
    file->taken_ns = lw_clock_monotonic_ns();
    file->partial_size = UINT64_MAX;
}

/* Whole lines were read: takes them. */
static enum lw_status lines_take(struct lw_source_follow *source, struct lw_follow_file *file,
                                 size_t n_bytes)
{
    struct lw_error error = {0};
    enum lw_status status = lw_follow_take(&source->taker, file, source->buffer, n_bytes, &error);

    if (status == LW_OK) {
        file_advance(source, file, n_bytes);
        file->was_refused = false;
        if (source->taker.n_rejected > 0) {
            lw_follow_tell(source, (struct lw_follow_event){.kind = LW_FOLLOW_REJECTED,
                                                            .path = file->at.path,
                                                            .detail = source->taker.detail,
                                                            .n = source->taker.n_rejected});
        }
        return LW_OK;
    }
    if (status == LW_EBUSY) {
        source->busy_until_ns = lw_clock_monotonic_ns() + SECOND_NS;
        return LW_OK;
    }
    if (status != LW_EFORMAT) {
        return status;
    }
    file->partial_size = file->size; /* Perhaps more lines show what they are. */
    if (!file->was_refused) {
        file->was_refused = true;
        lw_follow_tell(source, (struct lw_follow_event){.kind = LW_FOLLOW_FAILED,
                                                        .path = file->at.path,
                                                        .detail = error.message});
    }
    return LW_OK;
}

/* No line ends in what was read: it is a part of one, or one that is too long. */
static void part_take(struct lw_source_follow *source, struct lw_follow_file *file, size_t n_bytes)
{
    if (n_bytes < LW_FOLLOW_LINE_BYTES_MAX) {
        file->partial_size = file->at.offset + n_bytes;
        return;
    }
    if (!file->is_skipping) {
        source->taker.feed.dropped(source->taker.feed.context, "line_too_long", 1);
    }
    file->is_skipping = true;
    source->taker.held.newest_ns = INT64_MIN;
    file_advance(source, file, n_bytes);
}

/* The first line of a CSV file says nothing before there is a second one. */
static bool is_header_alone(const struct lw_source_follow *source,
                            const struct lw_follow_file *file, const char *last_feed)
{
    return file->format == LW_FOLLOW_CSV && file->at.offset == 0 &&
           memchr(source->buffer, '\n', (size_t)(last_feed - source->buffer)) == NULL;
}

/* No file of another name has lines that wait. */
static bool is_alone(const struct lw_source_follow *source, const struct lw_follow_file *file)
{
    for (size_t i = 0; i < source->n_files; i++) {
        if (source->files[i]->stem != file->stem && lw_follow_has_lines(source->files[i])) {
            return false;
        }
    }
    return true;
}

/* Reads up to a chunk of whole lines; as much as the longest line where a chunk has no line end. */
static enum lw_status file_read(struct lw_source_follow *source, struct lw_follow_file *file)
{
    size_t wanted = is_alone(source, file) ? LW_FOLLOW_CHUNK_BYTES : LW_FOLLOW_SHARE_BYTES;
    const char *feed = NULL;
    ssize_t n;

    if (!lw_follow_head_matches(file->fd, &file->at.head)) {
        lw_follow_restart(source, file);
        source->scan_next_ns = 0; /* A copy of what it was comes first, if there is one. */
        return LW_OK;
    }
    for (;;) {
        n = pread(file->fd, source->buffer, wanted, (off_t)file->at.offset);
        feed = n <= 0 ? NULL : memrchr(source->buffer, '\n', (size_t)n);
        if (feed != NULL || n < (ssize_t)wanted || wanted == LW_FOLLOW_LINE_BYTES_MAX) {
            break;
        }
        wanted = wanted < LW_FOLLOW_LINE_BYTES_MAX / 4 ? wanted * 4 : LW_FOLLOW_LINE_BYTES_MAX;
    }
    if (n <= 0) {
        file->size = file->at.offset; /* Cut short since it was looked at. */
        return LW_OK;
    }
    if (feed == NULL || is_header_alone(source, file, feed)) {
        part_take(source, file, (size_t)n);
        return LW_OK;
    }
    if (file->is_skipping) { /* The end of the line that was too long. */
        feed = memchr(source->buffer, '\n', (size_t)n);
        file->is_skipping = false;
        source->taker.held.newest_ns = INT64_MIN;
        file_advance(source, file, (size_t)(feed - source->buffer) + 1);
        return LW_OK;
    }
    return lines_take(source, file, (size_t)(feed - source->buffer) + 1);
}

/* ---- event time, and what is durable ---- */

/* How far the files but one let event time go. Those of its own name come before or behind it, and
 * hold nothing up. */
static int64_t hold_of(const struct lw_source_follow *source, const struct lw_follow_file *apart)
{
    int64_t now_ns = lw_clock_monotonic_ns();
    int64_t hold_ns = INT64_MAX;

    for (size_t i = 0; i < source->n_files; i++) {
        const struct lw_follow_file *file = source->files[i];
        bool is_behind, counts;

        assert(file != NULL); /* As are all below n_files. */
        is_behind = lw_follow_has_lines(file) && !file->was_refused;
        counts = is_behind || (!lw_follow_is_idle(file, now_ns) && file->at.newest_ns != INT64_MIN);

        if (counts && file->at.newest_ns < hold_ns &&
            (apart == NULL || file->stem != apart->stem)) {
            hold_ns = file->at.newest_ns;
        }
    }
    return hold_ns;
}

/* While a file is read, event time goes on with it as far as the others allow. */
static enum lw_status others_hold(struct lw_source_follow *source,
                                  const struct lw_follow_file *file)
{
    source->taker.held.wanted_ns = source->taker.held.told_ns; /* It is this file's to go on. */
    return lw_held_feed_hold(&source->taker.held, hold_of(source, file));
}

static enum lw_status event_time_tell(struct lw_source_follow *source)
{
    int64_t now_ns = lw_clock_monotonic_ns();
    int64_t hold_ns = hold_of(source, NULL), newest_ns = INT64_MIN, taken_ns = INT64_MIN;
    enum lw_status status;

    for (size_t i = 0; i < source->n_files; i++) {
        const struct lw_follow_file *file = source->files[i];

        newest_ns = file->at.newest_ns > newest_ns ? file->at.newest_ns : newest_ns;
        taken_ns = file->taken_ns > taken_ns ? file->taken_ns : taken_ns;
    }
    if (newest_ns == INT64_MIN) {
        return LW_OK;
    }
    if (hold_ns == INT64_MAX && now_ns - taken_ns > LW_FOLLOW_IDLE_NS) {
        newest_ns += now_ns - taken_ns - LW_FOLLOW_IDLE_NS;
    }
    status = lw_held_feed_hold(&source->taker.held, hold_ns);
    return status == LW_OK ? source->taker.feed.watermark(source->taker.feed.context, newest_ns)
                           : status;
}

/* Lets places become kept once the feed is durable up to them. True while some are not. */
static bool marks_take(struct lw_source_follow *source)
{
    const struct lw_feed *feed = &source->taker.feed;
    uint64_t durable = feed->durable(feed->context);
    bool waits = false;

    for (size_t i = 0; i < source->n_files; i++) {
        struct lw_follow_file *file = source->files[i];

        if (!file->has_mark && file->at.offset != file->kept.offset) {
            file->marked = file->at;
            file->mark = feed->position(feed->context);
            file->has_mark = true;
        }
        if (file->has_mark && durable >= file->mark) {
            file->kept = file->marked;
            file->has_mark = false;
            source->is_dirty = true;
        }
        waits = waits || file->at.offset != file->kept.offset;
    }
    return waits;
}

static void state_keep(struct lw_source_follow *source, bool at_once)
{
    struct lw_error error = {0};
    int64_t now_ns = lw_clock_monotonic_ns();
    bool has_failed;

    if (!source->is_dirty || source->state_path == NULL ||
        (!at_once && now_ns < source->state_next_ns)) {
        return;
    }
    has_failed = lw_follow_state_write(source->state_path, source->files, source->n_files,
                                       &error) != LW_OK;
    if (has_failed && !source->has_failed_state) {
        lw_follow_tell(source, (struct lw_follow_event){.kind = LW_FOLLOW_FAILED,
                                                        .path = source->state_path,
                                                        .detail = error.message});
    }
    source->has_failed_state = has_failed;
    source->is_dirty = has_failed;
    source->state_next_ns = now_ns + STATE_EVERY_NS;
}

/* ---- making ---- */

static const char *copy(struct lw_source_follow *source, const char *text, bool *ret_fits)
{
    size_t n = text == NULL || text[0] == '\0' ? 0 : strlen(text) + 1;
    char *copied = n == 0 ? NULL : lw_mem_alloc(n);

    if (copied != NULL) {
        memcpy(copied, text, n);
        source->texts[source->n_texts++] = copied;
    }
    *ret_fits = *ret_fits && (n == 0 || copied != NULL);
    return copied;
}

static enum lw_status parts_create(struct lw_source_follow *source,
                                   const struct lw_source_follow_config *config,
                                   const struct lw_feed *feed, struct lw_error *reterr)
{
    struct lw_follow_taker *taker = &source->taker;
    struct lw_ingest_config ingest = {.source = "follow",
                                      .limits.series = (uint64_t)config->series_max};
    bool fits = true;
    enum lw_status status;

    source->patterns = copy(source, config->paths, &fits);
    source->state_path = copy(source, config->state_path, &fits);
    taker->csv.time = copy(source, config->time, &fits);
    taker->csv.series = copy(source, config->series, &fits);
    taker->csv.value = copy(source, config->value, &fits);
    taker->csv.entity = copy(source, config->entity, &fits);
    source->buffer = lw_mem_alloc(LW_FOLLOW_LINE_BYTES_MAX);
    if (!fits || source->buffer == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a source");
    }
    taker->feed = lw_held_feed_init(&taker->held, feed);
    taker->held.slot_ns = SECOND_NS;
    ingest.feed = &taker->feed;
    status = lw_ingest_create(&ingest, &taker->ingest, reterr);
    if (status == LW_OK) {
        status = lw_ingest_request_create(taker->ingest, &taker->request, reterr);
    }
    return status == LW_OK ? lw_csv_batch_init(&taker->batch, reterr) : status;
}

/* The folders of patterns, so that new files are seen at once. */
static void folders_watch(const struct lw_source_follow *source)
{
    const char *patterns = source->patterns;

    while (source->notify >= 0 && *patterns != '\0') {
        size_t n = strcspn(patterns, ",");
        char folder[LW_FOLLOW_PATH_MAX];
        char *slash;

        (void)snprintf(folder, sizeof(folder), "%.*s",
                       (int)(n < sizeof(folder) ? n : sizeof(folder) - 1), patterns);
        slash = strrchr(folder, '/');
        if (slash != NULL) {
            slash[slash == folder ? 1 : 0] = '\0';
        }
        (void)inotify_add_watch(source->notify, slash == NULL ? "." : folder,
                                IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR);
        patterns += n + (patterns[n] == ',' ? 1 : 0);
    }
}

enum lw_status lw_source_follow_create(const struct lw_source_follow_config *config,
                                       const struct lw_feed *feed,
                                       struct lw_source_follow **ret_source,
                                       struct lw_error *reterr)
{
    struct lw_source_follow *source;
    enum lw_status status;

    if (config->paths == NULL || config->paths[0] == '\0') {
        return lw_error_set(reterr, LW_EINVAL, "a source of type follow needs \"path\"");
    }
    source = lw_mem_calloc(1, sizeof(*source));
    if (source == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes", sizeof(*source));
    }
    source->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    source->format = config->format;
    source->tell = config->tell;
    source->context = config->context;
    status = parts_create(source, config, feed, reterr);
    if (status == LW_OK && source->state_path != NULL) {
        status = lw_follow_state_read(source->state_path, &source->places, &source->n_places,
                                      reterr);
        source->from_end = config->from_end && status == LW_ENOTFOUND;
        status = status == LW_ENOTFOUND ? LW_OK : status;
    } else {
        source->from_end = config->from_end;
    }
    if (status != LW_OK) {
        lw_source_follow_destroy(source);
        return status;
    }
    folders_watch(source);
    *ret_source = source;
    return LW_OK;
}

void lw_source_follow_destroy(struct lw_source_follow *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < source->n_files; i++) {
        lw_follow_file_close(source->files[i]);
    }
    for (size_t i = 0; i < source->n_texts; i++) {
        lw_mem_free(source->texts[i]);
    }
    if (source->notify >= 0) {
        (void)close(source->notify);
    }
    lw_csv_batch_fini(&source->taker.batch);
    lw_ingest_request_destroy(source->taker.request);
    lw_ingest_destroy(source->taker.ingest);
    lw_mem_free(source->places);
    lw_mem_free(source->buffer);
    lw_mem_free(source);
}

/* ---- following ---- */

/* Waits for a change, or a while. *ret_stopped when told to stop. */
static enum lw_status wait_for_change(struct lw_source_follow *source, int stop_fd, int wait_ms,
                                      bool *ret_stopped, struct lw_error *reterr)
{
    struct pollfd fds[2] = {{.fd = stop_fd, .events = POLLIN},
                            {.fd = source->notify, .events = POLLIN}};
    char events[4096];

    if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) {
        return lw_error_set(reterr, LW_EIO, "the source cannot wait: %s", strerror(errno));
    }
    *ret_stopped = fds[0].revents != 0;
    if (!*ret_stopped && fds[1].revents != 0) {
        *ret_stopped = poll(fds, 1, GATHER_MS) > 0;
        while (read(source->notify, events, sizeof(events)) > 0) {
        }
        source->scan_next_ns = 0;
    }
    return LW_OK;
}

/* All lines that are there, or a part of them after which the rest of the loop has its turn. */
static enum lw_status turn(struct lw_source_follow *source, bool *ret_more)
{
    struct lw_follow_file *file = NULL;
    enum lw_status status = LW_OK;

    if (lw_clock_monotonic_ns() >= source->scan_next_ns) {
        lw_follow_scan(source);
        source->scan_next_ns = lw_clock_monotonic_ns() + SCAN_EVERY_NS;
    }
    if (lw_clock_monotonic_ns() >= source->busy_until_ns) {
        file = file_pick(source);
    }
    if (file != NULL) {
        status = others_hold(source, file);
        status = status == LW_OK ? file_read(source, file) : status;
    }
    *ret_more = file != NULL;
    return status == LW_OK ? event_time_tell(source) : status;
}

/* What was delivered gets a second to become durable. */
static void settle(struct lw_source_follow *source)
{
    int64_t end_ns = lw_clock_monotonic_ns() + SECOND_NS;

    while (marks_take(source) && lw_clock_monotonic_ns() < end_ns) {
        (void)poll(NULL, 0, WAIT_MARK_MS / 5);
    }
    state_keep(source, true);
}

enum lw_status lw_source_follow_run(struct lw_source_follow *source, int stop_fd,
                                    struct lw_error *reterr)
{
    bool stopped = false;
    enum lw_status status = LW_OK;

    while (status == LW_OK && !stopped) {
        bool more = false, waits;

        status = turn(source, &more);
        if (status != LW_OK) {
            (void)lw_error_set(reterr, status, "the samples of a file were refused: %s",
                               lw_status_name(status));
            break;
        }
        waits = marks_take(source);
        state_keep(source, false);
        status = wait_for_change(source, stop_fd,
                                 more                        ? 0
                                 : waits || source->is_dirty ? WAIT_MARK_MS
                                 : source->notify >= 0       ? WAIT_MS
                                                             : WAIT_POLLING_MS,
                                 &stopped, reterr);
    }
    settle(source);
    return status;
}
