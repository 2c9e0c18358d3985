/* XXH3 of libxxhash: see store/fixed.h. */
#include "store/fixed.h"

#include <xxhash.h>

uint64_t lw_checksum(const void *bytes, size_t n_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n_bytes, seed);
}
