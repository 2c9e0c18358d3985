/* What the history's own files share of an open history. */
#ifndef LW_STORE_HISTORY_INTERNAL_H
#define LW_STORE_HISTORY_INTERNAL_H

#include "store/history_file.h"

#include <pthread.h>

/*
 * The lock guards files, covered and stats. A file in `files` is read by views; one in `leaving`
 * has been merged or dropped and is unlinked by the maintaining thread once no view holds it.
 */
struct lw_history {
    struct lw_history_config config; /* With defaults filled in. */
    char dir[LW_IO_PATH_MAX];
    pthread_mutex_t lock;
    struct lw_history_file **files; /* By journal numbers. */
    size_t n_files, capacity;
    struct lw_history_file **leaving;
    size_t n_leaving, leaving_capacity;
    uint64_t covered;
    struct lw_history_stats counts; /* The counters and the damage alone. */
    /* Of the writing thread: all numbers it has seen, by their names. */
    uint32_t *order;
    size_t n_order;
    uint8_t *known; /* [n_known]: whether a number is in order. */
    size_t n_known;
};

/* The whole path of the file of a range. LW_EINVAL where it is too long. */
enum lw_status lw_history_path(const struct lw_history *history, uint64_t first, uint64_t last,
                               char ret_path[LW_IO_PATH_MAX], struct lw_error *reterr) LW_MUST_USE;
/* A file that is being made: under another name until it is published. One thread's. */
struct lw_history_output;
struct lw_history_range {
    uint64_t first, last;
    uint32_t level;
};
enum lw_status lw_history_output_open(struct lw_history *history,
                                      const struct lw_history_range *range,
                                      struct lw_history_output **ret_output,
                                      struct lw_error *reterr) LW_MUST_USE;
/* What the file is built with; the output's. */
struct lw_history_builder *lw_history_output_builder(struct lw_history_output *output);
/* Finishes it, syncs, renames, and opens it for reading. On failure nothing is left but what a
 * crash would leave too. */
enum lw_status lw_history_output_publish(struct lw_history_output *output,
                                         struct lw_history_file **ret_file,
                                         struct lw_error *reterr) LW_MUST_USE;
/* Frees it; what is not published vanishes. Takes NULL. */
void lw_history_output_close(struct lw_history_output *output);
/* Room for one more file and for n_leaving (or all) to leave, so that what follows cannot fail.
 * Locks. */
enum lw_status lw_history_reserve(struct lw_history *history, size_t n_leaving) LW_MUST_USE;
/* Puts a file in place of n_gone ones from at on, which leave; SIZE_MAX is the end.
 * Room is reserved. Locks. */
void lw_history_replace(struct lw_history *history, size_t at, size_t n_gone,
                        struct lw_history_file *file);
/* Unlinks what has left and no view holds. Maintaining thread. */
enum lw_status lw_history_sweep(struct lw_history *history, struct lw_error *reterr) LW_MUST_USE;
/* A block of the file was found damaged; message says where. Locks. */
void lw_history_damage(struct lw_history *history, struct lw_history_file *file,
                       const char *message);

#endif
