/* Which files are followed, and from where: see follow/source.h. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/mem.h"
#include "connect/follow/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

void lw_follow_tell(const struct lw_source_follow *source, struct lw_follow_event event)
{
    event.detail = event.detail == NULL ? "" : event.detail;
    if (source->tell != NULL) {
        source->tell(source->context, &event);
    }
}

struct lw_follow_head lw_follow_head_of(const struct lw_follow_file *file)
{
    uint64_t n = file->size > file->at.offset ? file->size : file->at.offset;

    return lw_follow_head_read(file->fd,
                               n < LW_FOLLOW_HEAD_BYTES ? (uint32_t)n : LW_FOLLOW_HEAD_BYTES);
}

/* ---- files ---- */

void lw_follow_file_close(struct lw_follow_file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    lw_csv_source_close(file->csv);
    lw_mem_free(file);
}

static enum lw_follow_format format_of(const char *path)
{
    static const struct {
        const char *ending;
        enum lw_follow_format format;
    } endings[] = {{".jsonl", LW_FOLLOW_JSON},
                   {".ndjson", LW_FOLLOW_JSON},
                   {".json", LW_FOLLOW_JSON},
                   {".lp", LW_FOLLOW_INFLUX},
                   {".influx", LW_FOLLOW_INFLUX}};
    char stem[LW_FOLLOW_PATH_MAX];
    size_t n;

    lw_follow_stem_path(path, stem);
    n = strlen(stem);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t length = strlen(endings[i].ending);

        if (n > length && strcasecmp(stem + n - length, endings[i].ending) == 0) {
            return endings[i].format;
        }
    }
    return LW_FOLLOW_CSV;
}

/* Whether a place is this file's, or that of a file it is a copy of. */
static bool is_place_of(const struct lw_follow_file *file, const struct lw_follow_place *place,
                        bool as_copy)
{
    bool is_same = file->at.device == place->device && file->at.inode == place->inode;

    return is_same != as_copy && place->offset <= file->size &&
           (!as_copy || place->head.n == LW_FOLLOW_HEAD_BYTES) &&
           lw_follow_head_matches(file->fd, &place->head);
}

static void place_set(struct lw_follow_place *place, const struct lw_follow_place *from)
{
    place->offset = from->offset;
    place->head = from->head;
    place->newest_ns = from->newest_ns;
}

/* A new file goes on where it, or what it is a copy of, was. */
static bool file_resume(struct lw_source_follow *source, struct lw_follow_file *file)
{
    for (int as_copy = 0; as_copy <= 1; as_copy++) {
        for (size_t i = 0; i < source->n_places; i++) {
            if (is_place_of(file, &source->places[i], as_copy == 1)) {
                place_set(&file->at, &source->places[i]);
                place_set(&file->kept, &source->places[i]);
                return true;
            }
        }
    }
    for (size_t i = 0; i < source->n_files; i++) {
        const struct lw_follow_file *other = source->files[i];

        if (is_place_of(file, &other->at, true)) {
            place_set(&file->at, &other->at);
            place_set(&file->kept, &other->kept);
            return true;
        }
        if (other->past.inode != 0 && is_place_of(file, &other->past, true)) {
            place_set(&file->at, &other->past);
            place_set(&file->kept, &other->past);
            return true;
        }
    }
    return false;
}

/* A copy that is still being made: its beginning is known, and it is shorter than what was read. */
static bool is_copy_under_way(const struct lw_source_follow *source,
                              const struct lw_follow_file *file)
{
    bool is_fresh = lw_clock_real_ns() - file->written_ns < LW_FOLLOW_IDLE_NS;

    for (size_t i = 0; is_fresh && i < source->n_files; i++) {
        const struct lw_follow_place *at = &source->files[i]->at;

        if (at->head.n > 0 && at->offset > file->size &&
            (file->size < at->head.n || lw_follow_head_matches(file->fd, &at->head)) &&
            source->files[i]->stem == file->stem) {
            return true;
        }
    }
    return false;
}

/* The end of the last whole line. */
static uint64_t lines_end(const struct lw_source_follow *source, const struct lw_follow_file *file)
{
    uint64_t end = file->size;

    while (end > 0) {
        size_t n = end < LW_FOLLOW_CHUNK_BYTES ? (size_t)end : LW_FOLLOW_CHUNK_BYTES;
        ssize_t got = pread(file->fd, source->buffer, n, (off_t)(end - n));
        const char *feed = got <= 0 ? NULL : memrchr(source->buffer, '\n', (size_t)got);

        if (feed != NULL) {
            return end - n + (uint64_t)(feed - source->buffer) + 1;
        }
        end -= n;
    }
    return 0;
}

static void file_stat(struct lw_follow_file *file, const struct stat *about)
{
    file->size = (uint64_t)about->st_size;
    file->written_ns = (int64_t)about->st_mtim.tv_sec * SECOND_NS + about->st_mtim.tv_nsec;
}

/* Where a new file begins. */
static void file_place(struct lw_source_follow *source, struct lw_follow_file *file)
{
    if (!file_resume(source, file)) {
        file->at.offset = source->from_end && !source->has_scanned ? lines_end(source, file) : 0;
        file->at.head = lw_follow_head_of(file);
        place_set(&file->kept, &file->at);
    }
    source->is_dirty = true;
}

static void file_add(struct lw_source_follow *source, const char *path)
{
    struct lw_follow_file *file = lw_mem_calloc(1, sizeof(*file));
    struct stat about;

    if (file == NULL) {
        return; /* The next scan tries again. */
    }
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 || fstat(file->fd, &about) != 0 || !S_ISREG(about.st_mode) ||
        strlen(path) >= LW_FOLLOW_PATH_MAX) {
        lw_follow_file_close(file);
        return;
    }
    file_stat(file, &about);
    file->at = (struct lw_follow_place){
        .device = (uint64_t)about.st_dev, .inode = (uint64_t)about.st_ino, .newest_ns = INT64_MIN};
    memcpy(file->at.path, path, strlen(path) + 1);
    file->kept = file->at;
    file->stem = lw_follow_stem(path);
    file->is_rotated = lw_follow_is_rotated(path);
    file->format = source->format == LW_FOLLOW_AUTO ? format_of(path) : source->format;
    file->partial_size = UINT64_MAX;
    file->taken_ns = lw_clock_monotonic_ns();
    file->is_found = true;
    if (is_copy_under_way(source, file)) {
        lw_follow_file_close(file);
        return;
    }
    file_place(source, file);
    source->files[source->n_files++] = file;
    if (source->notify >= 0) {
        (void)inotify_add_watch(source->notify, path, IN_MODIFY | IN_MOVE_SELF);
    }
    lw_follow_tell(source, (struct lw_follow_event){
                               .kind = LW_FOLLOW_BEGUN, .path = path, .n = file->at.offset});
}

static void path_take(struct lw_source_follow *source, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) {
        return;
    }
    for (size_t i = 0; i < source->n_files; i++) {
        struct lw_follow_file *file = source->files[i];

        if (file->at.inode == (uint64_t)about.st_ino && file->at.device == (uint64_t)about.st_dev) {
            file->is_found = true;
            if (strcmp(file->at.path, path) != 0 && strlen(path) < LW_FOLLOW_PATH_MAX) {
                memcpy(file->at.path, path, strlen(path) + 1);
                memcpy(file->kept.path, path, strlen(path) + 1);
                file->stem = lw_follow_stem(path);
                file->is_rotated = lw_follow_is_rotated(path);
                file->is_rotated = lw_follow_is_rotated(path);
                source->is_dirty = true;
            }
            return;
        }
    }
    if (source->n_files < LW_FOLLOW_FILES_MAX) {
        file_add(source, path);
    } else if (!source->is_full) {
        source->is_full = true;
        lw_follow_tell(source,
                       (struct lw_follow_event){.kind = LW_FOLLOW_FAILED,
                                                .path = path,
                                                .detail = "there are more than 512 files; this and "
                                                          "further ones wait for a place"});
    }
}

/* The inode may be another file's by now. */
static bool is_file_of(const char *path, const struct lw_follow_place *place)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_its = fd >= 0 && place->head.n > 0 && lw_follow_head_matches(fd, &place->head);

    if (fd >= 0) {
        (void)close(fd);
    }
    return is_its;
}

/* Whatever it is called now, it is read as before, and before the file that has its name. */
static void name_keep(struct lw_source_follow *source, const struct lw_follow_place *place)
{
    for (size_t i = 0; i < source->n_files; i++) {
        struct lw_follow_file *file = source->files[i];

        if (file->at.inode == place->inode && file->at.device == place->device) {
            file->stem = lw_follow_stem(place->path);
            file->is_rotated = true;
            file->format = source->format == LW_FOLLOW_AUTO ? format_of(place->path)
                                                            : source->format;
        }
    }
}

/* A file that was renamed while nobody followed it is looked for in its folder. */
static void place_search(struct lw_source_follow *source, const struct lw_follow_place *place)
{
    char folder[LW_FOLLOW_PATH_MAX], path[2 * LW_FOLLOW_PATH_MAX];
    char *slash;
    struct dirent *entry;
    DIR *list;

    (void)snprintf(folder, sizeof(folder), "%s", place->path);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    list = opendir(slash == NULL ? "." : folder[0] == '\0' ? "/" : folder);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s%s%s", slash == NULL ? "" : folder,
                       slash == NULL ? "" : "/", entry->d_name);
        if ((uint64_t)entry->d_ino == place->inode && is_file_of(path, place)) {
            path_take(source, path);
            name_keep(source, place);
        }
    }
    if (list != NULL) {
        (void)closedir(list);
    }
}

static void patterns_take(struct lw_source_follow *source)
{
    const char *patterns = source->patterns;

    while (*patterns != '\0') {
        size_t n = strcspn(patterns, ",");
        char pattern[LW_FOLLOW_PATH_MAX];
        glob_t found = {0};

        if (n > 0 && n < sizeof(pattern)) {
            (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)n, patterns);
            (void)glob(pattern, 0, NULL, &found);
            for (size_t i = 0; i < found.gl_pathc; i++) {
                path_take(source, found.gl_pathv[i]);
            }
            globfree(&found);
        }
        patterns += n + (patterns[n] == ',' ? 1 : 0);
    }
}

/* ---- what becomes of files ---- */

void lw_follow_restart(struct lw_source_follow *source, struct lw_follow_file *file)
{
    file->past = file->kept;
    file->at.offset = file->kept.offset = 0;
    file->at.head = file->kept.head = (struct lw_follow_head){0};
    file->has_mark = file->is_skipping = file->was_refused = false;
    file->partial_size = UINT64_MAX;
    lw_csv_source_close(file->csv);
    file->csv = NULL;
    source->is_dirty = true;
    lw_follow_tell(source,
                   (struct lw_follow_event){.kind = LW_FOLLOW_TRUNCATED, .path = file->at.path});
}

/* Looks at size and time; a file that is shorter, or begins otherwise, begins anew. */
static void file_look(struct lw_source_follow *source, struct lw_follow_file *file)
{
    struct stat about;
    uint64_t size = file->size;
    int64_t written_ns = file->written_ns;

    if (fstat(file->fd, &about) != 0) {
        return;
    }
    file_stat(file, &about);
    if (file->size < file->at.offset || ((file->size != size || file->written_ns != written_ns) &&
                                         !lw_follow_head_matches(file->fd, &file->at.head))) {
        lw_follow_restart(source, file);
    }
}

bool lw_follow_has_lines(const struct lw_follow_file *file)
{
    return file->size > file->at.offset && file->size != file->partial_size;
}

bool lw_follow_is_idle(const struct lw_follow_file *file, int64_t now_ns)
{
    return now_ns - file->taken_ns >= LW_FOLLOW_IDLE_NS;
}

/* Forgets files that are not found any more, were read to their end, and are durable. */
static void files_sweep(struct lw_source_follow *source)
{
    int64_t now_ns = lw_clock_monotonic_ns();
    size_t n = 0;

    for (size_t i = 0; i < source->n_files; i++) {
        struct lw_follow_file *file = source->files[i];

        if (file->is_found || lw_follow_has_lines(file) || !lw_follow_is_idle(file, now_ns) ||
            file->kept.offset != file->at.offset) {
            source->files[n++] = file;
            continue;
        }
        if (file->size > file->at.offset) {
            source->taker.feed.dropped(source->taker.feed.context, "partial_line", 1);
        }
        lw_follow_tell(source,
                       (struct lw_follow_event){.kind = LW_FOLLOW_GONE, .path = file->at.path});
        lw_follow_file_close(file);
        source->is_dirty = true;
    }
    source->is_full = source->is_full && n == LW_FOLLOW_FILES_MAX;
    source->n_files = n;
}

void lw_follow_scan(struct lw_source_follow *source)
{
    for (size_t i = 0; i < source->n_files; i++) {
        source->files[i]->is_found = false;
    }
    patterns_take(source);
    for (size_t i = 0; !source->has_scanned && i < source->n_places; i++) {
        place_search(source, &source->places[i]);
    }
    source->has_scanned = true;
    for (size_t i = 0; i < source->n_files; i++) {
        file_look(source, source->files[i]);
    }
    files_sweep(source);
}
