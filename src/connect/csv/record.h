/*
 * Records of separated text: RFC 4180, and what is found beside it (any separator, LF as well as
 * CRLF, ragged ends, blanks around fields, quotes that are not at a field's start taken as they
 * are).
 */
#ifndef LW_CONNECT_CSV_RECORD_H
#define LW_CONNECT_CSV_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_CSV_COLUMNS_MAX 4096
#define LW_CSV_FIELD_BYTES_MAX 65536
#define LW_CSV_RECORD_BYTES_MAX (1 << 20)

/* One field, a view into the text; of a quoted one what is between the quotes. Blanks around it are
 * left out. */
struct lw_csv_field {
    const char *text;
    uint32_t n_bytes;
    bool has_escapes; /* Holds "" for ": see lw_csv_field_copy. */
};

enum lw_csv_record_state {
    LW_CSV_RECORD_OK,
    LW_CSV_RECORD_PARTIAL, /* The text ends within the record: come again with more, or with
                              is_last. */
    LW_CSV_RECORD_COLUMNS, /* More than LW_CSV_COLUMNS_MAX fields. */
    LW_CSV_RECORD_FIELD,   /* A field longer than LW_CSV_FIELD_BYTES_MAX, or a quote that is never
                              closed. */
    LW_CSV_RECORD_QUOTE,   /* Text between a closing quote and the next separator. */
    LW_CSV_RECORD_TOO_LONG /* No end within LW_CSV_RECORD_BYTES_MAX. */
};

struct lw_csv_record {
    struct lw_csv_field *fields; /* The caller's, LW_CSV_COLUMNS_MAX of them. */
    uint32_t n_fields;           /* 0: an empty line. */
    uint32_t n_lines;            /* Line ends that the record took, those in quotes included. */
    size_t n_bytes; /* Of the text, line end included. After a failure: up to the end of its first
                       line. */
};

/*
 * Reads one record from text[0..n_bytes). `is_last`: nothing follows the text, so its end is the
 * record's. After a failure other than PARTIAL, reading can go on behind the record's first line.
 */
enum lw_csv_record_state lw_csv_record_read(const char *text, size_t n_bytes, bool is_last,
                                            char separator, struct lw_csv_record *ret_record);
/* Copies a field's text, escapes resolved, terminated; returns its length, or SIZE_MAX when it does
 * not fit into capacity. */
size_t lw_csv_field_copy(const struct lw_csv_field *field, char *ret_text, size_t capacity);

#endif
