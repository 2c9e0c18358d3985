/*
 * Rows of scores, packed in memory, and the same as a request of Prometheus' remote write 1.0.
 *
 * Labels: the original ones of the series, `metric` with its name, `detector`, `entity`. An
 * original label of one of these names becomes exported_<name>, as in a scrape; characters that a
 * label's name may not have become "_"; of labels that are then of one name the first counts. The
 * verdict about an entity as a whole has no `metric`.
 */
#ifndef LW_CONNECT_SCORES_BODY_H
#define LW_CONNECT_SCORES_BODY_H

#include "base/bytes.h"
#include "stream/series_name.h"

/* Bytes of a text in a row; longer ones are refused. */
#define LW_SCORES_TEXT_MAX 1024
/* A row that can be is at most this long. */
#define LW_SCORES_ROW_MAX (64 + 4 * LW_SCORES_TEXT_MAX)

/* Borrowed texts. */
struct lw_scores_row {
    int64_t time_ns;
    float score, expected, lower, upper; /* NaN: no such sample. */
    bool alarm;
    const char *detector;
    const char *entity;
    const char *key;    /* The detector's option "entity": labels that name the entity. */
    const char *series; /* Its name within the entity; "": the entity as a whole. */
};

/* Packs the row. Its length, or 0 when it does not fit or a text is too long. */
size_t lw_scores_row_pack(const struct lw_scores_row *row, uint8_t *ret_bytes, size_t capacity);
/* Unpacks the next row of those in [*at, end), which lw_scores_row_pack() made; texts point into
 * them. False at the end. */
bool lw_scores_row_next(const uint8_t **at, const uint8_t *end, struct lw_scores_row *ret_row);

/* A WriteRequest in the making; all zero is an empty one. */
struct lw_scores_body {
    struct lw_writer message, series, label;
    struct lw_writer packed; /* What lw_scores_body_pack() made. */
};

void lw_scores_body_fini(struct lw_scores_body *body);
/* Forget what was added, keep the memory. */
void lw_scores_body_reset(struct lw_scores_body *body);
/* Up to five samples: lapwing_score, _expected, _lower, _upper, and _alarm. A series whose name
 * cannot be read is written by its text as the metric. */
void lw_scores_body_add(struct lw_scores_body *body, const struct lw_scores_row *row);
/* The whole compressed by snappy into body->packed. LW_ENOMEM. */
enum lw_status lw_scores_body_pack(struct lw_scores_body *body,
                                   struct lw_error *reterr) LW_MUST_USE;

#endif
