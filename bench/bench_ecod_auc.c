/* What ECOD is worth on labelled tables; it draws nothing, so one seed tells all. */
#include "support/auc.h"

int main(int argc, char **argv)
{
    static const char *const options[] = {NULL};
    static const struct lw_bench_auc bench = {
        .model = "ecod", .options = options, .is_standardised = false, .n_seeds = 1};

    return lw_bench_auc_run(&bench, argc, argv);
}
