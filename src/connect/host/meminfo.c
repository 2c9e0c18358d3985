/* /proc/meminfo: where memory and swap have gone. */
#include "connect/host/collector.h"
#include "connect/host/fields.h"

#define KB 1024.0

static const struct lw_host_field FIELDS[] = {
    {"MemTotal:", "node_memory_MemTotal_bytes", KB},
    {"MemFree:", "node_memory_MemFree_bytes", KB},
    {"MemAvailable:", "node_memory_MemAvailable_bytes", KB},
    {"Buffers:", "node_memory_Buffers_bytes", KB},
    {"Cached:", "node_memory_Cached_bytes", KB},
    {"SwapTotal:", "node_memory_SwapTotal_bytes", KB},
    {"SwapFree:", "node_memory_SwapFree_bytes", KB},
    {"Dirty:", "node_memory_Dirty_bytes", KB},
    {"Writeback:", "node_memory_Writeback_bytes", KB},
    {"AnonPages:", "node_memory_AnonPages_bytes", KB},
    {"Shmem:", "node_memory_Shmem_bytes", KB},
    {"Slab:", "node_memory_Slab_bytes", KB},
    {"Committed_AS:", "node_memory_Committed_AS_bytes", KB},
};

static void meminfo_init(void *state)
{
    lw_host_fields_init(state);
}

static void meminfo_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    lw_host_fields_take(state, lw_scan_text(text, n_bytes), FIELDS,
                        sizeof(FIELDS) / sizeof(FIELDS[0]), batch);
}

const struct lw_host_collector LW_HOST_MEMINFO = {"meminfo", sizeof(struct lw_host_fields),
                                                  meminfo_init, meminfo_take};
