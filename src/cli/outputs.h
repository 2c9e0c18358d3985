/*
 * The running sinks of a daemon: one thread each, which takes events from the engine's outbox,
 * hands them to the sink, and gives back what came of them. Kept while their options stay the same.
 */
#ifndef LW_CLI_OUTPUTS_H
#define LW_CLI_OUTPUTS_H

#include "base/log.h"
#include "cli/config.h"

struct lw_outputs;

/* log and engine, whose outbox is open, outlive the outputs. LW_ENOMEM. */
enum lw_status lw_outputs_create(struct lw_engine *engine, const struct lw_log *log,
                                 struct lw_outputs **ret_outputs,
                                 struct lw_error *reterr) LW_MUST_USE;
/* Could all sinks of a configuration be made? Makes none. LW_EINVAL and the like as they say. */
enum lw_status lw_outputs_try(const struct lw_config *config, struct lw_error *reterr) LW_MUST_USE;
/*
 * Run just the sinks of a configuration: starts the new ones, stops those that are gone or changed.
 * A sink that cannot start is an error (the others run), and keeps what it has yet to be told.
 */
enum lw_status lw_outputs_set(struct lw_outputs *outputs, const struct lw_config *config,
                              struct lw_error *reterr) LW_MUST_USE;
/* Stops and joins all: what is on its way is told again at the next start. Takes NULL. */
void lw_outputs_destroy(struct lw_outputs *outputs);

#endif
