/*
 * One-Class SVM against scikit-learn's decision values, against the conditions that its optimum
 * must meet, and against a slow reference written from the definition.
 *
 * The reference knows the machine by its documented bytes only.
 */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "math/kernels.h"
#include "model/model.h"

#include <float.h>

#define SMD_TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define SMD_TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define BREASTW LW_TEST_DATA "/adbench/breastw.csv"
#define GLASS LW_TEST_DATA "/adbench/glass.csv"

/* The table of kernels that the library is given; NULL: the best. Wrapped by the linker. */
static const struct lw_kernels *kernels_given;

const struct lw_kernels *__real_lw_kernels_best(void);
const struct lw_kernels *__wrap_lw_kernels_best(void);

const struct lw_kernels *__wrap_lw_kernels_best(void)
{
    return kernels_given != NULL ? kernels_given : __real_lw_kernels_best();
}

static const struct lw_model_class *svm_class(void)
{
    return lw_model_class_find("ocsvm");
}

/* Options as text, "name=value ...". */
static struct lw_model *svm_fit(const struct lw_test_table *table, const char *options_text)
{
    const struct lw_model_class *svm = svm_class();
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = malloc(svm->options_bytes);
    char text[256], *place = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;
    struct lw_model *model = NULL;

    lw_options_default(svm->options, svm->n_options, options);
    (void)snprintf(text, sizeof(text), "%s", options_text);
    for (char *name = strtok_r(text, " =", &place); name != NULL;
         name = strtok_r(NULL, " =", &place)) {
        const char *value = strtok_r(NULL, " =", &place);

        assert_int_equal(lw_options_set(svm->options, svm->n_options, options, name, value, &error),
                         LW_OK);
    }
    lw_rng_seed(&rng, 3);
    if (svm->fit(options, &rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* A machine as its bytes tell it. */
struct reference {
    size_t n_dims, n_vectors;
    double width, rho, log_peak;
    float *fill, *coefs, *vectors; /* vectors: [n_dims][n_vectors] */
};

static struct reference reference_read(const struct lw_model *model)
{
    struct reference reference = {0};
    struct lw_writer writer;
    struct lw_reader reader;

    lw_writer_init(&writer);
    svm_class()->save(model, &writer);
    assert_int_equal(writer.status, LW_OK);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u16(&reader), 1);
    reference.n_dims = lw_read_u32(&reader);
    reference.n_vectors = lw_read_u32(&reader);
    reference.width = lw_read_f64(&reader);
    reference.rho = lw_read_f64(&reader);
    reference.log_peak = lw_read_f64(&reader);
    reference.fill = calloc(reference.n_dims, sizeof(float));
    reference.coefs = calloc(reference.n_vectors, sizeof(float));
    reference.vectors = calloc(reference.n_dims * reference.n_vectors, sizeof(float));
    lw_read_f32s(&reader, reference.fill, reference.n_dims);
    lw_read_f32s(&reader, reference.coefs, reference.n_vectors);
    lw_read_f32s(&reader, reference.vectors, reference.n_dims * reference.n_vectors);
    assert_int_equal(reader.status, LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_writer_fini(&writer);
    return reference;
}

static void reference_free(struct reference *reference)
{
    free(reference->vectors);
    free(reference->coefs);
    free(reference->fill);
}

static double slow_square(const struct reference *reference, size_t vector, const float *row)
{
    double square = 0.0;

    for (size_t i = 0; i < reference->n_dims; i++) {
        double x = isnan(row[i]) ? (double)reference->fill[i] : (double)row[i];

        square += pow(x - (double)reference->vectors[i * reference->n_vectors + vector], 2.0);
    }
    return square;
}

/* ln K, K relative to the nearest vector's bell, which long double alone would not save. */
static double slow_log_kernel(const struct reference *reference, const float *row)
{
    double nearest = INFINITY, sum = 0.0;

    for (size_t k = 0; k < reference->n_vectors; k++) {
        nearest = fmin(nearest, slow_square(reference, k, row));
    }
    for (size_t k = 0; k < reference->n_vectors; k++) {
        sum += (double)reference->coefs[k] *
               exp((nearest - slow_square(reference, k, row)) / reference->width);
    }
    return log(sum) - nearest / reference->width;
}

static double slow_distance(const struct reference *reference, const float *row)
{
    return sqrt(
        fmax(0.0, reference->width * (reference->log_peak - slow_log_kernel(reference, row))));
}

static void assert_near(double value, double wanted, double allowed, const char *what, size_t row)
{
    if (!(fabs(value - wanted) <= allowed)) {
        fail_msg("%s, row %zu: %.9g, but %.9g is wanted", what, row, value, wanted);
    }
}

/* The decision value K - rho, from the distance; where that is 0, at least Kmax - rho is right. */
static void svm_is_on_par(const char *train_path, const char *test_path, const char *options,
                          const char *wanted_path)
{
    struct lw_test_table train = lw_test_table_read(train_path),
                         test = lw_test_table_read(test_path),
                         wanted = lw_test_table_read(wanted_path);
    struct lw_model *model = svm_fit(&train, options);
    struct reference reference = reference_read(model);
    float *distances = calloc(test.n_rows, sizeof(float));
    double rho = (double)wanted.values[1], worst = 0.0;

    assert_int_equal(wanted.n_rows, test.n_rows);
    assert_near(reference.rho, rho, 1e-5 * rho, "rho", 0);
    svm_class()->score(model, NULL, test.values, test.n_rows, distances);
    for (size_t i = 0; i < test.n_rows; i++) {
        double square = (double)distances[i] * (double)distances[i];
        double decision = exp(reference.log_peak - square / reference.width) - reference.rho;
        double apart = (double)wanted.values[2 * i] - decision;

        apart = distances[i] == 0.0f ? fmin(apart, 0.0) : apart;
        worst = fmax(worst, fabs(apart) / rho);
    }
    print_message("%s: %zu support vectors, off by %.2g of rho\n", wanted_path, reference.n_vectors,
                  worst);
    assert_true(worst <= 1e-5);
    free(distances);
    reference_free(&reference);
    svm_class()->destroy(model);
    lw_test_table_free(&wanted);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

static void test_ocsvm__decides_as_the_usual_implementation(void **state)
{
    (void)state;
    svm_is_on_par(SMD_TRAIN, SMD_TEST, "width=scale least=0", LW_TEST_DATA "/parity/ocsvm_smd.csv");
    svm_is_on_par(BREASTW, BREASTW, "width=scale least=0",
                  LW_TEST_DATA "/parity/ocsvm_breastw.csv");
    svm_is_on_par(GLASS, GLASS, "nu=0.5 gamma=0.1", LW_TEST_DATA "/parity/ocsvm_glass.csv");
}

/* Coefficients add up to nu n; a row outside has coefficient 1, a row inside none; so at most a
 * share nu lies outside, and no fewer are support vectors. */
static void test_ocsvm__training_ends_at_the_optimum(void **state)
{
    static const struct {
        const char *options;
        double nu;
    } cases[] = {{"nu=0.05", 0.05}, {"nu=0.3 width=scale least=0", 0.3}, {"nu=0.5 gamma=2", 0.5}};
    struct lw_test_table table = lw_test_table_read(SMD_TRAIN);
    double n = (double)table.n_rows;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_model *model = svm_fit(&table, cases[i].options);
        struct reference reference = reference_read(model);
        double sum = 0.0, n_outside = 0.0, n_full = 0.0;

        for (size_t k = 0; k < reference.n_vectors; k++) {
            sum += (double)reference.coefs[k];
            n_full += reference.coefs[k] > 0.999999f;
        }
        for (size_t row = 0; row < table.n_rows; row++) {
            double kernel = exp(slow_log_kernel(&reference, table.values + row * table.n_dims));

            n_outside += kernel < reference.rho * (1.0 - 1e-5);
        }
        print_message("%s: %zu support vectors, %g rows outside, %g with coefficient 1\n",
                      cases[i].options, reference.n_vectors, n_outside, n_full);
        assert_near(sum, cases[i].nu * n, 1e-5 * n, "sum of coefficients", 0);
        assert_true(n_outside <= n_full && n_full <= cases[i].nu * n + 1e-6);
        assert_true((double)reference.n_vectors >= cases[i].nu * n);
        reference_free(&reference);
        svm_class()->destroy(model);
    }
    lw_test_table_free(&table);
}

static void test_ocsvm__distances_are_the_definitions(void **state)
{
    struct lw_test_table train = lw_test_table_read(SMD_TRAIN), test = lw_test_table_read(SMD_TEST);
    struct lw_model *model = svm_fit(&train, "");
    struct reference reference = reference_read(model);
    float *distances = calloc(test.n_rows, sizeof(float));
    double peak = -INFINITY;

    (void)state;
    for (size_t i = 11; i < test.n_rows * test.n_dims; i += 13) {
        test.values[i] = NAN;
    }
    svm_class()->score(model, NULL, test.values, test.n_rows, distances);
    for (size_t i = 0; i < test.n_rows; i++) {
        double wanted = slow_distance(&reference, test.values + i * test.n_dims);

        /* Near 0 the root makes much of little. */
        assert_near((double)distances[i] * (double)distances[i], wanted * wanted,
                    2e-6 * (reference.width + wanted * wanted), "squared distance", i);
    }
    for (size_t i = 0; i < train.n_rows; i++) {
        peak = fmax(peak, slow_log_kernel(&reference, train.values + i * train.n_dims));
    }
    assert_near(reference.log_peak, peak, 2e-6, "ln Kmax", 0);
    free(distances);
    reference_free(&reference);
    svm_class()->destroy(model);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

/* Where every bell underflows, distances still grow, and are those to the support vectors. */
static void test_ocsvm__far_away_distances_keep_growing(void **state)
{
    struct lw_test_table train = lw_test_table_read(SMD_TRAIN);
    struct lw_model *model = svm_fit(&train, "");
    struct reference reference = reference_read(model);
    float *row = calloc(train.n_dims, sizeof(float)), last = 0.0f;

    (void)state;
    for (float away = 1.0f; away < 1e14f; away *= 1.7f) {
        double nearest = INFINITY;
        float distance;

        for (size_t i = 0; i < train.n_dims; i++) {
            row[i] = train.values[i] + (i % 2 == 0 ? away : -away);
        }
        svm_class()->score(model, NULL, row, 1, &distance);
        assert_near((double)distance, slow_distance(&reference, row), 1e-5 * (double)distance,
                    "distance", 0);
        for (size_t k = 0; k < reference.n_vectors; k++) {
            nearest = fmin(nearest, slow_square(&reference, k, row));
        }
        assert_true(distance > last * 1.3f);
        assert_true(away < 1e3f || fabs((double)distance / sqrt(nearest) - 1.0) < 1e-3);
        last = distance;
    }
    assert_true(last > 1e14f && isfinite(last));
    free(row);
    reference_free(&reference);
    svm_class()->destroy(model);
    lw_test_table_free(&train);
}

static void test_ocsvm__all_kernels_give_the_same_bits(void **state)
{
    struct lw_test_table train = lw_test_table_read(SMD_TRAIN), test = lw_test_table_read(SMD_TEST);
    size_t n_tables, n_bytes = test.n_rows * sizeof(float);
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    float *plain = malloc(n_bytes), *other = malloc(n_bytes);
    struct lw_writer bytes, again;

    (void)state;
    lw_writer_init(&bytes);
    lw_writer_init(&again);
    for (size_t i = 0; i < n_tables; i++) {
        struct lw_model *model;

        kernels_given = tables[i];
        model = svm_fit(&train, "rows=500");
        svm_class()->score(model, NULL, test.values, test.n_rows, i == 0 ? plain : other);
        lw_writer_reset(&again);
        svm_class()->save(model, i == 0 ? &bytes : &again);
        if (i > 0) {
            assert_memory_equal(other, plain, n_bytes);
            assert_int_equal(again.n_bytes, bytes.n_bytes);
            assert_memory_equal(again.data, bytes.data, bytes.n_bytes);
        }
        svm_class()->destroy(model);
    }
    kernels_given = NULL;
    print_message("%zu tables compared\n", n_tables);
    lw_writer_fini(&again);
    lw_writer_fini(&bytes);
    free(other);
    free(plain);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

static void test_ocsvm__takes_rows_without_repeats_and_none_that_is_missing(void **state)
{
    struct lw_test_table table = lw_test_table_read(SMD_TRAIN);
    struct lw_model *all = svm_fit(&table, "nu=1 rows=300 gamma=5"), *half;
    struct reference drawn = reference_read(all), known;
    size_t n_known = table.n_rows / 2;

    (void)state;
    /* With nu = 1 every row drawn is a support vector of coefficient 1. */
    assert_int_equal(drawn.n_vectors, 300);
    for (size_t k = 0, row = 0; k < drawn.n_vectors; k++, row++) {
        assert_near((double)drawn.coefs[k], 1.0, 1e-6, "coefficient", k);
        while (row < table.n_rows &&
               slow_square(&drawn, k, table.values + row * table.n_dims) > 0.0) {
            row++;
        }
        assert_true(row < table.n_rows); /* The table's rows, in their order. */
    }
    for (size_t i = n_known * table.n_dims; i < table.n_rows * table.n_dims; i++) {
        table.values[i] = NAN;
    }
    half = svm_fit(&table, "nu=1 rows=4096");
    known = reference_read(half);
    assert_int_equal(known.n_vectors, n_known);
    for (size_t k = 0; k < n_known; k++) {
        assert_true(known.vectors[5 * n_known + k] == table.values[k * table.n_dims + 5]);
    }
    reference_free(&known);
    reference_free(&drawn);
    svm_class()->destroy(half);
    svm_class()->destroy(all);
    lw_test_table_free(&table);
}

/* v by each rule, computed from the definition. */
static void test_ocsvm__width_is_what_the_option_says(void **state)
{
    static const struct {
        const char *options;
        int rule;
    } cases[] = {{"least=0", 0}, {"least=0 width=scale", 1}, {"gamma=0.5", 2}, {"least=1e6", 3}};
    struct lw_test_table table = lw_test_table_read(GLASS);
    double total = 0.0, mean_all = 0.0, square_all = 0.0;
    double n_all = (double)(table.n_rows * table.n_dims);

    (void)state;
    for (size_t k = 0; k < table.n_dims; k++) {
        double mean = 0.0, square = 0.0, n = (double)table.n_rows;

        for (size_t i = 0; i < table.n_rows; i++) {
            mean += (double)table.values[i * table.n_dims + k] / n;
            mean_all += (double)table.values[i * table.n_dims + k] / n_all;
        }
        for (size_t i = 0; i < table.n_rows; i++) {
            square += pow((double)table.values[i * table.n_dims + k] - mean, 2.0) / n;
        }
        total += square;
    }
    for (size_t i = 0; i < table.n_rows * table.n_dims; i++) {
        square_all += pow((double)table.values[i] - mean_all, 2.0) / n_all;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const double wanted[] = {total, square_all * (double)table.n_dims, 2.0, 1e6};
        struct lw_model *model = svm_fit(&table, cases[i].options);
        struct reference reference = reference_read(model);

        assert_near(reference.width, wanted[cases[i].rule], 1e-6 * wanted[cases[i].rule],
                    cases[i].options, 0);
        reference_free(&reference);
        svm_class()->destroy(model);
    }
    lw_test_table_free(&table);
}

static void test_ocsvm__blames_the_column_that_was_moved(void **state)
{
    struct lw_test_table table = lw_test_table_read(SMD_TRAIN);
    struct lw_model *model = svm_fit(&table, "");
    float *row = calloc(table.n_dims, sizeof(float)), *shares = calloc(table.n_dims, sizeof(float));
    size_t n_first = 0;

    (void)state;
    for (size_t column = 0; column < table.n_dims; column++) {
        double sum = 0.0;
        size_t top = 0;
        float distance;

        memcpy(row, table.values + 100 * table.n_dims, table.n_dims * sizeof(float));
        row[column] += 1.0f; /* The table is scaled to 0..1. */
        row[(column + 1) % table.n_dims] = NAN;
        svm_class()->score(model, NULL, row, 1, &distance);
        svm_class()->attribute(model, NULL, row, shares);
        for (size_t i = 0; i < table.n_dims; i++) {
            top = shares[i] > shares[top] ? i : top;
            sum += (double)shares[i];
        }
        assert_true(shares[(column + 1) % table.n_dims] == 0.0f);
        assert_near(sum, (double)distance, 1e-5 * (double)distance, "sum of shares", column);
        n_first += top == column;
    }
    print_message("the moved column comes first for %zu of %zu columns\n", n_first, table.n_dims);
    assert_int_equal(n_first, table.n_dims);
    free(shares);
    free(row);
    svm_class()->destroy(model);
    lw_test_table_free(&table);
}

/* A saved machine of one column and one support vector; then bytes of it changed. */
static enum lw_status load_changed(size_t at, uint8_t value, size_t n_cut)
{
    static const uint8_t good[] = {1, 0, 1,    0,    0, 0, 1,    0,
                                   0, 0, /* version, values, vectors */
                                   0, 0, 0,    0,    0, 0, 0xF0, 0x3F, /* v = 1 */
                                   0, 0, 0,    0,    0, 0, 0xF0, 0x3F, /* rho = 1 */
                                   0, 0, 0,    0,    0, 0, 0,    0,    /* ln Kmax = 0 */
                                   0, 0, 0,    0,                      /* fill 0 */
                                   0, 0, 0x80, 0x3F,                   /* coefficient 1 */
                                   0, 0, 0x40, 0x40};                  /* 3.0f */
    uint8_t bytes[sizeof(good)];
    struct lw_reader reader;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    enum lw_status status;

    memcpy(bytes, good, sizeof(good));
    bytes[at] = value;
    lw_reader_init(&reader, bytes, sizeof(bytes) - n_cut);
    status = svm_class()->load(&reader, &model, &error);
    assert_int_equal(status == LW_OK, model != NULL);
    if (model != NULL && at == 0) {
        const float row = 7.5f;
        float distance;

        svm_class()->score(model, NULL, &row, 1, &distance);
        assert_true(distance == 4.5f); /* One bell is a plain distance. */
    }
    svm_class()->destroy(model);
    return status;
}

static void test_ocsvm__load_refuses_what_breaks_a_machine(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1, 0), LW_OK);
    assert_int_equal(load_changed(0, 1, 1), LW_EFORMAT); /* cut short */
    assert_int_equal(load_changed(0, 2, 0), LW_EVERSION);
    assert_int_equal(load_changed(2, 0, 0), LW_EFORMAT);     /* no column */
    assert_int_equal(load_changed(3, 0x20, 0), LW_EFORMAT);  /* 8193 columns */
    assert_int_equal(load_changed(6, 0, 0), LW_EFORMAT);     /* no support vector */
    assert_int_equal(load_changed(6, 2, 0), LW_EFORMAT);     /* more of them than bytes */
    assert_int_equal(load_changed(17, 0xBF, 0), LW_EFORMAT); /* v below 0 */
    assert_int_equal(load_changed(17, 0x7F, 0), LW_EFORMAT); /* v beyond bounds */
    assert_int_equal(load_changed(25, 0xBF, 0), LW_EFORMAT); /* rho below 0 */
    assert_int_equal(load_changed(25, 0x7F, 0), LW_EFORMAT); /* an infinite rho */
    assert_int_equal(load_changed(33, 0x7F, 0), LW_EFORMAT); /* ln Kmax beyond bounds */
    assert_int_equal(load_changed(37, 0x7F, 0), LW_EFORMAT); /* fill beyond bounds */
    assert_int_equal(load_changed(41, 0x40, 0), LW_EFORMAT); /* a coefficient of 4 */
    assert_int_equal(load_changed(41, 0, 0), LW_EFORMAT);    /* a coefficient of next to nothing */
    assert_int_equal(load_changed(45, 0x7F, 0), LW_EFORMAT); /* a value beyond bounds */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ocsvm__decides_as_the_usual_implementation),
        cmocka_unit_test(test_ocsvm__training_ends_at_the_optimum),
        cmocka_unit_test(test_ocsvm__distances_are_the_definitions),
        cmocka_unit_test(test_ocsvm__far_away_distances_keep_growing),
        cmocka_unit_test(test_ocsvm__all_kernels_give_the_same_bits),
        cmocka_unit_test(test_ocsvm__takes_rows_without_repeats_and_none_that_is_missing),
        cmocka_unit_test(test_ocsvm__width_is_what_the_option_says),
        cmocka_unit_test(test_ocsvm__blames_the_column_that_was_moved),
        cmocka_unit_test(test_ocsvm__load_refuses_what_breaks_a_machine),
    };
    return LW_TEST_RUN(tests);
}
