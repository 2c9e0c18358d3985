/* The HTTP side of a scrape: one easy handle a target, kept for its connection. */
#ifndef LW_CONNECT_SCRAPE_TRANSFER_H
#define LW_CONNECT_SCRAPE_TRANSFER_H

#include "connect/scrape/scrape.h"

/* What all transfers of a source have in common. Texts may be NULL: none. */
struct lw_scrape_transfers {
    const char *auth_file, *basic_auth_file, *ca_file, *cert_file, *key_file;
    bool skips_verify;
    int64_t timeout_ns;
    size_t body_bytes_max;
};

/*
 * Makes the target's handle ready for one scrape; the files of credentials are read each time, so
 * that new ones are taken up. LW_ENOTFOUND, LW_EIO, LW_EFORMAT for them, LW_ENOMEM.
 */
enum lw_status lw_scrape_transfer_begin(const struct lw_scrape_transfers *transfers,
                                        struct lw_scrape_target *target,
                                        struct lw_error *reterr) LW_MUST_USE;
/* What the transfer came to: content type, or why there is no body to read. */
void lw_scrape_transfer_end(struct lw_scrape_target *target, CURLcode code,
                            struct lw_scrape_result *ret_result);
/* Forgets the body. */
void lw_scrape_transfer_forget(struct lw_scrape_target *target);
/* Frees handle, headers and body. */
void lw_scrape_transfer_fini(struct lw_scrape_target *target);

#endif
