/* Snapshots: whole or refused, and which of them are kept. */
#include "support/oom.h"
#include "support/test.h"

#include "store/simulated_disk.h"
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define NAME_77 "00000000000000000077.snapshot"

static struct lw_simulated_disk *disk;
static const struct lw_io *io;
static struct lw_snapshot_config config;
static uint8_t content[3000000];

static int make_disk(void **state)
{
    (void)state;
    if (lw_simulated_disk_create(1, &disk) != LW_OK) {
        return 1;
    }
    io = lw_simulated_disk_io(disk);
    config = (struct lw_snapshot_config){.io = io, .dir = "snapshots"};
    for (size_t i = 0; i < sizeof(content); i++) {
        content[i] = (uint8_t)(i * 31 + i / 7);
    }
    return 0;
}

static int drop_disk(void **state)
{
    (void)state;
    lw_simulated_disk_destroy(disk);
    return 0;
}

static enum lw_status write_blocks(uint64_t sequence, const size_t *sizes, size_t n)
{
    struct lw_snapshot_writer *writer = NULL;
    enum lw_status status = lw_snapshot_create(&config, sequence, 3, &writer, NULL);

    for (size_t i = 0; i < n && status == LW_OK; i++) {
        status = lw_snapshot_add(writer, (uint32_t)i + 5, content, sizes[i], NULL);
    }
    if (status != LW_OK) {
        lw_snapshot_abandon(writer);
        return status;
    }
    return lw_snapshot_commit(writer, NULL);
}

/* How reading ends, and how many blocks were read. */
static enum lw_status read_blocks(const char *name, const size_t *sizes, size_t *ret_n,
                                  struct lw_error *reterr)
{
    struct lw_snapshot_reader *reader = NULL;
    struct lw_snapshot_block block;
    enum lw_status status = lw_snapshot_open(&config, name, &reader, reterr);

    *ret_n = 0;
    while (status == LW_OK) {
        status = lw_snapshot_next(reader, &block, reterr);
        if (status == LW_OK) {
            assert_int_equal(block.type, *ret_n + 5);
            assert_int_equal(block.n_bytes, sizes[*ret_n]);
            assert_memory_equal(block.bytes, content, block.n_bytes);
            (*ret_n)++;
        }
    }
    lw_snapshot_close(reader);
    return status;
}

static size_t list(bool verify, struct lw_snapshot_info *ret_infos, size_t capacity)
{
    size_t n = 0;

    assert_int_equal(lw_snapshot_list(&config, verify, ret_infos, capacity, &n, NULL), LW_OK);
    return n;
}

static void test_snapshot__reads_back_blocks_of_any_size(void **state)
{
    static const size_t SIZES[] = {0, 1, 131071, 131072, 900000, 1048576, 200, 3000000, 0};
    struct lw_snapshot_info info;
    size_t n;

    (void)state;
    assert_int_equal(list(true, NULL, 0), 0); /* Not even a folder. */
    assert_int_equal(write_blocks(77, SIZES, 9), LW_OK);
    assert_int_equal(read_blocks(NAME_77, SIZES, &n, NULL), LW_ENOTFOUND);
    assert_int_equal(n, 9);
    assert_int_equal(list(true, &info, 1), 1);
    assert_string_equal(info.name, NAME_77);
    assert_int_equal(info.sequence, 77);
    assert_int_equal(info.version, 3);
    assert_int_equal(info.n_bytes, 32 + 9 * 32 + 5210920 + 40);
    assert_false(info.damaged);
    assert_int_equal(write_blocks(77, SIZES, 0), LW_OK); /* Replaced by an empty one. */
    assert_int_equal(read_blocks(NAME_77, SIZES, &n, NULL), LW_ENOTFOUND);
    assert_int_equal(n, 0);
}

static void test_snapshot__has_these_bytes(void **state)
{
    static const uint8_t EXPECTED[] = {
        0x6C, 0x61, 0x70, 0x77, 0x69, 0x6E, 0x67, 0x73, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x00, 0x4D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xE5, 0xCF, 0x90, 0x3B,
        0xC0, 0x46, 0x40, 0xE3, 0x62, 0x6C, 0x63, 0x6B, 0x05, 0x00, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xA0, 0xE1, 0x1F, 0x32, 0xA7, 0xAB, 0x1F, 0x91,
        0xBA, 0x0B, 0xEF, 0x7A, 0x04, 0x25, 0x31, 0xA4, 0x6F, 0x6E, 0x65, 0x62, 0x6C, 0x63,
        0x6B, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC2,
        0x94, 0xD3, 0x38, 0x05, 0x80, 0x06, 0x2D, 0x1E, 0x0A, 0x6F, 0x8D, 0xAF, 0x52, 0xBC,
        0x68, 0x74, 0x61, 0x69, 0x6C, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x63, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xA0, 0x9A, 0x54,
        0x07, 0x69, 0x01, 0xE3, 0x40, 0xF1, 0x49, 0xBB, 0xD1, 0xA4, 0x8B, 0x3C, 0x90};
    struct lw_snapshot_writer *writer = NULL;
    uint8_t bytes[300];
    int fd;

    (void)state;
    assert_int_equal(lw_snapshot_create(&config, 77, 3, &writer, NULL), LW_OK);
    assert_int_equal(lw_snapshot_add(writer, 5, "one", 3, NULL), LW_OK);
    assert_int_equal(lw_snapshot_add(writer, 6, NULL, 0, NULL), LW_OK);
    assert_int_equal(lw_snapshot_commit(writer, NULL), LW_OK);
    fd = io->open(io->context, "snapshots/" NAME_77, O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(io->read_at(io->context, fd, bytes, sizeof(bytes), 0), sizeof(EXPECTED));
    assert_memory_equal(bytes, EXPECTED, sizeof(EXPECTED));
    assert_int_equal(io->close(io->context, fd), 0);
}

static void test_snapshot__tells_every_changed_byte(void **state)
{
    static const size_t SIZES[] = {10, 0, 100};
    struct lw_snapshot_info info;
    uint8_t bytes[300];
    int64_t n_bytes;
    size_t n;
    int fd;

    (void)state;
    assert_int_equal(write_blocks(77, SIZES, 3), LW_OK);
    fd = io->open(io->context, "snapshots/" NAME_77, O_RDWR, 0);
    assert_true(fd >= 0);
    n_bytes = io->read_at(io->context, fd, bytes, sizeof(bytes), 0);
    assert_int_equal(n_bytes, 32 + 3 * 32 + 110 + 40);
    for (int64_t at = 0; at < n_bytes; at++) {
        uint8_t changed = (uint8_t)(bytes[at] ^ (1u << (at % 8)));

        assert_int_equal(io->write_at(io->context, fd, &changed, 1, at), 1);
        assert_int_equal(read_blocks(NAME_77, SIZES, &n, NULL), LW_EFORMAT);
        assert_int_equal(list(true, &info, 1), 1);
        assert_true(info.damaged && strstr(info.damage, "byte ") != NULL);
        assert_int_equal(io->write_at(io->context, fd, &bytes[at], 1, at), 1);
    }
    for (int64_t at = 0; at < n_bytes; at++) {
        assert_int_equal(io->truncate(io->context, fd, at), 0);
        assert_int_equal(read_blocks(NAME_77, SIZES, &n, NULL), LW_EFORMAT);
        assert_int_equal(list(false, &info, 1), 1);
        assert_true(info.damaged);
        assert_int_equal(io->write_at(io->context, fd, bytes, (size_t)n_bytes, 0), n_bytes);
    }
    assert_int_equal(io->write_at(io->context, fd, bytes, 1, n_bytes), 1);
    assert_int_equal(read_blocks(NAME_77, SIZES, &n, NULL), LW_EFORMAT);
    assert_int_equal(io->close(io->context, fd), 0);
}

static void test_snapshot__is_trimmed_to_the_newest_good_ones(void **state)
{
    static const size_t SIZES[] = {10};
    struct lw_snapshot_writer *writer = NULL;
    struct lw_snapshot_info infos[8];
    int fd;

    (void)state;
    for (uint64_t sequence = 10; sequence <= 50; sequence += 10) {
        assert_int_equal(write_blocks(sequence, SIZES, 1), LW_OK);
    }
    fd = io->open(io->context, "snapshots/00000000000000000050.snapshot", O_RDWR, 0);
    assert_int_equal(io->truncate(io->context, fd, 60), 0);
    assert_int_equal(io->close(io->context, fd), 0);
    fd = io->open(io->context, "snapshots/00000000000000000060.snapshot.new", O_RDWR | O_CREAT, 0);
    assert_int_equal(io->close(io->context, fd), 0);
    assert_int_equal(list(false, infos, 8), 5);
    assert_int_equal(lw_snapshot_trim(&config, 2, NULL), LW_OK);
    assert_int_equal(list(false, infos, 8), 3);
    assert_true(infos[0].damaged && infos[0].sequence == 50);
    assert_true(!infos[1].damaged && infos[1].sequence == 40);
    assert_true(!infos[2].damaged && infos[2].sequence == 30);
    assert_int_equal(io->unlink(io->context, "snapshots/00000000000000000060.snapshot.new"), -2);
    assert_int_equal(lw_snapshot_create(&config, 70, 1, &writer, NULL), LW_OK);
    lw_snapshot_abandon(writer);
    lw_snapshot_abandon(NULL);
    assert_int_equal(list(false, infos, 8), 3);
    assert_int_equal(io->unlink(io->context, "snapshots/00000000000000000070.snapshot.new"), -2);
}

static void test_snapshot__says_what_it_refuses(void **state)
{
    struct lw_snapshot_writer *writer = NULL;
    struct lw_snapshot_reader *reader = NULL;
    struct lw_error error = {0};

    (void)state;
    assert_int_equal(lw_snapshot_open(&config, NAME_77, &reader, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "there is no snapshot snapshots/" NAME_77));
    assert_int_equal(lw_snapshot_open(&config, "../etc/passwd", &reader, &error), LW_EINVAL);
    assert_int_equal(lw_snapshot_open(&config, NAME_77 ".new", &reader, &error), LW_EINVAL);
    assert_int_equal(lw_snapshot_create(&config, 77, 1, &writer, NULL), LW_OK);
    assert_int_equal(lw_snapshot_add(writer, 1, content, LW_SNAPSHOT_BLOCK_BYTES_MAX + 1, &error),
                     LW_ELIMIT);
    assert_int_equal(
        lw_simulated_disk_fault(
            disk, &(struct lw_disk_fault){.call = LW_DISK_WRITE, .at = 1, .kind = LW_DISK_ENOSPC}),
        LW_OK);
    assert_int_equal(lw_snapshot_add(writer, 1, content, 2000000, &error), LW_EIO);
    assert_non_null(strstr(error.message, "No space left"));
    assert_int_equal(lw_snapshot_add(writer, 1, content, 1, &error), LW_EIO);
    assert_int_equal(lw_snapshot_commit(writer, &error), LW_EIO);
    assert_int_equal(lw_simulated_disk_used(disk), 0);
}

static enum lw_status everything(void *user)
{
    static const size_t SIZES[] = {10, 2000000};
    struct lw_snapshot_info info;
    size_t n;
    enum lw_status status = write_blocks(77, SIZES, 2);

    (void)user;
    status = status == LW_OK ? read_blocks(NAME_77, SIZES, &n, NULL) : status;
    status = status == LW_ENOTFOUND ? lw_snapshot_list(&config, true, &info, 1, &n, NULL) : status;
    return status == LW_OK ? lw_snapshot_trim(&config, 1, NULL) : status;
}

static void test_snapshot__answers_when_there_is_no_memory(void **state)
{
    char folder[64] = "/tmp/lapwing-test-XXXXXX", command[160];

    (void)state;
    assert_non_null(mkdtemp(folder));
    config.io = lw_io_system();
    config.dir = folder;
    lw_oom_sweep("snapshot", everything, NULL);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_disk, drop_disk)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_snapshot__reads_back_blocks_of_any_size),
        TEST(test_snapshot__has_these_bytes),
        TEST(test_snapshot__tells_every_changed_byte),
        TEST(test_snapshot__is_trimmed_to_the_newest_good_ones),
        TEST(test_snapshot__says_what_it_refuses),
        TEST(test_snapshot__answers_when_there_is_no_memory),
    };

    return LW_TEST_RUN(tests);
}
