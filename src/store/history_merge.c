/*
 * Neighbouring files become one, with longer chunks.
 *
 * A run of up to 8 neighbours of one level becomes a file of the next level, as long as all
 * together are within the bounds of bytes and time; a run that the bounds cut off is merged too
 * when it has two files at least. So a sample is merged at most once a level, and there are few
 * levels: chunks that are long already are copied as they are, only short ones are decoded and made
 * one.
 */
#include "store/history_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

#define RUN_FILES 8
#define LONG_CHUNK (LW_CHUNK_SAMPLES_MAX / 2)

/* Columns of times that were decoded last, by where they lie in memory: neighbours in the order of
 * names often have the same few. */
#define COLUMNS_KEPT 128

struct kept_column {
    const uint8_t *bytes; /* NULL: none. A cursor keeps the blocks of times where they are. */
    int64_t *times_ns;    /* [capacity] */
    size_t n, capacity;
};

struct merge {
    struct lw_history_file *files[RUN_FILES];
    struct lw_history_cursor *cursors[RUN_FILES];
    const char *names[RUN_FILES]; /* What each cursor is at; NULL: its end. */
    size_t n_files, at;           /* at: place in the history. */
    size_t culprit;               /* The file that a failure came from. */
    struct lw_history_output *output;
    struct lw_history_builder *builder; /* The output's. */
    struct lw_chunk_coder *coder;
    struct kept_column columns[COLUMNS_KEPT];
    struct lw_history_samples pending; /* Of the series: decoded, not yet in a chunk. */
};

/* ---- which files ---- */

/* Files from place at on that could become one; *ret_cut: a bound ended the run, not the level. */
static size_t run_length(const struct lw_history *history, size_t at, bool *ret_cut)
{
    const struct lw_history_info *first = &history->files[at]->info;
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN, span;
    uint64_t n_bytes = 0;
    size_t n = 0;

    *ret_cut = false;
    while (n < RUN_FILES && at + n < history->n_files) {
        const struct lw_history_file *file = history->files[at + n];
        const struct lw_history_info *info = &file->info;

        if (info->level != first->level || file->damaged) {
            break;
        }
        if (info->n_samples > 0) {
            first_ns = info->first_ns < first_ns ? info->first_ns : first_ns;
            last_ns = info->last_ns > last_ns ? info->last_ns : last_ns;
        }
        n_bytes += info->n_bytes;
        if (n_bytes > history->config.merge_bytes ||
            (first_ns <= last_ns && (__builtin_sub_overflow(last_ns, first_ns, &span) ||
                                     span > history->config.merge_ns))) {
            *ret_cut = true;
            break;
        }
        n++;
    }
    return n;
}

/* Locks. False when nothing is due. */
static bool run_pick(struct lw_history *history, struct merge *merge)
{
    bool cut = false;
    size_t at = 0, n = 0;

    (void)pthread_mutex_lock(&history->lock);
    while (at < history->n_files) {
        n = run_length(history, at, &cut);
        if (n == RUN_FILES || (cut && n > 1)) {
            break;
        }
        at++;
        n = 0;
    }
    for (size_t i = 0; i < n; i++) {
        merge->files[i] = history->files[at + i];
    }
    (void)pthread_mutex_unlock(&history->lock);
    merge->n_files = n;
    merge->at = at;
    return n > 0;
}

/* ---- making one of them ---- */

/* Writes what is pending. */
static enum lw_status pending_flush(struct merge *merge, struct lw_error *reterr)
{
    struct lw_history_samples *pending = &merge->pending;
    enum lw_status status = lw_history_samples_sort(pending);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "no memory to merge history files");
    }
    if (pending->n > 0) {
        status = lw_history_builder_samples(merge->builder, pending->times_ns, pending->values,
                                            pending->n, reterr);
    }
    pending->n = 0;
    return status;
}

/* The times of a chunk. LW_EFORMAT; LW_ENOMEM. */
static enum lw_status column_decode(struct merge *merge, const struct lw_history_chunk *chunk,
                                    const struct kept_column **ret_column)
{
    uint64_t mixed = (uint64_t)(uintptr_t)chunk->times * UINT64_C(0x9E3779B97F4A7C15);
    struct kept_column *column = &merge->columns[(mixed >> 32) % COLUMNS_KEPT];
    struct lw_chunk_span span;
    struct lw_reader reader;

    if (column->bytes != chunk->times) {
        column->bytes = NULL;
        if (column->capacity < chunk->span.n) {
            int64_t *grown = lw_mem_realloc(column->times_ns, chunk->span.n * sizeof(int64_t));

            if (grown == NULL) {
                return LW_ENOMEM;
            }
            column->times_ns = grown;
            column->capacity = chunk->span.n;
        }
        lw_reader_init(&reader, chunk->times, chunk->n_times);
        if (lw_chunk_times_read(&reader, &span, column->times_ns) != LW_OK) {
            return LW_EFORMAT;
        }
        column->bytes = chunk->times;
        column->n = span.n;
    }
    *ret_column = column;
    return LW_OK;
}

/* A chunk's samples to the pending ones. */
static enum lw_status chunk_decode(struct merge *merge, const struct lw_history_chunk *chunk)
{
    struct lw_history_samples *pending = &merge->pending;
    const struct kept_column *column;
    struct lw_reader reader;
    enum lw_status status = column_decode(merge, chunk, &column);

    if (status != LW_OK) {
        return status;
    }
    if (lw_history_samples_reserve(pending, column->n) != LW_OK) {
        return LW_ENOMEM;
    }
    lw_reader_init(&reader, chunk->values, chunk->n_values);
    status = lw_chunk_values_read(merge->coder, &reader, column->n, pending->values + pending->n);
    if (status == LW_OK) {
        memcpy(pending->times_ns + pending->n, column->times_ns, column->n * sizeof(int64_t));
        pending->n += column->n;
    }
    return status;
}

static enum lw_status chunk_take(struct merge *merge, const struct lw_history_chunk *chunk,
                                 struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (merge->pending.n + chunk->span.n > LW_CHUNK_SAMPLES_MAX || chunk->span.n >= LONG_CHUNK) {
        status = pending_flush(merge, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    if (chunk->span.n >= LONG_CHUNK) {
        return lw_history_builder_chunk(merge->builder, chunk, reterr);
    }
    status = chunk_decode(merge, chunk);
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "%s: a chunk cannot be merged",
                                          merge->files[merge->culprit]->path);
}

static enum lw_status cursor_next(struct merge *merge, size_t i, struct lw_error *reterr)
{
    enum lw_status status = lw_history_cursor_series(merge->cursors[i], &merge->names[i], reterr);

    if (status == LW_ENOTFOUND) {
        merge->names[i] = NULL;
        return LW_OK;
    }
    return status;
}

/* The chunks that file i has of a series, over all blocks. */
static enum lw_status series_take(struct merge *merge, size_t i, const char *name,
                                  struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    merge->culprit = i;
    while (status == LW_OK && merge->names[i] != NULL && strcmp(merge->names[i], name) == 0) {
        struct lw_history_chunk chunk;

        status = lw_history_cursor_chunk(merge->cursors[i], &chunk, reterr);
        if (status == LW_ENOTFOUND) {
            status = cursor_next(merge, i, reterr);
        } else if (status == LW_OK) {
            status = chunk_take(merge, &chunk, reterr);
        }
    }
    return status;
}

/* The lowest name that any cursor is at. */
static const char *lowest_name(const struct merge *merge)
{
    const char *lowest = NULL;

    for (size_t i = 0; i < merge->n_files; i++) {
        if (merge->names[i] != NULL && (lowest == NULL || strcmp(merge->names[i], lowest) < 0)) {
            lowest = merge->names[i];
        }
    }
    return lowest;
}

static enum lw_status merge_series(struct merge *merge, struct lw_error *reterr)
{
    char name[LW_HISTORY_NAME_MAX];
    const char *lowest = lowest_name(merge);
    enum lw_status status;

    memcpy(name, lowest, strlen(lowest) + 1);
    status = lw_history_builder_series(merge->builder, name, strlen(name), reterr);
    for (size_t i = 0; i < merge->n_files && status == LW_OK; i++) {
        status = series_take(merge, i, name, reterr);
    }
    return status == LW_OK ? pending_flush(merge, reterr) : status;
}

static enum lw_status merge_open(struct lw_history *history, struct merge *merge,
                                 struct lw_error *reterr)
{
    const struct lw_history_range range = {merge->files[0]->info.first,
                                           merge->files[merge->n_files - 1]->info.last,
                                           merge->files[0]->info.level + 1};
    enum lw_status status = lw_history_output_open(history, &range, &merge->output, reterr);

    if (status != LW_OK) {
        return status;
    }
    merge->builder = lw_history_output_builder(merge->output);
    merge->coder = lw_chunk_coder_create();
    if (merge->coder == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to merge history files");
    }
    for (size_t i = 0; i < merge->n_files && status == LW_OK; i++) {
        merge->cursors[i] = lw_history_cursor_create(history->config.io, merge->files[i], true);
        if (merge->cursors[i] == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to merge history files");
        }
        merge->culprit = i;
        status = cursor_next(merge, i, reterr);
    }
    return status;
}

static void merge_fini(struct merge *merge)
{
    for (size_t i = 0; i < merge->n_files; i++) {
        lw_history_cursor_destroy(merge->cursors[i]);
    }
    lw_history_output_close(merge->output);
    lw_chunk_coder_destroy(merge->coder);
    lw_history_samples_fini(&merge->pending);
    for (size_t i = 0; i < COLUMNS_KEPT; i++) {
        lw_mem_free(merge->columns[i].times_ns);
    }
}

/* All of it but the place in the history. */
static enum lw_status merge_run(struct lw_history *history, struct merge *merge,
                                struct lw_history_file **ret_file, struct lw_error *reterr)
{
    enum lw_status status = merge_open(history, merge, reterr);

    while (status == LW_OK && lowest_name(merge) != NULL) {
        status = merge_series(merge, reterr);
    }
    return status != LW_OK ? status : lw_history_output_publish(merge->output, ret_file, reterr);
}

enum lw_status lw_history_compact(struct lw_history *history, size_t *ret_merged,
                                  struct lw_error *reterr)
{
    struct merge merge;
    struct lw_history_file *file = NULL;
    struct lw_error error = {0};
    enum lw_status status = lw_history_sweep(history, reterr);

    if (status != LW_OK) {
        return status;
    }
    *ret_merged = 0;
    memset(&merge, 0, sizeof(merge));
    if (!run_pick(history, &merge)) {
        return LW_OK;
    }
    if (lw_history_reserve(history, merge.n_files) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to merge history files");
    }
    status = merge_run(history, &merge, &file, &error);
    merge_fini(&merge);
    if (status == LW_EFORMAT) { /* The file stays as it is, and is not merged from now on. */
        lw_history_damage(history, merge.files[merge.culprit], error.message);
        return LW_OK;
    }
    if (status != LW_OK) {
        return lw_error_set(reterr, status, "%s", error.message);
    }
    lw_history_replace(history, merge.at, merge.n_files, file);
    (void)pthread_mutex_lock(&history->lock);
    history->counts.files_merged += merge.n_files;
    (void)pthread_mutex_unlock(&history->lock);
    *ret_merged = merge.n_files;
    return lw_history_sweep(history, reterr);
}
