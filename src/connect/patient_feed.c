/* Waiting for a host that is read-only: see connect/patient_feed.h. */
#include "connect/patient_feed.h"

#include <stdbool.h>
#include <time.h>

#define WAIT_NS 100000000L

/* Waits a moment after LW_EBUSY; false when there is nothing to wait for. */
static bool wait_more(const struct lw_patient_feed *patient, enum lw_status status)
{
    const struct timespec nap = {.tv_nsec = WAIT_NS};

    if (status != LW_EBUSY || atomic_load(patient->over)) {
        return false;
    }
    (void)nanosleep(&nap, NULL);
    return true;
}

static enum lw_status patient_series(void *context, const struct lw_series_key *key,
                                     uint32_t *ret_series, struct lw_error *reterr)
{
    const struct lw_patient_feed *patient = context;
    enum lw_status status;

    do {
        status = patient->feed.series(patient->feed.context, key, ret_series, reterr);
    } while (wait_more(patient, status));
    return status;
}

static enum lw_status patient_push(void *context, const struct lw_point *points, size_t n)
{
    const struct lw_patient_feed *patient = context;
    enum lw_status status;

    do {
        status = patient->feed.push(patient->feed.context, points, n);
    } while (wait_more(patient, status));
    return status;
}

static enum lw_status patient_watermark(void *context, int64_t time_ns)
{
    const struct lw_patient_feed *patient = context;
    enum lw_status status;

    do {
        status = patient->feed.watermark(patient->feed.context, time_ns);
    } while (wait_more(patient, status));
    return status;
}

static void patient_dropped(void *context, const char *reason, uint64_t n)
{
    const struct lw_patient_feed *patient = context;

    patient->feed.dropped(patient->feed.context, reason, n);
}

static uint64_t patient_position(void *context)
{
    const struct lw_patient_feed *patient = context;

    return patient->feed.position(patient->feed.context);
}

static uint64_t patient_durable(void *context)
{
    const struct lw_patient_feed *patient = context;

    return patient->feed.durable(patient->feed.context);
}

static enum lw_status patient_ready(void *context, struct lw_error *reterr)
{
    const struct lw_patient_feed *patient = context;

    return patient->feed.ready(patient->feed.context, reterr);
}

struct lw_feed lw_patient_feed_init(struct lw_patient_feed *patient, const struct lw_feed *feed,
                                    const atomic_bool *over)
{
    patient->feed = *feed;
    patient->over = over;
    return (struct lw_feed){.series = patient_series,
                            .push = patient_push,
                            .watermark = patient_watermark,
                            .dropped = patient_dropped,
                            .position = patient_position,
                            .durable = patient_durable,
                            .ready = patient_ready,
                            .context = patient};
}
