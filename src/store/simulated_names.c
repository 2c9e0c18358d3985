/* Paths and what they name, found by walking through them all: see store/simulated_names.h. */
#include "store/simulated_names.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

bool lw_disk_grow(void **items, size_t *capacity, size_t n, size_t item_bytes)
{
    size_t wanted = *capacity == 0 ? 8 : 2 * *capacity;
    void *grown;

    if (n < *capacity) {
        return true;
    }
    grown = lw_mem_realloc(*items, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *capacity = wanted;
    return true;
}

char *lw_disk_text_copy(const char *text)
{
    size_t n_bytes = strlen(text) + 1;
    char *copy = lw_mem_alloc(n_bytes);

    if (copy != NULL) {
        memcpy(copy, text, n_bytes);
    }
    return copy;
}

/* ---- paths ---- */

bool lw_disk_path_clean(const char *path, char ret_path[LW_IO_PATH_MAX])
{
    size_t n = 0;

    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    for (; *path != '\0'; path++) {
        if (*path == '/' && n > 0 && ret_path[n - 1] == '/') {
            continue;
        }
        if (n + 1 == LW_IO_PATH_MAX) {
            return false;
        }
        ret_path[n++] = *path;
    }
    if (n > 1 && ret_path[n - 1] == '/') {
        n--;
    }
    if (n == 0) {
        ret_path[n++] = '.';
    }
    ret_path[n] = '\0';
    return true;
}

/* How many bytes of a path name the folder it is in: 0 is "." */
static size_t parent_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

bool lw_disk_path_is_in(const char *path, const char *dir)
{
    size_t n_bytes = parent_bytes(path);

    if (n_bytes == 0) {
        return strcmp(dir, ".") == 0;
    }
    return strlen(dir) == n_bytes && memcmp(path, dir, n_bytes) == 0;
}

bool lw_disk_path_is_below(const char *path, const char *dir)
{
    size_t n_bytes = strlen(dir);

    return strncmp(path, dir, n_bytes) == 0 && path[n_bytes] == '/';
}

char *lw_disk_path_move(const char *path, const char *from, const char *to)
{
    size_t n_bytes = strlen(path) - strlen(from) + strlen(to) + 1;
    char *moved = lw_mem_alloc(n_bytes);

    if (moved != NULL) {
        (void)snprintf(moved, n_bytes, "%s%s", to, path + strlen(from));
    }
    return moved;
}

/* ---- names ---- */

static struct lw_disk_entry *names_entry(const struct lw_disk_names *names, const char *path)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->entries[i].path, path) == 0) {
            return &names->entries[i];
        }
    }
    return NULL;
}

struct lw_disk_node *lw_disk_names_find(const struct lw_disk_names *names, const char *path)
{
    const struct lw_disk_entry *entry = names_entry(names, path);

    return entry == NULL ? NULL : entry->node;
}

bool lw_disk_names_set(struct lw_disk_names *names, const char *path, struct lw_disk_node *node)
{
    struct lw_disk_entry *entry = names_entry(names, path);
    char *copy;

    if (entry != NULL) {
        entry->node = node;
        return true;
    }
    if (!lw_disk_grow((void **)&names->entries, &names->capacity, names->n, sizeof(*entry))) {
        return false;
    }
    copy = lw_disk_text_copy(path);
    if (copy == NULL) {
        return false;
    }
    names->entries[names->n++] = (struct lw_disk_entry){.path = copy, .node = node};
    return true;
}

static void names_drop_at(struct lw_disk_names *names, size_t i)
{
    lw_mem_free(names->entries[i].path);
    names->entries[i] = names->entries[--names->n];
}

void lw_disk_names_drop(struct lw_disk_names *names, const char *path)
{
    const struct lw_disk_entry *entry = names_entry(names, path);

    if (entry != NULL) {
        names_drop_at(names, (size_t)(entry - names->entries));
    }
}

bool lw_disk_names_move_below(struct lw_disk_names *names, const char *from, const char *to)
{
    for (size_t i = 0; i < names->n; i++) {
        if (lw_disk_path_is_below(names->entries[i].path, from)) {
            char *moved = lw_disk_path_move(names->entries[i].path, from, to);

            if (moved == NULL) {
                return false;
            }
            lw_mem_free(names->entries[i].path);
            names->entries[i].path = moved;
        }
    }
    return true;
}

bool lw_disk_names_has_dir(const struct lw_disk_names *names, const char *path)
{
    const struct lw_disk_node *node = lw_disk_names_find(names, path);

    return strcmp(path, "/") == 0 || strcmp(path, ".") == 0 || (node != NULL && node->is_dir);
}

bool lw_disk_names_has_parent(const struct lw_disk_names *names, const char *path)
{
    size_t n_bytes = parent_bytes(path);
    char dir[LW_IO_PATH_MAX];

    if (n_bytes == 0) {
        return true;
    }
    (void)snprintf(dir, sizeof(dir), "%.*s", (int)n_bytes, path);
    return lw_disk_names_has_dir(names, dir);
}

void lw_disk_names_drop_lost(struct lw_disk_names *names)
{
    size_t n_before;

    do { /* With a folder go those within it. */
        n_before = names->n;
        for (size_t i = names->n; i > 0; i--) {
            if (!lw_disk_names_has_parent(names, names->entries[i - 1].path)) {
                names_drop_at(names, i - 1);
            }
        }
    } while (names->n < n_before);
}

void lw_disk_names_fini(struct lw_disk_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        lw_mem_free(names->entries[i].path);
    }
    lw_mem_free(names->entries);
    *names = (struct lw_disk_names){0};
}

bool lw_disk_names_copy(struct lw_disk_names *names, const struct lw_disk_names *from)
{
    lw_disk_names_fini(names);
    for (size_t i = 0; i < from->n; i++) {
        if (!lw_disk_names_set(names, from->entries[i].path, from->entries[i].node)) {
            return false;
        }
    }
    return true;
}
