/*
 * What is known of every entity as of a moment ago, for searches and for totals that are asked
 * again and again.
 *
 * A thread of its own, begun when somebody asks for the first time, looks at all entities and at
 * most so often that it takes 2 % of a processor; while nobody asks it sleeps. Searches read what
 * it saw and take no lock that a shard or a feed takes.
 */
#ifndef LW_ENGINE_DIRECTORY_H
#define LW_ENGINE_DIRECTORY_H

#include "engine/core.h"

struct lw_directory;

/* LW_OK or LW_ENOMEM. Starts nothing yet. The engine outlives it. */
enum lw_status lw_directory_create(struct lw_engine *engine, struct lw_directory **ret_directory,
                                   struct lw_error *reterr) LW_MUST_USE;
/* Ends the thread; takes NULL. */
void lw_directory_destroy(struct lw_directory *directory);

/* What is seen of an entity in passing. */
struct lw_entity_glance {
    int64_t last_ns; /* INT64_MIN: none. */
    float score;     /* NaN: none. */
    uint32_t n_series;
    uint8_t confidence;
    bool alarm, has_model;
};
/* Looks at all series: caller holds the shard's lock. */
void lw_entity_glance(const struct lw_entity *entity, struct lw_entity_glance *ret_glance);

/* Whether a name holds each of the words of a search; NULL: yes. */
bool lw_search_matches(const char *search, const char *name);
#define LW_SEARCH_MAX 256

/* views.c: calls back for every entity, with its shard's lock, some at a time, and sums up; one
 * whose shard is begun anew, since entities were dropped, is told twice. The callback may be NULL.
 */
struct lw_walk {
    void (*entity)(void *context, const struct engine_entity *owner,
                   const struct lw_entity_glance *glance);
    void *context;
};
void lw_engine_walk(struct lw_engine *engine, const struct lw_walk *walk,
                    struct lw_engine_totals *ret_totals);
/* How the state on disk does, as of now. */
void lw_engine_show_state(struct lw_engine *engine, struct lw_engine_totals *totals);

#endif
