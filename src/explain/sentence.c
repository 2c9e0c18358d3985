/* Anomalies in words: see explain/sentence.h. */
#include "explain/sentence.h"

#include "base/option.h"
#include "base/text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX 48
#define PLAIN_LEAST 1e-4   /* Numbers from here ... */
#define PLAIN_MOST 1e12    /* ... to here are written without an exponent. */
#define OTHERS_MAX 3       /* Names after "with it". */
#define OTHERS_SHARE 0.05f /* A series with less to do with it is not named. */

/* ---- numbers ---- */

/* Copies digits, with a comma before every third one that is left of the point. */
static size_t digits_group(const char *digits, size_t n_whole, char *ret_text)
{
    size_t n = 0;

    for (size_t i = 0; i < n_whole; i++) {
        if (i > 0 && (n_whole - i) % 3 == 0) {
            ret_text[n++] = ',';
        }
        ret_text[n++] = digits[i];
    }
    return n;
}

/* The plain form of a number of three significant digits; 0 < value < PLAIN_MOST. */
static size_t number_plain(double value, char ret_text[NUMBER_MAX])
{
    char digits[NUMBER_MAX];
    int decimals = 2;
    size_t n_whole, n, n_digits;

    for (double bound = 1.0; decimals < 6 && value < bound; bound /= 10.0) {
        decimals++;
    }
    for (double bound = 10.0; decimals > 0 && value >= bound; bound *= 10.0) {
        decimals--;
    }
    n_digits = (size_t)snprintf(digits, sizeof(digits), "%.*f", decimals, value);
    n_whole = strcspn(digits, ".");
    if (n_whole < n_digits) {
        while (digits[n_digits - 1] == '0') {
            n_digits--;
        }
        n_digits -= digits[n_digits - 1] == '.';
    }
    n = digits_group(digits, n_whole, ret_text);
    memcpy(ret_text + n, digits + n_whole, n_digits - n_whole);
    ret_text[n + n_digits - n_whole] = '\0';
    return n + n_digits - n_whole;
}

static void number_text(double value, char ret_text[NUMBER_MAX])
{
    char rounded[NUMBER_MAX];
    double size;

    if (isnan(value) || isinf(value)) {
        (void)snprintf(ret_text, NUMBER_MAX, "%s",
                       isnan(value)  ? "no value"
                       : value > 0.0 ? "infinity"
                                     : "-infinity");
        return;
    }
    (void)snprintf(rounded, sizeof(rounded), "%.2e", fabs(value));
    (void)sscanf(rounded, "%lf", &size);
    if (size == 0.0) {
        (void)snprintf(ret_text, NUMBER_MAX, "0");
    } else if (size < PLAIN_LEAST || size >= PLAIN_MOST) {
        (void)snprintf(ret_text, NUMBER_MAX, "%.3g", value);
    } else {
        ret_text[0] = '-';
        (void)number_plain(size, ret_text + (value < 0.0));
    }
}

size_t lw_number_write(double value, char *ret_text, size_t capacity)
{
    char text[NUMBER_MAX];
    int n;

    assert(capacity > 0);
    number_text(value, text);
    n = snprintf(ret_text, capacity, "%s", text);
    return (size_t)n < capacity ? (size_t)n : capacity - 1;
}

/* ---- the sentence ---- */

struct sentence {
    char *text;
    size_t n, capacity;
};

static void say(struct sentence *sentence, const char *format, ...) LW_PRINTF(2, 3);

static void say(struct sentence *sentence, const char *format, ...)
{
    size_t room = sentence->capacity - sentence->n;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(sentence->text + sentence->n, room, format, args);
    va_end(args);
    if (n > 0) {
        sentence->n += (size_t)n < room ? (size_t)n : room - 1;
    }
}

static const char *name_of(const struct lw_sentence_input *input, uint32_t series)
{
    const char *name = input->series_name == NULL ? NULL
                                                  : input->series_name(input->context, series);

    return name == NULL || name[0] == '\0' ? "a series" : name;
}

/* ", expected 0.3 to 1.1", as far as an expectation is known. */
static void say_expected(struct sentence *sentence, const struct lw_sentence_input *input,
                         const struct lw_contribution *lead)
{
    char low[NUMBER_MAX], high[NUMBER_MAX];

    if (!isnan(input->lower) && !isnan(input->upper)) {
        number_text((double)input->lower, low);
        number_text((double)input->upper, high);
        if (strcmp(low, high) != 0) {
            say(sentence, ", expected %s to %s", low, high);
            return;
        }
        say(sentence, ", expected %s", low);
    } else if (!isnan(lead->expected)) {
        number_text((double)lead->expected, low);
        say(sentence, ", expected about %s", low);
    }
}

/* What the leading series does, for types that are about its value. */
static void say_value(struct sentence *sentence, const struct lw_sentence_input *input,
                      const struct lw_contribution *lead)
{
    enum lw_anomaly_type type = (enum lw_anomaly_type)input->anomaly->type;
    const char *name = name_of(input, lead->series);
    bool below = isnan(lead->expected) ? lead->value < input->lower || type == LW_TYPE_DROP
                                       : lead->value < lead->expected;
    char value[NUMBER_MAX];

    number_text((double)lead->value, value);
    if (isnan(lead->value)) {
        say(sentence, "%s is missing where a value was expected", name);
        return;
    }
    switch (type) {
    case LW_TYPE_SPIKE:
    case LW_TYPE_DROP: /* The type is the anomaly's, the way that of the series named first. */
        say(sentence, "%s %s to %s", name, below ? "fell" : "rose", value);
        break;
    case LW_TYPE_LEVEL:
        say(sentence, "%s moved %s to a new level of %s", name, below ? "down" : "up", value);
        break;
    case LW_TYPE_TREND:
        say(sentence, "%s keeps %s and reached %s", name, below ? "falling" : "climbing", value);
        break;
    case LW_TYPE_NOISE:
        say(sentence, "%s scatters more than it used to, as far as %s", name, value);
        break;
    case LW_TYPE_RANGE:
        say(sentence, "%s is at %s, outside its legal range", name, value);
        return;
    default:
        say(sentence, "%s behaves in a new way, at %s", name, value);
        break;
    }
    say_expected(sentence, input, lead);
}

static void say_what(struct sentence *sentence, const struct lw_sentence_input *input,
                     const struct lw_contribution *lead)
{
    const char *name = name_of(input, lead->series);
    char value[NUMBER_MAX];

    number_text((double)lead->value, value);
    switch ((enum lw_anomaly_type)input->anomaly->type) {
    case LW_TYPE_SILENT:
        say(sentence, "%s sends no samples any more", name);
        break;
    case LW_TYPE_STUCK:
        say(sentence, "%s is stuck at %s", name, value);
        break;
    case LW_TYPE_RESET:
        say(sentence, "the counter behind %s went back: it was reset", name);
        break;
    case LW_TYPE_DUPLICATE:
        say(sentence, "%s sends its samples more than once", name);
        break;
    case LW_TYPE_SKEW:
        say(sentence, "%s has time stamps that do not fit: its clock is off", name);
        break;
    case LW_TYPE_CORRELATION:
        say(sentence, "%s, at %s, no longer moves with the metrics it used to move with", name,
            value);
        break;
    default:
        say_value(sentence, input, lead);
        break;
    }
}

/* The first step to the end of the last one. */
static void say_duration(struct sentence *sentence, const struct lw_sentence_input *input)
{
    const struct lw_anomaly *anomaly = input->anomaly;
    int64_t duration_ns = anomaly->last_ns - anomaly->start_ns + input->step_ns;
    char text[64];

    if (duration_ns > 0) {
        (void)lw_duration_format(duration_ns, text, sizeof(text));
        say(sentence, ", for %s%s", text, anomaly->phase == LW_ANOMALY_CLOSED ? "" : " so far");
    }
}

static void say_others(struct sentence *sentence, const struct lw_sentence_input *input)
{
    const struct lw_anomaly *anomaly = input->anomaly;
    uint32_t n_others = 0;

    for (uint32_t i = 1;
         i < anomaly->n_contributions && anomaly->contributions[i].share >= OTHERS_SHARE; i++) {
        n_others++;
    }
    for (uint32_t i = 1; i <= n_others && i <= OTHERS_MAX; i++) {
        say(sentence, "%s%s",
            i == 1          ? "; with it: "
            : i == n_others ? " and "
                            : ", ",
            name_of(input, anomaly->contributions[i].series));
    }
    if (n_others > OTHERS_MAX) {
        say(sentence, " and %u more", n_others - OTHERS_MAX);
    }
}

/* Takes away a character that was cut in the middle. */
static void sentence_trim(struct sentence *sentence)
{
    size_t start = sentence->n;

    while (start > 0 && ((unsigned char)sentence->text[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start > 0 && start <= sentence->n &&
        ((unsigned char)sentence->text[start - 1] & 0x80) != 0 &&
        lw_utf8_length(sentence->text + start - 1, sentence->n - start + 1) !=
            sentence->n - start + 1) {
        sentence->n = start - 1;
        sentence->text[sentence->n] = '\0';
    }
}

size_t lw_sentence_write(const struct lw_sentence_input *input, char *ret_text, size_t capacity)
{
    struct sentence sentence = {ret_text, 0, capacity};

    assert(capacity > 0);
    ret_text[0] = '\0';
    if (input->anomaly->n_contributions == 0) {
        say(&sentence, "the metrics together behave in a new way");
    } else {
        say_what(&sentence, input, &input->anomaly->contributions[0]);
    }
    say_duration(&sentence, input);
    say_others(&sentence, input);
    say(&sentence, ".");
    sentence_trim(&sentence);
    return sentence.n;
}
