/* Files of scores and labels in folders: see cli/eval_files.h. */
#include "cli/eval_files.h"

#include "base/error.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool lw_eval_is_folder(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), n = strlen(ending);

    return length >= n && strcmp(text + length - n, ending) == 0;
}

/* Length without .csv or .csv.gz; 0 where it ends in neither. */
static size_t csv_length(const char *name)
{
    if (ends_with(name, ".csv")) {
        return strlen(name) - 4;
    }
    return ends_with(name, ".csv.gz") ? strlen(name) - 7 : 0;
}

void lw_eval_file_id(const char *path, char ret_id[LW_EVAL_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = csv_length(name);

    (void)snprintf(ret_id, LW_EVAL_PATH_MAX, "%.*s", length > 0 ? (int)length : 4000, name);
}

static enum lw_status id_add(struct lw_eval_files *files, const char *id, size_t length)
{
    char *copy;

    if (files->n == files->capacity) {
        size_t capacity = files->capacity == 0 ? 64 : 2 * files->capacity;
        char **ids = lw_mem_realloc(files->ids, capacity * sizeof(*ids));

        if (ids == NULL) {
            return LW_ENOMEM;
        }
        files->ids = ids;
        files->capacity = capacity;
    }
    copy = lw_mem_alloc(length + 1);
    if (copy == NULL) {
        return LW_ENOMEM;
    }
    memcpy(copy, id, length);
    copy[length] = '\0';
    files->ids[files->n++] = copy;
    return LW_OK;
}

void lw_eval_files_fini(struct lw_eval_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        lw_mem_free(files->ids[i]);
    }
    lw_mem_free(files->ids);
    memset(files, 0, sizeof(*files));
}

/* Adds what lies below folder/below; `below` is "" or ends in "/". */
/* NOLINTNEXTLINE(misc-no-recursion): at most LW_EVAL_DEPTH_MAX deep. */
static enum lw_status folder_list(const char *folder, const char *below, int depth,
                                  struct lw_eval_files *files, struct lw_error *reterr)
{
    char path[LW_EVAL_PATH_MAX], id[LW_EVAL_PATH_MAX];
    enum lw_status status = LW_OK;
    struct dirent *entry;
    DIR *listing;

    if (depth == LW_EVAL_DEPTH_MAX ||
        snprintf(path, sizeof(path), "%s/%s", folder, below) >= (int)sizeof(path)) {
        return lw_error_set(reterr, LW_ELIMIT, "%.200s/%.200s: folders lie more than %d deep",
                            folder, below, LW_EVAL_DEPTH_MAX);
    }
    listing = opendir(path);
    if (listing == NULL) {
        return lw_error_set(reterr, LW_EIO, "%s: %s", path, strerror(errno));
    }
    while (status == LW_OK && (entry = readdir(listing)) != NULL) {
        int n = snprintf(id, sizeof(id), "%s%s", below, entry->d_name);
        bool is_long = n + 2 >= (int)sizeof(id) ||
                       snprintf(path, sizeof(path), "%s/%s", folder, id) >= (int)sizeof(path);

        if (entry->d_name[0] == '.' || is_long) {
            continue;
        }
        if (lw_eval_is_folder(path)) {
            memcpy(id + n, "/", 2);
            status = folder_list(folder, id, depth + 1, files, reterr);
        } else if (csv_length(id) > 0) {
            status = id_add(files, id, csv_length(id));
            status = status == LW_OK ? LW_OK : lw_error_set(reterr, status, "no memory for files");
        }
    }
    (void)closedir(listing);
    return status;
}

/* Sorts by name: a fixed order, whatever the file system's is. */
static void ids_sort(char **ids, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) { /* Shell's. */
        for (size_t i = gap; i < n; i++) {
            char *id = ids[i];
            size_t at = i;

            for (; at >= gap && strcmp(ids[at - gap], id) > 0; at -= gap) {
                ids[at] = ids[at - gap];
            }
            ids[at] = id;
        }
    }
}

enum lw_status lw_eval_files_list(const char *folder, struct lw_eval_files *ret_files,
                                  struct lw_error *reterr)
{
    struct lw_eval_files files = {0};
    enum lw_status status = folder_list(folder, "", 0, &files, reterr);

    if (status == LW_OK && files.n == 0) {
        status = lw_error_set(reterr, LW_ENOTFOUND, "%s: there is no .csv or .csv.gz file", folder);
    }
    if (status != LW_OK) {
        lw_eval_files_fini(&files);
        return status;
    }
    ids_sort(files.ids, files.n);
    *ret_files = files;
    return LW_OK;
}

/* The only file of a folder that ends in "_<name>.csv". */
static bool suffixed_find(const char *folder, const char *name, char ret_path[LW_EVAL_PATH_MAX])
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    size_t n_found = 0;
    char ending[LW_EVAL_PATH_MAX];

    if (listing == NULL ||
        snprintf(ending, sizeof(ending), "_%s.csv", name) >= (int)sizeof(ending)) {
        if (listing != NULL) {
            (void)closedir(listing);
        }
        return false;
    }
    while ((entry = readdir(listing)) != NULL) {
        if (ends_with(entry->d_name, ending)) {
            n_found += snprintf(ret_path, LW_EVAL_PATH_MAX, "%s/%s", folder, entry->d_name) <
                       LW_EVAL_PATH_MAX;
        }
    }
    (void)closedir(listing);
    return n_found == 1;
}

bool lw_eval_file_find(const char *folder, const char *id, char ret_path[LW_EVAL_PATH_MAX])
{
    static const char *const endings[] = {".csv", ".csv.gz"};
    char inner[LW_EVAL_PATH_MAX];
    const char *slash = strrchr(id, '/');

    for (size_t i = 0; i < 2; i++) {
        if (snprintf(ret_path, LW_EVAL_PATH_MAX, "%s/%s%s", folder, id, endings[i]) <
                LW_EVAL_PATH_MAX &&
            access(ret_path, F_OK) == 0) {
            return true;
        }
    }
    if (snprintf(inner, sizeof(inner), "%s/%.*s", folder, slash == NULL ? 0 : (int)(slash - id),
                 id) >= (int)sizeof(inner)) {
        return false;
    }
    return suffixed_find(inner, slash == NULL ? id : slash + 1, ret_path);
}
