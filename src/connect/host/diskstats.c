/*
 * /proc/diskstats: what each disk read and wrote and how long it was busy.
 *
 * Partitions are left out: the disk beneath has their traffic. A device that never did anything, as
 * most loop and RAM disks, is left out until it does.
 */
#include "connect/host/collector.h"

#include <string.h>

#define N_METRICS 8
#define N_COLUMNS 11
#define SECTOR_BYTES 512.0
#define MS 1e-3

static const char *const METRICS[N_METRICS] = {
    "node_disk_reads_completed_total",   "node_disk_read_bytes_total",
    "node_disk_read_time_seconds_total", "node_disk_writes_completed_total",
    "node_disk_written_bytes_total",     "node_disk_write_time_seconds_total",
    "node_disk_io_time_seconds_total",   "node_disk_io_time_weighted_seconds_total",
};

/* Where each metric stands among the numbers behind a device's name, and what one is in the
 * metric's unit. */
static const struct {
    size_t column;
    double unit;
} COLUMNS[N_METRICS] = {{0, 1.0},          {2, SECTOR_BYTES}, {3, MS}, {4, 1.0},
                        {6, SECTOR_BYTES}, {7, MS},           {9, MS}, {10, MS}};

static void diskstats_init(void *state)
{
    memset(state, 0, sizeof(struct lw_host_devices));
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* sda1, vdb12, xvda1 are partitions; so are nvme0n1p2, mmcblk0p1, loop0p1: digit, "p", digits. */
static bool is_partition(struct lw_word name)
{
    size_t n = name.n_bytes;

    while (n > 0 && is_digit(name.text[n - 1])) {
        n--;
    }
    if (n == name.n_bytes || n == 0) {
        return false;
    }
    if (lw_word_begins(name, "sd") || lw_word_begins(name, "hd") || lw_word_begins(name, "vd") ||
        lw_word_begins(name, "xvd")) {
        return true;
    }
    return n >= 2 && name.text[n - 1] == 'p' && is_digit(name.text[n - 2]);
}

static void disk_take(struct lw_host_devices *devices, struct lw_word name,
                      const double columns[N_COLUMNS], struct lw_host_batch *batch)
{
    struct lw_host_device *device;
    double values[N_METRICS];
    bool used = false;

    for (size_t i = 0; i < N_METRICS; i++) {
        values[i] = columns[COLUMNS[i].column] * COLUMNS[i].unit;
        used = used || values[i] > 0.0;
    }
    if (!used) {
        return;
    }
    device = lw_host_devices_find(devices, name);
    if (device == NULL) {
        lw_host_batch_drop(batch, "device_limit");
        return;
    }
    lw_host_device_add(batch, device, METRICS, values, N_METRICS);
}

static void diskstats_take(void *state, const char *text, size_t n_bytes,
                           struct lw_host_batch *batch)
{
    struct lw_host_devices *devices = state;
    struct lw_scan scan = lw_scan_text(text, n_bytes), line;
    double columns[N_COLUMNS], numbers[2];
    struct lw_word name;

    lw_host_devices_begin(devices);
    while (lw_scan_line(&scan, &line)) {
        if (!lw_scan_numbers(&line, numbers, 2) || !lw_scan_word(&line, &name)) {
            lw_host_batch_drop(batch, "bad_line");
        } else if (is_partition(name)) {
            continue;
        } else if (!lw_scan_numbers(&line, columns, N_COLUMNS)) {
            lw_host_batch_drop(batch, "bad_line");
        } else {
            disk_take(devices, name, columns, batch);
        }
    }
}

const struct lw_host_collector LW_HOST_DISKSTATS = {"diskstats", sizeof(struct lw_host_devices),
                                                    diskstats_init, diskstats_take};
