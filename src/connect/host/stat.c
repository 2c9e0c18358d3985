/*
 * /proc/stat: processor time by mode, context switches, interrupts, forks, processes that run or
 * wait for I/O.
 *
 * Time is given for all processors together (cpu="all"), and where there are few for each one's
 * idle mode: a single busy processor is then named, and a large machine does not have hundreds of
 * series.
 */
#include "connect/host/collector.h"

#include <math.h>
#include <stdio.h>

#define N_MODES 8
#define N_COUNTERS 5
#define CPUS_NAMED_MAX 8
#define IDLE 3
/* Idle and iowait of tickless kernels go back a little at times; more than this is a true reset. */
#define STEP_BACK_MAX_S 3.0

static const char *const MODES[N_MODES] = {"user",   "nice", "system",  "idle",
                                           "iowait", "irq",  "softirq", "steal"};

static const struct {
    const char *word, *metric;
} COUNTERS[N_COUNTERS] = {
    {"ctxt", "node_context_switches_total"}, {"intr", "node_intr_total"},
    {"processes", "node_forks_total"},       {"procs_running", "node_procs_running"},
    {"procs_blocked", "node_procs_blocked"},
};

struct stat_state {
    uint32_t modes[N_MODES], idles[CPUS_NAMED_MAX], counters[N_COUNTERS];
    double mode_s[N_MODES], idle_s[CPUS_NAMED_MAX]; /* The last values: see STEP_BACK_MAX_S. */
};

static void stat_init(void *state)
{
    struct stat_state *stat = state;

    for (size_t i = 0; i < N_MODES; i++) {
        stat->modes[i] = LW_HOST_SERIES_NEW;
        stat->mode_s[i] = 0.0;
    }
    for (size_t i = 0; i < CPUS_NAMED_MAX; i++) {
        stat->idles[i] = LW_HOST_SERIES_NEW;
        stat->idle_s[i] = 0.0;
    }
    for (size_t i = 0; i < N_COUNTERS; i++) {
        stat->counters[i] = LW_HOST_SERIES_NEW;
    }
}

static double seconds_steady(double *last_s, double seconds)
{
    if (seconds > *last_s || seconds < *last_s - STEP_BACK_MAX_S) {
        *last_s = seconds;
    }
    return *last_s;
}

/* A cpu line's modes in seconds; kernels of long ago give fewer than eight: the rest is NaN. */
static bool modes_scan(struct lw_scan *line, double ticks_per_s, double ret_seconds[N_MODES])
{
    size_t n = 0;
    double ticks;

    while (n < N_MODES && lw_scan_numbers(line, &ticks, 1)) {
        ret_seconds[n++] = ticks / ticks_per_s;
    }
    for (size_t i = n; i < N_MODES; i++) {
        ret_seconds[i] = (double)NAN;
    }
    return n > IDLE;
}

static void cpu_add(struct lw_host_batch *batch, uint32_t *series, const char *cpu,
                    const char *mode, double seconds)
{
    const struct lw_label labels[] = {{"cpu", cpu}, {"mode", mode}};
    const struct lw_series_key key = {
        .metric = "node_cpu_seconds_total", .labels = labels, .n_labels = 2};

    lw_host_batch_add(batch, series, &key, seconds);
}

static void cpu_all_take(struct stat_state *stat, struct lw_scan *line, struct lw_host_batch *batch)
{
    double seconds[N_MODES];

    if (!modes_scan(line, batch->ticks_per_s, seconds)) {
        lw_host_batch_drop(batch, "bad_line");
        return;
    }
    for (size_t i = 0; i < N_MODES && !isnan(seconds[i]); i++) {
        cpu_add(batch, &stat->modes[i], "all", MODES[i],
                seconds_steady(&stat->mode_s[i], seconds[i]));
    }
}

/* Notes one processor's idle time; the caller knows only at the end how many there are. */
static void cpu_one_scan(struct lw_word word, struct lw_scan *line, double ticks_per_s,
                         double idle_s[CPUS_NAMED_MAX], uint64_t *n_cpus)
{
    double seconds[N_MODES];
    uint64_t cpu;

    if (lw_word_u64((struct lw_word){word.text + 3, word.n_bytes - 3}, &cpu) &&
        modes_scan(line, ticks_per_s, seconds)) {
        *n_cpus = cpu >= *n_cpus ? (cpu < UINT64_MAX ? cpu + 1 : cpu) : *n_cpus;
        if (cpu < CPUS_NAMED_MAX) {
            idle_s[cpu] = seconds[IDLE];
        }
    }
}

static void counter_take(struct stat_state *stat, struct lw_word word, struct lw_scan *line,
                         struct lw_host_batch *batch)
{
    for (size_t i = 0; i < N_COUNTERS; i++) {
        const struct lw_series_key key = {.metric = COUNTERS[i].metric};
        double value;

        if (!lw_word_is(word, COUNTERS[i].word)) {
            continue;
        }
        if (lw_scan_numbers(line, &value, 1)) {
            lw_host_batch_add(batch, &stat->counters[i], &key, value);
        } else {
            lw_host_batch_drop(batch, "bad_line");
        }
        return;
    }
}

static void stat_take(void *state, const char *text, size_t n_bytes, struct lw_host_batch *batch)
{
    struct stat_state *stat = state;
    struct lw_scan scan = lw_scan_text(text, n_bytes), line;
    double idle_s[CPUS_NAMED_MAX];
    uint64_t n_cpus = 0;
    struct lw_word word;

    for (size_t i = 0; i < CPUS_NAMED_MAX; i++) {
        idle_s[i] = (double)NAN;
    }
    while (lw_scan_line(&scan, &line)) {
        if (!lw_scan_word(&line, &word)) {
            continue;
        }
        if (lw_word_is(word, "cpu")) {
            cpu_all_take(stat, &line, batch);
        } else if (lw_word_begins(word, "cpu")) {
            cpu_one_scan(word, &line, batch->ticks_per_s, idle_s, &n_cpus);
        } else {
            counter_take(stat, word, &line, batch);
        }
    }
    for (size_t i = 0; n_cpus <= CPUS_NAMED_MAX && i < n_cpus; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", (unsigned)i);
        if (!isnan(idle_s[i])) { /* A processor that is switched off has no line. */
            cpu_add(batch, &stat->idles[i], name, MODES[IDLE],
                    seconds_steady(&stat->idle_s[i], idle_s[i]));
        }
    }
}

const struct lw_host_collector LW_HOST_STAT = {"stat", sizeof(struct stat_state), stat_init,
                                               stat_take};
