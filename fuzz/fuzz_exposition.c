/*
 * Expositions of targets, in both formats: reading holds for any bytes.
 *
 * The first byte chooses the format, the rest is the body. What is checked beside memory: samples
 * lie in the body, line numbers ascend, OpenMetrics ends with its first breach, a series can be
 * spelt out or says why not, its name is the beginning of it, and a number is strtod's.
 */
#include "connect/exposition/exposition.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static void sample_check(const struct lw_exposition_sample *sample, const char *body,
                         size_t n_bytes)
{
    static struct lw_exposition_key key;
    struct lw_error error;
    const char *behind = sample->series + sample->n_bytes;
    char number[400];
    size_t n = 0;

    require(sample->series >= body && behind < body + n_bytes, "samples lie in the body");
    require(sample->has_time || sample->time_ns == 0, "a time that is not there is 0");
    if (lw_exposition_spell(sample->series, sample->n_bytes, &key, &error) == LW_OK) {
        require(key.key.metric[0] != '\0' && key.key.n_labels <= LW_LABELS_MAX,
                "series have a name and labels within the limit");
    } else {
        require(error.message[0] != '\0', "failures have a message");
    }
    while (behind < body + n_bytes && (*behind == ' ' || *behind == '\t')) {
        behind++;
    }
    while (behind + n < body + n_bytes && strchr(" \t\n", behind[n]) == NULL &&
           n < sizeof(number) - 1) {
        number[n] = behind[n];
        n++;
    }
    number[n] = '\0';
    if (n < sizeof(number) - 1 && isfinite(sample->value)) {
        require(strtod(number, NULL) == sample->value, "numbers are strtod's");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_exposition *exposition = NULL;
    struct lw_exposition_sample sample;
    struct lw_error error;
    enum lw_exposition_outcome outcome;
    enum lw_exposition_format format;
    uint64_t line = 0, n_bad = 0;
    char *body;

    if (n_bytes == 0 || lw_exposition_create(&exposition, &error) != LW_OK) {
        return 0;
    }
    format = (data[0] & 1) != 0 ? LW_EXPOSITION_OPENMETRICS : LW_EXPOSITION_TEXT;
    body = malloc(n_bytes); /* Of its own, so that a read behind its end is seen. */
    if (body == NULL) {
        lw_exposition_destroy(exposition);
        return 0;
    }
    memcpy(body, data + 1, n_bytes - 1);
    lw_exposition_begin(exposition, format, body, n_bytes - 1);
    while ((outcome = lw_exposition_next(exposition, &sample)) != LW_EXPOSITION_END) {
        require(n_bad == 0 || format == LW_EXPOSITION_TEXT, "a breach is the end");
        require(lw_exposition_line(exposition) > line || outcome == LW_EXPOSITION_BAD,
                "lines ascend");
        line = lw_exposition_line(exposition);
        if (outcome == LW_EXPOSITION_BAD) {
            n_bad++;
            require(lw_exposition_message(exposition)[0] != '\0', "bad lines have a reason");
        } else {
            sample_check(&sample, body, n_bytes - 1);
        }
    }
    free(body);
    lw_exposition_destroy(exposition);
    return 0;
}
