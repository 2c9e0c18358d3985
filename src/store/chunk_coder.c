/*
 * Numbers are predicted, and what is left is coded by adaptive binary arithmetic coding.
 *
 * 1. y = (x - first) / divisor, where the divisor is what all differences have in common: pages of
 *    4,096 bytes, steps of 0.5, intervals of 60 s.
 * 2. A residual r of one of four predictions: the one before; the line through the two before
 *    (counters, times); a moving mean (noise around a level); one line for the whole stream
 *    (jitter around a schedule, whose errors do not add up).
 * 3. The residual is cut in the length of |r| in bits, the sign, the bit below the leading one, and
 *    the rest. The first three are coded with adaptive probabilities whose context is how long the
 *    last residuals were; the rest is as good as random and goes to a second stream as it is.
 *
 * A run of equal numbers so costs a fiftieth of a bit each, rare jumps among them only themselves,
 * and Gaussian noise about 0.1 bits more than its entropy. Probabilities begin at one half and
 * adapt by 1/(n + 1.5) after n decisions, at the least by 1/40, so 50 samples are enough to learn
 * from.
 *
 * The arithmetic coder is the carryless one of the PAQ family (M. Mahoney, "Adaptive weighing of
 * context models for lossless data compression", 2005): 32-bit bounds, the bytes both agree in
 * leave. Behind its end a stream is read as zeros, so trailing ones are not written.
 *
 * Layout of a stream: predictor (u8); first number (signed varint); unless all are equal: divisor
 * (varint), for a line slope and height (signed varints), bytes of the coded part (varint), the
 * coded part, the raw bits (lowest first).
 */
#include "store/chunk_coder.h"

#include "base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { PREDICT_EQUAL, PREDICT_LAST, PREDICT_TREND, PREDICT_MEAN, PREDICT_LINE, N_PREDICTORS };

#define N_CONTEXTS 4
#define LENGTHS 64
#define MEAN_SHIFT 2
/* A decision costs at most 11 bits and there are 9 a number; the raw bits are below 64. */
#define CODED_BYTES_MAX (LW_CHUNK_SAMPLES_MAX * 16)
#define RAW_BYTES_MAX (LW_CHUNK_SAMPLES_MAX * 8 + 16)

struct chance {
    uint16_t one; /* Of 65,536. */
    uint16_t n;   /* Decisions seen, up to the end of RATES. */
};

/* 65,536 / (n + 1.5), not below a 40th. */
static const uint16_t RATES[] = {
    43690, 26214, 18724, 14563, 11915, 10082, 8738, 7710, 6898, 6241, 5698, 5242, 4854,
    4519,  4228,  3971,  3744,  3542,  3360,  3196, 3048, 2912, 2789, 2674, 2570, 2473,
    2383,  2299,  2221,  2148,  2080,  2016,  1956, 1899, 1846, 1795, 1747, 1702, 1659,
};
#define RATES_LAST (sizeof(RATES) / sizeof(RATES[0]) - 1)

struct model {
    struct chance zero[N_CONTEXTS];
    struct chance length[N_CONTEXTS][LENGTHS];
    struct chance sign[3];
    struct chance below[LENGTHS + 1];
    unsigned mean_length; /* Of the last residuals, times 16. */
    unsigned last_length, last_sign;
};

struct lw_chunk_coder {
    int64_t numbers[LW_CHUNK_SAMPLES_MAX];
    uint64_t scaled[LW_CHUNK_SAMPLES_MAX];
    uint8_t coded[CODED_BYTES_MAX];
    uint8_t raw[RAW_BYTES_MAX];
};

struct lw_chunk_coder *lw_chunk_coder_create(void)
{
    return lw_mem_calloc(1, sizeof(struct lw_chunk_coder));
}

void lw_chunk_coder_destroy(struct lw_chunk_coder *coder)
{
    lw_mem_free(coder);
}

int64_t *lw_chunk_coder_numbers(struct lw_chunk_coder *coder)
{
    return coder->numbers;
}

void lw_write_varint(struct lw_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    while (value >= 128) {
        bytes[n++] = (uint8_t)(value | 128);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    lw_write_raw(writer, bytes, n);
}

uint64_t lw_read_varint(struct lw_reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = lw_read_u8(reader);

        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return value;
        }
    }
    reader->status = LW_EFORMAT;
    return 0;
}

void lw_write_signed(struct lw_writer *writer, int64_t value)
{
    lw_write_varint(writer, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

int64_t lw_read_signed(struct lw_reader *reader)
{
    uint64_t value = lw_read_varint(reader);

    return (int64_t)((value >> 1) ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

/* ---- prediction ---- */

static uint64_t magnitude(uint64_t residual)
{
    return residual >> 63 != 0 ? 0 - residual : residual;
}

static unsigned bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* What all differences to the first number have in common; 0 where there is no difference. */
static uint64_t numbers_divisor(const int64_t *numbers, size_t n)
{
    uint64_t divisor = 0;

    for (size_t i = 1; i < n && divisor != 1; i++) {
        uint64_t difference = magnitude((uint64_t)numbers[i] - (uint64_t)numbers[0]);

        if (difference != divisor && (divisor == 0 || difference % divisor != 0)) {
            divisor = common_divisor(difference, divisor);
        }
    }
    return divisor;
}

static void numbers_scale(const int64_t *numbers, size_t n, uint64_t divisor, uint64_t *ret_scaled)
{
    uint64_t first = (uint64_t)numbers[0];

    if (divisor == 1) {
        for (size_t i = 0; i < n; i++) {
            ret_scaled[i] = (uint64_t)numbers[i] - first;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t difference = (uint64_t)numbers[i] - first;
        uint64_t quotient = magnitude(difference) / divisor;

        ret_scaled[i] = difference >> 63 != 0 ? 0 - quotient : quotient;
    }
}

/* The state of a prediction; the same steps on both sides. */
struct prediction {
    uint64_t last, before, mean; /* mean: times 2^MEAN_SHIFT. */
    uint64_t line, slope;
};

static inline uint64_t prediction_next(const struct prediction *prediction, unsigned predictor)
{
    switch (predictor) {
    case PREDICT_LAST:
        return prediction->last;
    case PREDICT_TREND:
        return 2 * prediction->last - prediction->before;
    case PREDICT_MEAN:
        return (uint64_t)((int64_t)prediction->mean >> MEAN_SHIFT);
    default:
        return prediction->line;
    }
}

static inline void prediction_learn(struct prediction *prediction, uint64_t value)
{
    prediction->before = prediction->last;
    prediction->last = value;
    prediction->mean += value - (uint64_t)((int64_t)prediction->mean >> MEAN_SHIFT);
    prediction->line += prediction->slope;
}

static void prediction_init(struct prediction *prediction, const struct lw_chunk_plan *plan)
{
    memset(prediction, 0, sizeof(*prediction));
    prediction->slope = plan->slope;
    prediction->line = plan->height + plan->slope; /* At the second number: the first is known. */
}

/* The line from the first number to the last, and the mean distance to it. */
static void plan_line(const uint64_t *scaled, size_t n, struct lw_chunk_plan *plan)
{
    int64_t total = 0, steps = (int64_t)n - 1, span = (int64_t)scaled[n - 1];

    plan->slope = (uint64_t)(span / steps);
    for (size_t i = 1; i < n; i++) {
        total += (int64_t)(scaled[i] - i * plan->slope) / steps;
    }
    plan->height = (uint64_t)total;
}

/* About what the residual will cost. */
static inline unsigned residual_bits(uint64_t scaled, const struct prediction *prediction,
                                     unsigned predictor)
{
    unsigned length = bit_length(magnitude(scaled - prediction_next(prediction, predictor)));

    return length + (length > 0 ? 2 : 0);
}

void lw_chunk_plan(struct lw_chunk_coder *coder, const int64_t *numbers, size_t n,
                   struct lw_chunk_plan *ret_plan)
{
    uint64_t *scaled = coder->scaled, n_bits[N_PREDICTORS] = {0};
    struct prediction prediction;

    assert(n > 0 && n <= LW_CHUNK_SAMPLES_MAX);
    memset(ret_plan, 0, sizeof(*ret_plan));
    ret_plan->divisor = numbers_divisor(numbers, n);
    ret_plan->n_bits = 64;
    if (ret_plan->divisor == 0) {
        ret_plan->predictor = PREDICT_EQUAL;
        return;
    }
    numbers_scale(numbers, n, ret_plan->divisor, scaled);
    plan_line(scaled, n, ret_plan);
    prediction_init(&prediction, ret_plan);
    for (size_t i = 1; i < n; i++) {
        n_bits[PREDICT_LAST] += residual_bits(scaled[i], &prediction, PREDICT_LAST);
        n_bits[PREDICT_TREND] += residual_bits(scaled[i], &prediction, PREDICT_TREND);
        n_bits[PREDICT_MEAN] += residual_bits(scaled[i], &prediction, PREDICT_MEAN);
        n_bits[PREDICT_LINE] += residual_bits(scaled[i], &prediction, PREDICT_LINE);
        prediction_learn(&prediction, scaled[i]);
    }
    n_bits[PREDICT_LINE] += 40; /* It has a slope and a height to write. */
    ret_plan->predictor = PREDICT_LAST;
    for (unsigned p = PREDICT_LAST; p < N_PREDICTORS; p++) {
        if (n_bits[p] < n_bits[ret_plan->predictor]) {
            ret_plan->predictor = (uint8_t)p;
        }
    }
    ret_plan->n_bits += n_bits[ret_plan->predictor];
}

/* ---- the model of residuals ---- */

static void model_init(struct model *model)
{
    struct chance *chances = (struct chance *)(void *)model; /* They lie in a row. */

    _Static_assert(offsetof(struct model, mean_length) % sizeof(struct chance) == 0,
                   "chances lie in a row");
    for (size_t i = 0; i < offsetof(struct model, mean_length) / sizeof(struct chance); i++) {
        chances[i] = (struct chance){.one = 32768};
    }
    model->mean_length = 0;
    model->last_length = 0;
    model->last_sign = 2;
}

static inline unsigned model_context(const struct model *model)
{
    if (model->last_length == 0) {
        return model->mean_length < 8 ? 0 : 1;
    }
    return 16 * model->last_length < model->mean_length ? 2 : 3;
}

static inline void model_learn(struct model *model, unsigned length, unsigned sign)
{
    model->last_length = length;
    model->mean_length += length - (model->mean_length >> 4);
    model->last_sign = length > 0 ? sign : model->last_sign;
}

/* Without a branch: which way a decision goes cannot be foretold, or it would not be coded. */
static inline void chance_learn(struct chance *chance, unsigned bit)
{
    uint32_t one = chance->one, mask = 0 - bit, rate = RATES[chance->n];
    uint32_t distance = ((65504u - one) & mask) | ((one - 32u) & ~mask);
    uint32_t step = (distance * rate) >> 16;

    chance->one = (uint16_t)(one + ((step ^ ~mask) + (bit ^ 1u)));
    chance->n = (uint16_t)(chance->n + (chance->n < RATES_LAST));
}

static inline uint32_t bounds_middle(uint32_t low, uint32_t high, const struct chance *chance)
{
    return low + (uint32_t)(((uint64_t)(high - low) * chance->one) >> 16);
}

/* ---- writing ---- */

/* The model lies apart, so that the rest may stay in registers. */
struct encoder {
    uint32_t low, high;
    uint8_t *coded, *raw; /* Their next byte. */
    uint64_t pending;     /* Raw bits that do not make a byte yet. */
    unsigned n_pending;
    struct model *model;
};

static inline void encoder_bit(struct encoder *encoder, struct chance *chance, unsigned bit)
{
    uint32_t middle = bounds_middle(encoder->low, encoder->high, chance), mask = 0 - bit;

    encoder->high = (middle & mask) | (encoder->high & ~mask);
    encoder->low = (encoder->low & mask) | ((middle + 1) & ~mask);
    chance_learn(chance, bit);
    while (((encoder->low ^ encoder->high) >> 24) == 0) {
        *encoder->coded++ = (uint8_t)(encoder->high >> 24);
        encoder->low <<= 8;
        encoder->high = (encoder->high << 8) | 255;
    }
}

/* n_bits <= 32. */
static inline void encoder_raw(struct encoder *encoder, uint64_t bits, unsigned n_bits)
{
    encoder->pending |= bits << encoder->n_pending;
    encoder->n_pending += n_bits;
    while (encoder->n_pending >= 8) {
        *encoder->raw++ = (uint8_t)encoder->pending;
        encoder->pending >>= 8;
        encoder->n_pending -= 8;
    }
}

static inline void encoder_residual(struct encoder *encoder, uint64_t residual)
{
    struct model *model = encoder->model;
    uint64_t size = magnitude(residual);
    unsigned length = bit_length(size), sign = (unsigned)(residual >> 63);
    unsigned context = model_context(model), node = 1;

    encoder_bit(encoder, &model->zero[context], length == 0);
    if (length > 0) {
        for (unsigned bit = 6; bit-- > 0;) {
            unsigned step = ((length - 1) >> bit) & 1;

            encoder_bit(encoder, &model->length[context][node], step);
            node = 2 * node + step;
        }
        encoder_bit(encoder, &model->sign[model->last_sign], sign);
    }
    if (length > 1) {
        unsigned n_rest = length - 2;

        encoder_bit(encoder, &model->below[length], (unsigned)(size >> n_rest) & 1);
        size &= ((uint64_t)1 << n_rest) - 1;
        if (n_rest > 32) {
            encoder_raw(encoder, size & UINT32_MAX, 32);
            size >>= 32;
            n_rest -= 32;
        }
        encoder_raw(encoder, size, n_rest);
    }
    model_learn(model, length, sign);
}

/* Ends both streams, without the zeros at their ends: how long they are. */
static void encoder_finish(struct encoder *encoder, const struct lw_chunk_coder *coder,
                           size_t *ret_n_coded, size_t *ret_n_raw)
{
    if (encoder->low > 0) { /* The shortest number between the bounds. */
        *encoder->coded++ = (uint8_t)((encoder->low >> 24) + 1);
    }
    while (encoder->coded > coder->coded && encoder->coded[-1] == 0) {
        encoder->coded--;
    }
    if (encoder->n_pending > 0) {
        *encoder->raw++ = (uint8_t)encoder->pending;
    }
    while (encoder->raw > coder->raw && encoder->raw[-1] == 0) {
        encoder->raw--;
    }
    *ret_n_coded = (size_t)(encoder->coded - coder->coded);
    *ret_n_raw = (size_t)(encoder->raw - coder->raw);
}

static void residuals_write(struct encoder *encoder, const struct lw_chunk_plan *plan,
                            const uint64_t *scaled, size_t n)
{
    struct encoder here = *encoder;
    struct prediction prediction;

    prediction_init(&prediction, plan);
    for (size_t i = 1; i < n; i++) {
        encoder_residual(&here, scaled[i] - prediction_next(&prediction, plan->predictor));
        prediction_learn(&prediction, scaled[i]);
    }
    *encoder = here;
}

void lw_chunk_numbers_write(struct lw_chunk_coder *coder, const struct lw_chunk_plan *plan,
                            const int64_t *numbers, size_t n, struct lw_writer *writer)
{
    LW_UNINITIALIZED struct model model;
    struct encoder encoder = {
        .high = UINT32_MAX, .coded = coder->coded, .raw = coder->raw, .model = &model};
    size_t n_coded, n_raw;

    assert(n > 0 && n <= LW_CHUNK_SAMPLES_MAX);
    lw_write_u8(writer, plan->predictor);
    lw_write_signed(writer, numbers[0]);
    if (plan->predictor == PREDICT_EQUAL) {
        return;
    }
    lw_write_varint(writer, plan->divisor);
    if (plan->predictor == PREDICT_LINE) {
        lw_write_signed(writer, (int64_t)plan->slope);
        lw_write_signed(writer, (int64_t)plan->height);
    }
    numbers_scale(numbers, n, plan->divisor, coder->scaled);
    model_init(&model);
    residuals_write(&encoder, plan, coder->scaled, n);
    encoder_finish(&encoder, coder, &n_coded, &n_raw);
    lw_write_varint(writer, n_coded);
    lw_write_raw(writer, coder->coded, n_coded);
    lw_write_raw(writer, coder->raw, n_raw);
}

/* ---- reading ---- */

struct decoder {
    uint32_t low, high, code;
    const uint8_t *coded, *raw;
    size_t coded_left, raw_left;
    uint64_t pending;
    unsigned n_pending;
    struct model *model;
};

static inline uint8_t decoder_byte(struct decoder *decoder)
{
    if (decoder->coded_left == 0) {
        return 0;
    }
    decoder->coded_left--;
    return *decoder->coded++;
}

static inline unsigned decoder_bit(struct decoder *decoder, struct chance *chance)
{
    uint32_t middle = bounds_middle(decoder->low, decoder->high, chance);
    unsigned bit = decoder->code <= middle;

    if (bit != 0) {
        decoder->high = middle;
    } else {
        decoder->low = middle + 1;
    }
    chance_learn(chance, bit);
    while (((decoder->low ^ decoder->high) >> 24) == 0) {
        decoder->low <<= 8;
        decoder->high = (decoder->high << 8) | 255;
        decoder->code = (decoder->code << 8) | decoder_byte(decoder);
    }
    return bit;
}

/* n_bits <= 32. */
static inline uint64_t decoder_raw(struct decoder *decoder, unsigned n_bits)
{
    uint64_t bits;

    while (decoder->n_pending < n_bits) {
        if (decoder->raw_left > 0) {
            decoder->pending |= (uint64_t)*decoder->raw++ << decoder->n_pending;
            decoder->raw_left--;
        }
        decoder->n_pending += 8;
    }
    bits = decoder->pending & (((uint64_t)1 << n_bits) - 1);
    decoder->pending >>= n_bits;
    decoder->n_pending -= n_bits;
    return bits;
}

static inline uint64_t decoder_residual(struct decoder *decoder)
{
    struct model *model = decoder->model;
    uint64_t size = 0;
    unsigned context = model_context(model), node = 1, length = 0, sign = 0;

    if (decoder_bit(decoder, &model->zero[context]) == 0) {
        for (unsigned bit = 6; bit-- > 0;) {
            node = 2 * node + decoder_bit(decoder, &model->length[context][node]);
        }
        length = node - LENGTHS + 1;
        sign = decoder_bit(decoder, &model->sign[model->last_sign]);
        size = 1;
    }
    if (length > 1) {
        unsigned n_rest = length - 2;
        unsigned n_low = n_rest > 32 ? 32 : n_rest;
        uint64_t low;

        size = 2 + decoder_bit(decoder, &model->below[length]);
        low = decoder_raw(decoder, n_low);
        if (n_rest > 32) {
            low |= decoder_raw(decoder, n_rest - 32) << 32;
        }
        size = (size << n_rest) | low;
    }
    model_learn(model, length, sign);
    return sign != 0 ? 0 - size : size;
}

static enum lw_status plan_read(struct lw_reader *reader, struct lw_chunk_plan *plan,
                                int64_t *ret_first)
{
    memset(plan, 0, sizeof(*plan));
    plan->predictor = lw_read_u8(reader);
    *ret_first = lw_read_signed(reader);
    if (plan->predictor >= N_PREDICTORS) {
        return LW_EFORMAT;
    }
    if (plan->predictor != PREDICT_EQUAL) {
        plan->divisor = lw_read_varint(reader);
    }
    if (plan->predictor == PREDICT_LINE) {
        plan->slope = (uint64_t)lw_read_signed(reader);
        plan->height = (uint64_t)lw_read_signed(reader);
    }
    return reader->status;
}

static enum lw_status decoder_init(struct decoder *decoder, struct lw_reader *reader)
{
    uint64_t n_coded = lw_read_varint(reader);

    if (reader->status != LW_OK || n_coded > lw_reader_left(reader)) {
        return LW_EFORMAT;
    }
    decoder->coded_left = (size_t)n_coded;
    decoder->coded = lw_read_view(reader, (size_t)n_coded);
    decoder->raw_left = lw_reader_left(reader);
    decoder->raw = lw_read_view(reader, decoder->raw_left);
    decoder->low = 0;
    decoder->high = UINT32_MAX;
    decoder->code = 0;
    for (int i = 0; i < 4; i++) {
        decoder->code = (decoder->code << 8) | decoder_byte(decoder);
    }
    decoder->pending = 0;
    decoder->n_pending = 0;
    model_init(decoder->model);
    return reader->status;
}

enum lw_status lw_chunk_numbers_read(struct lw_reader *reader, size_t n, int64_t *ret_numbers)
{
    LW_UNINITIALIZED struct model model;
    struct decoder opened = {.model = &model}, decoder;
    struct prediction prediction;
    struct lw_chunk_plan plan;
    int64_t first;

    assert(n > 0 && n <= LW_CHUNK_SAMPLES_MAX);
    if (plan_read(reader, &plan, &first) != LW_OK) {
        return LW_EFORMAT;
    }
    ret_numbers[0] = first;
    if (plan.predictor == PREDICT_EQUAL) {
        for (size_t i = 1; i < n; i++) {
            ret_numbers[i] = first;
        }
        return lw_reader_left(reader) == 0 ? LW_OK : LW_EFORMAT;
    }
    if (decoder_init(&opened, reader) != LW_OK) {
        return LW_EFORMAT;
    }
    decoder = opened; /* Nobody else has its address: it may stay in registers. */
    prediction_init(&prediction, &plan);
    for (size_t i = 1; i < n; i++) {
        uint64_t scaled = prediction_next(&prediction, plan.predictor) + decoder_residual(&decoder);

        prediction_learn(&prediction, scaled);
        ret_numbers[i] = (int64_t)((uint64_t)first + scaled * plan.divisor);
    }
    return LW_OK;
}
