/* The history against a plain list of all samples: written, read, listed, merged, dropped, and read
 * while all that happens. */
#include "support/history.h"

/* ---- writing and reading ---- */

static void test_history__gives_back_what_was_written(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 0);
    check_all(world, 1, 0);
    for (uint64_t first = 1; first < 300; first += 30) {
        assert_int_equal(write_range(world, first, first + 29), LW_OK);
        assert_int_equal(lw_history_covered(world->history), first + 29);
    }
    check_all(world, 1, 300);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 300);
    check_all(world, 1, 300);
    assert_int_equal(stats_of(world).n_files, 10);
    printf("%.3f bytes a sample in files of 30 records\n",
           (double)stats_of(world).n_bytes / (double)stats_of(world).n_samples);
}

static void test_history__long_series_are_cut_in_chunks_and_blocks(void **state)
{
    struct world *world = *state;
    const uint64_t n_records = 30000; /* 1,2 MB of noise in the third series alone: many blocks. */

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, n_records), LW_OK);
    for (uint32_t index = 0; index < SERIES; index += 6) {
        struct lw_history_view *view;

        assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
        check_series(view, index, 1, n_records, BEGIN + 9990 * SECOND, BEGIN + 10400 * SECOND);
        check_series(view, index, 1, n_records, BEGIN + 29000 * SECOND, INT64_MAX);
        lw_history_view_close(view);
    }
}

static void test_history__a_range_is_made_once(void **state)
{
    struct world *world = *state;
    struct lw_error error = {0};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 20), LW_OK);
    assert_int_equal(write_range(world, 1, 20), LW_EEXIST);
    assert_int_equal(write_range(world, 5, 9), LW_EEXIST);
    assert_int_equal(lw_history_write(world->history, 20, 21, NULL, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "covers up to 20"));
    assert_int_equal(lw_history_write(world->history, 30, 29, NULL, NULL), LW_EINVAL);
    assert_int_equal(write_range(world, 21, 21), LW_OK);
    check_all(world, 1, 21);
}

static void test_history__made_again_it_is_the_same_file(void **state)
{
    struct world *world = *state;
    const struct lw_io *io = lw_simulated_disk_io(world->disk);
    const char *path = DIR "/00000000000000000001-00000000000000000060.history";
    uint8_t *once, *again;
    size_t n;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 60), LW_OK);
    n = file_bytes(world, path, &once);
    world_close(world);
    assert_int_equal(io->unlink(io->context, path), 0);
    world->shift = 11; /* The numbers are a run's own business. */
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 60), LW_OK);
    assert_int_equal(file_bytes(world, path, &again), n);
    assert_memory_equal(once, again, n);
    free(once);
    free(again);
}

static void test_history__knows_series_by_name_whatever_their_numbers(void **state)
{
    struct world *world = *state;

    for (uint64_t first = 1; first < 200; first += 20) {
        world->shift = (uint32_t)first;
        assert_int_equal(world_open(world), LW_OK);
        assert_int_equal(write_range(world, first, first + 19), LW_OK);
        world_close(world);
    }
    assert_int_equal(world_open(world), LW_OK);
    check_all(world, 1, 200);
    compact_all(world);
    check_all(world, 1, 200);
}

static void test_history__an_empty_range_is_covered(void **state)
{
    struct world *world = *state;
    struct given nothing = {NULL, 0};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_write(world->history, 1, 9,
                                      &(struct lw_history_source){given_read, &nothing}, NULL),
                     LW_OK);
    assert_int_equal(write_range(world, 10, 30), LW_OK);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 30);
    check_all(world, 10, 30);
}

static void test_history__limits_are_refused(void **state)
{
    struct world *world = *state;
    struct lw_error error = {0};
    struct lw_history_input point = {LW_HISTORY_SERIES_MAX, 1, 1};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_given(world, 1, &point, 1, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "16777216"));
    assert_int_equal(write_given(world, 1, &point, LW_HISTORY_POINTS_MAX + 1, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "67108864"));
    point.series = SERIES; /* It has no name. */
    assert_int_equal(write_given(world, 1, &point, 1, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "has no name"));
    assert_int_equal(lw_history_covered(world->history), 0);
}

/* More samples than there is room for at a time: of one series, which is taken in parts, late ones
 * among them, and of others before and behind it in the order of names. */
#define MANY 1300000u

static struct lw_history_input many_point(uint32_t i)
{
    uint32_t series = i % 10 == 0 ? i / 10 % SERIES : 17;

    return (struct lw_history_input){
        series, BEGIN + ((int64_t)i - (i % 1000 == 7 ? 300000 : 0)) * SECOND, (double)i};
}

static enum lw_status many_read(void *context, const struct lw_history_taker *taker,
                                struct lw_error *reterr)
{
    unsigned *n_reads = context;
    enum lw_status status = LW_OK;

    (*n_reads)++;
    for (uint32_t i = 0; i < MANY && status == LW_OK; i++) {
        struct lw_history_input point = many_point(i);

        status = taker->take(taker->context, &point, 1, reterr);
    }
    return status;
}

static void test_history__more_than_there_is_room_for_is_read_in_parts(void **state)
{
    struct world *world = *state;
    struct lw_history_samples samples;
    struct lw_history_view *view;
    uint64_t sums[SERIES] = {0}, found = 0;
    unsigned n_reads = 0;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_write(world->history, 1, 1,
                                      &(struct lw_history_source){many_read, &n_reads}, NULL),
                     LW_OK);
    assert_true(n_reads >= 4); /* Counted, then at least three times half a million. */
    for (uint32_t i = 0; i < MANY; i++) {
        sums[many_point(i).series] += i;
    }
    lw_history_samples_init(&samples);
    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    for (uint32_t series = 0; series < SERIES; series++) {
        assert_int_equal(
            lw_history_read(view, name_of(series), INT64_MIN, INT64_MAX, &samples, NULL), LW_OK);
        found += samples.n;
        for (size_t i = 0; i < samples.n; i++) {
            struct lw_history_input point = many_point((uint32_t)samples.values[i]);

            assert_int_equal(point.series, series);
            assert_int_equal(point.time_ns, samples.times_ns[i]);
            assert_true(i == 0 || samples.times_ns[i - 1] <= samples.times_ns[i]);
            sums[series] -= (uint64_t)samples.values[i];
        }
        assert_int_equal(sums[series], 0);
    }
    assert_int_equal(found, MANY);
    lw_history_view_close(view);
    lw_history_samples_fini(&samples);
}

/* A source that gives other samples when it is read again. */
static enum lw_status fickle_read(void *context, const struct lw_history_taker *taker,
                                  struct lw_error *reterr)
{
    struct lw_history_input points[3] = {{1, 1, 1}, {2, 2, 2}, {SERIES * 50, 3, 3}};
    unsigned *n_reads = context;

    ++*n_reads;
    if (*n_reads == 4) {
        return taker->take(taker->context, points, 3, reterr);
    }
    return taker->take(taker->context, points, *n_reads == 2 ? 1 : 2, reterr);
}

static void test_history__a_source_that_changes_its_mind_is_refused(void **state)
{
    struct world *world = *state;
    unsigned n_reads = 0;
    struct lw_history_source source = {fickle_read, &n_reads};
    struct lw_error error = {0};

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_write(world->history, 1, 1, &source, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, "other samples"));
    assert_int_equal(lw_history_write(world->history, 1, 1, &source, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, "not counted"));
    assert_int_equal(lw_history_covered(world->history), 0);
    assert_int_equal(lw_history_write(world->history, 1, 1, &source, &error), LW_OK);
}

/* ---- listing and reading many ---- */

static bool match_third(void *context, const char *name)
{
    (void)context;
    return strncmp(name, "metric_3", 8) == 0;
}

static void list_one(void *context, const struct lw_history_series *series)
{
    struct listed *listed = context;

    assert_true(strcmp(listed->last, series->name) < 0);
    (void)snprintf(listed->last, sizeof(listed->last), "%s", series->name);
    for (uint32_t index = 0; index < SERIES; index++) {
        if (strcmp(name_of(index), series->name) == 0) {
            struct expected expected = expect(index, 1, 100, INT64_MIN, INT64_MAX);

            assert_int_equal(series->n_samples, expected.n);
            assert_true(series->first_ns == expected.times_ns[0]);
            assert_true(series->last_ns == expected.times_ns[expected.n - 1]);
            free(expected.times_ns);
            free(expected.values);
        }
    }
    listed->n++;
    listed->n_samples += series->n_samples;
}

static void test_history__lists_series_with_their_spans(void **state)
{
    struct world *world = *state;
    struct listed listed = {0};
    struct lw_history_lister lister = {NULL, list_one, &listed};
    struct lw_history_view *view;

    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 100; first += 25) {
        assert_int_equal(write_range(world, first, first + 24), LW_OK);
    }
    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    assert_int_equal(lw_history_list(view, &lister, NULL), LW_OK);
    assert_int_equal(listed.n, SERIES);
    assert_int_equal(listed.n_samples, stats_of(world).n_samples);
    memset(&listed, 0, sizeof(listed));
    lister.match = match_third;
    assert_int_equal(lw_history_list(view, &lister, NULL), LW_OK);
    assert_int_equal(listed.n, SERIES / 5);
    lw_history_view_close(view);
}

static enum lw_status count_one(void *context, size_t i, const struct lw_history_samples *samples)
{
    size_t *n = context;

    n[i] = samples->n;
    return i == 2 ? LW_EBUSY : LW_OK;
}

static void test_history__reads_many_until_told_to_stop(void **state)
{
    struct world *world = *state;
    const char *names[] = {name_of(0), "nobody", name_of(1), name_of(2)};
    size_t n[4] = {9, 9, 9, 9};
    struct lw_history_view *view;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(write_range(world, 1, 50), LW_OK);
    assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
    assert_int_equal(lw_history_read_many(view, names, 4, INT64_MIN, INT64_MAX, count_one, n),
                     LW_EBUSY);
    assert_int_equal(n[0], 50);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 50);
    assert_int_equal(n[3], 9);
    lw_history_view_close(view);
}

/* ---- merging and dropping ---- */

static void test_history__merged_files_hold_the_same_in_less(void **state)
{
    struct world *world = *state;
    struct lw_history_view *before;
    struct lw_history_stats apart, merged;

    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 6400; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    apart = stats_of(world);
    assert_int_equal(lw_history_view_open(world->history, &before, NULL), LW_OK);
    compact_all(world);
    merged = stats_of(world);
    assert_int_equal(merged.n_files, 1);
    assert_int_equal(merged.files_merged, 64 + 8);
    assert_int_equal(merged.n_samples, apart.n_samples);
    assert_int_equal(merged.covered, 6400);
    assert_true(merged.n_bytes * 10 < apart.n_bytes * 9);
    printf("%.3f bytes a sample apart, %.3f merged\n",
           (double)apart.n_bytes / (double)apart.n_samples,
           (double)merged.n_bytes / (double)merged.n_samples);
    check_series(before, 5, 1, 6400, INT64_MIN, INT64_MAX); /* The old files are still there. */
    assert_true(lw_simulated_disk_used(world->disk) > (int64_t)apart.n_bytes);
    lw_history_view_close(before);
    compact_all(world);
    assert_int_equal(lw_simulated_disk_used(world->disk), (int64_t)merged.n_bytes);
    check_all(world, 1, 6400);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    check_all(world, 1, 6400);
}

static void test_history__merges_stay_within_bytes_and_time(void **state)
{
    struct world *world = *state;

    world->merge_bytes = 60000;
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 2000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    compact_all(world);
    assert_in_range(stats_of(world).n_files, 2, 19);
    check_all(world, 1, 2000);
    world_close(world);
    world->merge_bytes = 0;
    world->merge_ns = 1; /* Nothing is so short. */
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 2001; first < 3000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    compact_all(world);
    assert_true(stats_of(world).n_files >= 12);
}

static void test_history__drops_whole_files_by_age_and_bytes(void **state)
{
    struct world *world = *state;
    struct lw_history_stats stats;
    size_t n_dropped;

    world->retention_ns = 1000 * SECOND;
    assert_int_equal(world_open(world), LW_OK);
    for (uint64_t first = 1; first < 1000; first += 100) {
        assert_int_equal(write_range(world, first, first + 99), LW_OK);
    }
    assert_int_equal(lw_history_retain(world->history, BEGIN + 1099 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(n_dropped, 0);
    assert_int_equal(lw_history_retain(world->history, BEGIN + 1205 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(n_dropped, 2);
    check_all(world, 201, 1000);
    stats = stats_of(world);
    assert_int_equal(stats.files_dropped, 2);
    assert_true(stats.samples_dropped > 6000);
    world_close(world);
    world->disk_bytes = stats.n_bytes / 2;
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_retain(world->history, BEGIN, &n_dropped, NULL), LW_OK);
    assert_in_range(n_dropped, 4, 5);
    assert_true(stats_of(world).n_bytes <= world->disk_bytes);
    /* All are too old: the newest says how far the history reaches. */
    assert_int_equal(lw_history_retain(world->history, BEGIN + 100000 * SECOND, &n_dropped, NULL),
                     LW_OK);
    assert_int_equal(stats_of(world).n_files, 1);
    world_close(world);
    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(lw_history_covered(world->history), 1000);
    check_all(world, 901, 1000);
}

/* ---- threads ---- */

static void *read_for_a_while(void *context)
{
    struct world *world = context;

    for (int i = 0; i < 30; i++) {
        struct lw_history_view *view;
        uint64_t covered = lw_history_covered(world->history);
        struct lw_history_samples samples;
        size_t last = 0;

        lw_history_samples_init(&samples);
        assert_int_equal(lw_history_view_open(world->history, &view, NULL), LW_OK);
        for (uint32_t index = 0; index < SERIES; index += 5) {
            assert_int_equal(
                lw_history_read(view, name_of(index), INT64_MIN, INT64_MAX, &samples, NULL), LW_OK);
            assert_int_equal(samples.n_damaged, 0);
            assert_true(index % 8 == 7 || samples.n >= covered);
            last = samples.n;
            assert_int_equal(
                lw_history_read(view, name_of(index), INT64_MIN, INT64_MAX, &samples, NULL), LW_OK);
            assert_int_equal(samples.n, last); /* A view does not change. */
        }
        lw_history_view_close(view);
        lw_history_samples_fini(&samples);
    }
    return NULL;
}

static void *maintain_for_a_while(void *context)
{
    struct world *world = context;

    while (lw_history_covered(world->history) < 500) {
        size_t n;

        assert_int_equal(lw_history_compact(world->history, &n, NULL), LW_OK);
        assert_int_equal(lw_history_retain(world->history, BEGIN, &n, NULL), LW_OK);
    }
    return NULL;
}

static void test_history__readers_beside_a_writer_and_merges(void **state)
{
    struct world *world = *state;
    pthread_t readers[2], maintainer;

    assert_int_equal(world_open(world), LW_OK);
    assert_int_equal(pthread_create(&maintainer, NULL, maintain_for_a_while, world), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_for_a_while, world), 0);
    }
    for (uint64_t first = 1; first < 500; first += 10) {
        assert_int_equal(write_range(world, first, first + 9), LW_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_int_equal(pthread_join(maintainer, NULL), 0);
    compact_all(world);
    check_all(world, 1, 500);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WORLD_TEST(test_history__gives_back_what_was_written),
        WORLD_TEST(test_history__long_series_are_cut_in_chunks_and_blocks),
        WORLD_TEST(test_history__a_range_is_made_once),
        WORLD_TEST(test_history__made_again_it_is_the_same_file),
        WORLD_TEST(test_history__knows_series_by_name_whatever_their_numbers),
        WORLD_TEST(test_history__an_empty_range_is_covered),
        WORLD_TEST(test_history__limits_are_refused),
        WORLD_TEST(test_history__more_than_there_is_room_for_is_read_in_parts),
        WORLD_TEST(test_history__a_source_that_changes_its_mind_is_refused),
        WORLD_TEST(test_history__lists_series_with_their_spans),
        WORLD_TEST(test_history__reads_many_until_told_to_stop),
        WORLD_TEST(test_history__merged_files_hold_the_same_in_less),
        WORLD_TEST(test_history__merges_stay_within_bytes_and_time),
        WORLD_TEST(test_history__drops_whole_files_by_age_and_bytes),
        WORLD_TEST(test_history__readers_beside_a_writer_and_merges),
    };

    return LW_TEST_RUN(tests);
}
