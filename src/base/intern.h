/*
 * Gives each different text (or any bytes) a number: 0, 1, 2 ... in order of first sight.
 *
 * One thread at a time may add; while nobody adds, any number may look up. Looking up allocates
 * nothing. What is interned stays, at the same address, until lw_intern_destroy.
 */
#ifndef LW_BASE_INTERN_H
#define LW_BASE_INTERN_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

#define LW_INTERN_NONE UINT32_MAX      /* No id. */
#define LW_INTERN_ITEM_MAX 65536       /* Bytes of one item. */
#define LW_INTERN_ITEMS_MAX 0x40000000 /* Items of any table, whatever it asks for. */

struct lw_intern;

/* An empty table of at most max_items items (at most LW_INTERN_ITEMS_MAX) whose bytes add up to at
 * most max_bytes. */
enum lw_status lw_intern_create(uint32_t max_items, size_t max_bytes, struct lw_intern **ret_intern,
                                struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_intern_destroy(struct lw_intern *intern);
/*
 * The id of those bytes, which are copied if they are new. LW_ELIMIT when the table is full or the
 * item longer than LW_INTERN_ITEM_MAX, LW_ENOMEM; the table is then as it was.
 */
enum lw_status lw_intern_add(struct lw_intern *intern, const char *bytes, size_t n_bytes,
                             uint32_t *ret_id, struct lw_error *reterr) LW_MUST_USE;
/* The id of those bytes, or LW_INTERN_NONE. */
uint32_t lw_intern_find(const struct lw_intern *intern, const char *bytes, size_t n_bytes);
/* The bytes of an id below lw_intern_count, with a terminator behind them. ret_n_bytes may be NULL.
 */
const char *lw_intern_peek(const struct lw_intern *intern, uint32_t id, size_t *ret_n_bytes);
uint32_t lw_intern_count(const struct lw_intern *intern);
/* Memory that the table takes. */
size_t lw_intern_bytes(const struct lw_intern *intern);

#endif
