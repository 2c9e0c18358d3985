/*
 * The lanes of a source that catches up: each connection, or queue, of a sender carries series of
 * its own in order of time, and is at a time of its own. Which lane a request belongs to is told by
 * its series, not by the connection, since senders share connections between their queues.
 *
 * Not locked: the owner's lock guards it.
 */
#ifndef LW_CONNECT_INGEST_LANES_H
#define LW_CONNECT_INGEST_LANES_H

#include "lapwing/plugin.h"

#include <stdbool.h>

#define LW_LANES_MAX 64
/* A lane of which nothing came for so long holds nobody back. */
#define LW_LANES_ACTIVE_NS (INT64_C(10) * 1000000000)

/* Zero-initialise. */
struct lw_lanes {
    struct {
        int64_t newest_ns;  /* Event time that it has reached. */
        int64_t arrived_ns; /* By the clock; 0: never. */
    } lanes[LW_LANES_MAX];
    uint8_t *lane_of; /* By series: its lane + 1; 0: none yet. */
    size_t n_series;
};

void lw_lanes_fini(struct lw_lanes *lanes);
/* The lane of a request with these points, n > 0, which its series belong to from now on. Beyond
 * LW_LANES_MAX lanes are shared. LW_ENOMEM. */
enum lw_status lw_lanes_enter(struct lw_lanes *lanes, const struct lw_point *points, size_t n,
                              int64_t now_ns, uint32_t *ret_lane) LW_MUST_USE;
/* A lane has reached a time. */
void lw_lanes_reach(struct lw_lanes *lanes, uint32_t lane, int64_t newest_ns, int64_t now_ns);
/* The time of the slowest lane that is active and before `before_ns`; INT64_MAX: there is none. */
int64_t lw_lanes_slowest(const struct lw_lanes *lanes, int64_t before_ns, int64_t now_ns);

#endif
