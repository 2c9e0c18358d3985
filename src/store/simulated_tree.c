/* Names and files, changed in the cache and later on the disk: see store/simulated_tree.h. */
#include "store/simulated_tree.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct lw_disk_node *lw_disk_tree_node(struct lw_disk_tree *tree, bool is_dir)
{
    struct lw_disk_node *node;

    if (!lw_disk_grow((void **)&tree->nodes, &tree->nodes_capacity, tree->n_nodes,
                      sizeof(struct lw_disk_node *))) {
        return NULL;
    }
    node = lw_disk_node_create(is_dir);
    if (node != NULL) {
        tree->nodes[tree->n_nodes++] = node;
    }
    return node;
}

static void names_mark(const struct lw_disk_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        names->entries[i].node->marked = true;
    }
}

void lw_disk_tree_sweep(struct lw_disk_tree *tree)
{
    size_t n = 0;

    names_mark(&tree->cached);
    names_mark(&tree->kept);
    for (size_t i = 0; i < tree->n_changes; i++) {
        if (tree->changes[i].node != NULL) {
            tree->changes[i].node->marked = true;
        }
    }
    for (size_t i = 0; i < tree->n_nodes; i++) {
        struct lw_disk_node *node = tree->nodes[i];

        if (node->marked || node->n_open > 0) {
            node->marked = false;
            tree->nodes[n++] = node;
        } else {
            lw_disk_node_destroy(node);
        }
    }
    tree->n_nodes = n;
}

int64_t lw_disk_tree_used(struct lw_disk_tree *tree)
{
    int64_t n_bytes = 0;

    names_mark(&tree->cached);
    for (size_t i = 0; i < tree->n_nodes; i++) {
        struct lw_disk_node *node = tree->nodes[i];

        n_bytes += node->marked || node->n_open > 0 ? (int64_t)node->n_cached : 0;
        node->marked = false;
    }
    return n_bytes;
}

static void change_fini(struct lw_disk_change *change)
{
    lw_mem_free(change->from);
    lw_mem_free(change->to);
}

/* A path below `from` becomes one below `to`. False when there is no memory. */
static bool path_move(char **path, const char *from, const char *to)
{
    char *moved;

    if (*path == NULL || !lw_disk_path_is_below(*path, from)) {
        return true;
    }
    moved = lw_disk_path_move(*path, from, to);
    if (moved == NULL) {
        return false;
    }
    lw_mem_free(*path);
    *path = moved;
    return true;
}

/* What lies below a folder that is renamed: its changes that are not on the disk go along. */
static bool changes_move_below(struct lw_disk_tree *tree, const char *from, const char *to)
{
    bool good = true;

    for (size_t i = 0; i < tree->n_changes; i++) {
        good = path_move(&tree->changes[i].from, from, to) &&
               path_move(&tree->changes[i].to, from, to) && good;
    }
    return good;
}

/* Applies a change to names. False when there is no memory. */
static bool change_apply(const struct lw_disk_change *change, struct lw_disk_names *names)
{
    if (change->to != NULL && !lw_disk_names_set(names, change->to, change->node)) {
        return false;
    }
    if (change->from != NULL) {
        lw_disk_names_drop(names, change->from);
        if (change->to != NULL && change->node->is_dir) {
            return lw_disk_names_move_below(names, change->from, change->to);
        }
    }
    return true;
}

int lw_disk_tree_change(struct lw_disk_tree *tree, const char *from, const char *to,
                        struct lw_disk_node *node)
{
    struct lw_disk_change change = {.from = from == NULL ? NULL : lw_disk_text_copy(from),
                                    .to = to == NULL ? NULL : lw_disk_text_copy(to),
                                    .node = node};
    bool is_move = from != NULL && to != NULL && node->is_dir;

    if ((from != NULL && change.from == NULL) || (to != NULL && change.to == NULL) ||
        !lw_disk_grow((void **)&tree->changes, &tree->changes_capacity, tree->n_changes,
                      sizeof(change)) ||
        (is_move && !changes_move_below(tree, from, to)) || !change_apply(&change, &tree->cached)) {
        change_fini(&change);
        return -ENOMEM;
    }
    tree->changes[tree->n_changes++] = change;
    return 0;
}

static bool change_is_in(const struct lw_disk_change *change, const char *dir)
{
    return (change->to != NULL && lw_disk_path_is_in(change->to, dir)) ||
           (change->from != NULL && lw_disk_path_is_in(change->from, dir));
}

int lw_disk_tree_sync(struct lw_disk_tree *tree, const char *dir)
{
    size_t n = 0;
    int answer = 0;

    for (size_t i = 0; i < tree->n_changes; i++) {
        struct lw_disk_change *change = &tree->changes[i];

        if (answer != 0 || !change_is_in(change, dir)) {
            tree->changes[n++] = *change;
        } else if (!change_apply(change, &tree->kept)) {
            answer = -ENOMEM;
            tree->changes[n++] = *change;
        } else {
            change_fini(change);
        }
    }
    tree->n_changes = n;
    lw_disk_tree_sweep(tree);
    return answer;
}

bool lw_disk_tree_crash(struct lw_disk_tree *tree, enum lw_disk_keep keep, struct lw_rng *rng)
{
    size_t n_prefix = (size_t)lw_rng_below(rng, tree->n_changes + 1);
    bool good = true;

    for (size_t i = 0; i < tree->n_changes; i++) {
        bool stays = keep == LW_DISK_KEEP_ALL || (keep == LW_DISK_KEEP_PREFIX && i < n_prefix) ||
                     (keep == LW_DISK_KEEP_ANY && lw_rng_below(rng, 2) == 0);

        good = (!stays || change_apply(&tree->changes[i], &tree->kept)) && good;
        change_fini(&tree->changes[i]);
    }
    tree->n_changes = 0;
    lw_disk_names_drop_lost(&tree->kept);
    return lw_disk_names_copy(&tree->cached, &tree->kept) && good;
}

void lw_disk_tree_fini(struct lw_disk_tree *tree)
{
    for (size_t i = 0; i < tree->n_changes; i++) {
        change_fini(&tree->changes[i]);
    }
    for (size_t i = 0; i < tree->n_nodes; i++) {
        lw_disk_node_destroy(tree->nodes[i]);
    }
    lw_disk_names_fini(&tree->cached);
    lw_disk_names_fini(&tree->kept);
    lw_mem_free(tree->changes);
    lw_mem_free(tree->nodes);
    *tree = (struct lw_disk_tree){0};
}
