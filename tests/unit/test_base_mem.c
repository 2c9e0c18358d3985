/* base/mem: the real heap, not the tests' own. */
#include "support/test.h"

#include "base/mem.h"

#include <string.h>

static void test_mem__calloc_clears_and_refuses_what_overflows(void **state)
{
    volatile size_t huge = SIZE_MAX / 2;
    unsigned char *bytes = lw_mem_calloc(100, 10);

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], 0);
    }
    lw_mem_free(bytes);
    assert_null(lw_mem_calloc(huge, 4));
    lw_mem_free(NULL);
}

static void test_mem__realloc_keeps_the_bytes(void **state)
{
    char *bytes = lw_mem_alloc(6);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, "marsh", 6);
    bytes = lw_mem_realloc(bytes, 100000);
    assert_non_null(bytes);
    assert_string_equal(bytes, "marsh");
    lw_mem_free(bytes);
}

static void test_mem__pages_are_clear_aligned_and_writable(void **state)
{
    enum { N_BYTES = 3 << 20 };
    unsigned char *pages = lw_mem_alloc_pages(N_BYTES);

    (void)state;
    assert_non_null(pages);
    assert_int_equal((uintptr_t)pages % 4096, 0);
    for (int i = 0; i < N_BYTES; i += 1024) {
        assert_int_equal(pages[i], 0);
        pages[i] = 1;
    }
    lw_mem_free_pages(pages, N_BYTES);
    lw_mem_free_pages(NULL, N_BYTES);
    assert_null(lw_mem_alloc_pages(SIZE_MAX / 2));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem__calloc_clears_and_refuses_what_overflows),
        cmocka_unit_test(test_mem__realloc_keeps_the_bytes),
        cmocka_unit_test(test_mem__pages_are_clear_aligned_and_writable),
    };
    return LW_TEST_RUN(tests);
}
