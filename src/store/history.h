/*
 * The compressed history: what closed journal segments become, and what training, the page and
 * explanations read.
 *
 * It is a folder of immutable files. Each holds the samples of a range of journal numbers, by the
 * names of their series, in blocks with checksums; it is written under another name, synced and
 * renamed, so it is there whole or not at all. Files know series by name, and so can be read
 * without any snapshot. Neighbouring small files are merged into larger ones with longer chunks;
 * the oldest are dropped by age and bytes. docs/history.md has the format and the figures.
 *
 * Threads: one thread writes, one maintains (compact, retain; it may be another), any number read,
 * each with a view of its own. A view keeps the files it was opened on, whatever is merged or
 * dropped meanwhile. The lock is held for moments, never over the disk.
 */
#ifndef LW_STORE_HISTORY_H
#define LW_STORE_HISTORY_H

#include "store/io.h"

#include <stdbool.h>

/* Bytes of a series' name, terminator included. */
#define LW_HISTORY_NAME_MAX 4096
/* Numbers of series are below this. */
#define LW_HISTORY_SERIES_MAX ((uint32_t)1 << 24)
/* Samples one file may be made of by a writer. */
#define LW_HISTORY_POINTS_MAX ((size_t)1 << 26)
/* Samples one read may give. */
#define LW_HISTORY_READ_MAX ((size_t)1 << 28)
#define LW_HISTORY_DAMAGE_MAX LW_ERROR_MESSAGE_MAX

struct lw_cipher; /* Seam for encryption at rest: not there yet, always NULL. */
struct lw_history;
struct lw_history_view;

/* A series' name: n_bytes and a terminator. */
struct lw_history_name {
    const char *text;
    size_t n_bytes;
};

struct lw_history_config {
    const struct lw_io *io; /* Outlives the history. */
    const char *dir;        /* Made when it is not there. */
    /* The names of series numbers: not empty, shorter than LW_HISTORY_NAME_MAX, another for each
     * number, the same and at the same place as long as the history is open. `text` NULL where
     * there is none. */
    void (*names)(void *context, const uint32_t *series, size_t n,
                  struct lw_history_name *ret_names);
    void *context;
    int64_t retention_ns; /* Files whose samples are all older are dropped; 0: 14 days. */
    uint64_t disk_bytes;  /* The oldest are dropped beyond this many; 0: 10 GiB. */
    size_t merge_bytes;   /* No merged file is made of more; 0: 64 MiB. */
    int64_t merge_ns;     /* Nor of a longer time; 0: a fourteenth of the retention. */
    const struct lw_cipher *cipher;
};

/*
 * Opens the folder: removes what a crash left unfinished or twice, sets damaged files aside (they
 * get the suffix ".damaged" and are told in the stats), takes the rest. LW_EIO; LW_ENOMEM;
 * LW_EINVAL for a path too long.
 */
enum lw_status lw_history_open(const struct lw_history_config *config,
                               struct lw_history **ret_history,
                               struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. Views must be closed before. */
void lw_history_close(struct lw_history *history);

/*
 * Every sample of a journal record up to this number is in the history, or was dropped by its
 * retention or set aside as damaged; 0 at first. The journal may be trimmed behind it. Any thread.
 */
uint64_t lw_history_covered(const struct lw_history *history);

/* ---- writing ---- */

struct lw_history_input {
    uint32_t series;
    int64_t time_ns;
    double value; /* Any bits: they come back as they are. */
};

/* Takes samples in the order of the journal: series mixed and times in any order. */
struct lw_history_taker {
    enum lw_status (*take)(void *context, const struct lw_history_input *points, size_t n,
                           struct lw_error *reterr);
    void *context;
};
/* Where the samples of a file come from. */
struct lw_history_source {
    /* Gives all samples of the range to the taker, the same ones in the same order at each call;
     * they are read as often as is needed to sort them in bounded memory. Answers a taker's failure
     * at once. */
    enum lw_status (*read)(void *context, const struct lw_history_taker *taker,
                           struct lw_error *reterr);
    void *context;
};

/*
 * Make the file of journal numbers first to last: read, sort, compress, write, sync, rename. The
 * same samples make the same bytes; a range without any makes an empty file; samples of one series
 * and time stay in their order. LW_EEXIST when it is covered already: nothing is to be done then.
 * LW_EINVAL when only a part is covered, last < first, or a series has no name of its own;
 * LW_ELIMIT beyond LW_HISTORY_POINTS_MAX samples, a number of LW_HISTORY_SERIES_MAX or a name too
 * long; LW_EFORMAT when the source gave other samples than before; LW_EIO; LW_ENOMEM; what the
 * source answers. After a failure nothing is covered by it, and the range may be begun again.
 *
 * Memory: 16 bytes each of 17 samples a series or of 524,288, whichever is more; 13 bytes for each
 * number of a series; up to 6 MiB. The source is read once more than its samples exceed that.
 */
enum lw_status lw_history_write(struct lw_history *history, uint64_t first, uint64_t last,
                                const struct lw_history_source *source,
                                struct lw_error *reterr) LW_MUST_USE;

/* ---- maintaining ---- */

/*
 * Merge one run of neighbouring files, if one is due: at most merge_bytes are read, which bounds a
 * call to seconds. *ret_merged: files that became one; 0 when there is
 * nothing to do. LW_EIO, LW_ENOMEM: all is as before.
 */
enum lw_status lw_history_compact(struct lw_history *history, size_t *ret_merged,
                                  struct lw_error *reterr) LW_MUST_USE;
/*
 * Drop whole files, the oldest first: by age at now_ns, and beyond the bytes. The newest always
 * stays, for it says how far the history reaches. Files that views hold vanish from the disk at a
 * later call. *ret_dropped: files that left the history. LW_EIO.
 */
enum lw_status lw_history_retain(struct lw_history *history, int64_t now_ns, size_t *ret_dropped,
                                 struct lw_error *reterr) LW_MUST_USE;

struct lw_history_stats {
    size_t n_files;
    uint64_t n_bytes, n_samples; /* Of what can be read now. */
    int64_t first_ns, last_ns;   /* Times of the samples; 0 when there is none. */
    uint64_t covered;
    /* Since it was opened. */
    uint64_t files_dropped, samples_dropped; /* By retention. */
    uint64_t files_merged;
    uint64_t files_damaged;             /* Set aside at open, or found to have a damaged block. */
    char damage[LW_HISTORY_DAMAGE_MAX]; /* The last one: file, byte and what. Empty: none. */
};
/* Any thread. */
void lw_history_stats(const struct lw_history *history, struct lw_history_stats *ret_stats);

/*
 * Read every byte of every file. *ret_damaged: how many files have damage; each is told to `visit`
 * (may be NULL). LW_EIO; LW_ENOMEM. Any thread.
 */
enum lw_status lw_history_verify(struct lw_history *history,
                                 void (*visit)(void *context, const char *file, const char *damage),
                                 void *context, size_t *ret_damaged,
                                 struct lw_error *reterr) LW_MUST_USE;

/*
 * Reads every byte of every file of a folder that nobody has open, and changes nothing. Of the
 * configuration only io and dir are used. Each damaged file is told to `visit`. A missing folder
 * has no files. LW_EVERSION when one is of another version; LW_EIO; LW_ENOMEM.
 */
struct lw_history_findings {
    size_t n_files, n_damaged;
    uint64_t n_bytes;
    uint64_t covered; /* As lw_history_covered() of it. */
};
enum lw_status lw_history_check(const struct lw_history_config *config,
                                void (*visit)(void *context, const char *file, const char *damage),
                                void *context, struct lw_history_findings *ret_findings,
                                struct lw_error *reterr) LW_MUST_USE;

/* ---- reading ---- */

/* Samples of one series in ascending time; of one time in the order of the journal. */
struct lw_history_samples {
    int64_t *times_ns;
    double *values;
    size_t n, capacity;
    size_t n_damaged; /* Damaged blocks that were left out: what is there may have holes. */
};
void lw_history_samples_init(struct lw_history_samples *samples);
void lw_history_samples_fini(struct lw_history_samples *samples);

/* The files as they are now. One thread at a time uses a view. LW_ENOMEM. */
enum lw_status lw_history_view_open(struct lw_history *history, struct lw_history_view **ret_view,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_history_view_close(struct lw_history_view *view);

/*
 * All samples of a series with from_ns <= time < to_ns, over all files; they replace what was in
 * ret_samples. A series that is not there has none. A view keeps the last block of each file, so
 * reading names in ascending order is cheap. LW_EIO; LW_ELIMIT beyond LW_HISTORY_READ_MAX;
 * LW_ENOMEM. A damaged block is left out and counted.
 */
enum lw_status lw_history_read(struct lw_history_view *view, const char *name, int64_t from_ns,
                               int64_t to_ns, struct lw_history_samples *ret_samples,
                               struct lw_error *reterr) LW_MUST_USE;
/* The same for many series, one after the other; a visitor's failure ends it and is answered. The
 * samples are the callee's until it returns. */
enum lw_status lw_history_read_many(
    struct lw_history_view *view, const char *const *names, size_t n_names, int64_t from_ns,
    int64_t to_ns,
    enum lw_status (*visit)(void *context, size_t i, const struct lw_history_samples *samples),
    void *context) LW_MUST_USE;

/* What a listing tells of a series. */
struct lw_history_series {
    const char *name; /* Until the visitor returns. */
    int64_t first_ns, last_ns;
    uint64_t n_samples;
};
/*
 * Every series of the view in ascending order of names (as bytes). `match` (NULL: all) says which.
 * Reads names and times of all files, no values. LW_EIO, LW_ENOMEM.
 */
struct lw_history_lister {
    bool (*match)(void *context, const char *name);
    void (*visit)(void *context, const struct lw_history_series *series);
    void *context;
};
enum lw_status lw_history_list(struct lw_history_view *view, const struct lw_history_lister *lister,
                               struct lw_error *reterr) LW_MUST_USE;

#endif
