/* RocksDB through its C API: see store/keyed.h. */
#include "store/keyed.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#define MEMTABLE_BYTES ((size_t)4 << 20)
#define CACHE_BYTES ((size_t)8 << 20)
#define OPEN_FILES 32
#define PROBE_BYTES 4096
#define PROBE_KEY "\0probe"
#define RETRY_FIRST_NS INT64_C(100000000)
#define RETRY_LAST_NS INT64_C(5000000000)
/* RocksDB's FATAL: what happens is told by errors, not by a log. */
#define LOG_LEVEL 4

/* One batch of the library; the type of ours hides it. */
struct lw_keyed_batch {
    rocksdb_writebatch_t *changes;
};

struct lw_keyed {
    char *dir; /* NULL: in memory. */
    int64_t (*now_ns)(void);
    rocksdb_env_t *memory; /* NULL: the disk. */
    rocksdb_cache_t *cache;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *plain; /* In the log, not synced; in memory there is no log. */
    rocksdb_writeoptions_t *synced;
    rocksdb_readoptions_t *read;
    rocksdb_writebatch_t *nothing; /* Written when all before it is to be synced. */
    pthread_rwlock_t lock;         /* Held for writing while the database is opened anew. */
    rocksdb_t *db;                 /* NULL: it could not be opened again so far. */
    atomic_bool degraded;
    int64_t retry_at_ns, retry_after_ns; /* Under lock. */
};

/* Takes the library's message. */
static enum lw_status fail(char *message, const char *verb, const struct lw_keyed *keyed,
                           struct lw_error *reterr)
{
    enum lw_status status = lw_error_set(reterr, LW_EIO, "cannot %s the keyed store %s: %s", verb,
                                         keyed->dir == NULL ? "in memory" : keyed->dir, message);

    rocksdb_free(message);
    return status;
}

static enum lw_status closed(const struct lw_keyed *keyed, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EIO,
                        "the keyed store %s could not be opened again since a "
                        "write to it failed",
                        keyed->dir);
}

static rocksdb_options_t *options_create(struct lw_keyed *keyed)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_block_cache(table, keyed->cache);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom(10));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, OPEN_FILES);
    rocksdb_options_set_table_cache_numshardbits(options, 0);
    rocksdb_options_set_max_file_opening_threads(options, 1);
    rocksdb_options_set_max_total_wal_size(options, 2 * MEMTABLE_BYTES);
    rocksdb_options_set_manifest_preallocation_size(options, 64 * 1024);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_info_log_level(options, LOG_LEVEL);
    /* One log, empty for ever: with a bound for its size it would have headers all the same, and
     * where the library is built with assertions (Debian's is) a log that cannot be written, on a
     * full disk, ends the process. */
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_max_log_file_size(options, 0);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    if (keyed->memory != NULL) {
        rocksdb_options_set_env(options, keyed->memory);
    }
    return options;
}

static enum lw_status database_open(struct lw_keyed *keyed, struct lw_error *reterr)
{
    char *message = NULL;

    keyed->db = rocksdb_open(keyed->options, keyed->dir == NULL ? "/keyed" : keyed->dir, &message);
    if (message != NULL) {
        keyed->db = NULL;
        return fail(message, "open", keyed, reterr);
    }
    return LW_OK;
}

enum lw_status lw_keyed_open(const struct lw_keyed_config *config, struct lw_keyed **ret_keyed,
                             struct lw_error *reterr)
{
    struct lw_keyed *keyed = lw_mem_calloc(1, sizeof(*keyed));
    enum lw_status status;

    if (keyed == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the keyed store");
    }
    (void)pthread_rwlock_init(&keyed->lock, NULL);
    keyed->now_ns = config->now_ns == NULL ? lw_clock_monotonic_ns : config->now_ns;
    if (config->dir != NULL) {
        keyed->dir = lw_mem_alloc(strlen(config->dir) + 1);
        if (keyed->dir == NULL) {
            lw_keyed_close(keyed);
            return lw_error_set(reterr, LW_ENOMEM, "no memory for the keyed store");
        }
        memcpy(keyed->dir, config->dir, strlen(config->dir) + 1);
        (void)mkdir(keyed->dir, 0700); /* Nobody else's; what is wrong with it, opening tells. */
    } else {
        keyed->memory = rocksdb_create_mem_env();
    }
    keyed->cache = rocksdb_cache_create_lru(CACHE_BYTES);
    keyed->options = options_create(keyed);
    keyed->plain = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(keyed->plain, config->dir == NULL);
    keyed->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(keyed->synced, 1);
    keyed->read = rocksdb_readoptions_create();
    keyed->nothing = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(keyed->nothing, "", 0);
    status = database_open(keyed, reterr);
    if (status != LW_OK) {
        lw_keyed_close(keyed);
        return status;
    }
    *ret_keyed = keyed;
    return LW_OK;
}

void lw_keyed_close(struct lw_keyed *keyed)
{
    if (keyed == NULL) {
        return;
    }
    if (keyed->db != NULL) {
        rocksdb_close(keyed->db);
    }
    if (keyed->options != NULL) {
        rocksdb_options_destroy(keyed->options);
        rocksdb_cache_destroy(keyed->cache);
        rocksdb_writeoptions_destroy(keyed->plain);
        rocksdb_writeoptions_destroy(keyed->synced);
        rocksdb_readoptions_destroy(keyed->read);
        rocksdb_writebatch_destroy(keyed->nothing);
    }
    if (keyed->memory != NULL) {
        rocksdb_env_destroy(keyed->memory);
    }
    (void)pthread_rwlock_destroy(&keyed->lock);
    lw_mem_free(keyed->dir);
    lw_mem_free(keyed);
}

/* ---- batches ---- */

struct lw_keyed_batch *lw_keyed_batch_create(void)
{
    struct lw_keyed_batch *batch = lw_mem_alloc(sizeof(*batch));

    if (batch != NULL) {
        batch->changes = rocksdb_writebatch_create();
    }
    return batch;
}

void lw_keyed_batch_destroy(struct lw_keyed_batch *batch)
{
    if (batch != NULL) {
        rocksdb_writebatch_destroy(batch->changes);
        lw_mem_free(batch);
    }
}

void lw_keyed_batch_clear(struct lw_keyed_batch *batch)
{
    rocksdb_writebatch_clear(batch->changes);
}

size_t lw_keyed_batch_count(const struct lw_keyed_batch *batch)
{
    return (size_t)rocksdb_writebatch_count(batch->changes);
}

void lw_keyed_put(struct lw_keyed_batch *batch, const void *key, size_t n_key, const void *value,
                  size_t n_value)
{
    assert(n_key <= LW_KEYED_KEY_BYTES_MAX && n_value <= LW_KEYED_VALUE_BYTES_MAX);
    rocksdb_writebatch_put(batch->changes, key, n_key, value, n_value);
}

void lw_keyed_remove(struct lw_keyed_batch *batch, const void *key, size_t n_key)
{
    rocksdb_writebatch_delete(batch->changes, key, n_key);
}

/* ---- writing ---- */

/* From now on nothing is written until the database was opened anew. */
static void degrade(struct lw_keyed *keyed)
{
    (void)pthread_rwlock_wrlock(&keyed->lock);
    if (!atomic_load(&keyed->degraded)) {
        keyed->retry_after_ns = RETRY_FIRST_NS;
        keyed->retry_at_ns = keyed->now_ns() + RETRY_FIRST_NS;
        atomic_store(&keyed->degraded, true);
    }
    (void)pthread_rwlock_unlock(&keyed->lock);
}

/* A write of some size that reaches the disk, and its removal. */
static enum lw_status probe(struct lw_keyed *keyed, struct lw_error *reterr)
{
    static const char zeros[PROBE_BYTES];
    const rocksdb_writeoptions_t *how = keyed->dir == NULL ? keyed->plain : keyed->synced;
    char *message = NULL;

    rocksdb_put(keyed->db, how, PROBE_KEY, sizeof(PROBE_KEY) - 1, zeros, sizeof(zeros), &message);
    if (message == NULL) {
        rocksdb_delete(keyed->db, how, PROBE_KEY, sizeof(PROBE_KEY) - 1, &message);
    }
    return message == NULL ? LW_OK : fail(message, "write to", keyed, reterr);
}

/* Opens the database anew when it is time. LW_EIO while it stays degraded. */
static enum lw_status recover(struct lw_keyed *keyed, struct lw_error *reterr)
{
    enum lw_status status;

    (void)pthread_rwlock_wrlock(&keyed->lock);
    if (!atomic_load(&keyed->degraded)) { /* Another thread was faster. */
        status = LW_OK;
    } else if (keyed->now_ns() < keyed->retry_at_ns) {
        status = lw_error_set(reterr, LW_EIO, "the keyed store %s takes no writes since one failed",
                              keyed->dir == NULL ? "in memory" : keyed->dir);
    } else {
        if (keyed->db != NULL) {
            rocksdb_close(keyed->db);
        }
        status = database_open(keyed, reterr);
        status = status == LW_OK ? probe(keyed, reterr) : status;
        if (status == LW_OK) {
            atomic_store(&keyed->degraded, false);
        } else {
            keyed->retry_after_ns = keyed->retry_after_ns * 2 < RETRY_LAST_NS
                                        ? keyed->retry_after_ns * 2
                                        : RETRY_LAST_NS;
            keyed->retry_at_ns = keyed->now_ns() + keyed->retry_after_ns;
        }
    }
    (void)pthread_rwlock_unlock(&keyed->lock);
    return status;
}

enum lw_status lw_keyed_write(struct lw_keyed *keyed, const struct lw_keyed_batch *batch,
                              struct lw_error *reterr)
{
    char *message = NULL;
    enum lw_status status = LW_OK;

    if (atomic_load(&keyed->degraded) && recover(keyed, reterr) != LW_OK) {
        return LW_EIO;
    }
    (void)pthread_rwlock_rdlock(&keyed->lock);
    if (keyed->db == NULL) {
        status = closed(keyed, reterr);
    } else {
        rocksdb_write(keyed->db, keyed->plain, batch->changes, &message);
    }
    (void)pthread_rwlock_unlock(&keyed->lock);
    if (message != NULL) {
        degrade(keyed);
        return fail(message, "write to", keyed, reterr);
    }
    return status;
}

/* A synced write of nothing, which waits its turn among the writes. The library's own call for it
 * (rocksdb_flush_wal) may meet a log to which another thread's write has just failed, and then
 * its assertions, where they are built in, end the process. */
enum lw_status lw_keyed_sync(struct lw_keyed *keyed, struct lw_error *reterr)
{
    char *message = NULL;
    enum lw_status status = LW_OK;

    if (atomic_load(&keyed->degraded) && recover(keyed, reterr) != LW_OK) {
        return LW_EIO;
    }
    (void)pthread_rwlock_rdlock(&keyed->lock);
    if (keyed->db == NULL) {
        status = closed(keyed, reterr);
    } else if (keyed->dir != NULL) {
        rocksdb_write(keyed->db, keyed->synced, keyed->nothing, &message);
    }
    (void)pthread_rwlock_unlock(&keyed->lock);
    if (message != NULL) {
        degrade(keyed);
        return fail(message, "sync", keyed, reterr);
    }
    return status;
}

bool lw_keyed_degraded(struct lw_keyed *keyed)
{
    return atomic_load(&keyed->degraded);
}

/* ---- reading ---- */

enum lw_status lw_keyed_get(struct lw_keyed *keyed, const void *key, size_t n_key,
                            struct lw_writer *value, struct lw_error *reterr)
{
    rocksdb_pinnableslice_t *found = NULL;
    char *message = NULL;
    enum lw_status status = LW_OK;

    lw_writer_reset(value);
    (void)pthread_rwlock_rdlock(&keyed->lock);
    if (keyed->db == NULL) {
        status = closed(keyed, reterr);
        goto done;
    }
    found = rocksdb_get_pinned(keyed->db, keyed->read, key, n_key, &message);
    if (message != NULL) {
        status = fail(message, "read", keyed, reterr);
    } else if (found == NULL) {
        status = lw_error_set(reterr, LW_ENOTFOUND, "the keyed store has no such key");
    } else {
        size_t n_value;
        const char *bytes = rocksdb_pinnableslice_value(found, &n_value);

        lw_write_raw(value, bytes, n_value);
        rocksdb_pinnableslice_destroy(found);
        if (value->status != LW_OK) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for a value of %zu bytes", n_value);
        }
    }
done:
    (void)pthread_rwlock_unlock(&keyed->lock);
    return status;
}

static bool pair_read(const rocksdb_iterator_t *at, const struct lw_keyed_range *range,
                      struct lw_keyed_pair *ret_pair)
{
    if (!rocksdb_iter_valid(at)) {
        return false;
    }
    ret_pair->key = (const uint8_t *)rocksdb_iter_key(at, &ret_pair->n_key);
    ret_pair->value = (const uint8_t *)rocksdb_iter_value(at, &ret_pair->n_value);
    return ret_pair->n_key >= range->n_prefix &&
           memcmp(ret_pair->key, range->prefix, range->n_prefix) == 0;
}

enum lw_status lw_keyed_scan(struct lw_keyed *keyed, const struct lw_keyed_range *range,
                             bool (*visit)(void *context, const struct lw_keyed_pair *pair),
                             void *context, struct lw_error *reterr)
{
    rocksdb_iterator_t *at;
    struct lw_keyed_pair pair;
    char *message = NULL;
    enum lw_status status = LW_OK;

    (void)pthread_rwlock_rdlock(&keyed->lock);
    if (keyed->db == NULL) {
        status = closed(keyed, reterr);
        goto done;
    }
    at = rocksdb_create_iterator(keyed->db, keyed->read);
    if (range->from != NULL) {
        rocksdb_iter_seek(at, range->from, range->n_from);
    } else {
        rocksdb_iter_seek(at, range->prefix, range->n_prefix);
    }
    while (pair_read(at, range, &pair) && visit(context, &pair)) {
        rocksdb_iter_next(at);
    }
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    if (message != NULL) {
        status = fail(message, "read", keyed, reterr);
    }
done:
    (void)pthread_rwlock_unlock(&keyed->lock);
    return status;
}
