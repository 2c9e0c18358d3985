/* What was seen of every entity a moment ago, and searches in it: see engine/directory.h. */
#define _GNU_SOURCE
#include "engine/directory.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)
/* Looking takes at most one part in so many of a processor. */
#define REST 50
#define NAMES_AT_ONCE 1024u

/* An entity; its place is its number. */
struct entry {
    const char *name; /* The engine's; NULL: not fetched yet. Kept when the entity is gone. */
    int64_t last_ns;
    float score;
    uint32_t rank; /* Place by name, among all that ever were. */
    uint32_t n_opened;
    uint8_t detector;
    bool here, in_alarm;
};

/* What one look saw. */
struct sight {
    struct entry *entries; /* [n] */
    uint32_t n, capacity;
    uint32_t *by_name; /* [n_named] Numbers. */
    uint32_t n_named, named_capacity;
    char detectors[LW_ENGINE_DETECTORS_MAX][LW_NAME_MAX];
    struct lw_engine_totals totals;
};

struct lw_directory {
    struct lw_engine *engine;
    pthread_t thread;
    pthread_mutex_t lock; /* Guards what follows, but for `next`, which is the thread's. */
    pthread_cond_t asked, looked;
    bool started, stop, wanted, urgent;
    uint64_t n_begun, n_ended; /* Looks. */
    enum lw_status status;     /* Of the last one. */
    int64_t seen_ns, cost_ns;  /* Of the last good one; monotonic, 0: none yet. */
    struct sight sight;
    struct sight next;
};

/* ---- one look, on the thread ---- */

static void see_entity(void *context, const struct engine_entity *owner,
                       const struct lw_entity_glance *glance)
{
    struct sight *next = context;
    struct entry *entry;

    if (owner->number >= next->n) {
        return; /* It came while we were looking. */
    }
    entry = &next->entries[owner->number];
    entry->last_ns = glance->last_ns;
    entry->score = glance->score;
    entry->detector = (uint8_t)owner->detector;
    entry->in_alarm = glance->alarm || owner->open_anomaly != 0;
    entry->here = true;
    entry->n_opened = 0;
    for (unsigned t = 0; owner->opened != NULL && t < LW_ENGINE_TYPES; t++) {
        entry->n_opened += owner->opened[t];
    }
}

/* Room for n items of a size; keeps what is there. */
static bool room(void **array, uint32_t *capacity, uint32_t n, size_t item_bytes)
{
    uint32_t wanted = *capacity == 0 ? 256 : *capacity;
    void *grown;

    while (wanted < n) {
        wanted *= 2;
    }
    if (wanted == *capacity) {
        return true;
    }
    grown = lw_mem_realloc(*array, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

/* The next sight begins with the names of the last; `sight` changes on this thread alone. */
static bool sight_begin(struct lw_directory *directory)
{
    struct lw_engine *engine = directory->engine;
    const struct sight *last = &directory->sight;
    struct sight *next = &directory->next;
    uint32_t n;

    (void)pthread_mutex_lock(&engine->route);
    n = (uint32_t)engine->n_entities;
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        const struct lw_detector *detector = engine->detectors[i].detector;

        next->detectors[i][0] = '\0';
        if (detector != NULL) {
            const char *name = lw_detector_name(detector);

            memcpy(next->detectors[i], name, strlen(name) + 1);
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    if (!room((void **)&next->entries, &next->capacity, n, sizeof(*next->entries)) ||
        !room((void **)&next->by_name, &next->named_capacity, n, sizeof(*next->by_name))) {
        return false;
    }
    next->n = n;
    for (uint32_t i = 0; i < n; i++) {
        next->entries[i] = (struct entry){.name = i < last->n ? last->entries[i].name : NULL,
                                          .rank = i < last->n ? last->entries[i].rank : 0,
                                          .last_ns = INT64_MIN,
                                          .score = NAN};
    }
    if (last->n_named > 0) {
        memcpy(next->by_name, last->by_name, last->n_named * sizeof(*next->by_name));
    }
    next->n_named = last->n_named;
    return true;
}

/* ---- names in order ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

/* Two runs of digits by their value; both pointers go behind theirs. */
static int digits_compare(const char **a, const char **b)
{
    size_t n_a, n_b;
    int order;

    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    n_a = strspn(*a, "0123456789");
    n_b = strspn(*b, "0123456789");
    order = n_a != n_b ? (n_a < n_b ? -1 : 1) : memcmp(*a, *b, n_a);
    *a += n_a;
    *b += n_b;
    return order;
}

/* Runs of digits by their value, letters of ASCII without case. */
static int name_compare(const char *a, const char *b)
{
    int order = 0;

    while (order == 0 && *a != '\0' && *b != '\0') {
        if (is_digit(*a) && is_digit(*b)) {
            order = digits_compare(&a, &b);
        } else {
            order = lower(*a++) - lower(*b++);
        }
    }
    return order != 0 ? order : (unsigned char)*a - (unsigned char)*b;
}

static int number_compare(const void *a, const void *b, void *context)
{
    const struct sight *sight = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int order = name_compare(sight->entries[i].name, sight->entries[j].name);

    return order != 0 ? order : (i < j ? -1 : 1);
}

/* Puts the numbers from n_old on, which are new, where they belong. */
static bool names_merge(struct sight *sight, uint32_t n_old)
{
    uint32_t n_new = sight->n_named - n_old, i = n_old, j = n_new, at = sight->n_named;
    uint32_t *fresh = lw_mem_alloc(n_new * sizeof(*fresh));

    if (fresh == NULL) {
        return false;
    }
    memcpy(fresh, sight->by_name + n_old, n_new * sizeof(*fresh));
    qsort_r(fresh, n_new, sizeof(*fresh), number_compare, sight);
    while (j > 0) { /* From the end, so that nothing is in the way. */
        bool old_last = i > 0 && number_compare(&sight->by_name[i - 1], &fresh[j - 1], sight) > 0;

        sight->by_name[--at] = old_last ? sight->by_name[--i] : fresh[--j];
    }
    lw_mem_free(fresh);
    for (uint32_t rank = 0; rank < sight->n_named; rank++) {
        sight->entries[sight->by_name[rank]].rank = rank;
    }
    return true;
}

/* Fetches the names of those that are new. Interned texts stay where they are. */
static bool names_fetch(struct lw_engine *engine, struct sight *next)
{
    uint32_t n_old = next->n_named;

    for (uint32_t from = 0; from < next->n; from += NAMES_AT_ONCE) {
        uint32_t to = from + NAMES_AT_ONCE < next->n ? from + NAMES_AT_ONCE : next->n;
        bool locked = false;

        for (uint32_t i = from; i < to; i++) {
            if (!next->entries[i].here || next->entries[i].name != NULL) {
                continue;
            }
            if (!locked) {
                (void)pthread_mutex_lock(&engine->route);
                locked = true;
            }
            next->entries[i].name = strchr(lw_intern_peek(engine->entity_names, i, NULL), '/') + 1;
            next->by_name[next->n_named++] = i;
        }
        if (locked) {
            (void)pthread_mutex_unlock(&engine->route);
        }
    }
    return next->n_named == n_old || names_merge(next, n_old);
}

static enum lw_status look(struct lw_directory *directory)
{
    struct lw_walk walk = {.entity = see_entity, .context = &directory->next};

    if (!sight_begin(directory)) {
        return LW_ENOMEM;
    }
    lw_engine_walk(directory->engine, &walk, &directory->next.totals);
    return names_fetch(directory->engine, &directory->next) ? LW_OK : LW_ENOMEM;
}

/* ---- the thread ---- */

/* Waits until somebody wants a look, and until it may be; false at the end. Lock held. */
static bool wait_for_turn(struct lw_directory *directory)
{
    while (!directory->stop && !directory->urgent) {
        int64_t wait_ns = directory->seen_ns + directory->cost_ns * REST - lw_clock_monotonic_ns();

        if (directory->wanted && wait_ns <= 0) {
            break;
        }
        if (directory->wanted) {
            int64_t until_ns = lw_clock_monotonic_ns() + wait_ns;
            struct timespec until = {until_ns / SECOND_NS, until_ns % SECOND_NS};

            (void)pthread_cond_timedwait(&directory->asked, &directory->lock, &until);
        } else {
            (void)pthread_cond_wait(&directory->asked, &directory->lock);
        }
    }
    return !directory->stop;
}

static void *directory_main(void *argument)
{
    struct lw_directory *directory = argument;

    (void)pthread_mutex_lock(&directory->lock);
    while (wait_for_turn(directory)) {
        int64_t began_ns = lw_clock_monotonic_ns(), cost_ns = lw_clock_thread_ns();
        enum lw_status status;

        directory->wanted = directory->urgent = false;
        directory->n_begun++;
        (void)pthread_mutex_unlock(&directory->lock);
        status = look(directory);
        cost_ns = lw_clock_thread_ns() - cost_ns;
        (void)pthread_mutex_lock(&directory->lock);
        directory->status = status;
        if (status == LW_OK) {
            struct sight last = directory->sight;

            directory->sight = directory->next;
            directory->next = last;
            directory->seen_ns = began_ns;
            directory->cost_ns = cost_ns;
        }
        directory->n_ended++;
        (void)pthread_cond_broadcast(&directory->looked);
    }
    (void)pthread_mutex_unlock(&directory->lock);
    return NULL;
}

/* ---- asking ---- */

/* Sees to it that the sight is young enough, or of after the call (`fresh`). Lock held. */
static enum lw_status directory_ask(struct lw_directory *directory, bool fresh)
{
    int64_t now_ns = lw_clock_monotonic_ns();
    bool must = fresh || directory->seen_ns == 0 ||
                now_ns - directory->seen_ns > 2 * REST * directory->cost_ns;
    uint64_t wanted = directory->n_begun + 1;

    if (!directory->started) {
        if (pthread_create(&directory->thread, NULL, directory_main, directory) != 0) {
            return LW_EIO;
        }
        (void)pthread_setname_np(directory->thread, "directory");
        directory->started = true;
    }
    directory->wanted = true;
    if (must && !fresh && directory->n_begun > directory->n_ended) {
        wanted = directory->n_begun; /* The look under way will do. */
    } else {
        directory->urgent = directory->urgent || must;
    }
    (void)pthread_cond_signal(&directory->asked);
    while (must && directory->n_ended < wanted && !directory->stop) {
        (void)pthread_cond_wait(&directory->looked, &directory->lock);
    }
    return directory->seen_ns == 0 || must ? directory->status : LW_OK;
}

void lw_engine_recent_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals)
{
    struct lw_directory *directory = engine->directory;
    enum lw_status status;

    (void)pthread_mutex_lock(&directory->lock);
    status = directory_ask(directory, false);
    *ret_totals = directory->sight.totals;
    (void)pthread_mutex_unlock(&directory->lock);
    if (status != LW_OK) {
        lw_engine_totals(engine, ret_totals); /* No memory, no thread: then at its price. */
    } else {
        lw_engine_show_state(engine, ret_totals); /* Trouble is told at once. */
    }
}

/* ---- searching ---- */

bool lw_search_matches(const char *search, const char *name)
{
    char word[LW_SEARCH_MAX];

    while (search != NULL && *search != '\0') {
        size_t n = strcspn(search, " \t");

        memcpy(word, search, n);
        word[n] = '\0';
        if (strcasestr(name, word) == NULL) {
            return false;
        }
        search += n + strspn(search + n, " \t");
    }
    return true;
}

struct place {
    uint64_t key;
    uint32_t number;
};

static uint64_t key_of(const struct entry *entry, uint32_t number,
                       const struct lw_entity_query *query)
{
    uint64_t key = number;
    uint32_t bits = 0;

    switch (query->order) {
    case LW_BY_NUMBER:
        break;
    case LW_BY_NAME:
        key = entry->rank;
        break;
    case LW_BY_SCORE:
        if (entry->score > 0.0f) {
            memcpy(&bits, &entry->score, sizeof(bits)); /* Of one sign they compare as numbers. */
        }
        key = isnan(entry->score) ? UINT32_MAX : UINT32_MAX - 1 - bits;
        key |= entry->in_alarm ? 0 : UINT64_C(1) << 32;
        break;
    case LW_BY_LAST:
        key = ~((uint64_t)entry->last_ns ^ UINT64_C(1) << 63);
        break;
    case LW_BY_ANOMALIES:
        key = UINT32_MAX - entry->n_opened;
        break;
    }
    return query->reverse ? ~key : key;
}

static bool place_before(struct place a, struct place b)
{
    return a.key != b.key ? a.key < b.key : a.number < b.number;
}

/* The `capacity` first of all places put, as a heap with the last of them on top. */
struct firsts {
    struct place *places;
    size_t n, capacity;
};

static void firsts_sink(struct firsts *firsts, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        struct place moved = firsts->places[at];

        if (child + 1 < firsts->n &&
            place_before(firsts->places[child], firsts->places[child + 1])) {
            child++;
        }
        if (child >= firsts->n || !place_before(moved, firsts->places[child])) {
            return;
        }
        firsts->places[at] = firsts->places[child];
        firsts->places[child] = moved;
        at = child;
    }
}

static void firsts_put(struct firsts *firsts, struct place place)
{
    if (firsts->n == firsts->capacity) {
        if (firsts->n > 0 && place_before(place, firsts->places[0])) {
            firsts->places[0] = place;
            firsts_sink(firsts, 0);
        }
        return;
    }
    firsts->places[firsts->n++] = place;
    for (size_t at = firsts->n - 1;
         at > 0 && place_before(firsts->places[(at - 1) / 2], firsts->places[at]);
         at = (at - 1) / 2) {
        struct place moved = firsts->places[at];

        firsts->places[at] = firsts->places[(at - 1) / 2];
        firsts->places[(at - 1) / 2] = moved;
    }
}

static int place_compare(const void *a, const void *b)
{
    return place_before(*(const struct place *)a, *(const struct place *)b) ? -1 : 1;
}

static bool entry_wanted(const struct sight *sight, const struct entry *entry,
                         const struct lw_entity_query *query)
{
    return entry->here &&
           (query->alarm == LW_ALARM_ANY || entry->in_alarm == (query->alarm == LW_ALARM_YES)) &&
           (query->detector == NULL ||
            strcmp(sight->detectors[entry->detector], query->detector) == 0) &&
           lw_search_matches(query->search, entry->name);
}

/* The places of a page and one more; directory locked. */
static void search(const struct sight *sight, const struct lw_entity_query *query,
                   struct firsts *firsts, uint32_t *ret_n_matches)
{
    struct place from = {query->key, query->number};
    uint32_t n_matches = 0;

    if (query->is_next && query->order == LW_BY_NAME && query->number < sight->n) {
        from.key = key_of(&sight->entries[query->number], query->number, query); /* Its rank now. */
    }
    for (uint32_t i = 0; i < sight->n; i++) {
        if (entry_wanted(sight, &sight->entries[i], query)) {
            struct place place = {key_of(&sight->entries[i], i, query), i};

            n_matches++;
            if (!query->is_next || place_before(from, place)) {
                firsts_put(firsts, place);
            }
        }
    }
    *ret_n_matches = n_matches;
}

enum lw_status lw_engine_find_entities(struct lw_engine *engine,
                                       const struct lw_entity_query *query,
                                       struct lw_entity_view *ret_entities, size_t capacity,
                                       struct lw_entity_found *ret_found, struct lw_error *reterr)
{
    struct lw_directory *directory = engine->directory;
    struct lw_entity_found found = {0};
    struct firsts firsts = {.capacity = capacity + 1};
    uint32_t *numbers = lw_mem_alloc((capacity + 1) * sizeof(*numbers));
    enum lw_status status;

    firsts.places = lw_mem_alloc(firsts.capacity * sizeof(*firsts.places));
    if (query->search != NULL && strlen(query->search) >= LW_SEARCH_MAX) {
        status = lw_error_set(reterr, LW_EINVAL, "a search has at most %d bytes",
                              LW_SEARCH_MAX - 1);
    } else if (firsts.places == NULL || numbers == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a search");
    } else {
        (void)pthread_mutex_lock(&directory->lock);
        status = directory_ask(directory, query->fresh);
        if (status == LW_OK) {
            search(&directory->sight, query, &firsts, &found.n_matches);
            found.counted_ns = directory->sight.totals.counted_ns;
        }
        (void)pthread_mutex_unlock(&directory->lock);
        status = status == LW_OK ? LW_OK
                                 : lw_error_set(reterr, status, "entities cannot be listed now");
    }
    if (status == LW_OK) {
        size_t n;

        qsort(firsts.places, firsts.n, sizeof(*firsts.places), place_compare);
        found.has_more = firsts.n > capacity;
        n = found.has_more ? capacity : firsts.n;
        for (size_t i = 0; i < n; i++) {
            numbers[i] = firsts.places[i].number;
            found.key = firsts.places[i].key;
            found.number = firsts.places[i].number;
        }
        found.n = lw_engine_pick_entities(engine, numbers, n, ret_entities);
        *ret_found = found;
    }
    lw_mem_free(firsts.places);
    lw_mem_free(numbers);
    return status;
}

/* ---- life ---- */

enum lw_status lw_directory_create(struct lw_engine *engine, struct lw_directory **ret_directory,
                                   struct lw_error *reterr)
{
    struct lw_directory *directory = lw_mem_calloc(1, sizeof(*directory));
    pthread_condattr_t monotonic;

    if (directory == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the directory of entities");
    }
    directory->engine = engine;
    (void)pthread_mutex_init(&directory->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&directory->asked, &monotonic);
    (void)pthread_cond_init(&directory->looked, NULL);
    (void)pthread_condattr_destroy(&monotonic);
    *ret_directory = directory;
    return LW_OK;
}

static void sight_fini(struct sight *sight)
{
    lw_mem_free(sight->entries);
    lw_mem_free(sight->by_name);
}

void lw_directory_destroy(struct lw_directory *directory)
{
    if (directory == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&directory->lock);
    directory->stop = true;
    (void)pthread_cond_broadcast(&directory->asked);
    (void)pthread_mutex_unlock(&directory->lock);
    if (directory->started) {
        (void)pthread_join(directory->thread, NULL);
    }
    sight_fini(&directory->sight);
    sight_fini(&directory->next);
    (void)pthread_cond_destroy(&directory->asked);
    (void)pthread_cond_destroy(&directory->looked);
    (void)pthread_mutex_destroy(&directory->lock);
    lw_mem_free(directory);
}
