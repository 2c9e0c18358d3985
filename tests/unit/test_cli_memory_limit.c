/* The smallest of what the groups above allow and what the machine has. */
#define _XOPEN_SOURCE 700
#include "support/test.h"

#include "cli/memory_limit.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)flag;
    (void)place;
    return remove(path);
}

static int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file below the folder, with the folders on the way. */
static void put(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static size_t limit(void)
{
    char proc[128], cgroups[128];

    (void)snprintf(proc, sizeof(proc), "%s/proc", folder);
    (void)snprintf(cgroups, sizeof(cgroups), "%s/cgroup", folder);
    return lw_memory_limit_of(proc, cgroups);
}

static void test_memory_limit__is_four_fifths_of_the_least(void **state)
{
    (void)state;
    assert_int_equal(limit(), 0); /* Nothing can be read. */
    put("proc/meminfo", "MemTotal:        1000000 kB\nMemFree: 5 kB\n");
    assert_int_equal(limit(), 1024000000 / 5 * 4);
    put("proc/self/cgroup", "0::/system.slice/lapwing.service\n");
    put("cgroup/system.slice/lapwing.service/memory.max", "max\n");
    assert_int_equal(limit(), 1024000000 / 5 * 4);
    put("cgroup/system.slice/memory.max", "500000000\n"); /* Of the group above. */
    assert_int_equal(limit(), 400000000);
    put("cgroup/system.slice/lapwing.service/memory.max", "50000000\n");
    assert_int_equal(limit(), 40000000);
    put("cgroup/memory.max", "10000000\n"); /* As the root of a container shows it. */
    assert_int_equal(limit(), 8000000);
}

static void test_memory_limit__is_there_on_this_machine(void **state)
{
    (void)state;
    assert_true(lw_memory_limit() > 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory_limit__is_four_fifths_of_the_least, make_folder,
                                        drop_folder),
        cmocka_unit_test(test_memory_limit__is_there_on_this_machine),
    };

    return LW_TEST_RUN(tests);
}
