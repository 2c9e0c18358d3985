/*
 * Time zones: see base/zone.h.
 *
 * A TZif file lists the moments at which the offset changes and closes with a rule
 * ("CET-1CEST,M3.5.0,M10.5.0/3") for all time after the last of them. Offsets are asked for with
 * every sample, so the rule is worked out once, up to the end of the 32 bits of unsigned seconds (7
 * February 2106), and appended to the list; those 32 bits fall into 1,024 buckets of 2^22 s (48.5
 * days), and each bucket holds how many transitions lie at or before its start. A look-up reads one
 * bucket and steps over the few transitions in it.
 */
#include "base/zone.h"

#include "base/civil.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define HEADER_BYTES 44
#define DAY_S 86400
#define BUCKET_BITS 22
#define BUCKETS 1024
#define TABLE_END_S ((int64_t)BUCKETS << BUCKET_BITS)
#define RULE_FIRST_YEAR 1970
#define RULE_LAST_YEAR 2106
#define RULE_TRANSITIONS_MAX (2 * (RULE_LAST_YEAR - RULE_FIRST_YEAR + 1))
/* RFC 8536, section 3.2: what offsets may be. */
#define OFFSET_MIN_S (-89999)
#define OFFSET_MAX_S 93599
/* Years beyond this are not worked out: the sums would leave 64 bits. */
#define RULE_TIME_MAX_S ((int64_t)1 << 55)

enum rule_form { RULE_JULIAN, RULE_ZERO_BASED, RULE_WEEKDAY };

/* One change a year of a POSIX rule. */
struct rule_date {
    enum rule_form form;
    int day;         /* JULIAN 1..365 (29 February not counted), ZERO_BASED 0..365, WEEKDAY 0..6 */
    int month, week; /* WEEKDAY: 1..12; 1..5, 5 is the last */
    int32_t time_s;  /* Of local time before the change, from midnight; -167 h to 167 h. */
};

struct rule {
    bool is_set;
    bool has_summer;
    int32_t standard_s, summer_s;
    struct rule_date start, end; /* Of summer time. */
};

struct change {
    int64_t utc_s;
    int32_t offset_s; /* From utc_s on. */
};

struct lw_zone {
    struct rule rule;
    int32_t first_offset_s; /* Before the first change. */
    size_t n_changes;
    struct change *changes;   /* Strictly ascending in utc_s. */
    uint16_t passed[BUCKETS]; /* Changes at or before the bucket's start. */
};

/* ---- The closing rule ---- */

/* A position in the rule's text; every parser below returns false and leaves the rest alone when
 * the text is not as it should be. */
struct cursor {
    const char *at, *end;
};

static bool cursor_take(struct cursor *text, char wanted)
{
    if (text->at == text->end || *text->at != wanted) {
        return false;
    }
    text->at++;
    return true;
}

static bool cursor_number(struct cursor *text, int max, int *ret_number)
{
    const char *start = text->at;
    int number = 0;

    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        number = number * 10 + (*text->at++ - '0');
        if (number > max) {
            return false;
        }
    }
    *ret_number = number;
    return text->at > start;
}

static bool cursor_name(struct cursor *text)
{
    const char *start = text->at;

    if (cursor_take(text, '<')) {
        while (text->at < text->end && *text->at != '>') {
            text->at++;
        }
        return cursor_take(text, '>');
    }
    while (text->at < text->end &&
           ((*text->at >= 'A' && *text->at <= 'Z') || (*text->at >= 'a' && *text->at <= 'z'))) {
        text->at++;
    }
    return text->at - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool cursor_duration(struct cursor *text, int hours_max, int32_t *ret_s)
{
    int hours, minutes = 0, seconds = 0;
    int sign = 1;

    if (cursor_take(text, '-')) {
        sign = -1;
    } else {
        (void)cursor_take(text, '+');
    }
    if (!cursor_number(text, hours_max, &hours)) {
        return false;
    }
    if (cursor_take(text, ':')) {
        if (!cursor_number(text, 59, &minutes)) {
            return false;
        }
        if (cursor_take(text, ':') && !cursor_number(text, 59, &seconds)) {
            return false;
        }
    }
    *ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool cursor_weekday(struct cursor *text, struct rule_date *date)
{
    date->form = RULE_WEEKDAY;
    return cursor_number(text, 12, &date->month) && date->month >= 1 && cursor_take(text, '.') &&
           cursor_number(text, 5, &date->week) && date->week >= 1 && cursor_take(text, '.') &&
           cursor_number(text, 6, &date->day);
}

static bool cursor_date(struct cursor *text, struct rule_date *date)
{
    bool good;

    if (!cursor_take(text, ',')) {
        return false;
    }
    if (cursor_take(text, 'M')) {
        good = cursor_weekday(text, date);
    } else if (cursor_take(text, 'J')) {
        date->form = RULE_JULIAN;
        good = cursor_number(text, 365, &date->day) && date->day >= 1;
    } else {
        date->form = RULE_ZERO_BASED;
        good = cursor_number(text, 365, &date->day);
    }
    date->time_s = 2 * 3600;
    if (good && cursor_take(text, '/')) {
        good = cursor_duration(text, 167, &date->time_s);
    }
    return good;
}

/* POSIX counts offsets to the west. An empty text is no rule. */
static bool rule_parse(const char *text, size_t n_bytes, struct rule *rule)
{
    struct cursor cursor = {text, text + n_bytes};
    int32_t west_s;

    memset(rule, 0, sizeof(*rule));
    if (n_bytes == 0) {
        return true;
    }
    rule->is_set = true;
    if (!cursor_name(&cursor) || !cursor_duration(&cursor, 24, &west_s)) {
        return false;
    }
    rule->standard_s = -west_s;
    if (cursor.at == cursor.end) {
        return true;
    }
    rule->has_summer = true;
    if (!cursor_name(&cursor)) {
        return false;
    }
    rule->summer_s = rule->standard_s + 3600;
    if (cursor.at < cursor.end && *cursor.at != ',') {
        if (!cursor_duration(&cursor, 24, &west_s)) {
            return false;
        }
        rule->summer_s = -west_s;
    }
    return cursor_date(&cursor, &rule->start) && cursor_date(&cursor, &rule->end) &&
           cursor.at == cursor.end;
}

/* Local seconds since 1970 of the change in that year. */
static int64_t rule_date_s(const struct rule_date *date, int64_t year)
{
    int64_t days = lw_civil_to_days(year, 1, 1);

    if (date->form == RULE_ZERO_BASED) {
        days += date->day;
    } else if (date->form == RULE_JULIAN) {
        days += date->day - 1 + (lw_civil_is_leap(year) && date->day > 59 ? 1 : 0);
    } else {
        int64_t first = lw_civil_to_days(year, date->month, 1);
        int day = 1 + (date->day - lw_civil_weekday(first) + 7) % 7 + 7 * (date->week - 1);

        days = first + (day > lw_civil_month_days(year, date->month) ? day - 7 : day) - 1;
    }
    return days * DAY_S + date->time_s;
}

/* The two changes of a year in time order; when both fall together summer time wins ("all year" is
 * written so). */
static void rule_changes(const struct rule *rule, int64_t year, struct change ret_changes[2])
{
    struct change start = {rule_date_s(&rule->start, year) - rule->standard_s, rule->summer_s};
    struct change end = {rule_date_s(&rule->end, year) - rule->summer_s, rule->standard_s};
    bool start_first = start.utc_s < end.utc_s;

    ret_changes[0] = start_first ? start : end;
    ret_changes[1] = start_first ? end : start;
}

static int32_t rule_offset_s(const struct rule *rule, int64_t utc_s)
{
    int64_t day = lw_floor_divide(utc_s, DAY_S);
    int64_t year;
    int32_t offset_s = rule->standard_s;

    if (!rule->has_summer || utc_s > RULE_TIME_MAX_S) {
        return rule->standard_s;
    }
    year = lw_civil_from_days(day).year;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        struct change changes[2];

        rule_changes(rule, y, changes);
        for (int i = 0; i < 2; i++) {
            offset_s = changes[i].utc_s <= utc_s ? changes[i].offset_s : offset_s;
        }
    }
    return offset_s;
}

/* ---- The file ---- */

/* The counts of one header, and where its data block lies. */
struct block {
    uint32_t n_universal, n_standard, n_leaps, n_times, n_types, n_chars;
    const uint8_t *times, *type_of, *types;
    const uint8_t *next; /* First byte after the block. */
};

static uint64_t big_endian(const uint8_t *bytes, size_t n_bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n_bytes; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Reads the header at `at` and measures its data, whose times have time_bytes each. */
static enum lw_status block_read(const uint8_t *at, const uint8_t *end, size_t time_bytes,
                                 struct block *ret_block, struct lw_error *reterr)
{
    uint32_t *counts[] = {&ret_block->n_universal, &ret_block->n_standard, &ret_block->n_leaps,
                          &ret_block->n_times,     &ret_block->n_types,    &ret_block->n_chars};
    size_t data_bytes;

    if ((size_t)(end - at) < HEADER_BYTES || memcmp(at, "TZif", 4) != 0) {
        return lw_error_set(reterr, LW_EFORMAT, "no TZif header: this is no time-zone file");
    }
    if (at[4] < '2') {
        return lw_error_set(reterr, LW_EVERSION,
                            "a TZif file of version 1: version 2 or later is needed");
    }
    for (size_t i = 0; i < 6; i++) {
        *counts[i] = (uint32_t)big_endian(at + 20 + 4 * i, 4);
        if (*counts[i] > LW_ZONE_FILE_MAX) {
            return lw_error_set(reterr, LW_EFORMAT, "a TZif header counts %u items",
                                (unsigned)*counts[i]);
        }
    }
    data_bytes = ret_block->n_times * (time_bytes + 1) + ret_block->n_types * (size_t)6 +
                 ret_block->n_chars + ret_block->n_leaps * (time_bytes + 4) +
                 ret_block->n_standard + ret_block->n_universal;
    if ((size_t)(end - at) - HEADER_BYTES < data_bytes) {
        return lw_error_set(reterr, LW_EFORMAT, "a TZif data block of %zu bytes is cut short",
                            data_bytes);
    }
    ret_block->times = at + HEADER_BYTES;
    ret_block->type_of = ret_block->times + ret_block->n_times * time_bytes;
    ret_block->types = ret_block->type_of + ret_block->n_times;
    ret_block->next = at + HEADER_BYTES + data_bytes;
    return LW_OK;
}

/* Finds the 64-bit data and the rule's text behind it. */
static enum lw_status file_split(const uint8_t *bytes, size_t n_bytes, struct block *ret_block,
                                 struct rule *ret_rule, struct lw_error *reterr)
{
    const uint8_t *end = bytes + n_bytes;
    const uint8_t *close;
    enum lw_status st = block_read(bytes, end, 4, ret_block, reterr);

    if (st == LW_OK) {
        st = block_read(ret_block->next, end, 8, ret_block, reterr);
    }
    if (st != LW_OK) {
        return st;
    }
    if (ret_block->n_types == 0 || ret_block->n_types > 256) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "a time-zone file with %u types of local time; 1 to 256 are possible",
                            (unsigned)ret_block->n_types);
    }
    if (ret_block->n_times > LW_ZONE_TRANSITIONS_MAX) {
        return lw_error_set(reterr, LW_ELIMIT,
                            "a time-zone file with %u transitions; at most %d are read",
                            (unsigned)ret_block->n_times, LW_ZONE_TRANSITIONS_MAX);
    }
    if (ret_block->n_leaps != 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the time-zone file counts leap seconds; times here do not");
    }
    if (ret_block->next == end || *ret_block->next != '\n') {
        return lw_error_set(reterr, LW_EFORMAT, "the time-zone file has no closing rule");
    }
    close = memchr(ret_block->next + 1, '\n', (size_t)(end - ret_block->next - 1));
    if (close == NULL || !rule_parse((const char *)ret_block->next + 1,
                                     (size_t)(close - ret_block->next - 1), ret_rule)) {
        return lw_error_set(reterr, LW_EFORMAT, "the time-zone file's closing rule cannot be read");
    }
    return LW_OK;
}

static enum lw_status block_offset(const struct block *block, size_t type, int32_t *ret_offset_s,
                                   struct lw_error *reterr)
{
    int32_t offset_s;

    if (type >= block->n_types) {
        return lw_error_set(reterr, LW_EFORMAT, "local time type %zu of %u", type,
                            (unsigned)block->n_types);
    }
    offset_s = (int32_t)big_endian(block->types + type * 6, 4);
    if (offset_s < OFFSET_MIN_S || offset_s > OFFSET_MAX_S) {
        return lw_error_set(reterr, LW_EFORMAT, "an offset of %d s; %d to %d are possible",
                            offset_s, OFFSET_MIN_S, OFFSET_MAX_S);
    }
    *ret_offset_s = offset_s;
    return LW_OK;
}

static enum lw_status zone_add_listed(struct lw_zone *zone, const struct block *block,
                                      struct lw_error *reterr)
{
    enum lw_status st = block_offset(block, 0, &zone->first_offset_s, reterr);

    for (size_t i = 0; st == LW_OK && i < block->n_times; i++) {
        struct change *change = &zone->changes[i];

        change->utc_s = (int64_t)big_endian(block->times + 8 * i, 8);
        if (i > 0 && change->utc_s <= change[-1].utc_s) {
            return lw_error_set(
                reterr, LW_EFORMAT,
                "transition %zu of the time-zone file is not later than the one before", i);
        }
        st = block_offset(block, block->type_of[i], &change->offset_s, reterr);
        zone->n_changes++;
    }
    return st;
}

/* Appends what the rule gives after the last listed change, up to the end of the buckets. */
static void zone_add_ruled(struct lw_zone *zone)
{
    int64_t after_s = zone->n_changes > 0 ? zone->changes[zone->n_changes - 1].utc_s : INT64_MIN;

    if (zone->n_changes == 0 && zone->rule.is_set) {
        zone->first_offset_s = zone->rule.standard_s;
    }
    for (int64_t year = RULE_FIRST_YEAR; zone->rule.has_summer && year <= RULE_LAST_YEAR; year++) {
        struct change changes[2];

        rule_changes(&zone->rule, year, changes);
        for (int i = 0; i < 2; i++) {
            if (changes[i].utc_s > after_s && changes[i].utc_s < TABLE_END_S) {
                zone->changes[zone->n_changes++] = changes[i];
            }
        }
    }
}

static void zone_fill_buckets(struct lw_zone *zone)
{
    size_t passed = 0;

    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        while (passed < zone->n_changes && zone->changes[passed].utc_s <= (int64_t)bucket
                                                                              << BUCKET_BITS) {
            passed++;
        }
        zone->passed[bucket] = (uint16_t)passed;
    }
}

/* block NULL: the rule alone. */
static enum lw_status zone_create(const struct block *block, const struct rule *rule,
                                  struct lw_zone **ret_zone, struct lw_error *reterr)
{
    size_t n_listed = block != NULL ? block->n_times : 0;
    enum lw_status st = LW_OK;
    struct lw_zone *zone = lw_mem_calloc(1, sizeof(*zone));

    if (zone != NULL) {
        zone->changes = lw_mem_calloc(n_listed + RULE_TRANSITIONS_MAX, sizeof(struct change));
    }
    if (zone == NULL || zone->changes == NULL) {
        st = lw_error_set(reterr, LW_ENOMEM, "no memory for a time zone of %zu transitions",
                          n_listed);
        goto done;
    }
    zone->rule = *rule;
    if (block != NULL) {
        st = zone_add_listed(zone, block, reterr);
        if (st != LW_OK) {
            goto done;
        }
    }
    zone_add_ruled(zone);
    zone_fill_buckets(zone);
    *ret_zone = zone;
    zone = NULL;
done:
    lw_zone_destroy(zone);
    return st;
}

static enum lw_status zone_check_name(const char *name, struct lw_error *reterr)
{
    size_t n_bytes = strlen(name);
    bool good = n_bytes > 0 && n_bytes < LW_ZONE_NAME_MAX && name[0] != '/' &&
                name[n_bytes - 1] != '/';

    /* Without a dot no name can leave the folder. */
    for (size_t i = 0; good && i < n_bytes; i++) {
        char c = name[i];

        good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               strchr("_+-/", c) != NULL;
    }
    if (!good) {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"%.80s\" is no name of a time zone; Europe/Berlin would be one",
                            name);
    }
    return LW_OK;
}

static enum lw_status zone_read_file(const char *name, uint8_t *bytes, size_t *ret_n_bytes,
                                     struct lw_error *reterr)
{
    char path[sizeof(ZONE_FOLDER) + LW_ZONE_NAME_MAX];
    FILE *file;
    size_t n_bytes;
    bool failed;

    (void)snprintf(path, sizeof(path), "%s%s", ZONE_FOLDER, name);
    file = fopen(path, "rbe");
    if (file == NULL) {
        enum lw_status st = errno == ENOENT || errno == ENOTDIR ? LW_ENOTFOUND : LW_EIO;

        return lw_error_set(reterr, st, "time zone %s: cannot open %s: %s", name, path,
                            strerror(errno));
    }
    n_bytes = fread(bytes, 1, LW_ZONE_FILE_MAX + 1, file);
    failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed) {
        return lw_error_set(reterr, LW_EIO, "time zone %s: cannot read %s", name, path);
    }
    *ret_n_bytes = n_bytes;
    return LW_OK;
}

/* ---- Exported ---- */

enum lw_status lw_zone_parse(const void *bytes, size_t n_bytes, struct lw_zone **ret_zone,
                             struct lw_error *reterr)
{
    struct block block;
    struct rule rule;
    enum lw_status st;

    if (n_bytes > LW_ZONE_FILE_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "a time-zone file of more than %d bytes",
                            LW_ZONE_FILE_MAX);
    }
    st = file_split(bytes, n_bytes, &block, &rule, reterr);
    if (st != LW_OK) {
        return st;
    }
    return zone_create(&block, &rule, ret_zone, reterr);
}

enum lw_status lw_zone_load(const char *name, struct lw_zone **ret_zone, struct lw_error *reterr)
{
    enum lw_status st = zone_check_name(name, reterr);
    uint8_t *bytes;
    size_t n_bytes = 0;

    if (st != LW_OK) {
        return st;
    }
    if (strcmp(name, "UTC") == 0) {
        static const struct rule universal = {.is_set = true};

        return zone_create(NULL, &universal, ret_zone, reterr);
    }
    bytes = lw_mem_alloc(LW_ZONE_FILE_MAX + 1);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %d bytes of a time zone",
                            LW_ZONE_FILE_MAX + 1);
    }
    st = zone_read_file(name, bytes, &n_bytes, reterr);
    if (st == LW_OK) {
        st = lw_zone_parse(bytes, n_bytes, ret_zone, reterr);
    }
    lw_mem_free(bytes);
    return st;
}

void lw_zone_destroy(struct lw_zone *zone)
{
    if (zone != NULL) {
        lw_mem_free(zone->changes);
        lw_mem_free(zone);
    }
}

/* The first change later than utc_s. */
static size_t zone_search(const struct lw_zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->n_changes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->changes[middle].utc_s <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int32_t lw_zone_offset_s(const struct lw_zone *zone, int64_t utc_s)
{
    size_t passed;

    if (zone == NULL) {
        return 0;
    }
    if (utc_s >= TABLE_END_S) {
        if (zone->rule.is_set &&
            (zone->n_changes == 0 || utc_s > zone->changes[zone->n_changes - 1].utc_s)) {
            return rule_offset_s(&zone->rule, utc_s);
        }
        passed = zone_search(zone, utc_s);
    } else if (utc_s < 0) {
        passed = zone_search(zone, utc_s);
    } else {
        passed = zone->passed[utc_s >> BUCKET_BITS];
        while (passed < zone->n_changes && zone->changes[passed].utc_s <= utc_s) {
            passed++;
        }
    }
    return passed > 0 ? zone->changes[passed - 1].offset_s : zone->first_offset_s;
}
