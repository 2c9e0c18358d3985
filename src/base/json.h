/*
 * Writes JSON (RFC 8259) into a growing buffer; commas, colons and escapes are its business.
 *
 *     lw_json_begin_object(&json);
 *     lw_json_key(&json, "rows");
 *     lw_json_int(&json, 12);
 *     lw_json_end(&json);
 *
 * As with the byte writer, the first failure is remembered and checked once at the end. A call that
 * would make the text no JSON (a value without a key, an end without a begin) is a mistake of ours:
 * it is asserted.
 */
#ifndef LW_BASE_JSON_H
#define LW_BASE_JSON_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_JSON_DEPTH_MAX 32

struct lw_json {
    struct lw_writer out; /* The text so far: out.data, out.n_bytes, not terminated; out.status is
                             LW_OK or LW_ENOMEM. */
    int depth;
    uint32_t is_object;   /* Bit d: the container at depth d + 1 is an object. */
    uint32_t has_members; /* Bit d: it has one already, so the next needs a comma. */
    bool has_key;         /* A key was written and waits for its value. */
};

void lw_json_init(struct lw_json *json);
void lw_json_fini(struct lw_json *json);
/* Forget the text, keep the memory. */
void lw_json_reset(struct lw_json *json);
void lw_json_begin_object(struct lw_json *json);
void lw_json_begin_array(struct lw_json *json);
/* Ends the innermost object or array. */
void lw_json_end(struct lw_json *json);
void lw_json_key(struct lw_json *json, const char *key);
/* NULL writes null. Bytes that are no UTF-8 become U+FFFD. */
void lw_json_text(struct lw_json *json, const char *text);
void lw_json_text_n(struct lw_json *json, const char *text, size_t n_bytes);
/* Shortest digits that read back the same; NaN and infinities, which JSON has not, become null. */
void lw_json_number(struct lw_json *json, double value);
/* The same of a float: the fewest digits from 6 on that read back as the same float. */
void lw_json_float(struct lw_json *json, float value);
void lw_json_int(struct lw_json *json, int64_t value);
void lw_json_bool(struct lw_json *json, bool value);
void lw_json_null(struct lw_json *json);
/* A value that is JSON already, copied as it is. */
void lw_json_raw(struct lw_json *json, const char *text, size_t n_bytes);
/* The text, terminated; NULL after a failure. Borrowed until the next call on json. */
const char *lw_json_peek(struct lw_json *json);

#endif
