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

struct symbol {
    struct lw_rw_text text;
    uint64_t hash;
};

struct symbols {
    struct symbol *symbols;
    size_t n, capacity;
};

/* The references of one series. */
struct refs {
    const struct symbols *table;
    size_t n; /* Also past REFS_MAX; then the rest are not there. */
    bool is_outside;
    uint32_t at[REFS_MAX];
};

static void ref_add(struct refs *refs, uint64_t ref)
{
    if (ref >= refs->table->n) {
        refs->is_outside = true;
    } else if (refs->n < REFS_MAX) {
        refs->at[refs->n] = (uint32_t)ref;
    }
    refs->n++;
}

/* References, packed or one alone; false when they are damaged. */
static bool refs_add(struct refs *refs, const struct lw_protobuf_field *field)
{
    struct lw_protobuf packed;
    uint64_t ref;

    if (field->wire == LW_PROTOBUF_VARINT) {
        ref_add(refs, field->value);
        return true;
    }
    if (field->wire != LW_PROTOBUF_BYTES) {
        return true;
    }
    lw_protobuf_enter(field, &packed);
    while (packed.at < packed.end && lw_protobuf_varint(&packed, &ref)) {
        ref_add(refs, ref);
    }
    return !packed.bad;
}

static void refs_read(struct refs *refs, const struct lw_rw_series *series)
{
    struct lw_protobuf fields = series->fields;
    struct lw_protobuf_field field;

    refs->table = series->message->context;
    refs->n = 0;
    refs->is_outside = false;
    while (lw_protobuf_next(&fields, &field)) {
        if (field.number == 1) {
            (void)refs_add(refs, &field);
        }
    }
}

static struct lw_rw_text identity_of(const struct refs *refs, uint8_t *scratch)
{
    _Static_assert(REFS_MAX * sizeof(uint64_t) <= LW_RW_IDENTITY_BYTES_MAX, "hashes fit");
    for (size_t i = 0; i < refs->n; i++) {
        memcpy(scratch + i * sizeof(uint64_t), &refs->table->symbols[refs->at[i]].hash,
               sizeof(uint64_t));
    }
    return (struct lw_rw_text){scratch, refs->n * sizeof(uint64_t)};
}

static struct lw_rw_text identify(const struct lw_rw_series *series, uint8_t *scratch)
{
    struct refs refs LW_UNINITIALIZED;

    refs_read(&refs, series);
    return identity_of(&refs, scratch);
}

static bool spell(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr)
{
    struct refs refs LW_UNINITIALIZED;
    const struct symbol *symbols;

    refs_read(&refs, series);
    symbols = refs.table->symbols;
    for (size_t i = 0; i + 1 < refs.n; i += 2) {
        if (!lw_rw_name_add(name, symbols[refs.at[i]].text, symbols[refs.at[i + 1]].text, reterr)) {
            return false;
        }
    }
    return true;
}

static const struct lw_rw_version VERSION = {
    .samples = 2, .histograms = 3, .exemplars = 4, .identify = identify, .spell = spell};

/* Collects the references and counts what else there is; false when the message is damaged. */
static bool series_scan(struct lw_rw_series *series, struct refs *refs)
{
    struct lw_protobuf fields = series->fields;
    struct lw_protobuf_field field;

    while (lw_protobuf_next(&fields, &field)) {
        if (field.number == 1) {
            if (!refs_add(refs, &field)) {
                return false;
            }
        } else if (field.wire == LW_PROTOBUF_BYTES) {
            series->n_samples += field.number == VERSION.samples;
            series->n_histograms += field.number == VERSION.histograms;
            series->n_exemplars += field.number == VERSION.exemplars;
        }
    }
    return !fields.bad;
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

static enum lw_status read_series(struct lw_rw_series *series,
                                  const struct lw_protobuf_field *field, struct lw_rw_batch *batch)
{
    uint8_t scratch[LW_RW_IDENTITY_BYTES_MAX] LW_UNINITIALIZED;
    struct refs refs LW_UNINITIALIZED;
    struct lw_rw_text identity;
    const char *fault;

    refs.table = series->message->context;
    refs.n = 0;
    refs.is_outside = false;
    lw_protobuf_enter(field, &series->fields);
    series->n_samples = series->n_histograms = series->n_exemplars = 0;
    if (!series_scan(series, &refs)) {
        return LW_EFORMAT;
    }
    fault = series_fault(series, &refs);
    if (fault != NULL) {
        lw_rw_reject(series, series->n_samples + series->n_histograms, "bad_series", fault);
        return LW_OK;
    }
    identity = identity_of(&refs, scratch);
    series->name = lw_ingest_seek(series->message->request, identity.bytes, identity.n_bytes);
    return lw_rw_batch_add(batch, series);
}

/* ---- symbols ---- */

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
    struct symbols table = {0};
    const struct lw_rw_message whole = {
        .version = &VERSION, .request = request, .counts = ret_counts, .context = &table};
    struct lw_rw_series series = {.message = &whole};
    struct lw_rw_batch batch LW_UNINITIALIZED;
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    enum lw_status status;

    *ret_counts = (struct lw_remote_write_counts){0};
    batch.n = 0;
    lw_protobuf_init(&message, bytes, n_bytes);
    status = read_symbols(&table, message, request, reterr);
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (field.wire == LW_PROTOBUF_BYTES && field.number == 5) {
            status = read_series(&series, &field, &batch);
            series.index++;
        }
        if (status != LW_OK) {
            status = lw_error_set(reterr, status, "timeseries %zu is damaged", series.index - 1);
        }
    }
    if (status == LW_OK && lw_rw_batch_end(&batch) != LW_OK) {
        status = lw_error_set(reterr, LW_EFORMAT, "one of the last timeseries is damaged");
    }
    lw_mem_free(table.symbols);
    return status;
}
