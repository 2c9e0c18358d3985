/*
 * Distance to the 3rd nearest of 500 rows on 16 directions, the reference size of the ensemble, on
 * one core: knn_vectors_per_s_core (batches of 1,024), one row at a time, shares, a fit.
 */
#include "support/directions.h"
#include "support/scoring.h"

#define N_DIMS 16

int main(void)
{
    static const char *const options[] = {NULL};
    static struct lw_scoring scoring;
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    float *train_rows = lw_directions(&train, N_DIMS), *rows = lw_directions(&test, N_DIMS);

    scoring = (struct lw_scoring){
        .model_class = lw_model_class_find("knn"),
        .options = options,
        .train = {.values = train_rows, .n_rows = train.n_rows, .n_dims = N_DIMS},
        .rows = rows};
    lw_scoring_measure(&scoring);
    lw_scoring_print(&scoring, "knn");
    scoring.model_class->destroy(scoring.model);
    free(rows);
    free(train_rows);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    return 0;
}
