/* Keys and values of the outbox in the keyed store, and reading them all: see
 * engine/outbox/outbox_internal.h. */
#include "base/error.h"
#include "base/mem.h"
#include "engine/outbox/outbox_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A sink or an event of this form. */
#define VALUE_VERSION 1

static void put_number(struct outbox_key *key, uint64_t number, size_t n_bytes)
{
    for (size_t i = n_bytes; i > 0; i--) {
        key->bytes[key->n++] = (uint8_t)(number >> (8 * (i - 1)));
    }
}

static void begin(struct outbox_key *key, char kind)
{
    key->bytes[0] = (uint8_t)kind;
    key->n = 1;
}

void lw_outbox_key_meta(struct outbox_key *key)
{
    begin(key, 'v');
}

void lw_outbox_key_sink(struct outbox_key *key, const char *name)
{
    begin(key, 'k');
    key->n += (size_t)snprintf((char *)key->bytes + 1, LW_SHORT_NAME_MAX, "%s", name);
}

void lw_outbox_key_event(struct outbox_key *key, char kind, uint32_t sink, uint64_t number)
{
    begin(key, kind);
    put_number(key, sink, 4);
    put_number(key, number, 8);
}

void lw_outbox_key_open(struct outbox_key *key, uint64_t id)
{
    begin(key, 'o');
    put_number(key, id, 8);
}

void lw_outbox_key_mark(struct outbox_key *key, uint64_t id, uint8_t phase)
{
    begin(key, 'm');
    put_number(key, id, 8);
    put_number(key, phase, 1);
}

uint64_t lw_outbox_key_number(const uint8_t *key, size_t at)
{
    uint64_t number = 0;

    for (size_t i = at; i < at + 8; i++) {
        number = number << 8 | key[i];
    }
    return number;
}

void lw_outbox_put_meta(struct lw_outbox *outbox, uint64_t next_number)
{
    struct outbox_key key;

    lw_outbox_key_meta(&key);
    lw_writer_reset(&outbox->value);
    lw_write_u32(&outbox->value, OUTBOX_VERSION);
    lw_write_u64(&outbox->value, next_number);
    lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
}

void lw_outbox_put_sink(struct lw_outbox *outbox, const struct outbox_sink *sink)
{
    struct outbox_key key;

    lw_outbox_key_sink(&key, sink->name);
    lw_writer_reset(&outbox->value);
    lw_write_u8(&outbox->value, VALUE_VERSION);
    lw_write_u32(&outbox->value, sink->id);
    lw_write_i64(&outbox->value, sink->max_age_ns);
    lw_write_i64(&outbox->value, sink->gone_ns);
    lw_write_u64(&outbox->value, sink->gone_number);
    lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
}

void lw_outbox_head_write(struct lw_writer *writer, const struct outbox_head *head)
{
    lw_write_u8(writer, VALUE_VERSION);
    lw_write_u8(writer, head->phase);
    lw_write_u64(writer, head->id);
    lw_write_u64(writer, head->number);
    lw_write_u64(writer, head->after);
    lw_write_i64(writer, head->real_ns);
}

void lw_outbox_head_read(struct outbox_head *head, struct lw_reader *reader)
{
    uint8_t version = lw_read_u8(reader);

    head->phase = lw_read_u8(reader);
    head->id = lw_read_u64(reader);
    head->number = lw_read_u64(reader);
    head->after = lw_read_u64(reader);
    head->real_ns = lw_read_i64(reader);
    if (version != VALUE_VERSION ||
        (head->phase != LW_ANOMALY_OPENED && head->phase != LW_ANOMALY_CLOSED)) {
        reader->status = LW_EFORMAT;
    }
}

/* ---- reading it all ---- */

struct loading {
    struct lw_outbox *outbox;
    enum lw_status status;
    const char *what; /* Damaged or not to be had. */
};

static bool loading_fail(struct loading *loading, enum lw_status status, const char *what)
{
    loading->status = status;
    loading->what = what;
    return false;
}

static struct outbox_sink *sink_of(struct lw_outbox *outbox, uint32_t id)
{
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        if (outbox->sinks[i].id == id) {
            return &outbox->sinks[i];
        }
    }
    return NULL;
}

static bool load_sink(void *context, const struct lw_keyed_pair *pair)
{
    struct loading *loading = context;
    struct outbox_sink *sink = sink_of(loading->outbox, 0);
    struct lw_reader reader;

    if (sink == NULL || pair->n_key < 2 || pair->n_key > LW_SHORT_NAME_MAX) {
        return loading_fail(loading, LW_EFORMAT, "the list of sinks");
    }
    lw_reader_init(&reader, pair->value, pair->n_value);
    if (lw_read_u8(&reader) != VALUE_VERSION) {
        return loading_fail(loading, LW_EFORMAT, "a sink");
    }
    (void)snprintf(sink->name, sizeof(sink->name), "%.*s", (int)(pair->n_key - 1),
                   (const char *)pair->key + 1);
    sink->id = lw_read_u32(&reader);
    sink->max_age_ns = lw_read_i64(&reader);
    sink->gone_ns = lw_read_i64(&reader);
    sink->gone_number = lw_read_u64(&reader);
    sink->view.up = true;
    sink->view.last_success_ns = INT64_MIN;
    if (reader.status != LW_OK || sink->id == 0) {
        return loading_fail(loading, LW_EFORMAT, "a sink");
    }
    if (sink->id >= loading->outbox->next_sink) {
        loading->outbox->next_sink = sink->id + 1;
    }
    return true;
}

/* The sink of an event's key; NULL when it is no such key. */
static struct outbox_sink *event_sink(struct lw_outbox *outbox, const struct lw_keyed_pair *pair)
{
    return pair->n_key == 13 ? sink_of(outbox, (uint32_t)(lw_outbox_key_number(pair->key, 1) >> 32))
                             : NULL;
}

static bool load_waiting(void *context, const struct lw_keyed_pair *pair)
{
    struct loading *loading = context;
    struct outbox_sink *sink = event_sink(loading->outbox, pair);
    struct outbox_head head;
    struct outbox_entry entry;
    struct lw_reader reader;

    lw_reader_init(&reader, pair->value, pair->n_value);
    lw_outbox_head_read(&head, &reader);
    if (sink == NULL || reader.status != LW_OK ||
        head.number != lw_outbox_key_number(pair->key, 5)) {
        return loading_fail(loading, LW_EFORMAT, "an event");
    }
    if (lw_outbox_queue_reserve(&sink->waiting, 1) != LW_OK) {
        return loading_fail(loading, LW_ENOMEM, "an event");
    }
    entry = lw_outbox_entry(loading->outbox, &head);
    lw_outbox_queue_insert(&sink->waiting, &entry);
    return true;
}

static bool load_dead(void *context, const struct lw_keyed_pair *pair)
{
    struct loading *loading = context;
    struct outbox_sink *sink = event_sink(loading->outbox, pair);

    if (sink == NULL) {
        return loading_fail(loading, LW_EFORMAT, "a dead letter");
    }
    sink->view.dead_kept++;
    return true;
}

static enum lw_status load_kind(struct lw_outbox *outbox, char kind,
                                bool (*visit)(void *context, const struct lw_keyed_pair *pair),
                                struct lw_error *reterr)
{
    const struct lw_keyed_range range = {.prefix = &kind, .n_prefix = 1};
    struct loading loading = {.outbox = outbox, .status = LW_OK};
    enum lw_status status = lw_keyed_scan(outbox->keyed, &range, visit, &loading, reterr);

    if (status == LW_OK && loading.status == LW_ENOMEM) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the outbox");
    }
    if (status == LW_OK && loading.status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "%s in the outbox is damaged", loading.what);
    }
    return status;
}

static enum lw_status load_meta(struct lw_outbox *outbox, struct lw_error *reterr)
{
    struct outbox_key key;
    struct lw_reader reader;
    enum lw_status status;
    uint32_t version;

    lw_outbox_key_meta(&key);
    status = lw_keyed_get(outbox->keyed, key.bytes, key.n, &outbox->found, reterr);
    if (status == LW_ENOTFOUND) { /* A fresh one. */
        return LW_OK;
    }
    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&reader, outbox->found.data, outbox->found.n_bytes);
    version = lw_read_u32(&reader);
    outbox->next_number = lw_read_u64(&reader);
    if (reader.status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "the head of the outbox is damaged");
    }
    return version == OUTBOX_VERSION
               ? LW_OK
               : lw_error_set(reterr, LW_EVERSION,
                              "an outbox of version %" PRIu32 "; this program reads version %d",
                              version, OUTBOX_VERSION);
}

enum lw_status lw_outbox_load(struct lw_outbox *outbox, struct lw_error *reterr)
{
    enum lw_status status;

    outbox->next_number = 1;
    outbox->next_sink = 1;
    status = load_meta(outbox, reterr);
    if (status == LW_OK) {
        status = load_kind(outbox, 'k', load_sink, reterr);
    }
    if (status == LW_OK) {
        status = load_kind(outbox, 'p', load_waiting, reterr);
    }
    return status == LW_OK ? load_kind(outbox, 'd', load_dead, reterr) : status;
}
