/* Lists of targets: of a configuration, and of files in Prometheus' file_sd form. */
#ifndef LW_CONNECT_SCRAPE_TARGETS_H
#define LW_CONNECT_SCRAPE_TARGETS_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>

/* Labels a target may have, job and instance among them. */
#define LW_TARGET_LABELS_MAX 32
/* Of all its labels' text, with terminators, and of its address. */
#define LW_TARGET_BYTES_MAX 2048
/* Of a file of targets. */
#define LW_TARGETS_FILE_BYTES_MAX ((size_t)4 << 20)
/* Files that the patterns of one source may find. */
#define LW_TARGETS_FILES_MAX 1000

/* One target. Labels ascend by name; the texts lie in `bytes`. */
struct lw_target {
    const char *url;
    size_t n_labels;
    struct lw_label labels[LW_TARGET_LABELS_MAX];
    char bytes[LW_TARGET_BYTES_MAX];
};

/* What every target of a source has unless it says otherwise. Borrowed. */
struct lw_target_defaults {
    const char *scheme, *path;
    const struct lw_label *labels; /* job and further ones. */
    size_t n_labels;
};

/* Takes one target; false ends the reading. */
typedef bool (*lw_target_function)(void *context, const struct lw_target *target);

/*
 * A target of an address and labels. Labels named __scheme__ and __metrics_path__ stand in for the
 * defaults, "__address__" for the address; others that begin with "__" are left out; "instance" is
 * the address unless a label says otherwise. LW_EINVAL for an address with a scheme, a path, blanks
 * or a user in it; LW_ELIMIT.
 */
enum lw_status lw_target_make(const struct lw_target_defaults *defaults, const char *address,
                              const struct lw_label *labels, size_t n_labels,
                              struct lw_target *ret_target, struct lw_error *reterr) LW_MUST_USE;
/* A copy whose texts are its own. */
void lw_target_copy(const struct lw_target *target, struct lw_target *ret_target);
/* "a=b,c=d" taken apart inside `text`, which is changed. LW_EINVAL, LW_ELIMIT. */
enum lw_status lw_target_labels_parse(char *text, struct lw_label *ret_labels, size_t capacity,
                                      size_t *ret_n, struct lw_error *reterr) LW_MUST_USE;
/*
 * The targets of a file. LW_EIO, LW_ELIMIT beyond LW_TARGETS_FILE_BYTES_MAX, LW_EFORMAT with line
 * and column for what is no such list; targets before it were given already.
 */
enum lw_status lw_targets_read(const struct lw_target_defaults *defaults, const char *path,
                               lw_target_function take, void *context,
                               struct lw_error *reterr) LW_MUST_USE;

#endif
