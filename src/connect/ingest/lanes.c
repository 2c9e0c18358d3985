/* The lanes of a source: see connect/ingest/lanes.h. */
#include "connect/ingest/lanes.h"

#include "base/mem.h"

#include <string.h>

void lw_lanes_fini(struct lw_lanes *lanes)
{
    lw_mem_free(lanes->lane_of);
    *lanes = (struct lw_lanes){0};
}

static bool is_active(const struct lw_lanes *lanes, uint32_t lane, int64_t now_ns)
{
    int64_t arrived_ns = lanes->lanes[lane].arrived_ns;

    return arrived_ns != 0 && now_ns - arrived_ns < LW_LANES_ACTIVE_NS;
}

static bool series_reach(struct lw_lanes *lanes, uint32_t series)
{
    size_t wanted = (size_t)series + series / 2 + 1024;
    uint8_t *grown;

    if (series < lanes->n_series) {
        return true;
    }
    grown = lw_mem_realloc(lanes->lane_of, wanted);
    if (grown == NULL) {
        return false;
    }
    memset(grown + lanes->n_series, 0, wanted - lanes->n_series);
    lanes->lane_of = grown;
    lanes->n_series = wanted;
    return true;
}

/* One that nobody uses; the last, when there is none. */
static uint32_t lane_free(const struct lw_lanes *lanes, int64_t now_ns)
{
    uint32_t lane = 0;

    while (lane < LW_LANES_MAX - 1 && is_active(lanes, lane, now_ns)) {
        lane++;
    }
    return lane;
}

enum lw_status lw_lanes_enter(struct lw_lanes *lanes, const struct lw_point *points, size_t n,
                              int64_t now_ns, uint32_t *ret_lane)
{
    uint32_t lane = LW_LANES_MAX;

    for (size_t i = 0; lane == LW_LANES_MAX && i < n; i++) {
        uint32_t known = points[i].series < lanes->n_series ? lanes->lane_of[points[i].series] : 0;

        lane = known != 0 && is_active(lanes, known - 1, now_ns) ? known - 1 : LW_LANES_MAX;
    }
    lane = lane == LW_LANES_MAX ? lane_free(lanes, now_ns) : lane;
    for (size_t i = 0; i < n; i++) {
        if (!series_reach(lanes, points[i].series)) {
            return LW_ENOMEM;
        }
        lanes->lane_of[points[i].series] = (uint8_t)(lane + 1);
    }
    *ret_lane = lane;
    return LW_OK;
}

void lw_lanes_reach(struct lw_lanes *lanes, uint32_t lane, int64_t newest_ns, int64_t now_ns)
{
    lanes->lanes[lane].newest_ns = newest_ns;
    lanes->lanes[lane].arrived_ns = now_ns;
}

int64_t lw_lanes_slowest(const struct lw_lanes *lanes, int64_t before_ns, int64_t now_ns)
{
    int64_t slowest_ns = INT64_MAX;

    for (uint32_t i = 0; i < LW_LANES_MAX; i++) {
        int64_t newest_ns = lanes->lanes[i].newest_ns;

        if (is_active(lanes, i, now_ns) && newest_ns < before_ns && newest_ns < slowest_ns) {
            slowest_ns = newest_ns;
        }
    }
    return slowest_ns;
}
