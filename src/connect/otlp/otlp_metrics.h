/*
 * A request of OTLP metrics (ExportMetricsServiceRequest, protobuf) as samples.
 *
 * A series is known by its resource, scope, metric and the bytes of its point's attributes: the
 * resource and the metric are hashed once each, a point of a known series costs one look-up and no
 * label is built. What becomes of a metric:
 *
 *     gauge, cumulative sum        the value; monotonic sums are called "_total"
 *     delta sum                    the value of the interval, as it is
 *     histogram, exponential one   "_count" and "_sum"; buckets, minimum and maximum are left out
 *     summary                      "_count", "_sum", and its quantiles, label "quantile"
 *
 * Whole numbers beyond 2^53 are rounded. A point flagged "no recorded value" is a missing one: NaN.
 * Exemplars, descriptions and start times are passed over.
 *
 * Damage anywhere refuses the request as a whole; a point that cannot be taken is rejected alone.
 */
#ifndef LW_CONNECT_OTLP_METRICS_H
#define LW_CONNECT_OTLP_METRICS_H

#include "connect/ingest.h"

/* Attributes of one point, as they are encoded. */
#define LW_OTLP_ATTRIBUTES_MAX 4096

struct lw_otlp_counts {
    uint64_t n_points;
    uint64_t n_rejected; /* Points of which at least one sample was rejected. */
};

/*
 * Gathers the samples of a message in the request, which the caller commits.
 *
 * @param has_scope  The name of the instrumentation scope becomes the label "otel_scope_name".
 * @return LW_OK; LW_EFORMAT: the message is damaged, with the place; LW_ENOMEM. The caller resets
 *         the request after a failure.
 */
enum lw_status lw_otlp_metrics_read(const void *bytes, size_t n_bytes, bool has_scope,
                                    struct lw_ingest_request *request,
                                    struct lw_otlp_counts *ret_counts,
                                    struct lw_error *reterr) LW_MUST_USE;

#endif
