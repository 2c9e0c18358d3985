/*
 * Undoing the Content-Encoding of a body, within a bound: snappy (the block format), gzip, deflate.
 *
 * Snappy says beforehand how large the result is, and that is checked before memory is asked for;
 * the others are unpacked piece by piece, into memory that doubles up to the bound.
 */
#ifndef LW_SERVE_UNPACK_H
#define LW_SERVE_UNPACK_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

/* Memory that is used again; zeroed at first. */
struct lw_unpacked {
    uint8_t *bytes;
    size_t n_bytes, capacity;
};

/*
 * LW_OK; LW_EFORMAT for what is not so encoded, or cut off; LW_ELIMIT beyond bytes_max; LW_EINVAL
 * for an encoding not named above; LW_ENOMEM.
 */
enum lw_status lw_unpack(const char *encoding, const uint8_t *packed, size_t n_packed,
                         size_t bytes_max, struct lw_unpacked *unpacked,
                         struct lw_error *reterr) LW_MUST_USE;
void lw_unpacked_fini(struct lw_unpacked *unpacked);

#endif
