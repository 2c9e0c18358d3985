/*
 * What `lapwing replay` says of the same samples: they go to it as a CSV file, and the rows that it
 * writes come back one by one, in the order of the samples, to be held against verdicts of ours.
 *
 * Whatever differs or is missing ends the process, so that a bench prints no figure of a run whose
 * verdicts were wrong. LAPWING names the program. The file has no name of its own: nothing is left
 * behind.
 */
#ifndef LW_BENCH_SUPPORT_REPLAYED_H
#define LW_BENCH_SUPPORT_REPLAYED_H

#include "base/time_text.h"

#include "lapwing/lapwing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LW_REPLAYED_HEADER                                                                         \
    "time,entity,series,score,event,alarm,type,expected,lower,upper,value,onset,confidence,"       \
    "return_rows\n"
#define LW_REPLAYED_LINE_MAX 2048

/* An option of the detector, by name. */
struct lw_replayed_option {
    const char *name, *value;
};

struct lw_replayed {
    FILE *samples; /* What goes in. */
    FILE *rows;    /* What comes back. */
    uint64_t n_rows;
    char line[LW_REPLAYED_LINE_MAX]; /* The row at hand. */
    const char *after_names;         /* In it. */
};

static inline void lw_replayed_fail(const struct lw_replayed *replayed, const char *what)
{
    (void)fprintf(stderr, "replay, row %lu: %s\n", replayed->n_rows, what);
    exit(1);
}

static inline struct lw_replayed lw_replayed_begin(void)
{
    struct lw_replayed replayed = {.samples = tmpfile()};

    if (replayed.samples == NULL) {
        lw_replayed_fail(&replayed, "no temporary file for its samples");
    }
    (void)fputs("time,entity,series,value\n", replayed.samples);
    return replayed;
}

/* names: entity and series, "entity,series", as CSV has them. */
static inline void lw_replayed_sample(struct lw_replayed *replayed, const char *names,
                                      int64_t time_ns, double value)
{
    (void)fprintf(replayed->samples, "%lld,%s,%.17g\n", (long long)time_ns, names, value);
}

/* Starts the replay of the samples there are; the last option has no name. */
static inline void lw_replayed_run(struct lw_replayed *replayed,
                                   const struct lw_replayed_option *options)
{
    const char *program = getenv("LAPWING");
    char command[4096];
    int length = snprintf(command, sizeof(command), "'%s' replay --quiet --strict",
                          program != NULL ? program : "build/release/lapwing");

    for (; options->name != NULL; options++) {
        length += snprintf(command + length, sizeof(command) - (size_t)length, " --set '%s=%s'",
                           options->name, options->value);
    }
    if (fflush(replayed->samples) != 0 || ferror(replayed->samples)) {
        lw_replayed_fail(replayed, "its samples cannot be written");
    }
    (void)snprintf(command + length, sizeof(command) - (size_t)length, " --out - /dev/fd/%d",
                   fileno(replayed->samples));
    replayed->rows = popen(command, "r");
    if (replayed->rows == NULL ||
        fgets(replayed->line, sizeof(replayed->line), replayed->rows) == NULL) {
        lw_replayed_fail(replayed, "it does not run");
    }
    if (strcmp(replayed->line, LW_REPLAYED_HEADER) != 0) {
        lw_replayed_fail(replayed, "the columns are not those expected");
    }
}

/* On to the next row, which has to be of that sample. */
static inline void lw_replayed_next(struct lw_replayed *replayed, const char *names,
                                    int64_t time_ns)
{
    char begin[LW_REPLAYED_LINE_MAX];
    int length = (int)lw_time_format(time_ns, begin);

    length += snprintf(begin + length, sizeof(begin) - (size_t)length, ",%s,", names);
    replayed->n_rows++;
    if (fgets(replayed->line, sizeof(replayed->line), replayed->rows) == NULL) {
        lw_replayed_fail(replayed, "it is missing");
    }
    if (strncmp(replayed->line, begin, (size_t)length) != 0) {
        lw_replayed_fail(replayed, "it is about another sample");
    }
    replayed->after_names = replayed->line + length;
}

/* One field is the number; empty stands for NaN. Takes its comma too. */
static inline bool lw_replayed_float_is(const char **at, float value)
{
    char *end;
    float said = (float)strtod(*at, &end); /* The fewest digits that read back as the float. */

    said = end == *at ? NAN : said;
    *at = end + (*end == ',');
    return said == value || (isnan(said) && isnan(value));
}

/* Takes its comma too. */
static inline bool lw_replayed_text_is(const char **at, const char *text)
{
    size_t length = strlen(text);

    if (strncmp(*at, text, length) != 0 || (*at)[length] != ',') {
        return false;
    }
    *at += length + 1;
    return true;
}

/* The row at hand has to say all that the verdict says. */
static inline void lw_replayed_expect(struct lw_replayed *replayed,
                                      const struct lw_verdict *verdict, const char *whose)
{
    static const char *const confidences[] = {"none", "low", "full"};
    const char *at = replayed->after_names;
    bool is_same = lw_replayed_float_is(&at, verdict->score) &&
                   lw_replayed_float_is(&at, verdict->event) &&
                   lw_replayed_text_is(&at, verdict->alarm ? "1" : "0") &&
                   lw_replayed_text_is(&at, lw_anomaly_type_name(verdict->type)) &&
                   lw_replayed_float_is(&at, verdict->expected) &&
                   lw_replayed_float_is(&at, verdict->lower) &&
                   lw_replayed_float_is(&at, verdict->upper) &&
                   lw_replayed_float_is(&at, verdict->value) &&
                   lw_replayed_text_is(&at, verdict->onset ? "1" : "0") &&
                   lw_replayed_text_is(&at, confidences[verdict->confidence]) &&
                   lw_replayed_float_is(&at, verdict->return_rows) && *at == '\n';

    if (!is_same) {
        (void)fprintf(stderr,
                      "%sours: score %.9g, event %.9g, alarm %d, expected %.9g in %.9g to %.9g, "
                      "value %.9g\n",
                      replayed->line, (double)verdict->score, (double)verdict->event,
                      verdict->alarm, (double)verdict->expected, (double)verdict->lower,
                      (double)verdict->upper, (double)verdict->value);
        lw_replayed_fail(replayed, whose);
    }
}

/* There may be no further row, and replay has to end well. */
static inline void lw_replayed_end(struct lw_replayed *replayed)
{
    if (fgets(replayed->line, sizeof(replayed->line), replayed->rows) != NULL) {
        lw_replayed_fail(replayed, "there are more rows than samples");
    }
    if (pclose(replayed->rows) != 0) {
        lw_replayed_fail(replayed, "it did not end well");
    }
    (void)fclose(replayed->samples);
}

#endif
