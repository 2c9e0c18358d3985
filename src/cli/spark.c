/* Sparklines: see cli/spark.h. */
#include "cli/spark.h"

#include <math.h>
#include <string.h>

#define LEVELS 8

void lw_spark_init(struct lw_spark *spark)
{
    memset(spark, 0, sizeof(*spark));
    spark->per_cell = 1;
}

static struct lw_spark_cell cell_join(struct lw_spark_cell a, struct lw_spark_cell b)
{
    /* fminf and fmaxf pass over NaN. */
    return (struct lw_spark_cell){fminf(a.low, b.low), fmaxf(a.high, b.high), a.is_hot || b.is_hot};
}

static void spark_halve(struct lw_spark *spark)
{
    for (size_t i = 0; i < LW_SPARK_CELLS / 2; i++) {
        spark->cells[i] = cell_join(spark->cells[2 * i], spark->cells[2 * i + 1]);
    }
    spark->n_cells = LW_SPARK_CELLS / 2;
    spark->per_cell *= 2;
    spark->n_in_last = spark->per_cell;
}

void lw_spark_add(struct lw_spark *spark, float value, bool is_hot)
{
    struct lw_spark_cell cell = {value, value, is_hot};

    if (spark->n_cells > 0 && spark->n_in_last < spark->per_cell) {
        struct lw_spark_cell *last = &spark->cells[spark->n_cells - 1];

        *last = cell_join(*last, cell);
        spark->n_in_last++;
        return;
    }
    if (spark->n_cells == LW_SPARK_CELLS) {
        spark_halve(spark);
    }
    spark->cells[spark->n_cells++] = cell;
    spark->n_in_last = 1;
}

/* Lowest and highest of all cells, and the mean of the calm ones' middles. */
static void spark_measure(const struct lw_spark *spark, float *ret_low, float *ret_high,
                          float *ret_middle)
{
    float sum = 0.0f;
    int n = 0;

    *ret_low = *ret_high = NAN;
    for (size_t i = 0; i < spark->n_cells; i++) {
        const struct lw_spark_cell *cell = &spark->cells[i];

        *ret_low = fminf(*ret_low, cell->low);
        *ret_high = fmaxf(*ret_high, cell->high);
        if (!isnan(cell->low) && !cell->is_hot) {
            sum += cell->low / 2.0f + cell->high / 2.0f;
            n++;
        }
    }
    *ret_middle = n > 0 ? sum / (float)n : *ret_low / 2.0f + *ret_high / 2.0f;
}

static int level_of(float value, float low, float high)
{
    float span = high - low;
    int level = span > 0.0f ? (int)((value - low) / span * (LEVELS - 0.01f)) : 0;

    return level < 0 ? 0 : (level >= LEVELS ? LEVELS - 1 : level);
}

void lw_spark_print(const struct lw_spark *spark, const struct lw_terminal *terminal)
{
    static const char *const blocks[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[LEVELS] = {"_", ".", ",", "-", "=", "+", "*", "#"};
    float low, high, middle;
    bool was_hot = false;
    FILE *stream = terminal->stream;

    spark_measure(spark, &low, &high, &middle);
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_DIM), stream);
    for (size_t i = 0; i < spark->n_cells; i++) {
        const struct lw_spark_cell *cell = &spark->cells[i];
        float shown = fabsf(cell->high - middle) >= fabsf(cell->low - middle) ? cell->high
                                                                              : cell->low;
        int level = level_of(shown, low, high);

        if (cell->is_hot != was_hot) {
            (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_NONE), stream);
            (void)fputs(lw_terminal_colour(terminal, cell->is_hot ? LW_COLOUR_RED : LW_COLOUR_DIM),
                        stream);
            was_hot = cell->is_hot;
        }
        (void)fputs(isnan(shown) ? " " : (terminal->has_unicode ? blocks[level] : letters[level]),
                    stream);
    }
    (void)fprintf(stream, "%s%*s", lw_terminal_colour(terminal, LW_COLOUR_NONE),
                  (int)(LW_SPARK_CELLS - spark->n_cells), "");
}
