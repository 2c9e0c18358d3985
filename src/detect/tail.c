/*
 * Pooled histogram of incident peaks.
 *
 * The distribution beyond the largest peaks seen is taken for a power law with exponent 3: an incident of peak p is worth
 * (p / q)^3 incidents of q. It is the tail of the recipe this detector was measured with, heavier than exponential on purpose:
 * it promises too little rather than too much.
 */
#include "detect/tail.h"

#include "base/error.h"
#include "math/elementary.h"

#include <string.h>

#define TAIL_VERSION 1

void lw_tail_init(struct lw_tail *tail)
{
    memset(tail, 0, sizeof(*tail));
}

unsigned lw_tail_bin(double peak)
{
    double place;

    if (!(peak > LW_TAIL_LEAST)) {
        return 0;
    }
    place = lw_log(peak / LW_TAIL_LEAST) / LW_TAIL_BIN_LOG;
    return place < LW_TAIL_BINS - 1 ? (unsigned)place : LW_TAIL_BINS - 1;
}

void lw_tail_add(struct lw_tail *tail, const uint16_t counts[LW_TAIL_BINS], uint64_t n_rows)
{
    tail->n_rows += n_rows;
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        uint32_t room = UINT32_MAX - tail->counts[i];

        tail->counts[i] += counts[i] < room ? counts[i] : room;
    }
}

void lw_tail_merge(struct lw_tail *tail, const struct lw_tail *other)
{
    tail->n_rows += other->n_rows;
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        uint32_t room = UINT32_MAX - tail->counts[i];

        tail->counts[i] += other->counts[i] < room ? other->counts[i] : room;
    }
}

/* Worth of one incident in a bin, in incidents of q: 1 from q on, (middle of the bin / q)^3 below. */
static double tail_share(unsigned bin, double place)
{
    double below = ((double)bin + 0.5 - place) * LW_TAIL_BIN_LOG;

    return below >= 0.0 ? 1.0 : lw_exp(3.0 * below);
}

static double tail_place(double q)
{
    return lw_log((q > LW_TAIL_LEAST ? q : LW_TAIL_LEAST) / LW_TAIL_LEAST) / LW_TAIL_BIN_LOG;
}

double lw_tail_count(const uint16_t counts[LW_TAIL_BINS], double q)
{
    double place = tail_place(q);
    double sum = 0.0;

    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (counts[i] > 0) {
            sum += (double)counts[i] * tail_share(i, place);
        }
    }
    return sum;
}

double lw_tail_rate(const struct lw_tail *tail, double q)
{
    double place = tail_place(q);
    double sum = tail_share(0, place);

    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (tail->counts[i] > 0) {
            sum += (double)tail->counts[i] * tail_share(i, place);
        }
    }
    return sum / ((double)tail->n_rows + 1.0);
}

void lw_tail_save(const struct lw_tail *tail, struct lw_writer *writer)
{
    lw_write_u16(writer, TAIL_VERSION);
    lw_write_u64(writer, tail->n_rows);
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        lw_write_u32(writer, tail->counts[i]);
    }
}

enum lw_status lw_tail_load(struct lw_tail *ret_tail, struct lw_reader *reader, struct lw_error *reterr)
{
    struct lw_tail tail;
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != TAIL_VERSION) {
        return lw_error_set(reterr, LW_EVERSION, "incident tail of version %u; this one reads version %d", version,
                            TAIL_VERSION);
    }
    tail.n_rows = lw_read_u64(reader);
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        tail.counts[i] = lw_read_u32(reader);
    }
    if (reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "incident tail ends after %zu bytes", reader->n_bytes);
    }
    *ret_tail = tail;
    return LW_OK;
}
