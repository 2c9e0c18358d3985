/*
 * The kernels' only source, included once for each instruction set with LW_KERNELS_TABLE and
 * LW_KERNELS_NAME defined.
 *
 * A lane is 32 bits wide and there are always 8: the compiler splits them over narrower registers
 * or halves wider ones, but the operations on each lane, and the order in which lanes are added at
 * the end, never change.
 */
#include "math/kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE__)
#include <immintrin.h>
#endif

typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
/* For kernels whose every output has a lane of its own: as wide as the registers. */
#if defined(__AVX512F__)
#define WIDE_LANES 16
#elif defined(__AVX2__)
#define WIDE_LANES 8
#else
#define WIDE_LANES 4
#endif
typedef float f32_wide __attribute__((vector_size(4 * WIDE_LANES)));
typedef int32_t i32_wide __attribute__((vector_size(4 * WIDE_LANES)));

#define KERNEL_INLINE static inline __attribute__((always_inline))

KERNEL_INLINE void lanes_load(f32x8 *ret, const float *from)
{
    memcpy(ret, from, sizeof(*ret));
}

/* ((0+4)+(2+6)) + ((1+5)+(3+7)): a tree, the same for all. */
KERNEL_INLINE float lanes_sum(const f32x8 *v)
{
    const f32x8 x = *v;

    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

static float kernel_dot(const float *a, const float *b, size_t n)
{
    f32x8 sum = {0}, x, y;
    size_t i = 0;
    float rest = 0.0f;

    for (; i + LW_LANES <= n; i += LW_LANES) {
        lanes_load(&x, a + i);
        lanes_load(&y, b + i);
        sum += x * y;
    }
    for (; i < n; i++) {
        rest += a[i] * b[i];
    }
    return lanes_sum(&sum) + rest;
}

static float kernel_distance_squared(const float *a, const float *b, size_t n)
{
    f32x8 sum = {0}, x, y;
    size_t i = 0;
    float rest = 0.0f;

    for (; i + LW_LANES <= n; i += LW_LANES) {
        lanes_load(&x, a + i);
        lanes_load(&y, b + i);
        x -= y;
        sum += x * x;
    }
    for (; i < n; i++) {
        rest += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return lanes_sum(&sum) + rest;
}

static void kernel_add_scaled(float *y, const float *x, float scale, size_t n)
{
    f32x8 a, b;
    size_t i = 0;

    for (; i + LW_LANES <= n; i += LW_LANES) {
        lanes_load(&a, y + i);
        lanes_load(&b, x + i);
        a += b * scale;
        memcpy(y + i, &a, sizeof(a));
    }
    for (; i < n; i++) {
        y[i] += scale * x[i];
    }
}

/* Every lane becomes the least of all: three exchanges, no branch. */
KERNEL_INLINE void lanes_least(f32x8 *v)
{
    f32x8 other = __builtin_shufflevector(*v, *v, 4, 5, 6, 7, 0, 1, 2, 3);
    i32x8 pick = other < *v;

    *v = (f32x8)(((i32x8)other & pick) | ((i32x8)*v & ~pick));
    other = __builtin_shufflevector(*v, *v, 2, 3, 0, 1, 6, 7, 4, 5);
    pick = other < *v;
    *v = (f32x8)(((i32x8)other & pick) | ((i32x8)*v & ~pick));
    other = __builtin_shufflevector(*v, *v, 1, 0, 3, 2, 5, 4, 7, 6);
    pick = other < *v;
    *v = (f32x8)(((i32x8)other & pick) | ((i32x8)*v & ~pick));
}

KERNEL_INLINE void lanes_least_index(i32x8 *v)
{
    i32x8 other = __builtin_shufflevector(*v, *v, 4, 5, 6, 7, 0, 1, 2, 3);
    i32x8 pick = other < *v;

    *v = (other & pick) | (*v & ~pick);
    other = __builtin_shufflevector(*v, *v, 2, 3, 0, 1, 6, 7, 4, 5);
    pick = other < *v;
    *v = (other & pick) | (*v & ~pick);
    other = __builtin_shufflevector(*v, *v, 1, 0, 3, 2, 5, 4, 7, 6);
    pick = other < *v;
    *v = (other & pick) | (*v & ~pick);
}

static float kernel_nearest(const float *values, size_t n, float point, size_t *ret_index)
{
    const i32x8 absolute = {0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF,
                            0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF};
    const i32x8 lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    const i32x8 none = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX,
                        INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    f32x8 best, distance, least;
    i32x8 at = {0}, now = {0}, closer;

    lanes_load(&best, values);
    best = (f32x8)((i32x8)(best - point) & absolute);
    for (size_t i = LW_LANES; i < n; i += LW_LANES) {
        lanes_load(&distance, values + i);
        distance = (f32x8)((i32x8)(distance - point) & absolute);
        now += (int32_t)LW_LANES;
        closer = distance < best;
        best = (f32x8)(((i32x8)distance & closer) | ((i32x8)best & ~closer));
        at = (now & closer) | (at & ~closer);
    }
    least = best;
    lanes_least(&least);
    /* Lanes that hold the least name their index, the others the largest there is. */
    at += lanes;
    closer = best == least;
    at = (at & closer) | (none & ~closer);
    lanes_least_index(&at);
    *ret_index = (size_t)at[0] < n ? (size_t)at[0] : 0; /* NaN is nobody's nearest. */
    return least[0];
}

static void kernel_extremes(const float *values, size_t n, float *ret_least, float *ret_greatest)
{
    f32x8 least, greatest, x;
    i32x8 pick;

    lanes_load(&least, values);
    greatest = least;
    for (size_t i = LW_LANES; i < n; i += LW_LANES) {
        lanes_load(&x, values + i);
        pick = x < least;
        least = (f32x8)(((i32x8)x & pick) | ((i32x8)least & ~pick));
        pick = x > greatest;
        greatest = (f32x8)(((i32x8)x & pick) | ((i32x8)greatest & ~pick));
    }
    *ret_least = least[0];
    *ret_greatest = greatest[0];
    for (size_t lane = 1; lane < LW_LANES; lane++) {
        *ret_least = least[lane] < *ret_least ? least[lane] : *ret_least;
        *ret_greatest = greatest[lane] > *ret_greatest ? greatest[lane] : *ret_greatest;
    }
}

KERNEL_INLINE void wide_load(f32_wide *ret, const float *from)
{
    memcpy(ret, from, sizeof(*ret));
}

/* Adds the column times x to the sum. */
KERNEL_INLINE void wide_add_scaled(f32_wide *sum, const float *column, float x)
{
    f32_wide part;

    wide_load(&part, column);
    *sum += part * x;
}

/* Four vectors of outputs at a time stay in registers while all inputs go by. They have a name
 * each, for the compiler keeps an array of vectors in memory. */
static void kernel_product(const float *m, const float *x, size_t n, size_t n_out, float *y)
{
    size_t o = 0;

    for (; o + 4 * WIDE_LANES <= n_out; o += 4 * WIDE_LANES) {
        f32_wide sum0, sum1, sum2, sum3;

        wide_load(&sum0, y + o);
        wide_load(&sum1, y + o + WIDE_LANES);
        wide_load(&sum2, y + o + 2 * WIDE_LANES);
        wide_load(&sum3, y + o + 3 * WIDE_LANES);
        for (size_t i = 0; i < n; i++) {
            const float *column = m + i * n_out + o;

            wide_add_scaled(&sum0, column, x[i]);
            wide_add_scaled(&sum1, column + WIDE_LANES, x[i]);
            wide_add_scaled(&sum2, column + 2 * WIDE_LANES, x[i]);
            wide_add_scaled(&sum3, column + 3 * WIDE_LANES, x[i]);
        }
        memcpy(y + o, &sum0, sizeof(sum0));
        memcpy(y + o + WIDE_LANES, &sum1, sizeof(sum1));
        memcpy(y + o + 2 * WIDE_LANES, &sum2, sizeof(sum2));
        memcpy(y + o + 3 * WIDE_LANES, &sum3, sizeof(sum3));
    }
    for (; o < n_out; o += LW_LANES) {
        f32x8 sum, column;

        lanes_load(&sum, y + o);
        for (size_t i = 0; i < n; i++) {
            lanes_load(&column, m + i * n_out + o);
            sum += column * x[i];
        }
        memcpy(y + o, &sum, sizeof(sum));
    }
}

/* Adds (points[p] - x)^2 to the sum. */
KERNEL_INLINE void wide_add_square(f32_wide *sum, const float *points, float x)
{
    f32_wide part;

    wide_load(&part, points);
    part -= x;
    *sum += part * part;
}

static void kernel_distances(const float *points, const float *x, size_t n, size_t n_points,
                             float *d)
{
    size_t p = 0;

    for (; p + 4 * WIDE_LANES <= n_points; p += 4 * WIDE_LANES) {
        f32_wide sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};

        for (size_t i = 0; i < n; i++) {
            const float *at = points + i * n_points + p;

            wide_add_square(&sum0, at, x[i]);
            wide_add_square(&sum1, at + WIDE_LANES, x[i]);
            wide_add_square(&sum2, at + 2 * WIDE_LANES, x[i]);
            wide_add_square(&sum3, at + 3 * WIDE_LANES, x[i]);
        }
        memcpy(d + p, &sum0, sizeof(sum0));
        memcpy(d + p + WIDE_LANES, &sum1, sizeof(sum1));
        memcpy(d + p + 2 * WIDE_LANES, &sum2, sizeof(sum2));
        memcpy(d + p + 3 * WIDE_LANES, &sum3, sizeof(sum3));
    }
    for (; p < n_points; p += LW_LANES) {
        f32x8 sum = {0}, part;

        for (size_t i = 0; i < n; i++) {
            lanes_load(&part, points + i * n_points + p);
            part -= x[i];
            sum += part * part;
        }
        memcpy(d + p, &sum, sizeof(sum));
    }
}

/* The k-th least is the greatest that fewer than k are less than: each goes by all lanes, which
 * count how many are less than their own. */
static float minima_bound(const float *minima, size_t k)
{
    f32_wide bound = (f32_wide){0} - INFINITY;
    float greatest = -INFINITY;

    for (size_t v = 0; v < LW_GROUPS; v += WIDE_LANES) {
        f32_wide own;
        i32_wide n_less = {0}, n_less_too = {0}, pick;

        wide_load(&own, minima + v);
        for (size_t i = 0; i < LW_GROUPS; i += 2) {
            n_less -= minima[i] < own;
            n_less_too -= minima[i + 1] < own;
        }
        pick = (n_less + n_less_too < (int32_t)k) & (own > bound);
        bound = (f32_wide)(((i32_wide)own & pick) | ((i32_wide)bound & ~pick));
    }
    for (size_t lane = 0; lane < WIDE_LANES; lane++) {
        greatest = bound[lane] > greatest ? bound[lane] : greatest;
    }
    return greatest + 0.0f; /* One zero, whichever lane it came from. */
}

/* Group by group, as many as a vector has. */
static float kernel_minima(const float *values, size_t n, size_t k, float *ret_minima)
{
    for (size_t group = 0; group < LW_GROUPS; group += WIDE_LANES) {
        f32_wide least = (f32_wide){0} + INFINITY, x;
        i32_wide pick;

        for (size_t i = group; i < n; i += LW_GROUPS) {
            wide_load(&x, values + i);
            pick = x < least;
            least = (f32_wide)(((i32_wide)x & pick) | ((i32_wide)least & ~pick));
        }
        memcpy(ret_minima + group, &least, sizeof(least));
    }
    return k == 0 ? INFINITY : minima_bound(ret_minima, k);
}

/* The lanes of b where the mask is set, of a elsewhere. */
KERNEL_INLINE void lanes_pick(f32x8 *a, const i32x8 *mask, const f32x8 *b)
{
    *a = (f32x8)(((i32x8)*b & *mask) | ((i32x8)*a & ~*mask));
}

/* 2^k e^r with x = k ln 2 + r and |r| <= ln(2) / 2: the series of e^r up to r^7, whose rest is
 * below 3e-9; ln 2 in two parts, so that r keeps its bits. */
KERNEL_INLINE void lanes_exp(f32x8 *x)
{
    const f32x8 zero = {0}, least = zero - 87.0f, greatest = zero + 88.0f, nothing = zero;
    const f32x8 given = *x;
    i32x8 below = given<least, above = given> greatest;
    i32x8 is_nan = given != given; /* NOLINT(misc-redundant-expression): so only NaN is. */
    i32x8 whole;
    f32x8 k, r, e;

    lanes_pick(x, &below, &least);
    lanes_pick(x, &above, &greatest);
    lanes_pick(x, &is_nan, &nothing);
    k = *x * 1.44269504f + 12582912.0f; /* Adding 1.5 2^23 rounds to a whole number. */
    whole = (i32x8)k - 0x4B400000;
    k -= 12582912.0f;
    r = (*x - k * 0.693359375f) + k * 2.12194440e-4f;
    e = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
    e = e * r + 1.0f / 120.0f;
    e = e * r + 1.0f / 24.0f;
    e = e * r + 1.0f / 6.0f;
    e = e * r + 0.5f;
    e = (e * r) * r + r + 1.0f;
    *x = e * (f32x8)((whole + 127) << 23);
    lanes_pick(x, &below, &nothing);
    lanes_pick(x, &is_nan, &given);
}

static void kernel_exp(float *values, size_t n)
{
    f32x8 x;

    for (size_t i = 0; i < n; i += LW_LANES) {
        lanes_load(&x, values + i);
        lanes_exp(&x);
        memcpy(values + i, &x, sizeof(x));
    }
}

static void kernel_sigmoid(float *values, size_t n)
{
    f32x8 x;

    for (size_t i = 0; i < n; i += LW_LANES) {
        lanes_load(&x, values + i);
        x = -x;
        lanes_exp(&x);
        x = 1.0f / (1.0f + x);
        memcpy(values + i, &x, sizeof(x));
    }
}

/* 1 - 2 / (e^2x + 1). */
static void kernel_tanh(float *values, size_t n)
{
    f32x8 x;

    for (size_t i = 0; i < n; i += LW_LANES) {
        lanes_load(&x, values + i);
        x += x;
        lanes_exp(&x);
        x = 1.0f - 2.0f / (x + 1.0f);
        memcpy(values + i, &x, sizeof(x));
    }
}

/* ln(1 + y), y >= 0: 1 + y = m 2^k with m in [sqrt(1/2), sqrt(2)), ln m = 2 (s + s^3 / 3 + ...)
 * with s = (m - 1) / (m + 1), |s| < 0.172: the first term left out is below 7e-10. Where k is 0, m
 * - 1 is y itself, so that small y keep their digits. */
KERNEL_INLINE void lanes_log_of_more(f32x8 *y)
{
    const f32x8 more = *y + 1.0f;
    /* As if sqrt(1/2) were the power of two below: k is what its exponent says of m. */
    const i32x8 k = (((i32x8)more - 0x3F3504F3) >> 23);
    const i32x8 is_small = k == 0;
    const f32x8 whole = __builtin_convertvector(k, f32x8);
    f32x8 s = (f32x8)((i32x8)more - (k << 23)) - 1.0f, z, sum;

    lanes_pick(&s, &is_small, y);
    s /= s + 2.0f;
    z = s * s;
    sum = z * (1.0f / 9.0f) + 1.0f / 7.0f;
    sum = sum * z + 1.0f / 5.0f;
    sum = sum * z + 1.0f / 3.0f;
    sum = sum * z * s;
    *y = whole * 0.693359375f + (2.0f * s + (2.0f * sum - whole * 2.12194440e-4f));
}

/* Square roots, which IEEE 754 rounds the same everywhere; none below 0. */
KERNEL_INLINE void lanes_sqrt(f32x8 *x)
{
#if defined(__AVX__)
    *x = (f32x8)_mm256_sqrt_ps((__m256)*x);
#elif defined(__SSE__)
    __m128 half[2];

    memcpy(half, x, sizeof(*x));
    half[0] = _mm_sqrt_ps(half[0]);
    half[1] = _mm_sqrt_ps(half[1]);
    memcpy(x, half, sizeof(*x));
#else
    for (int lane = 0; lane < LW_LANES; lane++) {
        (*x)[lane] = sqrtf((*x)[lane]);
    }
#endif
}

/* asinh u = ln(1 + u + u^2 / (1 + sqrt(1 + u^2))), of the size of x; 1 is lost above 2^30. */
KERNEL_INLINE void lanes_compress(f32x8 *x)
{
    const i32x8 sign_bit = (i32x8){0} + INT32_MIN;
    const i32x8 sign = (i32x8)*x & sign_bit;
    const f32x8 size = (f32x8)((i32x8)*x & ~sign_bit), u = size * (1.0f / 3.0f);
    const i32x8 is_far = u > 0x1p+30f, is_odd = ~(size <= 3.4028235e38f);
    f32x8 square = u * u, root, y;

    root = square + 1.0f;
    lanes_sqrt(&root);
    y = u + square / (root + 1.0f);
    square = u + u;
    lanes_pick(&y, &is_far, &square);
    lanes_log_of_more(&y);
    y *= 3.0f;
    lanes_pick(&y, &is_odd, &size);
    *x = (f32x8)((i32x8)y | sign);
}

static void kernel_compress(float *values, size_t n)
{
    f32x8 x;
    size_t i = 0;

    for (; i + LW_LANES <= n; i += LW_LANES) {
        lanes_load(&x, values + i);
        lanes_compress(&x);
        memcpy(values + i, &x, sizeof(x));
    }
    if (i < n) {
        x = (f32x8){0};
        memcpy(&x, values + i, (n - i) * sizeof(*values));
        lanes_compress(&x);
        memcpy(values + i, &x, (n - i) * sizeof(*values));
    }
}

static float kernel_reach(const float *least, const float *greatest, const float *row, size_t n)
{
    f32x8 sum = {0}, a, b, x;

    for (size_t i = 0; i < n; i += LW_LANES) {
        lanes_load(&a, least + i);
        lanes_load(&b, greatest + i);
        lanes_load(&x, row + i);
        a -= x;
        x -= b;
        a = (f32x8)((i32x8)a & (a > 0.0f));
        x = (f32x8)((i32x8)x & (x > 0.0f));
        sum += a + x;
    }
    return lanes_sum(&sum);
}

static float kernel_join(float *box, const float *const *sides, size_t n, bool *ret_changes)
{
    f32x8 sum = {0}, a, b, c, d;
    i32x8 old_a, old_b, first, changes = {0};
    int64_t words[4];

    for (size_t i = 0; i < n; i += LW_LANES) {
        lanes_load(&a, sides[0] + i);
        lanes_load(&b, sides[1] + i);
        lanes_load(&c, sides[2] + i);
        lanes_load(&d, sides[3] + i);
        memcpy(&old_a, box + i, sizeof(old_a));
        memcpy(&old_b, box + n + i, sizeof(old_b));
        first = c < a;
        a = (f32x8)(((i32x8)c & first) | ((i32x8)a & ~first));
        first = d > b;
        b = (f32x8)(((i32x8)d & first) | ((i32x8)b & ~first));
        changes |= ((i32x8)a ^ old_a) | ((i32x8)b ^ old_b);
        memcpy(box + i, &a, sizeof(a));
        memcpy(box + n + i, &b, sizeof(b));
        sum += b - a;
    }
    memcpy(words, &changes, sizeof(words));
    *ret_changes = (words[0] | words[1] | words[2] | words[3]) != 0;
    return lanes_sum(&sum);
}

#include "math/shapley_body.h"

const struct lw_kernels LW_KERNELS_TABLE = {
    .name = LW_KERNELS_NAME,
    .dot = kernel_dot,
    .distance_squared = kernel_distance_squared,
    .add_scaled = kernel_add_scaled,
    .nearest = kernel_nearest,
    .product = kernel_product,
    .distances = kernel_distances,
    .exp = kernel_exp,
    .sigmoid = kernel_sigmoid,
    .tanh = kernel_tanh,
    .compress = kernel_compress,
    .extremes = kernel_extremes,
    .minima = kernel_minima,
    .reach = kernel_reach,
    .join = kernel_join,
    .shapley = kernel_shapley,
};
