/*
 * Any bytes as a recording, compressed or not: never a read outside, and what is played is what the
 * format allows: points of series that were named, on a feed that was given. The reader takes
 * files, so the bytes go through one in memory.
 */
#include "connect/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static enum lw_status any_series(void *context, const struct lw_series_key *key,
                                 uint32_t *ret_series, struct lw_error *reterr)
{
    uint32_t *n_series = context;

    (void)reterr;
    if (key->metric[0] == '\0' || key->n_labels > LW_LABELS_MAX) {
        abort();
    }
    *ret_series = (*n_series)++;
    return *n_series % 7 == 0 ? LW_ELIMIT : LW_OK;
}

static enum lw_status any_push(void *context, const struct lw_point *points, size_t n)
{
    const uint32_t *n_series = context;

    for (size_t i = 0; i < n; i++) {
        if (points[i].series >= *n_series || points[i].flags > LW_POINT_MORE) {
            abort();
        }
    }
    return LW_OK;
}

static enum lw_status any_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static void any_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    (void)n;
    if (reason[0] == '\0') {
        abort();
    }
}

static enum lw_status any_feed(void *context, const char *source, struct lw_feed *ret_feed,
                               struct lw_error *reterr)
{
    (void)reterr;
    *ret_feed = (struct lw_feed){.series = any_series,
                                 .push = any_push,
                                 .watermark = any_watermark,
                                 .dropped = any_dropped,
                                 .context = context};
    return source[0] == 'x' ? LW_ELIMIT : LW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    uint32_t n_series = 0;
    const struct lw_recording_player player = {.feed = any_feed, .context = &n_series};
    struct lw_recording *recording = NULL;
    char path[64];
    bool more = true;
    int fd = (int)syscall(SYS_memfd_create, "recording", 0);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, n_bytes) != (ssize_t)n_bytes) {
        abort();
    }
    (void)lw_recording_is(path);
    if (lw_recording_open(path, &player, &recording, NULL) == LW_OK) {
        (void)lw_recording_fact(recording, "host");
        while (more && lw_recording_next(recording, &more, NULL) == LW_OK) {
            int64_t first_ns, last_ns;
            uint64_t size;

            if (lw_recording_position(recording, &size) > size || size != n_bytes ||
                (lw_recording_points(recording) > 0 &&
                 !lw_recording_span(recording, &first_ns, &last_ns))) {
                abort();
            }
        }
    }
    lw_recording_close(recording);
    (void)close(fd);
    return 0;
}
