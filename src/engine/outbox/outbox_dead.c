/* Dead letters of the outbox: events that a sink will not be told by itself any more. */
#include "base/error.h"
#include "engine/anomaly_view.h"
#include "engine/outbox/outbox_internal.h"

#include <stdio.h>

/* Letters changed in one write. */
#define LETTERS_AT_ONCE 256

/* Keys of a sink's dead letters. */
struct letters {
    uint8_t prefix[5]; /* 'd' and the sink. */
    struct outbox_key from;
    struct lw_keyed_range range;
};

static void letters_range(struct letters *letters, const struct outbox_sink *sink, uint64_t from)
{
    lw_outbox_key_event(&letters->from, 'd', sink->id, from);
    for (size_t i = 0; i < sizeof(letters->prefix); i++) {
        letters->prefix[i] = letters->from.bytes[i];
    }
    letters->range = (struct lw_keyed_range){.prefix = letters->prefix,
                                             .n_prefix = sizeof(letters->prefix),
                                             .from = letters->from.bytes,
                                             .n_from = letters->from.n};
}

/* ---- burying ---- */

static bool first_number(void *context, const struct lw_keyed_pair *pair)
{
    *(uint64_t *)context = lw_outbox_key_number(pair->key, 5);
    return false;
}

/* Removals of the oldest letters, so that one more has room. How many. */
static size_t make_room(struct lw_outbox *outbox, const struct outbox_sink *sink)
{
    struct letters letters;
    struct outbox_key key;
    uint64_t from = 0;
    size_t n = 0;

    while (sink->view.dead_kept - n >= sink->options.dead_letters_max) {
        uint64_t number = UINT64_MAX;

        letters_range(&letters, sink, from);
        if (lw_keyed_scan(outbox->keyed, &letters.range, first_number, &number, NULL) != LW_OK ||
            number == UINT64_MAX) {
            break;
        }
        lw_outbox_key_event(&key, 'd', sink->id, number);
        lw_keyed_remove(outbox->batch, key.bytes, key.n);
        from = number + 1;
        n++;
    }
    return n;
}

enum lw_status lw_outbox_bury(struct lw_outbox *outbox, struct outbox_sink *sink,
                              struct outbox_entry *entry, const char *reason)
{
    struct outbox_key key;
    enum lw_status status;
    size_t n_dropped;

    lw_keyed_batch_clear(outbox->batch);
    lw_outbox_key_event(&key, 'p', sink->id, entry->number);
    status = lw_keyed_get(outbox->keyed, key.bytes, key.n, &outbox->found, NULL);
    if (status != LW_OK) {
        return status;
    }
    lw_keyed_remove(outbox->batch, key.bytes, key.n);
    lw_writer_reset(&outbox->value);
    lw_write_i64(&outbox->value, outbox->real_ns());
    lw_write_u32(&outbox->value, entry->attempts);
    lw_write_text(&outbox->value, reason);
    lw_write_raw(&outbox->value, outbox->found.data, outbox->found.n_bytes);
    if (outbox->value.status != LW_OK) {
        return LW_ENOMEM;
    }
    lw_outbox_key_event(&key, 'd', sink->id, entry->number);
    lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
    n_dropped = make_room(outbox, sink);
    status = lw_keyed_write(outbox->keyed, outbox->batch, NULL);
    if (status == LW_OK) {
        sink->view.dead++;
        sink->view.dead_kept += 1 - n_dropped;
        sink->view.dead_dropped += n_dropped;
        lw_outbox_queue_remove(&sink->waiting, entry);
    }
    return status;
}

/* ---- reading ---- */

/* The head's place in a letter's value is behind time, attempts and reason. */
static void letter_read(struct lw_dead_letter *letter, struct outbox_head *head,
                        struct lw_reader *reader)
{
    letter->time_ns = lw_read_i64(reader);
    letter->attempts = lw_read_u32(reader);
    lw_read_text(reader, letter->reason, sizeof(letter->reason));
    lw_outbox_head_read(head, reader);
    letter->key = head->number;
}

struct listing {
    struct lw_dead_letter *letters;
    size_t n, capacity;
    bool damaged;
};

static bool letter_list(void *context, const struct lw_keyed_pair *pair)
{
    struct listing *listing = context;
    struct outbox_head head;
    struct lw_reader reader;

    if (listing->n == listing->capacity) {
        return false;
    }
    lw_reader_init(&reader, pair->value, pair->n_value);
    letter_read(&listing->letters[listing->n], &head, &reader);
    lw_anomaly_view_read(&listing->letters[listing->n].anomaly, &reader);
    listing->damaged = listing->damaged || reader.status != LW_OK;
    listing->n += reader.status == LW_OK ? 1 : 0;
    return true;
}

enum lw_status lw_outbox_dead_letters(struct lw_outbox *outbox,
                                      const struct lw_outbox_search *search,
                                      struct lw_dead_letter *ret_letters, size_t *ret_n,
                                      struct lw_error *reterr)
{
    struct listing listing = {.letters = ret_letters, .capacity = search->capacity};
    struct outbox_sink *sink;
    struct letters letters;
    enum lw_status status;

    (void)pthread_mutex_lock(&outbox->lock);
    sink = lw_outbox_find(outbox, search->sink);
    if (sink == NULL) {
        status = lw_outbox_unknown(search->sink, reterr);
    } else {
        letters_range(&letters, sink, search->from);
        status = lw_keyed_scan(outbox->keyed, &letters.range, letter_list, &listing, reterr);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    if (status == LW_OK && listing.damaged && listing.n == 0) {
        status = lw_error_set(reterr, LW_EFORMAT, "the dead letters of sink \"%.200s\" are damaged",
                              search->sink);
    }
    if (status == LW_OK) {
        *ret_n = listing.n;
    }
    return status;
}

/* ---- changing ---- */

/* Letters that leave, a write at a time. */
struct leaving {
    struct lw_outbox *outbox;
    struct outbox_sink *sink;
    bool again;   /* To the sink, with the age of now; else they are forgotten. */
    uint64_t key; /* Just this one; 0: all. */
    struct outbox_entry entries[LETTERS_AT_ONCE];
    size_t n;
    uint64_t next; /* Where to go on. */
    enum lw_status status;
};

static bool letter_leave(void *context, const struct lw_keyed_pair *pair)
{
    struct leaving *leaving = context;
    struct lw_outbox *outbox = leaving->outbox;
    uint64_t number = lw_outbox_key_number(pair->key, 5);
    struct outbox_head head;
    struct lw_dead_letter letter;
    struct outbox_key key;
    struct lw_reader reader;

    if (leaving->n == LETTERS_AT_ONCE || (leaving->key != 0 && number != leaving->key)) {
        return false;
    }
    leaving->next = number + 1;
    lw_keyed_remove(outbox->batch, pair->key, pair->n_key);
    if (!leaving->again) {
        leaving->n++;
        return true;
    }
    lw_reader_init(&reader, pair->value, pair->n_value);
    letter_read(&letter, &head, &reader);
    if (reader.status != LW_OK) {
        leaving->status = LW_EFORMAT;
        return false;
    }
    head.real_ns = outbox->real_ns();
    lw_writer_reset(&outbox->value);
    lw_outbox_head_write(&outbox->value, &head);
    lw_write_raw(&outbox->value, pair->value + reader.at, pair->n_value - reader.at);
    lw_outbox_key_event(&key, 'p', leaving->sink->id, number);
    lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
    leaving->entries[leaving->n++] = lw_outbox_entry(outbox, &head);
    leaving->status = outbox->value.status;
    return leaving->status == LW_OK;
}

/* One write of letters. */
static enum lw_status letters_leave(struct leaving *leaving, struct lw_error *reterr)
{
    struct lw_outbox *outbox = leaving->outbox;
    struct outbox_sink *sink = leaving->sink;
    struct letters letters;
    enum lw_status status;

    leaving->n = 0;
    lw_keyed_batch_clear(outbox->batch);
    letters_range(&letters, sink, leaving->next);
    status = lw_keyed_scan(outbox->keyed, &letters.range, letter_leave, leaving, reterr);
    if (status == LW_OK && leaving->status == LW_OK && leaving->again) {
        leaving->status = lw_outbox_queue_reserve(&sink->waiting, leaving->n);
    }
    if (status == LW_OK && leaving->status != LW_OK) {
        return lw_error_set(reterr, leaving->status, "cannot read a dead letter of sink \"%s\": %s",
                            sink->name,
                            leaving->status == LW_ENOMEM ? "no memory" : "it is damaged");
    }
    if (status == LW_OK) {
        status = lw_keyed_write(outbox->keyed, outbox->batch, reterr);
    }
    if (status == LW_OK) {
        sink->view.dead_kept -= leaving->n;
        for (size_t i = 0; leaving->again && i < leaving->n; i++) {
            lw_outbox_queue_insert(&sink->waiting, &leaving->entries[i]);
        }
    }
    return status;
}

static enum lw_status change(struct lw_outbox *outbox, const char *name, struct leaving *leaving,
                             size_t *ret_n, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    size_t n = 0;

    (void)pthread_mutex_lock(&outbox->lock);
    leaving->outbox = outbox;
    leaving->sink = lw_outbox_find(outbox, name);
    leaving->next = leaving->key;
    if (leaving->sink == NULL) {
        status = lw_outbox_unknown(name, reterr);
    }
    while (status == LW_OK && leaving->sink != NULL) {
        status = letters_leave(leaving, reterr);
        n += status == LW_OK ? leaving->n : 0;
        if (leaving->n < LETTERS_AT_ONCE) {
            break;
        }
    }
    (void)pthread_cond_broadcast(&outbox->due);
    (void)pthread_mutex_unlock(&outbox->lock);
    if (status == LW_OK && leaving->key != 0 && n == 0) {
        status = lw_error_set(reterr, LW_ENOTFOUND, "sink \"%.200s\" has no dead letter %llu", name,
                              (unsigned long long)leaving->key);
    }
    if (status == LW_OK) {
        *ret_n = n;
    }
    return status;
}

enum lw_status lw_outbox_replay(struct lw_outbox *outbox, const char *sink, uint64_t key,
                                size_t *ret_n, struct lw_error *reterr)
{
    struct leaving leaving = {.again = true, .key = key};

    return change(outbox, sink, &leaving, ret_n, reterr);
}

enum lw_status lw_outbox_drop(struct lw_outbox *outbox, const char *sink, uint64_t key,
                              size_t *ret_n, struct lw_error *reterr)
{
    struct leaving leaving = {.key = key};

    return change(outbox, sink, &leaving, ret_n, reterr);
}

/* ---- all of a sink that goes ---- */

static bool letter_remove(void *context, const struct lw_keyed_pair *pair)
{
    lw_keyed_remove(context, pair->key, pair->n_key);
    return true;
}

void lw_outbox_remove_dead(struct lw_outbox *outbox, const struct outbox_sink *sink)
{
    struct letters letters;

    letters_range(&letters, sink, 0);
    (void)!lw_keyed_scan(outbox->keyed, &letters.range, letter_remove, outbox->batch, NULL);
}
