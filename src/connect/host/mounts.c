/*
 * /proc/self/mountinfo: the filesystems that can fill up, and how full they are.
 *
 * Taken are filesystems on block devices, tmpfs, zfs, and an overlay that is the root. Left out is
 * what has no space of its own (proc, cgroup ...), what is full by nature (squashfs, ISO images) or
 * can never be (a tmpfs to read only), what comes and goes with sessions and containers, and
 * everything behind a network or a user process: asking for its size may block for ever. A
 * filesystem mounted in several places counts once, at the shortest path; of several on one path
 * the last, which hides the others.
 *
 * The text changes rarely: the table is made anew only when its hash does.
 */
#include "base/hash.h"
#include "connect/host/collector.h"

#include <string.h>

#define FILESYSTEMS_MAX 64
#define PATH_MAX_BYTES 200
#define N_METRICS 4

static const char *const METRICS[N_METRICS] = {
    "node_filesystem_size_bytes", "node_filesystem_avail_bytes", "node_filesystem_files_free",
    "node_filesystem_readonly"};

struct filesystem {
    char device[PATH_MAX_BYTES], fstype[32], mountpoint[PATH_MAX_BYTES];
    char number[24]; /* Major and minor as the file writes them: what is mounted. */
    bool readonly;   /* As mounted at first. */
    uint32_t series[N_METRICS];
};

struct mounts_state {
    uint64_t hash;
    size_t n;
    struct filesystem items[FILESYSTEMS_MAX];
};

static void mounts_init(void *state)
{
    memset(state, 0, sizeof(struct mounts_state));
}

/* Copies a word, undoing mountinfo's octal escapes (\040 is a space). False when it does not fit.
 */
static bool word_unescape(struct lw_word word, char *ret_text, size_t capacity)
{
    size_t n = 0;

    for (size_t i = 0; i < word.n_bytes; i++, n++) {
        const char *at = word.text + i;

        if (n + 1 >= capacity) {
            return false;
        }
        if (*at == '\\' && word.n_bytes - i > 3 && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
            at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
            ret_text[n] = (char)(((at[1] - '0') << 6) | ((at[2] - '0') << 3) | (at[3] - '0'));
            i += 3;
        } else {
            ret_text[n] = *at;
        }
    }
    ret_text[n] = '\0';
    return true;
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - ext3 /dev/sda1 rw": between options and " - " stands
 * any number of words. */
static bool mount_scan(struct lw_scan *line, struct filesystem *ret_filesystem)
{
    struct lw_word words[6], word;

    for (size_t i = 0; i < 6; i++) {
        if (!lw_scan_word(line, &words[i])) {
            return false;
        }
    }
    do {
        if (!lw_scan_word(line, &word)) {
            return false;
        }
    } while (!lw_word_is(word, "-"));
    memset(ret_filesystem, 0, sizeof(*ret_filesystem));
    ret_filesystem->readonly = lw_word_is(words[5], "ro") || lw_word_begins(words[5], "ro,");
    return word_unescape(words[2], ret_filesystem->number, sizeof(ret_filesystem->number)) &&
           word_unescape(words[4], ret_filesystem->mountpoint,
                         sizeof(ret_filesystem->mountpoint)) &&
           lw_scan_word(line, &word) &&
           word_unescape(word, ret_filesystem->fstype, sizeof(ret_filesystem->fstype)) &&
           lw_scan_word(line, &word) &&
           word_unescape(word, ret_filesystem->device, sizeof(ret_filesystem->device));
}

static bool is_under(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool is_one_of(const char *text, const char *const *list)
{
    while (*list != NULL && strcmp(text, *list) != 0) {
        list++;
    }
    return *list != NULL;
}

static bool is_wanted(const struct filesystem *filesystem)
{
    static const char *const ALWAYS_FULL[] = {"squashfs", "iso9660", "udf",
                                              "erofs",    "cramfs",  NULL};
    static const char *const WITHOUT_DEVICE[] = {"tmpfs", "zfs", "bcachefs", "btrfs", NULL};
    static const char *const PLACES[] = {"/proc",
                                         "/sys",
                                         "/run/user",
                                         "/run/credentials",
                                         "/var/lib/docker",
                                         "/var/lib/containers",
                                         "/var/lib/kubelet",
                                         "/snap"};

    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        if (is_under(filesystem->mountpoint, PLACES[i])) {
            return false;
        }
    }
    if (filesystem->readonly && strcmp(filesystem->fstype, "tmpfs") == 0) {
        return false;
    }
    if (strcmp(filesystem->fstype, "overlay") == 0) {
        return strcmp(filesystem->mountpoint, "/") == 0;
    }
    if (strncmp(filesystem->fstype, "fuse", 4) == 0 && strcmp(filesystem->fstype, "fuseblk") != 0) {
        return false;
    }
    return is_one_of(filesystem->fstype, WITHOUT_DEVICE) ||
           (is_under(filesystem->device, "/dev") && !is_one_of(filesystem->fstype, ALWAYS_FULL));
}

/* Puts a filesystem into the table, or into the place of the one it replaces there. */
static void mounts_put(struct mounts_state *mounts, const struct filesystem *filesystem,
                       struct lw_host_batch *batch)
{
    for (size_t i = 0; i < mounts->n; i++) {
        struct filesystem *item = &mounts->items[i];

        if (strcmp(item->mountpoint, filesystem->mountpoint) == 0) {
            *item = *filesystem;
            return;
        }
        if (strcmp(item->number, filesystem->number) == 0) {
            if (strlen(filesystem->mountpoint) < strlen(item->mountpoint)) {
                *item = *filesystem;
            }
            return;
        }
    }
    if (mounts->n == FILESYSTEMS_MAX) {
        lw_host_batch_drop(batch, "filesystem_limit");
        return;
    }
    mounts->items[mounts->n++] = *filesystem;
}

static void mounts_read(struct mounts_state *mounts, struct lw_scan scan,
                        struct lw_host_batch *batch)
{
    struct filesystem filesystem;
    struct lw_scan line;

    mounts->n = 0;
    while (lw_scan_line(&scan, &line)) {
        if (!mount_scan(&line, &filesystem)) {
            lw_host_batch_drop(batch, "bad_line");
        } else if (is_wanted(&filesystem)) {
            for (size_t i = 0; i < N_METRICS; i++) {
                filesystem.series[i] = LW_HOST_SERIES_NEW; /* The feed knows it again by its key. */
            }
            mounts_put(mounts, &filesystem, batch);
        }
    }
}

static void filesystem_add(struct filesystem *filesystem, struct lw_host_batch *batch)
{
    const struct lw_label labels[] = {{"device", filesystem->device},
                                      {"fstype", filesystem->fstype},
                                      {"mountpoint", filesystem->mountpoint}};
    struct statvfs stat;
    double values[N_METRICS];

    memset(&stat, 0, sizeof(stat));
    if (batch->statvfs(filesystem->mountpoint, &stat) != 0) {
        lw_host_batch_drop(batch, "filesystem_error");
        return;
    }
    if (stat.f_blocks == 0) {
        return;
    }
    values[0] = (double)stat.f_blocks * (double)stat.f_frsize;
    values[1] = (double)stat.f_bavail * (double)stat.f_frsize;
    values[2] = (double)stat.f_ffree;
    values[3] = (stat.f_flag & ST_RDONLY) != 0 ? 1.0 : 0.0;
    for (size_t i = 0; i < N_METRICS; i++) {
        const struct lw_series_key key = {.metric = METRICS[i], .labels = labels, .n_labels = 3};

        lw_host_batch_add(batch, &filesystem->series[i], &key, values[i]);
    }
}

static void mounts_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    struct mounts_state *mounts = state;
    uint64_t hash = lw_hash_bytes(text, n_bytes, 0);

    if (hash != mounts->hash || mounts->n == 0) {
        mounts_read(mounts, lw_scan_text(text, n_bytes), batch);
        mounts->hash = hash;
    }
    for (size_t i = 0; i < mounts->n; i++) {
        filesystem_add(&mounts->items[i], batch);
    }
}

const struct lw_host_collector LW_HOST_MOUNTS = {"self/mountinfo", sizeof(struct mounts_state),
                                                 mounts_init, mounts_take};
