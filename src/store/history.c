/*
 * The folder of the history: what is in it, what joins and leaves it.
 *
 * A file is named after its journal numbers, FIRST-LAST.history, 20 digits each. A merged file's
 * range contains those of its parts; a crash between its rename and their removal leaves both, and
 * the next open removes what lies within another sound file. So no sample is there twice, and none
 * is lost: a part goes only after the whole is on the disk.
 */
#include "store/history_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS ((int64_t)86400 * 1000000000)
#define UNFINISHED ".new"
#define SET_ASIDE ".damaged"
#define NAME_BYTES (20 + 1 + 20 + sizeof(LW_HISTORY_SUFFIX) - 1)

/* ---- names ---- */

enum lw_status lw_history_path(const struct lw_history *history, uint64_t first, uint64_t last,
                               char ret_path[LW_IO_PATH_MAX], struct lw_error *reterr)
{
    char name[LW_HISTORY_FILE_NAME_MAX];

    (void)snprintf(name, sizeof(name), "%020" PRIu64 "-%020" PRIu64 LW_HISTORY_SUFFIX, first, last);
    return lw_io_join(history->dir, name, ret_path, reterr);
}

/* Reads 20 digits. */
static bool digits_parse(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < 20; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

/* The range in a file's name; what follows the name proper is in *ret_rest. */
static bool name_parse(const char *name, uint64_t *ret_first, uint64_t *ret_last,
                       const char **ret_rest)
{
    if (strlen(name) < NAME_BYTES || name[20] != '-' || !digits_parse(name, ret_first) ||
        !digits_parse(name + 21, ret_last) ||
        memcmp(name + 41, LW_HISTORY_SUFFIX, sizeof(LW_HISTORY_SUFFIX) - 1) != 0) {
        return false;
    }
    *ret_rest = name + NAME_BYTES;
    return *ret_first <= *ret_last;
}

/* ---- opening ---- */

struct found {
    uint64_t first, last;
};

/* What a folder holds. */
struct folder {
    struct found *files;
    size_t n_files, capacity;
    struct found *unfinished;
    size_t n_unfinished, unfinished_capacity;
    uint64_t set_aside_last; /* The highest number of a file set aside earlier. */
    enum lw_status status;
};

static void found_add(struct folder *folder, struct found **list, size_t *n, size_t *capacity,
                      struct found found)
{
    if (*n == *capacity) {
        size_t wanted = *capacity * 2 + 64;
        struct found *grown = lw_mem_realloc(*list, wanted * sizeof(*grown));

        if (grown == NULL) {
            folder->status = LW_ENOMEM;
            return;
        }
        *list = grown;
        *capacity = wanted;
    }
    (*list)[(*n)++] = found;
}

static void folder_visit(void *context, const char *name)
{
    struct folder *folder = context;
    struct found found = {0, 0};
    const char *rest;

    if (!name_parse(name, &found.first, &found.last, &rest)) {
        return;
    }
    if (rest[0] == '\0') {
        found_add(folder, &folder->files, &folder->n_files, &folder->capacity, found);
    } else if (strcmp(rest, UNFINISHED) == 0) {
        found_add(folder, &folder->unfinished, &folder->n_unfinished, &folder->unfinished_capacity,
                  found);
    } else if (strcmp(rest, SET_ASIDE) == 0 && found.last > folder->set_aside_last) {
        folder->set_aside_last = found.last;
    }
}

/* By first number; what contains another comes before it. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return (x->last < y->last) - (x->last > y->last);
}

static enum lw_status disk_unlink(const struct lw_history *history, const char *path,
                                  struct lw_error *reterr)
{
    const struct lw_io *io = history->config.io;
    int answer;

    do {
        answer = io->unlink(io->context, path);
    } while (answer == -EINTR);
    return answer < 0 && answer != -ENOENT ? lw_io_fail(answer, "remove", path, reterr) : LW_OK;
}

static int disk_rename(const struct lw_io *io, const char *from, const char *to)
{
    int answer;

    do {
        answer = io->rename(io->context, from, to);
    } while (answer == -EINTR);
    return answer;
}

static void damage_note(struct lw_history *history, const char *message)
{
    (void)snprintf(history->counts.damage, sizeof(history->counts.damage), "%s", message);
    history->counts.files_damaged++;
}

static enum lw_status set_aside(struct lw_history *history, const char *path,
                                struct lw_error *reterr)
{
    const struct lw_io *io = history->config.io;
    char aside[LW_IO_PATH_MAX + sizeof(SET_ASIDE)];
    int answer;

    (void)snprintf(aside, sizeof(aside), "%s" SET_ASIDE, path);
    answer = disk_rename(io, path, aside);
    return answer < 0 ? lw_io_fail(answer, "set aside", path, reterr) : LW_OK;
}

/* Opens one file and takes it, removes it, or sets it aside. */
static enum lw_status found_take(struct lw_history *history, struct found found,
                                 struct lw_error *reterr)
{
    struct lw_history_file *file = NULL, *before;
    struct lw_error error = {0};
    char path[LW_IO_PATH_MAX];
    enum lw_status status = lw_history_path(history, found.first, found.last, path, reterr);

    if (status != LW_OK) {
        return status;
    }
    before = history->n_files > 0 ? history->files[history->n_files - 1] : NULL;
    if (before != NULL && found.last <= before->info.last) {
        return disk_unlink(history, path, reterr);
    }
    status = lw_history_file_open(history->config.io, path, &file, &error);
    if (status == LW_OK && (file->info.first != found.first || file->info.last != found.last)) {
        status = lw_error_set(&error, LW_EFORMAT,
                              "%s is damaged at byte 16: it holds other numbers", path);
        lw_history_file_close(file);
    }
    if (status == LW_OK && before != NULL && found.first <= before->info.last) {
        status = lw_error_set(&error, LW_EFORMAT,
                              "%s is damaged at byte 16: its numbers begin within those of another",
                              path);
        lw_history_file_close(file);
    }
    if (status == LW_EFORMAT) {
        damage_note(history, error.message);
        if (found.last > history->covered) {
            history->covered = found.last;
        }
        return set_aside(history, path, reterr);
    }
    if (status != LW_OK) {
        return lw_error_set(reterr, status, "%s", error.message);
    }
    history->files[history->n_files++] = file;
    history->covered = found.last > history->covered ? found.last : history->covered;
    return LW_OK;
}

static enum lw_status folder_take(struct lw_history *history, struct folder *folder,
                                  struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    char path[LW_IO_PATH_MAX], unfinished[LW_IO_PATH_MAX + sizeof(UNFINISHED)];

    for (size_t i = 0; i < folder->n_unfinished && status == LW_OK; i++) {
        status = lw_history_path(history, folder->unfinished[i].first, folder->unfinished[i].last,
                                 path, reterr);
        (void)snprintf(unfinished, sizeof(unfinished), "%s" UNFINISHED, path);
        status = status == LW_OK ? disk_unlink(history, unfinished, reterr) : status;
    }
    history->capacity = folder->n_files + 16;
    history->files = lw_mem_calloc(history->capacity, sizeof(struct lw_history_file *));
    if (history->files == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu history files", folder->n_files);
    }
    if (folder->n_files > 0) {
        qsort(folder->files, folder->n_files, sizeof(struct found), compare_found);
    }
    history->covered = folder->set_aside_last;
    for (size_t i = 0; i < folder->n_files && status == LW_OK; i++) {
        status = found_take(history, folder->files[i], reterr);
    }
    return status;
}

static void folder_fini(struct folder *folder)
{
    lw_mem_free(folder->files);
    lw_mem_free(folder->unfinished);
}

/* A missing folder is empty. After a failure, too, folder_fini() is due. */
static enum lw_status folder_list(const struct lw_history *history, struct folder *ret_folder,
                                  struct lw_error *reterr)
{
    const struct lw_io *io = history->config.io;
    int answer;

    do {
        ret_folder->n_files = ret_folder->n_unfinished = 0;
        answer = io->list(io->context, history->dir, folder_visit, ret_folder);
    } while (answer == -EINTR);
    if (answer < 0 && answer != -ENOENT) {
        return lw_io_fail(answer, "list", history->dir, reterr);
    }
    return ret_folder->status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory to list %s", history->dir);
}

static enum lw_status history_load(struct lw_history *history, struct lw_error *reterr)
{
    struct folder folder = {0};
    enum lw_status status = lw_io_make_dir(history->config.io, history->dir, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = folder_list(history, &folder, reterr);
    if (status == LW_OK) {
        status = folder_take(history, &folder, reterr);
    }
    folder_fini(&folder);
    return status;
}

/* ---- looking at a folder without opening it ---- */

/* LW_EFORMAT: it is damaged. */
static enum lw_status file_check(const struct lw_history *history, const char *path,
                                 struct found found, uint64_t *n_bytes, struct lw_error *reterr)
{
    struct lw_history_cursor *cursor = NULL;
    struct lw_history_file *file = NULL;
    enum lw_status status = lw_history_file_open(history->config.io, path, &file, reterr);

    if (status == LW_OK && (file->info.first != found.first || file->info.last != found.last)) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "%s is damaged at byte 16: it holds other numbers", path);
    }
    if (status == LW_OK) {
        *n_bytes += file->info.n_bytes;
        cursor = lw_history_cursor_create(history->config.io, file, false);
        status = cursor == NULL ? lw_error_set(reterr, LW_ENOMEM, "no memory to verify %s", path)
                                : lw_history_cursor_verify(cursor, reterr);
    }
    lw_history_cursor_destroy(cursor);
    lw_history_file_close(file);
    return status;
}

enum lw_status lw_history_check(const struct lw_history_config *config,
                                void (*visit)(void *context, const char *file, const char *damage),
                                void *context, struct lw_history_findings *ret_findings,
                                struct lw_error *reterr)
{
    struct lw_history_findings findings = {0};
    struct lw_history *history = lw_mem_calloc(1, sizeof(*history));
    struct folder folder = {0};
    enum lw_status status;

    if (history == NULL || strlen(config->dir) >= sizeof(history->dir)) {
        status = lw_error_set(reterr, history == NULL ? LW_ENOMEM : LW_EINVAL,
                              "no memory to verify the history, or its path is too long");
        goto done;
    }
    history->config = *config;
    memcpy(history->dir, config->dir, strlen(config->dir) + 1);
    status = folder_list(history, &folder, reterr);
    findings.covered = folder.set_aside_last;
    for (size_t i = 0; status == LW_OK && i < folder.n_files; i++) {
        const struct found found = folder.files[i];
        char path[LW_IO_PATH_MAX];
        struct lw_error error = {0};

        status = lw_history_path(history, found.first, found.last, path, reterr);
        if (status != LW_OK) {
            break;
        }
        findings.covered = found.last > findings.covered ? found.last : findings.covered;
        findings.n_files++;
        status = file_check(history, path, found, &findings.n_bytes, &error);
        if (status == LW_EFORMAT) {
            findings.n_damaged++;
            visit(context, path, error.message);
            status = LW_OK;
        } else if (status != LW_OK) {
            status = lw_error_set(reterr, status, "%s", error.message);
        }
    }
    if (status == LW_OK) {
        *ret_findings = findings;
    }
done:
    folder_fini(&folder);
    lw_mem_free(history);
    return status;
}

enum lw_status lw_history_open(const struct lw_history_config *config,
                               struct lw_history **ret_history, struct lw_error *reterr)
{
    struct lw_history *history;
    enum lw_status status;

    if (strlen(config->dir) >= LW_IO_PATH_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "path of %zu bytes is too long",
                            strlen(config->dir));
    }
    history = lw_mem_calloc(1, sizeof(*history));
    if (history == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the history");
    }
    history->config = *config;
    memcpy(history->dir, config->dir, strlen(config->dir) + 1);
    if (config->retention_ns == 0) {
        history->config.retention_ns = 14 * DAY_NS;
    }
    if (config->disk_bytes == 0) {
        history->config.disk_bytes = (uint64_t)10 << 30;
    }
    if (config->merge_bytes == 0) {
        history->config.merge_bytes = (size_t)64 << 20;
    }
    if (config->merge_ns == 0) {
        history->config.merge_ns = history->config.retention_ns / 14;
    }
    (void)pthread_mutex_init(&history->lock, NULL);
    status = history_load(history, reterr);
    if (status != LW_OK) {
        lw_history_close(history);
        return status;
    }
    *ret_history = history;
    return LW_OK;
}

void lw_history_close(struct lw_history *history)
{
    enum lw_status status;

    if (history == NULL) {
        return;
    }
    status = lw_history_sweep(history, NULL);
    (void)status; /* What it cannot remove now, the next open does. */
    for (size_t i = 0; i < history->n_files; i++) {
        lw_history_file_close(history->files[i]);
    }
    for (size_t i = 0; i < history->n_leaving; i++) {
        lw_history_file_close(history->leaving[i]);
    }
    lw_mem_free(history->files);
    lw_mem_free(history->leaving);
    lw_mem_free(history->order);
    lw_mem_free(history->known);
    (void)pthread_mutex_destroy(&history->lock);
    lw_mem_free(history);
}

uint64_t lw_history_covered(const struct lw_history *history)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&history->lock;
    uint64_t covered;

    (void)pthread_mutex_lock(lock);
    covered = history->covered;
    (void)pthread_mutex_unlock(lock);
    return covered;
}

/* ---- what joins and leaves ---- */

struct lw_history_output {
    struct lw_history *history;
    struct lw_history_builder *builder;
    int fd; /* -1: closed. */
    int64_t n_bytes;
    bool unfinished_there;
    char path[LW_IO_PATH_MAX], unfinished[LW_IO_PATH_MAX + sizeof(UNFINISHED)];
};

static enum lw_status output_write(void *context, const uint8_t *bytes, size_t n_bytes,
                                   struct lw_error *reterr)
{
    struct lw_history_output *output = context;
    enum lw_status status = lw_io_write_all(output->history->config.io, output->fd,
                                            output->unfinished, bytes, n_bytes, output->n_bytes,
                                            reterr);

    output->n_bytes += (int64_t)n_bytes;
    return status;
}

enum lw_status lw_history_output_open(struct lw_history *history,
                                      const struct lw_history_range *range,
                                      struct lw_history_output **ret_output,
                                      struct lw_error *reterr)
{
    struct lw_history_output *output = lw_mem_calloc(1, sizeof(*output));
    const struct lw_history_sink sink = {output_write, output};
    enum lw_status status;

    if (output == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    output->history = history;
    output->fd = -1;
    status = lw_history_path(history, range->first, range->last, output->path, reterr);
    if (status == LW_OK) {
        output->builder = lw_history_builder_create(range->first, range->last, range->level, &sink);
        status = output->builder != NULL
                     ? LW_OK
                     : lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    if (status == LW_OK) {
        (void)snprintf(output->unfinished, sizeof(output->unfinished), "%s" UNFINISHED,
                       output->path);
        output->fd = lw_io_open(history->config.io, output->unfinished,
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        output->unfinished_there = output->fd >= 0;
        status = output->fd >= 0 ? LW_OK
                                 : lw_io_fail(output->fd, "create", output->unfinished, reterr);
    }
    if (status != LW_OK) {
        lw_history_output_close(output);
        return status;
    }
    *ret_output = output;
    return LW_OK;
}

struct lw_history_builder *lw_history_output_builder(struct lw_history_output *output)
{
    return output->builder;
}

void lw_history_output_close(struct lw_history_output *output)
{
    const struct lw_io *io;

    if (output == NULL) {
        return;
    }
    io = output->history->config.io;
    if (output->fd >= 0) {
        (void)io->close(io->context, output->fd);
    }
    if (output->unfinished_there) {
        (void)io->unlink(io->context, output->unfinished);
    }
    lw_history_builder_destroy(output->builder);
    lw_mem_free(output);
}

/* All of it is on the disk, under its unfinished name. */
static enum lw_status output_finish(struct lw_history_output *output, struct lw_error *reterr)
{
    const struct lw_io *io = output->history->config.io;
    enum lw_status status = lw_history_builder_finish(output->builder, reterr);
    int answer;

    if (status != LW_OK) {
        return status;
    }
    answer = lw_io_sync(io, output->fd);
    if (answer < 0) {
        return lw_io_fail(answer, "sync", output->unfinished, reterr);
    }
    answer = io->close(io->context, output->fd);
    output->fd = -1;
    return answer < 0 && answer != -EINTR /* Closed it is in any case. */
               ? lw_io_fail(answer, "close", output->unfinished, reterr)
               : LW_OK;
}

enum lw_status lw_history_output_publish(struct lw_history_output *output,
                                         struct lw_history_file **ret_file, struct lw_error *reterr)
{
    const struct lw_io *io = output->history->config.io;
    enum lw_status status = output_finish(output, reterr);
    int answer;

    if (status != LW_OK) {
        return status;
    }
    answer = disk_rename(io, output->unfinished, output->path);
    if (answer < 0) {
        return lw_io_fail(answer, "replace", output->path, reterr);
    }
    output->unfinished_there = false;
    answer = lw_io_sync_dir(io, output->history->dir);
    status = answer < 0 ? lw_io_fail(answer, "sync", output->history->dir, reterr)
                        : lw_history_file_open(io, output->path, ret_file, reterr);
    if (status != LW_OK) {
        (void)io->unlink(io->context, output->path);
    }
    return status;
}

static enum lw_status list_grow(struct lw_history_file ***list, size_t *capacity, size_t wanted)
{
    struct lw_history_file **grown;

    if (wanted <= *capacity) {
        return LW_OK;
    }
    wanted += wanted / 2;
    grown = lw_mem_realloc(*list, wanted * sizeof(struct lw_history_file *));
    if (grown == NULL) {
        return LW_ENOMEM;
    }
    *list = grown;
    *capacity = wanted;
    return LW_OK;
}

enum lw_status lw_history_reserve(struct lw_history *history, size_t n_leaving)
{
    enum lw_status status;

    (void)pthread_mutex_lock(&history->lock);
    /* The writer may add a file before the room is used: two are kept. */
    status = list_grow(&history->files, &history->capacity, history->n_files + 2);
    n_leaving = n_leaving < history->n_files ? n_leaving : history->n_files;
    if (status == LW_OK) {
        status = list_grow(&history->leaving, &history->leaving_capacity,
                           history->n_leaving + n_leaving);
    }
    (void)pthread_mutex_unlock(&history->lock);
    return status;
}

void lw_history_replace(struct lw_history *history, size_t at, size_t n_gone,
                        struct lw_history_file *file)
{
    struct lw_history_file **files;

    (void)pthread_mutex_lock(&history->lock);
    files = history->files;
    at = at < history->n_files ? at : history->n_files;
    for (size_t i = 0; i < n_gone; i++) {
        history->leaving[history->n_leaving++] = files[at + i];
    }
    memmove(files + at + 1, files + at + n_gone,
            (history->n_files - at - n_gone) * sizeof(struct lw_history_file *));
    history->n_files = history->n_files - n_gone + 1;
    files[at] = file;
    history->covered = file->info.last > history->covered ? file->info.last : history->covered;
    (void)pthread_mutex_unlock(&history->lock);
}

/* Takes one file out of `leaving` that no view holds; NULL when there is none. */
static struct lw_history_file *leaving_take(struct lw_history *history)
{
    struct lw_history_file *file = NULL;

    (void)pthread_mutex_lock(&history->lock);
    for (size_t i = 0; i < history->n_leaving && file == NULL; i++) {
        if (history->leaving[i]->n_views == 0) {
            file = history->leaving[i];
            history->leaving[i] = history->leaving[--history->n_leaving];
        }
    }
    (void)pthread_mutex_unlock(&history->lock);
    return file;
}

enum lw_status lw_history_sweep(struct lw_history *history, struct lw_error *reterr)
{
    struct lw_history_file *file;
    enum lw_status status = LW_OK;

    while (status == LW_OK && (file = leaving_take(history)) != NULL) {
        status = disk_unlink(history, file->path, reterr);
        if (status == LW_OK) {
            lw_history_file_close(file);
        } else {
            (void)pthread_mutex_lock(&history->lock);
            history->leaving[history->n_leaving++] = file; /* Its room is still there. */
            (void)pthread_mutex_unlock(&history->lock);
        }
    }
    return status;
}

void lw_history_damage(struct lw_history *history, struct lw_history_file *file,
                       const char *message)
{
    (void)pthread_mutex_lock(&history->lock);
    if (!file->damaged) {
        file->damaged = true;
        damage_note(history, message);
    }
    (void)pthread_mutex_unlock(&history->lock);
}

/* Whether the oldest file at place i must go. */
static bool file_expired(const struct lw_history *history, size_t i, int64_t oldest_ns,
                         uint64_t n_bytes)
{
    const struct lw_history_info *info = &history->files[i]->info;

    return i + 1 < history->n_files && (info->n_samples == 0 || info->last_ns < oldest_ns ||
                                        (i == 0 && n_bytes > history->config.disk_bytes));
}

enum lw_status lw_history_retain(struct lw_history *history, int64_t now_ns, size_t *ret_dropped,
                                 struct lw_error *reterr)
{
    int64_t oldest_ns;
    uint64_t n_bytes = 0;
    size_t n_dropped = 0, i = 0;

    if (__builtin_sub_overflow(now_ns, history->config.retention_ns, &oldest_ns)) {
        oldest_ns = INT64_MIN;
    }
    if (lw_history_reserve(history, SIZE_MAX) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to drop history files");
    }
    (void)pthread_mutex_lock(&history->lock);
    for (size_t k = 0; k < history->n_files; k++) {
        n_bytes += history->files[k]->info.n_bytes;
    }
    while (i < history->n_files && history->n_leaving < history->leaving_capacity) {
        struct lw_history_file *file = history->files[i];

        if (!file_expired(history, i, oldest_ns, n_bytes)) {
            i++;
            continue;
        }
        n_bytes -= file->info.n_bytes;
        history->counts.files_dropped++;
        history->counts.samples_dropped += file->info.n_samples;
        history->leaving[history->n_leaving++] = file;
        history->n_files--;
        memmove(history->files + i, history->files + i + 1,
                (history->n_files - i) * sizeof(struct lw_history_file *));
        n_dropped++;
    }
    (void)pthread_mutex_unlock(&history->lock);
    *ret_dropped = n_dropped;
    return lw_history_sweep(history, reterr);
}

void lw_history_stats(const struct lw_history *history, struct lw_history_stats *ret_stats)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&history->lock;

    (void)pthread_mutex_lock(lock);
    *ret_stats = history->counts;
    ret_stats->n_files = history->n_files;
    ret_stats->covered = history->covered;
    ret_stats->first_ns = INT64_MAX;
    ret_stats->last_ns = INT64_MIN;
    for (size_t i = 0; i < history->n_files; i++) {
        const struct lw_history_info *info = &history->files[i]->info;

        ret_stats->n_bytes += info->n_bytes;
        ret_stats->n_samples += info->n_samples;
        ret_stats->first_ns = info->first_ns < ret_stats->first_ns ? info->first_ns
                                                                   : ret_stats->first_ns;
        ret_stats->last_ns = info->last_ns > ret_stats->last_ns ? info->last_ns
                                                                : ret_stats->last_ns;
    }
    (void)pthread_mutex_unlock(lock);
    if (ret_stats->n_samples == 0) {
        ret_stats->first_ns = ret_stats->last_ns = 0;
    }
}
