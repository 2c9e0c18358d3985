/*
 * Scores, expected values and bands, written to a store that takes Prometheus' remote write:
 * docs/sinks/remote-write.md.
 *
 *     shards ──row──▶ chunks of each shard ──one thread──▶ WriteRequest, snappy ──▶ POST
 *
 * A shard copies a row into its current chunk and goes on: it takes one lock that nobody holds for
 * long, and never waits for the store. A chunk that is full, or old enough, is one request. While
 * the store is down chunks wait; when there are none left the oldest one waiting goes, counted.
 * This stream is not the outbox: what is dropped is not told again.
 */
#ifndef LW_CONNECT_SCORES_H
#define LW_CONNECT_SCORES_H

#include "base/option.h"
#include "connect/http_client.h"
#include "lapwing/engine.h"

/* Bytes of a chunk: some 300 rows, five times as many samples. */
#define LW_SCORES_CHUNK_BYTES ((size_t)64 << 10)

struct lw_scores_options {
    char url[1024]; /* "": nothing is written. */
    char detectors[512], match[1024];
    int64_t every, interval_ns, buffer_bytes;
    struct lw_http_options http;
};

struct lw_scores_totals {
    uint64_t rows_written;    /* Taken by the store. */
    uint64_t rows_dropped;    /* Buffers were full. */
    uint64_t rows_refused;    /* The store answered that it will never take them. */
    uint64_t requests;        /* Sent, whatever came of them. */
    uint64_t requests_failed; /* Without success. */
    char reason[192];         /* Of the last failure; "" once a request has succeeded. */
};

struct lw_scores;

const struct lw_option *lw_scores_option_table(size_t *ret_n);
/* Starts the thread. LW_EINVAL, LW_ENOTFOUND, LW_EIO, LW_EFORMAT for options that cannot be;
 * LW_ENOMEM. Opens no connection. */
enum lw_status lw_scores_create(const struct lw_scores_options *options,
                                struct lw_scores **ret_scores, struct lw_error *reterr) LW_MUST_USE;
/* Tries once to write what is left, for at most 2 s, then ends. No shard may be calling
 * any more. Takes NULL. */
void lw_scores_destroy(struct lw_scores *scores);
/* As lw_listener.verdict, with the scores as context: on the shard's thread; takes the lock of that
 * shard's chunks. A shard's first call allocates its buffer. */
void lw_scores_verdict(void *context, uint32_t shard, const struct lw_engine_verdict *verdict);
/* Any thread. */
void lw_scores_totals(struct lw_scores *scores, struct lw_scores_totals *ret_totals);

#endif
