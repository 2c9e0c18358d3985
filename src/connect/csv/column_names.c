/* What a column's name says about it: see csv/column_names.h. */
#include "connect/csv/column_names.h"

#include "base/text.h"

#include <stddef.h>
#include <string.h>

#define NAME_BYTES 64
#define LIST_MAX 40

/* Lower case, without blanks and punctuation. */
static const char *const LISTS[][LIST_MAX] = {
    [LW_CSV_NAMES_TIME] = {"timestamp",   "time",         "datetime",    "date",        "ts",
                           "timestamps",  "epoch",        "unixtime",    "unix",        "t",
                           "ds",          "timestampms",  "timestampns", "timestampus", "timems",
                           "timens",      "times",        "eventtime",   "datum",       "zeit",
                           "zeitstempel", "utc",          "dateutc",     "timeutc",     "utctime",
                           "localtime",   "timestamputc", "when",        "clock",       NULL},
    [LW_CSV_NAMES_VALUE] = {"value", "values", "val", "v", "y", "reading", "measure",
                            "measuredvalue", "datavalue", "samplevalue", NULL},
    [LW_CSV_NAMES_SERIES] = {"series",     "metric",     "name",         "metricname",
                             "seriesname", "seriesid",   "measurement",  "variable",
                             "signal",     "channel",    "tag",          "tagname",
                             "parameter",  "field",      "itemid",       "kpiid",
                             "kpi",        "timeseries", "timeseriesid", "key",
                             "uniqueid",   "sensorname", "metricid",     NULL},
    [LW_CSV_NAMES_ENTITY] = {"entity",       "instance",  "host",      "hostname",   "machine",
                             "node",         "server",    "device",    "deviceid",   "entityid",
                             "pod",          "container", "service",   "machineid",  "hostid",
                             "sensor",       "sensorid",  "nodeid",    "serverid",   "vm",
                             "vmid",         "station",   "stationid", "asset",      "assetid",
                             "unitid",       "job",       "site",      "instanceid", "serial",
                             "serialnumber", "moteid",    NULL},
    [LW_CSV_NAMES_LABEL] = {"label",        "labels",      "isanomaly",  "anomaly",
                            "anomalies",    "anomalous",   "class",      "target",
                            "outlier",      "isoutlier",   "outliers",   "groundtruth",
                            "truth",        "gt",          "ytrue",      "changepoint",
                            "changepoints", "attack",      "isattack",   "normalattack",
                            "anomalylabel", "abnormal",    "isabnormal", "fraud",
                            "isfraud",      "anomalytype", "labeltype",  "faultlabel",
                            "anom",         "isanom",      "annotation", NULL},
    [LW_CSV_NAMES_ID] = {"id", "index", "idx", "row", "rowid", "rownum", "rownumber", "unnamed0",
                         "no", "nr", "uuid", "guid", "recordid", "seq", "sequence", "entryid",
                         NULL},
};

/* Letters and digits of the name in lower case; bytes beyond ASCII as they are. */
static void name_fold(const char *name, char ret_name[NAME_BYTES])
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < NAME_BYTES; name++) {
        unsigned char letter = (unsigned char)*name;

        if (letter >= 'A' && letter <= 'Z') {
            ret_name[n++] = (char)(letter - 'A' + 'a');
        } else if ((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
                   letter >= 0x80) {
            ret_name[n++] = (char)letter;
        }
    }
    ret_name[n] = '\0';
}

bool lw_csv_name_is(const char *name, enum lw_csv_name_list list)
{
    char folded[NAME_BYTES];

    name_fold(name, folded);
    for (size_t i = 0; LISTS[list][i] != NULL; i++) {
        if (strcmp(folded, LISTS[list][i]) == 0) {
            return true;
        }
    }
    return false;
}

bool lw_csv_name_hints_time(const char *name)
{
    char folded[NAME_BYTES];
    size_t length = strlen(name);

    name_fold(name, folded);
    return strstr(folded, "time") != NULL || strstr(folded, "date") != NULL ||
           (length > 3 &&
            (strcmp(name + length - 3, "_ts") == 0 || strcmp(name + length - 3, "_at") == 0));
}

bool lw_csv_name_hints_label(const char *name)
{
    static const char *const words[] = {"label",       "anom",     "outlier", "class",
                                        "target",      "truth",    "attack",  "fault",
                                        "changepoint", "abnormal", "fraud",   "incident"};
    char folded[NAME_BYTES];

    name_fold(name, folded);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(folded, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void lw_csv_name_clean(const char *text, size_t n_bytes, char ret_name[LW_NAME_MAX])
{
    size_t length = 0;

    for (size_t i = 0; i < n_bytes && length + 5 < LW_NAME_MAX;) {
        size_t n = lw_utf8_length(text + i, n_bytes - i);
        unsigned char letter = (unsigned char)text[i];

        if (n == 0) {
            ret_name[length++] = (char)(0xC0 | (letter >> 6));
            ret_name[length++] = (char)(0x80 | (letter & 0x3F));
            i++;
            continue;
        }
        memcpy(ret_name + length, text + i, n);
        if (n == 1 && (letter < ' ' || letter == 0x7F)) {
            ret_name[length] = ' ';
        }
        length += n;
        i += n;
    }
    ret_name[length] = '\0';
}
