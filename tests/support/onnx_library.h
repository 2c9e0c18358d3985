/* Where tools/onnxruntime puts ONNX Runtime, for tests and benches. */
#ifndef LW_TESTS_SUPPORT_ONNX_LIBRARY_H
#define LW_TESTS_SUPPORT_ONNX_LIBRARY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LW_TEST_ONNX_FOLDER "lapwing/onnxruntime-1.28.0"

enum lw_test_onnx {
    LW_TEST_ONNX_HERE,        /* And LAPWING_ONNXRUNTIME names it. */
    LW_TEST_ONNX_UNREACHABLE, /* ret_text says why it could not be fetched. */
    LW_TEST_ONNX_NOT_FETCHED  /* ret_text says where it would be. */
};

static inline enum lw_test_onnx lw_test_onnx_find(char *ret_text, size_t capacity)
{
    const char *given = getenv("LAPWING_ONNXRUNTIME"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char folder[1024], path[1200];
    FILE *file;

    if (given != NULL && given[0] != '\0') {
        return LW_TEST_ONNX_HERE;
    }
    (void)snprintf(folder, sizeof(folder), "%s%s/" LW_TEST_ONNX_FOLDER,
                   cache != NULL  ? cache
                   : home != NULL ? home
                                  : "",
                   cache != NULL ? "" : "/.cache");
    (void)snprintf(path, sizeof(path), "%s/libonnxruntime.so.1", folder);
    if (access(path, R_OK) == 0 && setenv("LAPWING_ONNXRUNTIME", path, 1) == 0) {
        return LW_TEST_ONNX_HERE;
    }
    (void)snprintf(path, sizeof(path), "%s/unreachable", folder);
    file = fopen(path, "r");
    (void)snprintf(ret_text, capacity, "%.300s", folder);
    if (file == NULL) {
        return LW_TEST_ONNX_NOT_FETCHED;
    }
    if (fgets(ret_text, (int)capacity, file) == NULL) {
        ret_text[0] = '\0';
    }
    (void)fclose(file);
    return LW_TEST_ONNX_UNREACHABLE;
}

#endif
