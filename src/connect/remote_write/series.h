/*
 * What both versions of remote write share: a series being read, its samples and histograms.
 *
 * The two versions say differently how a series is called; that is what `identify` and `spell` are
 * for, which are asked only when the name is unknown.
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

struct lw_rw_series;

/* Of one version: numbers of a TimeSeries' fields, and how it says what a series is called. */
struct lw_rw_version {
    uint32_t samples, histograms, exemplars;
    /* The bytes that name the series, in place or made in `scratch`, of LW_RW_IDENTITY_BYTES_MAX.
     */
    struct lw_rw_text (*identify)(const struct lw_rw_series *series, uint8_t *scratch);
    /* Writes all labels of the series into the name, by lw_rw_name_add; false with the reason. */
    bool (*spell)(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr);
};

/* One message while it is read. */
struct lw_rw_message {
    const struct lw_rw_version *version;
    struct lw_ingest_request *request;
    struct lw_remote_write_counts *counts;
    const void *context; /* The version's. */
};

/* One TimeSeries: found sound, and not yet delivered. */
struct lw_rw_series {
    const struct lw_rw_message *message;
    size_t index; /* In the message, for what people are told. */
    struct lw_protobuf fields;
    struct lw_rw_text labels; /* Of 1.0, where they stand together; else without bytes. */
    struct lw_ingest_sought name;
    uint64_t n_samples, n_histograms, n_exemplars; /* What it holds. */
};

/* Series are looked up so many at a time: the table's cache misses then overlap. */
#define LW_RW_BATCH 16

struct lw_rw_batch {
    size_t n;
    struct lw_rw_series series[LW_RW_BATCH];
};

/* Adds one label. False when it cannot be, with the reason. */
bool lw_rw_name_add(struct lw_rw_name *name, struct lw_rw_text label, struct lw_rw_text value,
                    struct lw_error *reterr);
/* Rejects n elements of the series. */
void lw_rw_reject(const struct lw_rw_series *series, uint64_t n, const char *reason,
                  const char *what);
/* Takes one reading; false when it is rejected. */
bool lw_rw_sample(const struct lw_rw_series *series, uint32_t number, int64_t time_ms,
                  double value);
/* Whether a value is the mark that a series ended. */
bool lw_rw_is_stale(double value);
/* Adds a series whose name and counts are filled in; delivers all of a full batch. LW_EFORMAT. */
enum lw_status lw_rw_batch_add(struct lw_rw_batch *batch, const struct lw_rw_series *series);
/* Delivers what is left: all samples, histograms and exemplars of each series. LW_EFORMAT. */
enum lw_status lw_rw_batch_end(struct lw_rw_batch *batch);

/* histogram.c: reads a Histogram message, of which both versions have the same; LW_EFORMAT. */
enum lw_status lw_rw_read_histogram(const struct lw_rw_series *series,
                                    const struct lw_protobuf_field *field, uint32_t count_number,
                                    uint32_t sum_number);

#endif
