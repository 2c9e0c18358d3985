/*
 * Points as they lie in a record of the journal: series and times as differences, values as they
 * are.
 *
 *   u16 feed, u8 flags, u32 number of points, i64 first time, then for each point
 *   varint of the zigzagged difference of series, the same of times, f64 value,
 *   [flags & 1: u64 tag] [flags & 2: u32 flags of the point]
 */
#include "engine/durable.h"

#include "base/error.h"

#include <string.h>

#define HAS_TAGS 1u
#define HAS_FLAGS 2u
/* Of one point at most: two varints, value, tag, flags. */
#define POINT_BYTES_MAX (5 + 10 + 8 + 8 + 4)
#define PIECE 256u

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static size_t put_varint(uint8_t *at, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        at[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[n++] = (uint8_t)value;
    return n;
}

static uint64_t read_varint(struct lw_reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = lw_read_u8(reader);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    reader->status = LW_EFORMAT;
    return 0;
}

static uint8_t flags_of(const struct lw_point *points, size_t n)
{
    uint8_t flags = 0;

    for (size_t i = 0; i < n; i++) {
        flags |= points[i].tag != 0 ? HAS_TAGS : 0;
        flags |= points[i].flags != 0 ? HAS_FLAGS : 0;
    }
    return flags;
}

/* Times may lie further apart than an int64_t can say: the difference wraps, and so does the sum.
 */
static size_t put_point(uint8_t *at, const struct lw_point *point, const struct lw_point *before,
                        uint8_t flags)
{
    uint64_t time_step = (uint64_t)point->time_ns - (uint64_t)before->time_ns;
    size_t n = put_varint(at, zigzag((int64_t)point->series - (int64_t)before->series));

    n += put_varint(at + n, zigzag((int64_t)time_step));
    memcpy(at + n, &point->value, sizeof(point->value)); /* Little-endian, as every host of ours. */
    n += sizeof(point->value);
    if ((flags & HAS_TAGS) != 0) {
        memcpy(at + n, &point->tag, sizeof(point->tag));
        n += sizeof(point->tag);
    }
    if ((flags & HAS_FLAGS) != 0) {
        memcpy(at + n, &point->flags, sizeof(point->flags));
        n += sizeof(point->flags);
    }
    return n;
}

void lw_points_write(struct lw_writer *writer, uint16_t feed, const struct lw_point *points,
                     size_t n)
{
    struct lw_point before = {.time_ns = n > 0 ? points[0].time_ns : 0};
    uint8_t flags = flags_of(points, n);

    lw_write_u16(writer, feed);
    lw_write_u8(writer, flags);
    lw_write_u32(writer, (uint32_t)n);
    lw_write_i64(writer, before.time_ns);
    for (size_t from = 0; from < n; from += PIECE) {
        uint8_t piece[PIECE * POINT_BYTES_MAX];
        size_t n_bytes = 0;

        for (size_t i = from; i < n && i < from + PIECE; i++) {
            n_bytes += put_point(piece + n_bytes, &points[i], &before, flags);
            before = points[i];
        }
        lw_write_raw(writer, piece, n_bytes);
    }
}

enum lw_status lw_points_open(struct lw_points_reader *points, const void *bytes, size_t n_bytes,
                              struct lw_error *reterr)
{
    lw_reader_init(&points->reader, bytes, n_bytes);
    points->feed = lw_read_u16(&points->reader);
    points->flags = lw_read_u8(&points->reader);
    points->n_left = lw_read_u32(&points->reader);
    points->time_ns = lw_read_i64(&points->reader);
    points->series = 0;
    if (points->reader.status != LW_OK || points->feed >= FEEDS_MAX ||
        (points->flags & ~(HAS_TAGS | HAS_FLAGS)) != 0) {
        return lw_error_set(reterr, LW_EFORMAT, "a record of points in the journal is damaged");
    }
    return LW_OK;
}

size_t lw_points_read(struct lw_points_reader *points, struct lw_point *ret_points, size_t capacity)
{
    size_t n = 0;

    while (n < capacity && points->n_left > 0 && points->reader.status == LW_OK) {
        struct lw_point *point = &ret_points[n++];

        points->n_left--;
        points->series += (uint32_t)unzigzag(read_varint(&points->reader));
        points->time_ns = (int64_t)((uint64_t)points->time_ns +
                                    (uint64_t)unzigzag(read_varint(&points->reader)));
        *point = (struct lw_point){.series = points->series, .time_ns = points->time_ns};
        point->value = lw_read_f64(&points->reader);
        point->tag = (points->flags & HAS_TAGS) != 0 ? lw_read_u64(&points->reader) : 0;
        point->flags = (points->flags & HAS_FLAGS) != 0 ? lw_read_u32(&points->reader) : 0;
    }
    return points->reader.status == LW_OK ? n : 0;
}
