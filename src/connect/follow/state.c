/*
 * What is remembered of followed files: see follow/follow.h.
 *
 *     {"version": 1, "files": [{"path": "...", "device": 1, "inode": 2, "offset": 3,
 *      "head_bytes": 1024, "head": "0123456789abcdef", "newest": 1700000000000000000}]}
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "connect/follow/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION 1

/* ---- names and beginnings ---- */

void lw_follow_stem_path(const char *path, char ret_path[LW_FOLLOW_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t first = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    size_t n = strlen(path);
    size_t end = n;

    while (end > first && strchr("0123456789.-_", path[end - 1]) != NULL) {
        end--;
    }
    if (end == first || end == n || strchr(".-_", path[end]) == NULL) {
        end = n; /* Nothing but digits, or digits of the name's own. */
    }
    (void)snprintf(ret_path, LW_FOLLOW_PATH_MAX, "%.*s", (int)end, path);
}

bool lw_follow_is_rotated(const char *path)
{
    char stem[LW_FOLLOW_PATH_MAX];

    lw_follow_stem_path(path, stem);
    return strcmp(stem, path) != 0;
}

uint64_t lw_follow_stem(const char *path)
{
    char stem[LW_FOLLOW_PATH_MAX];

    lw_follow_stem_path(path, stem);
    return lw_hash_bytes(stem, strlen(stem), 0);
}

struct lw_follow_head lw_follow_head_read(int fd, uint32_t n)
{
    char bytes[LW_FOLLOW_HEAD_BYTES];
    ssize_t got = n == 0 ? 0 : pread(fd, bytes, n, 0);

    return (struct lw_follow_head){.n = got > 0 ? (uint32_t)got : 0,
                                   .hash = got > 0 ? lw_hash_bytes(bytes, (size_t)got, 0) : 0};
}

bool lw_follow_head_matches(int fd, const struct lw_follow_head *head)
{
    struct lw_follow_head now = lw_follow_head_read(fd, head->n);

    return now.n == head->n && now.hash == head->hash;
}

/* ---- reading ---- */

static bool place_read(json_t *item, struct lw_follow_place *ret_place)
{
    const char *path = json_string_value(json_object_get(item, "path"));
    const char *head = json_string_value(json_object_get(item, "head"));
    json_t *device = json_object_get(item, "device"), *inode = json_object_get(item, "inode");
    json_t *offset = json_object_get(item, "offset"), *n = json_object_get(item, "head_bytes");
    json_t *newest = json_object_get(item, "newest");
    char *end = NULL;

    if (path == NULL || head == NULL || strlen(path) >= LW_FOLLOW_PATH_MAX ||
        !json_is_integer(device) || !json_is_integer(inode) || !json_is_integer(offset) ||
        !json_is_integer(n) || (newest != NULL && !json_is_integer(newest)) ||
        json_integer_value(offset) < 0 || json_integer_value(n) < 0 ||
        json_integer_value(n) > LW_FOLLOW_HEAD_BYTES) {
        return false;
    }
    ret_place->device = (uint64_t)json_integer_value(device);
    ret_place->inode = (uint64_t)json_integer_value(inode);
    ret_place->offset = (uint64_t)json_integer_value(offset);
    ret_place->head.n = (uint32_t)json_integer_value(n);
    ret_place->head.hash = strtoull(head, &end, 16);
    ret_place->newest_ns = newest == NULL ? INT64_MIN : json_integer_value(newest);
    memcpy(ret_place->path, path, strlen(path) + 1);
    return *end == '\0' && end != head;
}

enum lw_status lw_follow_state_read(const char *path, struct lw_follow_place **ret_places,
                                    size_t *ret_n, struct lw_error *reterr)
{
    FILE *file = fopen(path, "re");
    json_t *root = NULL, *files;
    struct lw_follow_place *places = NULL;
    enum lw_status status = LW_OK;
    size_t n;

    if (file == NULL) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.300s: %s", path,
                            strerror(errno));
    }
    root = json_loadf(file, JSON_REJECT_DUPLICATES, NULL);
    files = json_object_get(root, "files");
    n = json_array_size(files);
    if (json_integer_value(json_object_get(root, "version")) != VERSION || !json_is_array(files) ||
        n > 2 * LW_FOLLOW_FILES_MAX) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "%.300s is damaged, or of a newer version; without it all files are "
                              "read from their start",
                              path);
        goto done;
    }
    places = lw_mem_calloc(n + 1, sizeof(*places));
    if (places == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for %zu files", n);
        goto done;
    }
    for (size_t i = 0; status == LW_OK && i < n; i++) {
        if (!place_read(json_array_get(files, i), &places[i])) {
            status = lw_error_set(reterr, LW_EFORMAT, "%.300s: file %zu of it is damaged", path,
                                  i + 1);
        }
    }
done:
    json_decref(root);
    (void)fclose(file);
    if (status != LW_OK) {
        lw_mem_free(places);
        return status;
    }
    *ret_places = places;
    *ret_n = n;
    return LW_OK;
}

/* ---- writing ---- */

static void place_write(struct lw_json *json, const struct lw_follow_place *place)
{
    char head[24];

    (void)snprintf(head, sizeof(head), "%016" PRIx64, place->head.hash);
    lw_json_begin_object(json);
    lw_json_key(json, "path");
    lw_json_text(json, place->path);
    lw_json_key(json, "device");
    lw_json_int(json, (int64_t)place->device);
    lw_json_key(json, "inode");
    lw_json_int(json, (int64_t)place->inode);
    lw_json_key(json, "offset");
    lw_json_int(json, (int64_t)place->offset);
    lw_json_key(json, "head_bytes");
    lw_json_int(json, place->head.n);
    lw_json_key(json, "head");
    lw_json_text(json, head);
    if (place->newest_ns != INT64_MIN) {
        lw_json_key(json, "newest");
        lw_json_int(json, place->newest_ns);
    }
    lw_json_end(json);
}

/* The folder's entry is on the disk too. */
static void folder_sync(const char *path)
{
    char folder[PATH_MAX];
    char *slash;
    int fd;

    (void)snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    fd = open(slash == NULL       ? "."
              : folder[0] == '\0' ? "/"
                                  : folder,
              O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

static enum lw_status text_write(const char *path, const uint8_t *text, size_t n_bytes,
                                 struct lw_error *reterr)
{
    char beside[PATH_MAX];
    int fd;
    bool is_written;

    (void)snprintf(beside, sizeof(beside), "%s.new", path);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return lw_error_set(reterr, LW_EIO, "cannot write %.300s: %s", beside, strerror(errno));
    }
    is_written = write(fd, text, n_bytes) == (ssize_t)n_bytes && fsync(fd) == 0;
    if (close(fd) != 0 || !is_written || rename(beside, path) != 0) {
        return lw_error_set(reterr, LW_EIO, "cannot write %.300s: %s", path, strerror(errno));
    }
    folder_sync(path);
    return LW_OK;
}

enum lw_status lw_follow_state_write(const char *path, struct lw_follow_file *const *files,
                                     size_t n_files, struct lw_error *reterr)
{
    struct lw_json json;
    enum lw_status status;

    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "version");
    lw_json_int(&json, VERSION);
    lw_json_key(&json, "files");
    lw_json_begin_array(&json);
    for (size_t i = 0; i < n_files; i++) {
        if (files[i]->kept.inode != 0) {
            place_write(&json, &files[i]->kept);
        }
        if (files[i]->past.inode != 0) {
            place_write(&json, &files[i]->past);
        }
    }
    lw_json_end(&json);
    lw_json_end(&json);
    status = json.out.status == LW_OK
                 ? text_write(path, json.out.data, json.out.n_bytes, reterr)
                 : lw_error_set(reterr, LW_ENOMEM, "no memory for the places in files");
    lw_json_fini(&json);
    return status;
}
