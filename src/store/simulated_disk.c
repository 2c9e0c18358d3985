/*
 * The simulated disk: see store/simulated_disk.h.
 *
 * A file is held twice, as it is cached and as it is on the disk, with a flag for each sector that
 * a sync has still to write. Names are held twice, too; between the two lies the list of changes in
 * the order in which they were made. Syncing a folder applies its changes, a power cut some of
 * them.
 */
#include "store/simulated_disk.h"

#include "base/mem.h"
#include "base/rng.h"
#include "store/simulated_names.h"
#include "store/simulated_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#define SECTOR ((size_t)LW_DISK_SECTOR_BYTES)
#define DESCRIPTOR_FIRST 1000 /* Not a number that the system would give. */
#define NO_FAULT LW_DISK_N_FAULT_KINDS

struct descriptor {
    struct lw_disk_node *node; /* NULL where it is closed. */
    int flags;
};

struct armed {
    struct lw_disk_fault fault;
    uint64_t n_calls; /* Seen since it was armed. */
};

struct lw_simulated_disk {
    pthread_mutex_t lock; /* Guards all but io. */
    struct lw_io io;
    struct lw_rng rng;
    struct lw_disk_tree tree;
    struct descriptor *descriptors; /* Owned. */
    size_t n_descriptors, descriptors_capacity;
    struct armed armed[LW_DISK_FAULTS_MAX];
    size_t n_armed;
    bool power_gone;
    int64_t limit;
    uint64_t n_faults;
    uint64_t n_calls[LW_DISK_N_CALLS];
};

/* ---- faults ---- */

/* Begins a call: counts it and takes the lock. The value says which fault it has, or NO_FAULT. */
static enum lw_disk_fault_kind call_begin(struct lw_simulated_disk *disk, enum lw_disk_call call)
{
    enum lw_disk_fault_kind kind = NO_FAULT;

    (void)pthread_mutex_lock(&disk->lock);
    disk->n_calls[LW_DISK_ANY]++;
    disk->n_calls[call]++;
    if (disk->power_gone) {
        return LW_DISK_POWER;
    }
    for (size_t i = 0; i < disk->n_armed; i++) {
        struct armed *armed = &disk->armed[i];

        if (armed->fault.call != LW_DISK_ANY && armed->fault.call != call) {
            continue;
        }
        armed->n_calls++;
        if (kind == NO_FAULT && (armed->n_calls == armed->fault.at ||
                                 (armed->fault.sticky && armed->n_calls > armed->fault.at))) {
            kind = armed->fault.kind;
        }
    }
    disk->n_faults += kind == NO_FAULT ? 0 : 1;
    disk->power_gone = kind == LW_DISK_POWER;
    return kind;
}

static int64_t call_end(struct lw_simulated_disk *disk, int64_t answer)
{
    (void)pthread_mutex_unlock(&disk->lock);
    return answer;
}

/* What a call that does nothing answers; 0 when it goes on. */
static int fault_answer(enum lw_disk_fault_kind kind)
{
    switch (kind) {
    case LW_DISK_EIO:
    case LW_DISK_TORN:
    case LW_DISK_POWER:
        return -EIO;
    case LW_DISK_ENOSPC:
        return -ENOSPC;
    case LW_DISK_EINTR:
        return -EINTR;
    case LW_DISK_SHORT:
    case LW_DISK_N_FAULT_KINDS:
        break;
    }
    return 0;
}

/* ---- calls with a path ---- */

static int64_t open_found(struct lw_simulated_disk *disk, const char *path, int flags)
{
    struct lw_disk_node *node = lw_disk_names_find(&disk->tree.cached, path);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    struct descriptor descriptor = {.flags = flags};
    size_t i = 0;

    if (node == NULL && (flags & O_CREAT) == 0) {
        return -ENOENT;
    }
    if (node != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return -EEXIST;
    }
    if (node != NULL && node->is_dir && writes) {
        return -EISDIR;
    }
    if (!lw_disk_grow((void **)&disk->descriptors, &disk->descriptors_capacity, disk->n_descriptors,
                      sizeof(descriptor))) {
        return -ENOMEM;
    }
    if (node == NULL) {
        node = lw_disk_names_has_parent(&disk->tree.cached, path)
                   ? lw_disk_tree_node(&disk->tree, false)
                   : NULL;
        if (node == NULL) {
            return lw_disk_names_has_parent(&disk->tree.cached, path) ? -ENOMEM : -ENOENT;
        }
        if (lw_disk_tree_change(&disk->tree, NULL, path, node) != 0) {
            return -ENOMEM;
        }
    }
    if ((flags & O_TRUNC) != 0 && writes && !lw_disk_node_resize(node, 0)) {
        return -ENOMEM;
    }
    descriptor.node = node;
    node->n_open++;
    while (i < disk->n_descriptors && disk->descriptors[i].node != NULL) {
        i++;
    }
    disk->descriptors[i] = descriptor;
    disk->n_descriptors += i == disk->n_descriptors ? 1 : 0;
    return DESCRIPTOR_FIRST + (int64_t)i;
}

static int disk_open(void *context, const char *path, int flags, mode_t mode)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_OPEN));
    char clean[LW_IO_PATH_MAX];

    (void)mode;
    if (answer == 0) {
        answer = lw_disk_path_clean(path, clean) ? open_found(disk, clean, flags) : -ENAMETOOLONG;
    }
    return (int)call_end(disk, answer);
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_RENAME));
    char clean_from[LW_IO_PATH_MAX], clean_to[LW_IO_PATH_MAX];

    if (answer == 0 &&
        (!lw_disk_path_clean(from, clean_from) || !lw_disk_path_clean(to, clean_to))) {
        answer = -ENAMETOOLONG;
    }
    if (answer == 0) {
        struct lw_disk_node *node = lw_disk_names_find(&disk->tree.cached, clean_from);
        const struct lw_disk_node *target = lw_disk_names_find(&disk->tree.cached, clean_to);

        if (node == NULL || !lw_disk_names_has_parent(&disk->tree.cached, clean_to)) {
            answer = -ENOENT;
        } else if (lw_disk_path_is_below(clean_to, clean_from)) {
            answer = -EINVAL;
        } else if (target != NULL && (target->is_dir || node->is_dir) && target != node) {
            answer = target->is_dir ? -EEXIST : -ENOTDIR;
        } else if (target != node) {
            answer = lw_disk_tree_change(&disk->tree, clean_from, clean_to, node);
        }
    }
    return (int)call_end(disk, answer);
}

static int disk_unlink(void *context, const char *path)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_UNLINK));
    char clean[LW_IO_PATH_MAX];

    if (answer == 0) {
        const struct lw_disk_node *node = lw_disk_path_clean(path, clean)
                                              ? lw_disk_names_find(&disk->tree.cached, clean)
                                              : NULL;

        answer = node == NULL   ? -ENOENT
                 : node->is_dir ? -EISDIR
                                : lw_disk_tree_change(&disk->tree, clean, NULL, NULL);
    }
    return (int)call_end(disk, answer);
}

static int disk_make_dir(void *context, const char *path)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_MAKE_DIR));
    char clean[LW_IO_PATH_MAX];

    if (answer == 0 && !lw_disk_path_clean(path, clean)) {
        answer = -ENAMETOOLONG;
    }
    if (answer == 0) {
        if (lw_disk_names_has_dir(&disk->tree.cached, clean) ||
            lw_disk_names_find(&disk->tree.cached, clean) != NULL) {
            answer = -EEXIST;
        } else if (!lw_disk_names_has_parent(&disk->tree.cached, clean)) {
            answer = -ENOENT;
        } else {
            struct lw_disk_node *node = lw_disk_tree_node(&disk->tree, true);

            answer = node == NULL ? -ENOMEM : lw_disk_tree_change(&disk->tree, NULL, clean, node);
        }
    }
    return (int)call_end(disk, answer);
}

static int disk_sync_dir(void *context, const char *path)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_SYNC_DIR));
    char clean[LW_IO_PATH_MAX];

    if (answer == 0) {
        if (lw_disk_path_clean(path, clean) && lw_disk_names_has_dir(&disk->tree.cached, clean)) {
            answer = lw_disk_tree_sync(&disk->tree, clean);
        } else {
            answer = -ENOENT;
        }
    }
    return (int)call_end(disk, answer);
}

static int disk_list(void *context, const char *path,
                     void (*visit)(void *visitor, const char *name), void *visitor)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_LIST));
    char clean[LW_IO_PATH_MAX];

    if (answer == 0 &&
        (!lw_disk_path_clean(path, clean) || !lw_disk_names_has_dir(&disk->tree.cached, clean))) {
        answer = -ENOENT;
    }
    for (size_t i = 0; answer == 0 && i < disk->tree.cached.n; i++) {
        const char *name = disk->tree.cached.entries[i].path;

        if (lw_disk_path_is_in(name, clean) && strcmp(name, clean) != 0) {
            const char *slash = strrchr(name, '/');

            visit(visitor, slash == NULL ? name : slash + 1);
        }
    }
    return (int)call_end(disk, answer);
}

static int64_t disk_space(void *context, const char *path)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_SPACE));

    (void)path;
    if (answer == 0) {
        int64_t used = lw_disk_tree_used(&disk->tree);

        answer = used < disk->limit ? disk->limit - used : 0;
    }
    return call_end(disk, answer);
}

/* ---- calls with a descriptor ---- */

static struct descriptor *disk_descriptor(struct lw_simulated_disk *disk, int fd)
{
    size_t i = (size_t)fd - DESCRIPTOR_FIRST;

    if (fd < DESCRIPTOR_FIRST || i >= disk->n_descriptors || disk->descriptors[i].node == NULL) {
        return NULL;
    }
    return &disk->descriptors[i];
}

/* The file behind a descriptor for a call that changes it, or with `reads` looks at it. */
static int64_t descriptor_node(struct lw_simulated_disk *disk, int fd, bool reads,
                               struct lw_disk_node **ret_node)
{
    const struct descriptor *descriptor = disk_descriptor(disk, fd);
    int refused = reads ? O_WRONLY : O_RDONLY;

    if (descriptor == NULL || (descriptor->flags & O_ACCMODE) == refused) {
        return -EBADF;
    }
    *ret_node = descriptor->node;
    return descriptor->node->is_dir ? -EISDIR : 0;
}

static int disk_close(void *context, int fd)
{
    struct lw_simulated_disk *disk = context;
    enum lw_disk_fault_kind kind = call_begin(disk, LW_DISK_CLOSE);
    struct descriptor *descriptor = disk_descriptor(disk, fd);

    if (descriptor == NULL) {
        return (int)call_end(disk, kind == LW_DISK_POWER ? -EIO : -EBADF);
    }
    descriptor->node->n_open--; /* Also when it fails, as Linux does. */
    descriptor->node = NULL;
    lw_disk_tree_sweep(&disk->tree);
    return (int)call_end(disk, fault_answer(kind));
}

static ssize_t disk_read_at(void *context, int fd, void *bytes, size_t n_bytes, int64_t at)
{
    struct lw_simulated_disk *disk = context;
    enum lw_disk_fault_kind kind = call_begin(disk, LW_DISK_READ);
    struct lw_disk_node *node = NULL;
    int64_t answer = fault_answer(kind);

    if (answer == 0) {
        answer = at < 0 ? -EINVAL : descriptor_node(disk, fd, true, &node);
    }
    if (answer == 0 && (uint64_t)at < node->n_cached) {
        size_t left = node->n_cached - (size_t)at;
        size_t n = n_bytes < left ? n_bytes : left;

        if (kind == LW_DISK_SHORT && n > 1) {
            n = 1 + (size_t)lw_rng_below(&disk->rng, n - 1);
        }
        memcpy(bytes, node->cached + at, n);
        answer = (int64_t)n;
    }
    return call_end(disk, answer);
}

/* How many of n_bytes a write at `at` puts there, fault and space allowing. */
static size_t write_bytes(struct lw_simulated_disk *disk, const struct lw_disk_node *node,
                          enum lw_disk_fault_kind kind, size_t n_bytes, size_t at)
{
    size_t n = n_bytes;

    if (kind == LW_DISK_SHORT && n > 1) {
        n = 1 + (size_t)lw_rng_below(&disk->rng, n - 1);
    }
    if (kind == LW_DISK_TORN && n > 0) {
        size_t n_sectors = (at + n - 1) / SECTOR - at / SECTOR + 1;
        size_t end = (at / SECTOR + (size_t)lw_rng_below(&disk->rng, n_sectors)) * SECTOR;

        n = end > at ? end - at : 0;
    }
    if (disk->limit < INT64_MAX && at + n > node->n_cached) {
        int64_t left = disk->limit - lw_disk_tree_used(&disk->tree);
        size_t end = node->n_cached + (left > 0 ? (size_t)left : 0);

        n = at + n <= end ? n : end > at ? end - at : 0;
    }
    return n;
}

static ssize_t disk_write_at(void *context, int fd, const void *bytes, size_t n_bytes, int64_t at)
{
    struct lw_simulated_disk *disk = context;
    enum lw_disk_fault_kind kind = call_begin(disk, LW_DISK_WRITE);
    int64_t answer = kind == LW_DISK_TORN ? 0 : fault_answer(kind);
    struct lw_disk_node *node = NULL;

    if (answer == 0) {
        answer = at < 0 ? -EINVAL : descriptor_node(disk, fd, false, &node);
    }
    if (answer == 0) {
        size_t n = write_bytes(disk, node, kind, n_bytes, (size_t)at);

        if (n > 0 && !lw_disk_node_write(node, (size_t)at, bytes, n)) {
            answer = -ENOMEM;
        } else {
            answer = kind == LW_DISK_TORN ? -EIO : n == 0 && n_bytes > 0 ? -ENOSPC : (int64_t)n;
        }
    }
    return call_end(disk, answer);
}

static int disk_sync(void *context, int fd)
{
    struct lw_simulated_disk *disk = context;
    enum lw_disk_fault_kind kind = call_begin(disk, LW_DISK_SYNC);
    const struct descriptor *descriptor = disk_descriptor(disk, fd);
    int64_t answer = fault_answer(kind);

    if (descriptor == NULL) {
        answer = answer == 0 ? -EBADF : answer;
    } else if (answer == 0) {
        lw_disk_node_keep(descriptor->node, LW_DISK_KEEP_ALL, &disk->rng);
    } else if (kind != LW_DISK_EINTR && kind != LW_DISK_POWER) {
        lw_disk_node_keep(descriptor->node, LW_DISK_KEEP_ANY, &disk->rng);
    }
    return (int)call_end(disk, answer);
}

static int disk_flush(void *context, int fd, int64_t at, int64_t n_bytes, bool evict)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_FLUSH));

    (void)at, (void)n_bytes, (void)evict; /* A hint may do nothing. */
    if (answer == 0 && disk_descriptor(disk, fd) == NULL) {
        answer = -EBADF;
    }
    return (int)call_end(disk, answer);
}

static int disk_truncate(void *context, int fd, int64_t n_bytes)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_TRUNCATE));
    struct lw_disk_node *node = NULL;

    if (answer == 0) {
        answer = n_bytes < 0 ? -EINVAL : descriptor_node(disk, fd, false, &node);
    }
    if (answer == 0 && (uint64_t)n_bytes > node->n_cached &&
        n_bytes - (int64_t)node->n_cached > disk->limit - lw_disk_tree_used(&disk->tree)) {
        answer = -ENOSPC;
    }
    if (answer == 0 && !lw_disk_node_resize(node, (size_t)n_bytes)) {
        answer = -ENOMEM;
    }
    return (int)call_end(disk, answer);
}

static int64_t disk_size(void *context, int fd)
{
    struct lw_simulated_disk *disk = context;
    int64_t answer = fault_answer(call_begin(disk, LW_DISK_SIZE));

    if (answer == 0) {
        const struct descriptor *descriptor = disk_descriptor(disk, fd);

        answer = descriptor == NULL ? -EBADF : (int64_t)descriptor->node->n_cached;
    }
    return call_end(disk, answer);
}

/* ---- crashes ---- */

static enum lw_disk_keep crash_keep(struct lw_simulated_disk *disk, enum lw_disk_crash crash)
{
    switch (crash) {
    case LW_DISK_CRASH_NOTHING:
        return LW_DISK_KEEP_NONE;
    case LW_DISK_CRASH_PREFIX:
        return LW_DISK_KEEP_PREFIX;
    case LW_DISK_CRASH_SECTORS:
        return LW_DISK_KEEP_ANY;
    case LW_DISK_CRASH_ALL:
    case LW_DISK_KILL:
        return LW_DISK_KEEP_ALL;
    case LW_DISK_CRASH_ANY:
    case LW_DISK_N_CRASHES:
        break;
    }
    return (enum lw_disk_keep)lw_rng_below(&disk->rng, LW_DISK_KEEP_ALL + 1);
}

enum lw_status lw_simulated_disk_crash(struct lw_simulated_disk *disk, enum lw_disk_crash crash)
{
    bool good = true;

    (void)pthread_mutex_lock(&disk->lock);
    disk->power_gone = false;
    disk->n_armed = 0;
    disk->n_descriptors = 0;
    for (size_t i = 0; i < disk->tree.n_nodes; i++) {
        struct lw_disk_node *node = disk->tree.nodes[i];

        node->n_open = 0;
        if (crash != LW_DISK_KILL) {
            lw_disk_node_keep(node, crash_keep(disk, crash), &disk->rng);
            lw_disk_node_reload(node);
        }
    }
    if (crash != LW_DISK_KILL) {
        good = lw_disk_tree_crash(&disk->tree, crash_keep(disk, crash), &disk->rng);
    }
    lw_disk_tree_sweep(&disk->tree);
    (void)pthread_mutex_unlock(&disk->lock);
    return good ? LW_OK : LW_ENOMEM;
}

/* ---- the disk ---- */

enum lw_status lw_simulated_disk_create(uint64_t seed, struct lw_simulated_disk **ret_disk)
{
    struct lw_simulated_disk *disk = lw_mem_calloc(1, sizeof(*disk));

    if (disk == NULL) {
        return LW_ENOMEM;
    }
    (void)pthread_mutex_init(&disk->lock, NULL);
    lw_rng_seed(&disk->rng, seed);
    disk->limit = INT64_MAX;
    disk->io = (struct lw_io){
        .open = disk_open,
        .close = disk_close,
        .read_at = disk_read_at,
        .write_at = disk_write_at,
        .sync = disk_sync,
        .flush = disk_flush,
        .truncate = disk_truncate,
        .size = disk_size,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .make_dir = disk_make_dir,
        .sync_dir = disk_sync_dir,
        .list = disk_list,
        .space = disk_space,
        .context = disk,
    };
    *ret_disk = disk;
    return LW_OK;
}

void lw_simulated_disk_destroy(struct lw_simulated_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    lw_disk_tree_fini(&disk->tree);
    lw_mem_free(disk->descriptors);
    (void)pthread_mutex_destroy(&disk->lock);
    lw_mem_free(disk);
}

const struct lw_io *lw_simulated_disk_io(struct lw_simulated_disk *disk)
{
    return &disk->io;
}

enum lw_status lw_simulated_disk_fault(struct lw_simulated_disk *disk,
                                       const struct lw_disk_fault *fault)
{
    enum lw_status status = LW_OK;

    if ((unsigned)fault->call >= LW_DISK_N_CALLS || (unsigned)fault->kind >= NO_FAULT ||
        fault->at == 0 || (fault->sticky && fault->kind == LW_DISK_EINTR)) {
        return LW_EINVAL;
    }
    (void)pthread_mutex_lock(&disk->lock);
    if (disk->n_armed == LW_DISK_FAULTS_MAX) {
        status = LW_ELIMIT;
    } else {
        disk->armed[disk->n_armed++] = (struct armed){.fault = *fault};
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return status;
}

void lw_simulated_disk_mend(struct lw_simulated_disk *disk)
{
    (void)pthread_mutex_lock(&disk->lock);
    disk->n_armed = 0;
    (void)pthread_mutex_unlock(&disk->lock);
}

/* A count, under the lock. */
static uint64_t disk_count(const struct lw_simulated_disk *disk, const uint64_t *member)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&disk->lock;
    uint64_t count;

    (void)pthread_mutex_lock(lock);
    count = *member;
    (void)pthread_mutex_unlock(lock);
    return count;
}

uint64_t lw_simulated_disk_faults(const struct lw_simulated_disk *disk)
{
    return disk_count(disk, &disk->n_faults);
}

uint64_t lw_simulated_disk_calls(const struct lw_simulated_disk *disk, enum lw_disk_call call)
{
    return disk_count(disk, &disk->n_calls[call]);
}

void lw_simulated_disk_limit(struct lw_simulated_disk *disk, int64_t n_bytes)
{
    (void)pthread_mutex_lock(&disk->lock);
    disk->limit = n_bytes;
    (void)pthread_mutex_unlock(&disk->lock);
}

int64_t lw_simulated_disk_used(struct lw_simulated_disk *disk)
{
    int64_t n_bytes;

    (void)pthread_mutex_lock(&disk->lock);
    n_bytes = lw_disk_tree_used(&disk->tree);
    (void)pthread_mutex_unlock(&disk->lock);
    return n_bytes;
}
