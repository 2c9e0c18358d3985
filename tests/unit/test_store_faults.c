/*
 * Journal and snapshots on a disk that fails, and forgets what was not synced.
 *
 * A life is what one process does to the folders: it opens the journal, reads it back, appends and
 * syncs, writes a snapshot, trims, and ends by a crash. What must be there afterwards is kept in a
 * ledger: every record that was acknowledged, in order and once; behind them nothing but records
 * that this life had appended; every snapshot that was committed, whole, and no broken one.
 *
 * The sweep puts each kind of fault at each call of a life, and ends it by each kind of crash. The
 * random lives draw everything from a seed that is printed when something is wrong;
 * LW_TEST_SEEDS=n runs n of them. A disk whose sync does nothing shows that the ledger sees a loss.
 */
#include "support/test.h"

#include "base/rng.h"
#include "store/journal.h"
#include "store/simulated_disk.h"
#include "store/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define N_RECORDS_MAX 4096
#define N_SNAPSHOTS_MAX 64
#define RECORD_BYTES_MAX 3000
#define KEEP 2

static const struct lw_journal_config JOURNAL = {
    .dir = "state/journal", .segment_bytes = 4000, .pending_bytes = 200000};
static const struct lw_snapshot_config SNAPSHOTS = {.dir = "state/snapshots"};

struct ledger {
    struct lw_simulated_disk *disk;
    struct lw_io io; /* The disk's; tests may take something out of it. */
    uint64_t life;
    size_t segment_bytes;                /* Of this life; 0: as JOURNAL says. */
    uint64_t life_of[N_RECORDS_MAX];     /* Of each record that may be read back. */
    uint64_t appended, acknowledged;     /* Numbers of the last ones. */
    uint64_t trimmed;                    /* Records before it may be gone. */
    uint64_t committed[N_SNAPSHOTS_MAX]; /* Sequences, ascending. */
    size_t n_committed;
    uint64_t attempted[N_SNAPSHOTS_MAX];
    size_t n_attempted;
    char wrong[640]; /* The first thing that was. */
};

static bool wrong(struct ledger *ledger, const char *what, uint64_t a, uint64_t b,
                  const char *detail)
{
    if (ledger->wrong[0] == '\0') {
        (void)snprintf(ledger->wrong, sizeof(ledger->wrong),
                       "life %" PRIu64 ": %s (%" PRIu64 ", %" PRIu64 ") %s", ledger->life, what, a,
                       b, detail);
    }
    return false;
}

/* ---- contents that tell number and life ---- */

static size_t fill(uint8_t *bytes, uint64_t number, uint64_t life, size_t n_max)
{
    uint64_t x = lw_rng_mix(number * 1000003 + life);
    size_t n_bytes = x % 5 == 0 ? 0 : (size_t)(x >> 8) % (x % 7 == 0 ? n_max : n_max / 20 + 1);

    for (size_t i = 0; i < n_bytes; i++) {
        bytes[i] = (uint8_t)(x >> (i % 57));
    }
    return n_bytes;
}

static struct lw_journal_config journal_config(const struct ledger *ledger)
{
    struct lw_journal_config config = JOURNAL;

    config.io = &ledger->io;
    config.segment_bytes = ledger->segment_bytes == 0 ? config.segment_bytes
                                                      : ledger->segment_bytes;
    return config;
}

static struct lw_snapshot_config snapshot_config(const struct ledger *ledger)
{
    struct lw_snapshot_config config = SNAPSHOTS;

    config.io = &ledger->io;
    return config;
}

/* ---- what a life does ---- */

static void append(struct ledger *ledger, struct lw_journal *journal, size_t n)
{
    uint8_t bytes[RECORD_BYTES_MAX];

    for (size_t i = 0; i < n && ledger->appended + 1 < N_RECORDS_MAX; i++) {
        uint64_t number = ledger->appended + 1, given = 0;
        size_t n_bytes = fill(bytes, number, ledger->life, sizeof(bytes));
        struct lw_journal_piece pieces[2] = {{bytes, n_bytes / 3},
                                             {bytes + n_bytes / 3, n_bytes - n_bytes / 3}};

        if (lw_journal_append(journal, (uint32_t)number, pieces, 2, &given) != LW_OK) {
            return; /* The pending bytes are at their bound. */
        }
        if (given != number) {
            (void)wrong(ledger, "a record got another number", given, number, "");
        }
        ledger->appended = number;
        ledger->life_of[number] = ledger->life;
    }
}

static bool sync_all(struct ledger *ledger, struct lw_journal *journal)
{
    uint64_t durable = 0;
    struct lw_error error = {0};
    enum lw_status status = lw_journal_sync(journal, &durable, &error);

    if (status != LW_OK && status != LW_EIO) {
        return wrong(ledger, "a sync answers", (uint64_t)-status, 0, error.message);
    }
    if (durable > ledger->appended || (status == LW_OK && durable != ledger->appended)) {
        return wrong(ledger, "a sync acknowledges", durable, ledger->appended, "");
    }
    if (durable > ledger->acknowledged) { /* The last group of the life before is pending again. */
        ledger->acknowledged = durable;
    }
    return status == LW_OK;
}

static void snapshot(struct ledger *ledger, struct lw_journal *journal)
{
    struct lw_snapshot_config config = snapshot_config(ledger);
    struct lw_snapshot_writer *writer = NULL;
    uint64_t sequence = ledger->acknowledged;
    static uint8_t bytes[400000];
    enum lw_status status = lw_snapshot_create(&config, sequence, 3, &writer, NULL);

    if (ledger->n_committed > 0 && ledger->committed[ledger->n_committed - 1] == sequence) {
        lw_snapshot_abandon(status == LW_OK ? writer : NULL);
        return;
    }
    ledger->attempted[ledger->n_attempted++] = sequence;
    for (uint64_t i = 0; i < 4 && status == LW_OK; i++) {
        size_t n_bytes = fill(bytes, i, sequence, i == 2 ? sizeof(bytes) : 5000);

        status = lw_snapshot_add(writer, (uint32_t)i, bytes, n_bytes, NULL);
    }
    if (writer != NULL) {
        if (status == LW_OK) {
            status = lw_snapshot_commit(writer, NULL);
        } else {
            lw_snapshot_abandon(writer);
        }
    }
    if (status == LW_OK) {
        ledger->committed[ledger->n_committed++] = sequence;
        status = lw_snapshot_trim(&config, KEEP, NULL);
    }
    if (status == LW_OK && ledger->n_committed >= KEEP) {
        ledger->trimmed = ledger->committed[ledger->n_committed - KEEP] + 1;
        (void)!lw_journal_trim(journal, ledger->trimmed, NULL);
    }
}

/* ---- what must be there ---- */

static bool check_record(struct ledger *ledger, const struct lw_journal_record *record,
                         uint64_t expected)
{
    uint8_t bytes[RECORD_BYTES_MAX];
    size_t n_bytes;

    if (record->sequence != expected || expected > ledger->appended) {
        return wrong(ledger, "record read for record", record->sequence, expected, "");
    }
    n_bytes = fill(bytes, expected, ledger->life_of[expected], sizeof(bytes));
    if (record->type != (uint32_t)expected || record->n_bytes != n_bytes ||
        memcmp(record->bytes, bytes, n_bytes) != 0) {
        return wrong(ledger, "not what was appended as", expected, ledger->life_of[expected], "");
    }
    return true;
}

/* What is read is what may be read from now on. */
static bool check_journal(struct ledger *ledger)
{
    struct lw_journal_config config = journal_config(ledger);
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record;
    struct lw_error error = {0};
    uint64_t next = 0;
    enum lw_status status = lw_journal_reader_open(&config, 0, &reader, &error);

    while (status == LW_OK) {
        status = lw_journal_reader_next(reader, &record, &error);
        if (status == LW_OK) {
            next = next == 0 ? record.sequence : next;
            if (!check_record(ledger, &record, next++)) {
                status = LW_EFORMAT;
            }
        }
    }
    lw_journal_reader_close(reader);
    if (status != LW_ENOTFOUND) {
        return wrong(ledger, "the journal cannot be read", next, 0, error.message);
    }
    if (next == 0 && ledger->acknowledged < (ledger->trimmed > 0 ? ledger->trimmed : 1)) {
        next = ledger->acknowledged + 1; /* Nothing is needed, and nothing is there. */
    }
    if (next <= ledger->acknowledged) {
        return wrong(ledger, "lost: the journal ends, acknowledged was", next, ledger->acknowledged,
                     "");
    }
    ledger->appended = next - 1;
    return true;
}

/* The journal from the oldest record that is still needed on. */
static bool check_needed(struct ledger *ledger)
{
    struct lw_journal_config config = journal_config(ledger);
    uint64_t from = ledger->trimmed > 0 ? ledger->trimmed : 1;
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record = {0};
    struct lw_error error = {0};
    enum lw_status status = lw_journal_reader_open(&config, from, &reader, &error);

    if (status == LW_OK) {
        status = lw_journal_reader_next(reader, &record, &error);
    }
    lw_journal_reader_close(reader);
    if (from <= ledger->appended && (status != LW_OK || record.sequence != from)) {
        return wrong(ledger, "not the record that is needed", record.sequence, from, error.message);
    }
    return true;
}

static bool check_snapshot(struct ledger *ledger, const struct lw_snapshot_info *info)
{
    struct lw_snapshot_config config = snapshot_config(ledger);
    struct lw_snapshot_reader *reader = NULL;
    struct lw_snapshot_block block;
    static uint8_t bytes[400000];
    uint64_t n = 0;
    bool good = !info->damaged && info->version == 3;
    enum lw_status status = lw_snapshot_open(&config, info->name, &reader, NULL);

    while (status == LW_OK && good) {
        status = lw_snapshot_next(reader, &block, NULL);
        if (status == LW_OK) {
            size_t n_bytes = fill(bytes, n, info->sequence, n == 2 ? sizeof(bytes) : 5000);

            good = block.type == n && block.n_bytes == n_bytes &&
                   memcmp(block.bytes, bytes, n_bytes) == 0;
            n++;
        }
    }
    lw_snapshot_close(reader);
    good = good && status == LW_ENOTFOUND && n == 4;
    return good || wrong(ledger, "a snapshot is not whole", info->sequence, n, info->damage);
}

static bool is_among(const uint64_t *numbers, size_t n, uint64_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

static bool check_snapshots(struct ledger *ledger)
{
    static struct lw_snapshot_info infos[N_SNAPSHOTS_MAX];
    struct lw_snapshot_config config = snapshot_config(ledger);
    struct lw_error error = {0};
    size_t n = 0, oldest = ledger->n_committed > KEEP ? ledger->n_committed - KEEP : 0;

    if (lw_snapshot_list(&config, true, infos, N_SNAPSHOTS_MAX, &n, &error) != LW_OK) {
        return wrong(ledger, "the snapshots cannot be listed", 0, 0, error.message);
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_among(ledger->attempted, ledger->n_attempted, infos[i].sequence)) {
            return wrong(ledger, "a snapshot that nobody wrote", infos[i].sequence, 0, "");
        }
        if (!check_snapshot(ledger, &infos[i])) {
            return false;
        }
    }
    for (size_t i = oldest; i < ledger->n_committed; i++) {
        bool found = false;

        for (size_t j = 0; j < n; j++) {
            found = found || infos[j].sequence == ledger->committed[i];
        }
        /* One that was whole though its commit failed may have taken its place among the kept. */
        if (!found && (i + 1 == ledger->n_committed || n < KEEP)) {
            return wrong(ledger, "a snapshot is lost", ledger->committed[i], n, "");
        }
    }
    return true;
}

/* ---- a life ---- */

struct plan {
    size_t n_rounds, n_groups;
    struct lw_rng *rng; /* NULL: the same life each time. */
    bool fills_disk;
};

static size_t drawn(const struct plan *plan, size_t n, size_t otherwise)
{
    return plan->rng == NULL ? otherwise : (size_t)lw_rng_below(plan->rng, n);
}

static void live_rounds(struct ledger *ledger, const struct plan *plan, struct lw_journal *journal)
{
    for (size_t round = 0; round < plan->n_rounds; round++) {
        if (plan->fills_disk && drawn(plan, 2, 0) == 0) {
            int64_t used = lw_simulated_disk_used(ledger->disk);

            lw_simulated_disk_limit(ledger->disk, drawn(plan, 3, 0) == 0 ? INT64_MAX : used + 2000);
        }
        for (size_t i = 0; i < plan->n_groups; i++) {
            append(ledger, journal, 1 + drawn(plan, 12, 5 + i));
            if (drawn(plan, 5, 1) != 0) {
                (void)sync_all(ledger, journal);
            }
        }
        if (drawn(plan, 3, 0) == 0 && ledger->n_attempted < N_SNAPSHOTS_MAX) {
            snapshot(ledger, journal);
        }
    }
    append(ledger, journal, drawn(plan, 4, 2)); /* Some that nobody syncs. */
}

/* True when the journal could be opened. */
static bool live(struct ledger *ledger, const struct plan *plan)
{
    struct lw_journal_config config = journal_config(ledger);
    struct lw_journal *journal = NULL;
    struct lw_error error = {0};
    enum lw_status status;

    ledger->life++;
    status = lw_io_make_dir(&ledger->io, "state", &error);
    if (status == LW_OK) {
        status = lw_journal_open(&config, &journal, &error);
    }
    if (status != LW_OK) {
        if (status != LW_EIO || lw_simulated_disk_faults(ledger->disk) == 0) {
            (void)wrong(ledger, "the journal does not open", (uint64_t)-status, 0, error.message);
        }
        return false;
    }
    if (lw_journal_next(journal) != ledger->appended + 1) {
        (void)wrong(ledger, "the journal goes on at", lw_journal_next(journal),
                    ledger->appended + 1, "");
    }
    live_rounds(ledger, plan, journal);
    lw_journal_close(journal);
    return true;
}

/* A life has ended; what is left of it. */
static bool end(struct ledger *ledger, enum lw_disk_crash crash)
{
    assert_int_equal(lw_simulated_disk_crash(ledger->disk, crash), LW_OK);
    lw_simulated_disk_limit(ledger->disk, INT64_MAX);
    return ledger->wrong[0] == '\0' && check_journal(ledger) && check_needed(ledger) &&
           check_snapshots(ledger);
}

static struct ledger *ledger_create(uint64_t seed)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert_non_null(ledger);
    assert_int_equal(lw_simulated_disk_create(seed, &ledger->disk), LW_OK);
    ledger->io = *lw_simulated_disk_io(ledger->disk);
    return ledger;
}

static void ledger_destroy(struct ledger *ledger)
{
    lw_simulated_disk_destroy(ledger->disk);
    free(ledger);
}

/* ---- the sweep ---- */

struct point {
    struct lw_disk_fault fault;
    enum lw_disk_crash crash;
    uint64_t seed;
};

/* A healthy life, one with the fault, a healthy one. False where the fault's call is not reached.
 */
static bool point_run(const struct point *point)
{
    const struct plan plan = {.n_rounds = 2, .n_groups = 3};
    struct ledger *ledger = ledger_create(point->seed);
    bool reached, good;

    (void)live(ledger, &(struct plan){.n_rounds = 1, .n_groups = 2});
    good = end(ledger, LW_DISK_KILL);
    if (good) {
        assert_int_equal(lw_simulated_disk_fault(ledger->disk, &point->fault), LW_OK);
        (void)live(ledger, &plan);
    }
    reached = lw_simulated_disk_faults(ledger->disk) > 0;
    good = good && end(ledger, point->crash) && live(ledger, &plan) &&
           ledger->acknowledged + 8 > ledger->appended && end(ledger, LW_DISK_CRASH_ANY);
    if (!good) {
        fail_msg("fault %d at call %" PRIu64 "%s, crash %d: %s", (int)point->fault.kind,
                 point->fault.at, point->fault.sticky ? " and on" : "", (int)point->crash,
                 ledger->wrong);
    }
    ledger_destroy(ledger);
    return reached;
}

static void test_faults__lose_nothing_at_any_call(void **state)
{
    static const struct {
        enum lw_disk_fault_kind kind;
        bool sticky;
    } FAULTS[] = {{LW_DISK_EIO, false},   {LW_DISK_EIO, true},    {LW_DISK_ENOSPC, false},
                  {LW_DISK_ENOSPC, true}, {LW_DISK_EINTR, false}, {LW_DISK_SHORT, false},
                  {LW_DISK_SHORT, true},  {LW_DISK_TORN, false},  {LW_DISK_TORN, true},
                  {LW_DISK_POWER, false}};
    uint64_t n_points = 0, n_calls = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
        bool reached = true;

        for (uint64_t at = 1; reached; at++) {
            for (enum lw_disk_crash crash = 0; crash < LW_DISK_N_CRASHES; crash++) {
                struct point point = {
                    .fault = {.kind = FAULTS[i].kind, .at = at, .sticky = FAULTS[i].sticky},
                    .crash = crash,
                    .seed = at * 16 + crash};

                reached = point_run(&point);
                n_points += reached ? 1 : 0;
            }
            n_calls = at;
        }
    }
    printf("faults of the store: %" PRIu64 " points (%" PRIu64 " calls, 10 faults, 6 crashes)\n",
           n_points, n_calls - 1);
    assert_true(n_points > 3000);
}

/* ---- random lives ---- */

static void draw_faults(struct ledger *ledger, struct lw_rng *rng)
{
    for (uint64_t n = lw_rng_below(rng, 4); n > 0; n--) {
        struct lw_disk_fault fault = {
            .call = (enum lw_disk_call)(lw_rng_below(rng, 2) * lw_rng_below(rng, LW_DISK_N_CALLS)),
            .kind = (enum lw_disk_fault_kind)lw_rng_below(rng, LW_DISK_N_FAULT_KINDS),
            .at = 1 + lw_rng_below(rng, 60),
        };

        fault.sticky = fault.kind != LW_DISK_EINTR && lw_rng_below(rng, 4) == 0;
        assert_int_equal(lw_simulated_disk_fault(ledger->disk, &fault), LW_OK);
    }
}

/* True when nothing was wrong in six lives of this seed. */
static bool seed_run(uint64_t seed, int (*instead)(void *context, int fd), char *ret_wrong,
                     size_t n_wrong)
{
    struct ledger *ledger = ledger_create(seed);
    struct lw_rng rng;
    bool good = true;

    if (instead != NULL) {
        ledger->io.sync = instead;
    }
    lw_rng_seed(&rng, ~seed);
    for (size_t i = 0; i < 6 && good; i++) {
        struct plan plan = {.n_rounds = 1 + (size_t)lw_rng_below(&rng, 4),
                            .n_groups = 1 + (size_t)lw_rng_below(&rng, 4),
                            .rng = &rng,
                            .fills_disk = lw_rng_below(&rng, 3) == 0};

        ledger->segment_bytes = 1000 + (size_t)lw_rng_below(&rng, 8000);
        draw_faults(ledger, &rng);
        (void)live(ledger, &plan);
        good = end(ledger, (enum lw_disk_crash)lw_rng_below(&rng, LW_DISK_N_CRASHES));
    }
    (void)snprintf(ret_wrong, n_wrong, "%s", ledger->wrong);
    ledger_destroy(ledger);
    return good;
}

static uint64_t n_seeds(uint64_t otherwise)
{
    const char *asked = getenv("LW_TEST_SEEDS");

    return asked != NULL ? strtoull(asked, NULL, 10) : otherwise;
}

static void test_faults__lose_nothing_in_random_lives(void **state)
{
    uint64_t n = n_seeds(1500);
    char what[640];

    (void)state;
    for (uint64_t seed = 1; seed <= n; seed++) {
        if (!seed_run(seed, NULL, what, sizeof(what))) {
            fail_msg("seed %" PRIu64 ": %s", seed, what);
        }
    }
    printf("random lives of the store: seeds 1 to %" PRIu64 "\n", n);
}

static int sync_nothing(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static void test_faults__see_a_sync_that_is_missing(void **state)
{
    char what[640] = "";
    uint64_t seed = 1;

    (void)state;
    while (seed <= 100 && seed_run(seed, sync_nothing, what, sizeof(what))) {
        seed++;
    }
    assert_true(seed <= 100);
    printf("without syncs: seed %" PRIu64 ": %s\n", seed, what);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults__lose_nothing_at_any_call),
        cmocka_unit_test(test_faults__lose_nothing_in_random_lives),
        cmocka_unit_test(test_faults__see_a_sync_that_is_missing),
    };

    return LW_TEST_RUN(tests);
}
