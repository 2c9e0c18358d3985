/* Walking over the text of a file under /proc. */
#include "connect/host/scan.h"

#include <string.h>

struct lw_scan lw_scan_text(const char *text, size_t n_bytes)
{
    return (struct lw_scan){.at = text, .end = text + n_bytes};
}

bool lw_scan_line(struct lw_scan *scan, struct lw_scan *ret_line)
{
    const char *newline;

    if (scan->at == scan->end) {
        return false;
    }
    newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    ret_line->at = scan->at;
    ret_line->end = newline == NULL ? scan->end : newline;
    scan->at = newline == NULL ? scan->end : newline + 1;
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

bool lw_scan_word(struct lw_scan *line, struct lw_word *ret_word)
{
    const char *start;

    while (line->at < line->end && is_blank(*line->at)) {
        line->at++;
    }
    start = line->at;
    while (line->at < line->end && !is_blank(*line->at)) {
        line->at++;
    }
    *ret_word = (struct lw_word){.text = start, .n_bytes = (size_t)(line->at - start)};
    return ret_word->n_bytes > 0;
}

bool lw_word_u64(struct lw_word word, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < word.n_bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)word.text[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret_value = value;
    return word.n_bytes > 0;
}

bool lw_scan_u64(struct lw_scan *line, uint64_t *ret_value)
{
    struct lw_word word;

    return lw_scan_word(line, &word) && lw_word_u64(word, ret_value);
}

bool lw_scan_numbers(struct lw_scan *line, double *ret_values, size_t n)
{
    uint64_t value;

    for (size_t i = 0; i < n; i++) {
        if (!lw_scan_u64(line, &value)) {
            return false;
        }
        ret_values[i] = (double)value;
    }
    return true;
}

bool lw_scan_decimal(struct lw_scan *line, double *ret_value)
{
    struct lw_word word, whole, part = {0};
    const char *point;
    uint64_t units = 0, fraction = 0;
    double scale = 1.0;

    if (!lw_scan_word(line, &word)) {
        return false;
    }
    point = memchr(word.text, '.', word.n_bytes);
    whole = (struct lw_word){word.text, point == NULL ? word.n_bytes : (size_t)(point - word.text)};
    if (point != NULL) {
        part = (struct lw_word){point + 1, word.n_bytes - whole.n_bytes - 1};
    }
    if (!lw_word_u64(whole, &units) || (point != NULL && !lw_word_u64(part, &fraction))) {
        return false;
    }
    for (size_t i = 0; i < part.n_bytes; i++) {
        scale *= 10.0;
    }
    *ret_value = (double)units + (double)fraction / scale;
    return true;
}

bool lw_word_is(struct lw_word word, const char *text)
{
    return strlen(text) == word.n_bytes && memcmp(word.text, text, word.n_bytes) == 0;
}

bool lw_word_begins(struct lw_word word, const char *text)
{
    size_t n_bytes = strlen(text);

    return word.n_bytes >= n_bytes && memcmp(word.text, text, n_bytes) == 0;
}
