/*
 * What both versions of remote write share: a series being read, its samples and histograms.
 *
 * The two versions say differently how a series is called; that is what `spell` is for, which is
 * asked only when the identity is unknown.
 */
#ifndef LW_CONNECT_REMOTE_WRITE_SERIES_H
#define LW_CONNECT_REMOTE_WRITE_SERIES_H

#include "connect/protobuf.h"
#include "connect/remote_write/remote_write.h"

#define LW_RW_METRIC_LABEL "__name__"
/* Bytes of the names and values of one series, each with a terminator. */
#define LW_RW_TEXT_BYTES_MAX 4096
/* Bytes by which a series may be named. */
#define LW_RW_IDENTITY_BYTES_MAX 16384

/* A text of a message. */
struct lw_rw_text {
    const uint8_t *bytes;
    size_t n_bytes;
};

/* Labels spelt out, for lw_ingest_define. */
struct lw_rw_name {
    struct lw_series_key key;
    struct lw_label labels[LW_LABELS_MAX];
    size_t used;
    char text[LW_RW_TEXT_BYTES_MAX];
};

/* Numbers of a TimeSeries' fields, in which the versions differ. */
struct lw_rw_layout {
    uint32_t samples, histograms, exemplars;
};

/* One TimeSeries while it is read. */
struct lw_rw_series {
    struct lw_ingest_request *request;
    struct lw_remote_write_counts *counts;
    const struct lw_rw_layout *layout;
    /* Writes all labels of the series into the name, by lw_rw_name_add; false with the reason. */
    bool (*spell)(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr);
    const void *context; /* Of spell. */
    size_t index;        /* In the message, for what people are told. */
    struct lw_rw_text identity;
    struct lw_rw_text labels;                      /* As the version has them. */
    uint64_t n_samples, n_histograms, n_exemplars; /* What the message holds of it. */
};

/* Adds one label. False when it cannot be, with the reason. */
bool lw_rw_name_add(struct lw_rw_name *name, struct lw_rw_text label, struct lw_rw_text value,
                    struct lw_error *reterr);
/* Rejects n elements of the series. */
void lw_rw_reject(const struct lw_rw_series *series, uint64_t n, const char *reason,
                  const char *what);
/*
 * The number of a series: of the TimeSeries itself ("") or of one made of its histograms ("_count",
 * "_sum"). False, and its n elements are rejected, when it cannot be.
 */
bool lw_rw_find(const struct lw_rw_series *series, const char *suffix, uint64_t n,
                uint32_t *ret_number);
/* Takes one reading; false when it is rejected. */
bool lw_rw_sample(const struct lw_rw_series *series, uint32_t number, int64_t time_ms,
                  double value);
/* Whether a value is the mark that a series ended. */
bool lw_rw_is_stale(double value);
/* Reads all samples, histograms and exemplars of a series whose labels and counts are filled in,
 * from its fields. LW_EFORMAT. */
enum lw_status lw_rw_deliver(const struct lw_rw_series *series, struct lw_protobuf fields);

/* histogram.c: reads a Histogram message, of which both versions have the same; LW_EFORMAT. */
enum lw_status lw_rw_read_histogram(const struct lw_rw_series *series,
                                    const struct lw_protobuf_field *field, uint32_t count_number,
                                    uint32_t sum_number);

#endif
