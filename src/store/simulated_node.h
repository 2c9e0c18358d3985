/* A file or folder of the simulated disk: its bytes as they are cached, and as they are on the
 * disk. */
#ifndef LW_STORE_SIMULATED_NODE_H
#define LW_STORE_SIMULATED_NODE_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_disk_node {
    bool is_dir;
    uint8_t *cached, *kept;      /* Owned, of capacity bytes each; zeros behind the length. */
    bool *dirty;                 /* Owned; of each sector: a sync has it still to write. */
    size_t capacity;             /* A multiple of the sector. */
    size_t dirty_from, dirty_to; /* Sectors outside of these are clean. */
    size_t n_cached, n_kept;
    bool length_dirty;
    unsigned n_open; /* Descriptors. */
    bool marked;     /* Still in use: while nodes are swept. */
};

/* What becomes of dirty sectors. */
enum lw_disk_keep { LW_DISK_KEEP_NONE, LW_DISK_KEEP_PREFIX, LW_DISK_KEEP_ANY, LW_DISK_KEEP_ALL };

/* NULL when there is no memory. */
struct lw_disk_node *lw_disk_node_create(bool is_dir);
void lw_disk_node_destroy(struct lw_disk_node *node);
/* Sets the length of what is cached. False when there is no memory. */
bool lw_disk_node_resize(struct lw_disk_node *node, size_t n_bytes);
/* Into the cache; the file grows where it must. False when there is no memory. */
bool lw_disk_node_write(struct lw_disk_node *node, size_t at, const void *bytes, size_t n_bytes);
/* Dirty sectors reach the disk, or not; none is dirty afterwards, and what is cached stays. */
void lw_disk_node_keep(struct lw_disk_node *node, enum lw_disk_keep keep, struct lw_rng *rng);
/* The cache holds what the disk does. */
void lw_disk_node_reload(struct lw_disk_node *node);

#endif
