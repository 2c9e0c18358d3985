/* /proc/loadavg: how many threads want to run, smoothed over 1, 5 and 15 minutes, and how many
 * there are. */
#include "connect/host/collector.h"

#include <string.h>

#define N_LOADS 3

static const char *const LOADS[N_LOADS] = {"node_load1", "node_load5", "node_load15"};

struct loadavg_state {
    uint32_t loads[N_LOADS], threads;
};

static void loadavg_init(void *state)
{
    struct loadavg_state *loadavg = state;

    for (size_t i = 0; i < N_LOADS; i++) {
        loadavg->loads[i] = LW_HOST_SERIES_NEW;
    }
    loadavg->threads = LW_HOST_SERIES_NEW;
}

/* "0.41 0.18 0.07 2/104 9139": the number behind the slash. */
static bool threads_scan(struct lw_scan *line, uint64_t *ret_threads)
{
    struct lw_word word;
    const char *slash;

    if (!lw_scan_word(line, &word)) {
        return false;
    }
    slash = memchr(word.text, '/', word.n_bytes);
    return slash != NULL &&
           lw_word_u64((struct lw_word){slash + 1, word.n_bytes - (size_t)(slash - word.text) - 1},
                       ret_threads);
}

static void loadavg_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    const struct lw_series_key threads_key = {.metric = "node_processes_threads"};
    struct loadavg_state *loadavg = state;
    struct lw_scan scan = lw_scan_text(text, n_bytes), line;
    double loads[N_LOADS];
    uint64_t threads;

    if (!lw_scan_line(&scan, &line) || !lw_scan_decimal(&line, &loads[0]) ||
        !lw_scan_decimal(&line, &loads[1]) || !lw_scan_decimal(&line, &loads[2]) ||
        !threads_scan(&line, &threads)) {
        lw_host_batch_drop(batch, "bad_line");
        return;
    }
    for (size_t i = 0; i < N_LOADS; i++) {
        const struct lw_series_key key = {.metric = LOADS[i]};

        lw_host_batch_add(batch, &loadavg->loads[i], &key, loads[i]);
    }
    lw_host_batch_add(batch, &loadavg->threads, &threads_key, (double)threads);
}

const struct lw_host_collector LW_HOST_LOADAVG = {"loadavg", sizeof(struct loadavg_state),
                                                  loadavg_init, loadavg_take};
