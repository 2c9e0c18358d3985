/* The table of sinks: see connect/sink.h. */
#include "connect/sink.h"

#include "connect/sink_alertmanager.h"
#include "connect/sink_file.h"
#include "connect/sink_webhook.h"

const struct lw_sink_class *const *lw_sink_classes(void)
{
    static const struct lw_sink_class *const CLASSES[] = {&lw_sink_alertmanager, &lw_sink_webhook,
                                                          &lw_sink_file, NULL};

    return CLASSES;
}
