/*
 * What reading an exposition costs: samples a processor second, of a body made like a node
 * exporter's with its labels, in both formats. One JSON object a line.
 */
#include "support/bench.h"

#include "connect/exposition/exposition.h"

#include <stdlib.h>
#include <string.h>

#define N_FAMILIES 500
#define N_SERIES 40
#define N_ROUNDS 20

/* Families of counters whose labels are a processor and a mode. */
static char *body_make(bool is_open, size_t *ret_n)
{
    size_t capacity = (size_t)N_FAMILIES * N_SERIES * 128, n = 0;
    char *body = malloc(capacity);

    if (body == NULL) {
        exit(1);
    }
    for (int i = 0; i < N_FAMILIES; i++) {
        n += (size_t)snprintf(body + n, capacity - n,
                              "# HELP node_family_%d_seconds Seconds spent in each mode.\n"
                              "# TYPE node_family_%d_seconds counter\n",
                              i, i);
        for (int k = 0; k < N_SERIES; k++) {
            n += (size_t)snprintf(body + n, capacity - n,
                                  "node_family_%d_seconds_total{cpu=\"%d\",mode=\"mode%d\"} %.2f\n",
                                  i, k / 8, k % 8, 1000.0 * i + k * 1.37);
        }
    }
    n += (size_t)snprintf(body + n, capacity - n, "%s", is_open ? "# EOF\n" : "");
    *ret_n = n;
    return body;
}

static void bench_format(const char *name, enum lw_exposition_format format)
{
    struct lw_exposition *exposition = NULL;
    struct lw_exposition_sample sample;
    struct lw_error error;
    size_t n_bytes;
    char *body = body_make(format == LW_EXPOSITION_OPENMETRICS, &n_bytes);
    uint64_t n = 0;
    double start_s, sum = 0.0;

    if (lw_exposition_create(&exposition, &error) != LW_OK) {
        exit(1);
    }
    start_s = lw_bench_cpu_s();
    for (int round = 0; round < N_ROUNDS; round++) {
        enum lw_exposition_outcome outcome;

        lw_exposition_begin(exposition, format, body, n_bytes);
        while ((outcome = lw_exposition_next(exposition, &sample)) != LW_EXPOSITION_END) {
            if (outcome == LW_EXPOSITION_BAD) {
                (void)fprintf(stderr, "%s\n", lw_exposition_message(exposition));
                exit(1);
            }
            sum += sample.value;
            n++;
        }
    }
    if (n != (uint64_t)N_ROUNDS * N_FAMILIES * N_SERIES || !(sum > 0.0)) {
        exit(1);
    }
    lw_bench_print(name, (double)n / (lw_bench_cpu_s() - start_s), "samples/s");
    lw_exposition_destroy(exposition);
    free(body);
}

int main(void)
{
    bench_format("exposition_text_samples_per_s", LW_EXPOSITION_TEXT);
    bench_format("exposition_openmetrics_samples_per_s", LW_EXPOSITION_OPENMETRICS);
    return 0;
}
