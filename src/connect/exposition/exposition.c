/* Bodies of scrapes, line by line: see exposition/exposition.h. */
#define _GNU_SOURCE
#include "connect/exposition/exposition.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "connect/exposition/family.h"

#include <string.h>
#include <strings.h>

#define EOF_LINE "# EOF"
#define EOF_BYTES 5
#define HIGH_BITS UINT64_C(0x8080808080808080)

struct lw_exposition {
    enum lw_exposition_format format;
    const char *at, *end;
    bool is_ascii;         /* The whole body. */
    bool is_over, has_eof; /* Nothing is read any more; "# EOF" was. */
    uint64_t line;
    const char *message;
    struct lw_exposition_line parts;
    struct lw_exposition_family family;
};

enum lw_status lw_exposition_create(struct lw_exposition **ret_exposition, struct lw_error *reterr)
{
    struct lw_exposition *exposition = lw_mem_calloc(1, sizeof(*exposition));

    if (exposition == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes", sizeof(*exposition));
    }
    exposition->is_over = true;
    *ret_exposition = exposition;
    return LW_OK;
}

void lw_exposition_destroy(struct lw_exposition *exposition)
{
    if (exposition != NULL) {
        lw_exposition_family_fini(&exposition->family);
        lw_mem_free(exposition);
    }
}

static bool is_ascii(const char *text, size_t n_bytes)
{
    uint64_t bits = 0;
    size_t i = 0;

    for (; i + sizeof(uint64_t) <= n_bytes; i += sizeof(uint64_t)) {
        uint64_t eight;

        memcpy(&eight, text + i, sizeof(eight));
        bits |= eight;
    }
    for (; i < n_bytes; i++) {
        bits |= (uint64_t)(uint8_t)text[i];
    }
    return (bits & HIGH_BITS) == 0;
}

static bool is_utf8(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t n = lw_utf8_length(text + i, n_bytes - i);

        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

void lw_exposition_begin(struct lw_exposition *exposition, enum lw_exposition_format format,
                         const char *body, size_t n_bytes)
{
    exposition->format = format;
    exposition->at = body;
    exposition->end = body + n_bytes;
    exposition->is_ascii = is_ascii(body, n_bytes);
    exposition->is_over = exposition->has_eof = false;
    exposition->line = 0;
    exposition->message = "";
    lw_exposition_family_reset(&exposition->family);
}

static enum lw_exposition_outcome bad(struct lw_exposition *exposition, const char *why)
{
    exposition->message = why;
    exposition->is_over = exposition->is_over || exposition->format == LW_EXPOSITION_OPENMETRICS;
    return LW_EXPOSITION_BAD;
}

/* The next line; *ret_end is its end, without the line feed. */
static const char *line_take(struct lw_exposition *exposition, const char **ret_end)
{
    const char *begin = exposition->at;
    const char *feed = memchr(begin, '\n', (size_t)(exposition->end - begin));

    *ret_end = feed == NULL ? exposition->end : feed;
    exposition->at = feed == NULL ? exposition->end : feed + 1;
    exposition->line++;
    return begin;
}

static void sample_give(const struct lw_exposition *exposition,
                        struct lw_exposition_sample *ret_sample)
{
    const struct lw_exposition_line *parts = &exposition->parts;

    ret_sample->series = parts->series;
    ret_sample->n_bytes = (uint32_t)(parts->series_end - parts->series);
    ret_sample->has_time = parts->has_time;
    ret_sample->time_ns = parts->time_ns;
    ret_sample->value = parts->value;
    ret_sample->line = exposition->line;
}

/* ---- the text format ---- */

static enum lw_exposition_outcome text_next(struct lw_exposition *exposition,
                                            struct lw_exposition_sample *ret_sample)
{
    while (exposition->at < exposition->end) {
        const char *end, *why;
        const char *begin = line_take(exposition, &end);

        while (begin < end && (*begin == ' ' || *begin == '\t')) {
            begin++;
        }
        if (begin == end || *begin == '#') {
            continue;
        }
        why = lw_exposition_line_read(begin, end, false, &exposition->parts);
        if (why == NULL && !exposition->is_ascii && !is_utf8(begin, (size_t)(end - begin))) {
            why = "the line is no UTF-8";
        }
        if (why != NULL) {
            return bad(exposition, why);
        }
        sample_give(exposition, ret_sample);
        return LW_EXPOSITION_SAMPLE;
    }
    return LW_EXPOSITION_END;
}

/* ---- OpenMetrics ---- */

static const char *strict_line(struct lw_exposition *exposition, const char *begin, const char *end)
{
    const char *why;

    if (exposition->has_eof) {
        return "nothing may follow # EOF";
    }
    if (begin == end) {
        return "a line is empty";
    }
    if (!exposition->is_ascii && !is_utf8(begin, (size_t)(end - begin))) {
        return "the line is no UTF-8";
    }
    if (memchr(begin, '\r', (size_t)(end - begin)) != NULL) {
        return "a carriage return may not be there";
    }
    if (*begin == '#') {
        exposition->has_eof = end - begin == EOF_BYTES && memcmp(begin, EOF_LINE, EOF_BYTES) == 0;
        return exposition->has_eof ? lw_exposition_family_close(&exposition->family)
                                   : lw_exposition_family_meta(&exposition->family, begin, end);
    }
    why = lw_exposition_line_read(begin, end, true, &exposition->parts);
    return why == NULL ? lw_exposition_family_sample(&exposition->family, &exposition->parts) : why;
}

static enum lw_exposition_outcome strict_next(struct lw_exposition *exposition,
                                              struct lw_exposition_sample *ret_sample)
{
    while (exposition->at < exposition->end) {
        const char *end;
        const char *begin = line_take(exposition, &end);
        const char *why = strict_line(exposition, begin, end);

        if (why != NULL) {
            return bad(exposition, why);
        }
        if (*begin != '#') {
            sample_give(exposition, ret_sample);
            return LW_EXPOSITION_SAMPLE;
        }
    }
    return exposition->has_eof ? LW_EXPOSITION_END : bad(exposition, "# EOF is not there");
}

enum lw_exposition_outcome lw_exposition_next(struct lw_exposition *exposition,
                                              struct lw_exposition_sample *ret_sample)
{
    if (exposition->is_over) {
        return LW_EXPOSITION_END;
    }
    return exposition->format == LW_EXPOSITION_OPENMETRICS ? strict_next(exposition, ret_sample)
                                                           : text_next(exposition, ret_sample);
}

uint64_t lw_exposition_line(const struct lw_exposition *exposition)
{
    return exposition->line;
}

const char *lw_exposition_message(const struct lw_exposition *exposition)
{
    return exposition->message;
}

/* ---- series spelt out ---- */

/* Copies a text, escapes resolved, with a terminator. NULL when it does not fit or holds a 0. */
static const char *text_copy(struct lw_exposition_key *key, size_t *used,
                             const struct lw_exposition_text *text)
{
    char *copy = key->bytes + *used;
    size_t n = 0;

    if (text->n_bytes >= sizeof(key->bytes) - *used || memchr(text->text, '\0', text->n_bytes)) {
        return NULL;
    }
    for (uint32_t i = 0; i < text->n_bytes; i++) {
        char c = text->text[i];

        if (c == '\\' && i + 1 < text->n_bytes && strchr("\\\"n", text->text[i + 1]) != NULL) {
            i++;
            c = text->text[i] == 'n' ? '\n' : text->text[i];
        }
        copy[n++] = c;
    }
    copy[n] = '\0';
    *used += n + 1;
    return copy;
}

enum lw_status lw_exposition_spell(const char *series, size_t n_bytes,
                                   struct lw_exposition_key *ret_key, struct lw_error *reterr)
{
    struct lw_exposition_line line;
    const char *end;
    const char *why = lw_exposition_series_read(series, series + n_bytes, false, &line, &end);
    size_t used = 0;
    bool fits;

    if (why != NULL || end != series + n_bytes) {
        return lw_error_set(reterr, LW_EINVAL, "%s", why == NULL ? "no series" : why);
    }
    if (line.n_labels > LW_LABELS_MAX) {
        return lw_error_set(reterr, LW_ETOOLONG, "the series has %u labels; at most %d are allowed",
                            line.n_labels, LW_LABELS_MAX);
    }
    if (memchr(series, '\0', n_bytes) != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "a byte of the series is 0");
    }
    ret_key->key.metric = text_copy(ret_key, &used, &line.name);
    fits = ret_key->key.metric != NULL;
    for (uint32_t i = 0; fits && i < line.n_labels; i++) {
        ret_key->labels[i].name = text_copy(ret_key, &used, &line.labels[i].name);
        fits = ret_key->labels[i].name != NULL;
        ret_key->labels[i].value = fits ? text_copy(ret_key, &used, &line.labels[i].value) : NULL;
        fits = fits && ret_key->labels[i].value != NULL;
    }
    if (!fits) {
        return lw_error_set(reterr, LW_ETOOLONG, "the series' text has more than %d bytes",
                            LW_EXPOSITION_KEY_BYTES);
    }
    ret_key->key.labels = ret_key->labels;
    ret_key->key.n_labels = line.n_labels;
    return LW_OK;
}

/* ---- content types ---- */

/* The value of a parameter behind the type, without quotes. */
static bool parameter_is(const char *parameters, const char *name, const char *const *values)
{
    const char *at = strcasestr(parameters, name);

    if (at == NULL) {
        return true;
    }
    at += strlen(name);
    at += *at == '"' ? 1 : 0;
    for (; *values != NULL; values++) {
        size_t n = strlen(*values);

        if (strncasecmp(at, *values, n) == 0 && strchr("\"; \t", at[n]) != NULL) {
            return true;
        }
    }
    return false;
}

enum lw_status lw_exposition_format_of(const char *content_type,
                                       enum lw_exposition_format *ret_format,
                                       struct lw_error *reterr)
{
    static const char *const text_versions[] = {"0.0.4", "1.0.0", NULL};
    static const char *const open_versions[] = {"1.0.0", "0.0.1", NULL};
    size_t n = content_type == NULL ? 0 : strcspn(content_type, "; \t");
    bool is_open = n == 28 && strncasecmp(content_type, "application/openmetrics-text", n) == 0;
    bool is_text = n == 0 || (n == 10 && strncasecmp(content_type, "text/plain", n) == 0);

    if ((!is_open && !is_text) ||
        (n > 0 &&
         !parameter_is(content_type + n, "version=", is_open ? open_versions : text_versions))) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the answer's type is \"%.100s\"; expected text/plain; version=0.0.4 "
                            "or application/openmetrics-text; version=1.0.0",
                            content_type);
    }
    *ret_format = is_open ? LW_EXPOSITION_OPENMETRICS : LW_EXPOSITION_TEXT;
    return LW_OK;
}
