/* The names on the simulated disk: paths, each with the file or folder that it names. */
#ifndef LW_STORE_SIMULATED_NAMES_H
#define LW_STORE_SIMULATED_NAMES_H

#include "store/io.h"
#include "store/simulated_node.h"

struct lw_disk_entry {
    char *path; /* Owned. */
    struct lw_disk_node *node;
};

struct lw_disk_names {
    struct lw_disk_entry *entries; /* Owned. */
    size_t n, capacity;
};

/* Room for one item more in an array on the heap. False when there is no memory. */
bool lw_disk_grow(void **items, size_t *capacity, size_t n, size_t item_bytes);
/* A copy on the heap; NULL when there is no memory. */
char *lw_disk_text_copy(const char *text);

/* "./a//b/" as "a/b", "" as ".". False when it is too long. */
bool lw_disk_path_clean(const char *path, char ret_path[LW_IO_PATH_MAX]);
/* True when `path` lies right in the folder `dir`. */
bool lw_disk_path_is_in(const char *path, const char *dir);
/* True when `path` lies in the folder `dir`, or in one within it. */
bool lw_disk_path_is_below(const char *path, const char *dir);

void lw_disk_names_fini(struct lw_disk_names *names);
/* Borrowed, until names change; NULL. */
struct lw_disk_node *lw_disk_names_find(const struct lw_disk_names *names, const char *path);
/* False when there is no memory. */
bool lw_disk_names_set(struct lw_disk_names *names, const char *path, struct lw_disk_node *node);
void lw_disk_names_drop(struct lw_disk_names *names, const char *path);
/* What lies below the folder `from` lies below `to` from now on. False when there is no memory. */
bool lw_disk_names_move_below(struct lw_disk_names *names, const char *from, const char *to);
/* A path below `from` as it is below `to`; on the heap, NULL when there is no memory. */
char *lw_disk_path_move(const char *path, const char *from, const char *to);
bool lw_disk_names_has_dir(const struct lw_disk_names *names, const char *path);
/* True when the folder that `path` lies in is there. */
bool lw_disk_names_has_parent(const struct lw_disk_names *names, const char *path);
/* Drops the names whose folder is not there. */
void lw_disk_names_drop_lost(struct lw_disk_names *names);
/* Makes names equal to those of another. False when there is no memory. */
bool lw_disk_names_copy(struct lw_disk_names *names, const struct lw_disk_names *from);

#endif
