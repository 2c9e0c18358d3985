/* Groups alike entities: see train/cluster.h. */
#include "train/cluster.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define SAMPLE_ROWS 2048u
#define SAMPLE_BLOCK 64u
#define TURNS_MAX 50

/* ---- signatures ---- */

/* Scaled rows of an entity, in blocks of neighbours evenly spread: float[n][n_columns]. */
static size_t sample_rows(const struct lw_training_entity *entity, size_t n_columns, float *state,
                          float *ret_rows)
{
    size_t n_blocks = entity->n_rows / SAMPLE_BLOCK, n = 0;
    size_t every = n_blocks / (SAMPLE_ROWS / SAMPLE_BLOCK) + 1;

    lw_views_learn_scale(entity->rows, entity->n_rows, n_columns, NULL, state);
    for (size_t block = 0; block < n_blocks; block += every) {
        for (size_t i = 0; i < SAMPLE_BLOCK; i++, n++) {
            float *row = ret_rows + n * n_columns;

            lw_views_scale_row(n_columns, state,
                               entity->rows + (block * SAMPLE_BLOCK + i) * n_columns, row);
            for (size_t j = 0; j < n_columns; j++) {
                row[j] = isfinite(row[j]) ? row[j] : 0.0f;
            }
        }
    }
    return n;
}

/* Mean and 1 / standard deviation of a column (0 where it stands still). */
static void column_scale(const float *rows, size_t n, size_t n_columns, size_t column,
                         double *ret_mean, double *ret_inverse)
{
    double sum = 0.0, squares = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)rows[i * n_columns + column];
    }
    *ret_mean = n > 0 ? sum / (double)n : 0.0;
    for (size_t i = 0; i < n; i++) {
        double apart = (double)rows[i * n_columns + column] - *ret_mean;

        squares += apart * apart;
    }
    *ret_inverse = squares > 1e-12 ? 1.0 / sqrt(squares) : 0.0;
}

/* Sum of products of two columns, the second one `lag` rows before. */
static double product_of(const float *rows, size_t n, size_t n_columns, const size_t pair[2],
                         size_t lag)
{
    double sum = 0.0;

    for (size_t i = lag; i < n; i++) {
        sum += (double)rows[i * n_columns + pair[0]] *
               (double)rows[(i - lag) * n_columns + pair[1]];
    }
    return sum;
}

/* Adds a number to all parts, with the signs of its place. */
static void project(double value, uint64_t place, double *parts)
{
    uint64_t signs = lw_rng_mix(place);

    for (size_t p = 0; p < LW_SIGNATURE_PARTS; p++) {
        parts[p] += (signs >> p & 1) != 0 ? value : -value;
    }
}

enum lw_status lw_signature_take(const struct lw_training_entity *entity, size_t n_columns,
                                 uint64_t seed, float *ret_signature, struct lw_error *reterr)
{
    float *rows = lw_mem_calloc(SAMPLE_ROWS + SAMPLE_BLOCK, n_columns * sizeof(*rows));
    float *state = lw_mem_calloc(lw_views_n_scale(n_columns), sizeof(*state));
    double parts[LW_SIGNATURE_PARTS] = {0.0}, weight;
    size_t n;

    if (rows == NULL || state == NULL) {
        lw_mem_free(rows);
        lw_mem_free(state);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to compare entities of %zu metrics",
                            n_columns);
    }
    n = sample_rows(entity, n_columns, state, rows);
    for (size_t j = 0; j < n_columns; j++) { /* To unit length, so products are correlations. */
        double mean, inverse;

        column_scale(rows, n, n_columns, j, &mean, &inverse);
        for (size_t i = 0; i < n; i++) {
            rows[i * n_columns + j] = (float)(((double)rows[i * n_columns + j] - mean) * inverse);
        }
    }
    weight = 1.0 / sqrt((double)LW_SIGNATURE_PARTS * (double)n_columns);
    for (size_t a = 0; a < n_columns; a++) {
        for (size_t b = 0; b <= a; b++) { /* b = a: with itself, a row before. */
            size_t pair[2] = {a, b};

            project(weight * product_of(rows, n, n_columns, pair, a == b ? 1 : 0),
                    seed + a * LW_VIEWS_COLUMNS_MAX + b, parts);
        }
    }
    for (size_t p = 0; p < LW_SIGNATURE_PARTS; p++) {
        ret_signature[p] = (float)parts[p];
    }
    lw_mem_free(rows);
    lw_mem_free(state);
    return LW_OK;
}

/* ---- groups ---- */

static double distance_of(const float *a, const float *b)
{
    double sum = 0.0;

    for (size_t p = 0; p < LW_SIGNATURE_PARTS; p++) {
        double apart = (double)a[p] - (double)b[p];

        sum += apart * apart;
    }
    return sqrt(sum);
}

/* Entities among which medoids are looked for, and their distances. */
struct sample {
    size_t n, every;
    double *distances; /* [n][n] */
    double *nearest;   /* [n] To the nearest medoid. */
    size_t *cluster;   /* [n] */
};

/* Which entity a place of the sample is: one of each `every`, by a fixed draw, for names in rows
 * may repeat themselves. */
static size_t entity_of(const struct sample *sample, size_t i, size_t n_entities)
{
    size_t entity = i * sample->every + lw_rng_mix(i) % sample->every;

    return entity < n_entities ? entity : n_entities - 1;
}

static double apart(const struct sample *sample, size_t a, size_t b)
{
    return sample->distances[a * sample->n + b];
}

static void assign(const struct sample *sample, const size_t *medoids, size_t k)
{
    for (size_t i = 0; i < sample->n; i++) {
        sample->cluster[i] = 0;
        for (size_t c = 1; c < k; c++) {
            if (apart(sample, i, medoids[c]) < apart(sample, i, medoids[sample->cluster[i]])) {
                sample->cluster[i] = c;
            }
        }
        sample->nearest[i] = apart(sample, i, medoids[sample->cluster[i]]);
    }
}

/* The entity that would lower the sum of distances most as one medoid more. */
static size_t best_addition(const struct sample *sample, size_t k)
{
    double best = -1.0;
    size_t found = 0;

    for (size_t i = 0; i < sample->n; i++) {
        double gain = 0.0;

        for (size_t j = 0; j < sample->n; j++) {
            double now = apart(sample, i, j);

            if (k == 0) {
                gain -= now;
            } else if (now < sample->nearest[j]) {
                gain += sample->nearest[j] - now;
            }
        }
        if (i == 0 || gain > best) {
            best = gain;
            found = i;
        }
    }
    return found;
}

/* Moves each medoid to the middle of its group; false when all stand still. */
static bool move_medoids(const struct sample *sample, size_t *medoids, size_t k)
{
    bool moved = false;

    for (size_t c = 0; c < k; c++) {
        double best = INFINITY;
        size_t found = medoids[c];

        for (size_t i = 0; i < sample->n; i++) {
            double sum = 0.0;

            for (size_t j = 0; sample->cluster[i] == c && j < sample->n; j++) {
                sum += sample->cluster[j] == c ? apart(sample, i, j) : 0.0;
            }
            if (sample->cluster[i] == c && sum < best) {
                best = sum;
                found = i;
            }
        }
        moved = moved || found != medoids[c];
        medoids[c] = found;
    }
    return moved;
}

static double silhouette_of(const struct sample *sample, size_t k)
{
    double total = 0.0;

    for (size_t i = 0; i < sample->n; i++) {
        double sums[LW_CLUSTERS_MAX] = {0.0}, counts[LW_CLUSTERS_MAX] = {0.0}, other = INFINITY;
        size_t own = sample->cluster[i];
        double within;

        for (size_t j = 0; j < sample->n; j++) {
            sums[sample->cluster[j]] += apart(sample, i, j);
            counts[sample->cluster[j]] += j != i ? 1.0 : 0.0;
        }
        for (size_t c = 0; c < k; c++) {
            if (c != own && counts[c] > 0.0 && sums[c] / counts[c] < other) {
                other = sums[c] / counts[c];
            }
        }
        if (counts[own] > 0.0 && isfinite(other)) {
            within = sums[own] / counts[own];
            total += within < other   ? 1.0 - within / other
                     : other < within ? other / within - 1.0
                                      : 0.0;
        }
    }
    return total / (double)sample->n;
}

/* The best number of groups, and their medoids among the sample. */
static void search(const struct sample *sample, struct lw_clusters *best)
{
    size_t medoids[LW_CLUSTERS_MAX];

    best->n_clusters = 1;
    best->medoids[0] = best_addition(sample, 0);
    best->silhouette = NAN;
    medoids[0] = best->medoids[0];
    for (size_t k = 2; k <= LW_CLUSTERS_MAX && 2 * k <= sample->n; k++) {
        double silhouette;

        assign(sample, medoids, k - 1);
        medoids[k - 1] = best_addition(sample, k - 1);
        assign(sample, medoids, k);
        for (int turn = 0; turn < TURNS_MAX && move_medoids(sample, medoids, k); turn++) {
            assign(sample, medoids, k);
        }
        silhouette = silhouette_of(sample, k);
        if (silhouette >= LW_CLUSTER_SILHOUETTE &&
            (best->n_clusters == 1 || silhouette > best->silhouette)) {
            best->n_clusters = k;
            best->silhouette = silhouette;
            memcpy(best->medoids, medoids, sizeof(medoids));
        }
    }
}

/* Everyone to the nearest medoid; clusters are numbered by their first entity. */
static void settle(const float *signatures, size_t n, size_t *ret_cluster,
                   struct lw_clusters *clusters)
{
    size_t number[LW_CLUSTERS_MAX], n_numbered = 0, medoids[LW_CLUSTERS_MAX] = {0};

    for (size_t c = 0; c < clusters->n_clusters; c++) {
        number[c] = SIZE_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        const float *own = signatures + i * LW_SIGNATURE_PARTS;
        size_t nearest = 0;
        double least = INFINITY;

        for (size_t c = 0; c < clusters->n_clusters; c++) {
            double now = distance_of(own, signatures + clusters->medoids[c] * LW_SIGNATURE_PARTS);

            if (now < least) {
                least = now;
                nearest = c;
            }
        }
        if (number[nearest] == SIZE_MAX) {
            medoids[n_numbered] = clusters->medoids[nearest];
            number[nearest] = n_numbered++;
        }
        ret_cluster[i] = number[nearest];
    }
    clusters->n_clusters = n_numbered;
    memcpy(clusters->medoids, medoids, n_numbered * sizeof(*medoids));
}

enum lw_status lw_clusters_find(const float *signatures, size_t n, size_t *ret_cluster,
                                struct lw_clusters *ret_clusters, struct lw_error *reterr)
{
    struct sample sample = {.every = (n + LW_CLUSTER_SAMPLE - 1) / LW_CLUSTER_SAMPLE};

    sample.n = (n + sample.every - 1) / sample.every;
    sample.distances = lw_mem_calloc(sample.n * sample.n, sizeof(double));
    sample.nearest = lw_mem_calloc(sample.n, sizeof(double));
    sample.cluster = lw_mem_calloc(sample.n, sizeof(size_t));
    if (sample.distances == NULL || sample.nearest == NULL || sample.cluster == NULL) {
        lw_mem_free(sample.distances);
        lw_mem_free(sample.nearest);
        lw_mem_free(sample.cluster);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to group %zu entities", n);
    }
    for (size_t i = 0; i < sample.n; i++) {
        for (size_t j = 0; j < sample.n; j++) {
            sample.distances[i * sample.n + j] = distance_of(
                signatures + i * sample.every * LW_SIGNATURE_PARTS,
                signatures + j * sample.every * LW_SIGNATURE_PARTS);
        }
    }
    search(&sample, ret_clusters);
    for (size_t c = 0; c < ret_clusters->n_clusters; c++) {
        ret_clusters->medoids[c] = entity_of(&sample, ret_clusters->medoids[c], n);
    }
    settle(signatures, n, ret_cluster, ret_clusters);
    lw_mem_free(sample.distances);
    lw_mem_free(sample.nearest);
    lw_mem_free(sample.cluster);
    return LW_OK;
}
