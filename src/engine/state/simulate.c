/*
 * `lapwing run --simulate`: the engine's journal and snapshots on a virtual clock, network and
 * disk.
 *
 * Some senders each have a request ready at every step and deliver it when the network lets them:
 * at once, late, twice, or many together. They forget a request when it is acknowledged and deliver
 * it again after every restart until then. What the engine took is kept as a list of calls; as soon
 * as the journal says that a call is on the disk, a second engine, which keeps no state, is given
 * it. After a kill or a power cut the journal must hold at least what was acknowledged, and the
 * recovered engine must stand exactly where the second one stands when it has been given what the
 * journal holds.
 *
 * Everything happens on one thread in an order that the seed decides; shards are waited for before
 * the disk is touched. Values are made up, which is fine here: nothing is said about accuracy.
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/advance.h"
#include "engine/expire.h"
#include "engine/ladder.h"
#include "engine/state/archive.h"
#include "lapwing/state.h"
#include "store/simulated_disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define STEP_NS (10 * SECOND_NS)
#define START_NS (INT64_C(1700000000) * SECOND_NS)
#define DAY_NS (86400 * SECOND_NS)
#define SENDERS 3u
#define ENTITIES 2u /* Of each sender, */
#define METRICS 2u  /* and of each entity. */
#define POINTS (ENTITIES * METRICS)
#define UNSENT_MAX 512u
#define CALLS_MAX 8192u

/* Steps after which entities are replaced by others of their family. */
#define GENERATION 1500

enum call_kind {
    CALL_PUSH,
    CALL_WATERMARK,
    CALL_RESUME,
    CALL_EXPIRE,
    CALL_STEP_DOWN,
    CALL_STEP_UP
};

/* Something the engine was told, until the second engine has been told it too. */
struct call {
    uint64_t sequence; /* In the journal, once up to this is durable. */
    uint8_t kind, sender;
    int64_t step; /* Of a decision: which entity, of those there are. */
};

struct sender {
    int64_t unsent[UNSENT_MAX]; /* Steps whose request is to be delivered, the oldest first. */
    size_t n_unsent;
    int64_t unacked[UNSENT_MAX];    /* Delivered, */
    uint64_t positions[UNSENT_MAX]; /* to be acknowledged at. */
    size_t n_unacked;
    int64_t mute_until; /* The network keeps its requests until this step. */
    int64_t newest;     /* Step delivered. */
};

struct world {
    const struct lw_simulation *simulation;
    struct lw_simulation_report *report;
    struct lw_rng rng;
    int64_t now_ns, step;
    struct lw_simulated_disk *disk;
    struct lw_io io; /* Of the disk, or of one that does not sync. */
    struct lw_engine *engine, *second;
    struct lw_feed feeds[SENDERS], second_feeds[SENDERS];
    struct sender senders[SENDERS];
    struct call calls[CALLS_MAX];
    size_t n_calls;
    uint64_t given;        /* Points that the journal is bound to hold. */
    uint64_t acknowledged; /* The journal was said to be durable up to this. */
    int64_t full_until;    /* The disk is full until this step. */
};

static void broken(struct world *world, const char *format, ...) LW_PRINTF(2, 3);
static void broken(struct world *world, const char *format, ...)
{
    struct lw_simulation_report *report = world->report;
    char what[400];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(what, sizeof(what), format, list);
    va_end(list);
    if (!report->failed) {
        report->failed = true;
        (void)snprintf(report->failure, sizeof(report->failure), "at step %lld: %s",
                       (long long)world->step, what);
    }
}

/* True once in so many times. */
static bool once_in(struct world *world, uint32_t n)
{
    return lw_rng_below(&world->rng, n) == 0;
}

static void trace(struct world *world, const void *bytes, size_t n_bytes)
{
    world->report->trace = lw_hash_bytes(bytes, n_bytes, world->report->trace);
}

/* ---- what the senders send ---- */

/* Noise on a wave; sometimes a burst, a step up for an hour, a stretch of noise, or no value. */
static double value_of(uint32_t series, int64_t step)
{
    uint64_t mixed = lw_hash_bytes(&step, sizeof(step), series);
    double noise = (double)(mixed >> 40) / (double)(1 << 24);
    int64_t phase = (step + (int64_t)series * 997) % 2900;
    double value = 10.0 + noise + (double)((step + series * 7) % 360) / 180.0;

    if (phase > 2880 && phase < 2886) {
        value += 40.0;
    } else if (phase > 1800 && phase < 1830) {
        value -= 25.0;
    } else if (phase > 700 && phase < 900) {
        value += series % 2 == 0 ? 12.0 : 0.0;
    } else if (phase > 2200 && phase < 2260) {
        value += series % 2 == 1 ? 20.0 * (noise - 0.5) : 0.0;
    }
    return value;
}

static void request_fill(uint32_t sender, int64_t step, const uint32_t series[POINTS],
                         struct lw_point ret_points[POINTS])
{
    for (uint32_t i = 0; i < POINTS; i++) {
        ret_points[i] = (struct lw_point){.series = series[i],
                                          .time_ns = START_NS + step * STEP_NS +
                                                     (int64_t)i * SECOND_NS,
                                          .value = value_of(sender * POINTS + i, step)};
    }
}

/* Named as pods are, replaced now and then. */
static void entity_name(uint32_t sender, uint32_t entity, int64_t step, char ret_name[48])
{
    (void)snprintf(ret_name, 48, "host-%u-%u-7d9f8b6c5-x2x%cz", sender, entity,
                   "2456789bcd"[step / GENERATION % 10]);
}

/* One request to a feed, with its series named first, as a client does after every connection. */
static enum lw_status request_deliver(const struct lw_feed *feed, uint32_t sender, int64_t step)
{
    uint32_t series[POINTS];
    struct lw_point points[POINTS];
    enum lw_status status = LW_OK;

    for (uint32_t i = 0; status == LW_OK && i < POINTS; i++) {
        char entity[48];
        const struct lw_label label = {"instance", entity};
        const struct lw_series_key key = {i % METRICS == 0 ? "load" : "latency", &label, 1};

        entity_name(sender, i / METRICS, step, entity);
        status = feed->series(feed->context, &key, &series[i], NULL);
    }
    if (status == LW_OK) {
        request_fill(sender, step, series, points);
        status = feed->push(feed->context, points, POINTS);
    }
    return status;
}

/* ---- the list of calls ---- */

static void call_keep(struct world *world, enum call_kind kind, uint32_t sender, int64_t step)
{
    if (world->n_calls == CALLS_MAX) {
        broken(world, "%u calls wait for the disk", CALLS_MAX);
        return;
    }
    world->calls[world->n_calls++] = (struct call){.sequence = world->engine->sequence,
                                                   .kind = (uint8_t)kind,
                                                   .sender = (uint8_t)sender,
                                                   .step = step};
}

/* An entity expires, or loses or gets tier 1; `which` says which. */
static enum lw_status decide(struct lw_engine *engine, enum call_kind kind, int64_t which)
{
    const char *detector = which % 2 == 0 ? "timed" : "direct";
    struct engine_entity *owner;
    enum lw_status status = LW_ENOTFOUND;
    char name[48];

    entity_name((uint32_t)(which / 2 % SENDERS), (uint32_t)(which / 16 % ENTITIES),
                which / 64 * GENERATION, name);
    (void)pthread_mutex_lock(&engine->route);
    owner = lw_registry_find(engine, detector, name);
    if (owner != NULL) {
        status = kind == CALL_EXPIRE
                     ? lw_expire_entities(engine, &owner, 1)
                     : lw_ladder_step(engine, &owner, 1, kind == CALL_STEP_UP ? 1 : 0);
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

static void call_give(struct world *world, const struct call *call)
{
    const struct lw_feed *feed = &world->second_feeds[call->sender];

    if (call->kind == CALL_PUSH) {
        (void)!request_deliver(feed, call->sender, call->step);
        world->given += POINTS;
    } else if (call->kind == CALL_WATERMARK) {
        (void)!feed->watermark(feed->context, START_NS + call->step * STEP_NS);
    } else if (call->kind != CALL_RESUME) {
        (void)!decide(world->second, (enum call_kind)call->kind, call->step);
    } else {
        (void)pthread_mutex_lock(&world->second->route);
        lw_engine_resume(world->second);
        (void)pthread_mutex_unlock(&world->second->route);
    }
}

/* The second engine is given what the journal holds. */
static void calls_give(struct world *world, uint64_t up_to)
{
    size_t n = 0;

    while (n < world->n_calls && world->calls[n].sequence <= up_to) {
        call_give(world, &world->calls[n++]);
    }
    world->n_calls -= n;
    memmove(world->calls, world->calls + n, world->n_calls * sizeof(world->calls[0]));
}

/* ---- two engines, bit for bit ---- */

static bool entity_equal(struct engine_entity *left, struct engine_entity *right)
{
    struct lw_writer a, b;
    bool equal;

    lw_writer_init(&a);
    lw_writer_init(&b);
    lw_shard_catch_up(left);
    lw_shard_catch_up(right);
    lw_entity_write(left->entity, &a);
    lw_entity_write(right->entity, &b);
    equal = a.status == LW_OK && b.status == LW_OK && a.n_bytes == b.n_bytes &&
            memcmp(a.data, b.data, a.n_bytes) == 0;
    lw_writer_fini(&a);
    lw_writer_fini(&b);
    return equal;
}

static void compare_entities(struct world *world)
{
    struct lw_engine *engine = world->engine;

    for (size_t i = 0; i < engine->n_entities && !world->report->failed; i++) {
        struct engine_entity *left = engine->entities[i], *right;

        if (left == NULL) {
            continue;
        }
        right = lw_registry_find(world->second, lw_detector_name(lw_entity_detector(left->entity)),
                                 lw_entity_name(left->entity));
        if (right == NULL || !entity_equal(left, right)) {
            broken(world, "entity \"%s\" does not stand where it should",
                   lw_entity_name(left->entity));
        }
    }
}

static void compare(struct world *world)
{
    struct lw_engine_totals left, right;

    lw_engine_flush(world->engine);
    lw_engine_flush(world->second);
    compare_entities(world);
    lw_engine_totals(world->engine, &left);
    lw_engine_totals(world->second, &right);
    if (left.n_entities != right.n_entities || left.samples != right.samples ||
        left.verdicts != right.verdicts ||
        memcmp(left.anomalies_by_type, right.anomalies_by_type, sizeof(left.anomalies_by_type)) !=
            0) {
        broken(world, "%llu samples and %llu verdicts, where %llu and %llu should be",
               (unsigned long long)left.samples, (unsigned long long)left.verdicts,
               (unsigned long long)right.samples, (unsigned long long)right.verdicts);
    }
    trace(world, &left.samples, sizeof(left.samples));
    trace(world, left.anomalies_by_type, sizeof(left.anomalies_by_type));
}

/* ---- engines ---- */

static enum lw_status detector_set(struct lw_engine *engine, const char *name,
                                   const char *const *options, struct lw_error *reterr)
{
    struct lw_spec *spec = NULL;
    enum lw_status status = lw_spec_create(&spec, reterr);

    for (; status == LW_OK && options[0] != NULL; options += 2) {
        status = lw_spec_set(spec, options[0], options[1], reterr);
    }
    if (status == LW_OK) {
        status = lw_engine_set_detector(engine, name, spec, reterr);
    }
    lw_spec_destroy(spec);
    return status;
}

/* Training takes most of a simulation's time, so one in eight has tier 1. */
static enum lw_status engine_make(const struct world *world, uint32_t n_shards,
                                  struct lw_engine **ret_engine, struct lw_error *reterr)
{
    bool trains = world->simulation->seed % 8 == 0;
    const char *const timed[] = {"step",        "10s",          "operating_point",
                                 "benchmark",   "models",       trains ? "linear, knn" : "none",
                                 "train_after", "300",          "lateness",
                                 "30s",         "expire_after", "0s",
                                 NULL};
    static const char *const DIRECT[] = {"step",   "sample", "alarm_budget", "1h", "match", "lat*",
                                         "models", "none",   "expire_after", "0s", NULL};
    const struct lw_engine_config config = {.n_shards = n_shards};
    enum lw_status status = lw_engine_create(&config, ret_engine, reterr);

    if (status == LW_OK) {
        status = detector_set(*ret_engine, "timed", timed, reterr);
    }
    return status == LW_OK ? detector_set(*ret_engine, "direct", DIRECT, reterr) : status;
}

static enum lw_status feeds_make(struct lw_engine *engine, struct lw_feed feeds[SENDERS],
                                 struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (uint32_t i = 0; status == LW_OK && i < SENDERS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "sender-%u", i);
        status = lw_engine_feed(engine, name, &feeds[i], reterr);
    }
    return status;
}

static int64_t world_now(void *context)
{
    return ((struct world *)context)->now_ns;
}

static int pretend_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

/* An engine on what the disk holds. LW_EFORMAT is a broken promise, no failure of the simulation.
 */
static enum lw_status life_begin(struct world *world, struct lw_state_report *ret_report,
                                 struct lw_error *reterr)
{
    const struct lw_state_config config = {
        .dir = "/state", .io = &world->io, .manual = true, .real_ns = world_now, .context = world};
    enum lw_status status = engine_make(world, 1 + (uint32_t)lw_rng_below(&world->rng, 3),
                                        &world->engine, reterr);

    if (status == LW_OK) {
        status = lw_engine_open_state(world->engine, &config, ret_report, reterr);
    }
    return status;
}

static void acknowledge(struct world *world)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct sender *sender = &world->senders[i];
        size_t n = 0;

        while (n < sender->n_unacked && sender->positions[n] <= world->acknowledged) {
            n++;
        }
        sender->n_unacked -= n;
        memmove(sender->unacked, sender->unacked + n,
                sender->n_unacked * sizeof(sender->unacked[0]));
        memmove(sender->positions, sender->positions + n,
                sender->n_unacked * sizeof(sender->positions[0]));
    }
}

static void sync_now(struct world *world)
{
    struct lw_feed *feed = &world->feeds[0];

    lw_engine_flush(world->engine);
    (void)!lw_engine_sync(world->engine, NULL);
    world->acknowledged = feed->durable(feed->context);
    calls_give(world, world->acknowledged);
    acknowledge(world);
}

/* Senders begin anew: what was not acknowledged is to be delivered again, before what was not yet
 * delivered. */
static void senders_restart(struct world *world)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct sender *sender = &world->senders[i];
        size_t n = sender->n_unacked;

        if (n + sender->n_unsent > UNSENT_MAX) {
            broken(world, "sender %u has too much to deliver", i);
            n = 0;
        }
        memmove(sender->unsent + n, sender->unsent, sender->n_unsent * sizeof(sender->unsent[0]));
        memcpy(sender->unsent, sender->unacked, n * sizeof(sender->unsent[0]));
        sender->n_unsent += n;
        sender->n_unacked = 0;
        world->report->repeated += n * POINTS;
    }
}

/* The process or the power is gone, and comes back some time later. */
static enum lw_status restart(struct world *world, enum lw_disk_crash crash,
                              struct lw_error *reterr)
{
    struct lw_state_report report = {0};
    enum lw_status status;

    lw_engine_flush(world->engine);
    lw_engine_destroy(world->engine);
    world->engine = NULL;
    status = lw_simulated_disk_crash(world->disk, crash);
    world->now_ns += (int64_t)lw_rng_below(&world->rng, once_in(world, 4) ? 60 : 4) * SECOND_NS;
    if (status == LW_OK) {
        lw_simulated_disk_limit(world->disk, INT64_MAX);
        world->full_until = 0;
        status = life_begin(world, &report, reterr);
    }
    if (status == LW_EFORMAT || status == LW_EVERSION) {
        broken(world, "the state is refused: %s", reterr->message);
        return LW_OK;
    }
    if (status != LW_OK) {
        return status;
    }
    world->report->recoveries++;
    world->report->replayed += report.records;
    if (report.last < world->acknowledged) {
        broken(world, "the journal ends at record %llu; up to %llu was acknowledged",
               (unsigned long long)report.last, (unsigned long long)world->acknowledged);
        return LW_OK;
    }
    while (world->n_calls > 0 && world->calls[world->n_calls - 1].sequence > report.last) {
        world->n_calls--; /* Gone, and to be delivered again. */
    }
    if (report.resumed) {
        call_keep(world, CALL_RESUME, 0, 0);
        world->calls[world->n_calls - 1].sequence = report.last + 1;
    }
    status = feeds_make(world->engine, world->feeds, reterr);
    sync_now(world);
    senders_restart(world);
    trace(world, &report.last, sizeof(report.last));
    return status;
}

/* ---- a step ---- */

/* False: refused, to be tried at the next step. */
static bool send_one(struct world *world, uint32_t number, int64_t step)
{
    struct sender *sender = &world->senders[number];
    struct lw_feed *feed = &world->feeds[number];

    if (sender->n_unacked == UNSENT_MAX || request_deliver(feed, number, step) != LW_OK) {
        world->report->refusals++;
        return false;
    }
    call_keep(world, CALL_PUSH, number, step);
    sender->unacked[sender->n_unacked] = step;
    sender->positions[sender->n_unacked++] = feed->position(feed->context);
    world->report->samples += POINTS;
    world->report->late += step < sender->newest ? POINTS : 0;
    sender->newest = step > sender->newest ? step : sender->newest;
    return true;
}

/* What a sender has, in order but for some that are overtaken. */
static void send_all(struct world *world, uint32_t number)
{
    struct sender *sender = &world->senders[number];

    while (sender->n_unsent > 0) {
        size_t at = sender->n_unsent > 1 && once_in(world, 20) ? 1 : 0;
        int64_t step = sender->unsent[at];

        if (!send_one(world, number, step)) {
            return;
        }
        if (once_in(world, 50)) {
            world->report->repeated += send_one(world, number, step) ? POINTS : 0;
        }
        sender->n_unsent--;
        memmove(sender->unsent + at, sender->unsent + at + 1,
                (sender->n_unsent - at) * sizeof(sender->unsent[0]));
    }
    if (world->feeds[number].watermark(world->feeds[number].context,
                                       START_NS + sender->newest * STEP_NS) == LW_OK) {
        call_keep(world, CALL_WATERMARK, number, sender->newest);
    }
}

static void senders_turn(struct world *world)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct sender *sender = &world->senders[i];

        if (sender->n_unsent < UNSENT_MAX / 2) { /* A sender with a full queue makes no more. */
            sender->unsent[sender->n_unsent++] = world->step;
        }
        if (once_in(world, 400)) {
            sender->mute_until = world->step + 1 + (int64_t)lw_rng_below(&world->rng, 40);
        }
        if (world->step >= sender->mute_until) {
            send_all(world, i);
        }
    }
}

/* What the engine would decide by itself, by clocks and memory that are not in a simulation. */
static void decision_turn(struct world *world)
{
    enum call_kind kind = (enum call_kind)(CALL_EXPIRE + lw_rng_below(&world->rng, 3));
    int64_t generation = world->step / GENERATION % 10;
    int64_t which = (int64_t)lw_rng_below(&world->rng, 64) +
                    64 * (once_in(world, 3) && generation > 0 ? generation - 1 : generation);

    if (decide(world->engine, kind, which) == LW_OK) {
        call_keep(world, kind, 0, which);
        world->report->decisions++;
    }
}

/* A fault of the disk for a while. */
static void disk_turn(struct world *world)
{
    if (world->full_until != 0 && world->step >= world->full_until) {
        lw_simulated_disk_limit(world->disk, INT64_MAX);
        lw_simulated_disk_mend(world->disk);
        world->full_until = 0;
    }
    if (world->full_until != 0 || !once_in(world, 150)) {
        return;
    }
    world->full_until = world->step + 1 + (int64_t)lw_rng_below(&world->rng, 30);
    if (once_in(world, 3)) {
        world->report->full_disks++;
        lw_simulated_disk_limit(world->disk, lw_simulated_disk_used(world->disk) +
                                                 (int64_t)lw_rng_below(&world->rng, 5000));
    } else {
        struct lw_disk_fault fault = {
            .call = (enum lw_disk_call)lw_rng_below(&world->rng, LW_DISK_N_CALLS),
            .kind = (enum lw_disk_fault_kind)lw_rng_below(&world->rng, LW_DISK_POWER),
            .at = 1 + lw_rng_below(&world->rng, 20)};

        fault.sticky = fault.kind != LW_DISK_EINTR && once_in(world, 4);
        (void)!lw_simulated_disk_fault(world->disk, &fault);
    }
}

static void checkpoint_now(struct world *world)
{
    lw_engine_flush(world->engine);
    world->report->checkpoints += lw_engine_checkpoint(world->engine, NULL) == LW_OK ? 1 : 0;
    (void)!lw_archive_turn(world->engine->durable->archive, true, NULL);
    sync_now(world);
}

/* The power goes at some call to the disk, most often while a snapshot is written. */
static enum lw_status cut_power(struct world *world, struct lw_error *reterr)
{
    const struct lw_disk_fault fault = {
        .call = LW_DISK_ANY, .kind = LW_DISK_POWER, .at = 1 + lw_rng_below(&world->rng, 14)};

    (void)!lw_simulated_disk_fault(world->disk, &fault);
    checkpoint_now(world);
    world->report->power_cuts++;
    world->report->cuts_in_snapshots++;
    return restart(world, LW_DISK_CRASH_ANY, reterr);
}

static enum lw_status step_turn(struct world *world, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    disk_turn(world);
    senders_turn(world);
    if (once_in(world, 40)) {
        decision_turn(world);
    }
    if (!once_in(world, 3)) {
        sync_now(world);
    }
    if (once_in(world, 120)) {
        checkpoint_now(world);
    }
    if (once_in(world, 400)) {
        world->report->kills++;
        status = restart(world, LW_DISK_KILL, reterr);
    } else if (once_in(world, 400)) {
        world->report->power_cuts++;
        status = restart(world, LW_DISK_CRASH_ANY, reterr);
    } else if (once_in(world, 400)) {
        status = cut_power(world, reterr);
    } else {
        return LW_OK;
    }
    if (status == LW_OK && !world->report->failed && world->n_calls == 0) {
        compare(world); /* The disk has taken all there is, so both were given the same. */
    }
    return status;
}

/* ---- the whole ---- */

static enum lw_status world_begin(struct world *world, struct lw_error *reterr)
{
    struct lw_state_report report;
    enum lw_status status = lw_simulated_disk_create(world->simulation->seed, &world->disk);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "no memory for a simulated disk");
    }
    world->io = *lw_simulated_disk_io(world->disk);
    if (world->simulation->without_sync) {
        world->io.sync = pretend_sync;
    }
    status = engine_make(world, 1, &world->second, reterr);
    if (status == LW_OK) {
        status = feeds_make(world->second, world->second_feeds, reterr);
    }
    if (status == LW_OK) {
        status = life_begin(world, &report, reterr);
    }
    return status == LW_OK ? feeds_make(world->engine, world->feeds, reterr) : status;
}

/* Every point of the journal is in the history once. */
static void compare_history(struct world *world)
{
    struct lw_archive *archive = world->engine->durable->archive;
    struct lw_history_stats stats;
    struct lw_error error = {0};
    size_t n_damaged = 0;

    if (lw_archive_turn(archive, true, &error) != LW_OK ||
        lw_history_verify(lw_archive_history(archive), NULL, NULL, &n_damaged, &error) != LW_OK) {
        broken(world, "the history: %s", error.message);
        return;
    }
    lw_history_stats(lw_archive_history(archive), &stats);
    if (stats.n_samples != world->given || n_damaged > 0) {
        broken(world, "the history has %llu samples and %zu damaged files; %llu samples were taken",
               (unsigned long long)stats.n_samples, n_damaged, (unsigned long long)world->given);
    }
}

/* The disk is well, and all that was sent arrives. */
static enum lw_status world_end(struct world *world, struct lw_error *reterr)
{
    enum lw_status status;

    lw_simulated_disk_limit(world->disk, INT64_MAX);
    lw_simulated_disk_mend(world->disk);
    for (int i = 0; i < 3; i++) { /* The first sync may be of what failed before. */
        sync_now(world);
        for (uint32_t s = 0; s < SENDERS; s++) {
            world->senders[s].mute_until = 0;
            send_all(world, s);
        }
    }
    sync_now(world);
    for (uint32_t i = 0; i < SENDERS && !world->report->failed; i++) {
        if (world->senders[i].n_unsent > 0 || world->senders[i].n_unacked > 0) {
            broken(world, "sender %u is not rid of all", i);
        }
    }
    if (world->report->failed) {
        return LW_OK;
    }
    compare(world);
    world->report->records = world->engine->sequence;
    status = restart(world, LW_DISK_CRASH_NOTHING, reterr);
    if (status == LW_OK && !world->report->failed) {
        compare(world);
        compare_history(world);
    }
    return status;
}

static void report_fill(struct world *world)
{
    struct lw_engine_totals totals;

    lw_engine_totals(world->second, &totals);
    world->report->anomalies = totals.anomalies_opened;
    for (unsigned i = 0; i < LW_ENGINE_TYPES; i++) {
        world->report->n_types += totals.anomalies_by_type[i] > 0 ? 1 : 0;
    }
    world->report->disk_faults = lw_simulated_disk_faults(world->disk);
}

enum lw_status lw_simulate(const struct lw_simulation *simulation,
                           struct lw_simulation_report *ret_report, struct lw_error *reterr)
{
    struct world *world = lw_mem_calloc(1, sizeof(*world));
    int64_t length_ns = simulation->length_ns == 0 ? DAY_NS : simulation->length_ns;
    struct lw_error error = {0};
    enum lw_status status;

    if (world == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a simulation");
    }
    memset(ret_report, 0, sizeof(*ret_report));
    world->simulation = simulation;
    world->report = ret_report;
    world->now_ns = START_NS;
    lw_rng_seed(&world->rng, simulation->seed);
    status = world_begin(world, &error);
    for (; status == LW_OK && !ret_report->failed && world->step < length_ns / STEP_NS;
         world->step++) {
        world->now_ns += STEP_NS;
        status = step_turn(world, &error);
    }
    if (status == LW_OK && !ret_report->failed) {
        status = world_end(world, &error);
    }
    if (status == LW_OK) {
        report_fill(world);
    } else if (reterr != NULL) {
        *reterr = error;
    }
    lw_engine_destroy(world->engine);
    lw_engine_destroy(world->second);
    lw_simulated_disk_destroy(world->disk);
    lw_mem_free(world);
    return status;
}
