/* Any bytes as chunks of the history, and any numbers through them: the first byte says which. What
 * is written reads back bit for bit; what is read is bounded and ascends where it must. */
#include "store/chunk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void read_times(struct lw_reader *reader, int64_t *times)
{
    struct lw_chunk_span span;

    if (lw_chunk_times_read(reader, &span, times) == LW_OK) {
        check(span.n > 0 && span.n <= LW_CHUNK_SAMPLES_MAX);
        check(times[0] == span.first_ns && times[span.n - 1] == span.last_ns);
        for (size_t i = 1; i < span.n; i++) {
            check(times[i] >= times[i - 1]);
        }
    }
}

static void write_values(struct lw_chunk_coder *coder, const double *values, size_t n,
                         double *values_read)
{
    struct lw_writer writer;
    struct lw_reader reader;

    lw_writer_init(&writer);
    lw_chunk_values_write(coder, values, n, &writer);
    if (writer.status == LW_OK) {
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        check(lw_chunk_values_read(coder, &reader, n, values_read) == LW_OK);
        check(memcmp(values, values_read, n * sizeof(double)) == 0);
    }
    lw_writer_fini(&writer);
}

static void write_times(struct lw_chunk_coder *coder, int64_t *times, size_t n, int64_t *times_read)
{
    struct lw_writer writer;
    struct lw_reader reader;
    struct lw_chunk_span span;

    qsort(times, n, sizeof(times[0]), compare_times);
    lw_writer_init(&writer);
    lw_chunk_times_write(coder, times, n, &writer);
    if (writer.status == LW_OK) {
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        check(lw_chunk_times_read(&reader, &span, times_read) == LW_OK);
        check(span.n == n && memcmp(times, times_read, n * sizeof(times[0])) == 0);
    }
    lw_writer_fini(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static int64_t times[LW_CHUNK_SAMPLES_MAX], times_read[LW_CHUNK_SAMPLES_MAX];
    static double values[LW_CHUNK_SAMPLES_MAX], values_read[LW_CHUNK_SAMPLES_MAX];
    struct lw_chunk_coder *coder;
    struct lw_reader reader;
    size_t n;

    if (n_bytes < 4) {
        return 0;
    }
    coder = lw_chunk_coder_create();
    if (coder == NULL) {
        return 0;
    }
    n = (n_bytes - 3) / 8 < LW_CHUNK_SAMPLES_MAX ? (n_bytes - 3) / 8 : LW_CHUNK_SAMPLES_MAX;
    lw_reader_init(&reader, data + 3, n_bytes - 3);
    switch (data[0] % 4) {
    case 0:
        (void)!lw_chunk_values_read(coder, &reader, (size_t)data[1] + 16 * (size_t)data[2], values);
        break;
    case 1:
        read_times(&reader, times);
        break;
    case 2:
        memcpy(values, data + 3, n * 8);
        if (n > 0) {
            write_values(coder, values, n, values_read);
        }
        break;
    default:
        memcpy(times, data + 3, n * 8);
        if (n > 0) {
            write_times(coder, times, n, times_read);
        }
        break;
    }
    lw_chunk_coder_destroy(coder);
    return 0;
}
