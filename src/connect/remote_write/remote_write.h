/*
 * Prometheus remote write, versions 1.0 and 2.0: the push class, and its decoders for tests,
 * fuzzers and benches.
 *
 * What a message holds beyond samples: native histograms become the series name_count and name_sum;
 * exemplars and metadata are counted and passed over, as are the markers by which Prometheus says
 * that a series ended ("stale") and infinite values ("not_finite").
 */
#ifndef LW_CONNECT_REMOTE_WRITE_H
#define LW_CONNECT_REMOTE_WRITE_H

#include "connect/push.h"

extern const struct lw_push_class lw_remote_write_class;

/* Elements that were taken; what was passed over counts, what was rejected does not. */
struct lw_remote_write_counts {
    uint64_t samples, histograms, exemplars;
};

/*
 * Decode one unpacked message into a request that was reset. LW_OK, also when series or samples of
 * it were rejected: the request knows. LW_EFORMAT with the reason when it is no such message: then
 * what was gathered is to be forgotten.
 */
enum lw_status lw_remote_write_decode_1(const uint8_t *bytes, size_t n_bytes,
                                        struct lw_ingest_request *request,
                                        struct lw_remote_write_counts *ret_counts,
                                        struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_remote_write_decode_2(const uint8_t *bytes, size_t n_bytes,
                                        struct lw_ingest_request *request,
                                        struct lw_remote_write_counts *ret_counts,
                                        struct lw_error *reterr) LW_MUST_USE;

#endif
