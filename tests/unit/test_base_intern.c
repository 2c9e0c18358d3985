/* base/intern: dense numbers, stable bytes, stated limits. */
#include "support/test.h"

#include "base/intern.h"
#include "support/mem_faulty.h"

#include <string.h>

static struct lw_intern *intern_of(uint32_t max_items, size_t max_bytes)
{
    struct lw_intern *intern = NULL;

    assert_int_equal(lw_intern_create(max_items, max_bytes, &intern, NULL), LW_OK);
    return intern;
}

static uint32_t add(struct lw_intern *intern, const char *text)
{
    uint32_t id = LW_INTERN_NONE;

    assert_int_equal(lw_intern_add(intern, text, strlen(text), &id, NULL), LW_OK);
    return id;
}

static void test_intern__numbers_in_order_of_first_sight(void **state)
{
    struct lw_intern *intern = intern_of(10, 100);
    size_t n_bytes;

    (void)state;
    assert_int_equal(add(intern, "cpu"), 0);
    assert_int_equal(add(intern, ""), 1);
    assert_int_equal(add(intern, "cpu"), 0);
    assert_int_equal(add(intern, "cpu0"), 2);
    assert_int_equal(lw_intern_count(intern), 3);
    assert_int_equal(lw_intern_find(intern, "cpu0", 4), 2);
    assert_int_equal(lw_intern_find(intern, "cpu0", 3), 0);
    assert_int_equal(lw_intern_find(intern, "mem", 3), LW_INTERN_NONE);
    assert_string_equal(lw_intern_peek(intern, 2, &n_bytes), "cpu0");
    assert_int_equal(n_bytes, 4);
    lw_intern_destroy(intern);
}

static void test_intern__keeps_bytes_with_zeros_apart(void **state)
{
    struct lw_intern *intern = intern_of(10, 100);
    uint32_t id;

    (void)state;
    assert_int_equal(lw_intern_add(intern, "a\0b", 3, &id, NULL), LW_OK);
    assert_int_equal(lw_intern_find(intern, "a\0c", 3), LW_INTERN_NONE);
    assert_int_equal(lw_intern_find(intern, "a", 1), LW_INTERN_NONE);
    assert_int_equal(lw_intern_find(intern, "a\0b", 3), 0);
    lw_intern_destroy(intern);
}

static void test_intern__holds_100000_names_that_never_move(void **state)
{
    enum { N = 100000 };
    static const char *at[N];
    struct lw_intern *intern = intern_of(N, (size_t)N * 16);
    char name[16];
    uint64_t calls;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "series-%u", i);
        assert_int_equal(add(intern, name), i);
        at[i] = lw_intern_peek(intern, i, NULL);
    }
    calls = lw_test_mem_calls();
    for (uint32_t i = 0; i < N; i++) {
        int length = snprintf(name, sizeof(name), "series-%u", i);

        assert_int_equal(lw_intern_find(intern, name, (size_t)length), i);
        assert_ptr_equal(lw_intern_peek(intern, i, NULL), at[i]);
        assert_string_equal(at[i], name);
    }
    assert_true(lw_test_mem_calls() == calls);
    lw_intern_destroy(intern);
    assert_true(lw_test_mem_live() == 0);
}

static void test_intern__keeps_its_limits(void **state)
{
    static char long_name[LW_INTERN_ITEM_MAX + 1];
    struct lw_intern *intern = intern_of(2, 10);
    struct lw_intern *roomy = intern_of(10, 10 * (size_t)LW_INTERN_ITEM_MAX);
    struct lw_error error;
    uint32_t id = 4711;

    (void)state;
    assert_int_equal(add(intern, "12345678"), 0);
    assert_int_equal(lw_intern_add(intern, "123", 3, &id, &error), LW_ELIMIT);
    assert_string_equal(error.message, "the limit of 10 bytes of names is reached");
    assert_int_equal(add(intern, "12"), 1);
    assert_int_equal(lw_intern_add(intern, "", 0, &id, &error), LW_ELIMIT);
    assert_string_equal(error.message, "the limit of 2 different names is reached");
    assert_int_equal(add(intern, "12345678"), 0);
    memset(long_name, 'x', sizeof(long_name));
    assert_int_equal(lw_intern_add(roomy, long_name, sizeof(long_name), &id, &error), LW_ELIMIT);
    assert_string_equal(error.message, "a name of 65537 bytes is above the limit of 65536");
    assert_int_equal(id, 4711);
    assert_int_equal(lw_intern_add(roomy, long_name, LW_INTERN_ITEM_MAX, &id, NULL), LW_OK);
    assert_int_equal(id, 0);
    assert_int_equal(lw_intern_create(UINT32_MAX, 1, &intern, &error), LW_EINVAL);
    lw_intern_destroy(roomy);
    lw_intern_destroy(intern);
}

static void test_intern__stays_as_it_was_when_memory_ends(void **state)
{
    struct lw_intern *intern = intern_of(1000, 100000);
    char name[16];
    uint32_t id;

    (void)state;
    for (uint32_t i = 0; i < 48; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        (void)add(intern, name);
    }
    for (uint64_t n = 1; n <= 2; n++) { /* The 49th name grows slots, then items. */
        lw_test_mem_fail_at(n);
        assert_int_equal(lw_intern_add(intern, "one more", 8, &id, NULL), LW_ENOMEM);
        lw_test_mem_fail_at(0);
        assert_int_equal(lw_intern_count(intern), 48);
        assert_int_equal(lw_intern_find(intern, "47", 2), 47);
        assert_int_equal(lw_intern_find(intern, "one more", 8), LW_INTERN_NONE);
    }
    assert_int_equal(add(intern, "one more"), 48);
    lw_intern_destroy(intern);
    lw_intern_destroy(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern__numbers_in_order_of_first_sight),
        cmocka_unit_test(test_intern__keeps_bytes_with_zeros_apart),
        cmocka_unit_test(test_intern__holds_100000_names_that_never_move),
        cmocka_unit_test(test_intern__keeps_its_limits),
        cmocka_unit_test(test_intern__stays_as_it_was_when_memory_ends),
    };
    return LW_TEST_RUN(tests);
}
