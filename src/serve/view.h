/* The engine's views as JSON: one shape for the API and the events. */
#ifndef LW_SERVE_VIEW_H
#define LW_SERVE_VIEW_H

#include "base/json.h"
#include "lapwing/engine.h"

/* Seconds since 1970-01-01 UTC with as many digits as the nanoseconds need; INT64_MIN, "not yet",
 * is null. */
void lw_view_time(struct lw_json *json, int64_t time_ns);
/* "cannot_tell", "low" or "full". */
const char *lw_view_confidence(uint8_t confidence);

void lw_view_entity(struct lw_json *json, const struct lw_entity_view *entity);
void lw_view_series(struct lw_json *json, const struct lw_series_view *series);
void lw_view_anomaly(struct lw_json *json, const struct lw_anomaly_view *anomaly);
/* Members "time", "value", "expected", "lower", "upper", "score", "alarm" of the open object, an
 * array each. */
void lw_view_steps(struct lw_json *json, const struct lw_history_point *steps, size_t n_steps);
/* Members of the open object: the counters that change all the time. */
void lw_view_totals(struct lw_json *json, const struct lw_engine_totals *totals);
/* Members "dropped", "state" and "sinks_failing" of the open object: what is not as it should be.
 */
void lw_view_trouble(struct lw_json *json, struct lw_engine *engine,
                     const struct lw_engine_totals *totals);

#endif
