/* What is in a savepoint, read without the detectors that could take it up. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/state/checkpoint.h"
#include "store/file.h"

#include <string.h>

/* The pooled tail of each detector, by name. */
static enum lw_status read_detectors(struct lw_reader *reader, struct lw_savepoint_info *info,
                                     struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK && lw_read_u8(reader) == 1) {
        char name[LW_NAME_MAX];
        struct engine_detector nobody;

        lw_read_text(reader, name, sizeof(name));
        (void)lw_read_u64(reader);
        status = lw_pooled_tail_load(&nobody, reader, reterr);
        info->detectors++;
    }
    return status;
}

/* Sums do not know the order, which depends on the number of threads. */
static uint64_t entity_digest(const char *detector, const char *name, const uint8_t *bytes,
                              size_t n_bytes)
{
    uint64_t hash = lw_hash_bytes(detector, strlen(detector), 1);

    return lw_hash_bytes(bytes, n_bytes, lw_hash_bytes(name, strlen(name), hash));
}

static void read_entities(struct lw_reader *reader, struct lw_savepoint_info *info)
{
    while (lw_read_u8(reader) == 1) {
        char detector[LW_NAME_MAX], name[LW_NAME_MAX];
        const uint8_t *bytes;
        uint64_t n_bytes;

        lw_read_text(reader, detector, sizeof(detector));
        lw_read_text(reader, name, sizeof(name));
        n_bytes = lw_read_u64(reader);
        bytes = lw_read_view(reader, (size_t)n_bytes);
        if (bytes == NULL) {
            return;
        }
        info->entities++;
        info->digest += entity_digest(detector, name, bytes, (size_t)n_bytes);
    }
}

enum lw_status lw_savepoint_check(const char *path, struct lw_savepoint_info *ret_info,
                                  struct lw_error *reterr)
{
    struct lw_savepoint_info info = {0};
    struct lw_reader reader;
    struct lw_tally tally;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_file_read(path, LW_STATE_OLDEST, LW_STATE_VERSION, &bytes, &n_bytes,
                                         reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&reader, bytes, n_bytes);
    lw_tally_load(&tally, &reader);
    status = read_detectors(&reader, &info, reterr);
    if (status == LW_OK) {
        read_entities(&reader, &info);
        status = reader.status == LW_OK ? LW_OK
                                        : lw_error_set(reterr, LW_EFORMAT,
                                                       "%s is damaged: its checksum holds, and its "
                                                       "list of entities does not end",
                                                       path);
    }
    if (status == LW_OK) {
        info.version = LW_STATE_VERSION;
        info.bytes = n_bytes;
        *ret_info = info;
    }
    lw_mem_free(bytes);
    return status;
}
