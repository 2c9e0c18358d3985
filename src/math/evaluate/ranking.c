/*
 * Areas under the curves of ROC and precision, and the best point F1.
 *
 * The rows are walked once in the order of falling scores; rows of equal score are one step, so no
 * order among them helps or harms. AUC-ROC is the chance that an anomalous row scores above
 * another, equal ones count half (Mann and Whitney 1947). AUC-PR is average precision, the sum of
 * precision times the step in recall: Davis and Goadrich ("The Relationship Between
 * Precision-Recall and ROC Curves", ICML 2006) show that straight lines between points of that
 * curve promise too much.
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define RANK_ENDS 1u     /* The last rank of its score. */
#define RANK_POSITIVE 2u /* A labelled row. */
#define RANK_BLOCK_SHIFT 2

struct keyed {
    double score;
    uint32_t row;
};

/* Merges two sorted runs; the left one goes first among equals. */
static void runs_merge(const struct keyed *left, size_t n_left, const struct keyed *right,
                       size_t n_right, struct keyed *ret_merged)
{
    size_t i = 0, j = 0, n = 0;

    while (i < n_left && j < n_right) {
        ret_merged[n++] = right[j].score > left[i].score ? right[j++] : left[i++];
    }
    memcpy(ret_merged + n, left + i, (n_left - i) * sizeof(*left));
    memcpy(ret_merged + n + (n_left - i), right + j, (n_right - j) * sizeof(*right));
}

enum lw_status lw_eval_order(const double *scores, uint32_t n, uint32_t *ret_order,
                             struct lw_error *reterr)
{
    struct keyed *from = lw_mem_calloc((size_t)n + 1, 2 * sizeof(*from));
    struct keyed *memory = from, *to;

    if (from == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to sort %u scores", n);
    }
    to = from + n;
    for (uint32_t i = 0; i < n; i++) {
        from[i] = (struct keyed){.score = scores[i], .row = i};
    }
    for (size_t width = 1; width < n; width *= 2) {
        struct keyed *other = from;

        for (size_t at = 0; at < n; at += 2 * width) {
            size_t n_left = n - at < width ? n - at : width;
            size_t n_right = n - at - n_left < width ? n - at - n_left : width;

            runs_merge(from + at, n_left, from + at + n_left, n_right, to + at);
        }
        from = to;
        to = other;
    }
    for (uint32_t i = 0; i < n; i++) {
        ret_order[i] = from[i].row;
    }
    lw_mem_free(memory);
    return LW_OK;
}

uint32_t lw_eval_block_of(const struct lw_eval_work *work, uint32_t row)
{
    uint32_t low = 0, high = work->n_blocks;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (work->block_starts[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void lw_eval_ranks(const struct lw_eval_work *work, uint32_t *ret_ranks)
{
    for (uint32_t i = 0; i < work->n; i++) {
        uint32_t row = work->order[i];
        bool is_end = i + 1 == work->n || work->scores[work->order[i + 1]] < work->scores[row];

        ret_ranks[i] = lw_eval_block_of(work, row) << RANK_BLOCK_SHIFT |
                       (work->labels[row] != 0 ? RANK_POSITIVE : 0) | (is_end ? RANK_ENDS : 0);
    }
}

void lw_eval_ranking_walk(const uint32_t *ranks, uint32_t n, const uint32_t *weights,
                          double ret_ranking[LW_EVAL_RANKING_N], uint32_t *ret_best_rank)
{
    uint64_t n_found = 0, n_false = 0, new_found = 0, new_false = 0, all[2] = {0, 0};
    double roc = 0.0, precision = 0.0, best = 0.0, positives;

    *ret_best_rank = 0;
    ret_ranking[LW_EVAL_AUC_ROC] = ret_ranking[LW_EVAL_AUC_PR] = NAN;
    ret_ranking[LW_EVAL_BEST_F1] = NAN;
    for (uint32_t i = 0; i < n; i++) {
        all[(ranks[i] & RANK_POSITIVE) / RANK_POSITIVE] += weights[ranks[i] >> RANK_BLOCK_SHIFT];
    }
    positives = (double)all[1];
    if (all[0] == 0 || all[1] == 0) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t weight = weights[ranks[i] >> RANK_BLOCK_SHIFT];

        new_found += (ranks[i] & RANK_POSITIVE) != 0 ? weight : 0;
        new_false += (ranks[i] & RANK_POSITIVE) != 0 ? 0 : weight;
        if ((ranks[i] & RANK_ENDS) == 0) {
            continue;
        }
        roc += (double)new_false * ((double)n_found + (double)new_found / 2.0);
        n_found += new_found;
        n_false += new_false;
        if (new_found > 0) { /* Precision and F1 can only rise where something is found. */
            double f1 = 2.0 * (double)n_found / (positives + (double)(n_found + n_false));

            precision += (double)new_found / positives *
                         ((double)n_found / (double)(n_found + n_false));
            if (f1 > best) {
                best = f1;
                *ret_best_rank = i + 1;
            }
        }
        new_found = new_false = 0;
    }
    ret_ranking[LW_EVAL_AUC_ROC] = roc / (positives * (double)all[0]);
    ret_ranking[LW_EVAL_AUC_PR] = precision;
    ret_ranking[LW_EVAL_BEST_F1] = best;
}
