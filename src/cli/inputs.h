/* The running sources of a daemon: one thread each, kept while their options stay the same. */
#ifndef LW_CLI_INPUTS_H
#define LW_CLI_INPUTS_H

#include "base/log.h"
#include "cli/config.h"
#include "connect/recording.h"

struct lw_inputs;

/* log and engine outlive the inputs; recorder (may be NULL) too. LW_ENOMEM. */
enum lw_status lw_inputs_create(struct lw_engine *engine, struct lw_recorder *recorder,
                                const struct lw_log *log, struct lw_inputs **ret_inputs,
                                struct lw_error *reterr) LW_MUST_USE;
/*
 * Run just the sources of a configuration: starts the new ones, stops those that are gone or
 * changed. A source that cannot start is an error (the others run); a source that ends or fails
 * later says so in the log.
 */
enum lw_status lw_inputs_set(struct lw_inputs *inputs, const struct lw_config *config,
                             struct lw_error *reterr) LW_MUST_USE;
/* Stops and joins all; takes NULL. */
void lw_inputs_destroy(struct lw_inputs *inputs);

#endif
