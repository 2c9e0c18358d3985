/*
 * A feed before a feed that holds event time back: a source that knows of samples still to come
 * sets a bound, and whoever tells the watermark (lw_ingest) need not know of it.
 *
 * One thread.
 */
#ifndef LW_CONNECT_HELD_FEED_H
#define LW_CONNECT_HELD_FEED_H

#include "lapwing/plugin.h"

struct lw_held_feed {
    struct lw_feed feed; /* The one behind. */
    int64_t wanted_ns;   /* Told by the source, INT64_MIN at first. */
    int64_t hold_ns;     /* Not beyond this; INT64_MAX: no bound. */
    int64_t told_ns;     /* To the feed behind. */
    int64_t slot_ns;    /* Pushes are cut, and event time told, where time enters another such slot;
                           0: not. */
    uint64_t n_dropped; /* Told by the source so far. */
    int64_t newest_ns;  /* Of the points pushed since the source last set it back to INT64_MIN. */
};

/* The feed to give to the source. `held` must stay where it is. */
struct lw_feed lw_held_feed_init(struct lw_held_feed *held, const struct lw_feed *feed);
/* Sets the bound, and tells what it sets free. Event time does not go back when it falls. */
enum lw_status lw_held_feed_hold(struct lw_held_feed *held, int64_t hold_ns) LW_MUST_USE;

#endif
