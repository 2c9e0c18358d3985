/* Writing recordings: see connect/recording.h. */
#include "connect/recording.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "lapwing/lapwing.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: whole numbers up to here are exact. */
#define VALUES_A_LINE 64
#define FLUSH_WATERMARKS 60 /* So much is lost at most when the process is killed. */
#define NOT_RECORDED UINT32_MAX

struct recorder_feed {
    struct lw_recorder *recorder;
    struct lw_feed inner;
    char source[LW_SHORT_NAME_MAX];
    uint32_t *numbers; /* By the inner feed's number: the recording's, or NOT_RECORDED. */
    size_t n_numbers;
};

struct lw_recorder {
    pthread_mutex_t lock; /* Guards everything below, and the order of calls to the inner feeds. */
    gzFile file;
    enum lw_status status; /* LW_OK, or why nothing is written any more. */
    struct recorder_feed *feeds[LW_RECORDING_SOURCES_MAX];
    size_t n_feeds;
    const struct recorder_feed *current; /* Of the last source line. */
    double *last;                        /* By the recording's number: the last value. */
    size_t n_series, last_capacity;
    int64_t time_ns;
    bool has_time;
    uint64_t tag, n_points, n_watermarks;
};

static void put(struct lw_recorder *recorder, const char *format, ...) LW_PRINTF(2, 3);

static void put(struct lw_recorder *recorder, const char *format, ...)
{
    va_list args;
    int n;

    if (recorder->status != LW_OK) {
        return;
    }
    va_start(args, format);
    n = gzvprintf(recorder->file, format, args);
    va_end(args);
    if (n <= 0) {
        recorder->status = LW_EIO;
    }
}

static void put_text(struct lw_recorder *recorder, const char *text)
{
    if (recorder->status == LW_OK && gzputs(recorder->file, text) < 0) {
        recorder->status = LW_EIO;
    }
}

/* Writes text with what would end the line made a space. */
static void put_plain(struct lw_recorder *recorder, const char *text)
{
    for (; *text != '\0'; text++) {
        put(recorder, "%c", (unsigned char)*text < ' ' ? ' ' : *text);
    }
}

/* Writes text with each byte of `marks`, the backslash among them, behind a backslash, and a line's
 * end as \n. */
static void put_escaped(struct lw_recorder *recorder, const char *text, const char *marks)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            put_text(recorder, "\\n");
        } else {
            put(recorder, strchr(marks, *text) != NULL ? "\\%c" : "%c", *text);
        }
    }
}

static void put_series(struct lw_recorder *recorder, const struct lw_series_key *key)
{
    put_text(recorder, "series ");
    put_escaped(recorder, key->metric, "\\{");
    for (size_t i = 0; i < key->n_labels; i++) {
        put(recorder, i == 0 ? "{%s=\"" : ",%s=\"", key->labels[i].name);
        put_escaped(recorder, key->labels[i].value, "\\\"");
        put_text(recorder, "\"");
    }
    put_text(recorder, key->n_labels == 0 ? "\n" : "}\n");
}

static bool is_whole(double value)
{
    return fabs(value) <= WHOLE_MAX && floor(value) == value;
}

/* The shortest way to say value after last. */
static void put_value(struct lw_recorder *recorder, double last, double value)
{
    char text[LW_DOUBLE_TEXT_MAX];

    if (memcmp(&last, &value, sizeof(value)) == 0) {
        put_text(recorder, " =");
    } else if (is_whole(last) && is_whole(value) && value > last && value - last <= WHOLE_MAX) {
        put(recorder, " +%.0f", value - last);
    } else {
        (void)lw_double_format(value, text);
        put(recorder, " %s", text);
    }
}

static void put_source(struct recorder_feed *feed)
{
    struct lw_recorder *recorder = feed->recorder;

    if (recorder->current != feed) {
        put(recorder, "source %s\n", feed->source);
        recorder->current = feed;
    }
}

/* The time and tag of a point, where they are not the ones before. */
static void put_moment(struct lw_recorder *recorder, const struct lw_point *point)
{
    if (!recorder->has_time || recorder->time_ns != point->time_ns) {
        put(recorder, "t %lld\n", (long long)point->time_ns);
        recorder->time_ns = point->time_ns;
        recorder->has_time = true;
    }
    if (recorder->tag != point->tag) {
        put(recorder, "g %llu\n", (unsigned long long)point->tag);
        recorder->tag = point->tag;
    }
}

/* How many of the points fit on one line: one moment, one flag, series one after the other. */
static size_t run_length(const struct recorder_feed *feed, const struct lw_point *points, size_t n)
{
    uint32_t first = feed->numbers[points[0].series];
    size_t length = 1;

    while (length < n && length < VALUES_A_LINE && points[length].time_ns == points[0].time_ns &&
           points[length].tag == points[0].tag && points[length].flags == points[0].flags &&
           feed->numbers[points[length].series] == first + length) {
        length++;
    }
    return length;
}

static void put_points(struct recorder_feed *feed, const struct lw_point *points, size_t n)
{
    struct lw_recorder *recorder = feed->recorder;

    put_source(feed);
    for (size_t i = 0; i < n;) {
        uint32_t first = feed->numbers[points[i].series];
        size_t length = run_length(feed, points + i, n - i);

        put_moment(recorder, &points[i]);
        put(recorder, "%c %u", (points[i].flags & LW_POINT_MORE) != 0 ? 'm' : 'v', first);
        for (size_t j = 0; j < length; j++) {
            put_value(recorder, recorder->last[first + j], points[i + j].value);
            recorder->last[first + j] = points[i + j].value;
        }
        put_text(recorder, "\n");
        i += length;
    }
    recorder->n_points += n;
}

/* Room for the inner feed's number and for one series more. */
static bool numbers_grow(struct recorder_feed *feed, uint32_t inner)
{
    struct lw_recorder *recorder = feed->recorder;

    if (inner >= feed->n_numbers) {
        size_t n = inner < 64 ? 128 : (size_t)inner * 2;
        uint32_t *numbers = lw_mem_realloc(feed->numbers, n * sizeof(*numbers));

        if (numbers == NULL) {
            return false;
        }
        for (size_t i = feed->n_numbers; i < n; i++) {
            numbers[i] = NOT_RECORDED;
        }
        feed->numbers = numbers;
        feed->n_numbers = n;
    }
    if (recorder->n_series == recorder->last_capacity) {
        size_t capacity = recorder->last_capacity == 0 ? 128 : recorder->last_capacity * 2;
        double *last = lw_mem_realloc(recorder->last, capacity * sizeof(*last));

        if (last == NULL) {
            return false;
        }
        recorder->last = last;
        recorder->last_capacity = capacity;
    }
    return true;
}

static enum lw_status feed_series(void *context, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct recorder_feed *feed = context;
    struct lw_recorder *recorder = feed->recorder;
    uint32_t inner = 0;
    enum lw_status st;

    (void)pthread_mutex_lock(&recorder->lock);
    st = feed->inner.series(feed->inner.context, key, &inner, reterr);
    if (st == LW_OK && !numbers_grow(feed, inner)) {
        st = lw_error_set(reterr, LW_ENOMEM, "no memory to record one series more than %zu",
                          recorder->n_series);
    }
    if (st == LW_OK) {
        if (feed->numbers[inner] == NOT_RECORDED) {
            put_source(feed);
            put_series(recorder, key);
            feed->numbers[inner] = (uint32_t)recorder->n_series;
            recorder->last[recorder->n_series++] = 0.0;
        }
        *ret_series = inner;
    }
    (void)pthread_mutex_unlock(&recorder->lock);
    return st;
}

static enum lw_status feed_push(void *context, const struct lw_point *points, size_t n)
{
    struct recorder_feed *feed = context;
    enum lw_status st;

    (void)pthread_mutex_lock(&feed->recorder->lock);
    st = feed->inner.push(feed->inner.context, points, n);
    if (st == LW_OK) {
        put_points(feed, points, n);
    }
    (void)pthread_mutex_unlock(&feed->recorder->lock);
    return st;
}

static uint64_t feed_position(void *context)
{
    const struct recorder_feed *wrapped = context;

    return wrapped->inner.position(wrapped->inner.context);
}

static uint64_t feed_durable(void *context)
{
    const struct recorder_feed *wrapped = context;

    return wrapped->inner.durable(wrapped->inner.context);
}

static enum lw_status feed_ready(void *context, struct lw_error *reterr)
{
    const struct recorder_feed *wrapped = context;

    return wrapped->inner.ready(wrapped->inner.context, reterr);
}

static enum lw_status feed_watermark(void *context, int64_t time_ns)
{
    struct recorder_feed *feed = context;
    struct lw_recorder *recorder = feed->recorder;
    enum lw_status st;

    (void)pthread_mutex_lock(&recorder->lock);
    st = feed->inner.watermark(feed->inner.context, time_ns);
    if (st == LW_OK) {
        put_source(feed);
        put(recorder, "w %lld\n", (long long)time_ns);
        if (++recorder->n_watermarks % FLUSH_WATERMARKS == 0 && recorder->status == LW_OK &&
            gzflush(recorder->file, Z_SYNC_FLUSH) != Z_OK) {
            recorder->status = LW_EIO;
        }
    }
    (void)pthread_mutex_unlock(&recorder->lock);
    return st;
}

static void feed_dropped(void *context, const char *reason, uint64_t n)
{
    struct recorder_feed *feed = context;

    (void)pthread_mutex_lock(&feed->recorder->lock);
    feed->inner.dropped(feed->inner.context, reason, n);
    put_source(feed);
    put(feed->recorder, "d %s %llu\n", reason, (unsigned long long)n);
    (void)pthread_mutex_unlock(&feed->recorder->lock);
}

static gzFile file_open(const char *path)
{
    size_t n_bytes = strlen(path);
    bool compressed = n_bytes > 3 && strcmp(path + n_bytes - 3, ".gz") == 0;

    return gzopen(path, compressed ? "wbe9" : "wbeT");
}

enum lw_status lw_recorder_create(const char *path, const struct lw_recording_fact *facts,
                                  size_t n_facts, struct lw_recorder **ret_recorder,
                                  struct lw_error *reterr)
{
    struct lw_recorder *recorder;

    if (n_facts > LW_RECORDING_FACTS_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "%zu facts for a recording; at most %d are allowed",
                            n_facts, LW_RECORDING_FACTS_MAX);
    }
    recorder = lw_mem_calloc(1, sizeof(*recorder));
    if (recorder == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a recorder of %zu bytes",
                            sizeof(*recorder));
    }
    errno = 0;
    recorder->file = file_open(path);
    if (recorder->file == NULL) {
        lw_mem_free(recorder);
        return lw_error_set(reterr, LW_EIO, "cannot write %s: %s", path,
                            strerror(errno == 0 ? ENOMEM : errno));
    }
    (void)pthread_mutex_init(&recorder->lock, NULL);
    put_text(recorder, "lapwing recording 1\n");
    for (size_t i = 0; i < n_facts; i++) {
        put(recorder, "fact %s ", facts[i].key);
        put_plain(recorder, facts[i].value);
        put_text(recorder, "\n");
    }
    *ret_recorder = recorder;
    return LW_OK;
}

enum lw_status lw_recorder_wrap(struct lw_recorder *recorder, const char *source,
                                const struct lw_feed *feed, struct lw_feed *ret_feed,
                                struct lw_error *reterr)
{
    struct recorder_feed *wrapped;
    size_t n_bytes = strlen(source);

    if (n_bytes == 0 || n_bytes >= LW_SHORT_NAME_MAX || strcspn(source, " \t\n") != n_bytes) {
        return lw_error_set(reterr, LW_EINVAL, "\"%s\" cannot be a source's name in a recording",
                            source);
    }
    if (recorder->n_feeds == LW_RECORDING_SOURCES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "more than %d sources in a recording",
                            LW_RECORDING_SOURCES_MAX);
    }
    wrapped = lw_mem_calloc(1, sizeof(*wrapped));
    if (wrapped == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a recorded feed of %zu bytes",
                            sizeof(*wrapped));
    }
    wrapped->recorder = recorder;
    wrapped->inner = *feed;
    memcpy(wrapped->source, source, n_bytes + 1);
    recorder->feeds[recorder->n_feeds++] = wrapped;
    *ret_feed = (struct lw_feed){.series = feed_series,
                                 .push = feed_push,
                                 .watermark = feed_watermark,
                                 .dropped = feed_dropped,
                                 .position = feed_position,
                                 .durable = feed_durable,
                                 .ready = feed_ready,
                                 .context = wrapped};
    return LW_OK;
}

enum lw_status lw_recorder_close(struct lw_recorder *recorder, struct lw_error *reterr)
{
    enum lw_status st;

    if (recorder == NULL) {
        return LW_OK;
    }
    put(recorder, "end %llu\n", (unsigned long long)recorder->n_points);
    st = recorder->status;
    if (gzclose(recorder->file) != Z_OK && st == LW_OK) {
        st = LW_EIO;
    }
    for (size_t i = 0; i < recorder->n_feeds; i++) {
        lw_mem_free(recorder->feeds[i]->numbers);
        lw_mem_free(recorder->feeds[i]);
    }
    (void)pthread_mutex_destroy(&recorder->lock);
    lw_mem_free(recorder->last);
    lw_mem_free(recorder);
    return st == LW_OK
               ? LW_OK
               : lw_error_set(reterr, st, "the recording is not complete: %s", lw_status_name(st));
}
