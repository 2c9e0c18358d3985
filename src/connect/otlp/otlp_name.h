/*
 * OpenTelemetry's names as Prometheus writes them: the same names that a Prometheus fed with the
 * same metrics shows, so that rules, dashboards and trained models fit both.
 *
 *     http.server.request.duration, unit "s"           http_server_request_duration_seconds
 *     process.cpu.time, "s", ever growing              process_cpu_time_seconds_total
 *     system.memory.utilization, "1", a gauge          system_memory_utilization_ratio
 *     queue.rate, "{message}/s"                        queue_rate_per_second
 *
 * Source: the compatibility specification of OpenTelemetry and Prometheus, with the table of units
 * of Prometheus' own OTLP receiver.
 */
#ifndef LW_CONNECT_OTLP_NAME_H
#define LW_CONNECT_OTLP_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer names, and units, are cut before they are read: no name of that length is allowed. */
#define LW_OTLP_NAME_MAX 1280

enum lw_otlp_kind {
    LW_OTLP_GAUGE,
    LW_OTLP_TOTAL, /* Cumulative and monotonic: "_total". */
    LW_OTLP_OTHER
};

/* Text that needs no terminator. */
struct lw_otlp_text {
    const char *text;
    size_t n_bytes;
};

/*
 * A metric's name, terminated; "" where nothing of the name is left. Letters, digits and ":" stay,
 * runs of other characters become one "_", and are gone at both ends; what the unit says and the
 * name does not follows; before a digit comes "_".
 */
void lw_otlp_metric_name(struct lw_otlp_text name, struct lw_otlp_text unit, enum lw_otlp_kind kind,
                         char ret_name[LW_OTLP_NAME_MAX]);
/*
 * A label's name into ret_name, terminated; returns its length, 0 when the attribute's name is
 * empty, or the label's does not fit into capacity. Each byte that is no ASCII letter, digit or
 * "_" becomes "_" (several bytes of one character one "_"); before a digit at the beginning comes
 * "key_", before a single "_" there "key".
 */
size_t lw_otlp_label_name(struct lw_otlp_text name, char *ret_name, size_t capacity);

#endif
