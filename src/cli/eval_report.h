/* An evaluation as people read it, and as programs do. */
#ifndef LW_CLI_EVAL_REPORT_H
#define LW_CLI_EVAL_REPORT_H

#include "cli/eval_options.h"
#include "cli/terminal.h"

/* Tables with aligned columns, at most 80 wide. */
void lw_eval_print_text(const struct lw_evaluation *evaluation, const struct lw_eval_inputs *inputs,
                        const struct lw_eval_command *command, const struct lw_terminal *terminal);
/* One JSON object. LW_ENOMEM. */
enum lw_status lw_eval_print_json(const struct lw_evaluation *evaluation,
                                  const struct lw_eval_inputs *inputs,
                                  const struct lw_eval_command *command, FILE *stream) LW_MUST_USE;

#endif
