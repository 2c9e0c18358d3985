/* The source "host": reads /proc once a second and feeds it. */
#include "connect/source_host.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "connect/host/collector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
/* Rounds that fail to come before the source takes it that it slept. */
#define PAUSE_INTERVALS 10
#define INTERVAL_MIN_NS (SECOND_NS / 10)
#define TEXT_MIN_BYTES ((size_t)32 << 10)
#define TEXT_MAX_BYTES                                                                             \
    ((size_t)8 << 20) /* /proc/stat of 1,000 processors is 1 MB; a longer file is cut and counted. \
                       */
#define REOPEN_ROUNDS 60 /* How often a file that is not there is looked for. */
#define INSTANCE_MAX 128
#define WAIT_MAX_MS 60000 /* Then the clock is looked at again: it may have been set. */

static const struct lw_host_collector *const COLLECTORS[] = {
    &LW_HOST_STAT,         &LW_HOST_MEMINFO,         &LW_HOST_VMSTAT,      &LW_HOST_LOADAVG,
    &LW_HOST_PRESSURE_CPU, &LW_HOST_PRESSURE_MEMORY, &LW_HOST_PRESSURE_IO, &LW_HOST_DISKSTATS,
    &LW_HOST_NETDEV,       &LW_HOST_MOUNTS,
};

#define N_COLLECTORS (sizeof(COLLECTORS) / sizeof(COLLECTORS[0]))

struct lw_source_host {
    struct lw_feed feed;
    char instance[INSTANCE_MAX];
    int64_t interval_ns;
    int proc_fd;    /* The folder. */
    DIR *processes; /* The same folder, for counting processes; NULL when it cannot be listed. */
    uint32_t processes_series;
    uint64_t n_rounds;
    int fds[N_COLLECTORS]; /* -1: not there, or not readable. */
    void *states[N_COLLECTORS];
    char *text; /* What was read last. */
    size_t text_capacity;
    struct lw_host_batch batch;
};

static void collectors_open(struct lw_source_host *source)
{
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        if (source->fds[i] < 0) {
            source->fds[i] = openat(source->proc_fd, COLLECTORS[i]->path, O_RDONLY | O_CLOEXEC);
        }
    }
}

static bool text_grow(struct lw_source_host *source)
{
    size_t capacity = source->text_capacity == 0 ? TEXT_MIN_BYTES : source->text_capacity * 2;
    char *text = capacity > TEXT_MAX_BYTES ? NULL : lw_mem_realloc(source->text, capacity);

    if (text == NULL) {
        return false;
    }
    source->text = text;
    source->text_capacity = capacity;
    return true;
}

/* Reads a whole file into source->text. False when it cannot be read; cut at what memory allows,
 * which is counted. */
static bool text_read(struct lw_source_host *source, int fd, size_t *ret_n_bytes)
{
    size_t n_bytes = 0;

    for (;;) {
        ssize_t n;

        if (n_bytes == source->text_capacity && !text_grow(source)) {
            lw_host_batch_drop(&source->batch, "file_too_long");
            break;
        }
        n = pread(fd, source->text + n_bytes, source->text_capacity - n_bytes, (off_t)n_bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        if (n == 0) {
            break;
        }
        n_bytes += (size_t)n;
    }
    *ret_n_bytes = n_bytes;
    return true;
}

static enum lw_status instance_set(struct lw_source_host *source, const char *instance,
                                   struct lw_error *reterr)
{
    size_t n_bytes;

    if (instance == NULL) {
        if (gethostname(source->instance, sizeof(source->instance) - 1) != 0 ||
            source->instance[0] == '\0') {
            memcpy(source->instance, "localhost", sizeof("localhost"));
        }
        return LW_OK;
    }
    n_bytes = strlen(instance);
    if (n_bytes >= sizeof(source->instance)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the host's name has %zu bytes; at most %zu are allowed", n_bytes,
                            sizeof(source->instance) - 1);
    }
    memcpy(source->instance, instance, n_bytes + 1);
    return LW_OK;
}

static enum lw_status source_open(struct lw_source_host *source, const char *proc_root,
                                  struct lw_error *reterr)
{
    int list_fd;

    source->proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->proc_fd < 0) {
        return lw_error_set(reterr, LW_EIO, "cannot open %s: %s", proc_root, strerror(errno));
    }
    list_fd = openat(source->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    source->processes = list_fd < 0 ? NULL : fdopendir(list_fd);
    if (source->processes == NULL && list_fd >= 0) {
        (void)close(list_fd);
    }
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        source->states[i] = lw_mem_alloc(COLLECTORS[i]->state_bytes);
        if (source->states[i] == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes of host state",
                                COLLECTORS[i]->state_bytes);
        }
        COLLECTORS[i]->init(source->states[i]);
    }
    collectors_open(source);
    return LW_OK;
}

enum lw_status lw_source_host_create(const struct lw_source_host_config *config,
                                     const struct lw_feed *feed, struct lw_source_host **ret_source,
                                     struct lw_error *reterr)
{
    static const struct lw_source_host_config DEFAULTS = {0};
    struct lw_source_host *source;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    enum lw_status st;

    config = config == NULL ? &DEFAULTS : config;
    if (config->interval_ns != 0 && config->interval_ns < INTERVAL_MIN_NS) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the host's interval is %lld ns; it must be at least 100 ms",
                            (long long)config->interval_ns);
    }
    source = lw_mem_calloc(1, sizeof(*source));
    if (source == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes", sizeof(*source));
    }
    source->feed = *feed;
    source->interval_ns = config->interval_ns == 0 ? SECOND_NS : config->interval_ns;
    source->proc_fd = -1;
    source->processes_series = LW_HOST_SERIES_NEW;
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        source->fds[i] = -1;
    }
    source->batch.feed = &source->feed;
    source->batch.instance = source->instance;
    source->batch.ticks_per_s = ticks_per_s > 0 ? (double)ticks_per_s : 100.0;
    source->batch.statvfs = statvfs;
    st = instance_set(source, config->instance, reterr);
    if (st == LW_OK) {
        st = source_open(source, config->proc_root == NULL ? "/proc" : config->proc_root, reterr);
    }
    if (st != LW_OK) {
        lw_source_host_destroy(source);
        return st;
    }
    *ret_source = source;
    return LW_OK;
}

void lw_source_host_destroy(struct lw_source_host *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        if (source->fds[i] >= 0) {
            (void)close(source->fds[i]);
        }
        lw_mem_free(source->states[i]);
    }
    if (source->processes != NULL) {
        (void)closedir(source->processes);
    }
    if (source->proc_fd >= 0) {
        (void)close(source->proc_fd);
    }
    lw_mem_free(source->text);
    lw_mem_free(source);
}

/* A process is a folder of /proc whose name is a number. */
static void processes_count(struct lw_source_host *source)
{
    const struct lw_series_key key = {.metric = "node_processes_pids"};
    const struct dirent *entry;
    uint64_t n = 0;

    if (source->processes == NULL) {
        return;
    }
    rewinddir(source->processes);
    while ((entry = readdir(source->processes)) != NULL) {
        n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    }
    if (n > 0) {
        lw_host_batch_add(&source->batch, &source->processes_series, &key, (double)n);
    }
}

enum lw_status lw_source_host_collect(struct lw_source_host *source, int64_t time_ns,
                                      struct lw_error *reterr)
{
    struct lw_host_batch *batch = &source->batch;
    int64_t watermark_ns = time_ns - time_ns % source->interval_ns + source->interval_ns;
    size_t n_bytes;

    batch->time_ns = time_ns;
    batch->status = LW_OK;
    if (++source->n_rounds % REOPEN_ROUNDS == 0) {
        collectors_open(source);
    }
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        if (source->fds[i] >= 0 && text_read(source, source->fds[i], &n_bytes)) {
            COLLECTORS[i]->take(source->states[i], source->text, n_bytes, batch);
        } else if (source->fds[i] >= 0) {
            (void)close(source->fds[i]); /* Such as pressure files of a kernel that was booted
                                            without them. */
            source->fds[i] = -1;
        }
    }
    processes_count(source);
    lw_host_batch_flush(batch);
    if (batch->status == LW_OK) {
        batch->status = source->feed.watermark(source->feed.context, watermark_ns);
    }
    if (batch->status != LW_OK) {
        return lw_error_set(reterr, batch->status, "the host's readings were refused: %s",
                            lw_status_name(batch->status));
    }
    return LW_OK;
}

/* Waits until the real clock shows due_ns. LW_OK and *ret_stopped when told to stop. */
static enum lw_status wait_until(int64_t due_ns, int stop_fd, bool *ret_stopped,
                                 struct lw_error *reterr)
{
    int64_t left_ns = due_ns - lw_clock_real_ns();

    *ret_stopped = false;
    while (left_ns > 0) {
        int64_t left_ms = (left_ns + 999999) / 1000000;
        struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
        int n = poll(&stop, 1, left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS);

        if (n < 0 && errno != EINTR) {
            return lw_error_set(reterr, LW_EIO, "the host source cannot wait: %s", strerror(errno));
        }
        if (n > 0) {
            *ret_stopped = true;
            return LW_OK;
        }
        left_ns = due_ns - lw_clock_real_ns();
    }
    return LW_OK;
}

/* After a suspended machine or a stopped process the next round begins anew: it was we who slept.
 */
static enum lw_status notice_pause(struct lw_source_host *source, int64_t last_ns, int64_t now_ns,
                                   struct lw_error *reterr)
{
    enum lw_status st;

    if (last_ns == INT64_MIN || now_ns - last_ns < PAUSE_INTERVALS * source->interval_ns) {
        return LW_OK;
    }
    st = source->feed.watermark(source->feed.context, INT64_MIN);
    return st == LW_OK ? LW_OK
                       : lw_error_set(reterr, st, "the feed did not take the end of a pause");
}

enum lw_status lw_source_host_run(struct lw_source_host *source, int stop_fd,
                                  struct lw_error *reterr)
{
    bool stopped = false;
    int64_t last_ns = INT64_MIN;
    enum lw_status st = LW_OK;

    while (st == LW_OK && !stopped) {
        int64_t now_ns = lw_clock_real_ns();

        st = wait_until(now_ns - now_ns % source->interval_ns + source->interval_ns, stop_fd,
                        &stopped, reterr);
        if (st != LW_OK || stopped) {
            break;
        }
        now_ns = lw_clock_real_ns();
        st = notice_pause(source, last_ns, now_ns, reterr);
        if (st == LW_OK) {
            st = lw_source_host_collect(source, now_ns, reterr);
        }
        last_ns = now_ns;
    }
    return st;
}

const char *lw_source_host_instance(const struct lw_source_host *source)
{
    return source->instance;
}
