/* The names of a push source: see connect/ingest/names.h. */
#include "connect/ingest/names.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A refused spelling's number: the reason above the minute. No reason 7, so that none is
 * LW_INGEST_TABLE_NONE. */
#define REFUSED_BIT UINT32_C(0x80000000)
#define REASON_SHIFT 28
#define MINUTE_MASK UINT32_C(0x0fffffff)

enum reason {
    REASON_SERIES,
    REASON_TENANT,
    REASON_TENANTS,
    REASON_LIMIT,
    REASON_LONG,
    REASON_INVALID
};

static enum lw_status reason_tell(const struct lw_names *names, enum reason reason,
                                  struct lw_error *reterr)
{
    switch (reason) {
    case REASON_SERIES:
        return lw_error_set(reterr, LW_ELIMIT,
                            "source %s has %" PRIu64 " series already, which is its limit",
                            names->source, names->limits.series);
    case REASON_TENANT:
        return lw_error_set(reterr, LW_ELIMIT,
                            "its value of the label \"%.100s\" has %" PRIu64
                            " series already, which is the limit for one",
                            names->limits.tenant_label, names->limits.series_of_tenant);
    case REASON_TENANTS:
        return lw_error_set(reterr, LW_ELIMIT,
                            "the label \"%.100s\" has %d values already, which is the limit",
                            names->limits.tenant_label, LW_NAMES_TENANTS_MAX);
    case REASON_LIMIT:
        return lw_error_set(reterr, LW_ELIMIT, "the series was refused a moment ago: a limit");
    case REASON_LONG:
        return lw_error_set(reterr, LW_ETOOLONG,
                            "the series was refused a moment ago: its name is too long");
    default:
        return lw_error_set(reterr, LW_EINVAL,
                            "the series was refused a moment ago: a name that cannot be");
    }
}

/* ---- life ---- */

enum lw_status lw_names_init(struct lw_names *names, const char *source,
                             const struct lw_ingest_limits *limits, struct lw_error *reterr)
{
    *names = (struct lw_names){.source = source, .limits = *limits};
    if (getrandom(names->secret, sizeof(names->secret), 0) != (ssize_t)sizeof(names->secret)) {
        return lw_error_set(reterr, LW_EIO, "the system gives no random bytes");
    }
    if (lw_ingest_table_init(&names->spellings) != LW_OK ||
        lw_ingest_table_init(&names->known) != LW_OK ||
        lw_ingest_table_init(&names->tenants) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the series of source %s", source);
    }
    return LW_OK;
}

void lw_names_fini(struct lw_names *names)
{
    lw_ingest_table_fini(&names->spellings);
    lw_ingest_table_fini(&names->known);
    lw_ingest_table_fini(&names->tenants);
    lw_mem_free(names->series_of_tenant);
    lw_mem_free(names->tenant_of);
    *names = (struct lw_names){0};
}

struct lw_ingest_hash lw_names_hash(const struct lw_names *names, const void *identity,
                                    size_t n_bytes)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(identity, n_bytes, names->secret,
                                                 sizeof(names->secret));

    return (struct lw_ingest_hash){.low = hash.low64, .high = hash.high64};
}

uint64_t lw_names_text_hash(const struct lw_names *names, const void *bytes, size_t n_bytes)
{
    return XXH3_64bits_withSecret(bytes, n_bytes, names->secret, sizeof(names->secret));
}

/* ---- names in one form ---- */

struct canonical {
    size_t n_bytes;
    char bytes[LW_NAMES_BYTES_MAX];
};

static bool canonical_add(struct canonical *name, const char *text)
{
    size_t n = strlen(text) + 1;

    if (n > sizeof(name->bytes) - name->n_bytes) {
        return false;
    }
    memcpy(name->bytes + name->n_bytes, text, n);
    name->n_bytes += n;
    return true;
}

/* Metric and labels by name, each with its terminator; empty labels are none. */
static bool canonical_init(struct canonical *name, const struct lw_series_key *key)
{
    const struct lw_label *sorted[LW_LABELS_MAX];
    size_t n = 0;
    bool fits;

    name->n_bytes = 0;
    fits = canonical_add(name, key->metric);
    for (size_t i = 0; i < key->n_labels; i++) {
        size_t at = n;

        if (key->labels[i].value[0] == '\0') {
            continue;
        }
        for (; at > 0 && strcmp(sorted[at - 1]->name, key->labels[i].name) > 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = &key->labels[i];
        n++;
    }
    for (size_t i = 0; fits && i < n; i++) {
        fits = canonical_add(name, sorted[i]->name) && canonical_add(name, sorted[i]->value);
    }
    return fits;
}

/* ---- tenants ---- */

/* Room for an index in an array of numbers; new places get `fill`. */
static bool array_reach(uint32_t **array, size_t *capacity, size_t index, uint32_t fill)
{
    size_t wanted = *capacity == 0 ? 1024 : *capacity;
    uint32_t *grown;

    if (index < *capacity) {
        return true;
    }
    while (wanted <= index) {
        wanted *= 2;
    }
    grown = lw_mem_realloc(*array, wanted * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    for (size_t i = *capacity; i < wanted; i++) {
        grown[i] = fill;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

/* Index of the tenant a series belongs to, made when new; LW_INGEST_TABLE_NONE: tenants are not
 * counted. */
static enum lw_status tenant_find(struct lw_names *names, const struct lw_series_key *key,
                                  uint32_t *ret_tenant, struct lw_error *reterr)
{
    const char *value = "";
    struct lw_ingest_hash hash;

    *ret_tenant = LW_INGEST_TABLE_NONE;
    if (names->limits.tenant_label == NULL) {
        return LW_OK;
    }
    for (size_t i = 0; i < key->n_labels; i++) {
        if (strcmp(key->labels[i].name, names->limits.tenant_label) == 0) {
            value = key->labels[i].value;
        }
    }
    hash = lw_names_hash(names, value, strlen(value));
    *ret_tenant = lw_ingest_table_get(&names->tenants, hash, 0);
    if (*ret_tenant != LW_INGEST_TABLE_NONE) {
        return LW_OK;
    }
    if (names->tenants.n == LW_NAMES_TENANTS_MAX) {
        return reason_tell(names, REASON_TENANTS, reterr);
    }
    *ret_tenant = (uint32_t)names->tenants.n;
    if (!array_reach(&names->series_of_tenant, &names->tenant_capacity, *ret_tenant, 0) ||
        lw_ingest_table_put(&names->tenants, hash, *ret_tenant, 0) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for another tenant");
    }
    return LW_OK;
}

/* ---- stale series ---- */

struct sweep {
    uint32_t now_min;
};

static bool seen_within(const struct lw_ingest_entry *entry, uint32_t now_min, int32_t minutes)
{
    uint32_t seen = atomic_load_explicit(&entry->seen, memory_order_relaxed);

    return (int32_t)(now_min - seen) < minutes;
}

static bool entry_is_fresh(const void *context, const struct lw_ingest_entry *entry)
{
    const struct sweep *sweep = context;

    return entry->number <= LW_NAMES_NUMBER_MAX &&
           seen_within(entry, sweep->now_min, LW_NAMES_STALE_MIN);
}

static bool entry_is_none(const void *context, const struct lw_ingest_entry *entry)
{
    (void)context;
    (void)entry;
    return false;
}

/* A known name was seen when one of its spellings was. */
static bool names_mark_seen(struct lw_names *names)
{
    uint32_t *seen = NULL;
    size_t n_seen = 0;

    for (size_t i = 0; i <= names->spellings.mask; i++) {
        const struct lw_ingest_entry *entry = &names->spellings.entries[i];
        uint32_t at = atomic_load_explicit(&entry->seen, memory_order_relaxed);

        if (entry->number > LW_NAMES_NUMBER_MAX) {
            continue;
        }
        if (!array_reach(&seen, &n_seen, entry->number, 0)) {
            lw_mem_free(seen);
            return false;
        }
        seen[entry->number] = at > seen[entry->number] ? at : seen[entry->number];
    }
    for (size_t i = 0; i <= names->known.mask; i++) {
        struct lw_ingest_entry *entry = &names->known.entries[i];

        if (entry->number < n_seen && seen[entry->number] != 0) {
            atomic_store_explicit(&entry->seen, seen[entry->number], memory_order_relaxed);
        }
    }
    lw_mem_free(seen);
    return true;
}

static void tenants_count(struct lw_names *names)
{
    if (names->series_of_tenant == NULL) {
        return;
    }
    memset(names->series_of_tenant, 0, names->tenant_capacity * sizeof(uint32_t));
    for (size_t i = 0; i <= names->known.mask; i++) {
        uint32_t number = names->known.entries[i].number;

        if (number < names->tenant_of_capacity &&
            names->tenant_of[number] != LW_INGEST_TABLE_NONE) {
            names->series_of_tenant[names->tenant_of[number]]++;
        }
    }
}

/* Stale series give up their places, not more often than once a minute. Spellings go first: one
 * left behind would let a series in that is no longer counted. Without memory all stays. */
static void names_sweep(struct lw_names *names, uint32_t now_min)
{
    const struct sweep sweep = {.now_min = now_min};

    if (names->swept_min == now_min) {
        return;
    }
    names->swept_min = now_min;
    if (names_mark_seen(names) &&
        lw_ingest_table_keep(&names->spellings, entry_is_fresh, &sweep) == LW_OK &&
        lw_ingest_table_keep(&names->known, entry_is_fresh, &sweep) == LW_OK) {
        tenants_count(names);
    }
}

/* ---- definitions ---- */

static enum lw_status remember_refusal(struct lw_names *names, struct lw_ingest_hash spelling,
                                       enum reason reason, uint32_t now_min, enum lw_status status)
{
    uint32_t number = REFUSED_BIT | (uint32_t)reason << REASON_SHIFT | (now_min & MINUTE_MASK);

    /* One that cannot be remembered is refused all the same. */
    (void)!lw_ingest_table_put(&names->spellings, spelling, number, now_min);
    return status;
}

static bool refusal_holds(uint32_t number, uint32_t now_min)
{
    return number > LW_NAMES_NUMBER_MAX && number != LW_INGEST_TABLE_NONE &&
           ((now_min - number) & MINUTE_MASK) < LW_NAMES_REFUSED_MIN;
}

enum lw_status lw_names_refusal(const struct lw_names *names, struct lw_ingest_hash hash,
                                uint32_t now_min, struct lw_error *reterr)
{
    uint32_t number = lw_ingest_table_get(&names->spellings, hash, now_min);

    if (!refusal_holds(number, now_min)) {
        return LW_OK;
    }
    return reason_tell(names, (enum reason)(number >> REASON_SHIFT & 7), reterr);
}

/* Spellings without end (labels at random order) are forgotten together. */
static void spellings_bound(struct lw_names *names)
{
    if (names->spellings.n > 2 * names->limits.series + LW_NAMES_TENANTS_MAX &&
        names_mark_seen(names)) {
        (void)!lw_ingest_table_keep(&names->spellings, entry_is_none, NULL);
    }
}

/* Whether there is room for one series more, of a tenant; the reason when not. */
static bool names_have_room(const struct lw_names *names, uint32_t tenant, enum reason *ret_reason)
{
    if (names->known.n >= names->limits.series) {
        *ret_reason = REASON_SERIES;
        return false;
    }
    *ret_reason = REASON_TENANT;
    return tenant == LW_INGEST_TABLE_NONE ||
           names->series_of_tenant[tenant] < names->limits.series_of_tenant;
}

/* A name on its way in. */
struct definition {
    const struct lw_series_key *key;
    const struct lw_feed *feed;
    struct lw_ingest_hash spelling, canonical;
    uint32_t now_min;
    uint32_t tenant;
};

/* Asks the feed and counts the series. */
static enum lw_status names_add(struct lw_names *names, const struct definition *definition,
                                uint32_t *ret_number, struct lw_error *reterr)
{
    const struct lw_feed *feed = definition->feed;
    uint32_t tenant = definition->tenant;
    uint32_t number;
    enum lw_status status = feed->series(feed->context, definition->key, &number, reterr);

    if (status != LW_OK) {
        return status == LW_EBUSY || status == LW_EIO || status == LW_ENOMEM ||
                       status == LW_ELIMIT || status == LW_ETOOLONG
                   ? status
                   : LW_EINVAL; /* A label twice, text that is no UTF-8: all the name's fault. */
    }
    if (number > LW_NAMES_NUMBER_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "the engine's series number %u is too large",
                            number);
    }
    if ((tenant != LW_INGEST_TABLE_NONE &&
         !array_reach(&names->tenant_of, &names->tenant_of_capacity, number,
                      LW_INGEST_TABLE_NONE)) ||
        lw_ingest_table_put(&names->known, definition->canonical, number, definition->now_min) !=
            LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for another series");
    }
    if (tenant != LW_INGEST_TABLE_NONE) {
        names->tenant_of[number] = tenant;
        names->series_of_tenant[tenant]++;
    }
    *ret_number = number;
    return LW_OK;
}

/* A name that is not known yet. */
static enum lw_status names_take(struct lw_names *names, struct definition *definition,
                                 uint32_t *ret_number, struct lw_error *reterr)
{
    enum reason reason = REASON_TENANTS;
    uint32_t now_min = definition->now_min;
    enum lw_status status = tenant_find(names, definition->key, &definition->tenant, reterr);

    if (status == LW_OK) {
        if (!names_have_room(names, definition->tenant, &reason)) {
            names_sweep(names, now_min);
        }
        if (!names_have_room(names, definition->tenant, &reason)) {
            return remember_refusal(names, definition->spelling, reason, now_min,
                                    reason_tell(names, reason, reterr));
        }
        status = names_add(names, definition, ret_number, reterr);
        reason = status == LW_ELIMIT     ? REASON_LIMIT
                 : status == LW_ETOOLONG ? REASON_LONG
                                         : REASON_INVALID;
    }
    return status == LW_ELIMIT || status == LW_ETOOLONG || status == LW_EINVAL
               ? remember_refusal(names, definition->spelling, reason, now_min, status)
               : status;
}

enum lw_status lw_names_define(struct lw_names *names, const struct lw_names_asked *asked,
                               uint32_t *ret_number, struct lw_error *reterr)
{
    struct definition definition = {.key = asked->key,
                                    .feed = asked->feed,
                                    .spelling = asked->spelling,
                                    .now_min = asked->now_min};
    struct canonical name;
    uint32_t number;
    enum lw_status status = LW_OK;

    if (asked->key->n_labels > LW_LABELS_MAX || !canonical_init(&name, asked->key)) {
        (void)remember_refusal(names, asked->spelling, REASON_LONG, asked->now_min, LW_ETOOLONG);
        return lw_error_set(reterr, LW_ETOOLONG,
                            "a series may have %d labels and %d bytes of names and values",
                            LW_LABELS_MAX, LW_NAMES_BYTES_MAX);
    }
    spellings_bound(names);
    definition.canonical = lw_names_hash(names, name.bytes, name.n_bytes);
    number = lw_ingest_table_get(&names->known, definition.canonical, asked->now_min);
    if (number == LW_INGEST_TABLE_NONE) {
        status = names_take(names, &definition, &number, reterr);
    }
    if (status == LW_OK &&
        lw_ingest_table_put(&names->spellings, asked->spelling, number, asked->now_min) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for the name of another series");
    }
    if (status == LW_OK) {
        *ret_number = number;
    }
    return status;
}
