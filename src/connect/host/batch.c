/* What one round of collecting gathers. */
#include "connect/host/batch.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

void lw_host_batch_flush(struct lw_host_batch *batch)
{
    enum lw_status status;

    if (batch->n_points == 0) {
        return;
    }
    status = batch->feed->push(batch->feed->context, batch->points, batch->n_points);
    if (status != LW_OK && batch->status == LW_OK) {
        batch->status = status;
    }
    batch->n_points = 0;
}

void lw_host_batch_drop(struct lw_host_batch *batch, const char *reason)
{
    batch->feed->dropped(batch->feed->context, reason, 1);
}

/* Asks the feed for a number once; a refusal is remembered too, so that it costs no lookup every
 * second. */
static void series_open(struct lw_host_batch *batch, const struct lw_series_key *key,
                        uint32_t *ret_series)
{
    struct lw_label labels[LW_HOST_LABELS_MAX];
    struct lw_series_key full = {
        .metric = key->metric, .labels = labels, .n_labels = key->n_labels + 1};
    uint32_t series;

    assert(key->n_labels < LW_HOST_LABELS_MAX);
    labels[0] = (struct lw_label){"instance", batch->instance};
    for (size_t i = 0; i < key->n_labels; i++) {
        labels[i + 1] = key->labels[i];
    }
    *ret_series = LW_HOST_SERIES_REFUSED;
    if (batch->feed->series(batch->feed->context, &full, &series, NULL) == LW_OK) {
        *ret_series = series;
    }
}

void lw_host_batch_add(struct lw_host_batch *batch, uint32_t *series,
                       const struct lw_series_key *key, double value)
{
    if (*series == LW_HOST_SERIES_NEW) {
        series_open(batch, key, series);
    }
    if (*series == LW_HOST_SERIES_REFUSED) {
        lw_host_batch_drop(batch, "series_refused");
        return;
    }
    if (batch->n_points == LW_HOST_BATCH_POINTS) {
        lw_host_batch_flush(batch);
    }
    batch->points[batch->n_points++] = (struct lw_point){
        .series = *series, .time_ns = batch->time_ns, .value = value};
}

void lw_host_devices_begin(struct lw_host_devices *devices)
{
    devices->round++;
    devices->next = 0;
}

/* Room for a new device: a free place, or that of the device gone for longest; NULL when all are
 * still there. */
static struct lw_host_device *device_place(struct lw_host_devices *devices)
{
    struct lw_host_device *oldest = NULL;

    if (devices->n < LW_HOST_DEVICES_MAX) {
        return &devices->items[devices->n++];
    }
    for (size_t i = 0; i < devices->n; i++) {
        struct lw_host_device *item = &devices->items[i];

        if (item->round + 1 < devices->round && (oldest == NULL || item->round < oldest->round)) {
            oldest = item;
        }
    }
    return oldest;
}

struct lw_host_device *lw_host_devices_find(struct lw_host_devices *devices, struct lw_word name)
{
    struct lw_host_device *device = NULL;

    if (name.n_bytes == 0 || name.n_bytes >= sizeof(device->name)) {
        return NULL;
    }
    for (size_t i = 0; i < devices->n && device == NULL; i++) {
        size_t at = (devices->next + i) % devices->n;

        if (lw_word_is(name, devices->items[at].name)) {
            device = &devices->items[at];
            devices->next = at + 1;
        }
    }
    if (device == NULL) {
        device = device_place(devices);
        if (device == NULL) {
            return NULL;
        }
        memset(device, 0, sizeof(*device));
        memcpy(device->name, name.text, name.n_bytes);
        for (size_t i = 0; i < LW_HOST_DEVICE_METRICS_MAX; i++) {
            device->series[i] = LW_HOST_SERIES_NEW;
        }
    }
    device->round = devices->round;
    return device;
}

void lw_host_device_add(struct lw_host_batch *batch, struct lw_host_device *device,
                        const char *const *metrics, const double *values, size_t n_metrics)
{
    const struct lw_label label = {"device", device->name};

    assert(n_metrics <= LW_HOST_DEVICE_METRICS_MAX);
    for (size_t i = 0; i < n_metrics; i++) {
        const struct lw_series_key key = {.metric = metrics[i], .labels = &label, .n_labels = 1};

        lw_host_batch_add(batch, &device->series[i], &key, values[i]);
    }
}
