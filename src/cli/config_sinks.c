/* Sinks of the configuration: see cli/config_sinks.h. */
#include "cli/config_sinks.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define COMMON(field) offsetof(struct lw_sink_common, field)

static const struct lw_option COMMON_OPTIONS[] = {
    {.name = "rate",
     .type = LW_OPTION_DOUBLE,
     .offset = COMMON(rate),
     .fallback = "10",
     .min = 0.001,
     .max = 1e6,
     .unit = "events/s",
     .help = "Events it is told a second at most; more wait."},
    {.name = "burst",
     .type = LW_OPTION_INT,
     .offset = COMMON(burst),
     .fallback = "100",
     .min = 1,
     .max = 1e6,
     .unit = "events",
     .help = "Events it is told at once after a pause."},
    {.name = "max_age",
     .type = LW_OPTION_DURATION,
     .offset = COMMON(max_age_ns),
     .fallback = "1d",
     .min = 1e9,
     .max = 366 * 86400e9,
     .unit = "duration",
     .help = "An event that cannot be told for so long becomes a dead letter."},
    {.name = "dead_letters",
     .type = LW_OPTION_INT,
     .offset = COMMON(dead_letters),
     .fallback = "10000",
     .min = 1,
     .max = 1e6,
     .unit = "events",
     .help = "Dead letters kept; beyond them the oldest go."},
};

const struct lw_option *lw_sink_common_table(size_t *ret_n)
{
    *ret_n = sizeof(COMMON_OPTIONS) / sizeof(COMMON_OPTIONS[0]);
    return COMMON_OPTIONS;
}

static const struct lw_sink_class *class_find(const char *type)
{
    const struct lw_sink_class *const *classes = lw_sink_classes();

    while (*classes != NULL && strcmp((*classes)->type, type) != 0) {
        classes++;
    }
    return *classes;
}

static enum lw_status unknown_type(const char *type, struct lw_error *reterr)
{
    const struct lw_sink_class *const *classes = lw_sink_classes();
    char types[256] = "";

    for (; *classes != NULL; classes++) {
        size_t used = strlen(types);

        (void)snprintf(types + used, sizeof(types) - used, "%s%s", used == 0 ? "" : ", ",
                       (*classes)->type);
    }
    return lw_error_set(reterr, LW_ENOTFOUND, "there is no sink of type \"%.100s\"; there are: %s",
                        type, types);
}

enum lw_status lw_config_sink_init(struct lw_config_sink *sink, const char *name, const char *type,
                                   struct lw_error *reterr)
{
    const struct lw_sink_class *class = class_find(type);
    size_t n;
    const struct lw_option *table = lw_sink_common_table(&n);

    if (class == NULL) {
        return unknown_type(type, reterr);
    }
    memset(sink, 0, sizeof(*sink));
    sink->options = lw_mem_calloc(1, class->options_bytes);
    if (sink->options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for sink \"%.100s\"", name);
    }
    (void)snprintf(sink->name, sizeof(sink->name), "%s", name);
    sink->class = class;
    lw_options_default(table, n, &sink->common);
    lw_options_default(class->options, class->n_options, sink->options);
    return LW_OK;
}

void lw_config_sink_fini(struct lw_config_sink *sink)
{
    lw_mem_free(sink->options);
    memset(sink, 0, sizeof(*sink));
}

enum lw_status lw_config_sink_set(struct lw_config_sink *sink, const char *option, const char *text,
                                  struct lw_error *reterr)
{
    size_t n;
    const struct lw_option *table = lw_sink_common_table(&n);

    if (lw_options_find(table, n, option) != NULL) {
        return lw_options_set(table, n, &sink->common, option, text, reterr);
    }
    return lw_options_set(sink->class->options, sink->class->n_options, sink->options, option, text,
                          reterr);
}

static bool same_options(const struct lw_option *table, size_t n, const void *a, const void *b)
{
    for (size_t i = 0; i < n; i++) {
        char first[TEXT_MAX], second[TEXT_MAX];

        (void)lw_option_format(&table[i], a, first, sizeof(first));
        (void)lw_option_format(&table[i], b, second, sizeof(second));
        if (strcmp(first, second) != 0) {
            return false;
        }
    }
    return true;
}

bool lw_config_sink_same(const struct lw_config_sink *a, const struct lw_config_sink *b)
{
    size_t n;
    const struct lw_option *table = lw_sink_common_table(&n);

    return strcmp(a->name, b->name) == 0 && a->class == b->class &&
           same_options(table, n, &a->common, &b->common) &&
           same_options(a->class->options, a->class->n_options, a->options, b->options);
}
