/*
 * The message of remote write 2.0: series refer to a table of texts, the symbols.
 *
 * References mean nothing without their table, so the identity of a series is a hash of each of its
 * texts, which is worked out once a message.
 */
#include "connect/remote_write/series.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* Names and values; a series with more could not be taken. */
#define REFS_MAX ((LW_LABELS_MAX + 1) * 2)

static const struct lw_rw_layout LAYOUT = {.samples = 2, .histograms = 3, .exemplars = 4};

struct symbol {
    struct lw_rw_text text;
    uint64_t hash;
};

/* The references of one series. */
struct refs {
    const struct symbol *symbols;
    size_t n_symbols;
    size_t n; /* Also past REFS_MAX; then the rest are not there. */
    bool is_outside;
    uint32_t at[REFS_MAX];
    uint64_t hashes[REFS_MAX];
};

static bool spell(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr)
{
    const struct refs *refs = series->context;

    for (size_t i = 0; i + 1 < refs->n; i += 2) {
        if (!lw_rw_name_add(name, refs->symbols[refs->at[i]].text,
                            refs->symbols[refs->at[i + 1]].text, reterr)) {
            return false;
        }
    }
    return true;
}

static void ref_add(struct refs *refs, uint64_t ref)
{
    if (ref >= refs->n_symbols) {
        refs->is_outside = true;
    } else if (refs->n < REFS_MAX) {
        refs->at[refs->n] = (uint32_t)ref;
        refs->hashes[refs->n] = refs->symbols[ref].hash;
    }
    refs->n++;
}

static void refs_add(struct refs *refs, const struct lw_protobuf_field *field,
                     struct lw_protobuf *fields)
{
    struct lw_protobuf packed;
    uint64_t ref;

    if (field->wire == LW_PROTOBUF_VARINT) {
        ref_add(refs, field->value);
    } else if (field->wire == LW_PROTOBUF_BYTES) {
        lw_protobuf_enter(field, &packed);
        while (packed.at < packed.end && lw_protobuf_varint(&packed, &ref)) {
            ref_add(refs, ref);
        }
        fields->bad = fields->bad || packed.bad;
    }
}

static void series_scan(struct lw_rw_series *series, struct refs *refs, struct lw_protobuf *fields)
{
    struct lw_protobuf_field field;

    while (lw_protobuf_next(fields, &field)) {
        if (field.number == 1) {
            refs_add(refs, &field, fields);
        } else if (field.wire == LW_PROTOBUF_BYTES) {
            series->n_samples += field.number == LAYOUT.samples;
            series->n_histograms += field.number == LAYOUT.histograms;
            series->n_exemplars += field.number == LAYOUT.exemplars;
        }
    }
}

static const char *series_fault(const struct lw_rw_series *series, const struct refs *refs)
{
    if (refs->is_outside) {
        return "a reference outside of the symbols";
    }
    if (refs->n % 2 != 0) {
        return "an odd number of label references";
    }
    if (refs->n > REFS_MAX) {
        return "too many labels";
    }
    if (series->n_samples > 0 && series->n_histograms > 0) {
        return "samples and histograms in one series";
    }
    return NULL;
}

static enum lw_status read_series(struct lw_rw_series *series, struct refs *refs,
                                  const struct lw_protobuf_field *field)
{
    struct lw_protobuf fields, rest;
    const char *fault;

    lw_protobuf_enter(field, &fields);
    rest = fields;
    refs->n = 0;
    refs->is_outside = false;
    series->n_samples = series->n_histograms = series->n_exemplars = 0;
    series_scan(series, refs, &fields);
    if (fields.bad) {
        return LW_EFORMAT;
    }
    fault = series_fault(series, refs);
    if (fault != NULL) {
        lw_rw_reject(series, series->n_samples + series->n_histograms, "bad_series", fault);
        return LW_OK;
    }
    series->identity = (struct lw_rw_text){(const uint8_t *)refs->hashes,
                                           refs->n * sizeof(refs->hashes[0])};
    return lw_rw_deliver(series, rest);
}

/* ---- symbols ---- */

struct symbols {
    struct symbol *symbols;
    size_t n, capacity;
};

static bool symbol_add(struct symbols *table, const struct lw_protobuf_field *field,
                       const struct lw_ingest_request *request)
{
    if (table->n == table->capacity) {
        size_t wanted = table->capacity == 0 ? 1024 : table->capacity * 2;
        struct symbol *grown = lw_mem_realloc(table->symbols, wanted * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        table->symbols = grown;
        table->capacity = wanted;
    }
    table->symbols[table->n++] = (struct symbol){
        .text = {field->bytes, field->n_bytes},
        .hash = lw_ingest_text_hash(request, field->bytes, field->n_bytes)};
    return true;
}

/* All symbols, wherever in the message they stand. */
static enum lw_status read_symbols(struct symbols *table, struct lw_protobuf message,
                                   const struct lw_ingest_request *request, struct lw_error *reterr)
{
    struct lw_protobuf_field field;

    while (lw_protobuf_next(&message, &field)) {
        if (field.number == 4 && field.wire == LW_PROTOBUF_BYTES &&
            !symbol_add(table, &field, request)) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for the symbols of a request");
        }
    }
    if (message.bad) {
        return lw_error_set(reterr, LW_EFORMAT, "the body is no io.prometheus.write.v2.Request");
    }
    if (table->n > 0 && table->symbols[0].text.n_bytes > 0) {
        return lw_error_set(reterr, LW_EFORMAT, "the first symbol is not the empty text");
    }
    return LW_OK;
}

enum lw_status lw_remote_write_decode_2(const uint8_t *bytes, size_t n_bytes,
                                        struct lw_ingest_request *request,
                                        struct lw_remote_write_counts *ret_counts,
                                        struct lw_error *reterr)
{
    struct refs refs LW_UNINITIALIZED;
    struct lw_rw_series series = {.request = request,
                                  .counts = ret_counts,
                                  .layout = &LAYOUT,
                                  .spell = spell,
                                  .context = &refs};
    struct symbols table = {0};
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    enum lw_status status;

    *ret_counts = (struct lw_remote_write_counts){0};
    lw_protobuf_init(&message, bytes, n_bytes);
    status = read_symbols(&table, message, request, reterr);
    refs.symbols = table.symbols;
    refs.n_symbols = table.n;
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (field.wire == LW_PROTOBUF_BYTES && field.number == 5) {
            status = read_series(&series, &refs, &field);
            series.index++;
        }
        if (status != LW_OK) {
            status = lw_error_set(reterr, status, "timeseries %zu is damaged", series.index - 1);
        }
    }
    lw_mem_free(table.symbols);
    return status;
}
