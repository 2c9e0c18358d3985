/*
 * The contract of a collector: it turns the text of one file under /proc into points, once a
 * second.
 *
 * It keeps what it must remember in its state, opens nothing, and takes any text: a line it cannot
 * read is counted as "bad_line" and skipped. Files a kernel does not have are absent without harm.
 * To add one: a file here, and a line in the array in source_host.c.
 */
#ifndef LW_CONNECT_HOST_COLLECTOR_H
#define LW_CONNECT_HOST_COLLECTOR_H

#include "connect/host/batch.h"

struct lw_host_collector {
    const char *path; /* Under the root of proc, such as "pressure/cpu". */
    size_t state_bytes;
    void (*init)(void *state);
    void (*take)(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch);
};

extern const struct lw_host_collector LW_HOST_STAT;
extern const struct lw_host_collector LW_HOST_MEMINFO;
extern const struct lw_host_collector LW_HOST_VMSTAT;
extern const struct lw_host_collector LW_HOST_LOADAVG;
extern const struct lw_host_collector LW_HOST_PRESSURE_CPU;
extern const struct lw_host_collector LW_HOST_PRESSURE_MEMORY;
extern const struct lw_host_collector LW_HOST_PRESSURE_IO;
extern const struct lw_host_collector LW_HOST_DISKSTATS;
extern const struct lw_host_collector LW_HOST_NETDEV;
extern const struct lw_host_collector LW_HOST_MOUNTS;

#endif
