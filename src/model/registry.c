/* Every class of models there is. A new one is added to the array, and the contract test then runs
 * over it. */
#include "model/autoencoder.h"
#include "model/ecod.h"
#include "model/iforest.h"
#include "model/knn.h"
#include "model/linear.h"
#include "model/lof.h"
#include "model/lstm.h"
#include "model/model.h"
#include "model/ocsvm.h"
#include "model/onnx.h"
#include "model/rcf.h"
#include "model/recent.h"
#include "model/subpca.h"

#include <string.h>

static const struct lw_model_class *const registry_classes[] = {
    &lw_model_iforest,     &lw_model_ocsvm,  &lw_model_ecod, &lw_model_knn,    &lw_model_lof,
    &lw_model_autoencoder, &lw_model_lstm,   &lw_model_rcf,  &lw_model_linear, &lw_model_onnx,
    &lw_model_subpca,      &lw_model_recent, NULL,
};

const struct lw_model_class *const *lw_model_classes(void)
{
    return registry_classes;
}

const struct lw_model_class *lw_model_class_find(const char *name)
{
    for (size_t i = 0; registry_classes[i] != NULL; i++) {
        if (strcmp(registry_classes[i]->name, name) == 0) {
            return registry_classes[i];
        }
    }
    return NULL;
}
