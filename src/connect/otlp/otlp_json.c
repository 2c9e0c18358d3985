/*
 * JSON to protobuf by tables: see otlp_json.h.
 *
 * A table has one line for each field of a message that is read. Keys mostly come in the order of
 * the fields, so each look-up begins behind the last one's field. A message's length stands before
 * it and is known only behind it: one byte is left free for it, which most messages of a point need
 * no more than; longer ones are moved.
 */
#include "connect/otlp/otlp_json.h"

#include "base/error.h"
#include "connect/json_scan.h"
#include "connect/number.h"
#include "connect/protobuf.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define VARINT_BYTES_MAX 10
#define TWENTY_DIGITS UINT64_C(10000000000000000000)

/* ---- the tables ---- */

enum kind { MESSAGE, TEXT, BASE64, TRUTH, VARINT, SIGNED_VARINT, FIXED64, SIGNED_FIXED64, DOUBLE };

struct message;

struct field {
    const char *name;
    uint8_t n_name, number;
    bool is_list;
    enum kind kind;
    const struct message *message; /* Of MESSAGE. */
};

struct message {
    const struct field *fields;
    size_t n;
};

#define FIELD(name, number, kind)                                                                  \
    {                                                                                              \
        name, sizeof(name) - 1, number, false, kind, NULL                                          \
    }
#define PART(name, number, message)                                                                \
    {                                                                                              \
        name, sizeof(name) - 1, number, false, MESSAGE, &(message)                                 \
    }
#define LIST(name, number, message)                                                                \
    {                                                                                              \
        name, sizeof(name) - 1, number, true, MESSAGE, &(message)                                  \
    }
#define FIELDS(fields)                                                                             \
    {                                                                                              \
        fields, sizeof(fields) / sizeof((fields)[0])                                               \
    }

static const struct message any_value;

static const struct field key_value_fields[] = {FIELD("key", 1, TEXT), PART("value", 2, any_value)};
static const struct message key_value = FIELDS(key_value_fields);
static const struct field array_fields[] = {LIST("values", 1, any_value)};
static const struct message array = FIELDS(array_fields);
static const struct field key_values_fields[] = {LIST("values", 1, key_value)};
static const struct message key_values = FIELDS(key_values_fields);
static const struct field any_value_fields[] = {
    FIELD("stringValue", 1, TEXT),       FIELD("boolValue", 2, TRUTH),
    FIELD("intValue", 3, SIGNED_VARINT), FIELD("doubleValue", 4, DOUBLE),
    PART("arrayValue", 5, array),        PART("kvlistValue", 6, key_values),
    FIELD("bytesValue", 7, BASE64),
};
static const struct message any_value = FIELDS(any_value_fields);

static const struct field number_fields[] = {
    LIST("attributes", 7, key_value), FIELD("timeUnixNano", 3, FIXED64),
    FIELD("asDouble", 4, DOUBLE),     FIELD("asInt", 6, SIGNED_FIXED64),
    FIELD("flags", 8, VARINT),
};
static const struct message number_point = FIELDS(number_fields);
static const struct field histogram_point_fields[] = {
    LIST("attributes", 9, key_value), FIELD("timeUnixNano", 3, FIXED64), FIELD("count", 4, FIXED64),
    FIELD("sum", 5, DOUBLE),          FIELD("flags", 10, VARINT),
};
static const struct message histogram_point = FIELDS(histogram_point_fields);
static const struct field exponential_point_fields[] = {
    LIST("attributes", 1, key_value), FIELD("timeUnixNano", 3, FIXED64), FIELD("count", 4, FIXED64),
    FIELD("sum", 5, DOUBLE),          FIELD("flags", 10, VARINT),
};
static const struct message exponential_point = FIELDS(exponential_point_fields);
static const struct field quantile_fields[] = {FIELD("quantile", 1, DOUBLE),
                                               FIELD("value", 2, DOUBLE)};
static const struct message quantile = FIELDS(quantile_fields);
static const struct field summary_point_fields[] = {
    LIST("attributes", 7, key_value),    FIELD("timeUnixNano", 3, FIXED64),
    FIELD("count", 4, FIXED64),          FIELD("sum", 5, DOUBLE),
    LIST("quantileValues", 6, quantile), FIELD("flags", 8, VARINT),
};
static const struct message summary_point = FIELDS(summary_point_fields);

static const struct field gauge_fields[] = {LIST("dataPoints", 1, number_point)};
static const struct message gauge = FIELDS(gauge_fields);
static const struct field sum_fields[] = {LIST("dataPoints", 1, number_point),
                                          FIELD("aggregationTemporality", 2, VARINT),
                                          FIELD("isMonotonic", 3, TRUTH)};
static const struct message sum = FIELDS(sum_fields);
static const struct field histogram_fields[] = {LIST("dataPoints", 1, histogram_point)};
static const struct message histogram = FIELDS(histogram_fields);
static const struct field exponential_fields[] = {LIST("dataPoints", 1, exponential_point)};
static const struct message exponential = FIELDS(exponential_fields);
static const struct field summary_fields[] = {LIST("dataPoints", 1, summary_point)};
static const struct message summary = FIELDS(summary_fields);
static const struct field metric_fields[] = {
    FIELD("name", 1, TEXT),          FIELD("unit", 3, TEXT),
    PART("gauge", 5, gauge),         PART("sum", 7, sum),
    PART("histogram", 9, histogram), PART("exponentialHistogram", 10, exponential),
    PART("summary", 11, summary),
};
static const struct message metric = FIELDS(metric_fields);

static const struct field scope_fields[] = {FIELD("name", 1, TEXT)};
static const struct message scope = FIELDS(scope_fields);
static const struct field scope_metrics_fields[] = {PART("scope", 1, scope),
                                                    LIST("metrics", 2, metric)};
static const struct message scope_metrics = FIELDS(scope_metrics_fields);
static const struct field resource_fields[] = {LIST("attributes", 1, key_value)};
static const struct message resource = FIELDS(resource_fields);
static const struct field resource_metrics_fields[] = {PART("resource", 1, resource),
                                                       LIST("scopeMetrics", 2, scope_metrics)};
static const struct message resource_metrics = FIELDS(resource_metrics_fields);
static const struct field request_fields[] = {LIST("resourceMetrics", 1, resource_metrics)};
static const struct message request = FIELDS(request_fields);

/* ---- writing ---- */

struct transcoder {
    struct lw_json_scan scan;
    struct lw_writer *out;
};

/* Room for n_bytes more at the writer's end; NULL without memory, and then the scan has failed. */
static uint8_t *room(struct transcoder *to, size_t n_bytes)
{
    static const uint8_t none[256];
    struct lw_writer *out = to->out;

    if (out->capacity_bytes - out->n_bytes < n_bytes) {
        size_t n = out->n_bytes;

        while (out->status == LW_OK && out->n_bytes - n < n_bytes) {
            lw_write_raw(out, none, sizeof(none));
        }
        if (out->status != LW_OK) {
            (void)lw_json_scan_fail(&to->scan, "memory");
            return NULL;
        }
        out->n_bytes = n;
    }
    return out->data + out->n_bytes;
}

static size_t varint_put(uint8_t *bytes, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    return n;
}

/* All field numbers are below 16: a key is one byte. */
static uint8_t key_byte(const struct field *field, enum lw_protobuf_wire wire)
{
    assert(field->number < 16);
    return (uint8_t)LW_PROTOBUF_KEY(field->number, wire);
}

static void fixed64_write(struct transcoder *to, const struct field *field, uint64_t value)
{
    uint8_t *bytes = room(to, 9);

    if (bytes != NULL) {
        bytes[0] = key_byte(field, LW_PROTOBUF_FIXED64);
        for (size_t i = 0; i < 8; i++) {
            bytes[1 + i] = (uint8_t)(value >> (8 * i));
        }
        to->out->n_bytes += 9;
    }
}

static void varint_write(struct transcoder *to, const struct field *field, uint64_t value)
{
    uint8_t *bytes = room(to, 1 + VARINT_BYTES_MAX);

    if (bytes != NULL) {
        bytes[0] = key_byte(field, LW_PROTOBUF_VARINT);
        to->out->n_bytes += 1 + varint_put(bytes + 1, value);
    }
}

/* ---- values ---- */

static bool text_equals(const struct lw_json_text *text, const char *other, size_t n_other)
{
    return text->has_escapes ? lw_json_text_is(text, other)
                             : text->n_bytes == n_other && memcmp(text->text, other, n_other) == 0;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A whole number of 64 bits without fraction or exponent; its bits. */
static bool integer_parse(const struct lw_json_text *text, bool is_signed, uint64_t *ret_bits)
{
    struct lw_number number;
    uint64_t value;

    lw_number_read(text->text, text->text + text->n_bytes, &number);
    if (number.n_bytes != text->n_bytes || number.n_bytes == 0 || number.has_mark ||
        number.has_exponent || (number.has_sign && !(is_signed && number.is_negative))) {
        return false;
    }
    value = number.digits;
    /* Twenty digits fit only if the first is 1 and they did not run over. */
    if (number.is_cut && (number.n_whole != 20 || text->text[0] != '1' || value < TWENTY_DIGITS)) {
        return false;
    }
    if (is_signed && value > (uint64_t)INT64_MAX + (number.is_negative ? 1 : 0)) {
        return false;
    }
    *ret_bits = number.is_negative ? ~value + 1 : value;
    return true;
}

static bool integer_scan(struct transcoder *to, bool is_signed, uint64_t *ret_bits)
{
    struct lw_json_text text;
    bool is_text = lw_json_scan_peek(&to->scan) == LW_JSON_TEXT;

    if (!(is_text ? lw_json_scan_text(&to->scan, &text)
                  : lw_json_scan_number_text(&to->scan, &text))) {
        return false;
    }
    return integer_parse(&text, is_signed, ret_bits) ||
           lw_json_scan_fail(&to->scan, is_signed ? "a whole number of 64 bits before here"
                                                  : "a positive whole number before here");
}

/* A double in quotes: one of the three names, or a number. */
static bool double_parse(const struct lw_json_text *text, double *ret_value)
{
    struct lw_number number;

    if (text_equals(text, "NaN", 3)) {
        *ret_value = (double)NAN;
    } else if (text_equals(text, "Infinity", 8) || text_equals(text, "-Infinity", 9)) {
        *ret_value = text->text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    } else {
        lw_number_read(text->text, text->text + text->n_bytes, &number);
        return number.n_bytes > 0 && number.n_bytes == text->n_bytes && number.n_whole > 0 &&
               lw_number_value(&number, ret_value);
    }
    return true;
}

static bool double_scan(struct transcoder *to, uint64_t *ret_bits)
{
    struct lw_json_text text;
    double value;

    if (lw_json_scan_peek(&to->scan) != LW_JSON_TEXT) {
        if (!lw_json_scan_number(&to->scan, &value)) {
            return false;
        }
    } else if (!lw_json_scan_text(&to->scan, &text)) {
        return false;
    } else if (!double_parse(&text, &value)) {
        return lw_json_scan_fail(&to->scan, "a number, \"NaN\", \"Infinity\" or \"-Infinity\" "
                                            "before here");
    }
    memcpy(ret_bits, &value, sizeof(value));
    return true;
}

/* Of both alphabets; 64 for what is no digit. */
static uint32_t base64_digit(char byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return (uint32_t)(byte - 'A');
    }
    if (byte >= 'a' && byte <= 'z') {
        return (uint32_t)(byte - 'a') + 26;
    }
    if (is_digit(byte)) {
        return (uint32_t)(byte - '0') + 52;
    }
    return byte == '+' || byte == '-' ? 62 : byte == '/' || byte == '_' ? 63 : 64;
}

/* Padded or not; SIZE_MAX when it is no base64. */
static size_t base64_read(const char *text, size_t n_bytes, uint8_t *ret_bytes)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    while (n_bytes > 0 && text[n_bytes - 1] == '=') {
        n_bytes--;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        uint32_t six = base64_digit(text[i]);

        if (six == 64) {
            return SIZE_MAX;
        }
        bits = bits << 6 | six;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            ret_bytes[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    return n_bits == 6 ? SIZE_MAX : n;
}

/* Text or bytes: at most as long as they are written. */
static void text_write(struct transcoder *to, const struct field *field)
{
    size_t begin = to->out->n_bytes, n, n_length;
    struct lw_json_text text;
    uint8_t length[VARINT_BYTES_MAX], *bytes;

    if (!lw_json_scan_text(&to->scan, &text)) {
        return;
    }
    bytes = room(to, 1 + VARINT_BYTES_MAX + text.n_bytes + 1);
    if (bytes == NULL) {
        return;
    }
    bytes[0] = key_byte(field, LW_PROTOBUF_BYTES);
    n_length = varint_put(bytes + 1, text.n_bytes);
    if (field->kind == BASE64) {
        n = base64_read(text.text, text.n_bytes, bytes + 1 + n_length);
    } else {
        n = lw_json_text_copy(&text, (char *)bytes + 1 + n_length, text.n_bytes + 1);
    }
    if (n == SIZE_MAX) {
        (void)lw_json_scan_fail(&to->scan, "base64 before here");
        return;
    }
    if (n != text.n_bytes) { /* Shorter than guessed, and so perhaps is the length. */
        size_t n_real = varint_put(length, n);

        memmove(bytes + 1 + n_real, bytes + 1 + n_length, n);
        memcpy(bytes + 1, length, n_real);
        n_length = n_real;
    }
    to->out->n_bytes = begin + 1 + n_length + n;
}

static void scalar_write(struct transcoder *to, const struct field *field)
{
    uint64_t bits = 0;
    bool truth = false;

    switch (field->kind) {
    case TRUTH:
        if (lw_json_scan_bool(&to->scan, &truth)) {
            varint_write(to, field, truth ? 1 : 0);
        }
        break;
    case VARINT:
    case SIGNED_VARINT:
        if (integer_scan(to, field->kind == SIGNED_VARINT, &bits)) {
            varint_write(to, field, bits);
        }
        break;
    case FIXED64:
    case SIGNED_FIXED64:
        if (integer_scan(to, field->kind == SIGNED_FIXED64, &bits)) {
            fixed64_write(to, field, bits);
        }
        break;
    case DOUBLE:
        if (double_scan(to, &bits)) {
            fixed64_write(to, field, bits);
        }
        break;
    case MESSAGE:
    case TEXT:
    case BASE64:
        text_write(to, field);
        break;
    }
}

/* ---- messages ---- */

static void message_write(struct transcoder *to, const struct message *message);

/* A message with its key and length. */
static void part_write(struct transcoder *to, const struct field *field)
{
    size_t begin = to->out->n_bytes + 2, n, n_length;
    uint8_t length[VARINT_BYTES_MAX], *bytes = room(to, 2);

    if (bytes == NULL) {
        return;
    }
    bytes[0] = key_byte(field, LW_PROTOBUF_BYTES);
    to->out->n_bytes = begin;
    message_write(to, field->message);
    n = to->out->n_bytes - begin;
    n_length = varint_put(length, n);
    if (room(to, n_length) == NULL) {
        return;
    }
    bytes = to->out->data + begin - 1;
    if (n_length > 1) {
        memmove(bytes + n_length, bytes + 1, n);
        to->out->n_bytes += n_length - 1;
    }
    memcpy(bytes, length, n_length);
}

static void field_write(struct transcoder *to, const struct field *field)
{
    if (lw_json_scan_peek(&to->scan) == LW_JSON_NULL) {
        (void)lw_json_scan_null(&to->scan);
    } else if (field->is_list) {
        (void)lw_json_scan_array(&to->scan);
        while (lw_json_scan_item(&to->scan)) {
            part_write(to, field);
        }
    } else if (field->kind == MESSAGE) {
        part_write(to, field);
    } else {
        scalar_write(to, field);
    }
}

/* The field of a key, looked for from *from on and around; NULL: unknown. */
static const struct field *field_find(const struct message *message, const struct lw_json_text *key,
                                      size_t *from)
{
    for (size_t i = 0; i < message->n; i++) {
        size_t at = *from + i < message->n ? *from + i : *from + i - message->n;
        const struct field *field = &message->fields[at];

        if (text_equals(key, field->name, field->n_name)) {
            *from = at + 1 < message->n ? at + 1 : 0;
            return field;
        }
    }
    return NULL;
}

/* The scanner bounds how deep this goes. */
static void message_write(struct transcoder *to, const struct message *message)
{
    struct lw_json_text key;
    size_t from = 0;

    (void)lw_json_scan_object(&to->scan);
    while (lw_json_scan_key(&to->scan, &key)) {
        const struct field *field = field_find(message, &key, &from);

        if (field == NULL) {
            (void)lw_json_scan_skip(&to->scan);
        } else {
            field_write(to, field);
        }
    }
}

enum lw_status lw_otlp_json_read(const char *text, size_t n_bytes, struct lw_writer *ret_message,
                                 struct lw_error *reterr)
{
    struct transcoder to = {.out = ret_message};
    char what[LW_JSON_SCAN_MESSAGE_MAX];

    lw_json_scan_init(&to.scan, text, n_bytes);
    message_write(&to, &request);
    if (ret_message->status != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a request of %zu bytes", n_bytes);
    }
    if (!lw_json_scan_end(&to.scan)) {
        lw_json_scan_describe(&to.scan, what);
        return lw_error_set(reterr, LW_EFORMAT, "%s", what);
    }
    return LW_OK;
}
