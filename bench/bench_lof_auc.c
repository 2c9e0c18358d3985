/*
 * What Local Outlier Factor is worth on labelled tables, set as its reference is: 20 neighbours,
 * standardised columns, the whole table as core set, no floor. Nothing is drawn, so one seed will
 * do.
 */
#include "support/auc.h"

int main(int argc, char **argv)
{
    static const char *const options[] = {"neighbours", "20", "core", "16384", "least", "0", NULL};
    static const struct lw_bench_auc bench = {
        .model = "lof", .options = options, .is_standardised = true, .n_seeds = 1};

    return lw_bench_auc_run(&bench, argc, argv);
}
