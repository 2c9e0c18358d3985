/*
 * A 64-bit hash of bytes: the same on every machine, for hash tables, routing by key and checksums
 * of our formats.
 *
 * Not cryptographic: whoever may choose the keys may make them collide, so tables that hold foreign
 * keys are bounded.
 */
#ifndef LW_BASE_HASH_H
#define LW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Hash of n_bytes (may be 0, then bytes may be NULL). As a checksum of pieces, give the last
 * piece's hash as the next one's seed; the same bytes in other pieces then hash differently.
 */
uint64_t lw_hash_bytes(const void *bytes, size_t n_bytes, uint64_t seed);

#endif
