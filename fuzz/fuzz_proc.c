/*
 * Any bytes as a file under /proc: the first byte picks the collector, the rest is what it reads,
 * in two rounds cut at a zero byte. Never a read outside, and every reading is a number that is not
 * negative.
 */
#include "connect/host/collector.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static enum lw_status any_series(void *context, const struct lw_series_key *key,
                                 uint32_t *ret_series, struct lw_error *reterr)
{
    uint32_t *n_series = context;

    (void)reterr;
    for (size_t i = 0; i < key->n_labels; i++) {
        if (strlen(key->labels[i].name) == 0 || strlen(key->labels[i].value) > 4096) {
            abort();
        }
    }
    *ret_series = (*n_series)++;
    return *n_series % 61 == 0 ? LW_ELIMIT : LW_OK;
}

static enum lw_status any_push(void *context, const struct lw_point *points, size_t n)
{
    const uint32_t *n_series = context;

    for (size_t i = 0; i < n; i++) {
        if (points[i].series >= *n_series || !(points[i].value >= 0.0)) {
            abort();
        }
    }
    return LW_OK;
}

static void any_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    if (strlen(reason) == 0 || n == 0) {
        abort();
    }
}

static int any_statvfs(const char *path, struct statvfs *ret_stat)
{
    memset(ret_stat, 0, sizeof(*ret_stat));
    ret_stat->f_blocks = strlen(path);
    ret_stat->f_frsize = 4096;
    return strlen(path) % 5 == 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct lw_host_collector *const COLLECTORS[] = {
        &LW_HOST_STAT,         &LW_HOST_MEMINFO,         &LW_HOST_VMSTAT,      &LW_HOST_LOADAVG,
        &LW_HOST_PRESSURE_CPU, &LW_HOST_PRESSURE_MEMORY, &LW_HOST_PRESSURE_IO, &LW_HOST_DISKSTATS,
        &LW_HOST_NETDEV,       &LW_HOST_MOUNTS};
    uint32_t n_series = 0;
    const struct lw_feed feed = {
        .series = any_series, .push = any_push, .dropped = any_dropped, .context = &n_series};
    struct lw_host_batch batch = {
        .feed = &feed, .instance = "h", .ticks_per_s = 100.0, .statvfs = any_statvfs};
    const struct lw_host_collector *collector;
    const uint8_t *cut;
    size_t n_first;
    void *state;

    if (n_bytes == 0) {
        return 0;
    }
    collector = COLLECTORS[data[0] % (sizeof(COLLECTORS) / sizeof(COLLECTORS[0]))];
    state = malloc(collector->state_bytes);
    if (state == NULL) {
        return 0;
    }
    cut = memchr(data + 1, 0, n_bytes - 1);
    n_first = cut == NULL ? n_bytes - 1 : (size_t)(cut - data) - 1;
    collector->init(state);
    collector->take(state, (const char *)data + 1, n_first, &batch);
    lw_host_batch_flush(&batch);
    collector->take(state, (const char *)data + 1 + n_first, n_bytes - 1 - n_first, &batch);
    lw_host_batch_flush(&batch);
    free(state);
    return 0;
}
