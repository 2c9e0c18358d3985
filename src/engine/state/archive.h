/*
 * The history of an engine's input: what the journal holds becomes compressed files, which are read
 * by ranges of time.
 */
#ifndef LW_ENGINE_STATE_ARCHIVE_H
#define LW_ENGINE_STATE_ARCHIVE_H

#include "engine/state/durable.h"
#include "store/history.h"

struct lw_archive;

/* Opens the folder "history" of the state. LW_EIO, LW_ENOMEM. */
enum lw_status lw_archive_create(struct lw_durable *durable, struct lw_archive **ret_archive,
                                 struct lw_error *reterr) LW_MUST_USE;
/* No archiving may be under way. Takes NULL. */
void lw_archive_destroy(struct lw_archive *archive);

/* Whether a turn is due: there are points for a whole file, or a minute has gone by (*ret_all: then
 * all of them are taken, whatever file they make). Thread of the turns. */
bool lw_archive_due(const struct lw_archive *archive, bool *ret_all);
/*
 * Move what is on the disk of the journal, and not yet in the history, into it: `all`, or one file
 * of 64 points a series (1,048,576 at least); merge and drop files where that is due. One thread at
 * a time. Memory: what lw_history_write() and lw_history_compact() say.
 */
enum lw_status lw_archive_turn(struct lw_archive *archive, bool all,
                               struct lw_error *reterr) LW_MUST_USE;
/* Up to which record the journal may be trimmed as far as the history is concerned. Any thread. */
uint64_t lw_archive_covered(const struct lw_archive *archive);
/* Any thread. */
struct lw_history *lw_archive_history(struct lw_archive *archive);

#endif
