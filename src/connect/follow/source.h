/* The source "follow" as its files share it: see connect/source_follow.h. */
#ifndef LW_CONNECT_FOLLOW_SOURCE_H
#define LW_CONNECT_FOLLOW_SOURCE_H

#include "connect/follow/follow.h"

/* Bytes read at a time, unless a line is longer. */
#define LW_FOLLOW_CHUNK_BYTES ((size_t)8 << 10)
/* The same while lines of several files wait: event time waits for the one that is furthest back,
 * so the others may not run ahead by more samples than an entity keeps of open steps (max_samples).
 */
#define LW_FOLLOW_SHARE_BYTES ((size_t)1 << 10)

struct lw_source_follow {
    struct lw_follow_taker taker;
    enum lw_follow_format format;
    bool from_end; /* And this is the first start. */
    bool has_scanned;
    char *texts[6]; /* Copies of the configuration's. */
    size_t n_texts;
    const char *patterns, *state_path;
    void (*tell)(void *context, const struct lw_follow_event *event);
    void *context;
    struct lw_follow_file *files[LW_FOLLOW_FILES_MAX];
    size_t n_files;
    struct lw_follow_place *places; /* Of the state file that no file was found for yet. */
    size_t n_places;
    char *buffer; /* LW_FOLLOW_LINE_BYTES_MAX. */
    int notify;   /* -1: no inotify. */
    bool is_dirty, is_full, has_failed_state;
    int64_t state_next_ns, scan_next_ns, busy_until_ns; /* By the monotonic clock. */
};

void lw_follow_tell(const struct lw_source_follow *source, struct lw_follow_event event);
/* Looks for files, at their sizes, and forgets those that are gone. */
void lw_follow_scan(struct lw_source_follow *source);
/* The file is read from its start. */
void lw_follow_restart(struct lw_source_follow *source, struct lw_follow_file *file);
/* Closes and frees. */
void lw_follow_file_close(struct lw_follow_file *file);
/* Something was written since its last whole line was taken, and may be more than a part of one. */
bool lw_follow_has_lines(const struct lw_follow_file *file);
/* Nothing was taken for LW_FOLLOW_IDLE_NS. */
bool lw_follow_is_idle(const struct lw_follow_file *file, int64_t now_ns);
/* The first bytes that the file has by now. */
struct lw_follow_head lw_follow_head_of(const struct lw_follow_file *file);

#endif
