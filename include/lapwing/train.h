/*
 * Training: from what an engine has seen of a detector's entities to one model file.
 *
 * An engine whose detector has the option "collect" keeps every row of every entity (up to
 * "train_rows" of them) and trains nothing by itself. When its sources have been read,
 * lw_engine_train() fits, compares, selects, weighs and calibrates, and gives the bytes of a model
 * file, which lw_spec_set_models() gives to a detector for service.
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
 * Train a model file for a detector on all rows its entities have collected.
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
 * @return LW_OK; LW_EINVAL when there is too little to learn from or an option is out of bounds
 * (the report is given all the same where the data could be judged); LW_ENOTFOUND for an unknown
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

#ifdef __cplusplus
}
#endif

#endif
