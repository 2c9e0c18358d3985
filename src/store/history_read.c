/*
 * Views of the history: reading a series over all files, listing, verifying.
 *
 * The samples of a series are gathered file by file in the order of the journal; where they do not
 * ascend in time by then (late ones lie in a later file), a stable sort puts them in place.
 */
#include "store/history_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct lw_history_view {
    struct lw_history *history;
    struct lw_history_file **files;
    struct lw_history_cursor **cursors; /* NULL until the file is asked for. */
    size_t n_files;
    struct lw_chunk_coder *coder;
};

/* ---- samples ---- */

void lw_history_samples_init(struct lw_history_samples *samples)
{
    memset(samples, 0, sizeof(*samples));
}

void lw_history_samples_fini(struct lw_history_samples *samples)
{
    lw_mem_free(samples->times_ns);
    lw_mem_free(samples->values);
    memset(samples, 0, sizeof(*samples));
}

enum lw_status lw_history_samples_reserve(struct lw_history_samples *samples, size_t n)
{
    size_t wanted = samples->capacity;
    void *grown;

    if (samples->capacity - samples->n >= n) {
        return LW_OK;
    }
    while (wanted - samples->n < n) {
        wanted = wanted * 2 + 256;
    }
    grown = lw_mem_realloc(samples->times_ns, wanted * sizeof(int64_t));
    if (grown == NULL) {
        return LW_ENOMEM;
    }
    samples->times_ns = grown;
    grown = lw_mem_realloc(samples->values, wanted * sizeof(double));
    if (grown == NULL) {
        return LW_ENOMEM;
    }
    samples->values = grown;
    samples->capacity = wanted;
    return LW_OK;
}

enum lw_status lw_history_samples_decode(struct lw_history_samples *samples,
                                         struct lw_chunk_coder *coder,
                                         const struct lw_history_chunk *chunk)
{
    struct lw_chunk_span span;
    struct lw_reader times, values;

    if (lw_history_samples_reserve(samples, chunk->span.n) != LW_OK) {
        return LW_ENOMEM;
    }
    lw_reader_init(&times, chunk->times, chunk->n_times);
    lw_reader_init(&values, chunk->values, chunk->n_values);
    if (lw_chunk_times_read(&times, &span, samples->times_ns + samples->n) != LW_OK ||
        lw_chunk_values_read(coder, &values, span.n, samples->values + samples->n) != LW_OK) {
        return LW_EFORMAT;
    }
    samples->n += span.n;
    return LW_OK;
}

struct placed {
    int64_t time_ns;
    double value;
    size_t place;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

enum lw_status lw_history_samples_sort(struct lw_history_samples *samples)
{
    struct placed *placed;
    size_t sorted = 1;

    while (sorted < samples->n && samples->times_ns[sorted - 1] <= samples->times_ns[sorted]) {
        sorted++;
    }
    if (sorted >= samples->n) {
        return LW_OK;
    }
    placed = lw_mem_alloc(samples->n * sizeof(*placed));
    if (placed == NULL) {
        return LW_ENOMEM;
    }
    for (size_t i = 0; i < samples->n; i++) {
        placed[i] = (struct placed){samples->times_ns[i], samples->values[i], i};
    }
    qsort(placed, samples->n, sizeof(*placed), compare_placed);
    for (size_t i = 0; i < samples->n; i++) {
        samples->times_ns[i] = placed[i].time_ns;
        samples->values[i] = placed[i].value;
    }
    lw_mem_free(placed);
    return LW_OK;
}

/* ---- views ---- */

enum lw_status lw_history_view_open(struct lw_history *history, struct lw_history_view **ret_view,
                                    struct lw_error *reterr)
{
    struct lw_history_view *view = lw_mem_calloc(1, sizeof(*view));
    size_t n_bytes;

    if (view == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a view of the history");
    }
    view->history = history;
    view->coder = lw_chunk_coder_create();
    (void)pthread_mutex_lock(&history->lock);
    n_bytes = (history->n_files + 1) * sizeof(struct lw_history_file *);
    view->files = lw_mem_alloc(n_bytes);
    view->cursors = lw_mem_calloc(1, (history->n_files + 1) * sizeof(struct lw_history_cursor *));
    if (view->files != NULL && view->cursors != NULL && view->coder != NULL) {
        view->n_files = history->n_files;
        memcpy(view->files, history->files, n_bytes - sizeof(struct lw_history_file *));
        for (size_t i = 0; i < view->n_files; i++) {
            view->files[i]->n_views++;
        }
    }
    (void)pthread_mutex_unlock(&history->lock);
    if (view->files == NULL || view->cursors == NULL || view->coder == NULL) {
        lw_history_view_close(view);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a view of the history");
    }
    *ret_view = view;
    return LW_OK;
}

/* The view's hold on its files. */
static void view_release(struct lw_history_view *view)
{
    for (size_t i = 0; i < view->n_files; i++) {
        lw_history_cursor_destroy(view->cursors[i]);
    }
    (void)pthread_mutex_lock(&view->history->lock);
    for (size_t i = 0; i < view->n_files; i++) {
        view->files[i]->n_views--;
    }
    (void)pthread_mutex_unlock(&view->history->lock);
}

void lw_history_view_close(struct lw_history_view *view)
{
    if (view == NULL) {
        return;
    }
    if (view->files != NULL && view->cursors != NULL) {
        view_release(view);
    }
    lw_chunk_coder_destroy(view->coder);
    lw_mem_free(view->files);
    lw_mem_free(view->cursors);
    lw_mem_free(view);
}

/* The view's cursor of file i. */
static enum lw_status view_cursor(struct lw_history_view *view, size_t i,
                                  struct lw_history_cursor **ret_cursor, struct lw_error *reterr)
{
    if (view->cursors[i] == NULL) {
        view->cursors[i] = lw_history_cursor_create(view->history->config.io, view->files[i],
                                                    false);
        if (view->cursors[i] == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to read a history file");
        }
    }
    *ret_cursor = view->cursors[i];
    return LW_OK;
}

/* ---- reading ---- */

struct stretch {
    const char *name;
    int64_t from_ns, to_ns;
};

/* Drops what lies outside of the stretch among the samples from `begin` on. */
static void samples_cut(struct lw_history_samples *samples, size_t begin,
                        const struct stretch *stretch)
{
    size_t n = begin;

    for (size_t i = begin; i < samples->n; i++) {
        if (samples->times_ns[i] >= stretch->from_ns && samples->times_ns[i] < stretch->to_ns) {
            samples->times_ns[n] = samples->times_ns[i];
            samples->values[n] = samples->values[i];
            n++;
        }
    }
    samples->n = n;
}

/* The chunks of the series the cursor is at. */
static enum lw_status series_read(struct lw_history_view *view, struct lw_history_cursor *cursor,
                                  const struct stretch *stretch, struct lw_history_samples *samples,
                                  struct lw_error *reterr)
{
    struct lw_history_chunk chunk;
    enum lw_status status;

    while ((status = lw_history_cursor_chunk(cursor, &chunk, reterr)) == LW_OK) {
        size_t begin = samples->n;

        if (chunk.span.last_ns < stretch->from_ns || chunk.span.first_ns >= stretch->to_ns) {
            continue;
        }
        if (samples->n + chunk.span.n > LW_HISTORY_READ_MAX) {
            return lw_error_set(reterr, LW_ELIMIT, "a read gives at most %zu samples",
                                LW_HISTORY_READ_MAX);
        }
        status = lw_history_samples_decode(samples, view->coder, &chunk);
        if (status == LW_ENOMEM) {
            return lw_error_set(reterr, status, "no memory for samples of the history");
        }
        if (status != LW_OK) {
            return lw_error_set(reterr, status, "a chunk of %.200s cannot be decoded",
                                stretch->name);
        }
        samples_cut(samples, begin, stretch);
    }
    return status;
}

/* Counts a damaged block and goes on. */
static enum lw_status damage_skip(struct lw_history_view *view, size_t i,
                                  struct lw_history_samples *samples, enum lw_status status,
                                  const struct lw_error *error)
{
    if (status != LW_EFORMAT) {
        return status;
    }
    lw_history_damage(view->history, view->files[i], error->message);
    samples->n_damaged++;
    return LW_OK;
}

static enum lw_status file_read(struct lw_history_view *view, size_t i,
                                const struct stretch *stretch, struct lw_history_samples *samples,
                                struct lw_error *reterr)
{
    struct lw_history_cursor *cursor;
    const char *name = stretch->name;
    enum lw_status status = view_cursor(view, i, &cursor, reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_history_cursor_seek(cursor, name);
    for (;;) {
        struct lw_error error = {0};

        status = lw_history_cursor_series(cursor, &name, &error);
        if (status == LW_ENOTFOUND || (status == LW_OK && strcmp(name, stretch->name) != 0)) {
            return LW_OK;
        }
        while (status == LW_OK) {
            status = series_read(view, cursor, stretch, samples, &error);
            status = damage_skip(view, i, samples, status, &error);
        }
        if (status != LW_ENOTFOUND) {
            status = damage_skip(view, i, samples, status, &error);
            if (status != LW_OK) {
                return lw_error_set(reterr, status, "%s", error.message);
            }
        }
    }
}

enum lw_status lw_history_read(struct lw_history_view *view, const char *name, int64_t from_ns,
                               int64_t to_ns, struct lw_history_samples *ret_samples,
                               struct lw_error *reterr)
{
    struct stretch stretch = {name, from_ns, to_ns};
    enum lw_status status = LW_OK;

    ret_samples->n = 0;
    ret_samples->n_damaged = 0;
    for (size_t i = 0; i < view->n_files && status == LW_OK; i++) {
        const struct lw_history_info *info = &view->files[i]->info;

        if (info->n_samples > 0 && info->first_ns < to_ns && info->last_ns >= from_ns) {
            status = file_read(view, i, &stretch, ret_samples, reterr);
        }
    }
    if (status == LW_OK && lw_history_samples_sort(ret_samples) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to sort samples of the history");
    }
    return status;
}

enum lw_status lw_history_read_many(
    struct lw_history_view *view, const char *const *names, size_t n_names, int64_t from_ns,
    int64_t to_ns,
    enum lw_status (*visit)(void *context, size_t i, const struct lw_history_samples *samples),
    void *context)
{
    struct lw_history_samples samples;
    enum lw_status status = LW_OK;

    lw_history_samples_init(&samples);
    for (size_t i = 0; i < n_names && status == LW_OK; i++) {
        status = lw_history_read(view, names[i], from_ns, to_ns, &samples, NULL);
        if (status == LW_OK) {
            status = visit(context, i, &samples);
        }
    }
    lw_history_samples_fini(&samples);
    return status;
}

/* ---- listing ---- */

/* The listed series so far, in ascending order of names; names are owned. */
struct listing {
    struct lw_history_series *series;
    size_t n, capacity;
};

static void listing_fini(struct listing *listing, size_t from)
{
    for (size_t i = from; i < listing->n; i++) {
        lw_mem_free((void *)listing->series[i].name);
    }
    lw_mem_free(listing->series);
    memset(listing, 0, sizeof(*listing));
}

/* Behind the last: a series, or more of the last one. Takes the name where `owned`. */
static enum lw_status listing_add(struct listing *listing, const struct lw_history_series *series,
                                  bool owned)
{
    struct lw_history_series *last = listing->n > 0 ? &listing->series[listing->n - 1] : NULL;

    if (last != NULL && strcmp(last->name, series->name) == 0) {
        last->n_samples += series->n_samples;
        last->first_ns = series->first_ns < last->first_ns ? series->first_ns : last->first_ns;
        last->last_ns = series->last_ns > last->last_ns ? series->last_ns : last->last_ns;
        if (owned) {
            lw_mem_free((void *)series->name);
        }
        return LW_OK;
    }
    if (listing->n == listing->capacity) {
        size_t wanted = listing->capacity * 2 + 64;
        struct lw_history_series *grown = lw_mem_realloc(listing->series, wanted * sizeof(*grown));

        if (grown == NULL) {
            return LW_ENOMEM;
        }
        listing->series = grown;
        listing->capacity = wanted;
    }
    last = &listing->series[listing->n];
    *last = *series;
    if (!owned) {
        size_t n_bytes = strlen(series->name) + 1;
        char *name = lw_mem_alloc(n_bytes);

        if (name == NULL) {
            return LW_ENOMEM;
        }
        memcpy(name, series->name, n_bytes);
        last->name = name;
    }
    listing->n++;
    return LW_OK;
}

/* The span of the series the cursor is at, over its chunks in this block. */
static enum lw_status span_read(struct lw_history_cursor *cursor, struct lw_history_series *series,
                                struct lw_error *reterr)
{
    struct lw_history_chunk chunk;
    enum lw_status status;

    series->first_ns = INT64_MAX;
    series->last_ns = INT64_MIN;
    series->n_samples = 0;
    while ((status = lw_history_cursor_chunk(cursor, &chunk, reterr)) == LW_OK) {
        series->first_ns = chunk.span.first_ns < series->first_ns ? chunk.span.first_ns
                                                                  : series->first_ns;
        series->last_ns = chunk.span.last_ns > series->last_ns ? chunk.span.last_ns
                                                               : series->last_ns;
        series->n_samples += chunk.span.n;
    }
    return status == LW_ENOTFOUND ? LW_OK : status;
}

/* What one file lists; damaged blocks are left out. */
static enum lw_status listing_file(struct lw_history_view *view, size_t i,
                                   const struct lw_history_lister *lister, struct listing *listing,
                                   struct lw_error *reterr)
{
    struct lw_history_cursor *cursor;
    struct lw_history_series series = {0};
    struct lw_history_samples ignored = {0};
    struct lw_error error = {0};
    enum lw_status status = view_cursor(view, i, &cursor, reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_history_cursor_rewind(cursor, false);
    while (status == LW_OK) {
        status = lw_history_cursor_series(cursor, &series.name, &error);
        if (status == LW_OK &&
            (lister->match == NULL || lister->match(lister->context, series.name))) {
            status = span_read(cursor, &series, &error);
            if (status == LW_OK && listing_add(listing, &series, false) != LW_OK) {
                return lw_error_set(reterr, LW_ENOMEM, "no memory to list series");
            }
        }
        status = damage_skip(view, i, &ignored, status, &error);
    }
    return status == LW_ENOTFOUND ? LW_OK : lw_error_set(reterr, status, "%s", error.message);
}

/* Both in one, in ascending order of names; both end up empty. */
static enum lw_status listing_merge(struct listing *a, struct listing *b, struct listing *ret_both)
{
    size_t i = 0, k = 0;
    enum lw_status status = LW_OK;

    while ((i < a->n || k < b->n) && status == LW_OK) {
        bool take_a = k == b->n || (i < a->n && strcmp(a->series[i].name, b->series[k].name) <= 0);

        status = listing_add(ret_both, take_a ? &a->series[i] : &b->series[k], true);
        if (status == LW_OK) {
            i += take_a;
            k += !take_a;
        }
    }
    listing_fini(a, i);
    listing_fini(b, k);
    return status;
}

enum lw_status lw_history_list(struct lw_history_view *view, const struct lw_history_lister *lister,
                               struct lw_error *reterr)
{
    struct listing all = {0};
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < view->n_files && status == LW_OK; i++) {
        struct listing one = {0}, both = {0};

        status = listing_file(view, i, lister, &one, reterr);
        if (status != LW_OK) {
            listing_fini(&one, 0);
            break;
        }
        status = listing_merge(&all, &one, &both);
        all = both;
        if (status != LW_OK) {
            status = lw_error_set(reterr, status, "no memory to list series");
        }
    }
    for (size_t i = 0; i < all.n && status == LW_OK; i++) {
        lister->visit(lister->context, &all.series[i]);
    }
    listing_fini(&all, 0);
    return status;
}

/* ---- verifying ---- */

enum lw_status lw_history_verify(struct lw_history *history,
                                 void (*visit)(void *context, const char *file, const char *damage),
                                 void *context, size_t *ret_damaged, struct lw_error *reterr)
{
    struct lw_history_view *view;
    size_t n_damaged = 0;
    enum lw_status status = lw_history_view_open(history, &view, reterr);

    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < view->n_files && status == LW_OK; i++) {
        struct lw_error error = {0};
        struct lw_history_cursor *cursor = lw_history_cursor_create(history->config.io,
                                                                    view->files[i], false);

        status = cursor == NULL ? lw_error_set(&error, LW_ENOMEM, "no memory to verify")
                                : lw_history_cursor_verify(cursor, &error);
        lw_history_cursor_destroy(cursor);
        if (status == LW_EFORMAT) {
            lw_history_damage(history, view->files[i], error.message);
            n_damaged++;
            if (visit != NULL) {
                visit(context, view->files[i]->path, error.message);
            }
            status = LW_OK;
        }
        if (status != LW_OK) {
            status = lw_error_set(reterr, status, "%s", error.message);
        }
    }
    lw_history_view_close(view);
    if (status == LW_OK) {
        *ret_damaged = n_damaged;
    }
    return status;
}
