/* What several sinks share: an event as JSON, and what an HTTP answer means for an event. */
#ifndef LW_CONNECT_SINK_COMMON_H
#define LW_CONNECT_SINK_COMMON_H

#include "base/json.h"
#include "connect/http_client.h"
#include "connect/sink.h"

/*
 * The event as one JSON object, the form of docs/sinks/webhook.md: type, timestamp, data. Depends
 * on the event alone, so a repeat is the same text. `external_url` is the address of our page as
 * others see it; "": no link.
 */
void lw_sink_event_write(struct lw_json *json, const struct lw_sink_event *event,
                         const char *external_url);
/* Room for a link: the address of the page, and two names of which every byte is escaped. */
#define LW_SINK_LINK_BYTES (LW_HTTP_URL_MAX + 3 * (LW_NAME_MAX + LW_SHORT_NAME_MAX) + 64)
/* Where people see the entity on the page, by its names, so that it holds over restarts; "" without
 * an address of the page. */
void lw_sink_link(const struct lw_anomaly_view *anomaly, const char *external_url,
                  char ret_link[LW_SINK_LINK_BYTES]);
/* Is the anomaly over? */
bool lw_sink_is_closed(const struct lw_sink_event *event);
/*
 * 2xx: delivered. 4xx: refused, but for 408, 425 and 429, which pass, as do all other statuses and
 * requests without an answer. `status` and `error` are those of lw_http_post().
 */
void lw_sink_judge(enum lw_status status, const struct lw_error *error,
                   const struct lw_http_answer *answer, struct lw_sink_result *ret_result);

#endif
