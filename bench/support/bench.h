/*
 * What every bench includes: the clock, the output and the way to a peer.
 *
 * The clock is the CPU time of this process, all its threads counted. Output is one JSON object a
 * line. A peer is a script in bench/peers, run in the same invocation by the Python that
 * bench/peers/venv names; no peer, no ratio.
 */
#ifndef LW_BENCH_SUPPORT_BENCH_H
#define LW_BENCH_SUPPORT_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LW_BENCH_REPEATS 7
#define LW_BENCH_REPEAT_S 0.2 /* Least CPU time of one repeat. */

static inline double lw_bench_cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline int lw_bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median CPU seconds of one call of work(context), which is called often enough for the clock. */
static inline double lw_bench_median_s(void (*work)(void *context), void *context)
{
    double seconds[LW_BENCH_REPEATS], begin;
    size_t n_calls = 1;

    work(context); /* Warms the caches. */
    for (;;) {
        begin = lw_bench_cpu_s();
        for (size_t i = 0; i < n_calls; i++) {
            work(context);
        }
        if (lw_bench_cpu_s() - begin >= LW_BENCH_REPEAT_S) {
            break;
        }
        n_calls *= 2;
    }
    for (size_t repeat = 0; repeat < LW_BENCH_REPEATS; repeat++) {
        begin = lw_bench_cpu_s();
        for (size_t i = 0; i < n_calls; i++) {
            work(context);
        }
        seconds[repeat] = (lw_bench_cpu_s() - begin) / (double)n_calls;
    }
    qsort(seconds, LW_BENCH_REPEATS, sizeof(seconds[0]), lw_bench_compare);
    return seconds[LW_BENCH_REPEATS / 2];
}

static inline void lw_bench_print(const char *bench, double value, const char *unit)
{
    printf("{\"bench\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", bench, value, unit);
    (void)fflush(stdout);
}

/* A value of time beside the peer's; the ratio says how many times ours fits into the peer's. */
static inline void lw_bench_print_peer(const char *bench, double value, const char *unit,
                                       const char *peer, const char *peer_version,
                                       double peer_value)
{
    printf("{\"bench\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"peer\": \"%s\", "
           "\"peer_version\": \"%s\", "
           "\"peer_value\": %.6g, \"ratio\": %.6g}\n",
           bench, value, unit, peer, peer_version, peer_value, peer_value / value);
    (void)fflush(stdout);
}

/*
 * Opens the output of a peer's script, to be read and closed by pclose; NULL when there is no
 * Python for it. `folder` is bench/peers; `packages` are what pip has to have installed.
 */
static inline FILE *lw_bench_peer_open(const char *folder, const char *script, const char *packages,
                                       const char *arguments)
{
    char command[4096], python[1024] = "";
    FILE *pipe;

    (void)snprintf(command, sizeof(command), "'%s/venv' %s", folder, packages);
    pipe = popen(command, "r");
    if (pipe == NULL || fgets(python, sizeof(python), pipe) == NULL) {
        python[0] = '\0';
    }
    if (pipe == NULL || pclose(pipe) != 0 || python[0] == '\0') {
        return NULL;
    }
    python[strcspn(python, "\n")] = '\0';
    (void)snprintf(command, sizeof(command), "'%s' '%s/%s' %s", python, folder, script, arguments);
    return popen(command, "r");
}

#endif
