/* Cached and kept bytes by sector: see store/simulated_node.h. */
#include "store/simulated_node.h"

#include "base/mem.h"
#include "store/simulated_disk.h"

#include <string.h>

#define SECTOR ((size_t)LW_DISK_SECTOR_BYTES)

struct lw_disk_node *lw_disk_node_create(bool is_dir)
{
    struct lw_disk_node *node = lw_mem_calloc(1, sizeof(*node));

    if (node != NULL) {
        node->is_dir = is_dir;
    }
    return node;
}

void lw_disk_node_destroy(struct lw_disk_node *node)
{
    lw_mem_free(node->cached);
    lw_mem_free(node->kept);
    lw_mem_free(node->dirty);
    lw_mem_free(node);
}

static bool node_reserve(struct lw_disk_node *node, size_t n_bytes)
{
    size_t capacity = node->capacity == 0 ? 4 * SECTOR : node->capacity;
    uint8_t *cached, *kept;
    bool *dirty;

    while (capacity < n_bytes) {
        capacity *= 2;
    }
    if (capacity == node->capacity) {
        return true;
    }
    cached = lw_mem_calloc(capacity, 1);
    kept = lw_mem_calloc(capacity, 1);
    dirty = lw_mem_calloc(capacity / SECTOR, sizeof(*dirty));
    if (cached == NULL || kept == NULL || dirty == NULL) {
        lw_mem_free(cached);
        lw_mem_free(kept);
        lw_mem_free(dirty);
        return false;
    }
    if (node->capacity > 0) {
        memcpy(cached, node->cached, node->capacity);
        memcpy(kept, node->kept, node->capacity);
        memcpy(dirty, node->dirty, node->capacity / SECTOR * sizeof(*dirty));
    }
    lw_mem_free(node->cached);
    lw_mem_free(node->kept);
    lw_mem_free(node->dirty);
    node->cached = cached;
    node->kept = kept;
    node->dirty = dirty;
    node->capacity = capacity;
    return true;
}

/* Bytes [from, to) differ from what is on the disk. */
static void node_touch(struct lw_disk_node *node, size_t from, size_t to)
{
    size_t first = from / SECTOR, end = (to + SECTOR - 1) / SECTOR;

    if (from == to) {
        return;
    }
    memset(node->dirty + first, true, (end - first) * sizeof(*node->dirty));
    if (node->dirty_from == node->dirty_to) {
        node->dirty_from = first;
        node->dirty_to = end;
    } else {
        node->dirty_from = first < node->dirty_from ? first : node->dirty_from;
        node->dirty_to = end > node->dirty_to ? end : node->dirty_to;
    }
}

bool lw_disk_node_resize(struct lw_disk_node *node, size_t n_bytes)
{
    if (!node_reserve(node, n_bytes)) {
        return false;
    }
    if (n_bytes < node->n_cached) {
        memset(node->cached + n_bytes, 0, node->n_cached - n_bytes);
        node_touch(node, n_bytes, node->n_cached);
    }
    node->length_dirty = node->length_dirty || n_bytes != node->n_cached;
    node->n_cached = n_bytes;
    return true;
}

bool lw_disk_node_write(struct lw_disk_node *node, size_t at, const void *bytes, size_t n_bytes)
{
    if (at + n_bytes > node->n_cached && !lw_disk_node_resize(node, at + n_bytes)) {
        return false;
    }
    if (n_bytes > 0) {
        memcpy(node->cached + at, bytes, n_bytes);
        node_touch(node, at, at + n_bytes);
    }
    return true;
}

static bool sector_stays(enum lw_disk_keep keep, size_t *n_left, struct lw_rng *rng)
{
    if (keep == LW_DISK_KEEP_ANY) {
        return lw_rng_below(rng, 2) == 0;
    }
    if (keep == LW_DISK_KEEP_PREFIX && *n_left > 0) {
        (*n_left)--;
        return true;
    }
    return keep == LW_DISK_KEEP_ALL;
}

void lw_disk_node_keep(struct lw_disk_node *node, enum lw_disk_keep keep, struct lw_rng *rng)
{
    size_t n_left = node->dirty_to - node->dirty_from;

    if (keep == LW_DISK_KEEP_PREFIX) {
        n_left = (size_t)lw_rng_below(rng, n_left + 1);
    }
    for (size_t i = node->dirty_from; i < node->dirty_to; i++) {
        size_t end = (i + 1) * SECTOR;

        if (node->dirty[i] && sector_stays(keep, &n_left, rng)) {
            memcpy(node->kept + i * SECTOR, node->cached + i * SECTOR, SECTOR);
            if (node->length_dirty && node->n_kept < end) {
                node->n_kept = end < node->n_cached ? end : node->n_cached;
            }
        }
        node->dirty[i] = false;
    }
    /* A file that has grown may be long already where its bytes are not there yet. */
    if (node->length_dirty &&
        (keep == LW_DISK_KEEP_ALL || (keep == LW_DISK_KEEP_ANY && lw_rng_below(rng, 2) == 0))) {
        node->n_kept = node->n_cached;
    }
    node->length_dirty = false;
    node->dirty_from = node->dirty_to = 0;
}

void lw_disk_node_reload(struct lw_disk_node *node)
{
    if (node->capacity > 0) {
        memset(node->kept + node->n_kept, 0, node->capacity - node->n_kept);
        memcpy(node->cached, node->kept, node->capacity);
        memset(node->dirty, 0, node->capacity / SECTOR * sizeof(*node->dirty));
    }
    node->n_cached = node->n_kept;
    node->length_dirty = false;
    node->dirty_from = node->dirty_to = 0;
}
