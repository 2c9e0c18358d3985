/* Parts of the source "follow" that its files share: see connect/source_follow.h. */
#ifndef LW_CONNECT_FOLLOW_FOLLOW_H
#define LW_CONNECT_FOLLOW_FOLLOW_H

#include "connect/held_feed.h"
#include "connect/ingest.h"
#include "connect/source_csv.h"
#include "connect/source_follow.h"

#include <sys/stat.h>

/* First bytes by which a file is told from another one that got its inode. */
#define LW_FOLLOW_HEAD_BYTES 1024
#define LW_FOLLOW_PATH_MAX 1024

/* How a file began, as far as it was there: its first n bytes, at most LW_FOLLOW_HEAD_BYTES. */
struct lw_follow_head {
    uint32_t n;
    uint64_t hash;
};

/* What is remembered of a file over a restart. */
struct lw_follow_place {
    uint64_t device, inode;
    uint64_t offset; /* End of a line. */
    struct lw_follow_head head;
    int64_t newest_ns; /* Of its samples; INT64_MIN: none yet. */
    char path[LW_FOLLOW_PATH_MAX];
};

/* One file. */
struct lw_follow_file {
    struct lw_follow_place at;   /* As delivered. */
    struct lw_follow_place kept; /* As is durable. */
    struct lw_follow_place past; /* Before it was truncated; inode 0: never. */
    bool has_mark;               /* `marked` becomes `kept` once the feed is durable there. */
    struct lw_follow_place marked;
    uint64_t mark;
    int fd;
    uint64_t size;         /* When last looked. */
    uint64_t partial_size; /* The size at which only a part of a line was left. */
    int64_t written_ns;    /* Its time of modification. */
    int64_t taken_ns; /* By the monotonic clock: when lines were last taken, or it was found. */
    uint64_t stem;    /* Hash of its path without what rotation appends. */
    bool is_rotated;  /* Its name has such an appendix. */
    bool is_found;    /* By the last look at the patterns. */
    bool is_skipping; /* The rest of a line that is too long. */
    enum lw_follow_format format;
    struct lw_csv_source *csv;
    bool was_refused; /* Told that it cannot be read as CSV. */
};

/* What lines are taken with. */
struct lw_follow_taker {
    struct lw_held_feed held;
    struct lw_feed feed; /* Of held. */
    struct lw_ingest *ingest;
    struct lw_ingest_request *request;
    struct lw_csv_options csv;
    struct lw_csv_batch batch;
    uint64_t n_rejected; /* Of the last lines. */
    char detail[320];    /* Of the first rejection; "" for none. */
};

/* The path has digits, dates and dots that rotation appends. */
bool lw_follow_is_rotated(const char *path);
/* A hash of the path's name without the digits, dates and dots that rotation appends. */
uint64_t lw_follow_stem(const char *path);
/* Copies the path without them. */
void lw_follow_stem_path(const char *path, char ret_path[LW_FOLLOW_PATH_MAX]);
/* The first n bytes of a file, hashed; fewer when it has fewer. */
struct lw_follow_head lw_follow_head_read(int fd, uint32_t n);
bool lw_follow_head_matches(int fd, const struct lw_follow_head *head);

/* The places of a state file; LW_ENOTFOUND when there is none; *ret_places is freed by lw_mem_free.
 */
enum lw_status lw_follow_state_read(const char *path, struct lw_follow_place **ret_places,
                                    size_t *ret_n, struct lw_error *reterr) LW_MUST_USE;
/* Written beside it, synced, and moved over it. */
enum lw_status lw_follow_state_write(const char *path, struct lw_follow_file *const *files,
                                     size_t n_files, struct lw_error *reterr) LW_MUST_USE;

/*
 * Takes whole lines. LW_OK when they were delivered; LW_EBUSY: nothing or a part was, try the same
 * lines again later; LW_EFORMAT: they are no CSV (yet), reterr says why.
 */
enum lw_status lw_follow_take(struct lw_follow_taker *taker, struct lw_follow_file *file,
                              const char *lines, size_t n_bytes,
                              struct lw_error *reterr) LW_MUST_USE;

#endif
