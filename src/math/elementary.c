/*
 * exp and log from polynomials.
 *
 * log: x = m 2^e with m in [sqrt(1/2), sqrt(2)), s = (m-1)/(m+1), log m = 2 (s + s^3/3 + ... +
 * s^21/21): |s| < 0.1716, so the first term left out is below 2^-58. exp: x = k ln 2 + r with |r|
 * <= 0.3466, e^r by its Taylor series up to r^13 (r^14/14! < 2^-57), ln 2 split in two parts so
 * that k ln 2 is exact (Cody and Waite, "Software Manual for the Elementary Functions", 1980).
 */
#include "math/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double LN2_HIGH = 0x1.62e42fee00000p-1;
static const double LN2_LOW = 0x1.a39ef35793c76p-33;
static const double LOG2_E = 0x1.71547652b82fep+0;
static const double LN2 = 0x1.62e42fefa39efp-1;
static const double LOG10_E = 0x1.bcb7b1526e50ep-2;

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

double lw_log(double x)
{
    static const double inverse_odd[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                         1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
    int64_t exponent = 0;
    uint64_t bits;
    double m, s, z, sum;

    if (!(x > 0.0)) {
        return x == 0.0 ? -INFINITY : NAN;
    }
    if (x > 0x1.fffffffffffffp+1023) {
        return x;
    }
    if (x < 0x1p-1022) {
        x *= 0x1p+54;
        exponent = -54;
    }
    bits = bits_of(x);
    exponent += (int64_t)(bits >> 52) - 1023;
    m = of_bits((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        exponent += 1;
    }
    s = (m - 1.0) / (m + 1.0);
    z = s * s;
    sum = inverse_odd[0];
    for (unsigned i = 1; i < sizeof(inverse_odd) / sizeof(inverse_odd[0]); i++) {
        sum = sum * z + inverse_odd[i];
    }
    sum = 2.0 * s + 2.0 * s * (z * sum);
    return (double)exponent * LN2_HIGH + (sum + (double)exponent * LN2_LOW);
}

double lw_exp(double x)
{
    static const double inverse_factorial[] = {
        1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
        1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
        1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
    double k, r, sum;
    int64_t n;

    if (x != x) {
        return x;
    }
    if (x > 709.782712893384) {
        return INFINITY;
    }
    if (x < -745.2) {
        return 0.0;
    }
    k = floor(x * LOG2_E + 0.5);
    r = (x - k * LN2_HIGH) - k * LN2_LOW;
    sum = inverse_factorial[0];
    for (unsigned i = 1; i < sizeof(inverse_factorial) / sizeof(inverse_factorial[0]); i++) {
        sum = sum * r + inverse_factorial[i];
    }
    sum = 1.0 + (r + r * r * sum);
    n = (int64_t)k;
    if (n > 1000) {
        return sum * of_bits((uint64_t)(n - 1 + 1023) << 52) * 2.0;
    }
    if (n < -1000) {
        return sum * of_bits((uint64_t)(n + 100 + 1023) << 52) * 0x1p-100;
    }
    return sum * of_bits((uint64_t)(n + 1023) << 52);
}

double lw_exp2(double x)
{
    return lw_exp(x * LN2);
}

double lw_log10(double x)
{
    return lw_log(x) * LOG10_E;
}
