/* Targets of scrapes: see scrape/targets.h. */
#define _GNU_SOURCE
#include "connect/scrape/targets.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024

/* ---- one target ---- */

/* Copies a text into the target; NULL when it is full. */
static const char *keep(struct lw_target *target, size_t *used, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = target->bytes + *used;

    if (n > sizeof(target->bytes) - *used) {
        return NULL;
    }
    memcpy(copy, text, n);
    *used += n;
    return copy;
}

/* Puts a label in its place; one of that name takes the new value, an empty one takes it away. */
static bool label_set(struct lw_target *target, size_t *used, const char *name, const char *value)
{
    size_t at = 0;
    const char *name_kept, *value_kept;

    while (at < target->n_labels && strcmp(target->labels[at].name, name) < 0) {
        at++;
    }
    if (at < target->n_labels && strcmp(target->labels[at].name, name) == 0) {
        target->n_labels--;
        memmove(&target->labels[at], &target->labels[at + 1],
                (target->n_labels - at) * sizeof(target->labels[0]));
    }
    if (value[0] == '\0') {
        return true;
    }
    name_kept = keep(target, used, name);
    value_kept = name_kept == NULL ? NULL : keep(target, used, value);
    if (value_kept == NULL || target->n_labels == LW_TARGET_LABELS_MAX) {
        return false;
    }
    memmove(&target->labels[at + 1], &target->labels[at],
            (target->n_labels - at) * sizeof(target->labels[0]));
    target->labels[at] = (struct lw_label){name_kept, value_kept};
    target->n_labels++;
    return true;
}

static const char *special(const struct lw_label *labels, size_t n_labels, const char *name,
                           const char *otherwise)
{
    for (size_t i = 0; i < n_labels; i++) {
        if (strcmp(labels[i].name, name) == 0) {
            return labels[i].value;
        }
    }
    return otherwise;
}

static enum lw_status address_check(const char *address, struct lw_error *reterr)
{
    return address[0] != '\0' && strpbrk(address, "/?#@ \t\r\n\"<>\\^`{|}") == NULL
               ? LW_OK
               : lw_error_set(reterr, LW_EINVAL,
                              "\"%.100s\" is no target: expected host:port, without scheme or path",
                              address);
}

static enum lw_status url_make(struct lw_target *target, size_t *used, const char *scheme,
                               const char *address, const char *path, struct lw_error *reterr)
{
    char url[TEXT_MAX];
    int n = snprintf(url, sizeof(url), "%s://%s%s", scheme, address, path);

    if ((strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) || path[0] != '/' ||
        strpbrk(path, " \t\r\n#") != NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"%.100s\" and \"%.100s\" are no scheme (http or https) and path "
                            "(beginning with \"/\")",
                            scheme, path);
    }
    target->url = n > 0 && (size_t)n < sizeof(url) ? keep(target, used, url) : NULL;
    return target->url != NULL ? LW_OK
                               : lw_error_set(reterr, LW_ELIMIT,
                                              "target %.100s: its address has more than %d bytes",
                                              address, TEXT_MAX - 1);
}

enum lw_status lw_target_make(const struct lw_target_defaults *defaults, const char *address,
                              const struct lw_label *labels, size_t n_labels,
                              struct lw_target *ret_target, struct lw_error *reterr)
{
    const char *scheme = special(labels, n_labels, "__scheme__", defaults->scheme);
    const char *path = special(labels, n_labels, "__metrics_path__", defaults->path);
    size_t used = 0;
    enum lw_status status;
    bool fits;

    address = special(labels, n_labels, "__address__", address);
    ret_target->n_labels = 0;
    status = address_check(address, reterr);
    if (status == LW_OK) {
        status = url_make(ret_target, &used, scheme, address, path, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    fits = label_set(ret_target, &used, "instance", address);
    for (size_t i = 0; i < defaults->n_labels; i++) {
        fits = fits &&
               label_set(ret_target, &used, defaults->labels[i].name, defaults->labels[i].value);
    }
    for (size_t i = 0; i < n_labels; i++) {
        if (strncmp(labels[i].name, "__", 2) != 0) {
            fits = fits && label_set(ret_target, &used, labels[i].name, labels[i].value);
        }
    }
    return fits ? LW_OK
                : lw_error_set(reterr, LW_ELIMIT,
                               "target %.100s has more than %d labels, or %d bytes of them",
                               address, LW_TARGET_LABELS_MAX, LW_TARGET_BYTES_MAX);
}

static const char *moved(const char *text, const struct lw_target *from, const struct lw_target *to)
{
    return to->bytes + (text - from->bytes);
}

void lw_target_copy(const struct lw_target *target, struct lw_target *ret_target)
{
    memcpy(ret_target, target, sizeof(*target));
    ret_target->url = moved(target->url, target, ret_target);
    for (size_t i = 0; i < target->n_labels; i++) {
        ret_target->labels[i].name = moved(target->labels[i].name, target, ret_target);
        ret_target->labels[i].value = moved(target->labels[i].value, target, ret_target);
    }
}

/* ---- labels of the configuration ---- */

static bool is_label_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

    return n > 0 && name[n] == '\0' && (name[0] < '0' || name[0] > '9');
}

enum lw_status lw_target_labels_parse(char *text, struct lw_label *ret_labels, size_t capacity,
                                      size_t *ret_n, struct lw_error *reterr)
{
    char *rest = text;
    size_t n = 0;

    while (rest != NULL && *rest != '\0') {
        char *item = strsep(&rest, ",");
        char *equals = strchr(item, '=');

        if (equals == NULL) {
            return lw_error_set(reterr, LW_EINVAL, "\"%.100s\" is no label: expected name=value",
                                item);
        }
        *equals = '\0';
        item += strspn(item, " ");
        if (!is_label_name(item)) {
            return lw_error_set(reterr, LW_EINVAL, "\"%.100s\" is no name of a label", item);
        }
        if (n == capacity) {
            return lw_error_set(reterr, LW_ELIMIT, "more than %zu labels", capacity);
        }
        ret_labels[n++] = (struct lw_label){item, equals + 1};
    }
    *ret_n = n;
    return LW_OK;
}

/* ---- files ---- */

struct reading {
    const struct lw_target_defaults *defaults;
    const char *path;
    lw_target_function take;
    void *context;
    bool is_ended;
    struct lw_label labels[LW_TARGET_LABELS_MAX];
    char texts[LW_TARGET_BYTES_MAX]; /* Of the labels. */
    struct lw_error *reterr;
};

static enum lw_status complain(const struct reading *reading, struct fy_node *node,
                               const char *expected)
{
    struct fy_token *token = node != NULL && fy_node_is_scalar(node)
                                 ? fy_node_get_scalar_token(node)
                                 : NULL;
    const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);

    if (mark == NULL) {
        return lw_error_set(reading->reterr, LW_EFORMAT, "%.300s: expected %s", reading->path,
                            expected);
    }
    return lw_error_set(reading->reterr, LW_EFORMAT, "%.300s:%d:%d: expected %s", reading->path,
                        mark->line + 1, mark->column + 1, expected);
}

/* A scalar's text at *used of texts; NULL when it is none, or does not fit. */
static const char *scalar_keep(struct fy_node *node, char *texts, size_t capacity, size_t *used)
{
    size_t n = 0;
    const char *text = node != NULL && fy_node_is_scalar(node) && !fy_node_is_alias(node)
                           ? fy_node_get_scalar(node, &n)
                           : NULL;
    char *copy = texts + *used;

    if (text == NULL || n >= capacity - *used || memchr(text, '\0', n) != NULL) {
        return NULL;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    *used += n + 1;
    return copy;
}

static enum lw_status labels_read(struct reading *reading, struct fy_node *node, size_t *ret_n)
{
    struct fy_node_pair *pair;
    void *at = NULL;
    size_t n = 0, used = 0;

    *ret_n = 0;
    if (node == NULL) {
        return LW_OK;
    }
    if (!fy_node_is_mapping(node)) {
        return complain(reading, node, "\"labels\" to be names with values");
    }
    while ((pair = fy_node_mapping_iterate(node, &at)) != NULL) {
        const char *name = scalar_keep(fy_node_pair_key(pair), reading->texts,
                                       sizeof(reading->texts), &used);
        const char *value = name == NULL ? NULL
                                         : scalar_keep(fy_node_pair_value(pair), reading->texts,
                                                       sizeof(reading->texts), &used);

        if (value == NULL || !is_label_name(name) || n == LW_TARGET_LABELS_MAX) {
            return complain(reading, fy_node_pair_key(pair),
                            "at most 32 labels, each a name and a text, 2048 bytes in all");
        }
        reading->labels[n++] = (struct lw_label){name, value};
    }
    *ret_n = n;
    return LW_OK;
}

/* {"targets": [...], "labels": {...}} */
static enum lw_status group_read(struct reading *reading, struct fy_node *group)
{
    struct fy_node *targets = fy_node_is_mapping(group)
                                  ? fy_node_mapping_lookup_by_string(group, "targets", FY_NT)
                                  : NULL;
    struct fy_node *item;
    void *at = NULL;
    size_t n_labels = 0;
    enum lw_status status = LW_OK;

    if (targets == NULL || !fy_node_is_sequence(targets)) {
        return complain(reading, group, "a list of groups, each with a list \"targets\"");
    }
    status = labels_read(reading, fy_node_mapping_lookup_by_string(group, "labels", FY_NT),
                         &n_labels);
    while (status == LW_OK && !reading->is_ended &&
           (item = fy_node_sequence_iterate(targets, &at)) != NULL) {
        struct lw_target target;
        char address[TEXT_MAX];
        size_t used = 0;
        struct lw_error error;

        if (scalar_keep(item, address, sizeof(address), &used) == NULL) {
            return complain(reading, item, "a target as \"host:port\"");
        }
        status = lw_target_make(reading->defaults, address, reading->labels, n_labels, &target,
                                &error);
        if (status != LW_OK) {
            return lw_error_set(reading->reterr, LW_EFORMAT, "%.200s: %.250s", reading->path,
                                error.message);
        }
        reading->is_ended = !reading->take(reading->context, &target);
    }
    return status;
}

/* Control characters, bytes that are no UTF-8 and directives: libfyaml may not end with them. */
static bool is_plain_text(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t n = lw_utf8_length(text + i, n_bytes - i);
        bool is_control = ((unsigned char)text[i] < ' ' && strchr("\t\n\r", text[i]) == NULL) ||
                          text[i] == '\0' || text[i] == 0x7f;
        bool begins_line = i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r';

        if (n == 0 || is_control || (begins_line && text[i] == '%')) {
            return false;
        }
        i += n;
    }
    return true;
}

static enum lw_status text_read(struct reading *reading, const char *text, size_t n_bytes)
{
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET};
    struct fy_document *document;
    struct fy_node *root, *group;
    void *at = NULL;
    enum lw_status status = LW_OK;

    if (n_bytes == 0) {
        return LW_OK;
    }
    document = is_plain_text(text, n_bytes) ? fy_document_build_from_string(&config, text, n_bytes)
                                            : NULL;
    if (document == NULL) {
        return complain(reading, NULL, "JSON or YAML");
    }
    root = fy_document_root(document);
    if (root != NULL && !fy_node_is_null(root) && !fy_node_is_sequence(root)) {
        status = complain(reading, root, "a list of groups, each with a list \"targets\"");
    } else if (root != NULL && fy_node_is_sequence(root)) {
        while (status == LW_OK && !reading->is_ended &&
               (group = fy_node_sequence_iterate(root, &at)) != NULL) {
            status = group_read(reading, group);
        }
    }
    fy_document_destroy(document);
    return status;
}

enum lw_status lw_targets_read(const struct lw_target_defaults *defaults, const char *path,
                               lw_target_function take, void *context, struct lw_error *reterr)
{
    struct reading *reading = lw_mem_calloc(1, sizeof(*reading));
    char *text = lw_mem_alloc(LW_TARGETS_FILE_BYTES_MAX + 1);
    FILE *file = NULL;
    enum lw_status status = LW_OK;
    size_t n_bytes;

    if (reading == NULL || text == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to read %.300s", path);
        goto done;
    }
    file = fopen(path, "re");
    if (file == NULL) {
        status = lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.300s: %s", path,
                              strerror(errno));
        goto done;
    }
    n_bytes = fread(text, 1, LW_TARGETS_FILE_BYTES_MAX + 1, file);
    if (ferror(file) != 0) {
        status = lw_error_set(reterr, LW_EIO, "%.300s: it cannot be read", path);
        goto done;
    }
    if (n_bytes > LW_TARGETS_FILE_BYTES_MAX) {
        status = lw_error_set(reterr, LW_ELIMIT, "%.300s: a file of targets has at most %zu bytes",
                              path, LW_TARGETS_FILE_BYTES_MAX);
        goto done;
    }
    reading->defaults = defaults;
    reading->path = path;
    reading->take = take;
    reading->context = context;
    reading->reterr = reterr;
    status = text_read(reading, text, n_bytes);
done:
    if (file != NULL) {
        (void)fclose(file);
    }
    lw_mem_free(text);
    lw_mem_free(reading);
    return status;
}
