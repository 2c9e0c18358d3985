/* JSON lines in a file or on the standard output: docs/sinks/file.md. */
#ifndef LW_CONNECT_SINK_FILE_H
#define LW_CONNECT_SINK_FILE_H

#include "connect/sink.h"

extern const struct lw_sink_class lw_sink_file;

#endif
