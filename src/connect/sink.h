/*
 * A place where anomalies are told: the contract of sink_*.c.
 *
 * The engine's outbox keeps what each sink has yet to be told, across restarts; the program's
 * runner (cli/outputs) takes events from it, hands them to the sink on a thread that is the sink's
 * alone, and gives back to the outbox what came of each. Retries, their delays and dead letters are
 * the runner's business; a sink makes one attempt.
 */
#ifndef LW_CONNECT_SINK_H
#define LW_CONNECT_SINK_H

#include "base/option.h"
#include "lapwing/engine.h"

/* One event. Borrowed for the call. */
struct lw_sink_event {
    uint64_t key;     /* Of the outbox. */
    char id[32];      /* Hexadecimal id of the anomaly: the same in every repeat. */
    uint32_t phase;   /* enum lw_anomaly_phase: opened or closed; opened again is a re-send. */
    uint32_t attempt; /* From 1. */
    bool resend;      /* It was delivered before and is told again so that it does not expire. */
    const struct lw_anomaly_view *anomaly;
};

enum lw_sink_answer {
    LW_SINK_DELIVERED,
    LW_SINK_RETRY,  /* Try again later. */
    LW_SINK_REFUSED /* Never will be taken: a dead letter. */
};

/* What came of one event. */
struct lw_sink_result {
    enum lw_sink_answer answer;
    int64_t retry_after_ns; /* What the other side asked for; 0: nothing. */
    char reason[192];       /* For people; "" when delivered. */
};

struct lw_sink_class {
    const char *type; /* As in the configuration: "alertmanager". */
    const char *help;
    const struct lw_option *options; /* Of an options struct of its own; at most 24 of them. */
    size_t n_options;
    size_t options_bytes; /* Size of that struct. */
    /* Checks the options and makes a sink; opens no connection. `name` is that of the
     * configuration. */
    enum lw_status (*create)(const char *name, const void *options, void **ret_sink,
                             struct lw_error *reterr);
    /* Events to take at once at most. */
    size_t (*batch)(const void *sink);
    /* An open anomaly is told again this long after it was last delivered; 0: never. */
    int64_t (*resend_ns)(const void *sink);
    /* One attempt for n events; fills n results. May block for the sink's time-out, not longer;
     * ends early when `stop` (a descriptor) becomes readable, with LW_SINK_RETRY for what is left.
     */
    void (*deliver)(void *sink, const struct lw_sink_event *events, size_t n, int stop,
                    struct lw_sink_result *ret_results);
    void (*destroy)(void *sink); /* Takes NULL. */
};

/* Static; ends with NULL. */
const struct lw_sink_class *const *lw_sink_classes(void);

#endif
