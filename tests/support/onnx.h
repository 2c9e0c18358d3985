/*
 * ONNX Runtime for tests, and models in ONNX files for the class that reads them.
 *
 * tools/onnxruntime fetches the library. Where it could not be reached, it left the reason in a
 * file, and tests that need it say so and pass; where nobody tried, they fail.
 */
#ifndef LW_TESTS_SUPPORT_ONNX_H
#define LW_TESTS_SUPPORT_ONNX_H

#include "support/onnx_library.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"
#include "model/onnx.h"
#include "model/onnx_export.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the library is, for the class to find: true. */
static inline bool lw_test_onnx_is_here(void)
{
    char reason[512];

    switch (lw_test_onnx_find(reason, sizeof(reason))) {
    case LW_TEST_ONNX_HERE:
        return true;
    case LW_TEST_ONNX_UNREACHABLE:
        print_message("PASSED OVER: ONNX Runtime could not be fetched: %s\n", reason);
        return false;
    default:
        fail_msg("there is no ONNX Runtime in %s: run tools/onnxruntime, which fetches it", reason);
        return false;
    }
}

/* Bytes into a new file; its path into ret_path. */
static inline void lw_test_onnx_write(const struct lw_writer *writer, char *ret_path,
                                      size_t capacity)
{
    const char *folder = getenv("TMPDIR");
    int file;

    (void)snprintf(ret_path, capacity, "%s/lapwing-XXXXXX", folder != NULL ? folder : "/tmp");
    file = mkstemp(ret_path);
    if (file < 0 || write(file, writer->data, writer->n_bytes) != (ssize_t)writer->n_bytes ||
        close(file) != 0) {
        fail_msg("%s cannot be written", ret_path);
    }
}

/* A small autoencoder of the rows into an ONNX file, and options of the class onnx that read it.
 * The caller unlinks options->path. */
static inline void lw_test_onnx_options(const struct lw_model_rows *rows,
                                        struct lw_onnx_options *ret_options)
{
    const struct lw_model_class *network = lw_model_class_find("autoencoder");
    static const struct lw_onnx_form form = {0};
    void *options = calloc(1, network->options_bytes);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;
    struct lw_rng rng;

    lw_rng_seed(&rng, 1);
    lw_writer_init(&writer);
    lw_options_default(network->options, network->n_options, options);
    if (lw_options_set(network->options, network->n_options, options, "epochs", "1", &error) !=
            LW_OK ||
        lw_options_set(network->options, network->n_options, options, "hidden", "4", &error) !=
            LW_OK ||
        network->fit(options, rows, &rng, &model, &error) != LW_OK ||
        lw_onnx_export(network, model, &form, &writer, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, ret_options);
    lw_test_onnx_write(&writer, ret_options->path, sizeof(ret_options->path));
    ret_options->holes = LW_ONNX_HOLES_KEEP;
    network->destroy(model);
    lw_writer_fini(&writer);
    free(options);
}

#endif
