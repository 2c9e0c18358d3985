/* Samples as JSON objects: see connect/json_lines.h. */
#include "connect/json_lines.h"

#include "connect/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What stands between a metric's name and its labels when both are written without blanks. */
#define JOINT "\",\"labels\":"
#define JOINT_BYTES (sizeof(JOINT) - 1)

enum member { MEMBER_METRIC, MEMBER_LABELS, MEMBER_TIME, MEMBER_VALUE, MEMBER_VALUES, MEMBERS };

static const char *const member_names[MEMBERS] = {"metric", "labels", "time", "value", "values"};
static const uint32_t member_bytes[MEMBERS] = {6, 6, 4, 5, 6};

/* A line being read. */
struct reading {
    struct lw_json_scan scan;
    enum lw_time_unit unit;
    struct lw_json_line *line;
    unsigned seen;          /* Bit for each member. */
    const char *metric_end; /* Behind the closing quote of "metric"; NULL: not just before. */
    const char *wrong;      /* In place of what the scanner says. */
};

static bool reading_fail(struct reading *reading, const char *wrong)
{
    reading->wrong = reading->wrong == NULL ? wrong : reading->wrong;
    return lw_json_scan_fail(&reading->scan, "");
}

/* ---- members ---- */

static bool member_find(const struct lw_json_text *key, enum member *ret_member)
{
    for (int i = 0; i < MEMBERS; i++) {
        const char *name = member_names[i];

        if ((key->has_escapes || (key->n_bytes == member_bytes[i] && key->text[0] == name[0])) &&
            lw_json_text_is(key, name)) {
            *ret_member = (enum member)i;
            return true;
        }
    }
    return false;
}

/* Labels are looked at when a series is new; here they are but passed over, as texts. */
static bool labels_read(struct reading *reading)
{
    struct lw_json_text key, value;
    struct lw_json_line *line = reading->line;

    if (lw_json_scan_peek(&reading->scan) != LW_JSON_OBJECT) {
        return lw_json_scan_fail(&reading->scan, "an object of labels");
    }
    line->labels = reading->scan.at;
    line->is_plain = reading->metric_end != NULL &&
                     line->labels - reading->metric_end == (ptrdiff_t)JOINT_BYTES - 1;
    (void)lw_json_scan_object(&reading->scan);
    while (lw_json_scan_key(&reading->scan, &key)) {
        if (!lw_json_scan_text(&reading->scan, &value)) {
            return false;
        }
    }
    line->n_labels = (uint32_t)(reading->scan.at - line->labels);
    return true;
}

/* A time as a number: exact, but where it is written with an exponent, which tells that it has been
 * through a double. */
static bool time_value(const struct lw_number *number, enum lw_time_unit unit, int64_t *ret_ns)
{
    static const double units_ns[] = {1e9, 1e6, 1e3, 1.0};
    static const int64_t powers[] = {1,      10,      100,      1000,      10000,
                                     100000, 1000000, 10000000, 100000000, 1000000000};
    int decimals = 9 - 3 * (int)unit - (int)number->n_fraction;
    int64_t ns;
    double value;

    if (!number->has_exponent && !number->is_cut && decimals >= 0 && number->digits <= INT64_MAX &&
        !__builtin_mul_overflow((int64_t)number->digits, powers[decimals], &ns)) {
        *ret_ns = number->is_negative ? -ns : ns;
        return true;
    }
    if (!number->has_exponent) {
        return lw_time_parse_epoch(number->text, number->n_bytes, unit, ret_ns);
    }
    if (!lw_number_value(number, &value) || !(fabs(value * units_ns[unit]) < 9.2e18)) {
        return false;
    }
    *ret_ns = (int64_t)llrint(value * units_ns[unit]);
    return true;
}

static bool time_read(struct reading *reading)
{
    struct lw_json_line *line = reading->line;
    struct lw_json_text text;
    struct lw_number number;

    if (lw_json_scan_peek(&reading->scan) == LW_JSON_TEXT) {
        line->has_time = lw_json_scan_text(&reading->scan, &text) &&
                         lw_time_parse_iso(text.text, text.n_bytes, &line->time_ns);
    } else {
        line->has_time = lw_json_scan_number_parts(&reading->scan, &number) &&
                         time_value(&number, reading->unit, &line->time_ns);
    }
    if (!line->has_time && reading->scan.expected == NULL) {
        return reading_fail(reading, "time is no moment: a number, or text as RFC 3339 has it");
    }
    return line->has_time;
}

static bool value_read(struct reading *reading, struct lw_json_reading *reading_of)
{
    if (lw_json_scan_peek(&reading->scan) == LW_JSON_NULL) {
        reading_of->value = NAN;
        return lw_json_scan_null(&reading->scan);
    }
    return lw_json_scan_number(&reading->scan, &reading_of->value);
}

static bool text_equals(const struct lw_json_text *a, const struct lw_json_text *b)
{
    return a->n_bytes == b->n_bytes && memcmp(a->text, b->text, a->n_bytes) == 0;
}

static bool values_read(struct reading *reading)
{
    struct lw_json_line *line = reading->line;
    struct lw_json_text key;

    if (!lw_json_scan_object(&reading->scan)) {
        return false;
    }
    line->n_readings = 0;
    while (lw_json_scan_key(&reading->scan, &key)) {
        if (line->n_readings == LW_JSON_LINES_VALUES_MAX) {
            return reading_fail(reading, "more than 256 values");
        }
        for (uint32_t i = 0; i < line->n_readings; i++) {
            if (text_equals(&line->readings[i].metric, &key)) {
                return reading_fail(reading, "a metric is there twice");
            }
        }
        line->readings[line->n_readings].metric = key;
        if (!value_read(reading, &line->readings[line->n_readings++])) {
            return false;
        }
    }
    return line->n_readings > 0 || reading_fail(reading, "values is empty");
}

static bool member_read(struct reading *reading, enum member member)
{
    struct lw_json_line *line = reading->line;

    switch (member) {
    case MEMBER_METRIC:
        return lw_json_scan_text(&reading->scan, &line->readings[0].metric);
    case MEMBER_LABELS:
        return labels_read(reading);
    case MEMBER_TIME:
        return time_read(reading);
    case MEMBER_VALUE:
        return value_read(reading, &line->readings[0]);
    default:
        return values_read(reading);
    }
}

/* ---- lines ---- */

static bool members_check(struct reading *reading)
{
    unsigned named = reading->seen & (1u << MEMBER_METRIC | 1u << MEMBER_VALUE);

    if ((reading->seen & 1u << MEMBER_VALUES) != 0) {
        return named == 0 || reading_fail(reading, "values stands beside metric or value");
    }
    if ((named & 1u << MEMBER_METRIC) == 0) {
        return reading_fail(reading, "metric is missing");
    }
    return (named & 1u << MEMBER_VALUE) != 0 || reading_fail(reading, "value is missing");
}

static bool members_read(struct reading *reading)
{
    static const char *const twice[MEMBERS] = {"metric is there twice", "labels is there twice",
                                               "time is there twice", "value is there twice",
                                               "values is there twice"};
    struct lw_json_scan *scan = &reading->scan;
    struct lw_json_text key;
    enum member member;

    if (!lw_json_scan_object(scan)) {
        return false;
    }
    while (lw_json_scan_key(scan, &key)) {
        if (!member_find(&key, &member)) {
            return reading_fail(reading,
                                "a member is none of metric, labels, time, value and values");
        }
        if ((reading->seen & 1u << member) != 0) {
            return reading_fail(reading, twice[member]);
        }
        reading->seen |= 1u << member;
        /* Values would overwrite the one reading. */
        if ((member == MEMBER_VALUES ? reading->seen & (1u << MEMBER_METRIC | 1u << MEMBER_VALUE)
                                     : 0) != 0) {
            return members_check(reading);
        }
        if (!member_read(reading, member)) {
            return false;
        }
        reading->metric_end = member == MEMBER_METRIC ? scan->at : NULL;
    }
    return lw_json_scan_end(scan) && members_check(reading);
}

static void line_reset(struct lw_json_line *line)
{
    line->labels = NULL;
    line->n_labels = 0;
    line->is_plain = false;
    line->has_time = false;
    line->n_readings = 1;
}

bool lw_json_line_read(const char *text, size_t n_bytes, enum lw_time_unit unit,
                       struct lw_json_line *ret_line, char ret_wrong[LW_JSON_LINES_WRONG_MAX])
{
    struct reading reading = {.unit = unit, .line = ret_line};
    char said[LW_JSON_SCAN_MESSAGE_MAX];

    lw_json_scan_init(&reading.scan, text, n_bytes);
    line_reset(ret_line);
    if (members_read(&reading)) {
        return true;
    }
    lw_json_scan_describe(&reading.scan, said);
    if (reading.wrong != NULL) {
        (void)snprintf(ret_wrong, LW_JSON_LINES_WRONG_MAX, "byte %zu: %s",
                       lw_json_scan_at(&reading.scan) + 1, reading.wrong);
    } else {
        (void)snprintf(ret_wrong, LW_JSON_LINES_WRONG_MAX, "%s", said);
    }
    return false;
}

/* ---- skimming ---- */

/*
 * The end of a flat object at `at`, behind its brace, when no backslash is in it; NULL where that
 * is not to be seen at once. A byte is within a text when an odd number of quotes stands before it:
 * the quotes of sixteen bytes, as bits, become that parity by four shifts.
 */
static const char *flat_end(const char *at, const char *end)
{
#ifdef __SSE2__
    unsigned within = 0;

    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned texts = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        unsigned ends = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('}')));
        unsigned escapes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));

        texts ^= texts << 1;
        texts ^= texts << 2;
        texts ^= texts << 4;
        texts ^= texts << 8;
        texts ^= within;
        ends &= ~texts;
        if ((escapes & (ends == 0 ? 0xffffu : (ends & -ends) - 1)) != 0) {
            return NULL;
        }
        if (ends != 0) {
            return at + __builtin_ctz(ends) + 1;
        }
        within = (texts & 0x8000u) != 0 ? 0xffffu : 0;
    }
#else
    (void)at;
    (void)end;
#endif
    return NULL;
}

/* Takes the text, and a blank behind it; something must follow. */
static inline bool literal_take(const char **at, const char *end, const char *text, size_t n_bytes)
{
    if ((size_t)(end - *at) <= n_bytes || memcmp(*at, text, n_bytes) != 0) {
        return false;
    }
    *at += n_bytes;
    *at += **at == ' ';
    return *at < end;
}

#define TAKE(text) literal_take(&at, end, text, sizeof(text) - 1)

/* Metric and labels up to the comma behind them; NULL where they are not as usual. */
static const char *name_skim(const char *at, const char *end, struct lw_json_line *line)
{
    struct lw_json_text *metric = &line->readings[0].metric;
    const char *quote;

    if (!TAKE("{\"metric\":") || *at != '"') {
        return NULL;
    }
    quote = memchr(at + 1, '"', (size_t)(end - at) - 1);
    if (quote == NULL || quote - at > LW_JSON_LINES_NAME_MAX) {
        return NULL;
    }
    *metric = (struct lw_json_text){.text = at + 1, .n_bytes = (uint32_t)(quote - at) - 1};
    at = quote + 1;
    if (!TAKE(",") || !TAKE("\"labels\":")) {
        return NULL;
    }
    line->labels = at;
    line->is_plain = at - quote == (ptrdiff_t)JOINT_BYTES;
    at = *at == '{' ? flat_end(at, end) : NULL;
    if (at == NULL || at - line->labels > LW_JSON_LINES_NAME_MAX) {
        return NULL;
    }
    line->n_labels = (uint32_t)(at - line->labels);
    return TAKE(",") ? at : NULL;
}

bool lw_json_line_skim(const char *text, size_t n_bytes, enum lw_time_unit unit,
                       struct lw_json_line *ret_line)
{
    const char *end = text + n_bytes;
    const char *at;
    struct lw_json_scan scan;
    struct lw_number number;

    line_reset(ret_line);
    at = name_skim(text, end, ret_line);
    if (at == NULL) {
        return false;
    }
    if (TAKE("\"time\":")) {
        lw_json_scan_init(&scan, at, (size_t)(end - at));
        if (!lw_json_scan_number_parts(&scan, &number) ||
            !time_value(&number, unit, &ret_line->time_ns)) {
            return false;
        }
        ret_line->has_time = true;
        at = scan.at;
        if (!TAKE(",")) {
            return false;
        }
    }
    if (!TAKE("\"value\":")) {
        return false;
    }
    lw_json_scan_init(&scan, at, (size_t)(end - at));
    if (!lw_json_scan_number(&scan, &ret_line->readings[0].value)) {
        return false;
    }
    at = scan.at;
    return at < end && *at == '}' && (at + 1 == end || (at + 2 == end && at[1] == '\r'));
}

/* ---- names ---- */

const char *lw_json_line_identity(const struct lw_json_line *line,
                                  const struct lw_json_reading *reading,
                                  char scratch[LW_JSON_LINES_NAME_MAX], size_t *ret_n_bytes)
{
    const struct lw_json_text *metric = &reading->metric;
    size_t n_joint = line->labels == NULL ? 0 : JOINT_BYTES;

    if (metric->n_bytes + n_joint + line->n_labels > LW_JSON_LINES_NAME_MAX) {
        return NULL;
    }
    *ret_n_bytes = metric->n_bytes + n_joint + line->n_labels;
    if (line->labels == NULL || line->is_plain) {
        return metric->text;
    }
    memcpy(scratch, metric->text, metric->n_bytes);
    memcpy(scratch + metric->n_bytes, JOINT, JOINT_BYTES);
    memcpy(scratch + metric->n_bytes + JOINT_BYTES, line->labels, line->n_labels);
    return scratch;
}

/* Copies a text behind the others; NULL when there is no room. */
static const char *name_add(struct lw_json_name *name, const struct lw_json_text *text)
{
    char *at = name->bytes + name->n_bytes;
    size_t n_bytes = lw_json_text_copy(text, at, sizeof(name->bytes) - name->n_bytes);

    if (n_bytes == SIZE_MAX) {
        return NULL;
    }
    name->n_bytes += n_bytes + 1;
    return at;
}

static const char *label_add(struct lw_json_name *name, const struct lw_json_text *key,
                             const struct lw_json_text *value)
{
    struct lw_label *label = &name->labels[name->key.n_labels];

    if (name->key.n_labels == LW_LABELS_MAX) {
        return "more than 48 labels";
    }
    label->name = name_add(name, key);
    label->value = label->name == NULL ? NULL : name_add(name, value);
    if (label->value == NULL) {
        return "metric and labels of more than 2048 bytes";
    }
    for (size_t i = 0; i < name->key.n_labels; i++) {
        if (strcmp(name->labels[i].name, label->name) == 0) {
            return "a label is there twice";
        }
    }
    name->key.n_labels++;
    return NULL;
}

const char *lw_json_line_spell(const struct lw_json_line *line,
                               const struct lw_json_reading *reading, struct lw_json_name *ret_name)
{
    struct lw_json_scan scan;
    struct lw_json_text key, value;
    const char *wrong = NULL;

    ret_name->n_bytes = 0;
    ret_name->key = (struct lw_series_key){.labels = ret_name->labels};
    ret_name->key.metric = name_add(ret_name, &reading->metric);
    if (ret_name->key.metric == NULL) {
        return "metric and labels of more than 2048 bytes";
    }
    if (line->labels == NULL) {
        return NULL;
    }
    lw_json_scan_init(&scan, line->labels, line->n_labels);
    (void)lw_json_scan_object(&scan);
    while (wrong == NULL && lw_json_scan_key(&scan, &key)) {
        wrong = lw_json_scan_text(&scan, &value) ? label_add(ret_name, &key, &value) : NULL;
    }
    return wrong;
}
