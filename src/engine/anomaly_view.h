/*
 * An anomaly with its names as bytes: in saved states and in the outbox.
 */
#ifndef LW_ENGINE_ANOMALY_VIEW_H
#define LW_ENGINE_ANOMALY_VIEW_H

#include "base/bytes.h"
#include "lapwing/engine.h"

void lw_anomaly_view_write(const struct lw_anomaly_view *view, struct lw_writer *writer);
/* What is no anomaly leaves the reader with LW_EFORMAT. The entity's number is not part of the
 * bytes: it becomes UINT32_MAX. */
void lw_anomaly_view_read(struct lw_anomaly_view *view, struct lw_reader *reader);

#endif
