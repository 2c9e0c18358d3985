/*
 * The contract of a tier 1 model: one const struct of function pointers a class, listed in
 * registry.c.
 *
 * A class states which view of an entity it reads and its own options; an instance is immutable
 * once fitted (but for update), holds no thread or lock, and may be scored from many threads at
 * once. Rows are float[n_rows][n_dims], row-major, already scaled by the view; NaN means missing,
 * and each class says what it makes of it. A row of which nothing is known cannot be told yet: its
 * distance is NaN and its shares are 0, in every class.
 *
 * lw_model_save and lw_model_load wrap a class's bytes in an envelope that names the class and
 * carries a checksum; the class's own load must still be safe on any bytes, for a checksum keeps
 * out accidents, not intent.
 */
#ifndef LW_MODEL_MODEL_H
#define LW_MODEL_MODEL_H

#include "base/bytes.h"
#include "base/option.h"
#include "base/rng.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>

#define LW_MODEL_CONTRACT_VERSION 2
#define LW_MODEL_DIMS_MAX 4096
#define LW_MODEL_ROWS_MAX 100000000 /* Rows a fit takes at most. */
#define LW_MODEL_NAME_MAX 32        /* Bytes of a class's name, terminator included. */

/* What a model reads: each view is computed once a step and shared by all models that read it. */
enum lw_view {
    LW_VIEW_VALUES,    /* step values, centred, scaled and compressed: asinh */
    LW_VIEW_FEATURES,  /* the named feature table */
    LW_VIEW_RESIDUAL,  /* forecast errors in trained units */
    LW_VIEW_EMBEDDING, /* dyadic means on principal components, and how far off these they are */
    LW_VIEW_PATCH      /* the shape of the last steps on principal components, and two rests */
};

struct lw_model; /* Each class defines its own. */

/*
 * What a model learns from. Rows are in time order within each run: a run is a stretch of one
 * entity without a break. The last n_rests columns are rests: lengths >= 0 of what a projection
 * left over, 0 in the ideal. Classes that know what to do with them (neighbours add them to the
 * distance as they are) say so; to all others they are columns like any.
 */
struct lw_model_rows {
    const float *values; /* [n_rows][n_dims], row-major; borrowed. */
    size_t n_rows;
    size_t n_dims;
    size_t n_rests;     /* < n_dims. */
    const size_t *runs; /* [n_runs] rows of each run, adding up to n_rows; NULL: one run. */
    size_t n_runs;
};

/* How to write a model as an ONNX graph. */
struct lw_onnx_form {
    bool int8;    /* Weights of matrix products as int8, activations quantised as they come. */
    double prune; /* In [0, 1): share of each layer's weights, the smallest, that become 0. */
};

struct lw_model_class {
    int version;         /* LW_MODEL_CONTRACT_VERSION */
    const char *name;    /* "iforest": file, test, bench and docs page share it */
    const char *title;   /* "Isolation Forest" */
    const char *formula; /* One line of text. */
    const char *source;  /* The paper. */
    enum lw_view view;   /* The view it is made for. */
    double unit; /* > 0: a distance of which nothing is made, the least unit (detect/calibrate.h).
                  */
    const struct lw_option *options; /* NULL-able when n_options is 0. */
    size_t n_options;
    size_t options_bytes; /* sizeof the options struct that the table describes. */

    /* Learn from rows. 2 <= n_rows <= LW_MODEL_ROWS_MAX, 1 <= n_dims <= LW_MODEL_DIMS_MAX.
     * Deterministic from the stream. The caller owns *ret_model. LW_EINVAL on shapes or options
     * outside their bounds, LW_ENOMEM. */
    enum lw_status (*fit)(const void *options, const struct lw_model_rows *rows, struct lw_rng *rng,
                          struct lw_model **ret_model, struct lw_error *reterr);
    /* Sequence classes, which judge a row by those before it; NULL in all others. Floats of the
     * state that each entity keeps between rows; a fresh state is all zero. */
    size_t (*n_state)(const struct lw_model *model);
    /* One distance >= 0 a row, larger is stranger; NaN for a row of NaN only, and from a sequence
     * class also before it has seen enough. Allocates nothing. Batches and single rows give the
     * same bits. state: NULL but for sequence classes, for which the rows are the next ones of its
     * entity. */
    void (*score)(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                  float *ret_distances);
    /* How much each dimension adds to one row's distance: float[n_dims], finite, >= 0; all zero
     * when nothing stands out. Allocates nothing. Of a sequence class: the row that this state was
     * given last. */
    void (*attribute)(const struct lw_model *model, const float *state, const float *row,
                      float *ret_shares);
    /* NULL where the method has none: learn one row more. */
    enum lw_status (*update)(struct lw_model *model, const float *row, struct lw_rng *rng,
                             struct lw_error *reterr);
    /* Versioned bytes, the class's version as u16 first; load refuses what is damaged (LW_EFORMAT)
     * or too new (LW_EVERSION), and never reads past the end or allocates more than the class
     * states. A loaded model scores the same bits and saves the same bytes. */
    void (*save)(const struct lw_model *model, struct lw_writer *writer);
    enum lw_status (*load)(struct lw_reader *reader, struct lw_model **ret_model,
                           struct lw_error *reterr);
    /* NULL where there is none: the model as an ONNX graph, opset 18, input "rows" float[n, n_dims]
     * (of a sequence class: what its docs page says), output "distances" float[n]. */
    enum lw_status (*export_onnx)(const struct lw_model *model, const struct lw_onnx_form *form,
                                  struct lw_writer *writer, struct lw_error *reterr);
    size_t (*n_dims)(const struct lw_model *model);
    size_t (*bytes)(const struct lw_model *model); /* Memory held. */
    void (*destroy)(struct lw_model *model);       /* Takes NULL. */
    /* Code and a file of others: fit needs option path, fit and load give LW_ENOTFOUND where the
     * library that runs it is missing, score and attribute allocate what that library does, and a
     * row is NaN also when it gives no number. */
    bool is_foreign;
};

/* All classes, NULL-terminated. */
const struct lw_model_class *const *lw_model_classes(void);
/* The class of that name, or NULL. */
const struct lw_model_class *lw_model_class_find(const char *name);

/* What every fit asks first: the shape within the limits, and each number of the options within the
 * bounds of its table. */
enum lw_status lw_model_check_fit(const struct lw_model_class *model_class, const void *options,
                                  const struct lw_model_rows *rows,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Length of run i of the rows: rows->runs[i], or all rows where there is one run only. */
size_t lw_model_run(const struct lw_model_rows *rows, size_t i);
/* How many runs there are, at least 1. */
size_t lw_model_n_runs(const struct lw_model_rows *rows);
/* Whether nothing is known of a row: every value is NaN. */
bool lw_model_row_is_missing(const float *row, size_t n_dims);
/* Envelope, class name and the class's bytes. A failure stays in writer->status. */
void lw_model_save(const struct lw_model_class *model_class, const struct lw_model *model,
                   struct lw_writer *writer);
/* The inverse: LW_EFORMAT for damaged bytes, LW_EVERSION for newer ones, LW_ENOTFOUND for a class
 * that is not in the registry, LW_ENOMEM. Reads exactly one envelope. On LW_OK the caller owns
 * *ret_model and destroys it by *ret_class. */
enum lw_status lw_model_load(struct lw_reader *reader, const struct lw_model_class **ret_class,
                             struct lw_model **ret_model, struct lw_error *reterr) LW_MUST_USE;

#endif
