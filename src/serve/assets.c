/* The page's files: plain bytes of ui/dist in the program, gzip of them made at start (a few
 * milliseconds), tagged by their hash. */
#define ZLIB_CONST 1
#include "serve/assets.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "serve/http.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* The file's bytes between two symbols in read-only data. */
#define EMBED(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            "asset_" #symbol ":\n"                                                                 \
            ".incbin \"" LW_UI_DIST "/" file "\"\n"                                                \
            "asset_" #symbol "_end:\n"                                                             \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const unsigned char asset_##symbol[] __attribute__((visibility("hidden")));             \
    extern const unsigned char asset_##symbol##_end[] __attribute__((visibility("hidden")))

EMBED(index, "index.html");
EMBED(script, "app.js");
EMBED(style, "app.css");
EMBED(icon, "icon.svg");

static const struct asset_file {
    const char *name, *type;
    const unsigned char *bytes, *end;
} files[] = {
    {"index.html", "text/html; charset=utf-8", asset_index, asset_index_end},
    {"app.js", "text/javascript; charset=utf-8", asset_script, asset_script_end},
    {"app.css", "text/css; charset=utf-8", asset_style, asset_style_end},
    {"icon.svg", "image/svg+xml", asset_icon, asset_icon_end},
};

#define N_FILES (sizeof(files) / sizeof(files[0]))

struct lw_assets {
    struct {
        unsigned char *gzip;
        size_t n_gzip;
        char tag[24];
    } made[N_FILES];
};

static size_t file_bytes(const struct asset_file *file)
{
    return (size_t)(file->end - file->bytes);
}

static enum lw_status gzip_make(const struct asset_file *file, unsigned char **ret_gzip,
                                size_t *ret_n, struct lw_error *reterr)
{
    z_stream stream = {.next_in = file->bytes, .avail_in = (uInt)file_bytes(file)};
    unsigned char *gzip = NULL;
    uLong bound;
    int end;

    /* 15 bits of window, and 16 for a gzip header in place of zlib's. */
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to compress %s", file->name);
    }
    bound = deflateBound(&stream, stream.avail_in);
    gzip = lw_mem_alloc(bound);
    if (gzip == NULL) {
        (void)deflateEnd(&stream);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to compress %s", file->name);
    }
    stream.next_out = gzip;
    stream.avail_out = (uInt)bound;
    end = deflate(&stream, Z_FINISH);
    *ret_n = stream.total_out;
    (void)deflateEnd(&stream);
    if (end != Z_STREAM_END) {
        lw_mem_free(gzip);
        return lw_error_set(reterr, LW_ENOMEM, "%s cannot be compressed", file->name);
    }
    *ret_gzip = gzip;
    return LW_OK;
}

enum lw_status lw_assets_create(struct lw_assets **ret_assets, struct lw_error *reterr)
{
    struct lw_assets *assets = lw_mem_calloc(1, sizeof(*assets));
    enum lw_status st = LW_OK;

    if (assets == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the page");
    }
    for (size_t i = 0; i < N_FILES && st == LW_OK; i++) {
        (void)snprintf(assets->made[i].tag, sizeof(assets->made[i].tag), "\"%016llx\"",
                       (unsigned long long)lw_hash_bytes(files[i].bytes, file_bytes(&files[i]), 0));
        st = gzip_make(&files[i], &assets->made[i].gzip, &assets->made[i].n_gzip, reterr);
    }
    if (st != LW_OK) {
        lw_assets_destroy(assets);
        return st;
    }
    *ret_assets = assets;
    return LW_OK;
}

void lw_assets_destroy(struct lw_assets *assets)
{
    if (assets == NULL) {
        return;
    }
    for (size_t i = 0; i < N_FILES; i++) {
        lw_mem_free(assets->made[i].gzip);
    }
    lw_mem_free(assets);
}

/* Whether an Accept-Encoding header takes gzip: named, and not with a weight of nought. */
static bool takes_gzip(const char *accept)
{
    const char *gzip = accept == NULL ? NULL : strstr(accept, "gzip");
    const char *weight;

    if (gzip == NULL) {
        return false;
    }
    weight = gzip + strlen("gzip");
    weight += strspn(weight, " ;");
    return strncmp(weight, "q=0", 3) != 0 || strspn(weight + 3, ".0") != strcspn(weight + 3, ", ");
}

void lw_assets_send(const struct lw_assets *assets, const char *name,
                    struct lw_http_exchange *exchange)
{
    const char *held = lw_http_field(exchange, "If-None-Match");
    size_t i = 0;

    while (i < N_FILES && strcmp(files[i].name, name) != 0) {
        i++;
    }
    if (i == N_FILES) {
        return;
    }
    lw_http_add_field(exchange, "ETag", assets->made[i].tag);
    lw_http_add_field(exchange, "Cache-Control", "no-cache"); /* Kept, and asked for again: names do
                                                                 not change with content. */
    lw_http_add_field(exchange, "Vary", "Accept-Encoding");
    if (held != NULL && strstr(held, assets->made[i].tag) != NULL) {
        lw_http_send_static(exchange, 304, NULL, "", 0);
    } else if (takes_gzip(lw_http_field(exchange, "Accept-Encoding"))) {
        lw_http_add_field(exchange, "Content-Encoding", "gzip");
        lw_http_send_static(exchange, 200, files[i].type, assets->made[i].gzip,
                            assets->made[i].n_gzip);
    } else {
        lw_http_send_static(exchange, 200, files[i].type, files[i].bytes, file_bytes(&files[i]));
    }
}
