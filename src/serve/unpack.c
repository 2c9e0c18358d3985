/* Undoing a Content-Encoding: see serve/unpack.h. */
#include "serve/unpack.h"

#include "base/error.h"
#include "base/mem.h"

#include <limits.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>

#define FIRST_BYTES ((size_t)64 << 10)
#define GZIP_OR_ZLIB (15 + 32)
#define RAW_DEFLATE (-15)

static bool unpacked_reach(struct lw_unpacked *unpacked, size_t wanted)
{
    uint8_t *grown;

    if (wanted <= unpacked->capacity) {
        return true;
    }
    grown = lw_mem_realloc(unpacked->bytes, wanted);
    if (grown == NULL) {
        return false;
    }
    unpacked->bytes = grown;
    unpacked->capacity = wanted;
    return true;
}

static enum lw_status tell_limit(size_t bytes_max, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_ELIMIT, "Unpacked, a body here has at most %zu bytes.",
                        bytes_max);
}

static enum lw_status unpack_snappy(const uint8_t *packed, size_t n_packed, size_t bytes_max,
                                    struct lw_unpacked *unpacked, struct lw_error *reterr)
{
    const char *text = (const char *)packed;
    size_t n_bytes = 0;

    if (n_packed == 0 || snappy_uncompressed_length(text, n_packed, &n_bytes) != SNAPPY_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "The body is no block of snappy.");
    }
    if (n_bytes > bytes_max) {
        return tell_limit(bytes_max, reterr);
    }
    if (!unpacked_reach(unpacked, n_bytes == 0 ? 1 : n_bytes)) {
        return lw_error_set(reterr, LW_ENOMEM, "Out of memory.");
    }
    if (snappy_uncompress(text, n_packed, (char *)unpacked->bytes, &n_bytes) != SNAPPY_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "The body is no block of snappy.");
    }
    unpacked->n_bytes = n_bytes;
    return LW_OK;
}

/* One step of inflate into what room there is, more of it first where there is none. */
static enum lw_status inflate_step(z_stream *stream, size_t bytes_max, struct lw_unpacked *unpacked,
                                   int *ret_code, struct lw_error *reterr)
{
    size_t room;

    if (unpacked->n_bytes == unpacked->capacity) {
        size_t wanted = unpacked->capacity == 0 ? FIRST_BYTES : unpacked->capacity * 2;

        if (unpacked->capacity > bytes_max) {
            return tell_limit(bytes_max, reterr);
        }
        /* One byte past the bound, so that what is just as large is told from what is larger. */
        if (!unpacked_reach(unpacked, wanted > bytes_max ? bytes_max + 1 : wanted)) {
            return lw_error_set(reterr, LW_ENOMEM, "Out of memory.");
        }
    }
    room = unpacked->capacity - unpacked->n_bytes;
    stream->next_out = unpacked->bytes + unpacked->n_bytes;
    stream->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
    room = stream->avail_out;
    *ret_code = inflate(stream, Z_NO_FLUSH);
    unpacked->n_bytes += room - stream->avail_out;
    return unpacked->n_bytes > bytes_max ? tell_limit(bytes_max, reterr) : LW_OK;
}

static enum lw_status unpack_zlib(const uint8_t *packed, size_t n_packed, int window,
                                  size_t bytes_max, struct lw_unpacked *unpacked,
                                  struct lw_error *reterr)
{
    z_stream stream = {.next_in = packed, .avail_in = (uInt)n_packed};
    enum lw_status status = LW_OK;
    int code = Z_OK;

    unpacked->n_bytes = 0;
    if (n_packed == 0 && unpacked_reach(unpacked, 1)) {
        return LW_OK; /* Clients say how they pack also where there is nothing to pack. */
    }
    if (n_packed > UINT_MAX || inflateInit2(&stream, window) != Z_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "Out of memory.");
    }
    while (status == LW_OK && code != Z_STREAM_END) {
        status = inflate_step(&stream, bytes_max, unpacked, &code, reterr);
        if (status != LW_OK) {
            break;
        }
        if (code == Z_STREAM_END && stream.avail_in > 0) {
            code = inflateReset(&stream); /* Another member of the same file follows. */
        } else if (code != Z_OK && code != Z_STREAM_END) {
            status = lw_error_set(reterr, code == Z_MEM_ERROR ? LW_ENOMEM : LW_EFORMAT,
                                  "The body is not compressed as it says, or cut off.");
        }
    }
    (void)inflateEnd(&stream);
    return status;
}

enum lw_status lw_unpack(const char *encoding, const uint8_t *packed, size_t n_packed,
                         size_t bytes_max, struct lw_unpacked *unpacked, struct lw_error *reterr)
{
    enum lw_status status;

    if (strcasecmp(encoding, "snappy") == 0) {
        return unpack_snappy(packed, n_packed, bytes_max, unpacked, reterr);
    }
    if (strcasecmp(encoding, "gzip") == 0) {
        return unpack_zlib(packed, n_packed, GZIP_OR_ZLIB, bytes_max, unpacked, reterr);
    }
    if (strcasecmp(encoding, "deflate") != 0) {
        return lw_error_set(reterr, LW_EINVAL, "The encoding \"%.40s\" is not known.", encoding);
    }
    /* Zlib's form is meant, and some send the stream bare. */
    status = unpack_zlib(packed, n_packed, GZIP_OR_ZLIB, bytes_max, unpacked, reterr);
    return status == LW_EFORMAT
               ? unpack_zlib(packed, n_packed, RAW_DEFLATE, bytes_max, unpacked, reterr)
               : status;
}

void lw_unpacked_fini(struct lw_unpacked *unpacked)
{
    lw_mem_free(unpacked->bytes);
    *unpacked = (struct lw_unpacked){0};
}
