/*
 * InfluxDB's write API, version 1 (/write) and 2 (/api/v2/write), as a push source.
 *
 * Each field that is a number or a boolean is a sample of the series measurement_field
 * (measurement, where the field is called "value") with the tags as labels. Texts are counted and
 * passed over. Lines that cannot be taken are refused with their number; the others of the request
 * are kept, also in version 2, where InfluxDB would keep none. /query answers CREATE DATABASE,
 * which clients of version 1 send before they write, and nothing else.
 */
#ifndef LW_CONNECT_INFLUX_INFLUX_PUSH_H
#define LW_CONNECT_INFLUX_INFLUX_PUSH_H

#include "connect/push.h"

/* The InfluxDB whose write API this is, as clients ask for it: field X-Influxdb-Version of answers,
 * of /ping too. */
#define LW_INFLUX_VERSION "1.8.10"

extern const struct lw_push_class lw_push_influx;

#endif
