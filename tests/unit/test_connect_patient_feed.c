/* A feed that waits while the host is read-only. */
#include "support/feed_kept.h"
#include "support/test.h"

#include "connect/patient_feed.h"

#include <pthread.h>
#include <time.h>

static struct feed_kept kept;
static atomic_bool over;

static void *mend_later(void *argument)
{
    const struct timespec nap = {.tv_nsec = 250000000};

    (void)nanosleep(&nap, NULL);
    if (argument != NULL) {
        atomic_store(&over, true);
    } else {
        kept.push_answer = LW_OK;
    }
    return NULL;
}

static enum lw_status push_through(void *what)
{
    struct lw_patient_feed patient;
    struct lw_feed inner = feed_kept_start(&kept), feed;
    const struct lw_series_key key = {.metric = "load"};
    struct lw_point point = {.time_ns = 1000, .value = 0.5};
    enum lw_status status;
    pthread_t thread;

    atomic_store(&over, false);
    feed = lw_patient_feed_init(&patient, &inner, &over);
    assert_int_equal(feed.series(feed.context, &key, &point.series, NULL), LW_OK);
    kept.push_answer = LW_EBUSY;
    assert_int_equal(pthread_create(&thread, NULL, mend_later, what), 0);
    status = feed.push(feed.context, &point, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return status;
}

static void test_patient_feed__delivers_once_the_host_is_well(void **state)
{
    (void)state;
    assert_int_equal(push_through(NULL), LW_OK);
    assert_int_equal(kept.n_points[0], 1);
}

static void test_patient_feed__waits_no_longer_than_its_source(void **state)
{
    (void)state;
    assert_int_equal(push_through(&over), LW_EBUSY);
    assert_int_equal(kept.n_points[0], 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patient_feed__delivers_once_the_host_is_well),
        cmocka_unit_test(test_patient_feed__waits_no_longer_than_its_source),
    };

    return LW_TEST_RUN(tests);
}
