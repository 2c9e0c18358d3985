/* The options of sources: one table for all types. See cli/config.h. */
#include "base/error.h"
#include "cli/config.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define INTERVAL_MIN_NS (SECOND_NS / 10)

#define SOURCE(field) offsetof(struct lw_source_options, field)
#define CAPACITY(field) .capacity = sizeof(((struct lw_source_options *)NULL)->field)

static const char *const TYPES[] = {"host", "csv", "scrape", "follow", NULL};
static const char *const SCHEMES[] = {"http", "https", NULL};
static const char *const FORMATS[] = {"auto", "csv", "json", "influx", NULL};
static const char *const FROMS[] = {"start", "end", NULL};

static const struct lw_option OPTIONS[] = {
    {.name = "type",
     .type = LW_OPTION_ENUM,
     .offset = SOURCE(type),
     .fallback = "host",
     .choices = TYPES,
     .unit = "",
     .help = "Kind of the source."},
    {.name = "path",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(path),
     .fallback = "",
     CAPACITY(path),
     .unit = "",
     .help = "csv: the file; follow: the files, patterns separated by commas; scrape: path of the "
             "metrics, /metrics unless given."},
    {.name = "instance",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(instance),
     .fallback = "",
     CAPACITY(instance),
     .unit = "",
     .help = "host: value of the label \"instance\"; empty: the host's name."},
    {.name = "interval",
     .type = LW_OPTION_DURATION,
     .offset = SOURCE(interval_ns),
     .fallback = "0s",
     .min = 0,
     .max = 3600e9,
     .unit = "duration",
     .help =
         "host, scrape: time between readings, at least 100ms; 0s: 1s for host, 15s for scrape."},
    {.name = "time",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(time),
     .fallback = "",
     CAPACITY(time),
     .unit = "",
     .help =
         "csv, follow: column or key of the time; empty: found by itself, as are the next three."},
    {.name = "series",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(series),
     .fallback = "",
     CAPACITY(series),
     .unit = "",
     .help = "csv, follow: column that names the series."},
    {.name = "value",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(value),
     .fallback = "",
     CAPACITY(value),
     .unit = "",
     .help = "csv, follow: column of the values."},
    {.name = "entity",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(entity),
     .fallback = "",
     CAPACITY(entity),
     .unit = "",
     .help = "csv, follow: column that names the entity."},
    {.name = "targets",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(targets),
     .fallback = "",
     CAPACITY(targets),
     .unit = "",
     .help = "scrape: host:port of each target, separated by commas."},
    {.name = "files",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(files),
     .fallback = "",
     CAPACITY(files),
     .unit = "",
     .help = "scrape: files of targets in the form of Prometheus' file_sd, JSON or YAML; patterns "
             "separated by commas. Read again when they change."},
    {.name = "labels",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(labels),
     .fallback = "",
     CAPACITY(labels),
     .unit = "",
     .help = "scrape: labels of all series, as name=value, separated by commas; \"job\" is the "
             "source's name unless given."},
    {.name = "scheme",
     .type = LW_OPTION_ENUM,
     .offset = SOURCE(scheme),
     .fallback = "http",
     .choices = SCHEMES,
     .unit = "",
     .help = "scrape: how targets are asked."},
    {.name = "timeout",
     .type = LW_OPTION_DURATION,
     .offset = SOURCE(timeout_ns),
     .fallback = "0s",
     .min = 0,
     .max = 86400e9,
     .unit = "duration",
     .help = "scrape: how long an answer may take, at most the interval; 0s: 10s, or the interval "
             "if that is shorter."},
    {.name = "auth_file",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(auth_file),
     .fallback = "",
     CAPACITY(auth_file),
     .unit = "",
     .help = "scrape: file whose first line is a header, as \"Authorization: ...\", or one word, a "
             "bearer token; read for each scrape."},
    {.name = "basic_auth_file",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(basic_auth_file),
     .fallback = "",
     CAPACITY(basic_auth_file),
     .unit = "",
     .help = "scrape: file whose first line is user:password; read for each scrape."},
    {.name = "ca_file",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(ca_file),
     .fallback = "",
     CAPACITY(ca_file),
     .unit = "",
     .help = "scrape: certificates (PEM) to trust in place of the system's."},
    {.name = "cert_file",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(cert_file),
     .fallback = "",
     CAPACITY(cert_file),
     .unit = "",
     .help = "scrape: certificate (PEM) to show to targets."},
    {.name = "key_file",
     .type = LW_OPTION_TEXT,
     .offset = SOURCE(key_file),
     .fallback = "",
     CAPACITY(key_file),
     .unit = "",
     .help = "scrape: key (PEM) of cert_file."},
    {.name = "verify",
     .type = LW_OPTION_BOOL,
     .offset = SOURCE(verify),
     .fallback = "true",
     .unit = "",
     .help = "scrape: whether the certificates of targets are checked."},
    {.name = "honor_labels",
     .type = LW_OPTION_BOOL,
     .offset = SOURCE(honor_labels),
     .fallback = "false",
     .unit = "",
     .help = "scrape: whether labels that a target exposes win over job, instance and the like; "
             "otherwise they become exported_job and so on."},
    {.name = "body_limit",
     .type = LW_OPTION_SIZE,
     .offset = SOURCE(body_limit),
     .fallback = "16MiB",
     .min = 1024,
     .max = 1073741824.0,
     .unit = "bytes",
     .help = "scrape: bytes of an answer, unpacked; a longer one fails the scrape."},
    {.name = "sample_limit",
     .type = LW_OPTION_INT,
     .offset = SOURCE(sample_limit),
     .fallback = "200000",
     .min = 1,
     .max = 10000000,
     .unit = "samples",
     .help = "scrape: samples of an answer; more fail the scrape."},
    {.name = "series_limit",
     .type = LW_OPTION_INT,
     .offset = SOURCE(series_limit),
     .fallback = "1000000",
     .min = 1,
     .max = 4000000,
     .unit = "series",
     .help = "scrape, follow: series of the source; further ones are left out and counted."},
    {.name = "label_limit",
     .type = LW_OPTION_INT,
     .offset = SOURCE(label_limit),
     .fallback = "48",
     .min = 1,
     .max = 48,
     .unit = "labels",
     .help = "scrape: labels of a series as exposed; series with more are left out and counted."},
    {.name = "label_value_limit",
     .type = LW_OPTION_SIZE,
     .offset = SOURCE(label_value_limit),
     .fallback = "1KiB",
     .min = 1,
     .max = 65536,
     .unit = "bytes",
     .help =
         "scrape: bytes of a label's value; series with a longer one are left out and counted."},
    {.name = "format",
     .type = LW_OPTION_ENUM,
     .offset = SOURCE(format),
     .fallback = "auto",
     .choices = FORMATS,
     .unit = "",
     .help = "follow: how lines are written; auto: by the ending of a file's name (.jsonl, "
             ".ndjson, .json; .lp, .influx; else csv)."},
    {.name = "from",
     .type = LW_OPTION_ENUM,
     .offset = SOURCE(from),
     .fallback = "start",
     .choices = FROMS,
     .unit = "",
     .help = "follow: where files are begun that are there at the first start; later ones are read "
             "from their start."},
};

const struct lw_option *lw_source_option_table(size_t *ret_n)
{
    *ret_n = sizeof(OPTIONS) / sizeof(OPTIONS[0]);
    return OPTIONS;
}

static enum lw_status scrape_settle(const struct lw_source_options *options,
                                    struct lw_error *reterr)
{
    if (options->targets[0] == '\0' && options->files[0] == '\0') {
        return lw_error_set(reterr, LW_EINVAL,
                            "a source of type scrape needs \"targets\" or \"files\"");
    }
    if (options->timeout_ns > options->interval_ns) {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"timeout\" of a scrape may not be longer than \"interval\"");
    }
    if (options->auth_file[0] != '\0' && options->basic_auth_file[0] != '\0') {
        return lw_error_set(reterr, LW_EINVAL,
                            "only one of \"auth_file\" and \"basic_auth_file\" can be");
    }
    return LW_OK;
}

enum lw_status lw_source_options_settle(struct lw_source_options *options, struct lw_error *reterr)
{
    bool reads_files = options->type == LW_SOURCE_CSV || options->type == LW_SOURCE_FOLLOW;

    if (options->interval_ns == 0) {
        options->interval_ns = options->type == LW_SOURCE_SCRAPE ? 15 * SECOND_NS : SECOND_NS;
    }
    if (options->interval_ns < INTERVAL_MIN_NS) {
        return lw_error_set(reterr, LW_EINVAL, "\"interval\" must be at least 100ms");
    }
    if (reads_files && options->path[0] == '\0') {
        return lw_error_set(reterr, LW_EINVAL, "a source of type %s needs \"path\"",
                            TYPES[options->type]);
    }
    return options->type == LW_SOURCE_SCRAPE ? scrape_settle(options, reterr) : LW_OK;
}
