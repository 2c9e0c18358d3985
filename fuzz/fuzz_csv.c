/*
 * CSV files of any dialect: detection and reading hold for any bytes.
 *
 * The first byte chooses options, the rest is the file. What is checked beside memory: points have
 * series that the feed gave, tags do not fall, the last point of a row ends it, and every number
 * that the own parser takes is strtod's.
 */
#include "connect/csv/decimal.h"
#include "connect/source_csv.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

struct host {
    uint32_t n_series;
    uint64_t n_faults, n_dropped;
};

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static enum lw_status host_series(void *context, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct host *host = context;

    require(key->metric[0] != '\0' && strlen(key->metric) < LW_NAME_MAX,
            "metrics have a name within the limit");
    require(key->n_labels > 0 && key->n_labels <= LW_LABELS_MAX,
            "series have labels within the limit");
    if (host->n_series == 1000) {
        (void)snprintf(reterr->message, sizeof(reterr->message), "enough");
        return LW_ELIMIT;
    }
    *ret_series = host->n_series++;
    return LW_OK;
}

static enum lw_status host_push(void *context, const struct lw_point *points, size_t n)
{
    const struct host *host = context;

    for (size_t i = 0; i < n; i++) {
        require(points[i].series < host->n_series, "points are of series that were given");
    }
    return LW_OK;
}

static enum lw_status host_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static void host_dropped(void *context, const char *reason, uint64_t n)
{
    struct host *host = context;

    require(reason[0] != '\0' && n > 0, "drops have a reason and a number");
    host->n_dropped += n;
}

static void host_complain(void *context, const struct lw_csv_complaint *complaint)
{
    struct host *host = context;

    require(complaint->line > 0 && complaint->detail[0] != '\0',
            "complaints have a place and a reason");
    host->n_faults++;
}

static void batch_check(const struct lw_csv_batch *batch, uint64_t *last_tag)
{
    for (uint32_t i = 0; i < batch->n_points; i++) {
        require(batch->points[i].tag >= *last_tag, "tags do not fall");
        require(i == 0 || batch->points[i].tag == batch->points[i - 1].tag ||
                    (batch->points[i - 1].flags & LW_POINT_MORE) == 0,
                "the last point of a row ends it");
        *last_tag = batch->points[i].tag;
    }
    require(batch->n_points == 0 || (batch->points[batch->n_points - 1].flags & LW_POINT_MORE) == 0,
            "batches end with a row");
}

/* The text as a number, by both parsers. */
static void number_check(const uint8_t *data, size_t n_bytes)
{
    char text[LW_CSV_NUMBER_BYTES_MAX + 1];
    double value, expected;
    char *end;

    if (n_bytes == 0 || n_bytes > LW_CSV_NUMBER_BYTES_MAX || memchr(data, '\0', n_bytes) != NULL) {
        return;
    }
    memcpy(text, data, n_bytes);
    text[n_bytes] = '\0';
    if (lw_csv_decimal_parse(text, n_bytes, '.', &value)) {
        expected = strtod(text, &end);
        require(*end == '\0' && memcmp(&value, &expected, sizeof(value)) == 0,
                "numbers are strtod's");
    }
}

static void file_check(const struct lw_csv_options *options, const uint8_t *data, size_t n_bytes)
{
    struct host host = {0};
    const struct lw_feed feed = {.series = host_series,
                                 .push = host_push,
                                 .watermark = host_watermark,
                                 .dropped = host_dropped,
                                 .context = &host};
    const struct lw_csv_listener listener = {.complain = host_complain, .context = &host};
    const struct lw_csv_setup setup = {.options = options, .feed = &feed, .listener = &listener};
    struct lw_csv_source *source = NULL;
    struct lw_csv_batch batch = {0};
    struct lw_error error;
    uint64_t last_tag = 0;
    int64_t watermark_ns = INT64_MIN;
    bool is_over = false;
    char said[512];

    if (lw_csv_source_open_bytes(&setup, "fuzz.csv", data, n_bytes, &source, &error) != LW_OK) {
        require(error.message[0] != '\0', "failures have a message");
        return;
    }
    require(lw_csv_dialect_describe(lw_csv_source_dialect(source), said, sizeof(said)) <
                sizeof(said),
            "descriptions fit");
    while (lw_csv_batch_init(&batch, &error) == LW_OK && !is_over) {
        if (lw_csv_source_read(source, &batch, &is_over, &error) != LW_OK) {
            is_over = true;
        }
        batch_check(&batch, &last_tag);
        require(lw_csv_batch_deliver(&batch, &feed, 10000000000, &watermark_ns) == LW_OK,
                "the feed takes all");
        lw_csv_batch_fini(&batch);
    }
    lw_csv_batch_fini(&batch);
    require(host.n_dropped >= host.n_faults || is_over, "every complaint is counted");
    lw_csv_source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_csv_options options = {0};
    uint8_t choice;

    if (n_bytes == 0) {
        return 0;
    }
    choice = data[0];
    options.layout = (choice & 3) == 3 ? LW_CSV_LAYOUT_AUTO : (enum lw_csv_layout)(choice & 3);
    options.header = (choice >> 2 & 3) == 3 ? LW_CSV_AUTO : (enum lw_csv_choice)(choice >> 2 & 3);
    options.separator = (choice & 16) != 0 ? ';' : '\0';
    options.time = (choice & 32) != 0 ? "1" : NULL;
    options.time_format = (choice & 64) != 0 ? "%d/%b/%Y %I:%M:%S %p %z" : NULL;
    number_check(data + 1, n_bytes - 1);
    file_check(&options, data + 1, n_bytes - 1);
    return 0;
}
