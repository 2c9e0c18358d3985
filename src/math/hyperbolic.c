/*
 * asinh x = ln(x + sqrt(x^2 + 1)) loses all digits near 0, where its Taylor series takes over; far
 * away 1 is lost beside x^2. sinh x = (e^x - e^-x) / 2 likewise.
 */
#include "math/hyperbolic.h"

#include "math/elementary.h"

#include <math.h>

#define SERIES_BELOW 0.25
#define LOG_ALONE_ABOVE 0x1p+30

/* Terms (-1)^k (2k)! / (4^k (k!)^2 (2k+1)) x^(2k+1): each is the one before times -x^2 (2k-1)^2 /
 * (2k (2k+1)). */
static double asinh_series(double x)
{
    static const double ratios[] = {1.0 / 6,     9.0 / 20,    25.0 / 42,   49.0 / 72,
                                    81.0 / 110,  121.0 / 156, 169.0 / 210, 225.0 / 272,
                                    289.0 / 342, 361.0 / 420, 441.0 / 506};
    double z = x * x;
    double sum = 0.0;

    for (int k = (int)(sizeof(ratios) / sizeof(ratios[0])) - 1; k >= 0; k--) {
        sum = -z * ratios[k] * (1.0 + sum);
    }
    return x + x * sum;
}

/* Terms x^(2k+1) / (2k+1)!. */
static double sinh_series(double x)
{
    static const double ratios[] = {1.0 / 6, 1.0 / 20, 1.0 / 42, 1.0 / 72, 1.0 / 110, 1.0 / 156};
    double z = x * x;
    double sum = 0.0;

    for (int k = (int)(sizeof(ratios) / sizeof(ratios[0])) - 1; k >= 0; k--) {
        sum = z * ratios[k] * (1.0 + sum);
    }
    return x + x * sum;
}

double lw_asinh(double x)
{
    double size = fabs(x);
    double y;

    if (!(size >= SERIES_BELOW)) {
        return asinh_series(x);
    }
    if (size > LOG_ALONE_ABOVE) {
        y = lw_log(size) + 0x1.62e42fefa39efp-1;
    } else {
        y = lw_log(size + sqrt(size * size + 1.0));
    }
    return copysign(y, x);
}

double lw_sinh(double x)
{
    double size = fabs(x);
    double half;

    if (!(size >= SERIES_BELOW)) {
        return sinh_series(x);
    }
    /* Halved before it is squared, so that what fits does not overflow on the way. */
    half = lw_exp(0.5 * size);
    return copysign(0.5 * half * half - 0.5 / half / half, x);
}
