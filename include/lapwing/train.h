/*
 * Training: from what an engine has seen of a detector's entities to one model file.
 *
 * An engine whose detector has the option "collect" keeps every row of every entity (up to
 * "train_rows" of them) with its time, and trains nothing by itself. When its sources have been
 * read, lw_engine_train() fits, compares, selects, weighs and calibrates, and gives the bytes of a
 * model file, which lw_spec_set_models() gives to a detector for service.
 *
 * Without "collect" entities of two series or more keep rows as well, to train themselves: evenly
 * thinned, few of those in which something was anomalous, and without times. They can be trained
 * on, but labels, which are found by times, cannot be given, and the report knows no gaps.
 */
#ifndef LAPWING_TRAIN_H
#define LAPWING_TRAIN_H

#include "lapwing/engine.h"
#include "lapwing/lapwing.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who shares a model. */
enum lw_sharing {
    LW_SHARING_AUTO = 0, /**< Shared where little is lost by it, as training finds; else own. */
    LW_SHARING_OWN,      /**< One for each entity. */
    LW_SHARING_CLUSTERS, /**< One for each group of alike entities. */
    LW_SHARING_ALL       /**< One for all entities of the detector. */
};

/** A stretch of one entity that a person has called anomalous. Borrowed. */
struct lw_train_label {
    const char *entity; /**< NULL: of every entity. */
    int64_t start_ns;
    int64_t end_ns; /**< Last anomalous moment, included. */
};

/** How to train. Zero-initialise, then set what should differ. */
struct lw_train_options {
    const char *models; /**< NULL: the detector's option "models". */
    const char *tuning; /**< Options of models as "class.option=value, ..."; NULL: none. */
    enum lw_sharing sharing;
    uint32_t n_threads;  /**< 0: one for each processor. */
    uint32_t n_folds;    /**< Expanding windows of the cross-validation; 0: 3. */
    uint64_t seed;       /**< 0: the detector's. */
    uint64_t memory_max; /**< Bytes that training may take at most; 0: 2 GiB. */
    const struct lw_train_label *labels;
    size_t n_labels;
    /** May be NULL. Called from any of the threads, one at a time: what is done now, and how much
     * of it all, in [0, 1]. */
    void (*progress)(void *context, const char *what, double share);
    void *context;
};

/**
 * Train a model file for a detector on all rows its entities have kept.
 *
 * @param engine      All sources read; called while nothing is pushed.
 * @param detector    Name of the detector.
 * @param options     Borrowed; NULL: all defaults.
 * @param ret_bytes   The model file; the caller owns it: lw_bytes_free().
 * @param ret_n_bytes Its length.
 * @param ret_report  JSON, terminated: data quality, per-model scores, weights, options, cost per
 *                    vector, what the budget will allow; the caller owns it: lw_bytes_free(). May
 *                    be NULL. The same text lies in the model file.
 * @param reterr      Filled on failure; may be NULL.
 * @return LW_OK; LW_EINVAL when there is too little to learn from, an option is out of bounds, or
 * there are labels but rows have no times (the report is given all the same where the data could be
 * judged); LW_ENOTFOUND for an unknown
 * detector or model; LW_ELIMIT when memory_max does not suffice; LW_ENOMEM.
 *
 * Deterministic from the seed, whatever the number of threads.
 */
LW_API enum lw_status lw_engine_train(struct lw_engine *engine, const char *detector,
                                      const struct lw_train_options *options, void **ret_bytes,
                                      size_t *ret_n_bytes, char **ret_report,
                                      struct lw_error *reterr) LW_MUST_USE;

/**
 * The report in a model file.
 *
 * @param ret_report JSON, terminated; the caller owns it: lw_bytes_free().
 * @return LW_OK; LW_EFORMAT, LW_EVERSION, LW_ENOTFOUND as lw_spec_set_models(); LW_ENOMEM.
 */
LW_API enum lw_status lw_models_report(const void *bytes, size_t n_bytes, char **ret_report,
                                       struct lw_error *reterr) LW_MUST_USE;

/** Which member of a model file to write as an ONNX graph, and how. Zero-initialise. */
struct lw_export_options {
    const char *member; /**< "autoencoder@values", or the class alone where that names just one. */
    const char *entity; /**< Whose models; NULL: those of the group. */
    uint32_t group;     /**< Number of a group of entities, from 0, as the report has it. Not read
                         * where entity is given. */
    bool int8;          /**< Weights of products as 8-bit integers. */
    double prune;       /**< In [0, 1): share of each layer's weights, the smallest, left out. */
    /** Raw values to measure the graph's loss on: float[n_rows][n_columns], the next ones of one
     * entity in time order, NaN where missing; NULL: it is not measured. They are scaled as those
     * of entity, or of the group's first one. */
    const float *rows;
    size_t n_rows;
    const char *const *columns; /**< [n_columns] Metrics of the rows, in any order; those that the
                                 * model does not read are passed over. */
    size_t n_columns;
};

/** A member as a graph. Errors are of a score beside the model's own, relative to that one. */
struct lw_export {
    void *bytes; /**< The ONNX file; the caller owns it: lw_bytes_free(). */
    size_t n_bytes;
    size_t n_float_bytes;    /**< Of the graph without int8 and pruning. */
    uint32_t group;          /**< The group it is of, */
    uint32_t n_groups;       /**< and how many the model file has. */
    size_t n_rows;           /**< Rows that the loss was measured on; 0: it was not. */
    double mean_error;       /**< 0 where it was not measured. */
    double max_error;        /**< 0 where it was not measured. */
    double rank_correlation; /**< Spearman's; NaN where either gives one score only; 0 where it was
                              * not measured. */
};

/**
 * Write a member of a model file as an ONNX graph, and measure what its form loses.
 *
 * @param bytes      A model file; borrowed.
 * @param options    Borrowed; member must be given.
 * @param ret_export Written only on LW_OK.
 * @param reterr     Filled on failure; may be NULL.
 * @return LW_OK; LW_ENOTFOUND for an unknown member (the message names those there are) or entity,
 * and with rows where ONNX Runtime is not installed; LW_EINVAL for a class without such a graph or
 * not in that form, a group or a share out of bounds, a member's name that fits several, rows
 * without a metric that the model reads or of which none can be judged; LW_EFORMAT, LW_EVERSION,
 * LW_ENOTFOUND as lw_spec_set_models(); LW_ENOMEM.
 *
 * Threads Any. Rows are run by ONNX Runtime, which is opened for it (docs/models/onnx.md).
 */
LW_API enum lw_status lw_models_export(const void *bytes, size_t n_bytes,
                                       const struct lw_export_options *options,
                                       struct lw_export *ret_export,
                                       struct lw_error *reterr) LW_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
