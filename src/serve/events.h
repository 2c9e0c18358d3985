/* GET /v1/events: what changed, every second, as server-sent events. */
#ifndef LW_SERVE_EVENTS_H
#define LW_SERVE_EVENTS_H

#include "lapwing/engine.h"

/* What one stream looks at; 400 beyond. A stream holds about 180 KiB. */
#define LW_EVENTS_ENTITIES_MAX 128
#define LW_EVENTS_SERIES_MAX 256
/* Anomalies in one event, the newest; an event says when there were more. */
#define LW_EVENTS_ANOMALIES_MAX 100

struct lw_events;
struct lw_http_exchange;

/* LW_OK or LW_ENOMEM. The engine outlives the events. */
enum lw_status lw_events_create(struct lw_engine *engine, struct lw_events **ret_events,
                                struct lw_error *reterr) LW_MUST_USE;
/* When all streams are closed; takes NULL. */
void lw_events_destroy(struct lw_events *events);
/* Answers with a stream. Any thread. */
void lw_events_send(struct lw_events *events, struct lw_http_exchange *exchange);

#endif
