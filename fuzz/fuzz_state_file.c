/* Any bytes as an engine's state, behind a file head that holds: taken or refused, and the engine
 * works afterwards. */
#define _GNU_SOURCE
#include "base/hash.h"
#include "lapwing/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD_BYTES 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static struct lw_engine *engine;
static char path[64];
static int fd;

static void must(enum lw_status status)
{
    if (status != LW_OK) {
        abort();
    }
}

static void detector_renew(void)
{
    struct lw_spec *spec = NULL;

    (void)!lw_engine_remove_detector(engine, "d", NULL);
    must(lw_spec_create(&spec, NULL));
    must(lw_engine_set_detector(engine, "d", spec, NULL));
    lw_spec_destroy(spec);
}

static void start(void)
{
    must(lw_engine_create(&(struct lw_engine_config){.n_shards = 1}, &engine, NULL));
    detector_renew();
    fd = memfd_create("state", MFD_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static void file_write(const uint8_t *data, size_t n_bytes)
{
    uint8_t head[HEAD_BYTES] = "lapwing\n\1";
    uint64_t hash = lw_hash_bytes(data, n_bytes, 1);
    uint64_t length = n_bytes;

    memcpy(head + 16, &length, sizeof(length));
    memcpy(head + 24, &hash, sizeof(hash));
    if (ftruncate(fd, 0) != 0 || pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        pwrite(fd, data, n_bytes, sizeof(head)) != (ssize_t)n_bytes) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_engine_totals totals;
    uint32_t n_skipped = 0;
    enum lw_status status;

    if (engine == NULL) {
        start();
    }
    file_write(data, n_bytes);
    status = lw_engine_load(engine, path, &n_skipped, NULL);
    lw_engine_totals(engine, &totals);
    if (status == LW_OK) {
        lw_engine_finish(engine);
    } else if (status == LW_EINVAL || status == LW_EIO || totals.n_entities != 0) {
        abort(); /* The bytes alone are at fault, and nothing of them is left. */
    }
    detector_renew();
    return 0;
}
