/*
 * The answer of Prometheus to a range query: JSON with a matrix, series by series, each a list of
 * times and values. Any bytes are read or refused with a reason.
 */
#ifndef LW_CONNECT_PROMETHEUS_MATRIX_H
#define LW_CONNECT_PROMETHEUS_MATRIX_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_prometheus_matrix;

/*
 * Reads an answer. LW_EFORMAT: it is no such answer, or one that tells an error, which the message
 * repeats; LW_ENOMEM. Memory: about nine times the bytes.
 */
enum lw_status lw_prometheus_matrix_read(const char *bytes, size_t n_bytes,
                                         struct lw_prometheus_matrix **ret_matrix,
                                         struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_prometheus_matrix_free(struct lw_prometheus_matrix *matrix);
/* The error that an answer tells, with its type; false where it tells none. */
bool lw_prometheus_error(const char *bytes, size_t n_bytes, char *ret_text, size_t capacity);

size_t lw_prometheus_n_series(const struct lw_prometheus_matrix *matrix);
/*
 * The name of a series. labels[LW_LABELS_MAX] are filled; texts are valid as long as the matrix.
 * `fallback` is the metric of a series that has no name, as those of expressions. False: it has
 * more labels than fit.
 */
bool lw_prometheus_key(const struct lw_prometheus_matrix *matrix, size_t series,
                       const char *fallback, struct lw_label *ret_labels,
                       struct lw_series_key *ret_key);
/*
 * The next value of a series, without taking it. False: there is none left. Times of a series only
 * grow: lw_prometheus_matrix_read() has seen to it.
 */
bool lw_prometheus_peek(const struct lw_prometheus_matrix *matrix, size_t series,
                        int64_t *ret_time_ns, double *ret_value);
/* Takes it. */
void lw_prometheus_take(struct lw_prometheus_matrix *matrix, size_t series);
/* Native histograms in the answer, which are left out. */
uint64_t lw_prometheus_n_histograms(const struct lw_prometheus_matrix *matrix);

#endif
