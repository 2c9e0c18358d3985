/*
 * A request of OTLP metrics in JSON, made into the same request in protobuf, which otlp_metrics
 * reads: so what a metric means is said once, and a series sent either way is one series.
 *
 * It follows proto3's JSON with OTLP's own rules: keys in lowerCamelCase only, enums as numbers
 * only, 64-bit integers as texts or numbers, doubles also as "NaN", "Infinity", "-Infinity" and
 * numbers in quotes, bytes in base64; null is as if the key were not there; unknown keys are passed
 * over, but must be JSON. Only the fields that otlp_metrics reads are made.
 */
#ifndef LW_CONNECT_OTLP_JSON_H
#define LW_CONNECT_OTLP_JSON_H

#include "base/bytes.h"
#include "lapwing/status.h"

/*
 * @param ret_message  An initialised writer: the message is added to it.
 * @return LW_OK; LW_EFORMAT: no JSON, or not of that form, with the byte where it happened;
 *         LW_ENOMEM.
 */
enum lw_status lw_otlp_json_read(const char *text, size_t n_bytes, struct lw_writer *ret_message,
                                 struct lw_error *reterr) LW_MUST_USE;

#endif
