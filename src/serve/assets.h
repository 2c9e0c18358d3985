/* The page's files, part of the program. */
#ifndef LW_SERVE_ASSETS_H
#define LW_SERVE_ASSETS_H

#include "lapwing/status.h"

struct lw_assets;
struct lw_http_exchange;

/* Compresses each file once. LW_OK or LW_ENOMEM. */
enum lw_status lw_assets_create(struct lw_assets **ret_assets, struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_assets_destroy(struct lw_assets *assets);
/* Answers with the file of that name, as gzip where the client takes it, or 304 when it has it. Any
 * thread. */
void lw_assets_send(const struct lw_assets *assets, const char *name,
                    struct lw_http_exchange *exchange);

#endif
