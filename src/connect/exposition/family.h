/*
 * OpenMetrics' rules over several lines: families, their groups, and what types ask of their
 * samples. See exposition.h.
 */
#ifndef LW_CONNECT_EXPOSITION_FAMILY_H
#define LW_CONNECT_EXPOSITION_FAMILY_H

#include "connect/exposition/line.h"

enum lw_exposition_type {
    LW_EXPOSITION_UNTYPED, /* No TYPE was given. */
    LW_EXPOSITION_UNKNOWN,
    LW_EXPOSITION_COUNTER,
    LW_EXPOSITION_GAUGE,
    LW_EXPOSITION_SUMMARY,
    LW_EXPOSITION_HISTOGRAM,
    LW_EXPOSITION_GAUGEHISTOGRAM,
    LW_EXPOSITION_INFO,
    LW_EXPOSITION_STATESET,
    LW_EXPOSITION_TYPES
};

/* Hashes that were seen. */
struct lw_exposition_set {
    uint64_t *places; /* 0: free. */
    size_t n, capacity;
};

/* One group's run of a histogram: samples of equal labels and time. */
struct lw_exposition_run {
    bool has_bucket, has_count, has_sum, has_gsum, has_negative_bucket, has_negative_gsum;
    double bound, value, count; /* Of the last bucket; the count. */
};

/* The family at hand, and what all families so far took. Views into the body. */
struct lw_exposition_family {
    struct lw_exposition_text name; /* 0 bytes: none yet. */
    enum lw_exposition_type type;
    struct lw_exposition_text unit;
    bool has_help, has_type, has_unit, has_samples;
    bool has_group, has_time;
    uint64_t group;
    int64_t time_ns;
    struct lw_exposition_run run;
    struct lw_exposition_set groups; /* Of this family. */
    struct lw_exposition_set names;  /* Of all. */
};

void lw_exposition_family_fini(struct lw_exposition_family *family);
/* Forgets all, keeps the memory. */
void lw_exposition_family_reset(struct lw_exposition_family *family);
/* A line that begins with "#". NULL when it holds, else why not. */
const char *lw_exposition_family_meta(struct lw_exposition_family *family, const char *text,
                                      const char *end);
const char *lw_exposition_family_sample(struct lw_exposition_family *family,
                                        const struct lw_exposition_line *line);
/* The family at hand is complete. */
const char *lw_exposition_family_close(struct lw_exposition_family *family);

#endif
