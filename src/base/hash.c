/*
 * Multiply and fold.
 *
 * 16 bytes a round enter as the two factors of a 64 x 64 bit product, one of them with the state;
 * the halves of the 128-bit product are xored, so that every bit of both words reaches the middle
 * of the next state. The tail is padded with zeros and the length goes in first, so that padding
 * and missing bytes differ. Words are read as little-endian.
 */
#include "base/hash.h"

#include <string.h>

#define ROUND_BYTES 16
#define SALT_FIRST 0xA0761D6478BD642Fu
#define SALT_SECOND 0xE7037ED1A0B428DBu
#define SALT_LENGTH 0x8EBC6AF09C88C6E3u

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t product_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_round(uint64_t state, const uint8_t *bytes)
{
    return product_fold(word_at(bytes) ^ SALT_FIRST ^ state, word_at(bytes + 8) ^ SALT_SECOND) +
           state;
}

uint64_t lw_hash_bytes(const void *bytes, size_t n_bytes, uint64_t seed)
{
    const uint8_t *at = bytes;
    size_t left = n_bytes;
    uint64_t state = product_fold(seed ^ SALT_FIRST, (uint64_t)n_bytes ^ SALT_LENGTH) + seed;

    for (; left >= ROUND_BYTES; left -= ROUND_BYTES, at += ROUND_BYTES) {
        state = hash_round(state, at);
    }
    if (left > 0) {
        uint8_t tail[ROUND_BYTES] = {0};

        memcpy(tail, at, left);
        state = hash_round(state, tail);
    }
    return product_fold(state ^ SALT_SECOND, SALT_LENGTH) ^ state;
}
