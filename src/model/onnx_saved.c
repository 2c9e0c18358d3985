/*
 * The bytes of a model in an ONNX file.
 *
 * u16 version, u32 columns, u8 reading, u8 whether holes are kept, u8 whether less is stranger, u32
 * rows a run, f32 shift, text output; of a reconstruction one f32 factor a column; u32 length and
 * the file itself. Where the library lies is not among them: bytes must not name code to be run.
 */
#include "model/onnx_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/net.h"

#include <float.h>

#define ONNX_VERSION 1u

void lw_onnx_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, ONNX_VERSION);
    lw_write_u32(writer, (uint32_t)model->n_dims);
    lw_write_u8(writer, (uint8_t)model->reading);
    lw_write_u8(writer, model->keeps_holes);
    lw_write_u8(writer, model->is_reverse);
    lw_write_u32(writer, model->batch);
    lw_write_f32(writer, model->shift);
    lw_write_text(writer, model->output);
    if (model->reading == LW_ONNX_RECONSTRUCTION) {
        lw_write_f32s(writer, model->gains, model->n_dims);
    }
    lw_write_u32(writer, (uint32_t)model->n_bytes);
    lw_write_raw(writer, model->bytes, model->n_bytes);
}

/* The head; false for what save does not write. */
static bool head_load(struct lw_reader *reader, struct lw_model *ret_head)
{
    uint8_t reading, keeps_holes, is_reverse;

    ret_head->n_dims = lw_read_u32(reader);
    reading = lw_read_u8(reader);
    keeps_holes = lw_read_u8(reader);
    is_reverse = lw_read_u8(reader);
    ret_head->batch = lw_read_u32(reader);
    ret_head->shift = lw_read_f32(reader);
    lw_read_text(reader, ret_head->output, sizeof(ret_head->output));
    ret_head->reading = reading == LW_ONNX_RECONSTRUCTION ? LW_ONNX_RECONSTRUCTION
                                                          : LW_ONNX_DISTANCE;
    ret_head->keeps_holes = keeps_holes == 1;
    ret_head->is_reverse = is_reverse == 1;
    return reader->status == LW_OK && reading == (uint8_t)ret_head->reading && keeps_holes <= 1 &&
           is_reverse <= 1 && ret_head->n_dims >= 1 && ret_head->n_dims <= LW_MODEL_DIMS_MAX &&
           ret_head->batch >= 1 && ret_head->batch <= LW_ONNX_BATCH_MAX &&
           ret_head->shift >= 0.0f && ret_head->shift <= FLT_MAX && ret_head->output[0] != '\0' &&
           !(signbit(ret_head->shift));
}

/* Allocates little more than the bytes that are there, and what ONNX Runtime makes of them. */
enum lw_status lw_onnx_load(struct lw_reader *reader, struct lw_model **ret_model,
                            struct lw_error *reterr)
{
    LW_UNINITIALIZED float gains[LW_MODEL_DIMS_MAX];
    uint16_t version = lw_read_u16(reader);
    struct lw_model head = {0}, *model = NULL;
    const uint8_t *bytes;
    enum lw_status st;
    bool is_sound;

    if (reader->status == LW_OK && version != ONNX_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "onnx: the model is of version %u, but this one reads %u",
                            (unsigned)version, ONNX_VERSION);
    }
    is_sound = head_load(reader, &head);
    if (is_sound && head.reading == LW_ONNX_RECONSTRUCTION) {
        is_sound = lw_net_gains_load(head.n_dims, gains, reader);
    }
    head.n_bytes = lw_read_u32(reader);
    bytes = is_sound && head.n_bytes > 0 ? lw_read_view(reader, head.n_bytes) : NULL;
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "onnx: damaged: %zu columns, a file of %zu bytes",
                            head.n_dims, head.n_bytes);
    }
    st = lw_onnx_create(&head, "", bytes, &model, reterr);
    if (st == LW_EINVAL || st == LW_ELIMIT) { /* What fit would have refused. */
        st = LW_EFORMAT;
        if (reterr != NULL) {
            reterr->status = st;
        }
    }
    if (st == LW_OK) {
        if (head.reading == LW_ONNX_RECONSTRUCTION) {
            memcpy(model->gains, gains, head.n_dims * sizeof(*gains));
        }
        *ret_model = model;
    }
    return st;
}
