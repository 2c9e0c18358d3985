/*
 * How often incidents this bad come by: a log histogram of incident peaks per row, pooled over the
 * series of a detector.
 *
 * One series' own history cannot know how rare one in 10,000 weeks is; all of them together can. A
 * series collects its own small histogram in the same bins; whoever owns the detector adds them up
 * now and then and hands an immutable copy back.
 */
#ifndef LW_DETECT_TAIL_H
#define LW_DETECT_TAIL_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stdint.h>

/* Bin i holds peaks from LW_TAIL_LEAST e^(0.15 i); the last one everything beyond (q never passes
 * 1e6). */
#define LW_TAIL_BINS 96
#define LW_TAIL_LEAST 3.0
#define LW_TAIL_BIN_LOG 0.15

struct lw_tail {
    uint64_t n_rows; /* Rows seen by all series together. */
    uint32_t counts[LW_TAIL_BINS];
};

void lw_tail_init(struct lw_tail *tail);
/* The bin of a peak of at least LW_TAIL_LEAST; smaller ones count into the first. */
unsigned lw_tail_bin(double peak);
/* Add one series' histogram, or what it gained, and the rows behind it. Counts saturate. */
void lw_tail_add(struct lw_tail *tail, const uint16_t counts[LW_TAIL_BINS], uint64_t n_rows);
/* Add another tail, as of another shard. */
void lw_tail_merge(struct lw_tail *tail, const struct lw_tail *other);
/*
 * Incidents at least as bad as q, expected in the rows behind a histogram: those counted above, and
 * of each lower one the share (peak / q)^a that a power law would send there; a is the histogram's
 * own exponent.
 */
double lw_tail_count(const uint16_t counts[LW_TAIL_BINS], double q);
/* The same per row for a pooled tail, with the share of an unseen incident added; never 0. */
double lw_tail_rate(const struct lw_tail *tail, double q);
void lw_tail_save(const struct lw_tail *tail, struct lw_writer *writer);
/* LW_EFORMAT when the bytes end early, LW_EVERSION when they are of another version; *ret_tail is
 * then untouched. */
enum lw_status lw_tail_load(struct lw_tail *ret_tail, struct lw_reader *reader,
                            struct lw_error *reterr) LW_MUST_USE;

#endif
