/* Any bytes as a file of the history. Checksums are set right first, or fuzzing would not get
 * behind them: opening, listing, reading, verifying and merging it must be safe all the same. */
#include "base/hash.h"
#include "store/history.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 40u
#define TRAILER 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void put(uint8_t *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* The checksum of a block that lies within the file. */
static void seal_block(uint8_t *bytes, size_t n_bytes, uint64_t offset, uint64_t length,
                       uint8_t *hash)
{
    if (offset <= n_bytes && length <= n_bytes - offset) {
        put(hash, lw_hash_bytes(bytes + offset, (size_t)length, 0), 8);
    }
}

static void seal_blocks(uint8_t *bytes, size_t n_bytes, size_t at, size_t end)
{
    uint64_t n;

    if (end - at < 4) {
        return;
    }
    n = get(bytes + at, 4);
    at += 4;
    for (; n > 0 && end - at >= 20; n--, at += 20) {
        seal_block(bytes, n_bytes, get(bytes + at, 8), get(bytes + at + 8, 4), bytes + at + 12);
    }
    if (end - at < 4) {
        return;
    }
    n = get(bytes + at, 4);
    at += 4;
    while (n-- > 0 && end - at >= 57) {
        uint64_t offset = get(bytes + at, 8), head = get(bytes + at + 8, 4);
        uint64_t key = get(bytes + at + 53, 4);

        seal_block(bytes, n_bytes, offset, head, bytes + at + 20);
        seal_block(bytes, n_bytes, offset + head, get(bytes + at + 16, 4), bytes + at + 28);
        if (key > end - at - 57) {
            return;
        }
        at += 57 + (size_t)key;
    }
}

static void seal(uint8_t *bytes, size_t n_bytes)
{
    size_t trailer = n_bytes - TRAILER;
    uint64_t directory = get(bytes + trailer, 8);

    memcpy(bytes, "lwhist\r\n", 8);
    put(bytes + 8, 1, 4);
    put(bytes + 16, 1, 8);
    put(bytes + 24, 9, 8);
    put(bytes + 32, lw_hash_bytes(bytes, 32, 0), 8);
    if (directory >= HEAD && directory <= trailer) {
        seal_blocks(bytes, n_bytes, (size_t)directory, trailer);
        put(bytes + trailer + 8, trailer - directory, 8);
        put(bytes + trailer + 16, lw_hash_bytes(bytes + directory, trailer - (size_t)directory, 0),
            8);
    }
    put(bytes + n_bytes - 8, lw_hash_bytes(bytes + trailer, TRAILER - 8, 0), 8);
}

static void names_of(void *context, const uint32_t *series, size_t n,
                     struct lw_history_name *ret_names)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        ret_names[i] = (struct lw_history_name){series[i] == 0 ? "a" : NULL, 1};
    }
}

static enum lw_status one_read(void *context, const struct lw_history_taker *taker,
                               struct lw_error *reterr)
{
    return taker->take(taker->context, context, 1, reterr);
}

struct walk {
    struct lw_history_view *view;
    char names[8][LW_HISTORY_NAME_MAX];
    size_t n;
};

static void visit(void *context, const struct lw_history_series *series)
{
    struct walk *walk = context;

    if (walk->n < 8) {
        memcpy(walk->names[walk->n++], series->name, strlen(series->name) + 1);
    }
}

static void walk_all(struct lw_history *history)
{
    static struct walk walk;
    struct lw_history_lister lister = {NULL, visit, &walk};
    struct lw_history_samples samples;
    size_t n;

    walk.n = 0;
    lw_history_samples_init(&samples);
    if (lw_history_view_open(history, &walk.view, NULL) == LW_OK) {
        (void)!lw_history_list(walk.view, &lister, NULL);
        for (size_t i = 0; i < walk.n; i++) {
            if (lw_history_read(walk.view, walk.names[i], INT64_MIN, INT64_MAX, &samples, NULL) ==
                LW_OK) {
                for (size_t k = 1; k < samples.n; k++) {
                    if (samples.times_ns[k] < samples.times_ns[k - 1]) {
                        abort();
                    }
                }
            }
        }
        lw_history_view_close(walk.view);
    }
    lw_history_samples_fini(&samples);
    (void)!lw_history_verify(history, NULL, NULL, &n, NULL);
}

/* Seven more files of one level, so that it is merged. */
static void fill(struct lw_history *history)
{
    for (uint64_t i = 10; i < 17; i++) {
        struct lw_history_input point = {0, (int64_t)i, 1.5};
        struct lw_history_source source = {one_read, &point};

        (void)!lw_history_write(history, i, i, &source, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    const char *path = "/h/00000000000000000001-00000000000000000009.history";
    struct lw_simulated_disk *disk;
    struct lw_history_config config = {.dir = "/h", .names = names_of};
    struct lw_history *history = NULL;
    uint8_t *bytes;
    size_t n;
    int fd;

    if (n_bytes < HEAD + TRAILER + 8 || lw_simulated_disk_create(1, &disk) != LW_OK) {
        return 0;
    }
    bytes = malloc(n_bytes);
    memcpy(bytes, data, n_bytes);
    seal(bytes, n_bytes);
    config.io = lw_simulated_disk_io(disk);
    if (config.io->make_dir(config.io->context, "/h") != 0) {
        abort();
    }
    fd = lw_io_open(config.io, path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || lw_io_write_all(config.io, fd, path, bytes, n_bytes, 0, NULL) != LW_OK) {
        abort();
    }
    (void)config.io->close(config.io->context, fd);
    if (lw_history_open(&config, &history, NULL) == LW_OK) {
        walk_all(history);
        fill(history);
        (void)!lw_history_compact(history, &n, NULL);
        walk_all(history);
    }
    lw_history_close(history);
    lw_simulated_disk_destroy(disk);
    free(bytes);
    return 0;
}
