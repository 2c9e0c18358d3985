/* Labels out of attributes: see otlp_labels.h. */
#include "connect/otlp/otlp_labels.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "connect/protobuf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Messages KeyValue and AnyValue. */
#define KEY_VALUE_KEY LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES)
#define KEY_VALUE_VALUE LW_PROTOBUF_KEY(2, LW_PROTOBUF_BYTES)
#define ANY_TEXT LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES)
#define ANY_BOOL LW_PROTOBUF_KEY(2, LW_PROTOBUF_VARINT)
#define ANY_INT LW_PROTOBUF_KEY(3, LW_PROTOBUF_VARINT)
#define ANY_DOUBLE LW_PROTOBUF_KEY(4, LW_PROTOBUF_FIXED64)
#define ANY_ARRAY LW_PROTOBUF_KEY(5, LW_PROTOBUF_BYTES)
#define ANY_LIST LW_PROTOBUF_KEY(6, LW_PROTOBUF_BYTES)
#define ANY_BYTES LW_PROTOBUF_KEY(7, LW_PROTOBUF_BYTES)

static_assert(LW_OTLP_VALUE_DEPTH_MAX < LW_JSON_DEPTH_MAX, "the writer of JSON goes as deep");

/* ---- the value of an attribute ---- */

struct key_value {
    struct lw_otlp_text key;
    struct lw_protobuf_field value; /* Of AnyValue; number 0: none. */
};

static uint32_t field_key(const struct lw_protobuf_field *field)
{
    return LW_PROTOBUF_KEY(field->number, field->wire);
}

static struct lw_otlp_text field_text(const struct lw_protobuf_field *field)
{
    return (struct lw_otlp_text){(const char *)field->bytes, field->n_bytes};
}

static enum lw_status damaged(struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT, "an attribute is damaged");
}

/* The field of the one kind of value that is set; the last of several. False: damaged. */
static bool any_value_read(const struct lw_protobuf_field *bytes,
                           struct lw_protobuf_field *ret_value)
{
    struct lw_protobuf message;
    struct lw_protobuf_field field;

    ret_value->number = 0;
    lw_protobuf_enter(bytes, &message);
    while (lw_protobuf_next(&message, &field)) {
        switch (field_key(&field)) {
        case ANY_TEXT:
        case ANY_BOOL:
        case ANY_INT:
        case ANY_DOUBLE:
        case ANY_ARRAY:
        case ANY_LIST:
        case ANY_BYTES:
            *ret_value = field;
            break;
        default:
            break;
        }
    }
    return !message.bad;
}

static bool key_value_read(const struct lw_protobuf_field *bytes, struct key_value *ret_pair)
{
    struct lw_protobuf message;
    struct lw_protobuf_field field;

    *ret_pair = (struct key_value){.key = {"", 0}};
    lw_protobuf_enter(bytes, &message);
    while (lw_protobuf_next(&message, &field)) {
        if (field_key(&field) == KEY_VALUE_KEY) {
            ret_pair->key = field_text(&field);
        } else if (field_key(&field) == KEY_VALUE_VALUE &&
                   !any_value_read(&field, &ret_pair->value)) {
            return false;
        }
    }
    return !message.bad;
}

static void base64_write(struct lw_writer *out, const uint8_t *bytes, size_t n_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < n_bytes; at += 3) {
        size_t n = n_bytes - at < 3 ? n_bytes - at : 3;
        uint32_t three = (uint32_t)bytes[at] << 16;
        char four[4] = {'=', '=', '=', '='};

        three |= n > 1 ? (uint32_t)bytes[at + 1] << 8 : 0;
        three |= n > 2 ? bytes[at + 2] : 0;
        for (size_t i = 0; i <= n; i++) {
            four[i] = digits[three >> (18 - 6 * i) & 63];
        }
        lw_write_raw(out, four, sizeof(four));
    }
}

static enum lw_status json_value(struct lw_json *json, const struct lw_protobuf_field *value,
                                 unsigned depth, struct lw_error *reterr);

/* What an ArrayValue or KeyValueList holds. */
static enum lw_status json_items(struct lw_json *json, const struct lw_protobuf_field *list,
                                 unsigned depth, struct lw_error *reterr)
{
    bool is_array = field_key(list) == ANY_ARRAY;
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    enum lw_status status = LW_OK;

    if (depth == LW_OTLP_VALUE_DEPTH_MAX) {
        return lw_error_set(reterr, LW_ETOOLONG, "an attribute nests deeper than %d",
                            LW_OTLP_VALUE_DEPTH_MAX);
    }
    lw_protobuf_enter(list, &message);
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        struct key_value pair = {.key = {"", 0}};

        if (field_key(&field) != LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES)) {
            continue;
        }
        if (!(is_array ? any_value_read(&field, &pair.value) : key_value_read(&field, &pair))) {
            return damaged(reterr);
        }
        if (!is_array) {
            char key[LW_OTLP_NAME_MAX];

            if (pair.key.n_bytes >= sizeof(key)) {
                return lw_error_set(reterr, LW_ETOOLONG, "a name within an attribute has %zu bytes",
                                    pair.key.n_bytes);
            }
            memcpy(key, pair.key.text, pair.key.n_bytes);
            key[pair.key.n_bytes] = '\0';
            lw_json_key(json, key);
        }
        status = json_value(json, &pair.value, depth + 1, reterr);
    }
    return status != LW_OK ? status : message.bad ? damaged(reterr) : LW_OK;
}

static enum lw_status json_value(struct lw_json *json, const struct lw_protobuf_field *value,
                                 unsigned depth, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    struct lw_writer bytes;

    switch (field_key(value)) {
    case ANY_TEXT:
        lw_json_text_n(json, (const char *)value->bytes, value->n_bytes);
        break;
    case ANY_BOOL:
        lw_json_bool(json, value->value != 0);
        break;
    case ANY_INT:
        lw_json_int(json, lw_protobuf_int(value));
        break;
    case ANY_DOUBLE:
        lw_json_number(json, lw_protobuf_double(value));
        break;
    case ANY_ARRAY:
    case ANY_LIST:
        if (field_key(value) == ANY_ARRAY) {
            lw_json_begin_array(json);
        } else {
            lw_json_begin_object(json);
        }
        status = json_items(json, value, depth, reterr);
        if (status == LW_OK) {
            lw_json_end(json);
        }
        break;
    case ANY_BYTES:
        lw_writer_init(&bytes);
        base64_write(&bytes, value->bytes, value->n_bytes);
        lw_json_text_n(json, (const char *)bytes.data, bytes.n_bytes);
        status = bytes.status;
        lw_writer_fini(&bytes);
        break;
    default:
        lw_json_null(json);
        break;
    }
    return status;
}

/* ---- labels ---- */

void lw_otlp_labels_init(struct lw_otlp_labels *labels)
{
    labels->n = labels->n_resource = 0;
    labels->n_bytes = labels->n_resource_bytes = 0;
}

void lw_otlp_labels_reset(struct lw_otlp_labels *labels)
{
    labels->n = labels->n_resource;
    labels->n_bytes = labels->n_resource_bytes;
}

static enum lw_status too_long(struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_ETOOLONG, "the labels have more than %d bytes",
                        LW_OTLP_LABEL_BYTES_MAX);
}

/* Room for a text and its terminator; NULL when it is not there. */
static char *labels_room(struct lw_otlp_labels *labels, size_t n_bytes)
{
    char *text = labels->bytes + labels->n_bytes;

    if (n_bytes >= LW_OTLP_LABEL_BYTES_MAX - labels->n_bytes) {
        return NULL;
    }
    labels->n_bytes += n_bytes + 1;
    return text;
}

/* A label that is there already: the resource's stands, a point's becomes "before;value". */
static enum lw_status label_join(struct lw_otlp_labels *labels, size_t at,
                                 struct lw_otlp_text value, struct lw_error *reterr)
{
    size_t n_before = strlen(labels->labels[at].value);
    char *text;

    if (at < labels->n_resource) {
        return LW_OK;
    }
    text = labels_room(labels, n_before + 1 + value.n_bytes);
    if (text == NULL) {
        return too_long(reterr);
    }
    memcpy(text, labels->labels[at].value, n_before);
    text[n_before] = ';';
    memcpy(text + n_before + 1, value.text, value.n_bytes);
    text[n_before + 1 + value.n_bytes] = '\0';
    labels->labels[at].value = text;
    return LW_OK;
}

enum lw_status lw_otlp_labels_add(struct lw_otlp_labels *labels, const char *name,
                                  struct lw_otlp_text value, struct lw_error *reterr)
{
    size_t n_name = strlen(name);
    char *text;

    if (value.n_bytes == 0) {
        return LW_OK;
    }
    if (memchr(value.text, '\0', value.n_bytes) != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the label \"%.40s\" has U+0000", name);
    }
    for (size_t i = 0; i < labels->n; i++) {
        if (strcmp(labels->labels[i].name, name) == 0) {
            return label_join(labels, i, value, reterr);
        }
    }
    if (labels->n == LW_LABELS_MAX) {
        return lw_error_set(reterr, LW_ETOOLONG, "more than %d labels", LW_LABELS_MAX);
    }
    text = labels_room(labels, n_name + 1 + value.n_bytes);
    if (text == NULL) {
        return too_long(reterr);
    }
    memcpy(text, name, n_name + 1);
    memcpy(text + n_name + 1, value.text, value.n_bytes);
    text[n_name + 1 + value.n_bytes] = '\0';
    labels->labels[labels->n++] = (struct lw_label){.name = text, .value = text + n_name + 1};
    return LW_OK;
}

/* A label whose value is an array, a list or bytes. */
static enum lw_status label_add_json(struct lw_otlp_labels *labels, const char *name,
                                     const struct lw_protobuf_field *value, struct lw_error *reterr)
{
    enum lw_status status;
    struct lw_json json;

    lw_json_init(&json);
    if (field_key(value) == ANY_BYTES) {
        base64_write(&json.out, value->bytes, value->n_bytes);
        status = LW_OK;
    } else {
        status = json_value(&json, value, 0, reterr);
    }
    if (status == LW_OK && json.out.status != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for an attribute");
    }
    if (status == LW_OK) {
        status = lw_otlp_labels_add(
            labels, name, (struct lw_otlp_text){(const char *)json.out.data, json.out.n_bytes},
            reterr);
    }
    lw_json_fini(&json);
    return status;
}

/* A value that is a text, a truth or a number, as text; empty for others. */
static struct lw_otlp_text scalar_text(const struct lw_protobuf_field *value,
                                       char number[LW_DOUBLE_TEXT_MAX])
{
    struct lw_otlp_text text = {number, 0};

    switch (field_key(value)) {
    case ANY_TEXT:
        return field_text(value);
    case ANY_BOOL:
        text = value->value != 0 ? (struct lw_otlp_text){"true", 4}
                                 : (struct lw_otlp_text){"false", 5};
        break;
    case ANY_INT:
        text.n_bytes = (size_t)snprintf(number, LW_DOUBLE_TEXT_MAX, "%" PRId64,
                                        lw_protobuf_int(value));
        break;
    case ANY_DOUBLE:
        text.n_bytes = lw_double_format(lw_protobuf_double(value), number);
        break;
    default:
        break;
    }
    return text;
}

static enum lw_status label_add_value(struct lw_otlp_labels *labels, const char *name,
                                      const struct lw_protobuf_field *value,
                                      struct lw_error *reterr)
{
    char number[LW_DOUBLE_TEXT_MAX];

    switch (field_key(value)) {
    case ANY_ARRAY:
    case ANY_LIST:
    case ANY_BYTES:
        return label_add_json(labels, name, value, reterr);
    default:
        return lw_otlp_labels_add(labels, name, scalar_text(value, number), reterr);
    }
}

enum lw_status lw_otlp_labels_attributes(struct lw_otlp_labels *labels, const void *attributes,
                                         size_t n_bytes, struct lw_error *reterr)
{
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    enum lw_status status = LW_OK;

    lw_protobuf_init(&message, attributes, n_bytes);
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        char name[LW_OTLP_NAME_MAX];
        struct key_value pair;

        if (field.wire != LW_PROTOBUF_BYTES || !key_value_read(&field, &pair)) {
            return damaged(reterr);
        }
        if (pair.key.n_bytes == 0) {
            return lw_error_set(reterr, LW_EINVAL, "an attribute has no name");
        }
        if (lw_otlp_label_name(pair.key, name, sizeof(name)) == 0) {
            return lw_error_set(reterr, LW_ETOOLONG, "an attribute's name has %zu bytes",
                                pair.key.n_bytes);
        }
        status = label_add_value(labels, name, &pair.value, reterr);
    }
    return status != LW_OK ? status : message.bad ? damaged(reterr) : LW_OK;
}

/* ---- the resource ---- */

/* Attributes that name a resource; the first make job and instance; from the host's on each is a
 * label. */
enum { SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE, HOST_NAME, POD_NAME, N_NAMING = 16 };

static const char *const naming[N_NAMING] = {
    [SERVICE_NAME] = "service.name",
    [SERVICE_NAMESPACE] = "service.namespace",
    [SERVICE_INSTANCE] = "service.instance.id",
    [HOST_NAME] = "host.name",
    [POD_NAME] = "k8s.pod.name",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.job.name",
    "k8s.cronjob.name",
    "deployment.environment.name",
    "deployment.environment",
};

static bool is_attribute(struct lw_otlp_text key, const char *name)
{
    return key.n_bytes == strlen(name) && memcmp(key.text, name, key.n_bytes) == 0;
}

/* The values of the naming attributes; number 0 where one is not there. False: damaged. */
static bool resource_read(struct lw_protobuf *message, struct lw_protobuf_field values[N_NAMING])
{
    struct lw_protobuf_field field;
    struct key_value pair;

    while (lw_protobuf_next(message, &field)) {
        if (field_key(&field) != LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES)) {
            continue;
        }
        if (!key_value_read(&field, &pair)) {
            return false;
        }
        for (size_t i = 0; i < N_NAMING; i++) {
            if (is_attribute(pair.key, naming[i])) {
                values[i] = pair.value;
                break;
            }
        }
    }
    return !message->bad;
}

static enum lw_status label_add_job(struct lw_otlp_labels *labels, struct lw_otlp_text space,
                                    struct lw_otlp_text name, struct lw_error *reterr)
{
    char job[LW_OTLP_LABEL_BYTES_MAX];
    size_t n = 0;

    if (space.n_bytes == 0 || name.n_bytes == 0) {
        return lw_otlp_labels_add(labels, "job", name, reterr);
    }
    if (space.n_bytes + 1 + name.n_bytes > sizeof(job)) {
        return too_long(reterr);
    }
    memcpy(job, space.text, space.n_bytes);
    n = space.n_bytes;
    job[n++] = '/';
    memcpy(job + n, name.text, name.n_bytes);
    return lw_otlp_labels_add(labels, "job", (struct lw_otlp_text){job, n + name.n_bytes}, reterr);
}

static enum lw_status resource_labels(struct lw_otlp_labels *labels,
                                      const struct lw_protobuf_field values[N_NAMING],
                                      struct lw_error *reterr)
{
    static const size_t instances[] = {SERVICE_INSTANCE, POD_NAME, HOST_NAME};
    char numbers[N_NAMING][LW_DOUBLE_TEXT_MAX], name[LW_OTLP_NAME_MAX];
    struct lw_otlp_text texts[N_NAMING];
    enum lw_status status;

    for (size_t i = 0; i < N_NAMING; i++) {
        texts[i] = scalar_text(&values[i], numbers[i]);
    }
    status = label_add_job(labels, texts[SERVICE_NAMESPACE], texts[SERVICE_NAME], reterr);
    for (size_t i = 0; status == LW_OK && i < 3; i++) {
        if (texts[instances[i]].n_bytes > 0) {
            status = lw_otlp_labels_add(labels, "instance", texts[instances[i]], reterr);
            break;
        }
    }
    for (size_t i = HOST_NAME; status == LW_OK && i < N_NAMING; i++) {
        (void)lw_otlp_label_name((struct lw_otlp_text){naming[i], strlen(naming[i])}, name,
                                 sizeof(name));
        status = lw_otlp_labels_add(labels, name, texts[i], reterr);
    }
    return status;
}

enum lw_status lw_otlp_labels_resource(struct lw_otlp_labels *labels, const void *resource,
                                       size_t n_bytes, struct lw_error *reterr)
{
    struct lw_protobuf_field values[N_NAMING] = {{.number = 0}};
    struct lw_protobuf message;
    enum lw_status status;

    lw_otlp_labels_init(labels);
    lw_protobuf_init(&message, resource, n_bytes);
    status = resource_read(&message, values) ? resource_labels(labels, values, reterr)
                                             : damaged(reterr);
    if (status != LW_OK) {
        lw_otlp_labels_init(labels);
        return status;
    }
    labels->n_resource = labels->n;
    labels->n_resource_bytes = labels->n_bytes;
    return LW_OK;
}
