/*
 * /proc/net/dev: what each network interface carried, lost and got wrong.
 *
 * The loopback always counts; another interface from its first packet. The host's ends of
 * containers' links (veth) come and go with the containers and their traffic shows on the bridge:
 * they are left out.
 */
#include "connect/host/collector.h"

#include <string.h>

#define N_METRICS 8
#define N_COLUMNS 16

static const char *const METRICS[N_METRICS] = {
    "node_network_receive_bytes_total",  "node_network_receive_packets_total",
    "node_network_receive_errs_total",   "node_network_receive_drop_total",
    "node_network_transmit_bytes_total", "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",  "node_network_transmit_drop_total",
};

static const size_t COLUMNS[N_METRICS] = {0, 1, 2, 3, 8, 9, 10, 11};

static void netdev_init(void *state)
{
    memset(state, 0, sizeof(struct lw_host_devices));
}

/* Splits "  eth0:255750743 4753 ..." (old kernels put no space behind the colon) into name and
 * numbers. */
static bool interface_scan(struct lw_scan *line, struct lw_word *ret_name,
                           double ret_columns[N_COLUMNS])
{
    const char *colon = memchr(line->at, ':', (size_t)(line->end - line->at));
    struct lw_scan head;

    if (colon == NULL) {
        return false;
    }
    head = (struct lw_scan){line->at, colon};
    line->at = colon + 1;
    return lw_scan_word(&head, ret_name) && head.at == colon &&
           lw_scan_numbers(line, ret_columns, N_COLUMNS);
}

static void interface_take(struct lw_host_devices *devices, struct lw_word name,
                           const double columns[N_COLUMNS], struct lw_host_batch *batch)
{
    struct lw_host_device *device;
    double values[N_METRICS];
    bool used = lw_word_is(name, "lo");

    for (size_t i = 0; i < N_METRICS; i++) {
        values[i] = columns[COLUMNS[i]];
        used = used || values[i] > 0.0;
    }
    if (!used || lw_word_begins(name, "veth")) {
        return;
    }
    device = lw_host_devices_find(devices, name);
    if (device == NULL) {
        lw_host_batch_drop(batch, "device_limit");
        return;
    }
    lw_host_device_add(batch, device, METRICS, values, N_METRICS);
}

static void netdev_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    struct lw_host_devices *devices = state;
    struct lw_scan scan = lw_scan_text(text, n_bytes), line;
    double columns[N_COLUMNS];
    struct lw_word name;

    lw_host_devices_begin(devices);
    while (lw_scan_line(&scan, &line)) {
        if (memchr(line.at, '|', (size_t)(line.end - line.at)) != NULL) {
            continue; /* The two lines of headings. */
        }
        if (interface_scan(&line, &name, columns)) {
            interface_take(devices, name, columns, batch);
        } else {
            lw_host_batch_drop(batch, "bad_line");
        }
    }
}

const struct lw_host_collector LW_HOST_NETDEV = {"net/dev", sizeof(struct lw_host_devices),
                                                 netdev_init, netdev_take};
