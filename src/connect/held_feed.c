/* Event time held back: see connect/held_feed.h. */
#include "connect/held_feed.h"

static enum lw_status tell(struct lw_held_feed *held)
{
    int64_t time_ns = held->wanted_ns < held->hold_ns ? held->wanted_ns : held->hold_ns;

    if (time_ns <= held->told_ns) {
        return LW_OK;
    }
    held->told_ns = time_ns;
    return held->feed.watermark(held->feed.context, time_ns);
}

static enum lw_status held_series(void *context, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct lw_held_feed *held = context;

    return held->feed.series(held->feed.context, key, ret_series, reterr);
}

static int64_t slot_start(int64_t time_ns, int64_t slot_ns)
{
    int64_t rest = time_ns % slot_ns;

    rest = rest < 0 ? rest + slot_ns : rest;
    return time_ns < INT64_MIN + rest ? INT64_MIN + 1 : time_ns - rest;
}

static enum lw_status held_push(void *context, const struct lw_point *points, size_t n)
{
    struct lw_held_feed *held = context;
    enum lw_status status = LW_OK;
    size_t first = 0;

    for (size_t i = 0; status == LW_OK && i < n; i++) {
        int64_t time_ns = points[i].time_ns;

        if (held->slot_ns > 0 && time_ns > held->wanted_ns &&
            slot_start(time_ns, held->slot_ns) > held->wanted_ns) {
            status = i > first ? held->feed.push(held->feed.context, points + first, i - first)
                               : LW_OK;
            first = i;
            held->wanted_ns = slot_start(time_ns, held->slot_ns);
            status = status == LW_OK ? tell(held) : status;
        }
        held->newest_ns = time_ns > held->newest_ns ? time_ns : held->newest_ns;
    }
    return status == LW_OK && n > first
               ? held->feed.push(held->feed.context, points + first, n - first)
               : status;
}

static enum lw_status held_watermark(void *context, int64_t time_ns)
{
    struct lw_held_feed *held = context;

    if (time_ns == INT64_MIN) { /* All is complete: no moment to hold back. */
        return held->feed.watermark(held->feed.context, time_ns);
    }
    held->wanted_ns = time_ns > held->wanted_ns ? time_ns : held->wanted_ns;
    return tell(held);
}

static void held_dropped(void *context, const char *reason, uint64_t n)
{
    struct lw_held_feed *held = context;

    held->n_dropped += n;
    held->feed.dropped(held->feed.context, reason, n);
}

static uint64_t held_position(void *context)
{
    struct lw_held_feed *held = context;

    return held->feed.position(held->feed.context);
}

static uint64_t held_durable(void *context)
{
    struct lw_held_feed *held = context;

    return held->feed.durable(held->feed.context);
}

static enum lw_status held_ready(void *context, struct lw_error *reterr)
{
    struct lw_held_feed *held = context;

    return held->feed.ready(held->feed.context, reterr);
}

struct lw_feed lw_held_feed_init(struct lw_held_feed *held, const struct lw_feed *feed)
{
    *held = (struct lw_held_feed){.feed = *feed,
                                  .wanted_ns = INT64_MIN,
                                  .hold_ns = INT64_MAX,
                                  .told_ns = INT64_MIN,
                                  .newest_ns = INT64_MIN};
    return (struct lw_feed){.series = held_series,
                            .push = held_push,
                            .watermark = held_watermark,
                            .dropped = held_dropped,
                            .position = held_position,
                            .durable = held_durable,
                            .ready = held_ready,
                            .context = held};
}

enum lw_status lw_held_feed_hold(struct lw_held_feed *held, int64_t hold_ns)
{
    held->hold_ns = hold_ns;
    return tell(held);
}
