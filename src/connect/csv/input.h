/*
 * Bytes of a file, plain or gzip (several members too), or of standard input, as a window that
 * slides over them.
 *
 * The window always holds at least one whole record when there is one within the limit: what is not
 * taken moves to its front.
 */
#ifndef LW_CONNECT_CSV_INPUT_H
#define LW_CONNECT_CSV_INPUT_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_csv_input;

/*
 * Opens a path, "-" for standard input. LW_ENOTFOUND when there is no such file, LW_EIO with the
 * system's reason, LW_ENOMEM.
 */
enum lw_status lw_csv_input_open(const char *path, struct lw_csv_input **ret_input,
                                 struct lw_error *reterr) LW_MUST_USE;
/* Over bytes in memory, borrowed until it is closed; gzip is recognised there too. */
enum lw_status lw_csv_input_open_bytes(const void *bytes, size_t n_bytes,
                                       struct lw_csv_input **ret_input,
                                       struct lw_error *reterr) LW_MUST_USE;
/* An input over bytes in memory goes on with other ones; what is left of the old ones is dropped.
 * LW_EINVAL for one over a file, or compressed. */
enum lw_status lw_csv_input_continue(struct lw_csv_input *input, const void *bytes, size_t n_bytes,
                                     struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_csv_input_close(struct lw_csv_input *input);

/* Drops n_taken bytes of the window's front, then reads until the window is full or the input at
 * its end. LW_EIO, LW_EFORMAT. */
enum lw_status lw_csv_input_slide(struct lw_csv_input *input, size_t n_taken,
                                  struct lw_error *reterr) LW_MUST_USE;
/* The window. Valid until the next slide. */
const char *lw_csv_input_window(const struct lw_csv_input *input, size_t *ret_n_bytes);
/* Nothing follows the window. */
bool lw_csv_input_is_last(const struct lw_csv_input *input);
/* Bytes read from the file so far (compressed ones for gzip), and its size; 0 when that is not
 * known. */
uint64_t lw_csv_input_position(const struct lw_csv_input *input, uint64_t *ret_size);
/* The input is compressed. */
bool lw_csv_input_is_gzip(const struct lw_csv_input *input);

#endif
