/*
 * OTLP/HTTP: POST /v1/metrics, in protobuf or JSON.
 *
 * The answer is in the encoding of the request: 200 with an empty message, or with how many points
 * were rejected and why; else a google.rpc.Status.
 */
#ifndef LW_CONNECT_PUSH_OTLP_H
#define LW_CONNECT_PUSH_OTLP_H

#include "connect/push.h"

extern const struct lw_push_class lw_push_otlp;

#endif
