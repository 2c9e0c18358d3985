/*
 * Families of OpenMetrics: see exposition/family.h.
 *
 * A family begins with its first metadata line, or with a sample that the family before it cannot
 * have. Its samples form groups: equal labels, apart from the one that its type adds (le, quantile,
 * the stateset's own name). The label sets are told apart by the sum of their labels' hashes, so
 * that their order does not matter.
 */
#include "connect/exposition/family.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define SET_FIRST 256 /* A power of two. */
#define NO_MEMORY "no memory to check the exposition"
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_FACTOR UINT64_C(0x100000001b3)
#define SUFFIXES_MAX 4

struct type {
    const char *name;
    const char *suffixes[SUFFIXES_MAX + 1]; /* Of samples; ends with NULL. */
};

static const struct type TYPES[LW_EXPOSITION_TYPES] = {
    [LW_EXPOSITION_UNTYPED] = {"", {"", NULL}},
    [LW_EXPOSITION_UNKNOWN] = {"unknown", {"", NULL}},
    [LW_EXPOSITION_COUNTER] = {"counter", {"_total", "_created", NULL}},
    [LW_EXPOSITION_GAUGE] = {"gauge", {"", NULL}},
    [LW_EXPOSITION_SUMMARY] = {"summary", {"", "_count", "_sum", "_created", NULL}},
    [LW_EXPOSITION_HISTOGRAM] = {"histogram", {"_bucket", "_count", "_sum", "_created", NULL}},
    [LW_EXPOSITION_GAUGEHISTOGRAM] = {"gaugehistogram", {"_bucket", "_gcount", "_gsum", NULL}},
    [LW_EXPOSITION_INFO] = {"info", {"_info", NULL}},
    [LW_EXPOSITION_STATESET] = {"stateset", {"", NULL}},
};

/* ---- sets ---- */

static bool set_grow(struct lw_exposition_set *set)
{
    size_t capacity = set->capacity == 0 ? SET_FIRST : set->capacity * 2;
    uint64_t *places = lw_mem_calloc(capacity, sizeof(*places));

    if (places == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        size_t place = (size_t)set->places[i] & (capacity - 1);

        while (set->places[i] != 0 && places[place] != 0) {
            place = (place + 1) & (capacity - 1);
        }
        if (set->places[i] != 0) {
            places[place] = set->places[i];
        }
    }
    lw_mem_free(set->places);
    set->places = places;
    set->capacity = capacity;
    return true;
}

static void set_clear(struct lw_exposition_set *set)
{
    if (set->n > 0) {
        memset(set->places, 0, set->capacity * sizeof(*set->places));
        set->n = 0;
    }
}

/* False without memory; *ret_is_new tells whether it was not there. */
static bool set_add(struct lw_exposition_set *set, uint64_t hash, bool *ret_is_new)
{
    size_t place;

    if (set->n * 2 >= set->capacity && !set_grow(set)) {
        return false;
    }
    hash = hash == 0 ? 1 : hash;
    place = (size_t)hash & (set->capacity - 1);
    while (set->places[place] != 0 && set->places[place] != hash) {
        place = (place + 1) & (set->capacity - 1);
    }
    *ret_is_new = set->places[place] == 0;
    set->n += *ret_is_new ? 1 : 0;
    set->places[place] = hash;
    return true;
}

/* FNV-1a: goes on from a hash, so that a name and its suffix hash as the whole does. */
static uint64_t name_hash(uint64_t hash, const char *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        hash = (hash ^ (uint8_t)bytes[i]) * HASH_FACTOR;
    }
    return hash;
}

/* ---- the family as a whole ---- */

void lw_exposition_family_fini(struct lw_exposition_family *family)
{
    lw_mem_free(family->groups.places);
    lw_mem_free(family->names.places);
}

void lw_exposition_family_reset(struct lw_exposition_family *family)
{
    struct lw_exposition_set groups = family->groups, names = family->names;

    set_clear(&groups);
    set_clear(&names);
    *family = (struct lw_exposition_family){.groups = groups, .names = names};
}

static bool text_is(const struct lw_exposition_text *text, const char *other)
{
    return strlen(other) == text->n_bytes && memcmp(text->text, other, text->n_bytes) == 0;
}

static bool ends_with_unit(const struct lw_exposition_text *name,
                           const struct lw_exposition_text *unit)
{
    return name->n_bytes > unit->n_bytes && name->text[name->n_bytes - unit->n_bytes - 1] == '_' &&
           memcmp(name->text + name->n_bytes - unit->n_bytes, unit->text, unit->n_bytes) == 0;
}

static const char *name_claim(struct lw_exposition_family *family, uint64_t hash)
{
    bool is_new = false;

    if (!set_add(&family->names, hash, &is_new)) {
        return NO_MEMORY;
    }
    return is_new ? NULL : "a family's name is taken by another family";
}

/* What a histogram's group must have at its end. */
static const char *run_close(const struct lw_exposition_family *family)
{
    const struct lw_exposition_run *run = &family->run;
    bool has_any_sum = run->has_sum || run->has_gsum;

    if (!family->has_group ||
        (family->type != LW_EXPOSITION_HISTOGRAM && family->type != LW_EXPOSITION_GAUGEHISTOGRAM)) {
        return NULL;
    }
    if (!run->has_bucket || run->bound < HUGE_VAL) {
        return "a histogram before this line has no bucket le=\"+Inf\"";
    }
    if (run->has_count && run->count != run->value) {
        return "a histogram's count before this line differs from its last bucket";
    }
    if (has_any_sum != run->has_count) {
        return "a histogram before this line has a sum without a count, or a count without a sum";
    }
    if (run->has_negative_bucket && run->has_sum) {
        return "a histogram with negative bounds has a sum before this line";
    }
    return !run->has_negative_bucket && run->has_negative_gsum
               ? "a histogram without negative bounds has a negative sum before this line"
               : NULL;
}

const char *lw_exposition_family_close(struct lw_exposition_family *family)
{
    const struct lw_exposition_text *name = &family->name;
    const char *why = name->n_bytes == 0 ? NULL : run_close(family);
    uint64_t hash;

    if (why != NULL || name->n_bytes == 0) {
        return why;
    }
    if (family->unit.n_bytes > 0 &&
        (family->type == LW_EXPOSITION_INFO || family->type == LW_EXPOSITION_STATESET)) {
        return "a family of this type has no unit";
    }
    if (family->unit.n_bytes > 0 && !ends_with_unit(name, &family->unit)) {
        return "a family's name does not end with its unit";
    }
    hash = name_hash(HASH_START, name->text, name->n_bytes);
    why = name_claim(family, hash);
    for (const char *const *suffix = TYPES[family->type].suffixes; why == NULL && *suffix != NULL;
         suffix++) {
        why = **suffix == '\0' ? NULL
                               : name_claim(family, name_hash(hash, *suffix, strlen(*suffix)));
    }
    return why;
}

static const char *family_begin(struct lw_exposition_family *family,
                                const struct lw_exposition_text *name)
{
    const char *why = lw_exposition_family_close(family);
    struct lw_exposition_set groups = family->groups, names = family->names;

    if (why != NULL) {
        return why;
    }
    set_clear(&groups);
    *family = (struct lw_exposition_family){.name = *name, .groups = groups, .names = names};
    return NULL;
}

static bool same_name(const struct lw_exposition_text *a, const struct lw_exposition_text *b)
{
    return a->n_bytes == b->n_bytes && memcmp(a->text, b->text, a->n_bytes) == 0;
}

/* ---- metadata ---- */

static const char *type_set(struct lw_exposition_family *family,
                            const struct lw_exposition_text *text)
{
    if (family->has_type) {
        return "a family has one TYPE";
    }
    family->has_type = true;
    for (int i = LW_EXPOSITION_UNKNOWN; i < LW_EXPOSITION_TYPES; i++) {
        if (text_is(text, TYPES[i].name)) {
            family->type = (enum lw_exposition_type)i;
            return NULL;
        }
    }
    return "there is no such TYPE";
}

static const char *meta_set(struct lw_exposition_family *family, const char *keyword,
                            const struct lw_exposition_text *rest)
{
    bool *has = keyword[0] == 'H' ? &family->has_help : &family->has_unit;

    if (keyword[0] == 'T') {
        return type_set(family, rest);
    }
    if (*has) {
        return "a family has one HELP and one UNIT";
    }
    *has = true;
    if (keyword[0] == 'U') {
        family->unit = *rest;
    }
    return NULL;
}

const char *lw_exposition_family_meta(struct lw_exposition_family *family, const char *text,
                                      const char *end)
{
    struct lw_exposition_text name, rest;
    const char *at, *why = NULL;

    if (end - text < 7 || (memcmp(text, "# HELP ", 7) != 0 && memcmp(text, "# TYPE ", 7) != 0 &&
                           memcmp(text, "# UNIT ", 7) != 0)) {
        return "expected # HELP, # TYPE, # UNIT or # EOF";
    }
    at = lw_exposition_name_read(text + 7, end, &name);
    if (at == text + 7) {
        return "expected a metric's name";
    }
    if (at == end || *at != ' ') {
        return "expected one space behind the metric's name";
    }
    rest = (struct lw_exposition_text){at + 1, (uint32_t)(end - at - 1), false};
    if (!same_name(&family->name, &name)) {
        why = family_begin(family, &name);
    } else if (family->has_samples) {
        why = "metadata stands before a family's samples";
    }
    return why == NULL ? meta_set(family, text + 2, &rest) : why;
}

/* ---- samples ---- */

/* The suffix by which a sample belongs to the family, or NULL. */
static const char *suffix_of(const struct lw_exposition_family *family,
                             const struct lw_exposition_text *name)
{
    size_t n = family->name.n_bytes;

    if (n == 0 || name->n_bytes < n || memcmp(name->text, family->name.text, n) != 0) {
        return NULL;
    }
    for (const char *const *suffix = TYPES[family->type].suffixes; *suffix != NULL; suffix++) {
        size_t length = strlen(*suffix);

        if (name->n_bytes - n == length && memcmp(name->text + n, *suffix, length) == 0) {
            return *suffix;
        }
    }
    return NULL;
}

static const struct lw_exposition_pair *label_find(const struct lw_exposition_line *line,
                                                   const struct lw_exposition_text *name)
{
    for (uint32_t i = 0; i < line->n_labels && i < LW_EXPOSITION_LINE_LABELS; i++) {
        if (same_name(&line->labels[i].name, name)) {
            return &line->labels[i];
        }
    }
    return NULL;
}

/* The label that a type adds to a sample and that its group is without; 0 bytes: none. */
static struct lw_exposition_text own_label(const struct lw_exposition_family *family,
                                           const char *suffix)
{
    bool is_histogram = family->type == LW_EXPOSITION_HISTOGRAM ||
                        family->type == LW_EXPOSITION_GAUGEHISTOGRAM;

    if (is_histogram && strcmp(suffix, "_bucket") == 0) {
        return (struct lw_exposition_text){"le", 2, false};
    }
    if (family->type == LW_EXPOSITION_SUMMARY && suffix[0] == '\0') {
        return (struct lw_exposition_text){"quantile", 8, false};
    }
    if (family->type == LW_EXPOSITION_STATESET) {
        return family->name;
    }
    return (struct lw_exposition_text){"", 0, false};
}

/* Its value as a number; infinity has one spelling. */
static bool bound_read(const struct lw_exposition_pair *label, double *ret_value)
{
    return label != NULL &&
           lw_exposition_number(label->value.text, label->value.n_bytes, ret_value) &&
           !isnan(*ret_value) && (*ret_value < HUGE_VAL || text_is(&label->value, "+Inf"));
}

static uint64_t group_hash(const struct lw_exposition_family *family,
                           const struct lw_exposition_line *line,
                           const struct lw_exposition_pair *own)
{
    uint64_t hash = HASH_START;

    if (family->type == LW_EXPOSITION_INFO) {
        return hash; /* Its groups cannot be told apart. */
    }
    for (uint32_t i = 0; i < line->n_labels && i < LW_EXPOSITION_LINE_LABELS; i++) {
        const struct lw_exposition_pair *label = &line->labels[i];

        if (label != own) {
            hash += lw_hash_bytes(label->value.text, label->value.n_bytes,
                                  lw_hash_bytes(label->name.text, label->name.n_bytes, 0));
        }
    }
    return hash;
}

static const char *group_check(struct lw_exposition_family *family,
                               const struct lw_exposition_line *line, uint64_t group)
{
    bool is_same = family->has_group && family->group == group;
    bool is_new = false;
    const char *why = NULL;

    if (is_same && line->has_time != family->has_time) {
        return "either all samples of a group have a time or none has";
    }
    if (is_same && line->time_ns < family->time_ns && family->type != LW_EXPOSITION_INFO) {
        return "times of a group do not go back";
    }
    if (!is_same || line->time_ns != family->time_ns) {
        why = run_close(family);
        family->run = (struct lw_exposition_run){.has_bucket = false};
    }
    if (why == NULL && !is_same) {
        why = !set_add(&family->groups, group, &is_new) ? NO_MEMORY
              : !is_new                                 ? "samples of one group stand together"
                                                        : NULL;
    }
    family->has_group = true;
    family->group = group;
    family->has_time = line->has_time;
    family->time_ns = line->time_ns;
    return why;
}

static const char *bucket_check(struct lw_exposition_run *run, double bound, double value)
{
    if (value != floor(value) || isinf(value)) {
        return "a bucket holds a whole number";
    }
    if (run->has_bucket && bound <= run->bound) {
        return "buckets ascend";
    }
    if (value < run->value) {
        return "buckets hold those below them too: their values do not fall";
    }
    run->has_bucket = true;
    run->has_negative_bucket = run->has_negative_bucket || bound < 0.0;
    run->bound = bound;
    run->value = value;
    return NULL;
}

/* What a value may be, by the suffix of its sample. */
static const char *value_check(struct lw_exposition_family *family, const char *suffix,
                               double value)
{
    struct lw_exposition_run *run = &family->run;
    bool is_count = strcmp(suffix, "_count") == 0 || strcmp(suffix, "_gcount") == 0;
    bool is_gsum = strcmp(suffix, "_gsum") == 0;

    if (suffix[0] == '\0') {
        if (family->type == LW_EXPOSITION_STATESET && value != 0.0 && value != 1.0) {
            return "a stateset's values are 0 and 1";
        }
        return family->type == LW_EXPOSITION_SUMMARY && value < 0.0
                   ? "a quantile's value is not negative"
                   : NULL;
    }
    if (strcmp(suffix, "_created") == 0) {
        return NULL;
    }
    if (family->type == LW_EXPOSITION_INFO) {
        return value == 1.0 ? NULL : "an info's value is 1";
    }
    if (isnan(value)) {
        return "a counter is not NaN";
    }
    if (value < 0.0 && !is_gsum) {
        return "a counter is not negative";
    }
    if (is_count && (value != floor(value) || isinf(value))) {
        return "a count is a whole number";
    }
    run->has_sum = run->has_sum || strcmp(suffix, "_sum") == 0;
    run->has_gsum = run->has_gsum || is_gsum;
    run->has_negative_gsum = run->has_negative_gsum || (is_gsum && value < 0.0);
    run->has_count = run->has_count || is_count;
    run->count = is_count ? value : run->count;
    return NULL;
}

static const char *own_label_check(const struct lw_exposition_family *family,
                                   const struct lw_exposition_pair *own, double *ret_bound)
{
    if (family->type == LW_EXPOSITION_STATESET) {
        return own == NULL ? "a stateset's sample has a label of the family's name" : NULL;
    }
    if (!bound_read(own, ret_bound)) {
        return family->type == LW_EXPOSITION_SUMMARY
                   ? "a summary's sample has a label quantile from 0 to 1"
                   : "a bucket has a label le: a number, or +Inf";
    }
    return family->type == LW_EXPOSITION_SUMMARY && !(*ret_bound >= 0.0 && *ret_bound <= 1.0)
               ? "a quantile is from 0 to 1"
               : NULL;
}

const char *lw_exposition_family_sample(struct lw_exposition_family *family,
                                        const struct lw_exposition_line *line)
{
    const char *suffix = suffix_of(family, &line->name);
    const struct lw_exposition_pair *own = NULL;
    struct lw_exposition_text own_name;
    const char *why = NULL;
    double bound = 0.0;
    bool is_bucket;

    if (suffix == NULL) { /* A family that has no metadata begins. */
        why = family_begin(family, &line->name);
        suffix = "";
    }
    own_name = own_label(family, suffix);
    is_bucket = own_name.n_bytes == 2 && strcmp(suffix, "_bucket") == 0;
    if (why == NULL && own_name.n_bytes > 0) {
        own = label_find(line, &own_name);
        why = own_label_check(family, own, &bound);
    }
    if (why == NULL) {
        why = group_check(family, line, group_hash(family, line, own));
    }
    if (why == NULL) {
        why = value_check(family, suffix, line->value);
    }
    if (why == NULL && is_bucket) {
        why = bucket_check(&family->run, bound, line->value);
    }
    if (why == NULL && line->has_exemplar && !is_bucket &&
        !(family->type == LW_EXPOSITION_COUNTER && strcmp(suffix, "_total") == 0)) {
        why = "only buckets and counters have exemplars";
    }
    family->has_samples = true;
    return why;
}
