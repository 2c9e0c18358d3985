/*
 * How a model comes out of an ONNX file: which input and output are meant, whether they are of the
 * rows' shape, and what the rows say of the output's scale.
 */
#include "model/onnx_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/net.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIT_ROWS 10000u /* Rows that a fit looks at, evenly. */
#define LIST_MAX 200    /* Bytes of a list of names in a message. */

/* "name, float[?, 38]" */
static const char *port_text(const struct lw_onnx_port *port, char *ret_text, size_t capacity)
{
    int n = snprintf(ret_text, capacity, "%s, %s[", port->name,
                     port->is_float ? "float" : "not float");

    for (size_t i = 0; i < port->rank && i < LW_ONNX_RANK_MAX && n > 0 && (size_t)n < capacity;
         i++) {
        n += snprintf(ret_text + n, capacity - (size_t)n, port->dims[i] < 0 ? "%s?" : "%s%lld",
                      i > 0 ? ", " : "", (long long)port->dims[i]);
    }
    if (n > 0 && (size_t)n < capacity) {
        (void)snprintf(ret_text + n, capacity - (size_t)n, "]");
    }
    return ret_text;
}

static const struct lw_onnx_port *port_find(const struct lw_onnx_session *session, bool is_input,
                                            const char *name)
{
    size_t n = is_input ? lw_onnx_session_n_inputs(session) : lw_onnx_session_n_outputs(session);

    for (size_t i = 0; i < n; i++) {
        const struct lw_onnx_port *port = is_input ? lw_onnx_session_input(session, i)
                                                   : lw_onnx_session_output(session, i);

        if (strcmp(port->name, name) == 0) {
            return port;
        }
    }
    return NULL;
}

/* A float [?, width] or [1, width]; width -1: any that is fixed. */
static bool port_is_rows(const struct lw_onnx_port *port, int64_t width)
{
    return port->is_float && port->rank == 2 && (port->dims[0] < 0 || port->dims[0] == 1) &&
           (width < 0 ? port->dims[1] > 0 : port->dims[1] < 0 || port->dims[1] == width);
}

/* The input of rows; and where there is a state, its width. */
static enum lw_status inputs_choose(struct lw_model *model, struct lw_error *reterr)
{
    const struct lw_onnx_session *session = model->session;
    const struct lw_onnx_port *state = port_find(session, true, LW_ONNX_STATE), *rows, *next;
    size_t n = lw_onnx_session_n_inputs(session);
    char text[LIST_MAX];

    if (n != 1 && !(n == 2 && state != NULL)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "onnx: the graph has %zu inputs; one of rows is expected, and beside "
                            "it none but \"" LW_ONNX_STATE "\"",
                            n);
    }
    rows = lw_onnx_session_input(session, n == 2 && lw_onnx_session_input(session, 0) == state);
    if (!port_is_rows(rows, (int64_t)model->n_dims)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "onnx: the graph's input is %s, but float[?, %zu] is expected: rows of "
                            "the model's columns, their number left open or 1",
                            port_text(rows, text, sizeof(text)), model->n_dims);
    }
    memcpy(model->input, rows->name, sizeof(model->input));
    if (n == 1) {
        return LW_OK;
    }
    next = port_find(session, false, LW_ONNX_NEXT_STATE);
    if (!port_is_rows(state, -1) || state->dims[1] > LW_ONNX_STATE_MAX || next == NULL ||
        !port_is_rows(next, state->dims[1])) {
        return lw_error_set(reterr, LW_EINVAL,
                            "onnx: the graph's state is %s; expected are float[?, 1 to %u] and an "
                            "output \"" LW_ONNX_NEXT_STATE "\" of the same shape",
                            port_text(state, text, sizeof(text)), LW_ONNX_STATE_MAX);
    }
    model->n_state = (size_t)state->dims[1];
    return LW_OK;
}

/* The output that is named, or "distances", or the only one there is. */
static enum lw_status output_choose(struct lw_model *model, const struct lw_onnx_port **ret_port,
                                    struct lw_error *reterr)
{
    const struct lw_onnx_session *session = model->session;
    const struct lw_onnx_port *port = port_find(
        session, false, model->output[0] != '\0' ? model->output : "distances");
    char names[LIST_MAX] = "";
    size_t n_names = 0, n = lw_onnx_session_n_outputs(session);

    for (size_t i = 0; i < n; i++) {
        const char *name = lw_onnx_session_output(session, i)->name;

        n_names += (size_t)snprintf(names + n_names, sizeof(names) - n_names, "%s%s",
                                    i > 0 ? ", " : "", name);
        n_names = n_names < sizeof(names) ? n_names : sizeof(names) - 1;
    }
    if (port == NULL && model->output[0] == '\0' && n == 1) {
        port = lw_onnx_session_output(session, 0);
    }
    if (port == NULL && model->output[0] != '\0') {
        return lw_error_set(reterr, LW_EINVAL, "onnx: the graph has no output \"%s\"; it has %s",
                            model->output, names);
    }
    if (port == NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "onnx: option output must say which of the graph's outputs is meant: "
                            "%s",
                            names);
    }
    memcpy(model->output, port->name, sizeof(model->output));
    *ret_port = port;
    return LW_OK;
}

/* Runs n rows of zeros. */
static enum lw_status model_try(const struct lw_model *model, size_t n, struct lw_error *reterr)
{
    size_t n_floats = 2 * n * (model->n_dims + model->n_state);
    float *floats = lw_mem_calloc(n_floats, sizeof(*floats));
    struct lw_onnx_io io = {.rows = floats};
    enum lw_status st;

    if (floats == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for %zu numbers", n_floats);
    }
    io.out = io.rows + n * model->n_dims;
    io.state = io.out + n * model->n_dims;
    io.next = io.state + n * model->n_state;
    st = lw_onnx_run(model, n, &io, reterr);
    lw_mem_free(floats);
    return st;
}

/* Finds the shape that the output has, of those that it may have, by running a row. */
static enum lw_status reading_choose(struct lw_model *model, const struct lw_onnx_port *port,
                                     struct lw_error *reterr)
{
    static const struct {
        enum lw_onnx_reading reading;
        size_t rank;
    } shapes[] = {{LW_ONNX_DISTANCE, 1}, {LW_ONNX_DISTANCE, 2}, {LW_ONNX_RECONSTRUCTION, 2}};
    enum lw_onnx_reading asked = model->reading;
    char text[LIST_MAX];

    for (size_t i = 0; port->is_float && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        int64_t width = shapes[i].reading == LW_ONNX_DISTANCE ? 1 : (int64_t)model->n_dims;
        enum lw_status st;

        if ((asked != LW_ONNX_BY_SHAPE && asked != shapes[i].reading) ||
            (port->rank > 0 && port->rank != shapes[i].rank) ||
            (port->rank == 2 && port->dims[1] >= 0 && port->dims[1] != width) ||
            (model->n_state > 0 && shapes[i].reading == LW_ONNX_RECONSTRUCTION)) {
            continue;
        }
        model->reading = shapes[i].reading;
        model->rank = shapes[i].rank;
        st = model_try(model, 1, reterr);
        if (st != LW_EINVAL) {
            return st;
        }
    }
    return lw_error_set(reterr, LW_EINVAL,
                        "onnx: the graph's output is %s, but float[n] or [n, 1] is expected for a "
                        "distance, or, without a state, [n, %zu] for a reconstruction",
                        port_text(port, text, sizeof(text)), model->n_dims);
}

static enum lw_status model_open(struct lw_model *model, const char *library,
                                 struct lw_error *reterr)
{
    const struct lw_onnx_port *port = NULL;
    enum lw_status st = lw_onnx_scan(model->bytes, model->n_bytes, reterr);

    if (st == LW_OK) {
        st = lw_onnx_session_create(library, model->bytes, model->n_bytes, &model->session, reterr);
    }
    if (st == LW_OK) {
        st = inputs_choose(model, reterr);
    }
    if (st == LW_OK) {
        st = output_choose(model, &port, reterr);
    }
    if (st == LW_OK) {
        st = reading_choose(model, port, reterr);
    }
    if (st == LW_OK && model->batch > 1 && model->n_state == 0) {
        st = model_try(model, 2, reterr);
        if (st == LW_EINVAL) {
            st = lw_error_set(reterr, LW_EINVAL,
                              "onnx: the graph takes one row at a time, so option batch must be 1, "
                              "not %u",
                              model->batch);
        }
    }
    return st;
}

enum lw_status lw_onnx_create(const struct lw_model *head, const char *library,
                              const uint8_t *bytes, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    struct lw_model *model;
    enum lw_status st;

    model = lw_mem_alloc(sizeof(*model) + head->n_dims * sizeof(float) + head->n_bytes);
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for a file of %zu bytes",
                            head->n_bytes);
    }
    *model = *head;
    model->gains = (float *)(model + 1);
    model->bytes = (uint8_t *)(model->gains + head->n_dims);
    memcpy(model->bytes, bytes, head->n_bytes);
    for (size_t i = 0; i < head->n_dims; i++) {
        model->gains[i] = 1.0f;
    }
    st = model_open(model, library, reterr);
    if (st == LW_OK) {
        *ret_model = model;
    } else {
        lw_onnx_destroy(model);
    }
    return st;
}

/* The whole file; the caller frees *ret_bytes. */
static enum lw_status file_read(const char *path, uint8_t **ret_bytes, size_t *ret_n_bytes,
                                struct lw_error *reterr)
{
    uint8_t *bytes = NULL;
    struct stat about;
    size_t n = 0;
    ssize_t got = 1;
    enum lw_status st = LW_OK;
    /* NOLINT(banned): the operator never fits, training does, in whoever hosts it */
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &about) != 0) {
        st = lw_error_set(reterr, LW_EIO, "onnx: %.300s cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(about.st_mode) || about.st_size <= 0 ||
               about.st_size > (off_t)LW_ONNX_BYTES_MAX) {
        st = lw_error_set(reterr, LW_ELIMIT,
                          "onnx: %.300s is no file of 1 to %u bytes, but has %lld", path,
                          LW_ONNX_BYTES_MAX, (long long)about.st_size);
    } else {
        bytes = lw_mem_alloc((size_t)about.st_size);
        if (bytes == NULL) {
            st = lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for the %lld bytes of %.300s",
                              (long long)about.st_size, path);
        }
    }
    while (st == LW_OK && n < (size_t)about.st_size && got > 0) {
        got = read(file, bytes + n, (size_t)about.st_size - n);
        n += got > 0 ? (size_t)got : 0;
        if (got < 0 && errno == EINTR) {
            got = 1;
        }
    }
    if (st == LW_OK && n < (size_t)about.st_size) {
        st = lw_error_set(reterr, LW_EIO, "onnx: %.300s ends after %zu of its %lld bytes", path, n,
                          (long long)about.st_size);
    }
    if (file >= 0) {
        (void)close(file);
    }
    if (st == LW_OK) {
        *ret_bytes = bytes;
        *ret_n_bytes = n;
    } else {
        lw_mem_free(bytes);
    }
    return st;
}

/* What the rows say of the output: how far it falls below 0, or how large the residuals are. */
static enum lw_status model_learn(struct lw_model *model, const struct lw_model_rows *rows,
                                  struct lw_error *reterr)
{
    size_t n = model->n_dims, stride = rows->n_rows / FIT_ROWS + 1;
    double *sums = lw_mem_calloc(n, 3 * sizeof(*sums)), *counts;
    struct lw_onnx_io io = {0};
    enum lw_status st = LW_OK;
    float least = 0.0f;

    if (sums == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "onnx: no memory for %zu sums", 2 * n);
    }
    counts = sums + n;
    io.rows = (void *)(counts + n);
    io.out = io.rows + n;
    for (size_t at = 0; st == LW_OK && at < rows->n_rows; at += stride) {
        const float *row = rows->values + at * n;

        if (lw_model_row_is_missing(row, n)) {
            continue;
        }
        lw_onnx_row_clean(model, row, io.rows);
        st = lw_onnx_run(model, 1, &io, reterr);
        if (st == LW_OK && model->reading == LW_ONNX_DISTANCE) {
            float s = model->is_reverse ? -io.out[0] : io.out[0];

            least = s < least && isfinite(s) ? s : least;
            continue;
        }
        lw_onnx_row_residuals(model, row, io.out);
        for (size_t i = 0; st == LW_OK && i < n; i++) {
            bool is_known = isfinite(io.out[i]) && !isnan(row[i]);

            sums[i] += is_known ? (double)io.out[i] * (double)io.out[i] : 0.0;
            counts[i] += is_known;
        }
    }
    model->shift = least < 0.0f ? -least : 0.0f;
    if (model->reading == LW_ONNX_RECONSTRUCTION) {
        lw_net_gains(sums, counts, n, model->gains);
    }
    lw_mem_free(sums);
    return st;
}

enum lw_status lw_onnx_fit_bytes(const struct lw_onnx_options *options, const void *bytes,
                                 size_t n_bytes, const struct lw_model_rows *rows,
                                 struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = rows->n_dims,
                            .reading = (enum lw_onnx_reading)options->reading,
                            .keeps_holes = options->holes == LW_ONNX_HOLES_KEEP,
                            .is_reverse = options->reverse,
                            .batch = (uint32_t)options->batch,
                            .n_bytes = n_bytes};
    struct lw_model *model = NULL;
    enum lw_status st = lw_model_check_fit(&lw_model_onnx, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    memcpy(head.output, options->output, sizeof(head.output));
    st = lw_onnx_create(&head, options->library, bytes, &model, reterr);
    if (st == LW_OK && model->n_state == 0) {
        st = model_learn(model, rows, reterr);
    }
    if (st == LW_OK) {
        *ret_model = model;
    } else {
        lw_onnx_destroy(model);
    }
    return st;
}

enum lw_status lw_onnx_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model, struct lw_error *reterr)
{
    const struct lw_onnx_options *chosen = options;
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status st = lw_model_check_fit(&lw_model_onnx, options, rows, reterr);

    (void)rng;
    if (st != LW_OK) {
        return st;
    }
    if (chosen->path[0] == '\0') {
        return lw_error_set(reterr, LW_EINVAL,
                            "onnx: option path must name the ONNX file of the model");
    }
    st = file_read(chosen->path, &bytes, &n_bytes, reterr);
    if (st == LW_OK) {
        st = lw_onnx_fit_bytes(chosen, bytes, n_bytes, rows, ret_model, reterr);
        lw_mem_free(bytes);
    }
    return st;
}
