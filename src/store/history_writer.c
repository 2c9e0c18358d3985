/*
 * Samples in the order of the journal, sorted into series and made a file, in bounded memory.
 *
 * The source is read several times. First the samples of each series are counted; then the series,
 * in the order of their names, are taken as many at a time as have room, and each reading puts the
 * samples of these in their places: a counting sort, a stretch of names at a time. What a stretch
 * becomes is written before the next is read. The order of names is kept from file to file, and
 * only new names are sorted.
 *
 * A series with more samples than there is room for is taken in parts: `skip` samples of it were
 * taken by readings before. So are parts beyond PART_SAMPLES, which bounds what sorting late ones
 * takes; a reader merges a series' chunks by time whatever their order.
 */
#include "store/history_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Samples of one stretch: at least, and of each series that has any in the file. */
#define ROOM_SAMPLES ((uint64_t)1 << 19)
#define ROOM_A_SERIES 17
#define PART_SAMPLES ((size_t)1 << 17)
#define NAMES_AT_ONCE 64
#define SAMPLE_BYTES (sizeof(int64_t) + sizeof(double))
/* A place that no sample has: not of this stretch. Before 0 a series' skipped ones count up. */
#define NOWHERE ((uint32_t)1 << 31)

/* The series from place `begin` to `end` in the order of names. */
struct stretch {
    size_t begin, end;
    uint64_t skip; /* Samples of the first series taken already; then it is the only one. */
    uint64_t n;    /* Samples that it takes. */
};

struct writer {
    struct lw_history *history;
    struct lw_history_builder *builder;
    uint32_t *counts; /* [n_series] samples by number. */
    uint32_t *places; /* [n_series] where the next sample of a series goes. */
    size_t n_series, n_present;
    uint64_t n_points, n_room;
    void *room; /* n_room times, then as many values. */
    int64_t *times_ns;
    double *values;
};

/* ---- counting ---- */

static enum lw_status counts_grow(struct writer *writer, uint32_t series, struct lw_error *reterr)
{
    size_t wanted = (size_t)series + series / 8 + 64;
    uint32_t *counts;

    if (series >= LW_HISTORY_SERIES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "series number %u; history keeps those below %u",
                            series, LW_HISTORY_SERIES_MAX);
    }
    counts = lw_mem_realloc(writer->counts, wanted * sizeof(uint32_t));
    if (counts == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series of a history file",
                            wanted);
    }
    memset(counts + writer->n_series, 0, (wanted - writer->n_series) * sizeof(uint32_t));
    writer->counts = counts;
    writer->n_series = wanted;
    return LW_OK;
}

static enum lw_status count_points(void *context, const struct lw_history_input *points, size_t n,
                                   struct lw_error *reterr)
{
    struct writer *writer = context;

    if (n > LW_HISTORY_POINTS_MAX - writer->n_points) {
        return lw_error_set(reterr, LW_ELIMIT, "a history file is made of at most %zu samples",
                            LW_HISTORY_POINTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t series = points[i].series;

        if (series >= writer->n_series) {
            enum lw_status status = counts_grow(writer, series, reterr);

            if (status != LW_OK) {
                return status;
            }
        }
        writer->n_present += writer->counts[series] == 0;
        writer->counts[series]++;
    }
    writer->n_points += n;
    return LW_OK;
}

/* ---- the order of names ---- */

/* A number and its name, for sorting. */
struct named {
    struct lw_history_name name;
    uint32_t series;
};

static int compare_texts(const struct lw_history_name *a, const struct lw_history_name *b)
{
    int order = memcmp(a->text, b->text, a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes);

    return order != 0 ? order : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static int compare_named(const void *a, const void *b)
{
    return compare_texts(&((const struct named *)a)->name, &((const struct named *)b)->name);
}

static struct lw_history_name name_at(const struct lw_history *history, size_t place)
{
    struct lw_history_name name;

    history->config.names(history->config.context, &history->order[place], 1, &name);
    return name;
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

/* The first place at or behind `from` whose name is not below: by steps that double, then halves.
 */
static size_t order_find(const struct lw_history *history, size_t from,
                         const struct lw_history_name *name)
{
    size_t low = from, high = from, step = 1;

    while (high < history->n_order) {
        struct lw_history_name other = name_at(history, high);

        if (compare_texts(&other, name) >= 0) {
            break;
        }
        low = high + 1;
        high += step;
        step *= 2;
    }
    high = high < history->n_order ? high : history->n_order;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct lw_history_name other = name_at(history, middle);

        if (compare_texts(&other, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Sorts new names into the order. */
static enum lw_status order_merge(struct lw_history *history, struct named *fresh, size_t n_fresh)
{
    uint32_t *order = lw_mem_alloc((history->n_order + n_fresh) * sizeof(uint32_t));
    size_t at = 0, n = 0;

    if (order == NULL) {
        return LW_ENOMEM;
    }
    qsort(fresh, n_fresh, sizeof(*fresh), compare_named);
    for (size_t i = 0; i < n_fresh; i++) {
        size_t place = order_find(history, at, &fresh[i].name);

        for (; at < place; at++) {
            order[n++] = history->order[at];
        }
        order[n++] = fresh[i].series;
        history->known[fresh[i].series] = 1;
    }
    for (; at < history->n_order; at++) {
        order[n++] = history->order[at];
    }
    lw_mem_free(history->order);
    history->order = order;
    history->n_order = n;
    return LW_OK;
}

static bool is_fresh(const struct writer *writer, size_t series)
{
    return writer->counts[series] > 0 && !writer->history->known[series];
}

/* Takes the numbers of the file into the order. */
static enum lw_status order_extend(struct writer *writer, struct lw_error *reterr)
{
    struct lw_history *history = writer->history;
    struct named *fresh = NULL;
    size_t n_fresh = 0, n = 0;
    enum lw_status status = known_grow(history, writer->n_series);

    for (size_t series = 0; series < writer->n_series && status == LW_OK; series++) {
        n_fresh += is_fresh(writer, series);
    }
    if (n_fresh > 0) {
        fresh = lw_mem_alloc(n_fresh * sizeof(*fresh));
        status = fresh == NULL ? LW_ENOMEM : LW_OK;
    }
    for (size_t series = 0; n < n_fresh && status == LW_OK; series++) {
        if (is_fresh(writer, series)) {
            fresh[n].series = (uint32_t)series;
            history->config.names(history->config.context, &fresh[n].series, 1, &fresh[n].name);
            if (fresh[n].name.text == NULL) {
                status = lw_error_set(reterr, LW_EINVAL, "series number %zu has no name", series);
            }
            n++;
        }
    }
    if (status == LW_OK && n_fresh > 0) {
        status = order_merge(history, fresh, n_fresh);
    }
    lw_mem_free(fresh);
    return status == LW_ENOMEM ? lw_error_set(reterr, status, "no memory to sort names") : status;
}

/* ---- a stretch of names ---- */

static uint64_t count_at(const struct writer *writer, size_t place)
{
    uint32_t series = writer->history->order[place];

    return series < writer->n_series ? writer->counts[series] : 0;
}

/* The one that follows; false when all names are done. Its samples get their places. */
static bool stretch_next(struct writer *writer, struct stretch *stretch)
{
    const uint32_t *order = writer->history->order;
    bool parted = stretch->n > 0 && stretch->skip + stretch->n < count_at(writer, stretch->begin) &&
                  stretch->end == stretch->begin + 1;

    for (size_t i = 0; i < writer->n_series; i++) {
        writer->places[i] = NOWHERE;
    }
    stretch->skip = parted ? stretch->skip + stretch->n : 0;
    stretch->begin = parted ? stretch->begin : stretch->end;
    stretch->n = 0;
    for (stretch->end = stretch->begin; stretch->end < writer->history->n_order; stretch->end++) {
        uint64_t count = count_at(writer, stretch->end);

        if (count > writer->n_room - stretch->n) {
            break;
        }
        if (count > 0) {
            writer->places[order[stretch->end]] = (uint32_t)stretch->n;
            stretch->n += count;
        }
    }
    if (stretch->n == 0 && stretch->end < writer->history->n_order) { /* It alone has no room. */
        uint64_t left = count_at(writer, stretch->end) - stretch->skip;

        stretch->begin = stretch->end++;
        stretch->n = left < writer->n_room ? left : writer->n_room;
        writer->places[order[stretch->begin]] = (uint32_t)(0 - stretch->skip);
    }
    return stretch->n > 0;
}

static enum lw_status place_points(void *context, const struct lw_history_input *points, size_t n,
                                   struct lw_error *reterr)
{
    struct writer *writer = context;

    for (size_t i = 0; i < n; i++) {
        uint32_t series = points[i].series, place;

        if (series >= writer->n_series) {
            return lw_error_set(reterr, LW_EFORMAT, "a series came that was not counted before");
        }
        place = writer->places[series];
        if (place == NOWHERE) {
            continue;
        }
        writer->places[series] = place + 1;
        if (place < writer->n_room) {
            writer->times_ns[place] = points[i].time_ns;
            writer->values[place] = points[i].value;
        }
    }
    return LW_OK;
}

/* ---- the file ---- */

/* One series' samples of the stretch, from place `at` on. */
static enum lw_status series_write(struct writer *writer, const struct lw_history_name *name,
                                   bool is_new, uint64_t at, size_t n, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (is_new) {
        status = lw_history_builder_series(writer->builder, name->text, name->n_bytes, reterr);
    }
    for (size_t done = 0; done < n && status == LW_OK;) {
        size_t n_part = n - done < PART_SAMPLES ? n - done : PART_SAMPLES;
        struct lw_history_samples part = {.times_ns = writer->times_ns + at + done,
                                          .values = writer->values + at + done,
                                          .n = n_part,
                                          .capacity = n_part};

        if (lw_history_samples_sort(&part) != LW_OK) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to sort %zu samples", n_part);
        }
        status = lw_history_builder_samples(writer->builder, part.times_ns, part.values, part.n,
                                            reterr);
        done += n_part;
    }
    return status;
}

/* Every series of the stretch; names are asked for many at a time. */
static enum lw_status stretch_write(struct writer *writer, const struct stretch *stretch,
                                    struct lw_error *reterr)
{
    struct lw_history *history = writer->history;
    uint64_t at = 0;
    enum lw_status status = LW_OK;

    for (size_t place = stretch->begin; place < stretch->end && status == LW_OK;) {
        uint32_t numbers[NAMES_AT_ONCE];
        struct lw_history_name names[NAMES_AT_ONCE];
        size_t n = 0;

        for (; place < stretch->end && n < NAMES_AT_ONCE; place++) {
            if (count_at(writer, place) > 0) {
                numbers[n++] = history->order[place];
            }
        }
        history->config.names(history->config.context, numbers, n, names);
        for (size_t i = 0; i < n && status == LW_OK; i++) {
            uint64_t count = writer->counts[numbers[i]];
            uint64_t taken = count < stretch->n ? count : stretch->n;

            if (writer->places[numbers[i]] != (uint32_t)(at + count - stretch->skip)) {
                return lw_error_set(reterr, LW_EFORMAT,
                                    "a series has other samples than were counted before");
            }
            status = series_write(writer, &names[i], stretch->skip == 0, at, (size_t)taken, reterr);
            at += taken;
        }
    }
    return status;
}

static enum lw_status writer_alloc(struct writer *writer, struct lw_error *reterr)
{
    uint64_t n_room = ROOM_A_SERIES * (uint64_t)writer->n_present;

    n_room = n_room > ROOM_SAMPLES ? n_room : ROOM_SAMPLES;
    writer->n_room = n_room < writer->n_points ? n_room : writer->n_points + 1;
    writer->places = lw_mem_alloc((writer->n_series + 1) * sizeof(uint32_t));
    writer->room = lw_mem_alloc_pages((size_t)writer->n_room * SAMPLE_BYTES);
    if (writer->places == NULL || writer->room == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %llu samples of a history file",
                            (unsigned long long)writer->n_room);
    }
    writer->times_ns = writer->room;
    writer->values = (double *)(void *)(writer->times_ns + writer->n_room);
    return order_extend(writer, reterr);
}

static enum lw_status writer_run(struct writer *writer, const struct lw_history_source *source,
                                 struct lw_error *reterr)
{
    const struct lw_history_taker counter = {count_points, writer}, placer = {place_points, writer};
    struct stretch stretch = {0};
    enum lw_status status = source->read(source->context, &counter, reterr);

    if (status == LW_OK) {
        status = writer_alloc(writer, reterr);
    }
    while (status == LW_OK && stretch_next(writer, &stretch)) {
        status = source->read(source->context, &placer, reterr);
        if (status == LW_OK) {
            status = stretch_write(writer, &stretch, reterr);
        }
    }
    return status;
}

/* Whether a file of these numbers may be made. */
static enum lw_status range_check(const struct lw_history *history, uint64_t first, uint64_t last,
                                  struct lw_error *reterr)
{
    uint64_t covered = lw_history_covered(history);

    if (last < first || (first <= covered && last > covered)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "history of the journal's records %llu to %llu cannot begin: it covers "
                            "up to %llu",
                            (unsigned long long)first, (unsigned long long)last,
                            (unsigned long long)covered);
    }
    return last > covered
               ? LW_OK
               : lw_error_set(reterr, LW_EEXIST, "history covers the journal up to %llu already",
                              (unsigned long long)covered);
}

enum lw_status lw_history_write(struct lw_history *history, uint64_t first, uint64_t last,
                                const struct lw_history_source *source, struct lw_error *reterr)
{
    struct writer writer = {.history = history};
    struct lw_history_output *output = NULL;
    struct lw_history_file *file = NULL;
    enum lw_status status = range_check(history, first, last, reterr);

    if (status == LW_OK && lw_history_reserve(history, 0) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    if (status == LW_OK) {
        status = lw_history_output_open(history, &(struct lw_history_range){first, last, 0},
                                        &output, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    writer.builder = lw_history_output_builder(output);
    status = writer_run(&writer, source, reterr);
    if (status == LW_OK) {
        status = lw_history_output_publish(output, &file, reterr);
    }
    if (status == LW_OK) {
        /* Only this thread adds at the end; merging and dropping leave the end where it is. */
        lw_history_replace(history, SIZE_MAX, 0, file);
    }
    lw_history_output_close(output);
    lw_mem_free_pages(writer.room, (size_t)writer.n_room * SAMPLE_BYTES);
    lw_mem_free(writer.places);
    lw_mem_free(writer.counts);
    return status;
}
