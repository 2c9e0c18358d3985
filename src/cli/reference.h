/* The pages that come from the program's own tables: the man page and the reference of options. */
#ifndef LW_CLI_REFERENCE_H
#define LW_CLI_REFERENCE_H

#include <argp.h>
#include <stdio.h>

/* A subcommand as main.c lists it. */
struct lw_command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
    const struct argp *(*argp)(void); /* NULL: it has no options. */
};

/* Prints every page, each after a line <!-- file: PATH -->, as tools/gen_docs takes them. */
void lw_reference_print(const struct lw_command *commands, size_t n, FILE *stream);

#endif
