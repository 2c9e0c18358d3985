/* Reads snapshots back, lists them, and removes those that are not needed any more. */
#include "store/snapshot.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/fixed.h"
#include "store/snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES ((size_t)1 << 20)

struct lw_snapshot_reader {
    const struct lw_io *io;
    int fd;
    int64_t n_bytes, at;
    struct lw_snapshot_head head;
    struct lw_snapshot_trailer seen; /* What the trailer must say. */
    uint8_t *window;                 /* Owned: bytes of the file from window_at on. */
    size_t window_capacity, window_bytes;
    int64_t window_at;
    char path[LW_IO_PATH_MAX];
};

static enum lw_status reader_damage(const struct lw_snapshot_reader *reader, int64_t at,
                                    const char *what, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT, "%s is damaged: byte %" PRId64 ": %s", reader->path, at,
                        what);
}

/* n_bytes from `at` on, through the window. LW_EFORMAT when the file ends before. */
static enum lw_status reader_window(struct lw_snapshot_reader *reader, int64_t at, size_t n_bytes,
                                    const uint8_t **ret_bytes, struct lw_error *reterr)
{
    size_t wanted = n_bytes < WINDOW_BYTES ? WINDOW_BYTES : n_bytes;
    int64_t left = reader->n_bytes - at;
    enum lw_status status;

    if (left < 0 || (uint64_t)left < n_bytes) {
        return reader_damage(reader, at, "the file ends in the middle of a block", reterr);
    }
    if (at >= reader->window_at &&
        at + (int64_t)n_bytes <= reader->window_at + (int64_t)reader->window_bytes) {
        *ret_bytes = reader->window + (at - reader->window_at);
        return LW_OK;
    }
    wanted = (uint64_t)left < wanted ? (size_t)left : wanted;
    if (wanted > reader->window_capacity) {
        uint8_t *window = lw_mem_realloc(reader->window, wanted);

        if (window == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to read %zu bytes of %s", wanted,
                                reader->path);
        }
        reader->window = window;
        reader->window_capacity = wanted;
    }
    reader->window_bytes = 0;
    status = lw_io_read_all(reader->io, reader->fd, reader->path, reader->window, wanted, at,
                            reterr);
    if (status != LW_OK) {
        return status;
    }
    reader->window_at = at;
    reader->window_bytes = wanted;
    *ret_bytes = reader->window;
    return LW_OK;
}

/* The head, and the trailer where the file ends. */
static enum lw_status reader_begin(struct lw_snapshot_reader *reader, uint64_t sequence,
                                   struct lw_error *reterr)
{
    uint8_t trailer[LW_SNAPSHOT_TRAILER_BYTES], head[LW_SNAPSHOT_HEAD_BYTES];
    int64_t end = reader->n_bytes - (int64_t)sizeof(trailer);
    enum lw_status status;

    if (end < (int64_t)sizeof(head)) {
        return reader_damage(reader, reader->n_bytes, "the file ends before a snapshot can",
                             reterr);
    }
    status = lw_io_read_all(reader->io, reader->fd, reader->path, head, sizeof(head), 0, reterr);
    if (status != LW_OK) {
        return status;
    }
    status = lw_snapshot_get_head(head, &reader->head);
    if (status == LW_EVERSION) {
        return lw_error_set(reterr, LW_EVERSION, "%s has format version %u; this program reads %u",
                            reader->path, lw_get_u32(head + 8), LW_SNAPSHOT_FORMAT);
    }
    if (status != LW_OK || reader->head.sequence != sequence) {
        return reader_damage(reader, 0, "the head is not what its name and checksum say", reterr);
    }
    status = lw_io_read_all(reader->io, reader->fd, reader->path, trailer, sizeof(trailer), end,
                            reterr);
    if (status == LW_OK &&
        !lw_snapshot_get_trailer(trailer, reader->head.seed, end, &reader->seen)) {
        status = reader_damage(reader, end, "the trailer is not whole", reterr);
    }
    reader->seen = (struct lw_snapshot_trailer){0};
    reader->at = LW_SNAPSHOT_HEAD_BYTES;
    return status;
}

enum lw_status lw_snapshot_open(const struct lw_snapshot_config *config, const char *name,
                                struct lw_snapshot_reader **ret_reader, struct lw_error *reterr)
{
    struct lw_snapshot_reader *reader;
    uint64_t sequence = 0;
    bool unfinished = false;
    enum lw_status status;

    if (!lw_snapshot_parse(name, &sequence, &unfinished) || unfinished) {
        return lw_error_set(reterr, LW_EINVAL, "%s is not the name of a snapshot", name);
    }
    reader = lw_mem_calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a snapshot's reader");
    }
    reader->io = config->io;
    reader->fd = -1;
    status = lw_io_join(config->dir, name, reader->path, reterr);
    if (status == LW_OK) {
        reader->fd = lw_io_open(config->io, reader->path, O_RDONLY, 0);
        if (reader->fd == -ENOENT) {
            status = lw_error_set(reterr, LW_ENOTFOUND, "there is no snapshot %s", reader->path);
        } else if (reader->fd < 0) {
            status = lw_io_fail(reader->fd, "open", reader->path, reterr);
        }
    }
    if (status == LW_OK) {
        reader->n_bytes = config->io->size(config->io->context, reader->fd);
        status = reader->n_bytes < 0 ? lw_io_fail(reader->n_bytes, "look at", reader->path, reterr)
                                     : reader_begin(reader, sequence, reterr);
    }
    if (status != LW_OK) {
        lw_snapshot_close(reader);
        return status;
    }
    *ret_reader = reader;
    return LW_OK;
}

void lw_snapshot_close(struct lw_snapshot_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->fd >= 0) {
        (void)reader->io->close(reader->io->context, reader->fd);
    }
    lw_mem_free(reader->window);
    lw_mem_free(reader);
}

/* Behind the last block: the trailer must agree with what was read. */
static enum lw_status reader_end(struct lw_snapshot_reader *reader, struct lw_error *reterr)
{
    const uint8_t *bytes = NULL;
    struct lw_snapshot_trailer trailer;
    enum lw_status status = reader_window(reader, reader->at, LW_SNAPSHOT_TRAILER_BYTES, &bytes,
                                          reterr);

    if (status != LW_OK) {
        return status;
    }
    if (!lw_snapshot_get_trailer(bytes, reader->head.seed, reader->at, &trailer) ||
        trailer.n_blocks != reader->seen.n_blocks || trailer.chain != reader->seen.chain) {
        return reader_damage(reader, reader->at, "the trailer does not agree with the blocks",
                             reterr);
    }
    return LW_ENOTFOUND;
}

enum lw_status lw_snapshot_next(struct lw_snapshot_reader *reader,
                                struct lw_snapshot_block *ret_block, struct lw_error *reterr)
{
    int64_t end = reader->n_bytes - (int64_t)LW_SNAPSHOT_TRAILER_BYTES;
    struct lw_snapshot_block_head head;
    const uint8_t *bytes = NULL;
    uint64_t checksum = 0;
    enum lw_status status;

    if (reader->at == end) {
        return reader_end(reader, reterr);
    }
    status = reader_window(reader, reader->at, LW_SNAPSHOT_BLOCK_HEAD_BYTES, &bytes, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (!lw_snapshot_get_block_head(bytes, reader->head.seed, reader->at, &head, &checksum) ||
        end - reader->at < (int64_t)(LW_SNAPSHOT_BLOCK_HEAD_BYTES + head.n_bytes)) {
        return reader_damage(reader, reader->at,
                             "no head of a block, or its checksum does not match", reterr);
    }
    status = reader_window(reader, reader->at + LW_SNAPSHOT_BLOCK_HEAD_BYTES, head.n_bytes, &bytes,
                           reterr);
    if (status != LW_OK) {
        return status;
    }
    if (lw_checksum(bytes, head.n_bytes, 0) != head.checksum) {
        return reader_damage(reader, reader->at, "the checksum of a block's bytes does not match",
                             reterr);
    }
    reader->at += LW_SNAPSHOT_BLOCK_HEAD_BYTES + head.n_bytes;
    reader->seen.n_blocks++;
    reader->seen.chain = lw_snapshot_chain(reader->seen.chain, checksum);
    *ret_block = (struct lw_snapshot_block){head.type, bytes, head.n_bytes};
    return LW_OK;
}

/* ---- the folder ---- */

struct snapshot_names {
    uint64_t *sequences; /* Owned. */
    size_t n, capacity;
    bool unfinished; /* Those being written are looked for. */
    enum lw_status status;
};

static void names_visit(void *visitor, const char *name)
{
    struct snapshot_names *names = visitor;
    uint64_t sequence;
    bool unfinished;

    if (names->status != LW_OK || !lw_snapshot_parse(name, &sequence, &unfinished) ||
        unfinished != names->unfinished) {
        return;
    }
    if (names->n == names->capacity) {
        size_t capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
        uint64_t *sequences = lw_mem_realloc(names->sequences, capacity * sizeof(*sequences));

        if (sequences == NULL) {
            names->status = LW_ENOMEM;
            return;
        }
        names->sequences = sequences;
        names->capacity = capacity;
    }
    names->sequences[names->n++] = sequence;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left < right) - (left > right);
}

/* The caller frees ret_names->sequences. A missing folder has none. */
static enum lw_status names_read(const struct lw_snapshot_config *config, bool unfinished,
                                 struct snapshot_names *ret_names, struct lw_error *reterr)
{
    struct snapshot_names names = {.unfinished = unfinished};
    int answer = config->io->list(config->io->context, config->dir, names_visit, &names);

    if (names.status != LW_OK || (answer < 0 && answer != -ENOENT)) {
        lw_mem_free(names.sequences);
        return names.status != LW_OK
                   ? lw_error_set(reterr, LW_ENOMEM, "no memory for the names in %s", config->dir)
                   : lw_io_fail(answer, "list", config->dir, reterr);
    }
    if (names.n > 1) {
        qsort(names.sequences, names.n, sizeof(*names.sequences), newest_first);
    }
    *ret_names = names;
    return LW_OK;
}

/* LW_ENOMEM alone is a failure: all else is said in the info. */
static enum lw_status snapshot_look(const struct lw_snapshot_config *config, uint64_t sequence,
                                    bool verify, struct lw_snapshot_info *ret_info)
{
    struct lw_snapshot_info info = {.sequence = sequence};
    struct lw_snapshot_reader *reader = NULL;
    struct lw_snapshot_block block;
    struct lw_error error = {0};
    enum lw_status status;

    lw_snapshot_name(sequence, info.name);
    status = lw_snapshot_open(config, info.name, &reader, &error);
    if (status == LW_OK) {
        info.version = reader->head.version;
        info.n_bytes = reader->n_bytes;
    }
    while (status == LW_OK && verify) {
        status = lw_snapshot_next(reader, &block, &error);
    }
    lw_snapshot_close(reader);
    if (status == LW_ENOMEM) {
        return status;
    }
    if (status != LW_OK && (status != LW_ENOTFOUND || error.message[0] != '\0')) {
        info.damaged = true;
        (void)snprintf(info.damage, sizeof(info.damage), "%.*s", (int)sizeof(info.damage) - 1,
                       error.message);
    }
    *ret_info = info;
    return LW_OK;
}

enum lw_status lw_snapshot_list(const struct lw_snapshot_config *config, bool verify,
                                struct lw_snapshot_info *ret_infos, size_t capacity, size_t *ret_n,
                                struct lw_error *reterr)
{
    struct snapshot_names names = {0};
    enum lw_status status = names_read(config, false, &names, reterr);

    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < names.n && i < capacity && status == LW_OK; i++) {
        status = snapshot_look(config, names.sequences[i], verify, &ret_infos[i]);
    }
    if (status == LW_OK) {
        *ret_n = names.n;
    } else {
        status = lw_error_set(reterr, status, "no memory to look at the snapshots in %s",
                              config->dir);
    }
    lw_mem_free(names.sequences);
    return status;
}

static enum lw_status snapshot_remove(const struct lw_snapshot_config *config, uint64_t sequence,
                                      const char *ending, struct lw_error *reterr)
{
    char name[LW_SNAPSHOT_NAME_BYTES], whole[LW_SNAPSHOT_NAME_BYTES + 8], path[LW_IO_PATH_MAX];
    enum lw_status status;
    int answer;

    lw_snapshot_name(sequence, name);
    (void)snprintf(whole, sizeof(whole), "%s%s", name, ending);
    status = lw_io_join(config->dir, whole, path, reterr);
    if (status != LW_OK) {
        return status;
    }
    answer = config->io->unlink(config->io->context, path);
    return answer < 0 && answer != -ENOENT ? lw_io_fail(answer, "remove", path, reterr) : LW_OK;
}

enum lw_status lw_snapshot_trim(const struct lw_snapshot_config *config, size_t keep,
                                struct lw_error *reterr)
{
    struct snapshot_names names = {0};
    size_t n_good = 0;
    enum lw_status status = names_read(config, true, &names, reterr);

    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < names.n && status == LW_OK; i++) {
        status = snapshot_remove(config, names.sequences[i], ".new", reterr);
    }
    lw_mem_free(names.sequences);
    if (status == LW_OK) {
        status = names_read(config, false, &names, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < names.n && status == LW_OK; i++) {
        struct lw_snapshot_info info;

        if (n_good >= keep) {
            status = snapshot_remove(config, names.sequences[i], "", reterr);
            continue;
        }
        status = snapshot_look(config, names.sequences[i], false, &info);
        n_good += status == LW_OK && !info.damaged ? 1 : 0;
    }
    lw_mem_free(names.sequences);
    return status;
}
