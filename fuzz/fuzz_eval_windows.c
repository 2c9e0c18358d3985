/*
 * Windows as JSON or CSV: any bytes are read or refused with a reason.
 *
 * What is checked beside memory: no window ends before it begins, every entry is found by its name,
 * and applied to rows the windows lie in order, apart, and on labelled rows only.
 */
#include "cli/eval_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 64
#define DAY_NS INT64_C(86400000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static void periods_check(const struct lw_eval_periods *periods, const int64_t *times)
{
    struct lw_eval_window *windows = calloc(periods->n + 1, sizeof(*windows));
    uint8_t labels[N];
    size_t n, n_empty;

    require(windows != NULL, "memory for windows");
    for (size_t i = 0; i < periods->n; i++) {
        require(periods->items[i].first_ns <= periods->items[i].last_ns, "no window is backwards");
    }
    n = lw_eval_windows_apply(periods, times, N, labels, windows, &n_empty);
    require(n + n_empty <= periods->n, "there are no more windows than periods");
    for (size_t i = 0; i < n; i++) {
        require(windows[i].first <= windows[i].last && windows[i].last < N,
                "windows lie in the rows");
        require(i == 0 || windows[i].first > windows[i - 1].last, "windows lie apart, in order");
        require(labels[windows[i].first] == 1 && labels[windows[i].last] == 1, "ends are labelled");
    }
    free(windows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_eval_windows windows;
    struct lw_error error = {0};
    int64_t times[N];

    for (int64_t i = 0; i < N; i++) { /* Days of 2020 with repetitions and one step back. */
        times[i] = INT64_C(1577836800000000000) + (i / 2 - (i == 40 ? 3 : 0)) * DAY_NS;
    }
    if (lw_eval_windows_read_bytes("fuzz", data, n_bytes, &windows, &error) != LW_OK) {
        require(strncmp(error.message, "fuzz", 4) == 0, "a reason names the file");
        return 0;
    }
    for (size_t i = 0; i < windows.n; i++) {
        require(lw_eval_windows_find(&windows, windows.entries[i].name) != NULL || i > 0,
                "an entry is found");
        periods_check(&windows.entries[i], times);
    }
    lw_eval_windows_fini(&windows);
    return 0;
}
