/* Signed JSON to an address: docs/sinks/webhook.md. */
#ifndef LW_CONNECT_SINK_WEBHOOK_H
#define LW_CONNECT_SINK_WEBHOOK_H

#include "base/bytes.h"
#include "connect/sink.h"

#define LW_WEBHOOK_ID_MAX 96
#define LW_WEBHOOK_SIGNATURE_MAX 80

extern const struct lw_sink_class lw_sink_webhook;

/* What is signed. Borrowed. */
struct lw_webhook_message {
    const char *id; /* Shorter than LW_WEBHOOK_ID_MAX. */
    int64_t time_s;
    const void *body;
    size_t n_bytes;
};

/* "v1,<base64>" of Standard Webhooks. False without memory; scratch is overwritten. */
bool lw_webhook_sign(const void *key, size_t key_bytes, const struct lw_webhook_message *message,
                     struct lw_writer *scratch, char ret_signature[LW_WEBHOOK_SIGNATURE_MAX]);
/* "sha256=<hexadecimal>" of GitHub. */
bool lw_webhook_sign_github(const char *secret, const void *body, size_t n_bytes,
                            char ret_signature[LW_WEBHOOK_SIGNATURE_MAX]);

#endif
