/*
 * An isolation forest as an ONNX graph: all trees in one operator, whose sum of h over the trees
 * becomes 2^(-sum / unit).
 *
 * Every cut is written as "not greater than". Ours asks x < t, which is x <= the float before t; or
 * -x < t, whose other side is x <= -t, so there the sides change places. Holes go to the second
 * side: where the sides have changed places that is the side of "true". So a row takes the same way
 * in both, bit for bit; only the sums may be added up in another order.
 */
#include "model/iforest_internal.h"

#include "base/error.h"
#include "model/onnx_export.h"
#include "model/onnx_graph.h"

#include <math.h>

/* The attributes of a node of the trees, in the order they are written. */
enum column {
    COLUMN_TREE,
    COLUMN_NODE,
    COLUMN_MODE,
    COLUMN_FEATURE,
    COLUMN_VALUE,
    COLUMN_TRUE,
    COLUMN_FALSE,
    COLUMN_HOLES,
    N_COLUMNS
};

static const struct {
    const char *name;
    enum lw_graph_list kind;
} columns[N_COLUMNS] = {
    [COLUMN_TREE] = {"nodes_treeids", LW_GRAPH_INTS},
    [COLUMN_NODE] = {"nodes_nodeids", LW_GRAPH_INTS},
    [COLUMN_MODE] = {"nodes_modes", LW_GRAPH_TEXTS},
    [COLUMN_FEATURE] = {"nodes_featureids", LW_GRAPH_INTS},
    [COLUMN_VALUE] = {"nodes_values", LW_GRAPH_FLOATS},
    [COLUMN_TRUE] = {"nodes_truenodeids", LW_GRAPH_INTS},
    [COLUMN_FALSE] = {"nodes_falsenodeids", LW_GRAPH_INTS},
    [COLUMN_HOLES] = {"nodes_missing_value_tracks_true", LW_GRAPH_INTS},
};

/* One value of a node; i is its place in the heap, which serves as its number. */
static void node_write(struct lw_graph *graph, const struct lw_model *model, size_t tree,
                       uint32_t i, enum column column)
{
    bool is_split = tree_is_split(model, tree, i);
    struct lw_shapley_cut split = is_split ? tree_splits(model, tree)[i]
                                           : (struct lw_shapley_cut){0};
    bool is_turned = (split.column & LW_IFOREST_SIGN) != 0;

    switch (column) {
    case COLUMN_TREE:
        lw_graph_list_int(graph, (int64_t)tree);
        break;
    case COLUMN_NODE:
        lw_graph_list_int(graph, i - 1);
        break;
    case COLUMN_MODE:
        lw_graph_list_text(graph, is_split ? "BRANCH_LEQ" : "LEAF");
        break;
    case COLUMN_FEATURE:
        lw_graph_list_int(graph, split.column & ~LW_IFOREST_SIGN);
        break;
    case COLUMN_VALUE:
        lw_graph_list_float(graph, !is_split   ? 0.0f
                                   : is_turned ? -split.threshold
                                               : nextafterf(split.threshold, -INFINITY));
        break;
    case COLUMN_TRUE: /* The first child is 2 i, as a number one less. */
        lw_graph_list_int(graph, !is_split ? 0 : 2 * i - (is_turned ? 0 : 1));
        break;
    case COLUMN_FALSE:
        lw_graph_list_int(graph, !is_split ? 0 : 2 * i - (is_turned ? 1 : 0));
        break;
    default:
        lw_graph_list_int(graph, is_turned);
        break;
    }
}

static void nodes_write(struct lw_graph *graph, const struct lw_model *model)
{
    for (enum column column = COLUMN_TREE; column < N_COLUMNS; column++) {
        size_t list = lw_graph_list_begin(graph, columns[column].name, columns[column].kind);

        for (size_t tree = 0; tree < model->n_trees; tree++) {
            for (uint32_t i = 1; i != 0; i = heap_next(i, tree_is_split(model, tree, i))) {
                node_write(graph, model, tree, i, column);
            }
        }
        lw_graph_list_end(graph, list);
    }
}

/* What the leaves add: their tree, their number, the one output, and h. */
static const char *const leaf_columns[] = {"target_treeids", "target_nodeids", "target_ids",
                                           "target_weights"};
#define N_LEAF_COLUMNS (sizeof(leaf_columns) / sizeof(leaf_columns[0]))
#define LEAF_WEIGHT (N_LEAF_COLUMNS - 1)

/* One column of a tree's leaves. */
static void leaves_write(struct lw_graph *graph, const struct lw_model *model, size_t tree,
                         size_t column)
{
    for (uint32_t i = 1; i != 0; i = heap_next(i, tree_is_split(model, tree, i))) {
        const int64_t numbers[] = {(int64_t)tree, i - 1, 0};

        if (tree_is_split(model, tree, i)) {
            continue;
        }
        if (column == LEAF_WEIGHT) {
            lw_graph_list_float(graph, tree_path(model, tree, i));
        } else {
            lw_graph_list_int(graph, numbers[column]);
        }
    }
}

static void all_leaves_write(struct lw_graph *graph, const struct lw_model *model)
{
    for (size_t column = 0; column < N_LEAF_COLUMNS; column++) {
        size_t list = lw_graph_list_begin(graph, leaf_columns[column],
                                          column == LEAF_WEIGHT ? LW_GRAPH_FLOATS : LW_GRAPH_INTS);

        for (size_t tree = 0; tree < model->n_trees; tree++) {
            leaves_write(graph, model, tree, column);
        }
        lw_graph_list_end(graph, list);
    }
}

enum lw_status lw_iforest_export_onnx(const struct lw_model *model, const struct lw_onnx_form *form,
                                      struct lw_writer *writer, struct lw_error *reterr)
{
    struct lw_graph graph;

    if (form->int8 || form->prune > 0.0) {
        return lw_error_set(reterr, LW_EINVAL,
                            "iforest: a forest has no weights to prune or to write as int8");
    }
    if (iforest_is_extended(model)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "iforest: cuts across columns have no ONNX form, only plain ones do");
    }
    lw_graph_begin(&graph, writer, "iforest");
    lw_graph_input(&graph, "rows", model->n_dims);
    lw_graph_holes(&graph);
    lw_graph_node_begin(&graph, "ai.onnx.ml", "TreeEnsembleRegressor", "rows", "sum");
    lw_graph_int(&graph, "n_targets", 1);
    lw_graph_text(&graph, "aggregate_function", "SUM");
    lw_graph_text(&graph, "post_transform", "NONE");
    nodes_write(&graph, model);
    all_leaves_write(&graph, model);
    lw_graph_node_end(&graph);
    lw_graph_scalar(&graph, "per_unit", (float)(-1.0 / model->unit));
    lw_graph_scalar(&graph, "two", 2.0f);
    lw_graph_op(&graph, "Mul", "sum per_unit", "power");
    lw_graph_op(&graph, "Pow", "two power", "score");
    lw_graph_distances(&graph, "score", "unknown");
    lw_graph_end(&graph);
    return writer->status;
}
