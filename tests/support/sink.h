/* A sink as the program makes it, from options as text, and an anomaly to tell it. */
#ifndef LW_TESTS_SUPPORT_SINK_H
#define LW_TESTS_SUPPORT_SINK_H

#include "connect/sink.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SINK_OPTIONS_BYTES 16384

/* Options come in pairs, name and value, and end with NULL. LW_OK: *ret_sink is the caller's. */
static inline enum lw_status sink_make(const struct lw_sink_class *class,
                                       const char *const *options, void **ret_sink,
                                       struct lw_error *reterr)
{
    _Alignas(16) char bytes[SINK_OPTIONS_BYTES];

    memset(reterr, 0, sizeof(*reterr));
    if (class->options_bytes > sizeof(bytes)) {
        return LW_ELIMIT;
    }
    memset(bytes, 0, sizeof(bytes));
    lw_options_default(class->options, class->n_options, bytes);
    for (size_t i = 0; options[i] != NULL; i += 2) {
        enum lw_status status = lw_options_set(class->options, class->n_options, bytes, options[i],
                                               options[i + 1], reterr);

        if (status != LW_OK) {
            return status;
        }
    }
    return class->create("test", bytes, ret_sink, reterr);
}

/* A spike of load on web-1, 2026-01-01 00:01:00 to 00:02:30. */
static inline struct lw_anomaly_view sink_anomaly(void)
{
    struct lw_anomaly_view view = {
        .detector = "hosts",
        .entity = "web-1",
        .entity_number = 7,
        .anomaly =
            {.id = UINT64_C(0x1234567890abcdef),
             .phase = LW_ANOMALY_OPENED,
             .type = LW_TYPE_SPIKE,
             .start_ns = INT64_C(1767225660000000000),
             .last_ns = INT64_C(1767225750000000000),
             .peak_ns = INT64_C(1767225690500000000),
             .peak_score = 0.97f,
             .return_rows = 61000.0f,
             .n_steps = 9,
             .n_contributions = 2,
             .contributions = {{.series = 0, .share = 0.7f, .value = 4.2f, .expected = 0.3f},
                               {.series = 3, .share = 0.2f, .value = 12.0f, .expected = NAN}}},
        .series = {"node_load1", "node_procs_running{mode=\"x\"}"},
        .sentence = "node_load1 rose to 4.2, expected 0.1 to 1.1, for 1m 40s."};

    return view;
}

static inline struct lw_sink_event sink_event(const struct lw_anomaly_view *view, uint32_t phase)
{
    struct lw_sink_event event = {.key = 1, .phase = phase, .attempt = 1, .anomaly = view};

    (void)snprintf(event.id, sizeof(event.id), "%016llx", (unsigned long long)view->anomaly.id);
    return event;
}

#endif
