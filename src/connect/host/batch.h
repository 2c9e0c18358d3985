/*
 * What one round of collecting gathers: points on their way to the feed, and the names of devices
 * with their series numbers.
 *
 * A series is asked of the feed once, when it first has a value; the number is then kept by the
 * collector in a slot that starts as LW_HOST_SERIES_NEW. Belongs to the source's thread.
 */
#ifndef LW_CONNECT_HOST_BATCH_H
#define LW_CONNECT_HOST_BATCH_H

#include "connect/host/scan.h"
#include "lapwing/plugin.h"

#include <sys/statvfs.h>

#define LW_HOST_SERIES_NEW UINT32_MAX
#define LW_HOST_SERIES_REFUSED (UINT32_MAX - 1)
#define LW_HOST_BATCH_POINTS 512
#define LW_HOST_DEVICES_MAX 32
#define LW_HOST_DEVICE_METRICS_MAX 8
#define LW_HOST_LABELS_MAX 4 /* Instance included. */

struct lw_host_batch {
    const struct lw_feed *feed; /* Borrowed. */
    const char *instance;       /* Value of every series' label "instance". */
    double ticks_per_s;         /* Unit of the times in /proc/stat. */
    int (*statvfs)(const char *path, struct statvfs *ret_stat);
    int64_t time_ns; /* Of all points of the round. */
    size_t n_points;
    struct lw_point points[LW_HOST_BATCH_POINTS];
    enum lw_status status; /* The feed's first failure of the round. */
};

/* Add a reading. *series is the collector's slot of the series; labels come besides "instance". */
void lw_host_batch_add(struct lw_host_batch *batch, uint32_t *series,
                       const struct lw_series_key *key, double value);
/* Hand everything gathered to the feed. */
void lw_host_batch_flush(struct lw_host_batch *batch);
/* Count something that could not be taken. */
void lw_host_batch_drop(struct lw_host_batch *batch, const char *reason);

/* A disk or an interface. */
struct lw_host_device {
    char name[64];
    uint64_t round; /* When it was last seen. */
    uint32_t series[LW_HOST_DEVICE_METRICS_MAX];
};

/* Devices by name. When full, one that is gone makes room. */
struct lw_host_devices {
    struct lw_host_device items[LW_HOST_DEVICES_MAX];
    size_t n;
    size_t next; /* Where the search begins: devices come in the same order every round. */
    uint64_t round;
};

/* A new round begins: devices not asked for until the next one are gone. */
void lw_host_devices_begin(struct lw_host_devices *devices);
/* The device of that name, new when unknown; NULL when the name is too long or too many are there.
 */
struct lw_host_device *lw_host_devices_find(struct lw_host_devices *devices, struct lw_word name);
/* Add one reading of each metric of a device, labelled device="name". */
void lw_host_device_add(struct lw_host_batch *batch, struct lw_host_device *device,
                        const char *const *metrics, const double *values, size_t n_metrics);

#endif
