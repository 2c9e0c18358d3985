/* `lapwing models export`: a member of a model file as an ONNX file. */
#ifndef LW_CLI_MODELS_EXPORT_H
#define LW_CLI_MODELS_EXPORT_H

#include "lapwing/train.h"

struct lw_models_export {
    const char *path, *out;           /* The model file, and the ONNX file to be. */
    const char *rows;                 /* CSV to measure the loss on; NULL: it is not. */
    struct lw_export_options options; /* But for the rows. */
};

/* Does it and says what came of it. Returns an enum lw_exit; messages go to standard error. */
int lw_models_export_run(const struct lw_models_export *command);

#endif
