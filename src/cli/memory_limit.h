/* How much memory this process may have. */
#ifndef LW_CLI_MEMORY_LIMIT_H
#define LW_CLI_MEMORY_LIMIT_H

#include <stddef.h>

/* Four fifths of the smaller of what its cgroup (version 2) and those above allow and what the
 * machine has; 0 when neither can be read. */
size_t lw_memory_limit(void);
/* The same, with other places than /proc and /sys/fs/cgroup. */
size_t lw_memory_limit_of(const char *proc, const char *cgroups);

#endif
