/* Walks the YAML document of libfyaml along the option tables: see cli/config.h. */
#include "cli/config.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/models_file.h"
#include "connect/source_host.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 1024

void lw_config_init(struct lw_config *config)
{
    size_t n;
    const struct lw_option *table = lw_config_option_table(&n);

    memset(config, 0, sizeof(*config));
    lw_options_default(table, n, &config->options);
    table = lw_push_option_table(&n);
    lw_options_default(table, n, &config->push);
    table = lw_scores_option_table(&n);
    lw_options_default(table, n, &config->scores);
}

void lw_config_fini(struct lw_config *config)
{
    for (size_t i = 0; i < config->n_detectors; i++) {
        lw_spec_destroy(config->detectors[i].spec);
    }
    for (size_t i = 0; i < config->n_sinks; i++) {
        lw_config_sink_fini(&config->sinks[i]);
    }
    memset(config, 0, sizeof(*config));
}

/* A detector called "host" begins with the options built in for hosts; the file may change each of
 * them. */
static bool preset(struct lw_config_detector *detector)
{
    size_t n;
    const struct lw_source_host_option *options = lw_source_host_options(&n);

    for (size_t i = 0; strcmp(detector->name, "host") == 0 && i < n; i++) {
        enum lw_status status = options[i].pattern == NULL
                                    ? lw_spec_set(detector->spec, options[i].option,
                                                  options[i].value, NULL)
                                    : lw_spec_set_metric(detector->spec, options[i].pattern,
                                                         options[i].option, options[i].value, NULL);

        if (status != LW_OK) {
            return false;
        }
    }
    return true;
}

struct lw_config_detector *lw_config_detector(struct lw_config *config, const char *name)
{
    struct lw_config_detector *detector;

    for (size_t i = 0; i < config->n_detectors; i++) {
        if (strcmp(config->detectors[i].name, name) == 0) {
            return &config->detectors[i];
        }
    }
    if (config->n_detectors == LW_ENGINE_DETECTORS_MAX || strlen(name) >= LW_SHORT_NAME_MAX) {
        return NULL;
    }
    detector = &config->detectors[config->n_detectors];
    (void)snprintf(detector->name, sizeof(detector->name), "%s", name);
    detector->spec = NULL;
    if (lw_spec_create(&detector->spec, NULL) != LW_OK || !preset(detector)) {
        lw_spec_destroy(detector->spec);
        return NULL;
    }
    config->n_detectors++;
    return detector;
}

enum lw_status lw_config_fill(struct lw_config *config, struct lw_error *reterr)
{
    bool watches_host = false;
    enum lw_status status = LW_OK;

    if (config->n_sources == 0) {
        struct lw_config_source *source = &config->sources[config->n_sources++];
        size_t n;
        const struct lw_option *table = lw_source_option_table(&n);

        lw_options_default(table, n, &source->options);
        (void)snprintf(source->name, sizeof(source->name), "host");
        status = lw_source_options_settle(&source->options, reterr);
    }
    for (size_t i = 0; i < config->n_sources; i++) {
        watches_host = watches_host || config->sources[i].options.type == LW_SOURCE_HOST;
    }
    if (config->n_detectors == 0 &&
        lw_config_detector(config, watches_host ? "host" : "default") == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the built-in detector");
    }
    return status;
}

/* ---- the walk ---- */

struct walk {
    struct lw_config *config;
    const char *file;
    struct lw_error *reterr;
};

/* "file:line:column: what", at a node. */
static enum lw_status complain(const struct walk *walk, struct fy_node *node, enum lw_status status,
                               const char *what)
{
    struct fy_token *token = fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);
    char place[64] = "";

    if (mark != NULL) {
        (void)snprintf(place, sizeof(place), "%d:%d: ", mark->line + 1, mark->column + 1);
    }
    return lw_error_set(walk->reterr, status, "%s:%s%s%s", walk->file, place,
                        mark == NULL ? " " : "", what);
}

/* What a node is, for people who wrote something else. */
static const char *kind_of(struct fy_node *node)
{
    return fy_node_is_null(node)      ? "nothing"
           : fy_node_is_alias(node)   ? "an alias, which this file may not have"
           : fy_node_is_scalar(node)  ? "a single value"
           : fy_node_is_mapping(node) ? "options"
                                      : "a list";
}

static enum lw_status expect_mapping(const struct walk *walk, struct fy_node *key,
                                     struct fy_node *node, const char *what)
{
    char text[200];

    if (fy_node_is_mapping(node)) {
        return LW_OK;
    }
    (void)snprintf(text, sizeof(text), "expected %s, got %s", what, kind_of(node));
    return complain(walk, key, LW_EINVAL, text);
}

/* A scalar as text; a list of scalars joined by commas. */
static enum lw_status text_of(const struct walk *walk, struct fy_node *key, struct fy_node *node,
                              char ret_text[VALUE_MAX])
{
    struct fy_node *item;
    void *at = NULL;
    size_t used = 0;

    ret_text[0] = '\0';
    if (fy_node_is_alias(node) || fy_node_is_mapping(node) || fy_node_is_null(node)) {
        char what[100];

        (void)snprintf(what, sizeof(what), "expected a value or a list of values, got %s",
                       kind_of(node));
        return complain(walk, key, LW_EINVAL, what);
    }
    if (fy_node_is_scalar(node)) {
        size_t n_bytes = 0;
        const char *text = fy_node_get_scalar(node, &n_bytes);

        if (n_bytes >= VALUE_MAX || memchr(text == NULL ? "" : text, '\0', n_bytes) != NULL) {
            return complain(walk, node, LW_ELIMIT,
                            "a value has at most 1023 bytes, and none of them is 0");
        }
        (void)snprintf(ret_text, VALUE_MAX, "%.*s", (int)n_bytes, text == NULL ? "" : text);
        return LW_OK;
    }
    while ((item = fy_node_sequence_iterate(node, &at)) != NULL) {
        size_t n_bytes = 0;
        const char *text = fy_node_is_scalar(item) && !fy_node_is_alias(item)
                               ? fy_node_get_scalar(item, &n_bytes)
                               : NULL;

        if (text == NULL || used + n_bytes + 2 >= VALUE_MAX) {
            return complain(walk, key, LW_EINVAL,
                            "expected a list of single values, 1023 bytes in all");
        }
        used += (size_t)snprintf(ret_text + used, VALUE_MAX - used, "%s%.*s", used == 0 ? "" : ",",
                                 (int)n_bytes, text);
    }
    return LW_OK;
}

static enum lw_status key_of(const struct walk *walk, struct fy_node_pair *pair,
                             char ret_key[LW_SHORT_NAME_MAX])
{
    struct fy_node *key = fy_node_pair_key(pair);
    size_t n_bytes = 0;
    const char *text = key != NULL && fy_node_is_scalar(key) && !fy_node_is_alias(key)
                           ? fy_node_get_scalar(key, &n_bytes)
                           : NULL;

    if (text == NULL || n_bytes == 0 || n_bytes >= LW_SHORT_NAME_MAX ||
        fy_node_pair_value(pair) == NULL) {
        return lw_error_set(walk->reterr, LW_EINVAL,
                            "%s: a key must be a single word of 1 to %d bytes with a value",
                            walk->file, LW_SHORT_NAME_MAX - 1);
    }
    (void)snprintf(ret_key, LW_SHORT_NAME_MAX, "%.*s", (int)n_bytes, text);
    return LW_OK;
}

/* Called for each pair of a mapping. */
typedef enum lw_status (*pair_function)(const struct walk *walk, const char *key,
                                        struct fy_node *key_node, struct fy_node *value,
                                        void *target);

static enum lw_status each_pair(const struct walk *walk, struct fy_node *mapping,
                                pair_function function, void *target)
{
    struct fy_node_pair *pair;
    void *at = NULL;
    enum lw_status status = LW_OK;

    while (status == LW_OK && (pair = fy_node_mapping_iterate(mapping, &at)) != NULL) {
        char key[LW_SHORT_NAME_MAX];

        status = key_of(walk, pair, key);
        if (status == LW_OK) {
            status = function(walk, key, fy_node_pair_key(pair), fy_node_pair_value(pair), target);
        }
    }
    return status;
}

/* A metric pattern under `metrics` while its options are set. */
struct metric_target {
    struct lw_spec *spec;
    const char *pattern;
};

static enum lw_status set_metric_option(const struct walk *walk, const char *key,
                                        struct fy_node *key_node, struct fy_node *value,
                                        void *target)
{
    const struct metric_target *metric = target;
    char text[VALUE_MAX];
    struct lw_error error;
    enum lw_status status = text_of(walk, key_node, value, text);

    if (status == LW_OK) {
        status = lw_spec_set_metric(metric->spec, metric->pattern, key, text, &error);
        if (status != LW_OK) {
            return complain(walk, status == LW_ENOTFOUND ? key_node : value, status, error.message);
        }
    }
    return status;
}

static enum lw_status set_metric(const struct walk *walk, const char *key, struct fy_node *key_node,
                                 struct fy_node *value, void *target)
{
    struct metric_target metric = {.spec = target, .pattern = key};
    enum lw_status status = expect_mapping(walk, key_node, value,
                                           "the options of this metric, as aggregate: mean");

    return status == LW_OK ? each_pair(walk, value, set_metric_option, &metric) : status;
}

static enum lw_status set_detector_option(const struct walk *walk, const char *key,
                                          struct fy_node *key_node, struct fy_node *value,
                                          void *target)
{
    char text[VALUE_MAX];
    struct lw_error error;
    enum lw_status status;

    if (strcmp(key, "metrics") == 0) {
        status = expect_mapping(walk, key_node, value, "metric patterns with their options");
        return status == LW_OK ? each_pair(walk, value, set_metric, target) : status;
    }
    status = text_of(walk, key_node, value, text);
    if (status == LW_OK && strcmp(key, LW_CONFIG_MODEL_FILE) == 0) {
        status = walk->config->skips_models ? LW_OK : lw_models_serve(target, text, &error);
        return status == LW_OK ? LW_OK : complain(walk, value, status, error.message);
    }
    if (status == LW_OK) {
        status = lw_spec_set(target, key, text, &error);
        if (status != LW_OK) {
            return complain(walk, status == LW_ENOTFOUND ? key_node : value, status, error.message);
        }
    }
    return status;
}

static enum lw_status set_detector(const struct walk *walk, const char *key,
                                   struct fy_node *key_node, struct fy_node *value, void *target)
{
    struct lw_config_detector *detector;
    enum lw_status status = expect_mapping(walk, key_node, value,
                                           "the options of this detector, as match: \"*\"");

    (void)target;
    if (status != LW_OK) {
        return status;
    }
    detector = lw_config_detector(walk->config, key);
    if (detector == NULL) {
        return complain(walk, key_node, LW_ELIMIT, "no room for this detector: there may be 64");
    }
    return each_pair(walk, value, set_detector_option, detector->spec);
}

/* Where options of one table go. */
struct table_target {
    const struct lw_option *table;
    size_t n;
    void *values;
};

static enum lw_status set_table_option(const struct walk *walk, const char *key,
                                       struct fy_node *key_node, struct fy_node *value,
                                       void *target)
{
    const struct table_target *to = target;
    char text[VALUE_MAX];
    struct lw_error error;
    enum lw_status status = text_of(walk, key_node, value, text);

    if (status == LW_OK) {
        status = lw_options_set(to->table, to->n, to->values, key, text, &error);
        if (status != LW_OK) {
            return complain(walk, status == LW_ENOTFOUND ? key_node : value, status, error.message);
        }
    }
    return status;
}

static enum lw_status set_source(const struct walk *walk, const char *key, struct fy_node *key_node,
                                 struct fy_node *value, void *target)
{
    struct lw_config_source *source;
    struct table_target to = {0};
    struct lw_error error;
    enum lw_status status = expect_mapping(walk, key_node, value,
                                           "the options of this source, as type: csv");

    (void)target;
    to.table = lw_source_option_table(&to.n);
    if (status != LW_OK) {
        return status;
    }
    if (walk->config->n_sources == LW_CONFIG_SOURCES_MAX) {
        return complain(walk, key_node, LW_ELIMIT, "one source too many: there may be 32");
    }
    source = &walk->config->sources[walk->config->n_sources++];
    lw_options_default(to.table, to.n, &source->options);
    (void)snprintf(source->name, sizeof(source->name), "%s", key);
    to.values = &source->options;
    status = each_pair(walk, value, set_table_option, &to);
    if (status == LW_OK) {
        status = lw_source_options_settle(&source->options, &error);
        status = status == LW_OK ? LW_OK : complain(walk, key_node, status, error.message);
    }
    return status;
}

/* The type comes first, wherever it stands: it decides which options there are. */
static enum lw_status read_sink_type(const struct walk *walk, const char *key,
                                     struct fy_node *key_node, struct fy_node *value, void *target)
{
    return strcmp(key, "type") == 0 ? text_of(walk, key_node, value, target) : LW_OK;
}

static enum lw_status set_sink_option(const struct walk *walk, const char *key,
                                      struct fy_node *key_node, struct fy_node *value, void *target)
{
    char text[VALUE_MAX];
    struct lw_error error;
    enum lw_status status = text_of(walk, key_node, value, text);

    if (status == LW_OK && strcmp(key, "type") != 0) {
        status = lw_config_sink_set(target, key, text, &error);
        if (status != LW_OK) {
            return complain(walk, status == LW_ENOTFOUND ? key_node : value, status, error.message);
        }
    }
    return status;
}

static enum lw_status set_sink(const struct walk *walk, const char *key, struct fy_node *key_node,
                               struct fy_node *value, void *target)
{
    struct lw_config_sink *sink = &walk->config->sinks[walk->config->n_sinks];
    char type[VALUE_MAX] = "";
    struct lw_error error;
    enum lw_status status = expect_mapping(walk, key_node, value,
                                           "the options of this sink, as type: webhook");

    (void)target;
    if (status == LW_OK && walk->config->n_sinks == LW_CONFIG_SINKS_MAX) {
        return complain(walk, key_node, LW_ELIMIT, "one sink too many: there may be 16");
    }
    if (status == LW_OK) {
        status = each_pair(walk, value, read_sink_type, type);
    }
    if (status == LW_OK) {
        status = lw_config_sink_init(sink, key, type, &error);
        status = status == LW_OK ? LW_OK : complain(walk, key_node, status, error.message);
    }
    if (status == LW_OK) {
        walk->config->n_sinks++;
        status = each_pair(walk, value, set_sink_option, sink);
    }
    return status;
}

static enum lw_status set_root(const struct walk *walk, const char *key, struct fy_node *key_node,
                               struct fy_node *value, void *target)
{
    size_t n;
    const struct lw_option *table = lw_config_option_table(&n);
    struct table_target to = {0};
    char text[VALUE_MAX];
    struct lw_error error;
    enum lw_status status;

    (void)target;
    if (strcmp(key, "push") == 0) {
        status = expect_mapping(walk, key_node, value, "the options of pushing, as delay: 5s");
        to.table = lw_push_option_table(&to.n);
        to.values = &walk->config->push;
        return status == LW_OK ? each_pair(walk, value, set_table_option, &to) : status;
    }
    if (strcmp(key, "scores") == 0) {
        status = expect_mapping(walk, key_node, value,
                                "where scores are written to, as url: http://...");
        to.table = lw_scores_option_table(&to.n);
        to.values = &walk->config->scores;
        return status == LW_OK ? each_pair(walk, value, set_table_option, &to) : status;
    }
    if (strcmp(key, "sinks") == 0) {
        status = expect_mapping(walk, key_node, value, "sinks by name");
        return status == LW_OK ? each_pair(walk, value, set_sink, NULL) : status;
    }
    if (strcmp(key, "detectors") == 0 || strcmp(key, "sources") == 0) {
        bool detectors = key[0] == 'd';

        status = expect_mapping(walk, key_node, value,
                                detectors ? "detectors by name" : "sources by name");
        return status == LW_OK ? each_pair(walk, value, detectors ? set_detector : set_source, NULL)
                               : status;
    }
    status = text_of(walk, key_node, value, text);
    if (status == LW_OK) {
        status = lw_options_set(table, n, &walk->config->options, key, text, &error);
        if (status == LW_ENOTFOUND) {
            return complain(walk, key_node, status, error.message);
        }
        if (status != LW_OK) {
            return complain(walk, value, status, error.message);
        }
    }
    return status;
}

/* ---- reading ---- */

/* The first error the parser collected, with its place. */
static enum lw_status parser_error(struct fy_diag *diag, const char *name, struct lw_error *reterr)
{
    void *at = NULL;
    struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);

    if (error == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "%s: not YAML", name);
    }
    return lw_error_set(reterr, LW_EFORMAT, "%s:%d:%d: %s", name, error->line, error->column,
                        error->msg);
}

static enum lw_status take_document(const struct walk *walk, struct fy_document *document)
{
    struct fy_node *root = fy_document_root(document);

    if (root == NULL) {
        return LW_OK; /* A file of comments sets nothing. */
    }
    return fy_node_is_mapping(root)
               ? each_pair(walk, root, set_root, NULL)
               : complain(walk, root, LW_EINVAL, "expected options, as listen: 127.0.0.1:8080");
}

/* The one document of a file; none at all is as good as an empty one. */
static enum lw_status take_file(const struct walk *walk, struct fy_parser *parser,
                                struct fy_diag *diag)
{
    struct fy_document *document = fy_parse_load_document(parser);
    enum lw_status status = LW_OK;

    if (document != NULL) {
        status = take_document(walk, document);
        fy_parse_document_destroy(parser, document);
        document = status == LW_OK ? fy_parse_load_document(parser) : NULL;
    }
    if (document != NULL) {
        fy_parse_document_destroy(parser, document);
        return lw_error_set(walk->reterr, LW_EINVAL,
                            "%s: expected one document, got another one after \"---\"", walk->file);
    }
    if (status == LW_OK && fy_parser_get_stream_error(parser)) {
        status = parser_error(diag, walk->file, walk->reterr);
    }
    return status;
}

/* Refuses what is no text, and directives, which mean nothing here: the parser may run for ever on
 * either. */
static enum lw_status check_text(const char *name, const char *text, size_t n_bytes,
                                 struct lw_error *reterr)
{
    unsigned line = 1;
    size_t at = 0;

    while (at < n_bytes) {
        size_t length = lw_utf8_length(text + at, n_bytes - at);
        bool control = (unsigned char)text[at] < ' ' && strchr("\t\n\r", text[at]) == NULL;

        if (length == 0 || text[at] == '\0' || text[at] == 0x7f || control) {
            return lw_error_set(reterr, LW_EFORMAT, "%s:%u: byte %zu of the file is no text", name,
                                line, at + 1);
        }
        if (text[at] == '%' && (at == 0 || text[at - 1] == '\n' || text[at - 1] == '\r')) {
            return lw_error_set(reterr, LW_EFORMAT, "%s:%u:1: expected an option, got a directive",
                                name, line);
        }
        line += text[at] == '\n' ? 1 : 0;
        at += length;
    }
    return LW_OK;
}

enum lw_status lw_config_parse(struct lw_config *config, const char *name, const char *text,
                               size_t n_bytes, struct lw_error *reterr)
{
    struct fy_diag_cfg diag_config;
    struct fy_diag *diag;
    struct fy_parse_cfg parse_config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};
    struct fy_parser *parser = NULL;
    struct walk walk = {.config = config, .file = name, .reterr = reterr};
    enum lw_status status = check_text(name, text, n_bytes, reterr);

    if (status != LW_OK) {
        return status;
    }
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag = fy_diag_create(&diag_config);
    if (diag != NULL) {
        fy_diag_set_collect_errors(diag, true);
        parse_config.diag = diag;
        parser = fy_parser_create(&parse_config);
    }
    if (parser == NULL || fy_parser_set_string(parser, text, n_bytes) != 0) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to read %s", name);
    } else {
        status = take_file(&walk, parser, diag);
    }
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return status;
}

enum lw_status lw_config_read(struct lw_config *config, const char *path, struct lw_error *reterr)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t n_bytes = 0;
    enum lw_status status;

    if (file == NULL) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "cannot open %s: %s",
                            path, strerror(errno));
    }
    text = lw_mem_alloc(LW_CONFIG_BYTES_MAX + 1);
    if (text == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to read %s", path);
        goto done;
    }
    n_bytes = fread(text, 1, LW_CONFIG_BYTES_MAX + 1, file);
    if (ferror(file) != 0) {
        status = lw_error_set(reterr, LW_EIO, "cannot read %s: %s", path, strerror(errno));
    } else if (n_bytes > LW_CONFIG_BYTES_MAX) {
        status = lw_error_set(reterr, LW_ELIMIT, "%s is larger than %zu bytes", path,
                              LW_CONFIG_BYTES_MAX);
    } else {
        status = lw_config_parse(config, path, text, n_bytes, reterr);
    }
done:
    (void)fclose(file);
    lw_mem_free(text);
    return status;
}
