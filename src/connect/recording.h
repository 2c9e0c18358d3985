/*
 * Recordings: all that a run was fed, in arrival order, in one file that feeds it to another run.
 *
 * A recording is lines of text, compressed by gzip when its name ends in ".gz". Lines end in "\n"
 * and begin with a word:
 *
 *     lapwing recording 1                  the first line: format and version
 *     fact KEY VALUE                       about the run; VALUE is the rest of the line
 *     source host                          who the lines up to the next source line come from
 *     series node_load1{instance="web-1"}  numbered 0, 1, 2 ... over the whole file
 *     t 1763739600000123456                time of the points that follow, ns since 1970 UTC
 *     g 17                                 their tag; 0 at first
 *     v 4 0.41 = +12 nan                   a point for each of the series 4, 5, 6 and 7
 *     m 4 0.41                             the same, each flagged LW_POINT_MORE
 *     w 1763739601000000000                the source's watermark
 *     d bad_line 2                         samples the source dropped, by reason
 *     end 3600                             the last line: how many points there were
 *
 * A value is a number in the fewest digits that give the same double, "=" (the series' last value,
 * 0 at first) or "+N" (its last value and N, a whole number). Points keep their exact time, value,
 * order, flags and tags; how they were split into pushes is not kept, as it changes nothing. A
 * recording without its end line was cut off: what is there is good.
 */
#ifndef LW_CONNECT_RECORDING_H
#define LW_CONNECT_RECORDING_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sources a recording may have. */
#define LW_RECORDING_SOURCES_MAX 64
/* Facts a recording may have, and the bytes of a value, terminator included. */
#define LW_RECORDING_FACTS_MAX 16
#define LW_RECORDING_FACT_MAX 128

struct lw_recording_fact {
    char key[32]; /* One word. */
    char value[LW_RECORDING_FACT_MAX];
};

/* ---- writing ---- */

struct lw_recorder;

/*
 * Begin a recording in a new file; an old one of that name is overwritten.
 *
 * facts         lw_recording_fact[n_facts], at most LW_RECORDING_FACTS_MAX; what may not stand in a
 * line is written as a space. ret_recorder  The caller owns it: lw_recorder_close().
 *
 * LW_OK; LW_EIO when the file cannot be written; LW_ELIMIT for too many facts; LW_ENOMEM.
 */
enum lw_status lw_recorder_create(const char *path, const struct lw_recording_fact *facts,
                                  size_t n_facts, struct lw_recorder **ret_recorder,
                                  struct lw_error *reterr) LW_MUST_USE;

/*
 * Put the recorder between a source and its feed: ret_feed records what `feed` took and answers as
 * `feed` did.
 *
 * source    Its name in the recording, one word shorter than LW_SHORT_NAME_MAX.
 * feed      Copied; its context outlives the recorder.
 * ret_feed  Valid until lw_recorder_close(). Feeds of several threads are recorded in the order in
 * which they were taken.
 *
 * LW_OK; LW_EINVAL for a name that is no word; LW_ELIMIT beyond LW_RECORDING_SOURCES_MAX.
 *
 * Locks: the recorder's, held while `feed` is called: that makes the recorded order the true one. A
 * write that fails ends the recording, never the run: lw_recorder_close() tells.
 */
enum lw_status lw_recorder_wrap(struct lw_recorder *recorder, const char *source,
                                const struct lw_feed *feed, struct lw_feed *ret_feed,
                                struct lw_error *reterr) LW_MUST_USE;

/* Ends and frees the recording; takes NULL. LW_OK; LW_EIO or LW_ENOMEM when something could not be
 * written at any time. */
enum lw_status lw_recorder_close(struct lw_recorder *recorder, struct lw_error *reterr) LW_MUST_USE;

/* ---- reading ---- */

struct lw_recording;

/* Where a recording is played to. */
struct lw_recording_player {
    /* The feed for a source, asked once for each when its name comes up; a failure ends the
     * playing. */
    enum lw_status (*feed)(void *context, const char *source, struct lw_feed *ret_feed,
                           struct lw_error *reterr);
    void *context;
};

/* Whether a file begins as a recording does, compressed or not. False also when it cannot be read.
 */
bool lw_recording_is(const char *path);

/*
 * Open a recording and read its facts.
 *
 * player         Copied; its context outlives the recording.
 * ret_recording  The caller owns it: lw_recording_close().
 *
 * LW_OK; LW_ENOTFOUND when there is no file; LW_EIO; LW_EFORMAT when it is no recording;
 * LW_EVERSION for a format too new; LW_ENOMEM.
 */
enum lw_status lw_recording_open(const char *path, const struct lw_recording_player *player,
                                 struct lw_recording **ret_recording,
                                 struct lw_error *reterr) LW_MUST_USE;

/*
 * Play up to and including the next watermark, or to the end.
 *
 * ret_more  False when there is nothing left.
 *
 * LW_OK; LW_EFORMAT with the line that is damaged; LW_EIO; LW_ELIMIT, LW_ENOMEM; or what a feed
 * answered. After a failure the recording can only be closed.
 */
enum lw_status lw_recording_next(struct lw_recording *recording, bool *ret_more,
                                 struct lw_error *reterr) LW_MUST_USE;

/* Value of a fact, or NULL; valid until the recording is closed. */
const char *lw_recording_fact(const struct lw_recording *recording, const char *key);
/* Bytes of the file played so far; *ret_size is how many it has. */
uint64_t lw_recording_position(const struct lw_recording *recording, uint64_t *ret_size);
/* Times of the earliest and latest point played so far; false when there was none. */
bool lw_recording_span(const struct lw_recording *recording, int64_t *ret_first_ns,
                       int64_t *ret_last_ns);
/* Points played so far. */
uint64_t lw_recording_points(const struct lw_recording *recording);
/* The end line was reached; false of a recording that was cut off. */
bool lw_recording_complete(const struct lw_recording *recording);
/* Takes NULL. */
void lw_recording_close(struct lw_recording *recording);

#endif
