/* `lapwing eval`: scores against labels. */
#include "cli/command.h"
#include "cli/eval_options.h"
#include "cli/eval_report.h"

#include <stdio.h>

static void tell(const char *sentence)
{
    (void)fprintf(stderr, "lapwing eval: %s\n", sentence);
}

static void tell_nobody(const char *sentence)
{
    (void)sentence;
}

static enum lw_exit exit_of(enum lw_status status)
{
    return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
}

/* Evaluates what was gathered, and prints it. */
static enum lw_exit inputs_evaluate(const struct lw_eval_inputs *inputs,
                                    const struct lw_eval_command *command)
{
    struct lw_terminal terminal = lw_terminal_of(stdout);
    struct lw_evaluation *evaluation;
    struct lw_error error;
    enum lw_status status = lw_evaluate(inputs->series, inputs->n, &command->options, &evaluation,
                                        &error);

    if (status != LW_OK) {
        tell(error.message);
        return exit_of(status);
    }
    if (command->is_json) {
        status = lw_eval_print_json(evaluation, inputs, command, stdout);
    } else {
        lw_eval_print_text(evaluation, inputs, command, &terminal);
    }
    lw_evaluation_destroy(evaluation);
    if (status != LW_OK || fflush(stdout) != 0 || ferror(stdout) != 0) {
        tell(status != LW_OK ? "no memory for the report" : "the report cannot be written");
        return LW_EXIT_FAILED;
    }
    return LW_EXIT_OK;
}

int lw_command_eval(int argc, char **argv)
{
    struct lw_eval_command command;
    struct lw_eval_inputs inputs = {0};
    struct lw_error error;
    enum lw_status status;
    enum lw_exit code;

    lw_eval_options_read(argc, argv, &command);
    command.request.tell = command.is_quiet ? tell_nobody : tell;
    status = lw_eval_gather(&command.request, &inputs, &error);
    if (status != LW_OK) {
        tell(error.message);
        code = exit_of(status);
    } else {
        code = inputs_evaluate(&inputs, &command);
    }
    lw_eval_inputs_fini(&inputs);
    return (int)code;
}
