/* /proc/vmstat: what memory costs: page faults that read the disk, pages swapped, processes killed
 * for want of memory. */
#include "connect/host/collector.h"
#include "connect/host/fields.h"

static const struct lw_host_field FIELDS[] = {
    {"pgfault", "node_vmstat_pgfault", 1.0},   {"pgmajfault", "node_vmstat_pgmajfault", 1.0},
    {"pswpin", "node_vmstat_pswpin", 1.0},     {"pswpout", "node_vmstat_pswpout", 1.0},
    {"oom_kill", "node_vmstat_oom_kill", 1.0},
};

static void vmstat_init(void *state)
{
    lw_host_fields_init(state);
}

static void vmstat_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    lw_host_fields_take(state, lw_scan_text(text, n_bytes), FIELDS,
                        sizeof(FIELDS) / sizeof(FIELDS[0]), batch);
}

const struct lw_host_collector LW_HOST_VMSTAT = {"vmstat", sizeof(struct lw_host_fields),
                                                 vmstat_init, vmstat_take};
