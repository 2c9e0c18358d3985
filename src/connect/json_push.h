/*
 * Samples as JSON over HTTP: POST /v1/samples.
 *
 * A body is lines of one object each (application/x-ndjson, application/jsonl, or no content type),
 * or one array of objects or one object (application/json). A line that cannot be taken is told
 * with its number, the others are kept. An array that is no JSON is refused as a whole.
 */
#ifndef LW_CONNECT_JSON_PUSH_H
#define LW_CONNECT_JSON_PUSH_H

#include "connect/push.h"

extern const struct lw_push_class lw_push_json;

#endif
