/*
 * Sinks of the configuration: options that all have, and those of their type.
 *
 *     sinks:
 *       pager: {type: webhook, url: "https://pager.example/hook", rate: 5}
 */
#ifndef LW_CLI_CONFIG_SINKS_H
#define LW_CLI_CONFIG_SINKS_H

#include "connect/sink.h"

#define LW_CONFIG_SINKS_MAX 16

/* Options of every sink. */
struct lw_sink_common {
    double rate;
    int64_t burst;
    int64_t max_age_ns;
    int64_t dead_letters;
};

struct lw_config_sink {
    char name[LW_SHORT_NAME_MAX];
    const struct lw_sink_class *class;
    struct lw_sink_common common;
    void *options; /* Of the class; owned. */
};

const struct lw_option *lw_sink_common_table(size_t *ret_n);
/* Of that type, every option at its default. LW_ENOTFOUND names the types there are; LW_ENOMEM. */
enum lw_status lw_config_sink_init(struct lw_config_sink *sink, const char *name, const char *type,
                                   struct lw_error *reterr) LW_MUST_USE;
void lw_config_sink_fini(struct lw_config_sink *sink);
/* One option, but for "type". LW_ENOTFOUND names the nearest; LW_EINVAL. */
enum lw_status lw_config_sink_set(struct lw_config_sink *sink, const char *option, const char *text,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Same name, type and options? */
bool lw_config_sink_same(const struct lw_config_sink *a, const struct lw_config_sink *b);

#endif
