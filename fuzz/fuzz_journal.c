/*
 * Any bytes as the newest segment of a journal that has one before it: opened, read, looked through
 * and appended to, on a disk in memory. What could be opened goes on, and reads back to the same
 * end and what was appended behind it.
 *
 * Checksums keep most changes out, so the first byte says what is mended before: bit 0 the
 * segment's head, bit 1 the groups' heads and records.
 */
#include "store/fixed.h"
#include "store/journal.h"
#include "store/journal_segment.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static const struct lw_segment_id ID = {.first = 3, .generation = 2};

static void must(int is_true)
{
    if (!is_true) {
        abort();
    }
}

static void groups_mend(uint8_t *bytes, size_t n_bytes, uint64_t seed)
{
    for (size_t at = LW_SEGMENT_HEAD_BYTES; n_bytes - at >= LW_GROUP_HEAD_BYTES;) {
        struct lw_group group = {.first = lw_get_u64(bytes + at + 16),
                                 .durable = lw_get_u64(bytes + at + 24),
                                 .at = (int64_t)at,
                                 .n_records = lw_get_u32(bytes + at + 8),
                                 .n_bytes = lw_get_u32(bytes + at + 4)};

        if (group.n_bytes > n_bytes - at - LW_GROUP_HEAD_BYTES) {
            return;
        }
        group.checksum = lw_checksum(bytes + at + LW_GROUP_HEAD_BYTES, group.n_bytes, 0);
        lw_group_head(&group, seed, bytes + at);
        at += LW_GROUP_HEAD_BYTES + group.n_bytes;
    }
}

static void segment_write(const struct lw_io *io, const uint8_t *data, size_t n_bytes)
{
    uint8_t bytes[FILE_BYTES_MAX];
    uint8_t mend = n_bytes > 0 ? data[0] : 0;
    char name[LW_SEGMENT_NAME_BYTES], path[128];
    int fd;

    n_bytes = n_bytes > 0 ? n_bytes - 1 : 0;
    n_bytes = n_bytes < sizeof(bytes) ? n_bytes : sizeof(bytes);
    if (n_bytes > 0) {
        memcpy(bytes, data + 1, n_bytes);
    }
    if (n_bytes >= LW_SEGMENT_HEAD_BYTES && (mend & 1) != 0) {
        (void)lw_segment_head(&ID, lw_get_u64(bytes + 32), bytes);
    }
    if (n_bytes >= LW_SEGMENT_HEAD_BYTES && (mend & 2) != 0) {
        groups_mend(bytes, n_bytes, lw_get_u64(bytes + 40));
    }
    lw_segment_name(&ID, false, name);
    (void)snprintf(path, sizeof(path), "journal/%s", name);
    fd = io->open(io->context, path, O_RDWR | O_CREAT, 0600);
    must(fd >= 0 && io->write_at(io->context, fd, bytes, n_bytes, 0) == (ssize_t)n_bytes);
    must(io->close(io->context, fd) == 0);
}

/* The number behind the last record; 0 when the journal is refused. */
static uint64_t read_all(const struct lw_journal_config *config, uint64_t from)
{
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record;
    struct lw_error error = {0};
    uint64_t next = from, sum = 0;
    enum lw_status status = lw_journal_reader_open(config, from, &reader, &error);

    while (status == LW_OK && (status = lw_journal_reader_next(reader, &record, &error)) == LW_OK) {
        must(record.sequence == next++ && record.n_bytes <= FILE_BYTES_MAX);
        for (size_t i = 0; i < record.n_bytes; i++) {
            sum += record.bytes[i];
        }
    }
    lw_journal_reader_close(reader);
    must(status == LW_ENOTFOUND || status == LW_EFORMAT || status == LW_EVERSION);
    must(status == LW_ENOTFOUND || error.message[0] != '\0' || sum == 1);
    return status == LW_ENOTFOUND ? next : 0;
}

static void append_one(struct lw_journal *journal)
{
    uint64_t number = 0, durable = 0;

    must(lw_journal_append(journal, 1, &(struct lw_journal_piece){"more", 4}, 1, &number) == LW_OK);
    must(lw_journal_sync(journal, &durable, NULL) == LW_OK && durable == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_simulated_disk *disk = NULL;
    struct lw_journal_config config = {.dir = "journal"};
    struct lw_journal_segment segments[4];
    struct lw_journal *journal = NULL;
    uint64_t next;
    size_t n = 0;

    must(lw_simulated_disk_create(1, &disk) == LW_OK);
    config.io = lw_simulated_disk_io(disk);
    must(lw_journal_open(&config, &journal, NULL) == LW_OK);
    append_one(journal);
    append_one(journal);
    lw_journal_close(journal);
    journal = NULL;
    segment_write(config.io, data, n_bytes);
    next = read_all(&config, 1);
    must(lw_journal_segments(&config, true, segments, 4, &n, NULL) == LW_OK && n == 2);
    must(segments[1].damaged == (next == 0) && (next == 0 || segments[1].last == next - 1));
    must((lw_journal_open(&config, &journal, NULL) == LW_OK) == (next != 0));
    if (journal != NULL) {
        must(lw_journal_next(journal) == next);
        append_one(journal);
        lw_journal_close(journal);
        must(read_all(&config, 1) == next + 1);
    }
    lw_simulated_disk_destroy(disk);
    return 0;
}
