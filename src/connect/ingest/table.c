/* The table of names: see connect/ingest/table.h. */
#include "connect/ingest/table.h"

#include "base/mem.h"

#define CAPACITY_MIN 64
/* From here on in pages, of which huge ones save look-ups their translation. */
#define PAGES_FROM ((size_t)2 << 20)

static struct lw_ingest_entry *entries_create(size_t capacity)
{
    size_t n_bytes = capacity * sizeof(struct lw_ingest_entry);
    struct lw_ingest_entry *entries = n_bytes < PAGES_FROM ? lw_mem_alloc(n_bytes)
                                                           : lw_mem_alloc_pages(n_bytes);

    for (size_t i = 0; entries != NULL && i < capacity; i++) {
        entries[i] = (struct lw_ingest_entry){.number = LW_INGEST_TABLE_NONE};
    }
    return entries;
}

enum lw_status lw_ingest_table_init(struct lw_ingest_table *table)
{
    *table = (struct lw_ingest_table){.entries = entries_create(CAPACITY_MIN),
                                      .mask = CAPACITY_MIN - 1};
    return table->entries == NULL ? LW_ENOMEM : LW_OK;
}

void lw_ingest_table_fini(struct lw_ingest_table *table)
{
    size_t n_bytes = (table->mask + 1) * sizeof(struct lw_ingest_entry);

    if (n_bytes >= PAGES_FROM) {
        lw_mem_free_pages(table->entries, n_bytes);
    } else {
        lw_mem_free(table->entries);
    }
    *table = (struct lw_ingest_table){0};
}

/* The place of a name, or the free one where it belongs. */
static struct lw_ingest_entry *entry_find(const struct lw_ingest_table *table,
                                          struct lw_ingest_hash hash)
{
    size_t at = hash.low & table->mask;

    while (table->entries[at].number != LW_INGEST_TABLE_NONE &&
           (table->entries[at].hash.low != hash.low || table->entries[at].hash.high != hash.high)) {
        at = (at + 1) & table->mask;
    }
    return &table->entries[at];
}

static void entry_set(struct lw_ingest_entry *entry, struct lw_ingest_hash hash, uint32_t number,
                      uint32_t seen)
{
    entry->hash = hash;
    entry->number = number;
    atomic_store_explicit(&entry->seen, seen, memory_order_relaxed);
}

/* Into a table of another capacity, without what `keeps` (NULL: all stay) says no to. */
static enum lw_status table_move(struct lw_ingest_table *table, size_t capacity,
                                 bool (*keeps)(const void *context,
                                               const struct lw_ingest_entry *entry),
                                 const void *context)
{
    struct lw_ingest_table moved = {.entries = entries_create(capacity), .mask = capacity - 1};

    if (moved.entries == NULL) {
        return LW_ENOMEM;
    }
    for (size_t i = 0; i <= table->mask; i++) {
        struct lw_ingest_entry *entry = &table->entries[i];

        if (entry->number != LW_INGEST_TABLE_NONE && (keeps == NULL || keeps(context, entry))) {
            entry_set(entry_find(&moved, entry->hash), entry->hash, entry->number,
                      atomic_load_explicit(&entry->seen, memory_order_relaxed));
            moved.n++;
        }
    }
    lw_ingest_table_fini(table);
    *table = moved;
    return LW_OK;
}

enum lw_status lw_ingest_table_put(struct lw_ingest_table *table, struct lw_ingest_hash hash,
                                   uint32_t number, uint32_t now)
{
    struct lw_ingest_entry *entry = entry_find(table, hash);

    if (entry->number == LW_INGEST_TABLE_NONE) {
        if ((table->n + 1) * 4 > (table->mask + 1) * 3) {
            if (table_move(table, (table->mask + 1) * 2, NULL, NULL) != LW_OK) {
                return LW_ENOMEM;
            }
            entry = entry_find(table, hash);
        }
        table->n++;
    }
    entry_set(entry, hash, number, now);
    return LW_OK;
}

enum lw_status lw_ingest_table_keep(struct lw_ingest_table *table,
                                    bool (*keeps)(const void *context,
                                                  const struct lw_ingest_entry *entry),
                                    const void *context)
{
    size_t n = 0, capacity = CAPACITY_MIN;

    for (size_t i = 0; i <= table->mask; i++) {
        n += table->entries[i].number != LW_INGEST_TABLE_NONE && keeps(context, &table->entries[i]);
    }
    while (n * 2 > capacity) {
        capacity *= 2;
    }
    return table_move(table, capacity, keeps, context);
}
