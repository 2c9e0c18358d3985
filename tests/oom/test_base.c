/* What base allocates, failed one by one: writers, JSON and interning stay usable, leak nothing and
 * say LW_ENOMEM. */
#include "support/oom.h"

#include "base/bytes.h"
#include "base/intern.h"
#include "base/json.h"

#include <string.h>

static enum lw_status write_bytes(void *user)
{
    struct lw_writer writer;
    enum lw_status status;

    (void)user;
    lw_writer_init(&writer);
    for (uint32_t i = 0; i < 2000; i++) {
        lw_write_u32(&writer, i);
        lw_write_text(&writer, "marsh");
    }
    status = writer.status;
    lw_writer_fini(&writer);
    return status;
}

static enum lw_status write_json(void *user)
{
    struct lw_json json;
    enum lw_status status;

    (void)user;
    lw_json_init(&json);
    lw_json_begin_array(&json);
    for (int64_t i = 0; i < 500; i++) {
        lw_json_begin_object(&json);
        lw_json_key(&json, "row");
        lw_json_int(&json, i);
        lw_json_end(&json);
    }
    lw_json_end(&json);
    status = lw_json_peek(&json) == NULL ? json.out.status : LW_OK;
    lw_json_fini(&json);
    return status;
}

static enum lw_status intern_names(void *user)
{
    struct lw_intern *intern = NULL;
    struct lw_error error = {.status = LW_OK};
    enum lw_status status = lw_intern_create(10000, 1000000, &intern, &error);

    (void)user;
    for (int i = 0; status == LW_OK && i < 500; i++) {
        static char name[1000];
        uint32_t id = LW_INTERN_NONE;

        memset(name, 'x', sizeof(name));
        (void)snprintf(name, sizeof(name), "%d", i);
        status = lw_intern_add(intern, name, sizeof(name), &id, &error);
        assert_int_equal(id, status == LW_OK ? (uint32_t)i : LW_INTERN_NONE);
    }
    assert_int_equal(error.status, status);
    lw_intern_destroy(intern);
    return status;
}

static void test_writer__survives_every_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("lw_writer", write_bytes, NULL);
}

static void test_json__survives_every_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("lw_json", write_json, NULL);
}

static void test_intern__survives_every_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("lw_intern", intern_names, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer__survives_every_failing_allocation),
        cmocka_unit_test(test_json__survives_every_failing_allocation),
        cmocka_unit_test(test_intern__survives_every_failing_allocation),
    };
    return LW_TEST_RUN(tests);
}
