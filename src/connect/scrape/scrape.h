/* Parts of the source "scrape" that its files share: see connect/source_scrape.h. */
#ifndef LW_CONNECT_SCRAPE_SCRAPE_H
#define LW_CONNECT_SCRAPE_SCRAPE_H

#include "connect/exposition/exposition.h"
#include "connect/held_feed.h"
#include "connect/ingest.h"
#include "connect/scrape/targets.h"
#include "connect/source_scrape.h"

#include <curl/curl.h>

#define LW_SCRAPE_IDENTITY_BYTES 16
#define LW_SCRAPE_REASON_MAX 320

enum lw_scrape_state { LW_SCRAPE_STATE_NEW, LW_SCRAPE_STATE_UP, LW_SCRAPE_STATE_DOWN };

/* One target of a source; its thread alone touches it. */
struct lw_scrape_target {
    struct lw_target target;
    uint8_t identity[LW_SCRAPE_IDENTITY_BYTES]; /* Of URL and labels: begins the identities of its
                                                   series. */
    uint64_t origin;                            /* Of its file; 0: the configuration. */
    bool is_named;                              /* Found again by the reading under way. */
    bool is_running;
    enum lw_scrape_state state;
    int64_t next_ns, started_ns; /* By the real clock. */
    int64_t started_monotonic_ns;
    uint64_t n_rejected; /* The last time. */
    CURL *curl;
    struct curl_slist *headers;
    char *body; /* While it runs. */
    size_t n_bytes, capacity, bytes_max;
    bool is_too_long, is_short;
    char reason[CURL_ERROR_SIZE];
};

/* What the samples of a scrape are taken with. */
struct lw_scrape_taker {
    struct lw_ingest *ingest;
    struct lw_ingest_request *request;
    struct lw_exposition *exposition;
    struct lw_exposition_sample *samples;
    size_t n_samples, capacity;
    size_t samples_max, labels_max, label_bytes_max;
    bool honor_labels;
    const struct lw_scrape_target *target; /* The one at hand. */
    struct lw_exposition_key key;
    struct lw_label labels[LW_LABELS_MAX];
    char renamed[LW_TARGET_BYTES_MAX];
    uint8_t identity[LW_SCRAPE_IDENTITY_BYTES + LW_EXPOSITION_KEY_BYTES];
};

/* What came of a scrape. */
struct lw_scrape_result {
    bool is_up;
    int64_t time_ns; /* Of samples without one. */
    double duration_s;
    const char *content_type; /* NULL: none. */
    uint64_t n_samples;       /* As exposed. Filled by take, as what follows. */
    uint64_t n_rejected;
    char reason[LW_SCRAPE_REASON_MAX]; /* Why not up; or the first rejection. */
};

/*
 * Takes the body of an answer (when result->is_up; it may turn out not to be) and the target's own
 * series, and hands all to the feed. LW_OK; the feed's failure.
 */
enum lw_status lw_scrape_take(struct lw_scrape_taker *taker, const struct lw_scrape_target *target,
                              struct lw_scrape_result *result) LW_MUST_USE;

#endif
