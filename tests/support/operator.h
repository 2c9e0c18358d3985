/* An entity under a spec, and everything it says, for tests of the operator. */
#ifndef LW_TESTS_SUPPORT_OPERATOR_H
#define LW_TESTS_SUPPORT_OPERATOR_H

#include "support/test.h"

#include "lapwing/lapwing.h"

#include <string.h>

#define LW_TEST_VERDICTS_MAX 20000

/* The options of a test: pairs of name and value, ended by NULL; "metric PATTERN OPTION" sets a
 * metric's. */
struct lw_test_operator {
    struct lw_detector *detector;
    struct lw_pool *pool;
    struct lw_entity *entity;
    struct lw_sink sink;
    size_t n_verdicts, n_anomalies;
    struct lw_verdict verdicts[LW_TEST_VERDICTS_MAX];
    struct lw_anomaly anomalies[256];
};

static inline void lw_test_on_verdict(void *context, const struct lw_entity *entity,
                                      const struct lw_verdict *verdict)
{
    struct lw_test_operator *self = context;

    (void)entity;
    assert_true(self->n_verdicts < LW_TEST_VERDICTS_MAX);
    self->verdicts[self->n_verdicts++] = *verdict;
}

static inline void lw_test_on_anomaly(void *context, const struct lw_entity *entity,
                                      const struct lw_anomaly *anomaly)
{
    struct lw_test_operator *self = context;

    (void)entity;
    assert_true(self->n_anomalies < 256);
    self->anomalies[self->n_anomalies++] = *anomaly;
}

static inline void lw_test_spec_fill(struct lw_spec *spec, const char *const *options)
{
    struct lw_error error = {0};

    for (; options != NULL && options[0] != NULL; options += 2) {
        char pattern[64], option[64];
        enum lw_status status = sscanf(options[0], "metric %63s %63s", pattern, option) == 2
                                    ? lw_spec_set_metric(spec, pattern, option, options[1], &error)
                                    : lw_spec_set(spec, options[0], options[1], &error);

        if (status != LW_OK) {
            fail_msg("%s: %s", options[0], error.message);
        }
    }
}

/* n_series metrics "a", "b", "c" ... of one entity. */
static inline void lw_test_operator_open(struct lw_test_operator *self, const char *const *options,
                                         uint32_t n_series)
{
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};

    memset(self, 0, sizeof(*self));
    self->sink = (struct lw_sink){lw_test_on_verdict, lw_test_on_anomaly, self};
    assert_int_equal(lw_spec_create(&spec, &error), LW_OK);
    lw_test_spec_fill(spec, options);
    if (lw_detector_create(spec, "test", &self->detector, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    lw_spec_destroy(spec);
    assert_int_equal(lw_pool_create(&self->pool, &error), LW_OK);
    assert_int_equal(lw_entity_create(self->pool, self->detector, "entity", &self->entity, &error),
                     LW_OK);
    for (uint32_t i = 0; i < n_series; i++) {
        const char name[2] = {(char)('a' + i), '\0'};
        uint32_t number;

        assert_int_equal(lw_entity_series(self->entity, name, name, &number, &error), LW_OK);
        assert_int_equal(number, i);
    }
}

static inline void lw_test_operator_close(struct lw_test_operator *self)
{
    lw_entity_destroy(self->entity);
    lw_pool_destroy(self->pool);
    lw_detector_release(self->detector);
}

static inline void lw_test_observe(struct lw_test_operator *self, uint32_t series, int64_t time_s,
                                   double value)
{
    struct lw_sample sample = {series, time_s * INT64_C(1000000000), value};

    lw_observe(self->entity, &sample, 1, 0, &self->sink);
}

static inline void lw_test_advance(struct lw_test_operator *self, int64_t time_s)
{
    lw_advance(self->entity, time_s * INT64_C(1000000000), &self->sink);
}

#endif
