/*
 * Identity: entities that are the same thing under a new name.
 *
 * A pod that is replaced comes back under another name, of which the platform has made parts.
 * Entities of one detector whose names are equal once these parts are replaced by "*" are a family,
 * and a new one begins with what the member fed last has learnt: baselines of its series and tier
 * 1, but no open anomaly, no counts, no samples and nothing about the data's faults. A series of
 * the member that the new one never has stays without samples and says nothing.
 *
 * Which parts are made follows from the key label (option "entity") and the form of its value:
 *
 *     label                      value                          family
 *     pod, pod_name,             api-7d9f8b6c5-x2x4z            api-*-*       Deployment
 *     kubernetes_pod_name,       node-exporter-h8k2p            node-exporter-*  DaemonSet, Job
 *     k8s_pod_name,              backup-28930120-7xk2m          backup-*-*    CronJob
 *     k8s.pod.name               db-0                           db-0          StatefulSet: itself
 *     instance                   the same, when the last part has a digit; a :port stays
 *     container_id,              64 or 12 hexadecimal digits,   *
 *     container.id               with or without "containerd://"
 *
 * The last part, 5 characters long, is drawn from 27 that make no words: consonants but y, and 2
 * and 4 to 9. The hash of a Deployment is a number in ten of them (456789bcdf), 6 to 10 long; that
 * of a CronJob's run has 8 to 10 digits. A name of which nothing is left but "*" has no family.
 * Which member was fed last depends on several entities, so the bytes that the new one begins with
 * are a record of the journal (LW_RECORD_INHERIT).
 */
#ifndef LW_ENGINE_IDENTITY_H
#define LW_ENGINE_IDENTITY_H

#include "engine/core.h"

/* The family of an entity's name under a key (option "entity"); false: it has none. */
bool lw_identity_family(const char *key, const char *name, char ret_family[LW_NAME_MAX]);

/* All below: caller holds engine->route. */

/* The entity is there, or goes. Of one family the newest 64 are looked at. */
void lw_identity_add(struct engine_entity *owner);
void lw_identity_remove(struct engine_entity *owner);
/* A new entity with its first series and no sample: takes over what its family has. Where that
 * cannot be (no memory, models of a file that are not the same) it begins with nothing. */
void lw_identity_inherit(struct engine_entity *owner);
/* While replaying: LW_RECORD_INHERIT. LW_EFORMAT; LW_ENOMEM. */
enum lw_status lw_identity_replay(struct lw_engine *engine, struct lw_reader *reader) LW_MUST_USE;

#endif
