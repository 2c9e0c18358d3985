/* Alerts for Prometheus' Alertmanager, API v2: docs/sinks/alertmanager.md. */
#ifndef LW_CONNECT_SINK_ALERTMANAGER_H
#define LW_CONNECT_SINK_ALERTMANAGER_H

#include "connect/sink.h"

extern const struct lw_sink_class lw_sink_alertmanager;

#endif
