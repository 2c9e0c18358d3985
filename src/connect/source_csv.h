/*
 * A source of samples: CSV files in any dialect.
 *
 * One struct lw_csv_source is one file. Rows become points batch by batch; who reads decides when a
 * batch is delivered, so that the next one can be parsed while the last one is scored. One thread
 * per source.
 *
 * Memory: a window of 2 MiB, a batch of 2 MiB, and the names of the series; it does not grow with
 * the file.
 */
#ifndef LW_CONNECT_SOURCE_CSV_H
#define LW_CONNECT_SOURCE_CSV_H

#include "connect/csv/dialect.h"
#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stdint.h>

/* Points of a batch; no row has more. */
#define LW_CSV_BATCH_POINTS 65536u
/* Series of an entity that is a whole file in long layout; further ones go on in "name#2" and so
 * on. */
#define LW_CSV_UNIT_SERIES 256u

/* Why a row, or one value of a row, was not taken. */
enum lw_csv_fault {
    LW_CSV_FAULT_FIELDS,  /* As many fields as the header has were expected. */
    LW_CSV_FAULT_TIME,    /* Not a time of the column's format; an empty one too. */
    LW_CSV_FAULT_VALUE,   /* Not a number; in wide layout only this value is left out. */
    LW_CSV_FAULT_NAME,    /* An empty series or entity, or one of LW_NAME_MAX bytes or more. */
    LW_CSV_FAULT_QUOTE,   /* Text behind a closing quote. */
    LW_CSV_FAULT_FIELD,   /* A field over LW_CSV_FIELD_BYTES_MAX, or a quote that never closes. */
    LW_CSV_FAULT_COLUMNS, /* Over LW_CSV_COLUMNS_MAX fields. */
    LW_CSV_FAULT_LINE,    /* A line over LW_CSV_RECORD_BYTES_MAX. */
    LW_CSV_FAULT_REFUSED, /* The host takes no more series, or none of that name. */
    LW_CSV_FAULT_NEVER    /* How many there are. */
};

/* A fault as it is told. Borrowed, valid during the call only. */
struct lw_csv_complaint {
    const char *path;
    uint64_t line;      /* From 1. */
    const char *column; /* Name; NULL: the whole row. */
    enum lw_csv_fault fault;
    const char *detail; /* One sentence: what was expected and what was there. */
};

/* Who hears of faults; called by lw_csv_source_read. */
struct lw_csv_listener {
    void (*complain)(void *context, const struct lw_csv_complaint *complaint); /* May be NULL. */
    void *context;
};

/* How a source is opened. Borrowed texts outlive the source. */
struct lw_csv_setup {
    const struct lw_csv_options *options;
    const struct lw_feed *feed;             /* Where series are made known. */
    const struct lw_csv_listener *listener; /* May be NULL. */
    uint64_t first_tag;                     /* Of the first row; rows are numbered on from there. */
};

struct lw_csv_batch {
    struct lw_point *points; /* LW_CSV_BATCH_POINTS. */
    uint32_t n_points;
};

struct lw_csv_source;

/* Name of a fault for counters, such as "bad_time". */
const char *lw_csv_fault_name(enum lw_csv_fault fault);

/* Room for a batch. LW_ENOMEM. */
enum lw_status lw_csv_batch_init(struct lw_csv_batch *ret_batch,
                                 struct lw_error *reterr) LW_MUST_USE;
void lw_csv_batch_fini(struct lw_csv_batch *batch);
/*
 * Hands a batch to a feed. With step_ns > 0 the feed is told the watermark whenever the time enters
 * another step, also when it goes back there (another entity's rows begin); *watermark_ns keeps it
 * between batches, INT64_MIN at first.
 */
enum lw_status lw_csv_batch_deliver(const struct lw_csv_batch *batch, const struct lw_feed *feed,
                                    int64_t step_ns, int64_t *watermark_ns) LW_MUST_USE;

/*
 * Opens a file ("-": standard input) and finds its dialect. LW_ENOTFOUND, LW_EIO, LW_EFORMAT,
 * LW_ENOMEM; the message says what to do, without the path.
 */
enum lw_status lw_csv_source_open(const struct lw_csv_setup *setup, const char *path,
                                  struct lw_csv_source **ret_source,
                                  struct lw_error *reterr) LW_MUST_USE;
/* The same over bytes in memory, borrowed until it is closed; `path` is its name in messages. */
enum lw_status lw_csv_source_open_bytes(const struct lw_csv_setup *setup, const char *path,
                                        const void *bytes, size_t n_bytes,
                                        struct lw_csv_source **ret_source,
                                        struct lw_error *reterr) LW_MUST_USE;
/* A source over bytes in memory goes on with the next rows of its file, whole ones: the dialect and
 * the series stay. What was not read of the bytes before is dropped. LW_EINVAL for compressed ones.
 */
enum lw_status lw_csv_source_continue(struct lw_csv_source *source, const void *bytes,
                                      size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_csv_source_close(struct lw_csv_source *source);
/*
 * Fills the batch with the points of the next rows, whole rows only. At the end of the file
 * *ret_is_over is true and the batch may be empty. LW_EIO, LW_EFORMAT: the file cannot be read on;
 * what was filled counts.
 */
enum lw_status lw_csv_source_read(struct lw_csv_source *source, struct lw_csv_batch *batch,
                                  bool *ret_is_over, struct lw_error *reterr) LW_MUST_USE;

const struct lw_csv_dialect *lw_csv_source_dialect(const struct lw_csv_source *source);
/* Bytes read so far and of the file as it lies there (0: not known), for a progress bar. */
uint64_t lw_csv_source_position(const struct lw_csv_source *source, uint64_t *ret_size);
bool lw_csv_source_is_gzip(const struct lw_csv_source *source);
/* Rows taken so far; the tag of the next one is first_tag more. */
uint64_t lw_csv_source_rows(const struct lw_csv_source *source);
/* How often a fault was met so far. */
uint64_t lw_csv_source_faults(const struct lw_csv_source *source, enum lw_csv_fault fault);
/* The entity of a file that names none: its name without folder and without .csv, .tsv, .txt, .gz.
 * Also "#2" and so on. */
void lw_csv_unit_name(const char *path, char ret_name[LW_NAME_MAX]);

#endif
