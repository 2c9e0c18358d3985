/*
 * Samples in the order of the journal, sorted into series and made a file.
 *
 * Each series has a chain of pieces of 15 samples; appending touches one piece, and no second copy
 * of all samples is made to sort them. The order of the series' names is kept from file to file:
 * only new names are sorted.
 */
#define _GNU_SOURCE /* qsort_r */
#include "store/history_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_SAMPLES 15
#define SLAB_PIECES 4096

struct piece {
    int64_t times_ns[PIECE_SAMPLES];
    double values[PIECE_SAMPLES];
    uint32_t next; /* Number + 1 of the next one; 0: none. */
    uint32_t n;
};

struct chain {
    uint32_t first, last; /* Number + 1; 0: none. */
};

struct lw_history_writer {
    struct lw_history *history;
    uint64_t first, last;
    size_t n_points;
    struct chain *chains; /* [n_series] by number. */
    size_t n_series;
    struct piece **slabs;
    size_t n_slabs, slabs_capacity, n_pieces;
};

enum lw_status lw_history_begin(struct lw_history *history, uint64_t first, uint64_t last,
                                struct lw_history_writer **ret_writer, struct lw_error *reterr)
{
    struct lw_history_writer *writer;
    uint64_t covered = lw_history_covered(history);

    if (last < first || (first <= covered && last > covered)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "history of the journal's records %llu to %llu cannot begin: it covers "
                            "up to %llu",
                            (unsigned long long)first, (unsigned long long)last,
                            (unsigned long long)covered);
    }
    if (last <= covered) {
        return lw_error_set(reterr, LW_EEXIST, "history covers the journal up to %llu already",
                            (unsigned long long)covered);
    }
    writer = lw_mem_calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a history writer");
    }
    writer->history = history;
    writer->first = first;
    writer->last = last;
    *ret_writer = writer;
    return LW_OK;
}

void lw_history_abandon(struct lw_history_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->n_slabs; i++) {
        lw_mem_free_pages(writer->slabs[i], SLAB_PIECES * sizeof(struct piece));
    }
    lw_mem_free(writer->slabs);
    lw_mem_free(writer->chains);
    lw_mem_free(writer);
}

/* ---- adding ---- */

static inline struct piece *piece_at(const struct lw_history_writer *writer, uint32_t number)
{
    return &writer->slabs[(number - 1) / SLAB_PIECES][(number - 1) % SLAB_PIECES];
}

static enum lw_status slab_add(struct lw_history_writer *writer)
{
    if (writer->n_slabs == writer->slabs_capacity) {
        size_t wanted = writer->slabs_capacity * 2 + 16;
        struct piece **slabs = lw_mem_realloc(writer->slabs, wanted * sizeof(struct piece *));

        if (slabs == NULL) {
            return LW_ENOMEM;
        }
        writer->slabs = slabs;
        writer->slabs_capacity = wanted;
    }
    writer->slabs[writer->n_slabs] = lw_mem_alloc_pages(SLAB_PIECES * sizeof(struct piece));
    if (writer->slabs[writer->n_slabs] == NULL) {
        return LW_ENOMEM;
    }
    writer->n_slabs++;
    return LW_OK;
}

/* A chain for each number up to series. */
static enum lw_status chains_grow(struct lw_history_writer *writer, uint32_t series)
{
    size_t wanted = (size_t)series + series / 2 + 64;
    struct chain *chains = lw_mem_realloc(writer->chains, wanted * sizeof(struct chain));

    if (chains == NULL) {
        return LW_ENOMEM;
    }
    memset(chains + writer->n_series, 0, (wanted - writer->n_series) * sizeof(struct chain));
    writer->chains = chains;
    writer->n_series = wanted;
    return LW_OK;
}

/* A piece at the end of a chain. */
static enum lw_status chain_grow(struct lw_history_writer *writer, struct chain *chain)
{
    uint32_t number;

    if (writer->n_pieces == writer->n_slabs * SLAB_PIECES && slab_add(writer) != LW_OK) {
        return LW_ENOMEM;
    }
    number = (uint32_t)++writer->n_pieces;
    if (chain->last != 0) {
        piece_at(writer, chain->last)->next = number;
    } else {
        chain->first = number;
    }
    chain->last = number;
    return LW_OK;
}

enum lw_status lw_history_add(struct lw_history_writer *writer,
                              const struct lw_history_input *points, size_t n,
                              struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (n > LW_HISTORY_POINTS_MAX - writer->n_points) {
        return lw_error_set(reterr, LW_ELIMIT, "a history file is made of at most %zu samples",
                            LW_HISTORY_POINTS_MAX);
    }
    for (size_t i = 0; i < n && status == LW_OK; i++) {
        struct piece *piece = NULL;
        uint32_t series = points[i].series;

        if (series >= LW_HISTORY_SERIES_MAX) {
            return lw_error_set(reterr, LW_ELIMIT, "series number %u; history keeps those below %u",
                                series, LW_HISTORY_SERIES_MAX);
        }
        if (series >= writer->n_series) {
            status = chains_grow(writer, series);
        }
        if (status == LW_OK) {
            struct chain *chain = &writer->chains[series];

            piece = chain->last != 0 ? piece_at(writer, chain->last) : NULL;
            if (piece == NULL || piece->n == PIECE_SAMPLES) {
                status = chain_grow(writer, chain);
                piece = status == LW_OK ? piece_at(writer, chain->last) : NULL;
            }
        }
        if (piece != NULL) {
            piece->times_ns[piece->n] = points[i].time_ns;
            piece->values[piece->n] = points[i].value;
            piece->n++;
        }
    }
    writer->n_points += n;
    return status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, status, "no memory for %zu samples", writer->n_points);
}

/* ---- the order of names ---- */

static const char *series_name(const struct lw_history *history, uint32_t series)
{
    return history->config.name(history->config.context, series);
}

static int compare_names(const void *a, const void *b, void *context)
{
    const struct lw_history *history = context;

    return strcmp(series_name(history, *(const uint32_t *)a),
                  series_name(history, *(const uint32_t *)b));
}

static enum lw_status known_grow(struct lw_history *history, size_t n)
{
    uint8_t *known;

    if (n <= history->n_known) {
        return LW_OK;
    }
    known = lw_mem_realloc(history->known, n);
    if (known == NULL) {
        return LW_ENOMEM;
    }
    memset(known + history->n_known, 0, n - history->n_known);
    history->known = known;
    history->n_known = n;
    return LW_OK;
}

/* Merges two sorted lists of numbers. */
static void order_merge(struct lw_history *history, const uint32_t *fresh, size_t n_fresh,
                        uint32_t *ret_order)
{
    size_t i = 0, k = 0, n = 0;

    while (i < history->n_order || k < n_fresh) {
        bool take_old = k == n_fresh || (i < history->n_order &&
                                         compare_names(&history->order[i], &fresh[k], history) < 0);

        ret_order[n++] = take_old ? history->order[i++] : fresh[k++];
    }
}

/* Takes the numbers of a file into the order. */
static enum lw_status order_extend(struct lw_history_writer *writer, struct lw_error *reterr)
{
    struct lw_history *history = writer->history;
    uint32_t *fresh = lw_mem_alloc((writer->n_series + 1) * sizeof(uint32_t)), *order = NULL;
    size_t n_fresh = 0;
    enum lw_status status = fresh == NULL ? LW_ENOMEM : known_grow(history, writer->n_series);

    for (size_t series = 0; series < writer->n_series && status == LW_OK; series++) {
        if (writer->chains[series].first == 0 || history->known[series]) {
            continue;
        }
        if (series_name(history, (uint32_t)series) == NULL) {
            status = lw_error_set(reterr, LW_EINVAL, "series number %zu has no name", series);
            break;
        }
        fresh[n_fresh++] = (uint32_t)series;
    }
    if (status == LW_OK && n_fresh > 0) {
        order = lw_mem_alloc((history->n_order + n_fresh) * sizeof(uint32_t));
        status = order == NULL ? LW_ENOMEM : LW_OK;
    }
    if (order != NULL) {
        qsort_r(fresh, n_fresh, sizeof(uint32_t), compare_names, history);
        order_merge(history, fresh, n_fresh, order);
        lw_mem_free(history->order);
        history->order = order;
        history->n_order += n_fresh;
        for (size_t i = 0; i < n_fresh; i++) {
            history->known[fresh[i]] = 1;
        }
    }
    lw_mem_free(fresh);
    return status == LW_ENOMEM ? lw_error_set(reterr, status, "no memory to sort names") : status;
}

/* ---- the file ---- */

/* All samples of a series in a row, ascending in time. */
static enum lw_status chain_gather(const struct lw_history_writer *writer, uint32_t series,
                                   struct lw_history_samples *samples)
{
    samples->n = 0;
    for (uint32_t number = writer->chains[series].first; number != 0;) {
        const struct piece *piece = piece_at(writer, number);

        if (lw_history_samples_reserve(samples, piece->n) != LW_OK) {
            return LW_ENOMEM;
        }
        memcpy(samples->times_ns + samples->n, piece->times_ns, piece->n * sizeof(int64_t));
        memcpy(samples->values + samples->n, piece->values, piece->n * sizeof(double));
        samples->n += piece->n;
        number = piece->next;
    }
    return lw_history_samples_sort(samples);
}

static enum lw_status writer_build(struct lw_history_writer *writer,
                                   struct lw_history_builder *builder, struct lw_error *reterr)
{
    struct lw_history *history = writer->history;
    struct lw_history_samples samples;
    enum lw_status status = order_extend(writer, reterr);

    lw_history_samples_init(&samples);
    for (size_t i = 0; i < history->n_order && status == LW_OK; i++) {
        uint32_t series = history->order[i];

        if (series >= writer->n_series || writer->chains[series].first == 0) {
            continue;
        }
        status = lw_history_builder_series(builder, series_name(history, series), reterr);
        if (status == LW_OK && (chain_gather(writer, series, &samples) != LW_OK ||
                                lw_history_builder_samples(builder, samples.times_ns,
                                                           samples.values, samples.n) != LW_OK)) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
        }
    }
    lw_history_samples_fini(&samples);
    return status;
}

enum lw_status lw_history_commit(struct lw_history_writer *writer, struct lw_error *reterr)
{
    struct lw_history *history = writer->history;
    struct lw_history_builder *builder = lw_history_builder_create(writer->first, writer->last, 0);
    struct lw_history_file *file = NULL;
    enum lw_status status = LW_OK;

    if (builder == NULL || lw_history_reserve(history, 0) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    if (status == LW_OK) {
        status = writer_build(writer, builder, reterr);
    }
    if (status == LW_OK) {
        status = lw_history_publish(history, builder, writer->first, writer->last, &file, reterr);
    }
    if (status == LW_OK) {
        /* Only this thread adds at the end; merging and dropping leave the end where it is. */
        lw_history_replace(history, SIZE_MAX, 0, file);
    }
    lw_history_builder_destroy(builder);
    lw_history_abandon(writer);
    return status;
}
