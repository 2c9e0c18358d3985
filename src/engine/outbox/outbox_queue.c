/* Entries of one sink by number. Nearly all come at the end and go at the beginning. */
#include "base/mem.h"
#include "engine/outbox/outbox_internal.h"

#include <string.h>

#define CAPACITY_FIRST 16
/* Places of entries that are gone are closed when there are so many, and more than of others. */
#define GONE_MIN 64

enum lw_status lw_outbox_queue_reserve(struct outbox_queue *queue, size_t n)
{
    size_t capacity = queue->capacity == 0 ? CAPACITY_FIRST : queue->capacity;
    struct outbox_entry *entries;

    while (capacity < queue->n + n) {
        capacity *= 2;
    }
    if (capacity == queue->capacity) {
        return LW_OK;
    }
    entries = lw_mem_realloc(queue->entries, capacity * sizeof(*entries));
    if (entries == NULL) {
        return LW_ENOMEM;
    }
    queue->entries = entries;
    queue->capacity = capacity;
    return LW_OK;
}

/* The first place with at least this number. */
static size_t place_of(const struct outbox_queue *queue, uint64_t number)
{
    size_t low = queue->first, high = queue->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (queue->entries[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void lw_outbox_queue_insert(struct outbox_queue *queue, const struct outbox_entry *entry)
{
    size_t at = place_of(queue, entry->number);

    if (at < queue->n && queue->entries[at].number == entry->number) {
        queue->n_gone -= (queue->entries[at].flags & ENTRY_GONE) != 0 ? 1 : 0;
        queue->entries[at] = *entry;
        return;
    }
    memmove(&queue->entries[at + 1], &queue->entries[at],
            (queue->n - at) * sizeof(queue->entries[0]));
    queue->entries[at] = *entry;
    queue->n++;
}

struct outbox_entry *lw_outbox_queue_find(struct outbox_queue *queue, uint64_t number)
{
    size_t at = place_of(queue, number);

    return at < queue->n && queue->entries[at].number == number &&
                   (queue->entries[at].flags & ENTRY_GONE) == 0
               ? &queue->entries[at]
               : NULL;
}

static void close_up(struct outbox_queue *queue)
{
    size_t n = 0;

    for (size_t i = queue->first; i < queue->n; i++) {
        if ((queue->entries[i].flags & ENTRY_GONE) == 0) {
            queue->entries[n++] = queue->entries[i];
        }
    }
    queue->first = 0;
    queue->n = n;
    queue->n_gone = 0;
}

void lw_outbox_queue_tidy(struct outbox_queue *queue)
{
    while (queue->first < queue->n && (queue->entries[queue->first].flags & ENTRY_GONE) != 0) {
        queue->first++;
        queue->n_gone--;
    }
    if (queue->n_gone + queue->first > GONE_MIN && queue->n_gone + queue->first > queue->n / 2) {
        close_up(queue);
    }
}

void lw_outbox_queue_mark(struct outbox_queue *queue, struct outbox_entry *entry)
{
    entry->flags = ENTRY_GONE;
    queue->n_gone++;
}

void lw_outbox_queue_remove(struct outbox_queue *queue, struct outbox_entry *entry)
{
    lw_outbox_queue_mark(queue, entry);
    lw_outbox_queue_tidy(queue);
}

size_t lw_outbox_queue_count(const struct outbox_queue *queue)
{
    return queue->n - queue->first - queue->n_gone;
}

void lw_outbox_queue_fini(struct outbox_queue *queue)
{
    lw_mem_free(queue->entries);
    *queue = (struct outbox_queue){0};
}
