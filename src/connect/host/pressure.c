/*
 * /proc/pressure/{cpu,memory,io}: for how long tasks waited for want of a resource: some of them
 * ("waiting"), or all that were not idle ("stalled", which has no meaning for the processor).
 */
#include "connect/host/collector.h"

#include <string.h>

struct pressure_state {
    uint32_t waiting, stalled;
};

static void pressure_init(void *state)
{
    struct pressure_state *pressure = state;

    pressure->waiting = LW_HOST_SERIES_NEW;
    pressure->stalled = LW_HOST_SERIES_NEW;
}

/* "some avg10=2.44 avg60=1.06 avg300=0.44 total=8475631": the total, in microseconds. */
static bool total_scan(struct lw_scan *line, uint64_t *ret_us)
{
    static const char TOTAL[] = "total=";
    const size_t n_total = sizeof(TOTAL) - 1;
    struct lw_word word;

    while (lw_scan_word(line, &word)) {
        if (lw_word_begins(word, TOTAL)) {
            return lw_word_u64((struct lw_word){word.text + n_total, word.n_bytes - n_total},
                               ret_us);
        }
    }
    return false;
}

static void pressure_take(struct pressure_state *pressure, struct lw_scan scan,
                          const char *const metrics[2], struct lw_host_batch *batch)
{
    struct lw_scan line;
    struct lw_word word;
    uint64_t us;

    while (lw_scan_line(&scan, &line)) {
        bool some = lw_scan_word(&line, &word) && lw_word_is(word, "some");
        const struct lw_series_key key = {.metric = metrics[some ? 0 : 1]};

        if (!some && !lw_word_is(word, "full")) {
            continue;
        }
        if (!total_scan(&line, &us)) {
            lw_host_batch_drop(batch, "bad_line");
        } else if (key.metric != NULL) {
            lw_host_batch_add(batch, some ? &pressure->waiting : &pressure->stalled, &key,
                              (double)us / 1e6);
        }
    }
}

static void cpu_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    static const char *const METRICS[2] = {"node_pressure_cpu_waiting_seconds_total", NULL};

    pressure_take(state, lw_scan_text(text, n_bytes), METRICS, batch);
}

static void memory_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    static const char *const METRICS[2] = {"node_pressure_memory_waiting_seconds_total",
                                           "node_pressure_memory_stalled_seconds_total"};

    pressure_take(state, lw_scan_text(text, n_bytes), METRICS, batch);
}

static void io_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    static const char *const METRICS[2] = {"node_pressure_io_waiting_seconds_total",
                                           "node_pressure_io_stalled_seconds_total"};

    pressure_take(state, lw_scan_text(text, n_bytes), METRICS, batch);
}

const struct lw_host_collector LW_HOST_PRESSURE_CPU = {
    "pressure/cpu", sizeof(struct pressure_state), pressure_init, cpu_take};
const struct lw_host_collector LW_HOST_PRESSURE_MEMORY = {
    "pressure/memory", sizeof(struct pressure_state), pressure_init, memory_take};
const struct lw_host_collector LW_HOST_PRESSURE_IO = {"pressure/io", sizeof(struct pressure_state),
                                                      pressure_init, io_take};
