/*
 * Groups of alike entities: those whose metrics hang together and move alike.
 *
 * The signature of an entity is its correlations between all pairs of metrics and the correlation
 * of each with itself a row before, of values by its own scale (detect/views.h), in
 * LW_SIGNATURE_PARTS random sums of them all (Achlioptas, "Database-friendly random projections",
 * JCSS 2003), which keep distances. Centre and scale play no part: a shared model leaves them to
 * the entity. Groups are around medoids (Kaufman and Rousseeuw, "Finding Groups in Data", 1990),
 * built one after the other and then moved by turns (Park and Jun, Expert Systems with Applications
 * 2009); their number is the one with the largest mean silhouette.
 */
#ifndef LW_TRAIN_CLUSTER_H
#define LW_TRAIN_CLUSTER_H

#include "train/ensemble_fit.h"

#define LW_SIGNATURE_PARTS 64u
#define LW_CLUSTERS_MAX 16u
/* Entities among which medoids are looked for; others join the nearest. */
#define LW_CLUSTER_SAMPLE 512u
/* Mean silhouette below which all entities are one group. */
#define LW_CLUSTER_SILHOUETTE 0.25

struct lw_clusters {
    size_t n_clusters;
    size_t medoids[LW_CLUSTERS_MAX]; /* Entities. */
    double silhouette;               /* Mean; NaN for one group. */
};

/* The signature of an entity: float[LW_SIGNATURE_PARTS]. The sums are the same for equal seeds, so
 * entities of the same columns compare. LW_ENOMEM. O(rows columns^2), of at most 2,048 rows. */
enum lw_status lw_signature_take(const struct lw_training_entity *entity, size_t n_columns,
                                 uint64_t seed, float *ret_signature,
                                 struct lw_error *reterr) LW_MUST_USE;
/* Groups by distance of signatures float[n][LW_SIGNATURE_PARTS], n > 0; ret_cluster[n] is whose
 * each entity is. Clusters are numbered by their first entity. LW_ENOMEM. */
enum lw_status lw_clusters_find(const float *signatures, size_t n, size_t *ret_cluster,
                                struct lw_clusters *ret_clusters,
                                struct lw_error *reterr) LW_MUST_USE;

#endif
