/*
 * Histograms of incident peaks, of one series or pooled.
 *
 * An incident of peak p is worth (p / q)^a incidents of q > p: a power law, whose exponent a is
 * Hill's estimate over all peaks, drawn towards 3. The sum over all incidents overstates how many
 * of q there are (of N with a power law's tail beyond u it counts 1 + a ln(q / u) times as many as
 * lie beyond q, and above the largest seen it never reaches 0): it errs to silence, by a factor
 * that callers may correct for.
 *
 * Source: Hill, "A simple general approach to inference about the tail of a distribution", Annals
 * of Statistics 3, 1975. We depart from it: all peaks above the least are used, and the estimate is
 * held between 1.5 and 8.
 */
#include "detect/tail.h"

#include "base/error.h"
#include "math/elementary.h"

#include <string.h>

#define TAIL_VERSION 1
#define TAIL_PRIOR_COUNT 10.0
#define TAIL_PRIOR_EXPONENT 3.0
#define TAIL_EXPONENT_LEAST 1.5
#define TAIL_EXPONENT_MOST 8.0

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

static double tail_place(double q)
{
    return lw_log((q > LW_TAIL_LEAST ? q : LW_TAIL_LEAST) / LW_TAIL_LEAST) / LW_TAIL_BIN_LOG;
}

/*
 * Counts by bin in, the number of incidents of q they are worth out: 1 each from q on, (middle of
 * the bin / q)^exponent below. log_sum: of counts times the logarithm of the bin's middle over the
 * least.
 */
struct tail_sum {
    double count, log_sum;
};

static void tail_sum_add(struct tail_sum *sum, unsigned bin, double count)
{
    sum->count += count;
    sum->log_sum += count * ((double)bin + 0.5) * LW_TAIL_BIN_LOG;
}

/* Hill's estimate, drawn towards 3 as by 10 incidents that have it. */
static double tail_exponent(const struct tail_sum *sum)
{
    double exponent = (TAIL_PRIOR_COUNT + sum->count) /
                      (TAIL_PRIOR_COUNT / TAIL_PRIOR_EXPONENT + sum->log_sum);

    return exponent < TAIL_EXPONENT_LEAST
               ? TAIL_EXPONENT_LEAST
               : (exponent > TAIL_EXPONENT_MOST ? TAIL_EXPONENT_MOST : exponent);
}

/* Worth of one incident in a bin, for q at place. Powers of e^-(step exponent) would do; it is
 * asked for few rows. */
static double tail_share(unsigned bin, double place, double exponent)
{
    double below = ((double)bin + 0.5 - place) * LW_TAIL_BIN_LOG;

    return below >= 0.0 ? 1.0 : lw_exp(exponent * below);
}

double lw_tail_count(const uint16_t counts[LW_TAIL_BINS], double q)
{
    struct tail_sum known = {0.0, 0.0};
    double place = tail_place(q), exponent, sum = 0.0;

    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (counts[i] > 0) {
            tail_sum_add(&known, i, (double)counts[i]);
        }
    }
    exponent = tail_exponent(&known);
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (counts[i] > 0) {
            sum += (double)counts[i] * tail_share(i, place, exponent);
        }
    }
    return sum;
}

double lw_tail_rate(const struct lw_tail *tail, double q)
{
    struct tail_sum known = {0.0, 0.0};
    double place = tail_place(q), exponent, sum;

    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (tail->counts[i] > 0) {
            tail_sum_add(&known, i, (double)tail->counts[i]);
        }
    }
    exponent = tail_exponent(&known);
    sum = tail_share(0, place, exponent);
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        if (tail->counts[i] > 0) {
            sum += (double)tail->counts[i] * tail_share(i, place, exponent);
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

enum lw_status lw_tail_load(struct lw_tail *ret_tail, struct lw_reader *reader,
                            struct lw_error *reterr)
{
    struct lw_tail tail;
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != TAIL_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "incident tail of version %u; this one reads version %d", version,
                            TAIL_VERSION);
    }
    tail.n_rows = lw_read_u64(reader);
    for (unsigned i = 0; i < LW_TAIL_BINS; i++) {
        tail.counts[i] = lw_read_u32(reader);
    }
    if (reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "incident tail ends after %zu bytes",
                            reader->n_bytes);
    }
    *ret_tail = tail;
    return LW_OK;
}
