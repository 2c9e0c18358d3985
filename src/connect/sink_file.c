/*
 * JSON lines in a file or on the standard output: docs/sinks/file.md.
 *
 * The file is opened when it is needed and again when its name has come to mean another file or
 * none, so that it may be moved away at any time. A line is written by one call behind all that is
 * there (O_APPEND); one that a crash or a full disk cut off is ended by a line feed before the next
 * is written, so a reader never finds two events in one line.
 */
#include "connect/sink_file.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/sink_common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 256

struct options {
    char path[1024], external_url[1024];
    bool fsync;
};

struct sink {
    struct options options;
    int descriptor; /* -1: not open. */
    bool is_stdout, is_regular;
    bool is_torn; /* The last line has no end. */
    struct lw_json json;
};

static const struct lw_option OPTIONS[] = {
    {.name = "path",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct options, path),
     .fallback = "-",
     .capacity = sizeof(((struct options *)NULL)->path),
     .unit = "",
     .help = "The file, made when it is not there; \"-\": the standard output."},
    {.name = "fsync",
     .type = LW_OPTION_BOOL,
     .offset = offsetof(struct options, fsync),
     .fallback = "false",
     .unit = "",
     .help = "An event counts as delivered only once it is on the disk."},
    {.name = "external_url",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct options, external_url),
     .fallback = "",
     .capacity = sizeof(((struct options *)NULL)->external_url),
     .unit = "",
     .help = "Address of Lapwing's page as others see it, for links; empty: no links."},
};

static void sink_destroy(void *context)
{
    struct sink *sink = context;

    if (sink == NULL) {
        return;
    }
    if (sink->descriptor >= 0 && !sink->is_stdout) {
        (void)close(sink->descriptor);
    }
    lw_json_fini(&sink->json);
    lw_mem_free(sink);
}

static enum lw_status sink_create(const char *name, const void *options, void **ret_sink,
                                  struct lw_error *reterr)
{
    const struct options *wanted = options;
    struct sink *sink;

    if (wanted->path[0] == '\0') {
        return lw_error_set(reterr, LW_EINVAL, "sink \"%s\": path is empty", name);
    }
    if (wanted->external_url[0] != '\0' &&
        lw_http_url_check(wanted->external_url, false, reterr) != LW_OK) {
        return LW_EINVAL;
    }
    sink = lw_mem_calloc(1, sizeof(*sink));
    if (sink == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for sink \"%s\"", name);
    }
    sink->options = *wanted;
    sink->is_stdout = strcmp(wanted->path, "-") == 0;
    sink->descriptor = sink->is_stdout ? STDOUT_FILENO : -1;
    lw_json_init(&sink->json);
    *ret_sink = sink;
    return LW_OK;
}

/* Was the file moved or deleted since it was opened? */
static bool is_moved(const struct sink *sink)
{
    struct stat named, open_one;

    return stat(sink->options.path, &named) != 0 || fstat(sink->descriptor, &open_one) != 0 ||
           named.st_dev != open_one.st_dev || named.st_ino != open_one.st_ino;
}

/* Does the file end in the middle of a line? */
static bool is_cut_off(int descriptor, off_t size)
{
    char last = '\n';

    return size > 0 && pread(descriptor, &last, 1, size - 1) == 1 && last != '\n';
}

static enum lw_status sink_open(struct sink *sink, struct lw_error *reterr)
{
    struct stat about;

    if (!sink->is_stdout && sink->descriptor >= 0 && is_moved(sink)) {
        (void)close(sink->descriptor);
        sink->descriptor = -1;
    }
    if (sink->descriptor < 0) {
        sink->descriptor = open(sink->options.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (sink->descriptor < 0) {
            return lw_error_set(reterr, LW_EIO, "%.100s: %s", sink->options.path, strerror(errno));
        }
        sink->is_torn = false;
    }
    if (fstat(sink->descriptor, &about) != 0) {
        return lw_error_set(reterr, LW_EIO, "%.100s: %s", sink->options.path, strerror(errno));
    }
    sink->is_regular = S_ISREG(about.st_mode);
    if (sink->is_regular) {
        sink->is_torn = !sink->is_stdout && is_cut_off(sink->descriptor, about.st_size);
    }
    return LW_OK;
}

/* Until a reader of the pipe takes more; false once it is time to stop. */
static bool wait_for_room(const struct sink *sink, int stop)
{
    struct pollfd asked[2] = {{.fd = sink->descriptor, .events = POLLOUT},
                              {.fd = stop, .events = POLLIN}};

    for (;;) {
        int n = poll(asked, 2, -1);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            return asked[1].revents == 0;
        }
    }
}

/* Writes all of it and says how much was; less only where errno says why (ECANCELED: to stop). */
static size_t write_all(struct sink *sink, const char *text, size_t n_bytes, int stop)
{
    size_t at = 0;

    while (at < n_bytes) {
        /* What a pipe says it has room for, it takes without waiting. */
        size_t n = sink->is_regular || n_bytes - at < PIPE_BUF ? n_bytes - at : PIPE_BUF;
        ssize_t written;

        if (!sink->is_regular && !wait_for_room(sink, stop)) {
            errno = ECANCELED;
            return at;
        }
        written = write(sink->descriptor, text + at, n);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            return at;
        }
        at += written > 0 ? (size_t)written : 0;
    }
    return at;
}

/* One event is one line. False, with the reason, when not all of it was written. */
static bool event_put(struct sink *sink, const struct lw_sink_event *event, int stop,
                      struct lw_sink_result *ret_result)
{
    size_t n_written;

    lw_json_reset(&sink->json);
    lw_sink_event_write(&sink->json, event, sink->options.external_url);
    lw_write_u8(&sink->json.out, '\n');
    if (sink->json.out.status != LW_OK) {
        (void)snprintf(ret_result->reason, sizeof(ret_result->reason), "no memory for a line");
        return false;
    }
    if (sink->is_torn && write_all(sink, "\n", 1, stop) == 1) {
        sink->is_torn = false;
    }
    n_written = sink->is_torn ? 0
                              : write_all(sink, (const char *)sink->json.out.data,
                                          sink->json.out.n_bytes, stop);
    if (n_written == sink->json.out.n_bytes) {
        ret_result->answer = LW_SINK_DELIVERED;
        return true;
    }
    sink->is_torn = sink->is_torn || n_written > 0;
    (void)snprintf(ret_result->reason, sizeof(ret_result->reason), "%.100s: %s", sink->options.path,
                   strerror(errno));
    return false;
}

static void sink_deliver(void *context, const struct lw_sink_event *events, size_t n, int stop,
                         struct lw_sink_result *ret_results)
{
    struct sink *sink = context;
    struct lw_error error;
    enum lw_status status = sink_open(sink, &error);
    bool goes_on = status == LW_OK;

    memset(ret_results, 0, n * sizeof(*ret_results));
    for (size_t i = 0; i < n; i++) {
        ret_results[i].answer = LW_SINK_RETRY;
        if (goes_on) {
            goes_on = event_put(sink, &events[i], stop, &ret_results[i]);
        } else {
            (void)snprintf(ret_results[i].reason, sizeof(ret_results[i].reason), "%.*s",
                           (int)sizeof(ret_results[i].reason) - 1,
                           status == LW_OK ? ret_results[i - 1].reason : error.message);
        }
    }
    if (!sink->options.fsync || !sink->is_regular || status != LW_OK ||
        fdatasync(sink->descriptor) == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ret_results[i].answer = LW_SINK_RETRY;
        (void)snprintf(ret_results[i].reason, sizeof(ret_results[i].reason),
                       "%.100s: not on the disk: %s", sink->options.path, strerror(errno));
    }
}

static size_t sink_batch(const void *context)
{
    (void)context;
    return BATCH;
}

static int64_t sink_resend_ns(const void *context)
{
    (void)context;
    return 0;
}

const struct lw_sink_class lw_sink_file = {
    .type = "file",
    .help = "JSON lines in a file or on the standard output.",
    .options = OPTIONS,
    .n_options = sizeof(OPTIONS) / sizeof(OPTIONS[0]),
    .options_bytes = sizeof(struct options),
    .create = sink_create,
    .batch = sink_batch,
    .resend_ns = sink_resend_ns,
    .deliver = sink_deliver,
    .destroy = sink_destroy,
};
