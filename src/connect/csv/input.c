/* A sliding window over a file, gzip or not: see csv/input.h. */
#include "connect/csv/input.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/csv/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Half of it is a whole record of the longest kind, so that a slide always makes room for one. */
#define WINDOW_BYTES (2 * (size_t)LW_CSV_RECORD_BYTES_MAX)
#define COMPRESSED_BYTES ((size_t)1 << 17)
#define GZIP_OR_ZLIB_WINDOW (15 + 16)

struct lw_csv_input {
    int fd;               /* -1: memory. */
    const uint8_t *bytes; /* Memory only. */
    size_t n_bytes, at;
    uint64_t n_read, size;
    char *window;
    size_t first, last; /* What is in it. */
    bool is_over;       /* The source gives no more bytes. */
    bool is_gzip;
    bool is_inflating; /* Within a member. */
    uint8_t *compressed;
    z_stream zlib;
};

static enum lw_status input_read(struct lw_csv_input *input, void *ret_bytes, size_t capacity,
                                 size_t *ret_n, struct lw_error *reterr)
{
    ssize_t n;

    if (input->fd < 0) {
        *ret_n = input->n_bytes - input->at < capacity ? input->n_bytes - input->at : capacity;
        if (*ret_n > 0) {
            memcpy(ret_bytes, input->bytes + input->at, *ret_n);
        }
        input->at += *ret_n;
    } else {
        do {
            n = read(input->fd, ret_bytes, capacity);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
            return lw_error_set(reterr, LW_EIO, "reading failed: %s", strerror(errno));
        }
        *ret_n = (size_t)n;
    }
    input->n_read += *ret_n;
    return LW_OK;
}

/* Moves compressed bytes in when none are left. */
static enum lw_status compressed_fill(struct lw_csv_input *input, struct lw_error *reterr)
{
    size_t n;
    enum lw_status status;

    if (input->zlib.avail_in > 0) {
        return LW_OK;
    }
    status = input_read(input, input->compressed, COMPRESSED_BYTES, &n, reterr);
    if (status == LW_OK) {
        input->zlib.next_in = input->compressed;
        input->zlib.avail_in = (uInt)n;
    }
    return status;
}

/* Inflates until the window is full or the file over. Zeros behind the last member are padding. */
static enum lw_status window_inflate(struct lw_csv_input *input, struct lw_error *reterr)
{
    while (input->last < WINDOW_BYTES && !input->is_over) {
        enum lw_status status = compressed_fill(input, reterr);
        int result;

        if (status != LW_OK) {
            return status;
        }
        if (input->zlib.avail_in == 0) {
            input->is_over = true;
            return input->is_inflating
                       ? lw_error_set(reterr, LW_EFORMAT, "the gzip file is cut off")
                       : LW_OK;
        }
        if (!input->is_inflating && input->zlib.next_in[0] == 0) {
            input->zlib.next_in++;
            input->zlib.avail_in--;
            continue;
        }
        input->is_inflating = true;
        input->zlib.next_out = (Bytef *)input->window + input->last;
        input->zlib.avail_out = (uInt)(WINDOW_BYTES - input->last);
        result = inflate(&input->zlib, Z_NO_FLUSH);
        input->last = WINDOW_BYTES - input->zlib.avail_out;
        if (result == Z_STREAM_END) {
            input->is_inflating = false;
            (void)inflateReset(&input->zlib);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            input->is_over = true;
            return lw_error_set(reterr, LW_EFORMAT, "the gzip file is damaged: %s",
                                input->zlib.msg == NULL ? "no reason known" : input->zlib.msg);
        }
    }
    return LW_OK;
}

static enum lw_status window_fill(struct lw_csv_input *input, struct lw_error *reterr)
{
    if (input->is_gzip) {
        return window_inflate(input, reterr);
    }
    while (input->last < WINDOW_BYTES && !input->is_over) {
        size_t n;
        enum lw_status status = input_read(input, input->window + input->last,
                                           WINDOW_BYTES - input->last, &n, reterr);

        if (status != LW_OK) {
            return status;
        }
        input->last += n;
        input->is_over = n == 0;
    }
    return LW_OK;
}

/* The first bytes are in the window; when they are gzip's they become the first compressed ones. */
static enum lw_status gzip_begin(struct lw_csv_input *input, struct lw_error *reterr)
{
    if (input->last < 2 || (uint8_t)input->window[0] != 0x1F || (uint8_t)input->window[1] != 0x8B) {
        return LW_OK;
    }
    input->compressed = lw_mem_alloc(COMPRESSED_BYTES);
    if (input->compressed == NULL || inflateInit2(&input->zlib, GZIP_OR_ZLIB_WINDOW) != Z_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to read gzip");
    }
    input->is_gzip = true;
    memcpy(input->compressed, input->window, input->last);
    input->zlib.next_in = input->compressed;
    input->zlib.avail_in = (uInt)input->last;
    input->last = 0;
    return LW_OK;
}

/* Takes over fd or bytes; closes all on failure. */
static enum lw_status input_create(const struct lw_csv_input *from, struct lw_csv_input **ret_input,
                                   struct lw_error *reterr)
{
    struct lw_csv_input *input = lw_mem_calloc(1, sizeof(*input));
    enum lw_status status = LW_OK;

    if (input == NULL) {
        if (from->fd > 0) {
            (void)close(from->fd);
        }
        return lw_error_set(reterr, LW_ENOMEM, "no memory to read a file");
    }
    *input = *from;
    input->window = lw_mem_alloc(WINDOW_BYTES);
    if (input->window == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a window of %zu bytes",
                              WINDOW_BYTES);
    }
    while (status == LW_OK && input->last < 2 && !input->is_over) {
        size_t n;

        status = input_read(input, input->window + input->last, COMPRESSED_BYTES - input->last, &n,
                            reterr);
        if (status == LW_OK) {
            input->last += n;
            input->is_over = n == 0;
        }
    }
    if (status == LW_OK) {
        status = gzip_begin(input, reterr);
    }
    if (status == LW_OK) {
        status = window_fill(input, reterr);
    }
    if (status != LW_OK) {
        lw_csv_input_close(input);
        return status;
    }
    *ret_input = input;
    return LW_OK;
}

enum lw_status lw_csv_input_open(const char *path, struct lw_csv_input **ret_input,
                                 struct lw_error *reterr)
{
    struct lw_csv_input from = {0};
    struct stat about;

    from.fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (from.fd < 0) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%s", strerror(errno));
    }
    if (fstat(from.fd, &about) == 0 && S_ISREG(about.st_mode)) {
        from.size = (uint64_t)about.st_size;
    } else if (S_ISDIR(about.st_mode)) {
        (void)close(from.fd);
        return lw_error_set(reterr, LW_EIO, "it is a folder, not a file");
    }
    return input_create(&from, ret_input, reterr);
}

enum lw_status lw_csv_input_open_bytes(const void *bytes, size_t n_bytes,
                                       struct lw_csv_input **ret_input, struct lw_error *reterr)
{
    struct lw_csv_input from = {.fd = -1, .bytes = bytes, .n_bytes = n_bytes, .size = n_bytes};

    return input_create(&from, ret_input, reterr);
}

enum lw_status lw_csv_input_continue(struct lw_csv_input *input, const void *bytes, size_t n_bytes,
                                     struct lw_error *reterr)
{
    if (input->fd >= 0 || input->is_gzip) {
        return lw_error_set(reterr, LW_EINVAL, "only plain bytes in memory can be continued");
    }
    input->bytes = bytes;
    input->n_bytes = n_bytes;
    input->at = input->first = input->last = 0;
    input->is_over = false;
    return window_fill(input, reterr);
}

void lw_csv_input_close(struct lw_csv_input *input)
{
    if (input == NULL) {
        return;
    }
    if (input->fd > STDIN_FILENO) {
        (void)close(input->fd);
    }
    if (input->is_gzip) {
        (void)inflateEnd(&input->zlib);
    }
    lw_mem_free(input->compressed);
    lw_mem_free(input->window);
    lw_mem_free(input);
}

enum lw_status lw_csv_input_slide(struct lw_csv_input *input, size_t n_taken,
                                  struct lw_error *reterr)
{
    input->first += n_taken;
    if (input->first > 0) {
        memmove(input->window, input->window + input->first, input->last - input->first);
        input->last -= input->first;
        input->first = 0;
    }
    return window_fill(input, reterr);
}

const char *lw_csv_input_window(const struct lw_csv_input *input, size_t *ret_n_bytes)
{
    *ret_n_bytes = input->last - input->first;
    return input->window + input->first;
}

bool lw_csv_input_is_last(const struct lw_csv_input *input)
{
    return input->is_over;
}

uint64_t lw_csv_input_position(const struct lw_csv_input *input, uint64_t *ret_size)
{
    *ret_size = input->size;
    return input->n_read - (input->is_gzip ? input->zlib.avail_in : 0);
}

bool lw_csv_input_is_gzip(const struct lw_csv_input *input)
{
    return input->is_gzip;
}
