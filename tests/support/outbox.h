/*
 * An outbox under test: time is the test's own, anomalies are made by id, and what is taken is told
 * in short.
 */
#ifndef LW_TESTS_SUPPORT_OUTBOX_H
#define LW_TESTS_SUPPORT_OUTBOX_H

#include "support/test.h"

#include "engine/outbox/outbox.h"

#include <ftw.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define EVENTS_MAX 400

static char folder[64];
static _Atomic int64_t now_ns; /* Both clocks of the outbox under test. */

static inline int64_t test_now_ns(void)
{
    return atomic_load(&now_ns);
}

static inline void pass(int64_t seconds)
{
    atomic_fetch_add(&now_ns, seconds * SECOND);
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int make_folder(void **state)
{
    (void)state;
    atomic_store(&now_ns, INT64_C(1700000000) * SECOND);
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    return mkdtemp(folder) == NULL ? 1 : 0;
}

static inline int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct lw_outbox *open_outbox(const char *dir)
{
    const struct lw_outbox_config config = {
        .folder = dir, .real_ns = test_now_ns, .monotonic_ns = test_now_ns, .seed = 7};
    struct lw_error error = {0};
    struct lw_outbox *outbox = NULL;

    if (lw_outbox_create(&config, &outbox, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return outbox;
}

static inline void open_sink_with(struct lw_outbox *outbox, const char *name,
                                  const struct lw_outbox_options *options)
{
    struct lw_error error = {0};

    if (lw_outbox_open_sink(outbox, name, options, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

static inline void open_sink(struct lw_outbox *outbox, const char *name)
{
    open_sink_with(outbox, name, &(struct lw_outbox_options){.rate = 1e6, .burst = 1e6});
}

/* An anomaly with this id, as a shard would tell it. */
static inline struct lw_anomaly_view view_of(uint64_t id, enum lw_anomaly_phase phase)
{
    struct lw_anomaly_view view = {.entity_number = 3};

    (void)snprintf(view.detector, sizeof(view.detector), "disks");
    (void)snprintf(view.entity, sizeof(view.entity), "web-%u", (unsigned)id);
    (void)snprintf(view.sentence, sizeof(view.sentence), "Number %u.", (unsigned)id);
    view.anomaly.id = id;
    view.anomaly.phase = (uint8_t)phase;
    view.anomaly.type = LW_TYPE_SPIKE;
    view.anomaly.n_contributions = 1;
    (void)snprintf(view.series[0], sizeof(view.series[0]), "load{host=\"web-%u\"}", (unsigned)id);
    return view;
}

static inline void record(struct lw_outbox *outbox, uint64_t id, enum lw_anomaly_phase phase,
                          uint64_t sequence)
{
    const struct lw_anomaly_view view = view_of(id, phase);

    lw_outbox_record(outbox, &view, sequence);
}

static inline void opened(struct lw_outbox *outbox, uint64_t id)
{
    record(outbox, id, LW_ANOMALY_OPENED, id);
}

static inline void closed(struct lw_outbox *outbox, uint64_t id)
{
    record(outbox, id, LW_ANOMALY_CLOSED, id);
}

static inline void sync_outbox(struct lw_outbox *outbox)
{
    struct lw_error error = {0};

    if (lw_outbox_sync(outbox, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

/* What is due now, as "+1 -2 ~3 " (opened 1, closed 2, 3 told again); the events too. */
static struct lw_outbox_event taken[EVENTS_MAX];
static size_t n_taken;
static char told[8 * EVENTS_MAX];

static inline const char *take_some(struct lw_outbox *outbox, const char *sink, size_t capacity)
{
    const struct lw_outbox_request request = {.sink = sink, .capacity = capacity};
    struct lw_error error = {0};
    size_t used = 0;

    sync_outbox(outbox);
    n_taken = 77;
    if (lw_outbox_take(outbox, &request, taken, &n_taken, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    told[0] = '\0';
    for (size_t i = 0; i < n_taken; i++) {
        const struct lw_anomaly *anomaly = &taken[i].anomaly.anomaly;
        char sign = taken[i].resend ? '~' : anomaly->phase == LW_ANOMALY_OPENED ? '+' : '-';

        used += (size_t)snprintf(told + used, sizeof(told) - used, "%c%u ", sign,
                                 (unsigned)anomaly->id);
    }
    return told;
}

static inline const char *take(struct lw_outbox *outbox, const char *sink)
{
    return take_some(outbox, sink, EVENTS_MAX);
}

/* The same answer for the events taken last, from index `from`, n of them. */
static inline void report_some(struct lw_outbox *outbox, const char *sink,
                               const struct lw_outbox_result *answer, size_t from, size_t n)
{
    static struct lw_outbox_result results[EVENTS_MAX];

    for (size_t i = 0; i < n; i++) {
        results[i] = *answer;
        results[i].key = taken[from + i].key;
    }
    assert_int_equal(lw_outbox_report(outbox, sink, results, n, NULL), LW_OK);
}

static inline void report(struct lw_outbox *outbox, const char *sink, enum lw_outbox_answer answer)
{
    const struct lw_outbox_result result = {.answer = answer, .reason = "connection refused"};

    report_some(outbox, sink, &result, 0, n_taken);
}

static inline struct lw_sink_view sink_view(struct lw_outbox *outbox, const char *name)
{
    struct lw_sink_view views[LW_SINKS_MAX];
    size_t n = lw_outbox_sinks(outbox, views, LW_SINKS_MAX);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(views[i].name, name) == 0) {
            return views[i];
        }
    }
    fail_msg("there is no sink %s", name);
    return views[0];
}

#endif
