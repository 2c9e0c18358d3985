/* asinh and sinh from lw_log, lw_exp and sqrt: the same bits on every machine. Errors stay below 8
 * units in the last place. */
#ifndef LW_MATH_HYPERBOLIC_H
#define LW_MATH_HYPERBOLIC_H

/* Odd; linear near 0, a logarithm far away. NaN for NaN, infinite for infinite. */
double lw_asinh(double x);
/* Its inverse; infinite above about 710. */
double lw_sinh(double x);

#endif
