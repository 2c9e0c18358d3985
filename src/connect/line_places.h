/*
 * Which lines of a request were rejected: an lw_ingest keeps the sentences of the first few, in
 * their order, and this their places, so that an answer can have both.
 */
#ifndef LW_CONNECT_LINE_PLACES_H
#define LW_CONNECT_LINE_PLACES_H

#include "base/json.h"
#include "connect/push.h"

struct lw_line_places {
    size_t n; /* At most LW_INGEST_DETAILS. */
    uint64_t at[LW_INGEST_DETAILS];
};

/* Called for each rejection of the request, with `where` of lw_ingest_reject NULL. */
static inline void lw_line_places_add(struct lw_line_places *places, uint64_t line)
{
    if (places->n < LW_INGEST_DETAILS) {
        places->at[places->n++] = line;
    }
}

/*
 * Commits the request and answers {"taken": n, "rejected": m, "errors": [{"line": .., "reason":
 * ..}]}: 200 when something was taken or nothing was sent, 400 when all was rejected, 503 when the
 * host became read-only. `unit` is what places count: "line" or "item".
 */
void lw_line_places_answer(const struct lw_line_places *places, const char *unit,
                           struct lw_ingest_request *request, struct lw_push_answer *answer);
/* The text written becomes the answer's body, and the writer is ended; without memory for it 503
 * without a body. */
void lw_line_places_send(struct lw_json *json, unsigned code, struct lw_push_answer *answer);
/* An answer that says in one sentence why nothing was read, in the same form. */
void lw_line_places_refuse(unsigned code, const char *detail, struct lw_push_answer *answer);

#endif
