/* The push protocols there are. Add yours to the list; routes, feeds, counters and the reference
 * page follow. */
#include "connect/push.h"

#include "connect/csv_push.h"
#include "connect/influx/influx_push.h"
#include "connect/json_push.h"
#include "connect/otlp/push_otlp.h"
#include "connect/remote_write/remote_write.h"

static const struct lw_push_class *const CLASSES[] = {
    &lw_remote_write_class, &lw_push_otlp, &lw_push_influx, &lw_push_json, &lw_push_csv, NULL,
};

const struct lw_push_class *const *lw_push_classes(void)
{
    return CLASSES;
}
