/* The cgroup's memory.max and the machine's MemTotal: see cli/memory_limit.h. */
#include "cli/memory_limit.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The first line of a file, without its end; false when there is none. */
static bool line_read(const char *path, char *ret_line, size_t capacity)
{
    FILE *file = fopen(path, "re");
    bool is_good = file != NULL && fgets(ret_line, (int)capacity, file) != NULL;

    if (file != NULL) {
        (void)fclose(file);
    }
    if (is_good) {
        ret_line[strcspn(ret_line, "\n")] = '\0';
    }
    return is_good;
}

static size_t machine_bytes(const char *proc)
{
    char path[PATH_MAX], line[128];
    unsigned long long kib = 0;

    (void)snprintf(path, sizeof(path), "%s/meminfo", proc); /* "MemTotal:  8123456 kB" comes first.
                                                             */
    return line_read(path, line, sizeof(line)) && sscanf(line, "MemTotal: %llu kB", &kib) == 1
               ? (size_t)kib * 1024
               : SIZE_MAX;
}

static size_t group_bytes(const char *cgroups, const char *group)
{
    char path[PATH_MAX], line[64];
    unsigned long long n_bytes = 0;

    (void)snprintf(path, sizeof(path), "%.2000s%.2000s/memory.max", cgroups, group);
    return line_read(path, line, sizeof(line)) && sscanf(line, "%llu", &n_bytes) == 1
               ? (size_t)n_bytes /* Else "max", or there is none. */
               : SIZE_MAX;
}

/* The group's limit and those of all above it. */
static size_t groups_bytes(const char *proc, const char *cgroups)
{
    char path[PATH_MAX], line[2048];
    size_t least = group_bytes(cgroups, "");

    (void)snprintf(path, sizeof(path), "%s/self/cgroup", proc);
    if (!line_read(path, line, sizeof(line)) || strncmp(line, "0::/", 4) != 0) {
        return least;
    }
    while (strlen(line) > 4) {
        size_t n_bytes = group_bytes(cgroups, line + 3);

        least = n_bytes < least ? n_bytes : least;
        *strrchr(line, '/') = '\0';
    }
    return least;
}

size_t lw_memory_limit_of(const char *proc, const char *cgroups)
{
    size_t machine = machine_bytes(proc), groups = groups_bytes(proc, cgroups);
    size_t least = machine < groups ? machine : groups;

    return least == SIZE_MAX ? 0 : least / 5 * 4;
}

size_t lw_memory_limit(void)
{
    return lw_memory_limit_of("/proc", "/sys/fs/cgroup");
}
