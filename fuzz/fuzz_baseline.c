/*
 * Loads one series' state, or a pooled tail, from any bytes. What loads is stepped over some rows,
 * which may be of any value and in any order of time, and must save and load again to the same
 * results.
 */
#include "base/bytes.h"
#include "detect/baseline/baseline.h"
#include "detect/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_ROWS 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void tail_use(const uint8_t *data, size_t n_bytes)
{
    struct lw_tail tail;
    struct lw_reader reader;
    struct lw_error error;

    lw_reader_init(&reader, data, n_bytes);
    if (lw_tail_load(&tail, &reader, &error) == LW_OK && !(lw_tail_rate(&tail, 10.0) > 0.0)) {
        abort();
    }
}

static double row_value(unsigned i, const uint8_t *data, size_t n_bytes)
{
    static const double odd[] = {0.0, 1.0, NAN, -1e308, 1e308, 42.0, 1e-300, 5.0};

    return odd[(data[i % n_bytes] ^ i) % (sizeof(odd) / sizeof(odd[0]))];
}

static void baseline_equal(struct lw_baseline *baseline, struct lw_baseline *other,
                           const uint8_t *data, size_t n_bytes)
{
    struct lw_baseline_config config = {
        .benchmark = (data[0] & 1) != 0, .legal_min = -INFINITY, .legal_max = INFINITY};
    struct lw_baseline_result one, two;

    for (unsigned i = 0; i < N_ROWS; i++) {
        int64_t at = (int64_t)((uint64_t)data[(i * 7) % n_bytes] << (i % 56));

        lw_baseline_step(&config, baseline, at, row_value(i, data, n_bytes), &one);
        lw_baseline_step(&config, other, at, row_value(i, data, n_bytes), &two);
        if (memcmp(&one, &two, sizeof(one)) != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_baseline *baseline = aligned_alloc(64, (lw_baseline_bytes() + 63) / 64 * 64);
    struct lw_baseline *other = aligned_alloc(64, (lw_baseline_bytes() + 63) / 64 * 64);
    struct lw_reader reader;
    struct lw_writer writer;
    struct lw_error error;

    tail_use(data, n_bytes);
    lw_writer_init(&writer);
    lw_reader_init(&reader, data, n_bytes);
    if (baseline != NULL && other != NULL && lw_baseline_load(baseline, &reader, &error) == LW_OK) {
        lw_baseline_save(baseline, &writer);
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        if (lw_baseline_load(other, &reader, &error) != LW_OK) {
            abort();
        }
        baseline_equal(baseline, other, data, n_bytes);
    }
    lw_writer_fini(&writer);
    free(other);
    free(baseline);
    return 0;
}
