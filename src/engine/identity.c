/* Entities that are the same thing under a new name: see engine/identity.h. */
#define _GNU_SOURCE
#include "engine/identity.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/expire.h"
#include "engine/state/durable.h"
#include "stream/series_name.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define KIN_LOOKED_AT 64u
#define BUCKETS_FIRST 64u
/* More than that is not handed down: it would have to lie in the journal. */
#define INHERITED_BYTES_MAX ((size_t)16 << 20)

/* ---- names ---- */

enum value_kind { VALUE_PLAIN, VALUE_POD, VALUE_INSTANCE, VALUE_CONTAINER };

static enum value_kind kind_of_label(const char *label, size_t n_bytes)
{
    static const struct {
        const char *label;
        enum value_kind kind;
    } KINDS[] = {{"pod", VALUE_POD},
                 {"pod_name", VALUE_POD},
                 {"kubernetes_pod_name", VALUE_POD},
                 {"k8s_pod_name", VALUE_POD},
                 {"k8s.pod.name", VALUE_POD},
                 {"instance", VALUE_INSTANCE},
                 {"container_id", VALUE_CONTAINER},
                 {"container.id", VALUE_CONTAINER}};

    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (strlen(KINDS[i].label) == n_bytes && memcmp(KINDS[i].label, label, n_bytes) == 0) {
            return KINDS[i].kind;
        }
    }
    return VALUE_PLAIN;
}

/* Are all of the bytes among the characters? */
static bool made_of(const char *text, size_t n_bytes, const char *characters)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == '\0' || strchr(characters, text[i]) == NULL) {
            return false;
        }
    }
    return n_bytes > 0;
}

static bool has_digit(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (isdigit((unsigned char)text[i])) {
            return true;
        }
    }
    return false;
}

static bool has_letter(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (isalpha((unsigned char)text[i])) {
            return true;
        }
    }
    return false;
}

/* Where the last part of a name begins, behind its last "-"; 0: it has none, or nothing before. */
static size_t last_part(const char *text, size_t n_bytes)
{
    while (n_bytes > 0 && text[n_bytes - 1] != '-') {
        n_bytes--;
    }
    return n_bytes < 2 ? 0 : n_bytes;
}

/* How much of a pod's name its maker chose, "-" included, and how many parts follow that the
 * platform made. */
static size_t chosen_part(const char *text, size_t n_bytes, bool needs_digit, unsigned *ret_n_made)
{
    static const char RANDOM[] = "bcdfghjklmnpqrstvwxz2456789", HASH[] = "456789bcdf";
    size_t at = last_part(text, n_bytes), before;

    *ret_n_made = 0;
    /* A number is a name that somebody gave: host-25776. */
    if (at == 0 || n_bytes - at != 5 || !made_of(text + at, 5, RANDOM) ||
        !has_letter(text + at, 5) || (needs_digit && !has_digit(text + at, 5))) {
        return n_bytes;
    }
    *ret_n_made = 1;
    before = last_part(text, at - 1);
    if (before > 0) {
        size_t n_part = at - 1 - before;

        if ((n_part >= 6 && n_part <= 10 && made_of(text + before, n_part, HASH)) ||
            (n_part >= 8 && n_part <= 10 && made_of(text + before, n_part, "0123456789"))) {
            *ret_n_made = 2;
            return before;
        }
    }
    return at;
}

struct family {
    char *text;
    size_t n_bytes;
    bool made, fixed; /* A part was replaced; something else is left. */
};

static void family_put(struct family *family, const char *text, size_t n_bytes)
{
    size_t left = LW_NAME_MAX - 1 - family->n_bytes;

    n_bytes = n_bytes < left ? n_bytes : left; /* Never longer than the name: "*" is one byte. */
    memcpy(family->text + family->n_bytes, text, n_bytes);
    family->n_bytes += n_bytes;
    family->text[family->n_bytes] = '\0';
}

static void family_put_pod(struct family *family, const char *value, size_t n_bytes,
                           bool is_instance)
{
    const char *colon = is_instance ? memchr(value, ':', n_bytes) : NULL;
    size_t n_name = colon == NULL ? n_bytes : (size_t)(colon - value);
    unsigned n_made = 0;
    size_t n_chosen = chosen_part(value, n_name, is_instance, &n_made);

    family_put(family, value, n_chosen);
    family_put(family, "*-*", n_made == 0 ? 0 : 2 * n_made - 1);
    family_put(family, value + n_name, n_bytes - n_name);
    family->made = family->made || n_made > 0;
    family->fixed = true;
}

static void family_put_container(struct family *family, const char *value, size_t n_bytes)
{
    const char *id = n_bytes > 3 ? memmem(value, n_bytes, "://", 3) : NULL;
    size_t n_scheme = id == NULL ? 0 : (size_t)(id - value) + 3;
    size_t n_id = n_bytes - n_scheme;

    if ((n_id == 64 || n_id == 12) && made_of(value + n_scheme, n_id, "0123456789abcdef")) {
        family_put(family, "*", 1);
        family->made = true;
    } else {
        family_put(family, value, n_bytes);
        family->fixed = true;
    }
}

static void family_put_value(struct family *family, enum value_kind kind, const char *value,
                             size_t n_bytes)
{
    if (kind == VALUE_CONTAINER) {
        family_put_container(family, value, n_bytes);
    } else if (kind != VALUE_PLAIN) {
        family_put_pod(family, value, n_bytes, kind == VALUE_INSTANCE);
    } else {
        family_put(family, value, n_bytes);
        family->fixed = family->fixed || n_bytes > 0;
    }
}

/* Up to the next comma that is not escaped. */
static size_t part_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0' && text[n] != ',') {
        n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
    }
    return n;
}

bool lw_identity_family(const char *key, const char *name, char ret_family[LW_NAME_MAX])
{
    struct family family = {.text = ret_family};
    struct lw_entity_key parsed;

    ret_family[0] = '\0';
    if (lw_entity_key_parse(key, &parsed, NULL) != LW_OK || parsed.n_labels == 0) {
        return false;
    }
    if (parsed.n_labels == 1) {
        family_put_value(&family, kind_of_label(parsed.labels[0], strlen(parsed.labels[0])), name,
                         strlen(name));
        return family.made && family.fixed;
    }
    while (*name != '\0') { /* "a=x,b=y": see lw_entity_key_name(). */
        size_t n_part = part_length(name), n_label = strcspn(name, "=");

        n_label = n_label < n_part ? n_label : n_part;
        family_put(&family, name, n_label);
        if (n_label < n_part) {
            family_put(&family, "=", 1);
            family_put_value(&family, kind_of_label(name, n_label), name + n_label + 1,
                             n_part - n_label - 1);
        }
        name += n_part;
        if (*name == ',') {
            family_put(&family, ",", 1);
            name++;
        }
    }
    return family.made && family.fixed;
}

/* ---- families ---- */

static uint64_t family_hash(const struct engine_entity *owner)
{
    const struct lw_detector *detector = lw_entity_detector(owner->entity);
    char family[LW_NAME_MAX];
    uint64_t hash;

    if (detector->spec->detector.inherit != 0 ||
        !lw_identity_family(detector->spec->detector.entity, lw_entity_name(owner->entity),
                            family)) {
        return 0;
    }
    hash = lw_hash_bytes(family, strlen(family), owner->detector + 1);
    return hash == 0 ? 1 : hash;
}

static void kin_link(struct engine_entity **bucket, struct engine_entity *owner)
{
    owner->next_kin = *bucket;
    owner->kin_link = bucket;
    if (owner->next_kin != NULL) {
        owner->next_kin->kin_link = &owner->next_kin;
    }
    *bucket = owner;
}

/* Twice the buckets; each chain keeps its order. */
static bool kin_grow(struct lw_engine *engine)
{
    size_t n_buckets = engine->n_kin_buckets == 0 ? BUCKETS_FIRST : 2 * engine->n_kin_buckets;
    struct engine_entity **buckets = lw_mem_calloc(n_buckets, sizeof(struct engine_entity *));

    if (buckets == NULL) {
        return false;
    }
    for (size_t i = 0; i < engine->n_kin_buckets; i++) {
        struct engine_entity *turned = NULL;

        while (engine->kin[i] != NULL) {
            struct engine_entity *owner = engine->kin[i];

            engine->kin[i] = owner->next_kin;
            owner->next_kin = turned;
            turned = owner;
        }
        while (turned != NULL) {
            struct engine_entity *owner = turned;

            turned = owner->next_kin;
            kin_link(&buckets[owner->family & (n_buckets - 1)], owner);
        }
    }
    lw_mem_free(engine->kin);
    engine->kin = buckets;
    engine->n_kin_buckets = n_buckets;
    return true;
}

void lw_identity_add(struct engine_entity *owner)
{
    struct lw_engine *engine = owner->shard->engine;

    owner->family = family_hash(owner);
    if (owner->family == 0) {
        return;
    }
    if (engine->n_kin >= engine->n_kin_buckets && !kin_grow(engine) && engine->n_kin_buckets == 0) {
        owner->family = 0; /* No memory: nobody inherits from it. */
        return;
    }
    kin_link(&engine->kin[owner->family & (engine->n_kin_buckets - 1)], owner);
    engine->n_kin++;
}

void lw_identity_remove(struct engine_entity *owner)
{
    if (owner->family == 0) {
        return;
    }
    *owner->kin_link = owner->next_kin;
    if (owner->next_kin != NULL) {
        owner->next_kin->kin_link = owner->kin_link;
    }
    owner->shard->engine->n_kin--;
    owner->family = 0;
}

/* The member of the family fed last, of several the newest; NULL: none has had a sample. */
static struct engine_entity *donor_of(const struct engine_entity *owner)
{
    const struct lw_engine *engine = owner->shard->engine;
    struct engine_entity *best = NULL;
    int64_t best_ns = INT64_MIN;
    unsigned n_looked = 0;

    for (struct engine_entity *kin = engine->kin[owner->family & (engine->n_kin_buckets - 1)];
         kin != NULL && n_looked < KIN_LOOKED_AT; kin = kin->next_kin) {
        int64_t fed_ns;

        if (kin->family != owner->family || kin == owner) {
            continue;
        }
        n_looked++;
        lw_shard_drain_entity(kin); /* What was given to it counts, however far its shard is. */
        (void)pthread_mutex_lock(&kin->shard->lock);
        fed_ns = lw_entity_fed_ns(kin->entity);
        (void)pthread_mutex_unlock(&kin->shard->lock);
        if (fed_ns > best_ns || (best != NULL && fed_ns == best_ns && kin->number > best->number)) {
            best = kin;
            best_ns = fed_ns;
        }
    }
    return best;
}

/* ---- inheriting ---- */

static void series_begin_anew(struct lw_entity *entity, uint32_t number)
{
    struct lw_series *series = entity->series[number];

    if (series->window.samples != NULL) {
        lw_window_init(&series->window, series->window.samples, series->window.capacity);
    }
    if (series->features != NULL) {
        lw_feature_init(&entity->detector->features, series->features);
    }
    series->features_ns = INT64_MIN;
    series->counter = (struct lw_counter){0};
    lw_fault_init(&series->fault);
    lw_verdict_none(&series->newest, number);
}

/* What was learnt stays; what happened to the other does not. */
static void begin_anew(struct lw_entity *entity)
{
    struct lw_tier1_state *tier1 = entity->tier1;

    for (uint32_t i = 0; i < entity->n_series; i++) {
        series_begin_anew(entity, i);
    }
    if (entity->life != NULL) {
        lw_entity_life_drop(entity);
    }
    entity->counts = (struct lw_entity_counts){0};
    entity->watermark_ns = INT64_MIN;
    entity->closed_ns = INT64_MIN;
    entity->pending_ns = INT64_MAX;
    if (tier1 != NULL) {
        for (uint32_t i = 0; i < tier1->width; i++) {
            tier1->row[i] = NAN;
        }
        lw_verdict_none(&tier1->newest, LW_SERIES_NONE);
        tier1->calibrator.alarm = false;
        tier1->n_failed = 0;
    }
}

/* Does the same model file group serve both? Its state would mean something else under another. */
static bool same_models(const struct lw_entity *one, const struct lw_entity *other)
{
    return (one->tier1 == NULL ? LW_MODEL_GROUP_NONE : one->tier1->group) ==
           (other->tier1 == NULL ? LW_MODEL_GROUP_NONE : other->tier1->group);
}

/* What an entity of that name would begin with, made in its shard's pool. */
static enum lw_status heir_create(const struct engine_entity *owner, struct engine_entity *donor,
                                  struct lw_entity **ret_heir)
{
    struct lw_writer bytes;
    enum lw_status status;

    lw_writer_init(&bytes);
    (void)pthread_mutex_lock(&donor->shard->lock);
    lw_shard_catch_up(donor);
    lw_entity_write_as(donor->entity, lw_entity_name(owner->entity), &bytes);
    (void)pthread_mutex_unlock(&donor->shard->lock);
    status = bytes.n_bytes > INHERITED_BYTES_MAX ? LW_ELIMIT : bytes.status;
    if (status == LW_OK) {
        (void)pthread_mutex_lock(&owner->shard->lock);
        status = lw_entity_read(owner->shard->pool, donor->entity->detector, bytes.data,
                                bytes.n_bytes, ret_heir, NULL);
        if (status == LW_OK) {
            begin_anew(*ret_heir);
        }
        (void)pthread_mutex_unlock(&owner->shard->lock);
    }
    lw_writer_fini(&bytes);
    return status;
}

static enum lw_status record_write(struct lw_engine *engine, const struct engine_entity *owner,
                                   const struct engine_entity *donor, const struct lw_entity *heir)
{
    struct lw_writer *record = NULL;
    enum lw_status status = lw_durable_begin(engine, &record);

    if (status != LW_OK || record == NULL) {
        return status;
    }
    lw_write_text(record, lw_detector_name(lw_entity_detector(owner->entity)));
    lw_write_text(record, lw_entity_name(owner->entity));
    lw_write_text(record, lw_entity_name(donor->entity));
    lw_entity_write(heir, record);
    return lw_durable_append(engine, LW_RECORD_INHERIT);
}

static void heir_destroy(const struct engine_entity *owner, struct lw_entity *heir)
{
    (void)pthread_mutex_lock(&owner->shard->lock);
    lw_entity_destroy(heir);
    (void)pthread_mutex_unlock(&owner->shard->lock);
}

void lw_identity_inherit(struct engine_entity *owner)
{
    struct lw_engine *engine = owner->shard->engine;
    struct engine_entity *donor = owner->family == 0 ? NULL : donor_of(owner);
    struct lw_entity *heir = NULL;

    if (donor == NULL || heir_create(owner, donor, &heir) != LW_OK) {
        return;
    }
    if (same_models(heir, donor->entity) && record_write(engine, owner, donor, heir) == LW_OK &&
        lw_registry_replace(owner, heir, NULL) == LW_OK) {
        engine->n_inherited++;
    } else {
        heir_destroy(owner, heir);
    }
}

enum lw_status lw_identity_replay(struct lw_engine *engine, struct lw_reader *reader)
{
    char detector[LW_NAME_MAX], name[LW_NAME_MAX], donor[LW_NAME_MAX];
    struct lw_entity *heir = NULL;
    struct engine_entity *owner;
    enum lw_status status;

    lw_read_text(reader, detector, sizeof(detector));
    lw_read_text(reader, name, sizeof(name));
    lw_read_text(reader, donor, sizeof(donor));
    if (reader->status != LW_OK) {
        return LW_EFORMAT;
    }
    owner = lw_registry_find(engine, detector, name);
    if (owner == NULL || owner->stands_at > engine->sequence) {
        return LW_OK; /* Its detector is gone, or a snapshot had it with what it inherited. */
    }
    lw_shard_drain_entity(owner);
    (void)pthread_mutex_lock(&owner->shard->lock);
    status = lw_entity_n_series(owner->entity) != 1
                 ? LW_EFORMAT
                 : lw_entity_read(owner->shard->pool, owner->entity->detector,
                                  reader->data + reader->at, lw_reader_left(reader), &heir, NULL);
    (void)pthread_mutex_unlock(&owner->shard->lock);
    if (status == LW_EINVAL) {
        return LW_OK; /* The detector has other options now. */
    }
    if (status == LW_OK) {
        status = lw_registry_replace(owner, heir, NULL);
        if (status != LW_OK) {
            heir_destroy(owner, heir);
        }
    }
    return status;
}
