/*
 * The series of one push source: which names it has, how many it may have, what was refused.
 *
 * Two tables. `spellings` has the raw bytes by which requests name a series, for the hot path;
 * `known` has the names themselves (metric and sorted labels), so that a series that is spelt in
 * two ways is asked of the feed, and counted, once. Spellings that pile up (a client that orders
 * labels at random) are all forgotten and found anew: they cost time, not memory.
 *
 * A refusal is kept as a spelling for LW_NAMES_REFUSED_MIN minutes. Where a limit is reached,
 * series not seen for LW_NAMES_STALE_MIN minutes give up their places first.
 *
 * Not locked: changes need the owner's lock for writing, look-ups that for reading.
 */
#ifndef LW_CONNECT_INGEST_NAMES_H
#define LW_CONNECT_INGEST_NAMES_H

#include "connect/ingest.h"
#include "connect/ingest/table.h"

#define LW_NAMES_STALE_MIN 60
#define LW_NAMES_REFUSED_MIN 1
/* Values of the tenant label that are told apart. */
#define LW_NAMES_TENANTS_MAX 65536
/* Bytes of a series' names and values together. */
#define LW_NAMES_BYTES_MAX 4096
/* Numbers a feed may give. */
#define LW_NAMES_NUMBER_MAX UINT32_C(0x7fffffff)

#define LW_NAMES_SECRET_BYTES 192

struct lw_names {
    const char *source;
    struct lw_ingest_limits limits; /* Defaults filled in. */
    uint8_t secret[LW_NAMES_SECRET_BYTES];
    struct lw_ingest_table spellings, known;
    struct lw_ingest_table tenants; /* Hash of the value: index. */
    uint32_t *series_of_tenant;     /* By that index. */
    size_t tenant_capacity;
    uint32_t *tenant_of; /* By number: index of its tenant; LW_INGEST_TABLE_NONE: none. */
    size_t tenant_of_capacity;
    uint32_t swept_min; /* When stale series last gave up their places. */
};

/* `limits` are borrowed for good. LW_ENOMEM; LW_EIO without a random secret. */
enum lw_status lw_names_init(struct lw_names *names, const char *source,
                             const struct lw_ingest_limits *limits,
                             struct lw_error *reterr) LW_MUST_USE;
/* Takes a zeroed one. */
void lw_names_fini(struct lw_names *names);

struct lw_ingest_hash lw_names_hash(const struct lw_names *names, const void *identity,
                                    size_t n_bytes);

uint64_t lw_names_text_hash(const struct lw_names *names, const void *bytes, size_t n_bytes);

/* The number of a spelling, or LW_INGEST_UNKNOWN when it is unknown or was refused. Under the lock
 * for reading. */
static inline uint32_t lw_names_find(const struct lw_names *names, struct lw_ingest_hash hash,
                                     uint32_t now_min)
{
    uint32_t number = lw_ingest_table_get(&names->spellings, hash, now_min);

    return number <= LW_NAMES_NUMBER_MAX ? number : LW_INGEST_UNKNOWN;
}

/* Why a spelling was refused a moment ago: the status, and the sentence in reterr; LW_OK when it
 * was not. */
enum lw_status lw_names_refusal(const struct lw_names *names, struct lw_ingest_hash hash,
                                uint32_t now_min, struct lw_error *reterr) LW_MUST_USE;
/* A name to be looked for. */
struct lw_names_asked {
    struct lw_ingest_hash spelling;
    const struct lw_series_key *key;
    const struct lw_feed *feed;
    uint32_t now_min;
};

/*
 * The number of a series, asked of the feed when the name is new. LW_ELIMIT, LW_ETOOLONG, LW_EINVAL
 * and what else the feed answers; these three are remembered for the spelling. LW_ENOMEM. Under the
 * lock for writing; the feed is called.
 */
enum lw_status lw_names_define(struct lw_names *names, const struct lw_names_asked *asked,
                               uint32_t *ret_number, struct lw_error *reterr) LW_MUST_USE;

#endif
