/*
 * Our own exp and log: the same bits on every machine and compiler, because libm's differ between
 * versions.
 *
 * Errors stay below 2 units in the last place over the whole range (tests compare with long
 * double). Only +, -, *, / and integer operations are used, in a fixed order; the build forbids
 * contraction. sqrt, floor and fabs of libm are exact by IEEE 754 and used as they are.
 */
#ifndef LW_MATH_ELEMENTARY_H
#define LW_MATH_ELEMENTARY_H

/* e^x; 0 below about -745, +inf above about 709.78, NaN for NaN. */
double lw_exp(double x);
/* Natural logarithm; -inf for 0, NaN below 0 and for NaN, +inf for +inf. */
double lw_log(double x);
/* 2^x and base-10 logarithm, made of the two above. */
double lw_exp2(double x);
double lw_log10(double x);

#endif
