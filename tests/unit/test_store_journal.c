/* The journal: what is appended is read back, what is damaged is told, what fails is made good. */
#include "support/oom.h"
#include "support/test.h"

#include "store/journal.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lw_simulated_disk *disk;
static const struct lw_io *io;
static struct lw_journal_config config;

static int make_disk(void **state)
{
    (void)state;
    if (lw_simulated_disk_create(1, &disk) != LW_OK) {
        return 1;
    }
    io = lw_simulated_disk_io(disk);
    config = (struct lw_journal_config){.io = io, .dir = "journal", .segment_bytes = 1000};
    return 0;
}

static int drop_disk(void **state)
{
    (void)state;
    lw_simulated_disk_destroy(disk);
    return 0;
}

static struct lw_journal *opened(void)
{
    struct lw_journal *journal = NULL;
    struct lw_error error = {0};

    if (lw_journal_open(&config, &journal, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return journal;
}

/* Appends "record N" for the next n numbers, in two pieces, of type N. */
static void append(struct lw_journal *journal, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t number = lw_journal_next(journal), given = 0;
        char text[40];
        size_t n_bytes = (size_t)snprintf(text, sizeof(text), "record %" PRIu64, number);
        struct lw_journal_piece pieces[3] = {{text, 3}, {NULL, 0}, {text + 3, n_bytes - 3}};

        assert_int_equal(lw_journal_append(journal, (uint32_t)number, pieces, 3, &given), LW_OK);
        assert_int_equal(given, number);
    }
}

static void sync_all(struct lw_journal *journal)
{
    uint64_t durable = 0;
    struct lw_error error = {0};

    if (lw_journal_sync(journal, &durable, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(durable, lw_journal_next(journal) - 1);
    assert_int_equal(durable, lw_journal_durable(journal));
    assert_int_equal(lw_journal_pending(journal), 0);
}

/* Groups of so many records each. */
static void write_groups(size_t n_groups, size_t n_records)
{
    struct lw_journal *journal = opened();

    for (size_t i = 0; i < n_groups; i++) {
        append(journal, n_records);
        sync_all(journal);
    }
    lw_journal_close(journal);
}

/* Reads from a number on; how it ended, and the number behind the last record. */
static enum lw_status read_from(uint64_t from, uint64_t *ret_next, struct lw_error *reterr)
{
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record;
    enum lw_status status = lw_journal_reader_open(&config, from, &reader, reterr);

    *ret_next = from;
    if (status != LW_OK) {
        return status;
    }
    while ((status = lw_journal_reader_next(reader, &record, reterr)) == LW_OK) {
        char text[40];
        size_t n_bytes = (size_t)snprintf(text, sizeof(text), "record %" PRIu64, *ret_next);

        assert_int_equal(record.sequence, *ret_next);
        assert_int_equal(record.type, *ret_next);
        assert_int_equal(record.n_bytes, n_bytes);
        assert_memory_equal(record.bytes, text, n_bytes);
        (*ret_next)++;
    }
    lw_journal_reader_close(reader);
    return status;
}

static void check_reads(uint64_t from, uint64_t next)
{
    struct lw_error error = {0};
    uint64_t read = 0;
    enum lw_status status = read_from(from, &read, &error);

    if (status != LW_ENOTFOUND || read != next) {
        fail_msg("from %" PRIu64 ": %d at %" PRIu64 " (%" PRIu64 " expected): %s", from,
                 (int)status, read, next, error.message);
    }
}

static size_t segments(bool verify, struct lw_journal_segment *ret_segments, size_t capacity)
{
    struct lw_error error = {0};
    size_t n = 0;

    if (lw_journal_segments(&config, verify, ret_segments, capacity, &n, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return n;
}

static int open_segment(const struct lw_journal_segment *segment)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "journal/%s", segment->name);
    fd = io->open(io->context, path, O_RDWR, 0);
    assert_true(fd >= 0);
    return fd;
}

/* ---- what it is for ---- */

static void test_journal__reads_back_from_any_number(void **state)
{
    struct lw_journal_segment list[64];
    size_t n;

    (void)state;
    write_groups(20, 7);
    write_groups(1, 3);
    for (uint64_t from = 1; from <= 143; from++) {
        check_reads(from, 144);
    }
    check_reads(144, 144);
    check_reads(1000, 1000);
    n = segments(true, list, 64);
    assert_in_range(n, 4, 10);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].first, i == 0 ? 1 : list[i - 1].last + 1);
        assert_int_equal(list[i].closed, i + 1 < n);
        assert_false(list[i].damaged);
    }
    assert_int_equal(list[n - 1].last, 143);
    assert_int_equal(segments(false, list, 2), n); /* No more than there is room for. */
}

static void test_journal__lies_on_the_systems_disk(void **state)
{
    char folder[64] = "/tmp/lapwing-test-XXXXXX", path[128], command[160];
    struct lw_journal_segment list[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/journal", folder);
    config.io = lw_io_system();
    config.dir = path;
    write_groups(20, 7);
    check_reads(1, 141);
    for (size_t i = 0, n = segments(true, list, 64); i < n; i++) {
        (void)snprintf(command, sizeof(command), "%s/%s", path, list[i].name);
        assert_int_equal(unlink(command), 0);
    }
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_journal__that_is_empty_has_an_end(void **state)
{
    struct lw_journal *journal;

    (void)state;
    check_reads(1, 1); /* Not even a folder. */
    assert_int_equal(segments(true, NULL, 0), 0);
    config.first = 500;
    journal = opened();
    assert_int_equal(lw_journal_next(journal), 500);
    assert_int_equal(lw_journal_durable(journal), 499);
    sync_all(journal); /* Nothing to do. */
    append(journal, 2);
    sync_all(journal);
    lw_journal_close(journal);
    lw_journal_close(NULL);
    config.first = 7; /* Only where nothing is. */
    write_groups(1, 1);
    check_reads(500, 503);
}

static void test_journal__removes_what_is_not_needed(void **state)
{
    struct lw_journal_segment before[64], after[64];
    struct lw_journal *journal;
    struct lw_error error = {0};
    uint64_t next;
    size_t n, n_left;

    (void)state;
    write_groups(20, 7);
    n = segments(false, before, 64);
    journal = opened();
    assert_int_equal(lw_journal_trim(journal, before[2].first - 1, NULL), LW_OK);
    n_left = segments(false, after, 64);
    assert_int_equal(n_left, n - 1); /* The second one's last record is needed. */
    assert_int_equal(lw_journal_trim(journal, before[2].first, NULL), LW_OK);
    assert_int_equal(segments(false, after, 64), n - 2);
    check_reads(before[2].first, 141);
    assert_int_equal(read_from(before[2].first - 1, &next, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "begins at record"));
    assert_int_equal(lw_journal_trim(journal, UINT64_MAX, NULL), LW_OK);
    assert_int_equal(segments(false, after, 64), 1); /* The newest keeps the count. */
    assert_int_equal(lw_journal_next(journal), 141);
    lw_journal_close(journal);
    journal = opened();
    assert_int_equal(lw_journal_next(journal), 141);
    lw_journal_close(journal);
}

static void test_journal__holds_its_limits(void **state)
{
    static uint8_t bytes[6000];
    const struct lw_journal_piece half = {bytes, 3000},
                                  huge[2] = {{bytes, LW_JOURNAL_RECORD_BYTES_MAX}, {bytes, 1}};
    struct lw_journal *journal;
    uint64_t given = 99;

    (void)state;
    config.pending_bytes = 5000;
    journal = opened();
    assert_int_equal(lw_journal_append(journal, 1, huge, 2, &given), LW_ELIMIT);
    assert_int_equal(given, 99);
    assert_int_equal(lw_journal_append(journal, 1, &half, 1, &given), LW_OK);
    assert_int_equal(lw_journal_append(journal, 1, &half, 1, &given), LW_EBUSY);
    assert_int_equal(given, 1);
    assert_in_range(lw_journal_pending(journal), 3000, 3100);
    sync_all(journal);
    /* One that alone is beyond the bound still goes, where nothing else waits. */
    assert_int_equal(
        lw_journal_append(journal, 1, &(struct lw_journal_piece){bytes, 6000}, 1, &given), LW_OK);
    assert_int_equal(lw_journal_append(journal, 1, NULL, 0, &given), LW_EBUSY);
    sync_all(journal);
    assert_int_equal(given, 2);
    lw_journal_close(journal);
    config.cipher = (const struct lw_cipher *)bytes;
    assert_int_equal(lw_journal_open(&config, &journal, NULL), LW_EINVAL);
}

static void test_journal__takes_the_largest_record(void **state)
{
    uint8_t *bytes = calloc(LW_JOURNAL_RECORD_BYTES_MAX, 1);
    const struct lw_journal_piece piece = {bytes, LW_JOURNAL_RECORD_BYTES_MAX};
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record = {0};
    struct lw_journal *journal = opened();
    uint64_t given = 0;

    (void)state;
    assert_non_null(bytes);
    bytes[LW_JOURNAL_RECORD_BYTES_MAX - 1] = 7;
    assert_int_equal(lw_journal_append(journal, 5, &piece, 1, &given), LW_OK);
    sync_all(journal);
    lw_journal_close(journal);
    lw_journal_close(opened());
    assert_int_equal(lw_journal_reader_open(&config, 1, &reader, NULL), LW_OK);
    assert_int_equal(lw_journal_reader_next(reader, &record, NULL), LW_OK);
    assert_int_equal(record.n_bytes, LW_JOURNAL_RECORD_BYTES_MAX);
    assert_memory_equal(record.bytes, bytes, LW_JOURNAL_RECORD_BYTES_MAX);
    lw_journal_reader_close(reader);
    free(bytes);
}

/* ---- the format ---- */

static void test_journal__has_these_bytes(void **state)
{
    static const uint8_t EXPECTED[] = {
        0x6C, 0x61, 0x70, 0x77, 0x69, 0x6E, 0x67, 0x6A, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x65, 0x85, 0x95, 0x7F, 0xA4,
        0x05, 0x22, 0x2A, 0x67, 0x72, 0x70, 0x2E, 0x10, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x84, 0xAF, 0x40, 0x23, 0xF3, 0xC9, 0xEF, 0xFF, 0xA1, 0xD9,
        0x38, 0x8A, 0x92, 0xEA, 0x92, 0xE8, 0x08, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x72,
        0x65, 0x63, 0x6F, 0x72, 0x64, 0x20, 0x31, 0x67, 0x72, 0x70, 0x2E, 0x10, 0x00, 0x00, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x48, 0x0C, 0x3A, 0xDC, 0xBA, 0x73,
        0x21, 0xC8, 0xBC, 0x2D, 0x25, 0x7F, 0x2A, 0x8D, 0x26, 0x42, 0x08, 0x00, 0x00, 0x00, 0x02,
        0x00, 0x00, 0x00, 0x72, 0x65, 0x63, 0x6F, 0x72, 0x64, 0x20, 0x32};
    struct lw_journal_segment segment;
    uint8_t bytes[256];
    int fd;

    (void)state;
    write_groups(2, 1);
    assert_int_equal(segments(true, &segment, 1), 1);
    assert_string_equal(segment.name, "00000000000000000001-00000000000000000001.journal");
    fd = open_segment(&segment);
    assert_int_equal(io->read_at(io->context, fd, bytes, sizeof(bytes), 0), sizeof(EXPECTED));
    assert_memory_equal(bytes, EXPECTED, sizeof(EXPECTED));
    assert_int_equal(io->close(io->context, fd), 0);
}

/* How reading ends once a byte is changed, or the file is cut there. */
static enum lw_status with_change(const struct lw_journal_segment *segment, int64_t at, bool cut,
                                  uint64_t *ret_next)
{
    uint8_t *bytes = calloc((size_t)segment->n_bytes, 1);
    int fd = open_segment(segment);
    struct lw_journal_segment list[16];
    struct lw_journal *journal = NULL;
    enum lw_status status, open_status;
    bool damaged = false;
    uint8_t changed;

    assert_int_equal(io->read_at(io->context, fd, bytes, (size_t)segment->n_bytes, 0),
                     segment->n_bytes);
    changed = (uint8_t)(bytes[at] ^ (1u << (at % 8)));
    if (cut) {
        assert_int_equal(io->truncate(io->context, fd, at), 0);
    } else {
        assert_int_equal(io->write_at(io->context, fd, &changed, 1, at), 1);
    }
    status = read_from(1, ret_next, NULL);
    for (size_t i = 0, n = segments(true, list, 16); i < n; i++) {
        damaged = damaged || list[i].damaged;
    }
    assert_int_equal(damaged, status != LW_ENOTFOUND);
    open_status = lw_journal_open(&config, &journal, NULL);
    if (open_status == LW_OK) {
        assert_true(lw_journal_next(journal) == *ret_next || segment->closed);
    }
    assert_true(open_status == LW_OK || open_status == status);
    assert_true(open_status != LW_OK || status == LW_ENOTFOUND || segment->closed);
    lw_journal_close(journal);
    assert_int_equal(io->write_at(io->context, fd, bytes, (size_t)segment->n_bytes, 0),
                     segment->n_bytes);
    assert_int_equal(io->close(io->context, fd), 0);
    free(bytes);
    return status;
}

static void test_journal__tells_every_changed_byte_but_of_the_last_group(void **state)
{
    struct lw_journal_segment list[16];
    uint64_t next;
    size_t n, n_torn = 0;

    (void)state;
    config.segment_bytes = 500;
    write_groups(12, 3);
    n = segments(true, list, 16);
    assert_true(n >= 3);
    for (size_t i = 0; i < n; i++) {
        for (int64_t at = 0; at < list[i].n_bytes; at++) {
            enum lw_status status = with_change(&list[i], at, false, &next);

            if (status == LW_ENOTFOUND) { /* Taken for a torn one: the last of the newest. */
                assert_false(list[i].closed);
                assert_int_equal(next, 34);
                n_torn++;
            } else {
                assert_true(status == LW_EFORMAT || status == LW_EVERSION);
                assert_in_range(next, list[i].first, list[i].last);
            }
        }
    }
    assert_in_range(n_torn, 60, 120);
    for (int64_t at = 0; at < list[1].n_bytes; at++) {
        assert_int_equal(with_change(&list[1], at, true, &next), LW_EFORMAT);
    }
    check_reads(1, 37);
}

static void test_journal__says_what_is_damaged(void **state)
{
    struct lw_journal_segment list[16];
    struct lw_journal *journal = NULL;
    struct lw_error error = {0};
    char path[128];
    uint8_t byte = 0xFF;
    uint64_t next;
    int fd;

    (void)state;
    write_groups(20, 7);
    assert_true(segments(true, list, 16) >= 4);
    fd = open_segment(&list[1]);
    assert_int_equal(io->write_at(io->context, fd, &byte, 1, 70), 1);
    assert_int_equal(io->close(io->context, fd), 0);
    assert_true(segments(true, list, 16) >= 4);
    assert_true(list[1].damaged && !list[0].damaged && !list[2].damaged);
    assert_non_null(strstr(list[1].damage, "byte 48: no head of a group"));
    assert_int_equal(read_from(1, &next, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, list[1].name));
    check_reads(list[2].first, 141); /* What lies behind it can be read. */
    (void)snprintf(path, sizeof(path), "journal/%s", list[1].name);
    assert_int_equal(io->unlink(io->context, path), 0);
    assert_int_equal(lw_journal_open(&config, &journal, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, list[0].name));
    assert_non_null(strstr(error.message, "are missing"));
    assert_null(journal);
}

/* ---- failures ---- */

static void test_journal__begins_a_new_segment_after_a_failure(void **state)
{
    struct lw_journal *journal = opened();
    struct lw_journal_segment list[16];
    struct lw_error error = {0};
    uint64_t durable = 0;

    (void)state;
    append(journal, 3);
    sync_all(journal);
    append(journal, 2);
    assert_int_equal(
        lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.call = LW_DISK_SYNC, .at = 1}),
        LW_OK);
    assert_int_equal(lw_journal_sync(journal, &durable, &error), LW_EIO);
    assert_int_equal(durable, 3);
    assert_non_null(strstr(error.message, "cannot sync journal/"));
    assert_non_null(strstr(error.message, "Input/output error"));
    assert_true(lw_journal_pending(journal) > 0);
    append(journal, 1); /* Goes on meanwhile. */
    sync_all(journal);
    assert_int_equal(segments(true, list, 16), 2);
    assert_int_equal(list[1].first, 4);
    lw_journal_close(journal);
    assert_int_equal(lw_simulated_disk_crash(disk, LW_DISK_CRASH_NOTHING), LW_OK);
    check_reads(1, 7);
}

static void test_journal__goes_on_when_a_full_disk_has_space_again(void **state)
{
    struct lw_journal *journal = opened();
    struct lw_error error = {0};
    uint64_t durable = 0;

    (void)state;
    append(journal, 3);
    sync_all(journal);
    lw_simulated_disk_limit(disk, lw_simulated_disk_used(disk) + 10);
    for (size_t i = 0; i < 5; i++) {
        append(journal, 1);
        assert_int_equal(lw_journal_sync(journal, &durable, &error), LW_EIO);
        assert_int_equal(durable, 3);
        assert_non_null(strstr(error.message, "No space left"));
    }
    assert_true(lw_simulated_disk_used(disk) < 400); /* The attempts leave nothing behind. */
    lw_simulated_disk_limit(disk, INT64_MAX);
    sync_all(journal);
    lw_journal_close(journal);
    assert_int_equal(lw_simulated_disk_crash(disk, LW_DISK_CRASH_NOTHING), LW_OK);
    check_reads(1, 9);
}

static void test_journal__writes_what_it_found_unproved_once_more(void **state)
{
    struct lw_journal *journal = opened();
    uint64_t durable = 0;

    (void)state;
    append(journal, 3);
    sync_all(journal);
    append(journal, 3);
    sync_all(journal);
    append(journal, 2);
    /* Bytes of a failed sync stay readable; no later sync would write them. */
    assert_int_equal(
        lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.call = LW_DISK_SYNC, .at = 1}),
        LW_OK);
    assert_int_equal(
        lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.call = LW_DISK_TRUNCATE, .at = 1}),
        LW_OK);
    assert_int_equal(lw_journal_sync(journal, &durable, NULL), LW_EIO);
    lw_journal_close(journal);
    assert_int_equal(lw_simulated_disk_crash(disk, LW_DISK_KILL), LW_OK);
    journal = opened();
    assert_int_equal(lw_journal_next(journal), 9);
    assert_int_equal(lw_journal_durable(journal), 6);
    assert_true(lw_journal_pending(journal) > 0);
    append(journal, 1);
    sync_all(journal);
    lw_journal_close(journal);
    assert_int_equal(lw_simulated_disk_crash(disk, LW_DISK_CRASH_NOTHING), LW_OK);
    check_reads(1, 10);
}

static enum lw_status everything(void *user)
{
    struct lw_journal *journal = NULL;
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_segment list[8];
    struct lw_journal_record record;
    uint64_t durable, given;
    char path[128];
    size_t n;
    enum lw_status status;

    assert_true(snprintf(path, sizeof(path), "%s/%" PRIu64, (const char *)user,
                         lw_test_mem_calls()) > 0); /* Each time a folder of its own. */
    config.dir = path;
    status = lw_journal_open(&config, &journal, NULL);
    if (status == LW_OK) {
        status = lw_journal_append(journal, 1, &(struct lw_journal_piece){"record", 6}, 1, &given);
    }
    if (status == LW_OK) {
        status = lw_journal_sync(journal, &durable, NULL);
    }
    if (status == LW_OK) {
        status = lw_journal_trim(journal, 1, NULL);
    }
    lw_journal_close(journal);
    if (status == LW_OK) {
        status = lw_journal_reader_open(&config, 1, &reader, NULL);
    }
    while (status == LW_OK) {
        status = lw_journal_reader_next(reader, &record, NULL);
    }
    lw_journal_reader_close(reader);
    status = status == LW_ENOTFOUND ? lw_journal_segments(&config, true, list, 8, &n, NULL)
                                    : status;
    config.dir = NULL;
    return status;
}

static void test_journal__answers_when_there_is_no_memory(void **state)
{
    char folder[64] = "/tmp/lapwing-test-XXXXXX", command[160];

    (void)state;
    assert_non_null(mkdtemp(folder));
    config.io = lw_io_system();
    lw_oom_sweep("journal", everything, folder);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- threads ---- */

struct pair {
    struct lw_journal *journal;
    atomic_bool done;
    uint64_t durable;
};

static void *sync_thread(void *context)
{
    struct pair *pair = context;
    bool last = false;

    while (!last) {
        uint64_t durable = 0;

        last = atomic_load(&pair->done);
        if (lw_journal_sync(pair->journal, &durable, NULL) != LW_OK || durable < pair->durable) {
            return "a sync failed";
        }
        pair->durable = durable;
    }
    return NULL;
}

static void test_journal__is_appended_to_while_it_is_synced(void **state)
{
    struct pair pair = {.journal = NULL};
    pthread_t thread;
    void *said = NULL;

    (void)state;
    config.segment_bytes = 100000;
    pair.journal = opened();
    assert_int_equal(pthread_create(&thread, NULL, sync_thread, &pair), 0);
    for (size_t i = 0; i < 200; i++) {
        append(pair.journal, 200);
    }
    atomic_store(&pair.done, true);
    assert_int_equal(pthread_join(thread, &said), 0);
    assert_null(said);
    assert_int_equal(pair.durable, 40000);
    lw_journal_close(pair.journal);
    check_reads(1, 40001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_disk, drop_disk)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_journal__reads_back_from_any_number),
        TEST(test_journal__lies_on_the_systems_disk),
        TEST(test_journal__that_is_empty_has_an_end),
        TEST(test_journal__removes_what_is_not_needed),
        TEST(test_journal__holds_its_limits),
        TEST(test_journal__takes_the_largest_record),
        TEST(test_journal__has_these_bytes),
        TEST(test_journal__tells_every_changed_byte_but_of_the_last_group),
        TEST(test_journal__says_what_is_damaged),
        TEST(test_journal__begins_a_new_segment_after_a_failure),
        TEST(test_journal__goes_on_when_a_full_disk_has_space_again),
        TEST(test_journal__writes_what_it_found_unproved_once_more),
        TEST(test_journal__answers_when_there_is_no_memory),
        TEST(test_journal__is_appended_to_while_it_is_synced),
    };

    return LW_TEST_RUN(tests);
}
