/*
 * Event time on a shard: which entity is told which watermark, and when.
 *
 * An entity follows the slowest of the feeds that deliver to it. Most watermarks find nothing due
 * in most entities, so these are not even looked at: a heap knows who is due first, and what an
 * entity was spared it is told with its next sample, which gives the same verdicts. Only those that
 * got a sample since ("touched") are asked what is due next.
 */
#include "engine/advance.h"

#include "engine/expire.h"

/* ---- the heap of what is due: one place an entity, which knows its place ---- */

static void heap_put(struct shard *shard, size_t at, struct engine_entity *owner, int64_t due_ns)
{
    shard->due[at] = (struct due_entry){due_ns, owner};
    owner->due_at = (uint32_t)at + 1;
}

static void heap_up(struct shard *shard, size_t at)
{
    struct due_entry moved = shard->due[at];

    while (at > 0 && shard->due[(at - 1) / 2].due_ns > moved.due_ns) {
        heap_put(shard, at, shard->due[(at - 1) / 2].owner, shard->due[(at - 1) / 2].due_ns);
        at = (at - 1) / 2;
    }
    heap_put(shard, at, moved.owner, moved.due_ns);
}

static void heap_down(struct shard *shard, size_t at)
{
    struct due_entry moved = shard->due[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < shard->n_due && shard->due[child + 1].due_ns < shard->due[child].due_ns) {
            child++;
        }
        if (child >= shard->n_due || shard->due[child].due_ns >= moved.due_ns) {
            break;
        }
        heap_put(shard, at, shard->due[child].owner, shard->due[child].due_ns);
        at = child;
    }
    heap_put(shard, at, moved.owner, moved.due_ns);
}

/* An entity is not due before that. Its place may be earlier than it need be: that is seen when its
 * turn comes. */
static void heap_set(struct engine_entity *owner, int64_t due_ns)
{
    struct shard *shard = owner->shard;

    if (owner->due_at == 0) {
        if (due_ns == INT64_MAX) {
            return;
        }
        heap_put(shard, shard->n_due, owner, due_ns); /* The registry made room. */
        heap_up(shard, shard->n_due++);
    } else if (due_ns < shard->due[owner->due_at - 1].due_ns) {
        shard->due[owner->due_at - 1].due_ns = due_ns;
        heap_up(shard, owner->due_at - 1);
    }
}

static struct engine_entity *heap_take(struct shard *shard)
{
    struct engine_entity *first = shard->due[0].owner;
    struct due_entry last = shard->due[--shard->n_due];

    first->due_at = 0;
    if (shard->n_due > 0) {
        heap_put(shard, 0, last.owner, last.due_ns);
        heap_down(shard, 0);
    }
    return first;
}

/* ---- one entity ---- */

/* Event time of an entity: that of the slowest feed that delivers to it. A feed that has told no
 * watermark since its first sample for this entity holds it back: what it told before was about
 * others. */
static int64_t entity_time(const struct engine_entity *owner)
{
    int64_t time_ns = INT64_MAX;

    if (owner->told_by != owner->fed_by || owner->fed_by == 0) {
        return INT64_MIN;
    }
    for (uint64_t left = owner->fed_by; left != 0; left &= left - 1) {
        int64_t feed_ns = owner->shard->feed_ns[__builtin_ctzll(left)];

        time_ns = feed_ns < time_ns ? feed_ns : time_ns;
    }
    return time_ns;
}

void lw_shard_touch(struct engine_entity *owner)
{
    owner->due_ns = INT64_MIN;
    if (!owner->touched) {
        owner->touched = true;
        owner->shard->touched[owner->shard->n_touched++] = owner; /* The registry made room. */
    }
}

/* What is due next is known; a later place in the heap than needed is corrected when it comes up.
 */
static void settle(struct engine_entity *owner)
{
    owner->due_ns = lw_entity_due(owner->entity);
    heap_set(owner, owner->due_ns);
}

void lw_shard_catch_up(struct engine_entity *owner)
{
    int64_t time_ns = entity_time(owner);

    time_ns = owner->passed_ns > time_ns ? owner->passed_ns : time_ns;
    if (time_ns != INT64_MIN) {
        lw_advance(owner->entity, time_ns, &owner->shard->sink);
        owner->passed_ns = INT64_MIN;
    }
}

void lw_shard_fed(struct engine_entity *owner, uint16_t feed)
{
    uint64_t bit = UINT64_C(1) << feed;
    struct shard *shard = owner->shard;

    lw_shard_touch(owner);
    if ((owner->fed_by & bit) == 0) {
        owner->fed_by |= bit;
        if (!owner->untold) {
            owner->untold = true;
            shard->untold[shard->n_untold++] = owner;
        }
    }
}

/* The record being worked on is in the state of the entity already. */
static bool skipped(const struct engine_entity *owner)
{
    return owner->shard->replaying && owner->stands_at > owner->shard->sequence;
}

/* Asks an entity at the event time it has now. */
static void ask(struct engine_entity *owner)
{
    int64_t time_ns = entity_time(owner);

    if (skipped(owner) || (owner->due_ns == INT64_MIN && time_ns == INT64_MIN)) {
        lw_shard_touch(owner); /* Held back: to be asked again. */
    } else if (owner->due_ns > time_ns) {
        heap_set(owner, owner->due_ns);
    } else {
        lw_shard_catch_up(owner);
        settle(owner);
    }
}

/* ---- one watermark ---- */

/* Those who were waiting for this feed to tell its first. */
static void tell_untold(struct shard *shard, uint64_t bit)
{
    size_t n_left = 0;

    for (size_t i = 0; i < shard->n_untold; i++) {
        struct engine_entity *owner = shard->untold[i];

        if ((owner->fed_by & bit) != 0 && !skipped(owner)) {
            owner->told_by |= bit;
            lw_shard_touch(owner);
        }
        owner->untold = owner->told_by != owner->fed_by;
        if (owner->untold) {
            shard->untold[n_left++] = owner;
        }
    }
    shard->n_untold = n_left;
}

static void ask_touched(struct shard *shard, uint64_t bit)
{
    size_t n = shard->n_touched, n_left = 0;

    /* ask() may touch again: what it appends comes to lie behind, or in, places already read. */
    for (size_t i = 0; i < n; i++) {
        struct engine_entity *owner = shard->touched[i];

        if ((owner->fed_by & bit) == 0) {
            shard->touched[n_left++] = owner;
            continue;
        }
        owner->touched = false;
        shard->n_touched = n_left;
        ask(owner);
        n_left = shard->n_touched;
    }
    shard->n_touched = n_left;
}

static void ask_due(struct shard *shard, int64_t watermark_ns)
{
    while (shard->n_due > 0 && shard->due[0].due_ns <= watermark_ns) {
        struct engine_entity *owner = heap_take(shard);

        if (owner->due_ns > watermark_ns) {
            heap_set(owner, owner->due_ns); /* It moved on meanwhile. */
        } else if (owner->due_ns > entity_time(owner)) {
            lw_shard_touch(owner); /* Another feed holds it back. */
        } else {
            ask(owner);
        }
    }
}

/* A feed goes back where the rows of another entity begin: what the entities were spared so far is
 * written down, since from now on the feed says less. */
static void keep_passed(struct shard *shard, uint64_t bit)
{
    for (size_t i = 0; i < shard->n_entities; i++) {
        struct engine_entity *owner = shard->entities[i];
        int64_t time_ns = (owner->fed_by & bit) == 0 ? INT64_MIN : entity_time(owner);

        owner->passed_ns = time_ns > owner->passed_ns ? time_ns : owner->passed_ns;
    }
}

/* A feed has delivered all it had; what others still deliver to the entity goes on. */
static void complete_entity(struct engine_entity *owner, uint64_t bit)
{
    owner->fed_by &= ~bit;
    owner->told_by &= ~bit;
    if (owner->fed_by != 0) {
        lw_shard_touch(owner);
        return;
    }
    lw_shard_catch_up(owner);
    lw_entity_finish(owner->entity, &owner->shard->sink);
    settle(owner);
}

static void complete_all(struct shard *shard, uint64_t bit)
{
    for (size_t i = 0; i < shard->n_entities; i++) {
        if ((shard->entities[i]->fed_by & bit) != 0 && !skipped(shard->entities[i])) {
            complete_entity(shard->entities[i], bit);
        }
    }
    ask_touched(shard, ~UINT64_C(0));
}

void lw_shard_advance(struct shard *shard, uint16_t feed, int64_t watermark_ns)
{
    uint64_t bit = UINT64_C(1) << feed;

    if (watermark_ns < shard->feed_ns[feed]) {
        keep_passed(shard, bit);
    }
    shard->feed_ns[feed] = watermark_ns;
    if (watermark_ns == INT64_MIN) {
        complete_all(shard, bit);
        return;
    }
    tell_untold(shard, bit);
    ask_touched(shard, bit);
    ask_due(shard, watermark_ns);
    lw_expire_look(shard, watermark_ns);
}

void lw_shard_finish_all(struct shard *shard)
{
    for (size_t i = 0; i < shard->n_entities; i++) {
        struct engine_entity *owner = shard->entities[i];

        lw_shard_catch_up(owner);
        lw_entity_finish(owner->entity, &shard->sink);
        settle(owner);
    }
}

void lw_shard_resume_all(struct shard *shard)
{
    for (size_t i = 0; i < shard->n_entities; i++) {
        struct engine_entity *owner = shard->entities[i];

        if (!skipped(owner)) {
            lw_shard_catch_up(owner);
            owner->fed_by = 0;
            owner->told_by = 0;
        }
    }
    for (unsigned i = 0; i < FEEDS_MAX; i++) {
        shard->feed_ns[i] = INT64_MIN;
    }
}

void lw_shard_forget(struct shard *shard)
{
    size_t n_touched = 0, n_untold = 0, n_due = 0;

    for (size_t i = 0; i < shard->n_touched; i++) {
        if (!shard->touched[i]->leaving) {
            shard->touched[n_touched++] = shard->touched[i];
        }
    }
    for (size_t i = 0; i < shard->n_untold; i++) {
        if (!shard->untold[i]->leaving) {
            shard->untold[n_untold++] = shard->untold[i];
        }
    }
    for (size_t i = 0; i < shard->n_due; i++) {
        if (!shard->due[i].owner->leaving) {
            heap_put(shard, n_due++, shard->due[i].owner, shard->due[i].due_ns);
        }
    }
    shard->n_touched = n_touched;
    shard->n_untold = n_untold;
    shard->n_due = n_due;
    for (size_t i = n_due / 2; i > 0; i--) {
        heap_down(shard, i - 1);
    }
}
