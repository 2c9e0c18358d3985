/* An anomaly with its names as bytes: see engine/anomaly_view.h. */
#include "engine/anomaly_view.h"

#include <string.h>

#define TYPES_MAX 16

void lw_anomaly_view_write(const struct lw_anomaly_view *view, struct lw_writer *writer)
{
    const struct lw_anomaly *anomaly = &view->anomaly;

    lw_write_text(writer, view->detector);
    lw_write_text(writer, view->entity);
    lw_write_text(writer, view->sentence);
    lw_write_u64(writer, view->change);
    lw_write_u64(writer, anomaly->id);
    lw_write_u8(writer, anomaly->phase);
    lw_write_u8(writer, anomaly->type);
    lw_write_i64(writer, anomaly->start_ns);
    lw_write_i64(writer, anomaly->last_ns);
    lw_write_i64(writer, anomaly->peak_ns);
    lw_write_f32(writer, anomaly->peak_score);
    lw_write_f32(writer, anomaly->return_rows);
    lw_write_u32(writer, anomaly->n_steps);
    lw_write_u32(writer, anomaly->n_contributions);
    for (uint32_t i = 0; i < anomaly->n_contributions; i++) {
        const struct lw_contribution *part = &anomaly->contributions[i];

        lw_write_u32(writer, part->series);
        lw_write_f32(writer, part->share);
        lw_write_f32(writer, part->value);
        lw_write_f32(writer, part->expected);
        lw_write_text(writer, view->series[i]);
    }
}

void lw_anomaly_view_read(struct lw_anomaly_view *view, struct lw_reader *reader)
{
    struct lw_anomaly *anomaly = &view->anomaly;

    memset(view, 0, sizeof(*view));
    view->entity_number = UINT32_MAX;
    lw_read_text(reader, view->detector, sizeof(view->detector));
    lw_read_text(reader, view->entity, sizeof(view->entity));
    lw_read_text(reader, view->sentence, sizeof(view->sentence));
    view->change = lw_read_u64(reader);
    anomaly->id = lw_read_u64(reader);
    anomaly->phase = lw_read_u8(reader);
    anomaly->type = lw_read_u8(reader);
    anomaly->start_ns = lw_read_i64(reader);
    anomaly->last_ns = lw_read_i64(reader);
    anomaly->peak_ns = lw_read_i64(reader);
    anomaly->peak_score = lw_read_f32(reader);
    anomaly->return_rows = lw_read_f32(reader);
    anomaly->n_steps = lw_read_u32(reader);
    anomaly->n_contributions = lw_read_u32(reader);
    if (anomaly->n_contributions > LW_CONTRIBUTIONS_MAX || anomaly->type >= TYPES_MAX ||
        anomaly->phase < LW_ANOMALY_OPENED || anomaly->phase > LW_ANOMALY_CLOSED) {
        reader->status = LW_EFORMAT;
        anomaly->n_contributions = 0;
    }
    for (uint32_t i = 0; i < anomaly->n_contributions; i++) {
        struct lw_contribution *part = &anomaly->contributions[i];

        part->series = lw_read_u32(reader);
        part->share = lw_read_f32(reader);
        part->value = lw_read_f32(reader);
        part->expected = lw_read_f32(reader);
        lw_read_text(reader, view->series[i], sizeof(view->series[i]));
    }
}
