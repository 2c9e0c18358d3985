/* Reading recordings: see connect/recording.h for the format. */
#include "connect/recording.h"

#include "base/error.h"
#include "base/mem.h"
#include "lapwing/lapwing.h"
#include "stream/series_name.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define LINE_MAX_BYTES 8192
#define PENDING_MAX 256
#define SERIES_MAX 4000000u /* As many as an engine takes. */
#define REFUSED UINT32_MAX
#define TITLE "lapwing recording "
#define VERSION 1

struct recording_source {
    char name[LW_SHORT_NAME_MAX];
    struct lw_feed feed;
};

/* A series of the recording, by its number. */
struct recording_series {
    double last;
    uint32_t number; /* The feed's, or REFUSED. */
    uint32_t source;
};

struct lw_recording {
    struct lw_recording_player player;
    gzFile file;
    uint64_t file_bytes; /* As on disk. */
    char line[LINE_MAX_BYTES];
    uint64_t n_lines;
    bool has_line; /* `line` was read ahead and is not yet played. */
    bool at_end, complete;
    struct lw_recording_fact facts[LW_RECORDING_FACTS_MAX];
    size_t n_facts;
    struct recording_source *sources;
    size_t n_sources, current; /* current < n_sources once there is one. */
    struct recording_series *series;
    size_t n_series, series_capacity;
    int64_t time_ns, first_ns, last_ns; /* first_ns > last_ns: no point yet. */
    uint64_t tag, n_points;
    struct lw_point pending[PENDING_MAX]; /* Of the current source. */
    size_t n_pending;
};

static enum lw_status bad_line(const struct lw_recording *recording, const char *why,
                               struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT, "line %llu of the recording: %s",
                        (unsigned long long)recording->n_lines, why);
}

/* Reads the next whole line into recording->line, without its end. At the end, and where the file
 * is cut off, at_end is set. */
static enum lw_status line_read(struct lw_recording *recording, struct lw_error *reterr)
{
    size_t n_bytes;
    int code;

    if (recording->has_line) {
        recording->has_line = false;
        return LW_OK;
    }
    if (gzgets(recording->file, recording->line, sizeof(recording->line)) == NULL) {
        (void)gzerror(recording->file, &code);
        recording->at_end = true;
        if (code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END) {
            return LW_OK;
        }
        return lw_error_set(reterr, code == Z_ERRNO ? LW_EIO : LW_EFORMAT,
                            "cannot read on after line %llu of the recording: %s",
                            (unsigned long long)recording->n_lines,
                            code == Z_ERRNO ? strerror(errno) : "damaged");
    }
    recording->n_lines++;
    n_bytes = strlen(recording->line);
    if (n_bytes > 0 && recording->line[n_bytes - 1] == '\n') {
        recording->line[n_bytes - 1] = '\0';
        return LW_OK;
    }
    if (n_bytes + 1 == sizeof(recording->line) || gzeof(recording->file) == 0) {
        return bad_line(recording, "too long, or holds a zero byte", reterr);
    }
    recording->at_end = true; /* The last line was being written. */
    return LW_OK;
}

/* The rest of a line behind its word; NULL when it begins with another word. */
static const char *rest_of(const char *line, const char *word)
{
    size_t n_bytes = strlen(word);

    return strncmp(line, word, n_bytes) == 0 && line[n_bytes] == ' ' ? line + n_bytes + 1 : NULL;
}

static bool whole_parse(const char *text, char end, uint64_t *ret_value, const char **ret_end)
{
    char *stop = NULL;

    errno = 0;
    *ret_value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &stop, 10) : 0;
    if (stop == NULL || errno != 0 || (*stop != end && *stop != '\0')) {
        return false;
    }
    *ret_end = stop;
    return true;
}

static bool moment_parse(const char *text, int64_t *ret_ns)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *stop = NULL;

    if (digits[0] < '0' || digits[0] > '9') {
        return false;
    }
    errno = 0;
    *ret_ns = strtoll(text, &stop, 10);
    return errno == 0 && *stop == '\0';
}

/* One value after " ", in the terms of the last one. False for what is none of the three forms. */
static bool value_parse(const char **text, double last, double *ret_value)
{
    const char *at = *text;
    uint64_t increase;
    char *stop = NULL;

    if (*at++ != ' ') {
        return false;
    }
    if (*at == '=') {
        *ret_value = last;
        *text = at + 1;
        return *(at + 1) == ' ' || *(at + 1) == '\0';
    }
    if (*at == '+') {
        if (!whole_parse(at + 1, ' ', &increase, text)) {
            return false;
        }
        *ret_value = last + (double)increase;
        return true;
    }
    if (*at == '\0' || *at == ' ' || *at == '\t') {
        return false;
    }
    *ret_value = strtod(at, &stop);
    *text = stop;
    return stop != at && (*stop == ' ' || *stop == '\0');
}

static enum lw_status pending_flush(struct lw_recording *recording, struct lw_error *reterr)
{
    enum lw_status st = LW_OK;

    if (recording->n_pending > 0) {
        const struct lw_feed *feed = &recording->sources[recording->current].feed;

        st = feed->push(feed->context, recording->pending, recording->n_pending);
        recording->n_points += recording->n_pending;
        recording->n_pending = 0;
    }
    return st == LW_OK ? LW_OK
                       : lw_error_set(reterr, st, "points of the recording were refused: %s",
                                      lw_status_name(st));
}

static enum lw_status source_play(struct lw_recording *recording, const char *name,
                                  struct lw_error *reterr)
{
    struct recording_source *sources, *source;
    enum lw_status st = pending_flush(recording, reterr);

    for (size_t i = 0; st == LW_OK && i < recording->n_sources; i++) {
        if (strcmp(recording->sources[i].name, name) == 0) {
            recording->current = i;
            return LW_OK;
        }
    }
    if (st != LW_OK) {
        return st;
    }
    if (name[0] == '\0' || strlen(name) >= sizeof(source->name)) {
        return bad_line(recording, "a source's name has 1 to 255 bytes", reterr);
    }
    if (recording->n_sources == LW_RECORDING_SOURCES_MAX) {
        return bad_line(recording, "more than 64 sources", reterr);
    }
    sources = lw_mem_realloc(recording->sources, (recording->n_sources + 1) * sizeof(*sources));
    if (sources == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a recording's source");
    }
    recording->sources = sources;
    source = &sources[recording->n_sources];
    memset(source, 0, sizeof(*source));
    memcpy(source->name, name, strlen(name) + 1);
    st = recording->player.feed(recording->player.context, source->name, &source->feed, reterr);
    if (st == LW_OK) {
        recording->current = recording->n_sources++;
    }
    return st;
}

/* The key that a parsed name stands for; labels is struct lw_label[name->n_labels]. */
static struct lw_series_key key_of(const struct lw_series_name *name, struct lw_label *labels)
{
    for (size_t i = 0; i < name->n_labels; i++) {
        const char *label = name->bytes + name->label_at[i];

        labels[i] = (struct lw_label){label, label + strlen(label) + 1};
    }
    return (struct lw_series_key){
        .metric = lw_series_name_metric(name), .labels = labels, .n_labels = name->n_labels};
}

static enum lw_status series_play(struct lw_recording *recording, const char *text,
                                  struct lw_error *reterr)
{
    struct lw_series_name name;
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_key key;
    const struct lw_feed *feed;
    uint32_t number = REFUSED;
    enum lw_status st;

    if (lw_series_name_parse(text, strlen(text), &name, NULL) != LW_OK) {
        return bad_line(recording, "no name of a series", reterr);
    }
    if (recording->n_series == SERIES_MAX) {
        return bad_line(recording, "more than 4000000 series", reterr);
    }
    if (recording->n_series == recording->series_capacity) {
        size_t capacity = recording->series_capacity == 0 ? 128 : recording->series_capacity * 2;
        struct recording_series *series = lw_mem_realloc(recording->series,
                                                         capacity * sizeof(*series));

        if (series == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series of a recording",
                                capacity);
        }
        recording->series = series;
        recording->series_capacity = capacity;
    }
    key = key_of(&name, labels);
    feed = &recording->sources[recording->current].feed;
    st = feed->series(feed->context, &key, &number, reterr);
    if (st != LW_OK && st != LW_ELIMIT) {
        return st;
    }
    recording->series[recording->n_series++] = (struct recording_series){
        .number = st == LW_OK ? number : REFUSED, .source = (uint32_t)recording->current};
    return LW_OK;
}

static enum lw_status points_play(struct lw_recording *recording, const char *text, uint32_t flags,
                                  struct lw_error *reterr)
{
    const struct lw_feed *feed = &recording->sources[recording->current].feed;
    uint64_t number;
    enum lw_status st = LW_OK;

    if (!whole_parse(text, ' ', &number, &text) || *text == '\0') {
        return bad_line(recording, "points without a series or without values", reterr);
    }
    recording->first_ns = recording->time_ns < recording->first_ns ? recording->time_ns
                                                                   : recording->first_ns;
    recording->last_ns = recording->time_ns > recording->last_ns ? recording->time_ns
                                                                 : recording->last_ns;
    for (; *text != '\0'; number++) {
        struct recording_series *series = number < recording->n_series ? &recording->series[number]
                                                                       : NULL;

        if (series == NULL || series->source != recording->current) {
            return bad_line(recording, "points of a series that this source has not named", reterr);
        }
        if (!value_parse(&text, series->last, &series->last)) {
            return bad_line(recording, "no value, neither a number nor \"=\" nor \"+N\"", reterr);
        }
        if (series->number == REFUSED) {
            feed->dropped(feed->context, "series_refused", 1);
            continue;
        }
        if (recording->n_pending == PENDING_MAX &&
            (st = pending_flush(recording, reterr)) != LW_OK) {
            return st;
        }
        recording->pending[recording->n_pending++] = (struct lw_point){
            .series = series->number,
            .flags = flags,
            .time_ns = recording->time_ns,
            .value = series->last,
            .tag = recording->tag};
    }
    return LW_OK;
}

static enum lw_status watermark_play(struct lw_recording *recording, const char *text,
                                     struct lw_error *reterr)
{
    const struct lw_feed *feed = &recording->sources[recording->current].feed;
    int64_t time_ns;
    enum lw_status st;

    if (!moment_parse(text, &time_ns)) {
        return bad_line(recording, "a watermark is nanoseconds since 1970", reterr);
    }
    st = pending_flush(recording, reterr);
    if (st == LW_OK) {
        st = feed->watermark(feed->context, time_ns);
        if (st != LW_OK) {
            st = lw_error_set(reterr, st, "a watermark of the recording was refused: %s",
                              lw_status_name(st));
        }
    }
    return st;
}

static enum lw_status dropped_play(struct lw_recording *recording, char *text,
                                   struct lw_error *reterr)
{
    const struct lw_feed *feed = &recording->sources[recording->current].feed;
    char *space = strchr(text, ' ');
    const char *end;
    uint64_t n;
    enum lw_status st;

    if (space == NULL || space == text || !whole_parse(space + 1, '\0', &n, &end)) {
        return bad_line(recording, "dropped samples are a reason and a number", reterr);
    }
    *space = '\0';
    st = pending_flush(recording, reterr);
    if (st == LW_OK) {
        feed->dropped(feed->context, text, n);
    }
    return st;
}

/* The end line: checks that all points came. */
static enum lw_status end_play(struct lw_recording *recording, const char *text,
                               struct lw_error *reterr)
{
    const char *end;
    uint64_t n;
    enum lw_status st = pending_flush(recording, reterr);

    if (st == LW_OK && !whole_parse(text, '\0', &n, &end)) {
        st = bad_line(recording, "the end is the number of points", reterr);
    }
    if (st == LW_OK) {
        recording->at_end = true;
        recording->complete = true;
    }
    return st;
}

static enum lw_status line_play(struct lw_recording *recording, bool *ret_watermark,
                                struct lw_error *reterr)
{
    char *line = recording->line;
    const char *rest;
    uint64_t tag;

    *ret_watermark = false;
    if ((rest = rest_of(line, "source")) != NULL) {
        return source_play(recording, rest, reterr);
    }
    if ((rest = rest_of(line, "end")) != NULL) {
        return end_play(recording, rest, reterr);
    }
    if (recording->n_sources == 0) {
        return bad_line(recording, "no source has been named yet", reterr);
    }
    if ((rest = rest_of(line, "v")) != NULL || (rest = rest_of(line, "m")) != NULL) {
        return points_play(recording, rest, line[0] == 'm' ? LW_POINT_MORE : 0, reterr);
    }
    if ((rest = rest_of(line, "t")) != NULL) {
        return moment_parse(rest, &recording->time_ns)
                   ? LW_OK
                   : bad_line(recording, "no time in nanoseconds", reterr);
    }
    if ((rest = rest_of(line, "w")) != NULL) {
        *ret_watermark = true;
        return watermark_play(recording, rest, reterr);
    }
    if ((rest = rest_of(line, "g")) != NULL) {
        if (!whole_parse(rest, '\0', &tag, &rest)) {
            return bad_line(recording, "a tag is a whole number", reterr);
        }
        recording->tag = tag;
        return LW_OK;
    }
    if ((rest = rest_of(line, "series")) != NULL) {
        return series_play(recording, rest, reterr);
    }
    if (rest_of(line, "d") != NULL) {
        return dropped_play(recording, line + 2, reterr);
    }
    return bad_line(recording, "begins with no word of this format", reterr);
}

enum lw_status lw_recording_next(struct lw_recording *recording, bool *ret_more,
                                 struct lw_error *reterr)
{
    bool watermark = false;
    enum lw_status st = LW_OK;

    while (!recording->at_end && !watermark && st == LW_OK) {
        st = line_read(recording, reterr);
        if (st == LW_OK && !recording->at_end) {
            st = line_play(recording, &watermark, reterr);
        }
    }
    if (st == LW_OK && recording->at_end) {
        st = pending_flush(recording, reterr);
    }
    if (st == LW_OK) {
        *ret_more = !recording->at_end;
    }
    return st;
}

static enum lw_status fact_keep(struct lw_recording *recording, const char *text,
                                struct lw_error *reterr)
{
    struct lw_recording_fact *fact = &recording->facts[recording->n_facts];
    const char *space = strchr(text, ' ');
    size_t n_key = space == NULL ? 0 : (size_t)(space - text);

    if (n_key == 0 || n_key >= sizeof(fact->key) || strlen(space + 1) >= sizeof(fact->value)) {
        return bad_line(recording, "a fact is a word of at most 31 bytes and a text of at most 127",
                        reterr);
    }
    if (recording->n_facts == LW_RECORDING_FACTS_MAX) {
        return bad_line(recording, "more than 16 facts", reterr);
    }
    memcpy(fact->key, text, n_key);
    memcpy(fact->value, space + 1, strlen(space + 1) + 1);
    recording->n_facts++;
    return LW_OK;
}

/* The first line and the facts; the line after them is kept for lw_recording_next(). */
static enum lw_status head_read(struct lw_recording *recording, struct lw_error *reterr)
{
    const char *rest = NULL, *end;
    uint64_t version;
    enum lw_status st = line_read(recording, reterr);

    if (st == LW_OK && (recording->at_end || strncmp(recording->line, TITLE, strlen(TITLE)) != 0 ||
                        !whole_parse(recording->line + strlen(TITLE), '\0', &version, &end))) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "not a recording: it does not begin with \"" TITLE "\"");
    }
    if (st == LW_OK && version != VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the recording has version %llu; version %d can be read",
                            (unsigned long long)version, VERSION);
    }
    while (st == LW_OK) {
        st = line_read(recording, reterr);
        rest = st == LW_OK && !recording->at_end ? rest_of(recording->line, "fact") : NULL;
        if (rest == NULL) {
            break;
        }
        st = fact_keep(recording, rest, reterr);
    }
    recording->has_line = st == LW_OK && !recording->at_end;
    return st;
}

enum lw_status lw_recording_open(const char *path, const struct lw_recording_player *player,
                                 struct lw_recording **ret_recording, struct lw_error *reterr)
{
    struct lw_recording *recording = lw_mem_calloc(1, sizeof(*recording));
    struct stat file;
    enum lw_status st;

    if (recording == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a recording of %zu bytes",
                            sizeof(*recording));
    }
    recording->player = *player;
    recording->first_ns = INT64_MAX;
    recording->last_ns = INT64_MIN;
    if (stat(path, &file) == 0) {
        recording->file_bytes = (uint64_t)file.st_size;
    }
    errno = 0;
    recording->file = gzopen(path, "rbe");
    if (recording->file == NULL) {
        st = errno == ENOENT ? LW_ENOTFOUND : LW_EIO;
        st = lw_error_set(reterr, st, "cannot read %s: %s", path,
                          strerror(errno == 0 ? ENOMEM : errno));
    } else {
        st = head_read(recording, reterr);
    }
    if (st != LW_OK) {
        lw_recording_close(recording);
        return st;
    }
    *ret_recording = recording;
    return LW_OK;
}

bool lw_recording_is(const char *path)
{
    char title[sizeof(TITLE)] = {0};
    gzFile file = gzopen(path, "rbe");
    bool is = file != NULL && gzread(file, title, sizeof(TITLE) - 1) == (int)sizeof(TITLE) - 1 &&
              strcmp(title, TITLE) == 0;

    if (file != NULL) {
        (void)gzclose(file);
    }
    return is;
}

const char *lw_recording_fact(const struct lw_recording *recording, const char *key)
{
    for (size_t i = 0; i < recording->n_facts; i++) {
        if (strcmp(recording->facts[i].key, key) == 0) {
            return recording->facts[i].value;
        }
    }
    return NULL;
}

uint64_t lw_recording_position(const struct lw_recording *recording, uint64_t *ret_size)
{
    z_off_t at = gzoffset(recording->file);
    bool is_within = at >= 0 && (uint64_t)at < recording->file_bytes;

    *ret_size = recording->file_bytes;
    return recording->at_end || !is_within ? recording->file_bytes : (uint64_t)at;
}

bool lw_recording_span(const struct lw_recording *recording, int64_t *ret_first_ns,
                       int64_t *ret_last_ns)
{
    *ret_first_ns = recording->first_ns;
    *ret_last_ns = recording->last_ns;
    return recording->first_ns <= recording->last_ns;
}

uint64_t lw_recording_points(const struct lw_recording *recording)
{
    return recording->n_points;
}

bool lw_recording_complete(const struct lw_recording *recording)
{
    return recording->complete;
}

void lw_recording_close(struct lw_recording *recording)
{
    if (recording == NULL) {
        return;
    }
    if (recording->file != NULL) {
        (void)gzclose(recording->file);
    }
    lw_mem_free(recording->sources);
    lw_mem_free(recording->series);
    lw_mem_free(recording);
}
