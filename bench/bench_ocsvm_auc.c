/*
 * What One-Class SVM is worth on labelled tables, set as its reference is: nu 0.5, gamma by
 * scikit-learn's rule "scale", standardised columns, at most 4,096 rows trained on, all scored.
 */
#include "support/auc.h"

int main(int argc, char **argv)
{
    static const char *const options[] = {"nu", "0.5",  "width", "scale", "least",
                                          "0",  "rows", "4096",  NULL};
    static const struct lw_bench_auc bench = {
        .model = "ocsvm", .options = options, .is_standardised = true, .n_seeds = 3};

    return lw_bench_auc_run(&bench, argc, argv);
}
