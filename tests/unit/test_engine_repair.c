/*
 * Verifying and repairing a folder of state: for damage anywhere in it, what is said to open opens,
 * what is repaired goes on, and bit for bit where nothing is said to be lost.
 */
#include "support/engine.h"
#include "support/mem_faulty.h"

#include "base/bytes.h"
#include "engine/advance.h"
#include "engine/state/archive.h"
#include "lapwing/state.h"
#include "store/simulated_disk.h"

#include <fcntl.h>
#include <stdlib.h>

#define STEPS 240
#define ENTITIES 3
#define FILES_MAX 64
#define PLACES 9 /* Of each file that are damaged, one at a time. */

static const char *const OPTIONS[] = {"step", "10s", "models", "none", "alarm_budget", "1h", NULL};

static struct lw_simulated_disk *disk;
static int64_t now_ns;

static int64_t real_ns(void *context)
{
    (void)context;
    return now_ns;
}

static int disk_create(void **state)
{
    (void)state;
    now_ns = INT64_C(1700000000000000000);
    return lw_simulated_disk_create(1, &disk) == LW_OK ? 0 : 1;
}

static int disk_destroy(void **state)
{
    (void)state;
    lw_simulated_disk_destroy(disk);
    disk = NULL;
    return 0;
}

/* ---- engines ---- */

/* NULL when its state is refused. */
static struct lw_test_engine *engine_open(bool durable)
{
    const struct lw_state_config config = {
        .dir = "/state", .io = lw_simulated_disk_io(disk), .manual = true, .real_ns = real_ns};
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    const struct lw_engine_config engine = {.n_shards = 2};
    struct lw_error error = {0};

    (void)pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(lw_engine_create(&engine, &self->engine, &error), LW_OK);
    lw_test_engine_detector(self, "one", OPTIONS);
    if (durable && lw_engine_open_state(self->engine, &config, NULL, &error) != LW_OK) {
        assert_true(error.status == LW_EFORMAT);
        lw_test_engine_close(self);
        free(self);
        return NULL;
    }
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, &error), LW_OK);
    return self;
}

static void engine_close(struct lw_test_engine *self)
{
    if (self != NULL) {
        lw_test_engine_close(self);
        free(self);
    }
}

static void push_step(struct lw_test_engine *self, int64_t step)
{
    for (uint32_t e = 0; e < ENTITIES; e++) {
        char name[16];
        uint32_t series;

        (void)snprintf(name, sizeof(name), "e%u", e);
        series = lw_test_feed_series(&self->feed, "load", name);
        lw_test_feed_push(&self->feed, series, step * 10, lw_test_value(e, step));
    }
    lw_test_feed_watermark(&self->feed, step * 10);
}

static void sync_good(struct lw_test_engine *self)
{
    lw_engine_flush(self->engine);
    assert_int_equal(lw_engine_sync(self->engine, NULL), LW_OK);
}

static void checkpoint_good(struct lw_test_engine *self)
{
    assert_int_equal(lw_engine_checkpoint(self->engine, NULL), LW_OK);
    assert_int_equal(lw_archive_turn(self->engine->durable->archive, true, NULL), LW_OK);
    sync_good(self);
}

/* Snapshots, journal and history of some life; the engine is gone. */
static void state_make(void)
{
    struct lw_test_engine *self = engine_open(true);

    assert_non_null(self);
    for (int64_t step = 0; step < STEPS; step++) {
        push_step(self, step);
        if (step % 7 == 0) {
            sync_good(self);
        }
        if (step == 60 || step == 130 || step == 200) {
            checkpoint_good(self);
        }
    }
    sync_good(self);
    engine_close(self);
}

static bool engines_equal(struct lw_test_engine *one, struct lw_test_engine *other)
{
    lw_engine_flush(one->engine);
    lw_engine_flush(other->engine);
    for (size_t i = 0; i < one->engine->n_entities; i++) {
        struct engine_entity *left = one->engine->entities[i], *right;
        void *bytes[2] = {NULL, NULL};
        size_t n[2];
        bool equal;

        right = lw_registry_find(other->engine, "one", lw_entity_name(left->entity));
        assert_non_null(right);
        lw_shard_catch_up(left);
        lw_shard_catch_up(right);
        assert_int_equal(lw_entity_save(left->entity, &bytes[0], &n[0], NULL), LW_OK);
        assert_int_equal(lw_entity_save(right->entity, &bytes[1], &n[1], NULL), LW_OK);
        equal = n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0;
        lw_bytes_free(bytes[0]);
        lw_bytes_free(bytes[1]);
        if (!equal) {
            return false;
        }
    }
    return lw_test_engine_totals(one).samples == lw_test_engine_totals(other).samples;
}

/* ---- files ---- */

struct files {
    char paths[FILES_MAX][256];
    size_t n;
    const char *folder;
};

static void files_visit(void *context, const char *name)
{
    struct files *files = context;

    assert_true(files->n < FILES_MAX);
    (void)snprintf(files->paths[files->n++], sizeof(files->paths[0]), "/state/%s/%s", files->folder,
                   name);
}

static void files_list(struct files *files, const char *folder)
{
    const struct lw_io *io = lw_simulated_disk_io(disk);
    char path[64];

    files->folder = folder;
    (void)snprintf(path, sizeof(path), "/state/%s", folder);
    (void)io->list(io->context, path, files_visit, files);
}

static int64_t file_size(const char *path)
{
    const struct lw_io *io = lw_simulated_disk_io(disk);
    int fd = io->open(io->context, path, O_RDONLY, 0);
    int64_t n_bytes;

    assert_true(fd >= 0);
    n_bytes = io->size(io->context, fd);
    (void)io->close(io->context, fd);
    return n_bytes;
}

static void byte_flip(const char *path, int64_t at)
{
    const struct lw_io *io = lw_simulated_disk_io(disk);
    int fd = io->open(io->context, path, O_RDWR, 0);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(io->read_at(io->context, fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(io->write_at(io->context, fd, &byte, 1, at), 1);
    assert_int_equal(io->sync(io->context, fd), 0);
    (void)io->close(io->context, fd);
}

static void file_remove(const char *path)
{
    const struct lw_io *io = lw_simulated_disk_io(disk);

    assert_int_equal(io->unlink(io->context, path), 0);
}

/* ---- verifying and repairing ---- */

struct notices {
    char all[8192];
    unsigned n_damaged;
};

static void notice_take(void *context, const char *text)
{
    struct notices *notices = context;
    size_t n = strlen(notices->all);

    notices->n_damaged += strncmp(text, "damaged: ", 9) == 0 ? 1 : 0;
    (void)snprintf(notices->all + n, sizeof(notices->all) - n, "%s\n", text);
}

static struct lw_state_check verify_good(struct notices *notices)
{
    const struct lw_state_folder folder = {.dir = "/state",
                                           .io = lw_simulated_disk_io(disk),
                                           .notice = notice_take,
                                           .context = notices};
    struct lw_state_check check;
    struct lw_error error = {0};

    memset(notices, 0, sizeof(*notices));
    if (lw_state_verify(&folder, &check, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(check.damaged, notices->n_damaged);
    return check;
}

static enum lw_status repair(struct notices *notices, struct lw_state_check *ret_check,
                             struct lw_error *reterr)
{
    const struct lw_state_folder folder = {.dir = "/state",
                                           .io = lw_simulated_disk_io(disk),
                                           .notice = notice_take,
                                           .context = notices};

    memset(notices, 0, sizeof(*notices));
    return lw_state_repair(&folder, ret_check, reterr);
}

/* What is left works: it takes samples, snapshots them, and opens again. */
static void check_goes_on(struct lw_test_engine *self)
{
    struct lw_test_engine *again;

    for (int64_t step = STEPS; step < STEPS + 40; step++) {
        push_step(self, step);
    }
    sync_good(self);
    checkpoint_good(self);
    push_step(self, STEPS + 40);
    sync_good(self);
    again = engine_open(true);
    assert_non_null(again);
    assert_true(engines_equal(self, again));
    engine_close(again);
}

static struct lw_test_engine *undisturbed(void)
{
    struct lw_test_engine *self = engine_open(false);

    for (int64_t step = 0; step < STEPS; step++) {
        push_step(self, step);
    }
    return self;
}

static unsigned n_opened, n_exact, n_lossy, n_hopeless, n_torn;
static uint64_t last; /* Record of the journal, before it was damaged. */

/* The folder has been damaged: all that is said of it is true. */
static void check_damaged(struct lw_test_engine *whole, const char *what)
{
    struct notices notices;
    struct lw_state_check check = verify_good(&notices), after;
    struct lw_error error = {0};
    struct lw_test_engine *self = check.opens ? NULL : engine_open(true);

    if (self != NULL) {
        fail_msg("%s: it opens, though verify says it does not\n%s", what, notices.all);
    }
    if (check.hopeless) {
        n_hopeless++;
        assert_int_equal(repair(&notices, &after, &error), LW_ENOTFOUND);
        return;
    }
    if (repair(&notices, &after, &error) != LW_OK) {
        fail_msg("%s: %s", what, error.message);
    }
    if (!after.opens || after.damaged != 0 || after.lost_first != check.lost_first) {
        fail_msg("%s: after the repair it is damaged still\n%s", what, notices.all);
    }
    self = engine_open(true);
    if (self == NULL) {
        fail_msg("%s: repaired, and does not open\n%s", what, notices.all);
    }
    if (check.damaged == 0 && check.first != 0 && check.last < last) {
        n_torn++; /* Damage in the last group is a torn end for all that can be known. */
    } else if (after.lost_first == 0 && !engines_equal(whole, self)) {
        fail_msg("%s: nothing is said to be lost, and something is\n%s", what, notices.all);
    }
    n_opened += check.opens ? 1 : 0;
    n_exact += after.lost_first == 0 ? 1 : 0;
    n_lossy += after.lost_first != 0 ? 1 : 0;
    check_goes_on(self);
    engine_close(self);
}

/* ---- tests ---- */

static void test_repair__a_whole_folder_is_left_alone(void **state)
{
    struct files before = {0}, after = {0};
    struct lw_state_check check;
    struct lw_error error = {0};
    struct notices notices;

    (void)state;
    state_make();
    check = verify_good(&notices);
    assert_int_equal(check.damaged, 0);
    assert_true(check.opens);
    assert_false(check.hopeless);
    assert_int_equal(check.snapshots, 2);
    assert_int_equal(check.snapshots_whole, 2);
    assert_true(check.snapshot_number > check.first && check.snapshot_number < check.last);
    assert_int_equal(check.lost_first, 0);
    files_list(&before, "snapshots");
    files_list(&before, "journal");
    files_list(&before, "history");
    assert_int_equal(check.files, before.n);
    assert_int_equal(repair(&notices, &check, &error), LW_OK);
    files_list(&after, "snapshots");
    files_list(&after, "journal");
    files_list(&after, "history");
    assert_memory_equal(before.paths, after.paths, sizeof(before.paths));
    assert_string_equal(notices.all, "");
}

static void test_repair__an_empty_folder_is_whole_and_a_missing_one_is_told(void **state)
{
    const struct lw_io *io = lw_simulated_disk_io(disk);
    const struct lw_state_folder missing = {.dir = "/nowhere-at-all"};
    struct lw_state_check check;
    struct lw_error error = {0};
    struct notices notices;

    (void)state;
    assert_int_equal(io->make_dir(io->context, "/state"), 0);
    check = verify_good(&notices);
    assert_true(check.opens);
    assert_int_equal(check.files, 0);
    assert_int_equal(repair(&notices, &check, &error), LW_OK);
    assert_int_equal(lw_state_verify(&missing, &check, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "/nowhere-at-all"));
}

/* One bit at many places of every file, and every file missing. */
static void damage_each(const char *folder)
{
    struct lw_test_engine *whole;
    size_t n = 1;

    whole = undisturbed();
    for (size_t i = 0; i < n; i++) {
        for (int place = -1; place < PLACES; place++) {
            struct files files = {0};
            struct notices notices;
            char what[400];
            int64_t at;

            lw_simulated_disk_destroy(disk);
            assert_int_equal(disk_create(NULL), 0);
            state_make();
            last = verify_good(&notices).last;
            files_list(&files, folder);
            n = files.n;
            at = place < 0 ? 0 : (file_size(files.paths[i]) - 1) * place / (PLACES - 1);
            (void)snprintf(what, sizeof(what), "%s byte %lld", files.paths[i],
                           place < 0 ? -1LL : (long long)at);
            if (place < 0) {
                file_remove(files.paths[i]);
            } else {
                byte_flip(files.paths[i], at);
            }
            check_damaged(whole, what);
        }
    }
    engine_close(whole);
}

static void test_repair__damage_in_snapshots(void **state)
{
    (void)state;
    n_opened = n_exact = n_lossy = n_hopeless = n_torn = 0;
    damage_each("snapshots");
    print_message("snapshots: %u exact, %u lossy, %u hopeless, %u opened as they were\n", n_exact,
                  n_lossy, n_hopeless, n_opened);
    assert_true(n_exact > 10);
    assert_int_equal(n_lossy + n_hopeless + n_torn, 0); /* There is another one. */
}

static void test_repair__damage_in_the_journal(void **state)
{
    (void)state;
    n_opened = n_exact = n_lossy = n_hopeless = n_torn = 0;
    damage_each("journal");
    print_message("journal: %u exact, %u lossy, %u hopeless, %u opened as they were\n", n_exact,
                  n_lossy, n_hopeless, n_opened);
    assert_true(n_exact > 0 && n_lossy > 0);
    assert_int_equal(n_torn, 1); /* The last byte. */
    assert_int_equal(n_hopeless, 0);
}

static void test_repair__damage_in_the_history(void **state)
{
    (void)state;
    n_opened = n_exact = n_lossy = n_hopeless = n_torn = 0;
    damage_each("history");
    assert_true(n_opened > 5); /* The engine sets it aside by itself. */
    assert_int_equal(n_lossy + n_hopeless, 0);
}

static void test_repair__without_any_snapshot_there_is_no_hope(void **state)
{
    struct files files = {0};
    struct notices notices;
    struct lw_state_check check;
    struct lw_error error = {0};

    (void)state;
    state_make();
    files_list(&files, "snapshots");
    for (size_t i = 0; i < files.n; i++) {
        byte_flip(files.paths[i], file_size(files.paths[i]) / 2);
    }
    files.n = 0;
    files_list(&files, "journal");
    assert_true(files.n > 0);
    check = verify_good(&notices);
    assert_int_equal(check.snapshots_whole, 0);
    if (check.first == 1) { /* All can be replayed then. */
        file_remove(files.paths[0]);
        check = verify_good(&notices);
    }
    assert_true(check.hopeless);
    assert_int_equal(repair(&notices, &check, &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "nothing to go on from"));
}

/* A repair on a disk that fails at any call can be repeated. */
static void test_repair__can_be_cut_short_anywhere(void **state)
{
    struct lw_test_engine *whole;
    unsigned n_points = 0;
    bool done = false;

    (void)state;
    whole = undisturbed();
    for (uint64_t at = 1; !done; at++) {
        const struct lw_disk_fault fault = {.call = LW_DISK_ANY, .kind = LW_DISK_POWER, .at = at};
        struct files files = {0};
        struct notices notices;
        struct lw_state_check check;
        struct lw_error error = {0};

        lw_simulated_disk_destroy(disk);
        assert_int_equal(disk_create(NULL), 0);
        state_make();
        last = verify_good(&notices).last;
        files_list(&files, "journal");
        byte_flip(files.paths[0], file_size(files.paths[0]) / 3);
        files_list(&files, "snapshots");
        assert_int_equal(lw_simulated_disk_fault(disk, &fault), LW_OK);
        done = repair(&notices, &check, &error) == LW_OK;
        assert_int_equal(lw_simulated_disk_crash(disk, LW_DISK_CRASH_ANY), LW_OK);
        n_points += done ? 0 : 1;
        check_damaged(whole, done ? "undisturbed repair" : "repair cut short");
    }
    print_message("repair: %u points\n", n_points);
    assert_true(n_points > 50);
    engine_close(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_repair__a_whole_folder_is_left_alone, disk_create,
                                        disk_destroy),
        cmocka_unit_test_setup_teardown(
            test_repair__an_empty_folder_is_whole_and_a_missing_one_is_told, disk_create,
            disk_destroy),
        cmocka_unit_test_setup_teardown(test_repair__damage_in_snapshots, disk_create,
                                        disk_destroy),
        cmocka_unit_test_setup_teardown(test_repair__damage_in_the_journal, disk_create,
                                        disk_destroy),
        cmocka_unit_test_setup_teardown(test_repair__damage_in_the_history, disk_create,
                                        disk_destroy),
        cmocka_unit_test_setup_teardown(test_repair__without_any_snapshot_there_is_no_hope,
                                        disk_create, disk_destroy),
        cmocka_unit_test_setup_teardown(test_repair__can_be_cut_short_anywhere, disk_create,
                                        disk_destroy),
    };

    return LW_TEST_RUN(tests);
}
