/*
 * Points as they lie in a record of the journal: series and times as differences, values as they
 * are.
 *
 *   u16 feed, u8 flags, u32 number of points, i64 first time, then for each point
 *   varint of the zigzagged difference of series, the same of times, f64 value,
 *   [flags & 1: u64 tag] [flags & 2: u32 flags of the point]
 */
#include "engine/state/durable.h"

#include "base/error.h"
#include "store/history.h"

#include <string.h>

#define HAS_TAGS 1u
#define HAS_FLAGS 2u
/* Of one point at most: two varints, value, tag, flags. */
#define POINT_BYTES_MAX (5 + 10 + 8 + 8 + 4)
#define PIECE 256u

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
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

/* What reading goes by, out of the reader for the time of a piece. */
struct place {
    const uint8_t *at, *end;
    uint32_t series;
    uint64_t time_ns;
};

/* A varint that lies before the end; false where there is none. */
static inline bool get_varint(struct place *place, uint64_t *ret_value)
{
    const uint8_t *at = place->at;
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && at < place->end; shift += 7) {
        uint8_t byte = *at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            place->at = at;
            return true;
        }
    }
    return false;
}

/* Series, time and value of the next point, behind which n_rest bytes follow. */
static inline bool get_point(struct place *place, double *ret_value, size_t n_rest)
{
    uint64_t series, time;

    if (!get_varint(place, &series) || !get_varint(place, &time) ||
        (size_t)(place->end - place->at) < sizeof(*ret_value) + n_rest) {
        return false;
    }
    place->series += (uint32_t)unzigzag(series);
    place->time_ns += (uint64_t)unzigzag(time);
    memcpy(ret_value, place->at, sizeof(*ret_value));
    place->at += sizeof(*ret_value);
    return true;
}

static size_t rest_bytes(const struct lw_points_reader *points)
{
    return ((points->flags & HAS_TAGS) != 0 ? sizeof(uint64_t) : 0) +
           ((points->flags & HAS_FLAGS) != 0 ? sizeof(uint32_t) : 0);
}

static struct place place_begin(const struct lw_points_reader *points)
{
    return (struct place){.at = points->reader.data + points->reader.at,
                          .end = points->reader.data + points->reader.n_bytes,
                          .series = points->series,
                          .time_ns = (uint64_t)points->time_ns};
}

/* n points were read; false where they were fewer than wanted. */
static bool place_end(struct lw_points_reader *points, const struct place *place, size_t n,
                      size_t n_wanted)
{
    points->reader.at = (size_t)(place->at - points->reader.data);
    points->series = place->series;
    points->time_ns = (int64_t)place->time_ns;
    points->n_left -= (uint32_t)n;
    if (n < n_wanted) {
        points->reader.status = LW_EFORMAT;
    }
    return n == n_wanted;
}

static size_t wanted(const struct lw_points_reader *points, size_t capacity)
{
    if (points->reader.status != LW_OK) {
        return 0;
    }
    return capacity < points->n_left ? capacity : points->n_left;
}

size_t lw_points_read(struct lw_points_reader *points, struct lw_point *ret_points, size_t capacity)
{
    struct place place = place_begin(points);
    size_t n_wanted = wanted(points, capacity), n_rest = rest_bytes(points), n = 0;

    for (double value; n < n_wanted && get_point(&place, &value, n_rest); n++) {
        struct lw_point *point = &ret_points[n];

        *point = (struct lw_point){
            .series = place.series, .time_ns = (int64_t)place.time_ns, .value = value};
        if ((points->flags & HAS_TAGS) != 0) {
            memcpy(&point->tag, place.at, sizeof(point->tag));
            place.at += sizeof(point->tag);
        }
        if ((points->flags & HAS_FLAGS) != 0) {
            memcpy(&point->flags, place.at, sizeof(point->flags));
            place.at += sizeof(point->flags);
        }
    }
    return place_end(points, &place, n, n_wanted) ? n : 0;
}

size_t lw_points_take(struct lw_points_reader *points, struct lw_history_input *ret_points,
                      size_t capacity)
{
    struct place place = place_begin(points);
    size_t n_wanted = wanted(points, capacity), n_rest = rest_bytes(points), n = 0;

    for (; n < n_wanted && get_point(&place, &ret_points[n].value, n_rest); n++) {
        ret_points[n].series = place.series;
        ret_points[n].time_ns = (int64_t)place.time_ns;
        place.at += n_rest;
    }
    return place_end(points, &place, n, n_wanted) ? n : 0;
}
