/*
 * The built-in options of a detector that watches hosts: what is a counter, which way trouble goes,
 * and how large a deviation must be to matter, in the metric's own unit.
 *
 * Floors are what a person would still call nothing: half a processor, a few megabytes.
 * Where several metrics say the same, one is watched and the others only feed the entity's model.
 * docs/sources/host.md shows this table; a test holds both equal.
 */
#include "connect/source_host.h"

static const struct lw_source_host_option OPTIONS[] = {
    {NULL, "match", "node_*", "Everything the source reads."},
    {NULL, "entity", "instance", "A host is an entity."},
    {NULL, "step", "1s", "As often as the source reads."},

    {"node_*", "faults", "no",
     "A constant reading is good health; disks and interfaces may go away."},
    {"node_*", "min", "0", "Nothing that a host counts is below it."},
    {"node_*_total", "aggregate", "rate", "Counters."},
    {"node_*_total", "window", "10s",
     "What is over in a second or two, such as a job, is no trouble."},
    {"node_vmstat_*", "aggregate", "rate", "Counters."},
    {"node_vmstat_*", "window", "10s", NULL},

    /* Processor. */
    {"node_cpu_seconds_total", "floor", "0.5", "Half a processor."},
    {"node_load1", "floor", "1.5", "Threads that want to run."},
    {"node_load1", "direction", "up", NULL},
    {"node_load5", "watch", "no", "node_load1 says it earlier."},
    {"node_load15", "watch", "no", "node_load1 says it earlier."},
    {"node_pressure_*", "floor", "0.3", "Three tenths of the time."},
    {"node_pressure_*", "direction", "up", NULL},
    {"node_context_switches_total", "floor", "10000", "A second."},
    {"node_context_switches_total", "floor_relative", "1", NULL},
    {"node_context_switches_total", "direction", "up", NULL},
    {"node_intr_total", "floor", "10000", "A second."},
    {"node_intr_total", "floor_relative", "1", NULL},
    {"node_intr_total", "direction", "up", NULL},

    /* Memory. */
    {"node_memory_*", "watch", "no", "What matters is what is available, below."},
    {"node_memory_MemAvailable_bytes", "watch", "yes", NULL},
    {"node_memory_MemAvailable_bytes", "direction", "down", NULL},
    {"node_memory_MemAvailable_bytes", "floor", "67108864", "64 MiB."},
    {"node_memory_MemAvailable_bytes", "floor_relative", "0.05", NULL},
    {"node_memory_SwapFree_bytes", "watch", "yes", NULL},
    {"node_memory_SwapFree_bytes", "direction", "down", NULL},
    {"node_memory_SwapFree_bytes", "floor", "67108864", "64 MiB."},
    {"node_memory_SwapFree_bytes", "floor_relative", "0.1", NULL},
    {"node_vmstat_*", "direction", "up", NULL},
    {"node_vmstat_*", "floor", "200", "Pages a second."},
    {"node_vmstat_pgfault", "watch", "no", "Every start of a program makes thousands."},
    {"node_vmstat_oom_kill", "floor", "0", NULL},
    {"node_vmstat_oom_kill", "max", "0", "One process killed for want of memory is one too many."},

    /* Disks and filesystems. */
    {"node_disk_*", "direction", "up", NULL},
    {"node_disk_*_completed_total", "floor", "1000", "Requests a second."},
    {"node_disk_*_bytes_total", "floor", "50000000", "50 MB a second."},
    {"node_disk_*_time_seconds_total", "watch", "no",
     "node_disk_io_time_seconds_total is bounded and says as much."},
    {"node_disk_io_time_weighted_seconds_total", "watch", "no", NULL},
    {"node_disk_io_time_seconds_total", "watch", "yes", NULL},
    {"node_disk_io_time_seconds_total", "floor", "0.5", "Half the time."},
    {"node_filesystem_size_bytes", "watch", "no", NULL},
    {"node_filesystem_avail_bytes", "direction", "down", NULL},
    {"node_filesystem_avail_bytes", "floor", "16777216", "16 MiB."},
    {"node_filesystem_avail_bytes", "floor_relative", "0.05", NULL},
    {"node_filesystem_files_free", "direction", "down", NULL},
    {"node_filesystem_files_free", "floor", "10000", NULL},
    {"node_filesystem_files_free", "floor_relative", "0.05", NULL},
    {"node_filesystem_readonly", "direction", "up", "A disk that fails is made read-only."},
    {"node_filesystem_readonly", "floor", "0.5", NULL},

    /* Network. */
    {"node_network_*_bytes_total", "floor", "5000000", "5 MB a second."},
    {"node_network_*_bytes_total", "floor_relative", "0.5", NULL},
    {"node_network_*_packets_total", "floor", "5000", "A second."},
    {"node_network_*_packets_total", "floor_relative", "0.5", NULL},
    {"node_network_*_errs_total", "direction", "up", NULL},
    {"node_network_*_errs_total", "floor", "5", "A second."},
    {"node_network_*_drop_total", "direction", "up", NULL},
    {"node_network_*_drop_total", "floor", "20", "A second."},

    /* Processes. */
    {"node_procs_running", "watch", "no", "The load says it smoothly."},
    {"node_procs_blocked", "direction", "up", NULL},
    {"node_procs_blocked", "floor", "4", NULL},
    {"node_forks_total", "direction", "up", NULL},
    {"node_forks_total", "floor", "100", "A second."},
    {"node_processes_*", "floor", "200", NULL},
    {"node_processes_*", "floor_relative", "0.5", NULL},
};

const struct lw_source_host_option *lw_source_host_options(size_t *ret_n)
{
    *ret_n = sizeof(OPTIONS) / sizeof(OPTIONS[0]);
    return OPTIONS;
}
