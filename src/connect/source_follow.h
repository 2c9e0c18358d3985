/*
 * The source "follow": files that other programs write line by line, followed as they grow, through
 * rotation and restarts.
 *
 * A file is known by device and inode, and by a hash of its first bytes; its path may change. Of
 * each the source remembers the end of the last line whose samples are durable, in a state file: a
 * restart goes on there. What was delivered behind it before a crash is delivered again, and
 * dropped by the engine as late or duplicate.
 *
 * Rotation by rename: the old file is read to its end wherever it went, the new one from its start.
 * By copy and truncate: a copy that the patterns match is known by its first bytes and read on from
 * where the original was; the original begins anew. What a program truncates before it was read,
 * and without such a copy, is lost.
 *
 * Of several files with lines that wait, the one whose last sample is oldest is read first, and
 * event time does not pass it; rotated files of one name are read in the order they were last
 * written. A file without new lines for LW_FOLLOW_IDLE_NS holds nobody up; when all are so, event
 * time goes on with the clock.
 */
#ifndef LW_CONNECT_SOURCE_FOLLOW_H
#define LW_CONNECT_SOURCE_FOLLOW_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files followed at a time; further ones wait, and are told. */
#define LW_FOLLOW_FILES_MAX 512
/* Bytes of one line; longer ones are left out and counted. */
#define LW_FOLLOW_LINE_BYTES_MAX ((size_t)1 << 20)
#define LW_FOLLOW_IDLE_NS (INT64_C(5) * 1000000000)

enum lw_follow_format {
    LW_FOLLOW_AUTO, /* By the ending of the name: .jsonl, .ndjson, .json; .lp, .influx; else CSV. */
    LW_FOLLOW_CSV,
    LW_FOLLOW_JSON, /* Objects as POST /v1/samples takes them. */
    LW_FOLLOW_INFLUX
};

struct lw_source_follow;

/* What a source tells of itself, on its own thread. Borrowed for the call. */
struct lw_follow_event {
    enum {
        LW_FOLLOW_BEGUN,     /* A file is followed, from the byte n. */
        LW_FOLLOW_TRUNCATED, /* A file begins anew. */
        LW_FOLLOW_GONE,      /* A file is not there any more, and was read to its end. */
        LW_FOLLOW_REJECTED,  /* n samples or lines were left out. */
        LW_FOLLOW_FAILED     /* A file, or the state file, cannot be read or written now. */
    } kind;
    const char *path, *detail; /* One sentence, or "". */
    uint64_t n;
};

/* Borrowed until lw_source_follow_create() has returned, but for the listener's context; texts may
 * be NULL or "": none. */
struct lw_source_follow_config {
    const char *paths; /* Patterns, separated by commas. */
    enum lw_follow_format format;
    bool from_end; /* Files that are there at the first start are begun at their end. */
    const char *time, *series, *value, *entity; /* Columns of CSV files. */
    const char *state_path;                     /* Of the state file; NULL: none is kept. */
    int64_t series_max;                         /* Of JSON lines and line protocol; 0: 1,000,000. */
    void (*tell)(void *context, const struct lw_follow_event *event); /* May be NULL. */
    void *context;
};

/*
 * A source with its state read; no file is read yet. LW_EINVAL without a pattern, LW_EIO,
 * LW_EFORMAT for a state file that is damaged, LW_ENOMEM. A pattern without files is no mistake.
 *
 * feed  Copied; its context outlives the source.
 */
enum lw_status lw_source_follow_create(const struct lw_source_follow_config *config,
                                       const struct lw_feed *feed,
                                       struct lw_source_follow **ret_source,
                                       struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_source_follow_destroy(struct lw_source_follow *source);
/*
 * Follows until stop_fd becomes readable (or its other end is closed); then waits up to a second
 * for what was delivered to become durable. Blocks: give it a thread. LW_OK when stopped; the
 * feed's failure, LW_EIO when waiting fails, LW_ENOMEM.
 */
enum lw_status lw_source_follow_run(struct lw_source_follow *source, int stop_fd,
                                    struct lw_error *reterr) LW_MUST_USE;

#endif
