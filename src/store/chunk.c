/*
 * Doubles and times made whole numbers: see store/chunk.h.
 *
 * Values are written the shortest of four ways; the first byte says which.
 *
 * DECIMAL     most measurements were decimals of few digits once: value = number / 10^k, where the
 *             division, correctly rounded, must give the very same bits. What does not fit (NaN,
 * -0, a few longer ones) is an exception, kept beside by its place; the number there repeats the
 * one before. BITS        the bits of the double as a number, without the trailing zeros that all
 * have in common. Differences of neighbours take the place of the exclusive or of Gorilla (Pelkonen
 * et al., VLDB 2015): as short, and not longer where a power of two is crossed. DICTIONARY  few
 * distinct values (ratios of small counts): the values in ascending order, coded as a chunk of its
 * own, then the place of each. RAW         8 bytes each, where nothing helps.
 *
 * Which is shortest is estimated from the lengths of residuals, not tried: that halves the time.
 */
#include "store/chunk.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_DECIMAL, VALUES_BITS, VALUES_DICTIONARY, VALUES_RAW };

#define SCALE_MAX 15
#define PROBES 32
#define PROBES_FEW 8
#define DISTINCT_MAX 512
#define DISTINCT_SLOTS 2048
#define ROUNDER 0x1.8p52  /* Adding and subtracting it rounds to a whole number. */
#define NUMBER_MAX 0x1p51 /* Below it, that works, and the division is exact again. */
#define EXCEPTIONS_SHARE 16

static const double SCALES[SCALE_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double bits_to(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* ---- times ---- */

void lw_chunk_times_write(struct lw_chunk_coder *coder, const int64_t *times_ns, size_t n,
                          struct lw_writer *writer)
{
    struct lw_chunk_plan plan;
    int64_t *numbers = lw_chunk_coder_numbers(coder);

    assert(n > 0 && n <= LW_CHUNK_SAMPLES_MAX);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (int64_t)((uint64_t)times_ns[i] - (uint64_t)times_ns[0]);
    }
    lw_write_varint(writer, n);
    lw_write_signed(writer, times_ns[0]);
    lw_write_varint(writer, (uint64_t)numbers[n - 1]);
    lw_chunk_plan(coder, numbers, n, &plan);
    lw_chunk_numbers_write(coder, &plan, numbers, n, writer);
}

enum lw_status lw_chunk_span_read(struct lw_reader *reader, struct lw_chunk_span *ret_span)
{
    uint64_t n = lw_read_varint(reader);
    int64_t first = lw_read_signed(reader);
    int64_t last = (int64_t)((uint64_t)first + lw_read_varint(reader));

    if (reader->status != LW_OK || n == 0 || n > LW_CHUNK_SAMPLES_MAX || last < first) {
        return LW_EFORMAT;
    }
    ret_span->n = (size_t)n;
    ret_span->first_ns = first;
    ret_span->last_ns = last;
    return LW_OK;
}

enum lw_status lw_chunk_times_read(struct lw_reader *reader, struct lw_chunk_span *ret_span,
                                   int64_t *ret_times_ns)
{
    struct lw_chunk_span span;

    if (lw_chunk_span_read(reader, &span) != LW_OK ||
        lw_chunk_numbers_read(reader, span.n, ret_times_ns) != LW_OK) {
        return LW_EFORMAT;
    }
    for (size_t i = 0; i < span.n; i++) {
        ret_times_ns[i] = (int64_t)((uint64_t)ret_times_ns[i] + (uint64_t)span.first_ns);
        if (i > 0 && ret_times_ns[i] < ret_times_ns[i - 1]) {
            return LW_EFORMAT;
        }
    }
    if (ret_times_ns[0] != span.first_ns || ret_times_ns[span.n - 1] != span.last_ns) {
        return LW_EFORMAT;
    }
    *ret_span = span;
    return LW_OK;
}

/* How values are written. */
struct choice {
    unsigned way, scale_or_shift;
    size_t n_exceptions;
    struct lw_chunk_plan plan;
};

/* ---- values as decimals ---- */

/* The number that divided by 10^scale is the value; false where there is none. */
static inline bool decimal_of(double value, unsigned scale, int64_t *ret_number)
{
    double scaled = value * SCALES[scale];
    double whole;

    if (!(scaled > -NUMBER_MAX && scaled < NUMBER_MAX)) {
        return false;
    }
    whole = (scaled + ROUNDER) - ROUNDER;
    *ret_number = (int64_t)whole;
    return bits_of((double)*ret_number / SCALES[scale]) == bits_of(value);
}

/* The smallest scale a value needs; SCALE_MAX + 1 where none will do. */
static unsigned decimal_scale(double value)
{
    int64_t number;
    unsigned scale = 0;

    while (scale <= SCALE_MAX && !decimal_of(value, scale, &number)) {
        scale++;
    }
    return scale;
}

/*
 * Two candidates: what all but a few of the probes need, and what the neediest does. Where values
 * are no decimals, both are SCALE_MAX + 1: that is the slow answer, and so a few probes from all
 * over the chunk settle it.
 */
static void scales_probe(const double *values, size_t n, unsigned ret_scales[2])
{
    unsigned counts[SCALE_MAX + 2] = {0}, n_fit = 0, seen = 0;
    size_t n_probes = n >= 8 * PROBES ? PROBES : n < PROBES_FEW ? n : PROBES_FEW;

    ret_scales[0] = ret_scales[1] = SCALE_MAX + 1;
    for (size_t i = 0; i < n_probes; i++) {
        unsigned scale = decimal_scale(values[i * 5 % n_probes * n / n_probes]);

        counts[scale]++;
        n_fit += scale <= SCALE_MAX;
        if (i + 1 == PROBES_FEW / 2 && n_fit == 0) {
            return;
        }
    }
    if (n_fit * 2 < n_probes) {
        return;
    }
    for (unsigned scale = 0; scale <= SCALE_MAX; scale++) {
        if (counts[scale] > 0) {
            ret_scales[0] = seen == 0 || seen + n_probes / EXCEPTIONS_SHARE < n_fit ? scale
                                                                                    : ret_scales[0];
            ret_scales[1] = scale;
        }
        seen += counts[scale];
    }
}

/* False where there are too many exceptions. */
static bool decimals_of(const double *values, size_t n, unsigned scale, int64_t *ret_numbers,
                        size_t *ret_n_exceptions)
{
    size_t limit = n / EXCEPTIONS_SHARE + 1, n_exceptions = 0;
    int64_t last = 0;

    for (size_t i = 0; i < n; i++) {
        if (decimal_of(values[i], scale, &ret_numbers[i])) {
            last = ret_numbers[i];
        } else if (n_exceptions++ == limit) {
            return false;
        } else {
            ret_numbers[i] = last;
        }
    }
    *ret_n_exceptions = n_exceptions;
    return true;
}

static void exceptions_write(const double *values, size_t n, const struct choice *choice,
                             const int64_t *numbers, struct lw_writer *writer)
{
    size_t last = 0;

    lw_write_varint(writer, choice->n_exceptions);
    for (size_t i = 0; i < n && choice->n_exceptions > 0; i++) {
        if (bits_of((double)numbers[i] / SCALES[choice->scale_or_shift]) != bits_of(values[i])) {
            lw_write_varint(writer, i - last);
            lw_write_u64(writer, bits_of(values[i]));
            last = i;
        }
    }
}

/* ---- values as bits ---- */

static unsigned bits_shift(const double *values, size_t n)
{
    uint64_t all = 0;

    for (size_t i = 0; i < n; i++) {
        all |= bits_of(values[i]);
    }
    return all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
}

static void bits_numbers(const double *values, size_t n, unsigned shift, int64_t *ret_numbers)
{
    for (size_t i = 0; i < n; i++) {
        ret_numbers[i] = (int64_t)(bits_of(values[i]) >> shift);
    }
}

/* ---- values as places in a dictionary ---- */

struct dictionary {
    double values[DISTINCT_MAX];
    size_t n;
    uint16_t slots[DISTINCT_SLOTS]; /* Place + 1, by hash of the bits. */
};

static size_t dictionary_slot(const struct dictionary *dictionary, uint64_t bits)
{
    size_t slot = (size_t)((bits * 0x9E3779B97F4A7C15u) >> 53);

    _Static_assert(DISTINCT_SLOTS == 1 << 11, "53 = 64 - 11");
    while (dictionary->slots[slot] != 0 &&
           bits_of(dictionary->values[dictionary->slots[slot] - 1]) != bits) {
        slot = (slot + 1) % DISTINCT_SLOTS;
    }
    return slot;
}

static int compare_bits(const void *a, const void *b)
{
    uint64_t x = bits_of(*(const double *)a), y = bits_of(*(const double *)b);

    return (x > y) - (x < y);
}

/* False where values hardly repeat: more than one in eight is new. */
static bool dictionary_fill(struct dictionary *dictionary, const double *values, size_t n)
{
    size_t limit = n / 8 < DISTINCT_MAX ? n / 8 : DISTINCT_MAX;

    memset(dictionary->slots, 0, sizeof(dictionary->slots));
    dictionary->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t slot = dictionary_slot(dictionary, bits_of(values[i]));

        if (dictionary->slots[slot] == 0) {
            if (dictionary->n == limit) {
                return false;
            }
            dictionary->values[dictionary->n++] = values[i];
            dictionary->slots[slot] = (uint16_t)dictionary->n;
        }
        if (i == 255 && dictionary->n > 160) {
            return false;
        }
    }
    return true;
}

/* Bits make an order too: of the same sign it is that of the values. */
static void dictionary_sort(struct dictionary *dictionary)
{
    qsort(dictionary->values, dictionary->n, sizeof(dictionary->values[0]), compare_bits);
    memset(dictionary->slots, 0, sizeof(dictionary->slots));
    for (size_t i = 0; i < dictionary->n; i++) {
        dictionary->slots[dictionary_slot(dictionary, bits_of(dictionary->values[i]))] =
            (uint16_t)(i + 1);
    }
}

static void dictionary_places(const struct dictionary *dictionary, const double *values, size_t n,
                              int64_t *ret_numbers)
{
    for (size_t i = 0; i < n; i++) {
        ret_numbers[i] = dictionary->slots[dictionary_slot(dictionary, bits_of(values[i]))] - 1;
    }
}

/* ---- the choice ---- */

static void choose_plain(struct lw_chunk_coder *coder, const double *values, size_t n,
                         struct choice *ret_choice)
{
    int64_t *numbers = lw_chunk_coder_numbers(coder);
    unsigned scales[2];

    scales_probe(values, n, scales);
    for (size_t i = 0; i < 2 && scales[i] <= SCALE_MAX; i++) {
        if (decimals_of(values, n, scales[i], numbers, &ret_choice->n_exceptions)) {
            ret_choice->way = VALUES_DECIMAL;
            ret_choice->scale_or_shift = scales[i];
            lw_chunk_plan(coder, numbers, n, &ret_choice->plan);
            return;
        }
    }
    ret_choice->way = VALUES_BITS;
    ret_choice->scale_or_shift = bits_shift(values, n);
    bits_numbers(values, n, ret_choice->scale_or_shift, numbers);
    lw_chunk_plan(coder, numbers, n, &ret_choice->plan);
}

/* The coder's numbers are those of the choice. */
static void plain_write(struct lw_chunk_coder *coder, const double *values, size_t n,
                        const struct choice *choice, struct lw_writer *writer)
{
    int64_t *numbers = lw_chunk_coder_numbers(coder);
    unsigned by = choice->scale_or_shift;

    if (choice->way == VALUES_BITS && choice->plan.n_bits >= 64 * n && n > 1) {
        lw_write_u8(writer, VALUES_RAW);
        lw_write_f64s(writer, values, n);
        return;
    }
    lw_write_u8(writer, (uint8_t)choice->way);
    lw_write_u8(writer, (uint8_t)by);
    if (choice->way == VALUES_DECIMAL) {
        exceptions_write(values, n, choice, numbers, writer);
    }
    lw_chunk_numbers_write(coder, &choice->plan, numbers, n, writer);
}

/* Writes the length of what plain_write() makes in front of it: a u32, patched in behind. */
static void dictionary_write(struct lw_chunk_coder *coder, const struct dictionary *dictionary,
                             struct lw_writer *writer)
{
    struct choice choice;
    size_t at = writer->n_bytes;
    uint32_t n_bytes;

    lw_write_u32(writer, 0);
    choose_plain(coder, dictionary->values, dictionary->n, &choice);
    plain_write(coder, dictionary->values, dictionary->n, &choice, writer);
    if (writer->status == LW_OK) {
        n_bytes = (uint32_t)(writer->n_bytes - at - 4);
        for (size_t i = 0; i < 4; i++) {
            writer->data[at + i] = (uint8_t)(n_bytes >> (8 * i));
        }
    }
}

void lw_chunk_values_write(struct lw_chunk_coder *coder, const double *values, size_t n,
                           struct lw_writer *writer)
{
    struct dictionary dictionary;
    struct choice choice;
    struct lw_chunk_plan plan;
    int64_t *numbers = lw_chunk_coder_numbers(coder);

    assert(n > 0 && n <= LW_CHUNK_SAMPLES_MAX);
    choose_plain(coder, values, n, &choice);
    if (choice.plan.n_bits > 8 * n && dictionary_fill(&dictionary, values, n)) {
        dictionary_sort(&dictionary);
        dictionary_places(&dictionary, values, n, numbers);
        lw_chunk_plan(coder, numbers, n, &plan);
        if (plan.n_bits + dictionary.n * 24 < choice.plan.n_bits) {
            lw_write_u8(writer, VALUES_DICTIONARY);
            lw_write_varint(writer, dictionary.n);
            dictionary_write(coder, &dictionary, writer);
            dictionary_places(&dictionary, values, n, numbers);
            lw_chunk_numbers_write(coder, &plan, numbers, n, writer);
            return;
        }
        choose_plain(coder, values, n, &choice); /* Its numbers once more. */
    }
    plain_write(coder, values, n, &choice, writer);
}

/* ---- reading ---- */

static enum lw_status decimals_read(struct lw_chunk_coder *coder, struct lw_reader *reader,
                                    size_t n, double *ret_values)
{
    int64_t *numbers = lw_chunk_coder_numbers(coder);
    unsigned scale = lw_read_u8(reader);
    uint64_t n_exceptions = lw_read_varint(reader), at = 0;
    struct lw_reader exceptions = *reader;

    if (scale > SCALE_MAX || n_exceptions > n) {
        return LW_EFORMAT;
    }
    for (uint64_t i = 0; i < n_exceptions; i++) {
        uint64_t step = lw_read_varint(reader);

        (void)lw_read_u64(reader);
        at = step < n ? at + step : n;
        if (at >= n || reader->status != LW_OK) {
            return LW_EFORMAT;
        }
    }
    if (lw_chunk_numbers_read(reader, n, numbers) != LW_OK) {
        return LW_EFORMAT;
    }
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = (double)numbers[i] / SCALES[scale];
    }
    at = 0;
    for (uint64_t i = 0; i < n_exceptions; i++) {
        at += lw_read_varint(&exceptions);
        ret_values[at] = bits_to(lw_read_u64(&exceptions));
    }
    return LW_OK;
}

static enum lw_status bits_read(struct lw_chunk_coder *coder, struct lw_reader *reader, size_t n,
                                double *ret_values)
{
    int64_t *numbers = lw_chunk_coder_numbers(coder);
    unsigned shift = lw_read_u8(reader);

    if (shift > 63 || lw_chunk_numbers_read(reader, n, numbers) != LW_OK) {
        return LW_EFORMAT;
    }
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = bits_to((uint64_t)numbers[i] << shift);
    }
    return LW_OK;
}

/* Everything but a dictionary. */
static enum lw_status plain_read(struct lw_chunk_coder *coder, unsigned way,
                                 struct lw_reader *reader, size_t n, double *ret_values)
{
    switch (way) {
    case VALUES_DECIMAL:
        return decimals_read(coder, reader, n, ret_values);
    case VALUES_BITS:
        return bits_read(coder, reader, n, ret_values);
    case VALUES_RAW:
        if (lw_reader_left(reader) != n * sizeof(double)) {
            return LW_EFORMAT;
        }
        lw_read_f64s(reader, ret_values, n);
        return reader->status;
    default:
        return LW_EFORMAT;
    }
}

static enum lw_status dictionary_read(struct lw_chunk_coder *coder, struct lw_reader *reader,
                                      size_t n, double *ret_values)
{
    int64_t *numbers = lw_chunk_coder_numbers(coder);
    double distinct[DISTINCT_MAX];
    struct lw_reader inner;
    uint64_t n_distinct = lw_read_varint(reader);
    uint32_t n_bytes = lw_read_u32(reader);

    if (reader->status != LW_OK || n_distinct == 0 || n_distinct > DISTINCT_MAX || n_bytes == 0 ||
        n_bytes > lw_reader_left(reader)) {
        return LW_EFORMAT;
    }
    lw_reader_init(&inner, lw_read_view(reader, n_bytes), n_bytes);
    if (plain_read(coder, lw_read_u8(&inner), &inner, (size_t)n_distinct, distinct) != LW_OK ||
        lw_chunk_numbers_read(reader, n, numbers) != LW_OK) {
        return LW_EFORMAT;
    }
    for (size_t i = 0; i < n; i++) {
        if ((uint64_t)numbers[i] >= n_distinct) {
            return LW_EFORMAT;
        }
        ret_values[i] = distinct[numbers[i]];
    }
    return LW_OK;
}

enum lw_status lw_chunk_values_read(struct lw_chunk_coder *coder, struct lw_reader *reader,
                                    size_t n, double *ret_values)
{
    unsigned way = lw_read_u8(reader);

    if (n == 0 || n > LW_CHUNK_SAMPLES_MAX) {
        return LW_EFORMAT;
    }
    return way == VALUES_DICTIONARY ? dictionary_read(coder, reader, n, ret_values)
                                    : plain_read(coder, way, reader, n, ret_values);
}
