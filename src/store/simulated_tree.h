/*
 * The files and folders of the simulated disk.
 *
 * Names are held twice, as they are cached and as they are on the disk; between the two lies the
 * list of changes in the order in which they were made. Syncing a folder applies its changes, a
 * power cut some of them. Bytes are the nodes' business.
 */
#ifndef LW_STORE_SIMULATED_TREE_H
#define LW_STORE_SIMULATED_TREE_H

#include "store/simulated_names.h"

/* A change of names that is not on the disk yet. */
struct lw_disk_change {
    char *from, *to;           /* Owned. A new name has no from, a removed one no to. */
    struct lw_disk_node *node; /* What `to` names. */
};

/* All zeros is a tree without any name. */
struct lw_disk_tree {
    struct lw_disk_node **nodes; /* Owned. */
    size_t n_nodes, nodes_capacity;
    struct lw_disk_names cached, kept;
    struct lw_disk_change *changes; /* Owned. */
    size_t n_changes, changes_capacity;
};

void lw_disk_tree_fini(struct lw_disk_tree *tree);
/* A new node, to be named before the next sweep; NULL when there is no memory. */
struct lw_disk_node *lw_disk_tree_node(struct lw_disk_tree *tree, bool is_dir);
/* Makes the change in the cache and remembers it for the disk. 0 or -ENOMEM. */
int lw_disk_tree_change(struct lw_disk_tree *tree, const char *from, const char *to,
                        struct lw_disk_node *node);
/* The changes of names right in this folder are on the disk. 0 or -ENOMEM. */
int lw_disk_tree_sync(struct lw_disk_tree *tree, const char *dir);
/* The power was gone: of the changes those stay that had reached the disk. False when there is no
 * memory. */
bool lw_disk_tree_crash(struct lw_disk_tree *tree, enum lw_disk_keep keep, struct lw_rng *rng);
/* Bytes of the files that are named or open. */
int64_t lw_disk_tree_used(struct lw_disk_tree *tree);
/* Nodes that nothing names or holds open are freed. */
void lw_disk_tree_sweep(struct lw_disk_tree *tree);

#endif
