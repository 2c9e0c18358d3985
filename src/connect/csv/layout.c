/*
 * Which column is what: see csv/layout.h.
 *
 * What the user says goes first. Then: the time; labels and row numbers, which are never used
 * unasked; the series and entity, by name or by what is in them; the rest of the numbers are
 * values.
 */
#include "connect/csv/layout.h"

#include "base/error.h"
#include "connect/csv/column_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is being decided, and from what. */
struct layout {
    const struct lw_csv_options *options;
    const struct lw_csv_profile *profiles;
    struct lw_csv_dialect *dialect;
    bool *is_fixed; /* The role of a column is settled. */
};

static bool is_listed(const char *const *names, size_t n_names, const char *name)
{
    for (size_t i = 0; i < n_names; i++) {
        if (strcasecmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A column by name, else by number from 1; -1 when there is none. */
static int column_find(const struct lw_csv_dialect *dialect, const char *wanted)
{
    char *end;
    long number;

    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (strcmp(dialect->columns[i].name, wanted) == 0) {
            return (int)i;
        }
    }
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (strcasecmp(dialect->columns[i].name, wanted) == 0) {
            return (int)i;
        }
    }
    number = strtol(wanted, &end, 10);
    return *end == '\0' && number >= 1 && number <= (long)dialect->n_columns ? (int)number - 1 : -1;
}

/* The column an option names; -1 when the option is not given. */
static enum lw_status option_column(const struct lw_csv_dialect *dialect, const char *option,
                                    const char *wanted, int *ret_column, struct lw_error *reterr)
{
    *ret_column = -1;
    if (wanted == NULL) {
        return LW_OK;
    }
    *ret_column = column_find(dialect, wanted);
    if (*ret_column < 0) {
        return lw_error_set(reterr, LW_ENOTFOUND,
                            "--%s: there is no column \"%.100s\"; the first is \"%.100s\", of %u",
                            option, wanted, dialect->columns[0].name, dialect->n_columns);
    }
    return LW_OK;
}

static void role_set(struct layout *layout, int column, enum lw_csv_role role)
{
    if (column >= 0) {
        layout->dialect->columns[column].role = role;
        layout->is_fixed[column] = true;
    }
}

/* ---- time ---- */

/* The pattern that fits every time of the column; LW_EFORMAT when two kinds of reading do. */
static enum lw_status pattern_find(const struct lw_csv_profile *profile, const char *name,
                                   struct lw_csv_moment_format *ret_format, struct lw_error *reterr)
{
    int found = -1;

    for (int i = 0; i < LW_CSV_PATTERNS; i++) {
        const char *pattern = LW_CSV_PATTERN_NAMES[i];

        if (profile->n_patterns[i] * 2 < profile->n_present || profile->n_patterns[i] == 0) {
            continue;
        }
        if (found < 0 || profile->n_patterns[i] > profile->n_patterns[found]) {
            found = i;
        } else if (profile->n_patterns[i] == profile->n_patterns[found] &&
                   pattern[1] != LW_CSV_PATTERN_NAMES[found][1]) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "times in column \"%.100s\" fit \"%s\" as well as \"%s\": say "
                                "which with --time-format",
                                name, LW_CSV_PATTERN_NAMES[found], pattern);
        }
    }
    if (found < 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "column \"%.100s\" holds no times that are known: say how they are "
                            "written with --time-format",
                            name);
    }
    ret_format->kind = LW_CSV_MOMENT_PATTERN;
    memcpy(ret_format->pattern, LW_CSV_PATTERN_NAMES[found],
           strlen(LW_CSV_PATTERN_NAMES[found]) + 1);
    return LW_OK;
}

static enum lw_status time_format_find(const struct lw_csv_profile *profile, const char *name,
                                       struct lw_csv_moment_format *ret_format,
                                       struct lw_error *reterr)
{
    int unit = 0;

    memset(ret_format, 0, sizeof(*ret_format));
    if (profile->n_iso > 0 && profile->n_iso * 2 >= profile->n_present) {
        ret_format->kind = LW_CSV_MOMENT_ISO;
        return LW_OK;
    }
    if (profile->n_dates > 0 && profile->n_dates == profile->n_present &&
        (lw_csv_name_hints_time(name) || lw_csv_name_is(name, LW_CSV_NAMES_TIME))) {
        ret_format->kind = LW_CSV_MOMENT_PATTERN;
        memcpy(ret_format->pattern, "%Y%m%d", sizeof("%Y%m%d"));
        return LW_OK;
    }
    for (int i = 1; i < 4; i++) {
        unit = profile->n_units[i] > profile->n_units[unit] ? i : unit;
    }
    if (profile->n_units[unit] * 2 >= profile->n_present && profile->n_units[unit] > 0 &&
        profile->n_patterns[LW_CSV_PATTERN_COMPACT] < profile->n_present) {
        ret_format->kind = LW_CSV_MOMENT_EPOCH;
        ret_format->unit = (enum lw_time_unit)unit;
        return LW_OK;
    }
    return pattern_find(profile, name, ret_format, reterr);
}

/* Of a column that is named so half of the texts must fit, of another one nearly all. */
static bool mostly(uint32_t n, const struct lw_csv_profile *profile, bool is_named)
{
    return n > 0 && (is_named ? n * 2 >= profile->n_present : n * 10 >= profile->n_present * 9);
}

/* How much a column looks like the time: 0 not at all. */
static int time_rank(const struct lw_csv_profile *profile, const char *name, bool is_first)
{
    bool is_named = lw_csv_name_is(name, LW_CSV_NAMES_TIME);
    bool is_plausible = mostly(profile->n_plausible, profile, is_named);
    bool climbs = profile->n_falls * 20 <= profile->n_numbers;

    if (profile->n_present == 0) {
        return 0;
    }
    if (mostly(profile->n_times, profile, is_named) ||
        profile->n_patterns[LW_CSV_PATTERN_COMPACT] == profile->n_present) {
        return is_named ? 8 : (lw_csv_name_hints_time(name) ? 7 : 6);
    }
    if (!mostly(profile->n_numbers, profile, is_named)) {
        return 0;
    }
    if (is_named && (is_plausible || profile->n_dates == profile->n_present)) {
        return 5;
    }
    if (is_named && climbs) {
        return 4;
    }
    if (lw_csv_name_hints_time(name) && is_plausible && climbs) {
        return 3;
    }
    return is_first && is_plausible && climbs && profile->n_integers == profile->n_numbers ? 2 : 0;
}

static enum lw_status time_find(struct layout *layout, struct lw_error *reterr)
{
    struct lw_csv_dialect *dialect = layout->dialect;
    const struct lw_csv_options *options = layout->options;
    int best = -1, best_rank = 0;
    enum lw_status status;

    dialect->time_column = -1;
    dialect->time.kind = LW_CSV_MOMENT_ROW;
    if (options->time != NULL && strcasecmp(options->time, "none") == 0 &&
        column_find(dialect, "none") < 0) {
        return LW_OK;
    }
    status = option_column(dialect, "time", options->time, &best, reterr);
    if (status != LW_OK) {
        return status;
    }
    for (uint32_t i = 0; options->time == NULL && i < dialect->n_columns; i++) {
        int rank = layout->is_fixed[i]
                       ? 0
                       : time_rank(&layout->profiles[i], dialect->columns[i].name, i == 0);

        if (rank > best_rank) {
            best = (int)i;
            best_rank = rank;
        }
    }
    if (best < 0) {
        return LW_OK;
    }
    dialect->time_column = best;
    role_set(layout, best, LW_CSV_ROLE_TIME);
    if (options->time_format != NULL) {
        return lw_csv_moment_format_read(options->time_format, &dialect->time, reterr);
    }
    return time_format_find(&layout->profiles[best], dialect->columns[best].name, &dialect->time,
                            reterr);
}

/* ---- what is never used unasked ---- */

static bool is_label(const struct lw_csv_profile *profile, const char *name)
{
    return lw_csv_name_is(name, LW_CSV_NAMES_LABEL) ||
           (lw_csv_name_hints_label(name) && profile->n_present > 0 &&
            profile->n_zero_one == profile->n_present);
}

static bool is_row_number(const struct lw_csv_profile *profile, const char *name, bool is_unnamed)
{
    bool counts = profile->n_numbers > 1 && profile->n_up_by_one + 1 == profile->n_numbers;

    return (lw_csv_name_is(name, LW_CSV_NAMES_ID) || is_unnamed) &&
           (counts || strcasecmp(name, "id") == 0);
}

static void refuse_columns(struct layout *layout)
{
    const struct lw_csv_options *options = layout->options;

    for (uint32_t i = 0; i < layout->dialect->n_columns; i++) {
        struct lw_csv_column *column = &layout->dialect->columns[i];
        bool is_unnamed = strncmp(column->name, "column_", 7) == 0;

        if (layout->is_fixed[i] || is_listed(options->use, options->n_use, column->name)) {
            continue;
        }
        if (is_label(&layout->profiles[i], column->name)) {
            role_set(layout, (int)i, LW_CSV_ROLE_LABEL);
        } else if (is_row_number(&layout->profiles[i], column->name,
                                 is_unnamed && layout->dialect->has_header)) {
            role_set(layout, (int)i, LW_CSV_ROLE_ID);
        } else if (is_unnamed && layout->dialect->has_header &&
                   layout->profiles[i].n_present == 0) {
            role_set(layout, (int)i, LW_CSV_ROLE_EMPTY);
        }
    }
}

/* ---- series, entity, values ---- */

/* The first free column of numbers that is not `besides` and, where asked, is named like one of
 * readings; -1 without one. */
static int numbers_find(const struct layout *layout, int besides, bool is_named)
{
    for (uint32_t i = 0; i < layout->dialect->n_columns; i++) {
        if ((int)i != besides && !layout->is_fixed[i] &&
            lw_csv_profile_is_numeric(&layout->profiles[i]) &&
            (!is_named || lw_csv_name_is(layout->dialect->columns[i].name, LW_CSV_NAMES_VALUE))) {
            return (int)i;
        }
    }
    return -1;
}

/*
 * A free column with such a name whose values can be names: texts, or whole numbers where readings
 * are left beside them (in a column that says so, for series: "signal" and "channel" are readings
 * in many a wide table).
 */
static int named_find(const struct layout *layout, enum lw_csv_name_list list)
{
    for (uint32_t i = 0; i < layout->dialect->n_columns; i++) {
        const struct lw_csv_profile *profile = &layout->profiles[i];

        if (layout->is_fixed[i] || profile->n_present == 0 ||
            !lw_csv_name_is(layout->dialect->columns[i].name, list)) {
            continue;
        }
        if (!lw_csv_profile_is_numeric(profile) ||
            (profile->n_integers == profile->n_numbers &&
             numbers_find(layout, (int)i, list == LW_CSV_NAMES_SERIES) >= 0)) {
            return (int)i;
        }
    }
    return -1;
}

/* The k-th free column of texts or of numbers, from 0; -1 when there are fewer. */
static int kind_find(const struct layout *layout, bool numeric, int k, int *ret_n)
{
    int found = -1, n = 0;

    for (uint32_t i = 0; i < layout->dialect->n_columns; i++) {
        if (!layout->is_fixed[i] && lw_csv_profile_is_numeric(&layout->profiles[i]) == numeric) {
            found = n == k ? (int)i : found;
            n++;
        }
    }
    *ret_n = n;
    return found;
}

static int value_find(const struct layout *layout)
{
    int n, only = kind_find(layout, true, 0, &n);
    int named = numbers_find(layout, -1, true);

    return named >= 0 || n != 1 ? named : only;
}

/* Texts beside one column of numbers, when names tell nothing: the last one is the series, one
 * before it the entity. */
static void unnamed_guess(struct layout *layout, int value)
{
    struct lw_csv_dialect *dialect = layout->dialect;
    int n_texts, n_numbers;
    int first = kind_find(layout, false, 0, &n_texts);
    bool is_long_value = !dialect->has_header ||
                         (value >= 0 &&
                          lw_csv_name_is(dialect->columns[value].name, LW_CSV_NAMES_VALUE));

    (void)kind_find(layout, true, 0, &n_numbers);
    if (dialect->series_column >= 0 || value < 0 || n_numbers != 1 || !is_long_value ||
        n_texts == 0 || n_texts > 2) {
        return;
    }
    dialect->series_column = kind_find(layout, false, n_texts - 1, &n_texts);
    if (dialect->entity_column < 0 && n_texts == 2) {
        dialect->entity_column = first;
    }
}

/* A text column of a wide table in which times repeat while the text changes tells entities apart.
 */
static void wide_entity_guess(struct layout *layout)
{
    struct lw_csv_dialect *dialect = layout->dialect;
    int n_texts, text = kind_find(layout, false, 0, &n_texts);
    const struct lw_csv_profile *times = dialect->time_column < 0
                                             ? NULL
                                             : &layout->profiles[dialect->time_column];

    if (dialect->entity_column < 0 && n_texts == 1 && times != NULL &&
        times->n_changes * 3 < times->n_rows * 2 &&
        layout->profiles[text].n_changes > times->n_changes) {
        dialect->entity_column = text;
    }
}

/* Takes what options say of series, value and entity. */
static enum lw_status said_take(struct layout *layout, int *ret_value, struct lw_error *reterr)
{
    const struct lw_csv_options *options = layout->options;
    struct lw_csv_dialect *dialect = layout->dialect;
    enum lw_status status = option_column(dialect, "series", options->series,
                                          &dialect->series_column, reterr);

    if (status == LW_OK) {
        status = option_column(dialect, "entity", options->entity, &dialect->entity_column, reterr);
    }
    if (status == LW_OK) {
        status = option_column(dialect, "value", options->value, ret_value, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    role_set(layout, dialect->entity_column, LW_CSV_ROLE_ENTITY);
    role_set(layout, dialect->series_column, LW_CSV_ROLE_SERIES);
    role_set(layout, *ret_value, LW_CSV_ROLE_VALUE);
    return LW_OK;
}

static enum lw_status long_settle(struct layout *layout, int value, struct lw_error *reterr)
{
    struct lw_csv_dialect *dialect = layout->dialect;

    if (dialect->series_column < 0 || value < 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "long layout, but no column of %s was found: name it with --%s",
                            value < 0 ? "values" : "series names", value < 0 ? "value" : "series");
    }
    dialect->layout = LW_CSV_LONG;
    dialect->value_column = value;
    role_set(layout, dialect->entity_column, LW_CSV_ROLE_ENTITY);
    role_set(layout, dialect->series_column, LW_CSV_ROLE_SERIES);
    role_set(layout, value, LW_CSV_ROLE_VALUE);
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (!layout->is_fixed[i]) {
            dialect->columns[i].role = LW_CSV_ROLE_SPARE;
        }
    }
    dialect->n_values = 1;
    return LW_OK;
}

static enum lw_status wide_settle(struct layout *layout, int value, struct lw_error *reterr)
{
    struct lw_csv_dialect *dialect = layout->dialect;
    const struct lw_csv_options *options = layout->options;

    dialect->layout = LW_CSV_WIDE;
    dialect->series_column = -1;
    role_set(layout, dialect->entity_column, LW_CSV_ROLE_ENTITY);
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        struct lw_csv_column *column = &dialect->columns[i];

        if (!layout->is_fixed[i]) {
            bool is_used = lw_csv_profile_is_numeric(&layout->profiles[i]) ||
                           is_listed(options->use, options->n_use, column->name);

            column->role = value >= 0 ? LW_CSV_ROLE_SPARE
                                      : (is_used ? LW_CSV_ROLE_VALUE : LW_CSV_ROLE_TEXT);
        }
        dialect->n_values += column->role == LW_CSV_ROLE_VALUE;
    }
    if (dialect->n_values == 0) {
        char said[256];

        (void)lw_csv_dialect_describe(dialect, said, sizeof(said));
        return lw_error_set(reterr, LW_EFORMAT,
                            "no column of values was found (%s): name one with --use or --value",
                            said);
    }
    return LW_OK;
}

static enum lw_status shape_find(struct layout *layout, struct lw_error *reterr)
{
    const struct lw_csv_options *options = layout->options;
    struct lw_csv_dialect *dialect = layout->dialect;
    int said_value = -1, value;

    if (dialect->series_column < 0 && options->layout != LW_CSV_WIDE) {
        dialect->series_column = named_find(layout, LW_CSV_NAMES_SERIES);
    }
    if (dialect->entity_column < 0) {
        dialect->entity_column = named_find(layout, LW_CSV_NAMES_ENTITY);
    }
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        said_value = layout->is_fixed[i] && dialect->columns[i].role == LW_CSV_ROLE_VALUE
                         ? (int)i
                         : said_value;
    }
    layout->is_fixed[dialect->series_column < 0 ? dialect->n_columns
                                                : (uint32_t)dialect->series_column] = true;
    layout->is_fixed[dialect->entity_column < 0 ? dialect->n_columns
                                                : (uint32_t)dialect->entity_column] = true;
    value = said_value >= 0 ? said_value : value_find(layout);
    if (options->layout != LW_CSV_WIDE) {
        unnamed_guess(layout, value);
    }
    if (options->layout == LW_CSV_LONG ||
        (options->layout == LW_CSV_LAYOUT_AUTO && dialect->series_column >= 0 && value >= 0)) {
        return long_settle(layout, value, reterr);
    }
    if (dialect->series_column >= 0) {
        layout->is_fixed[dialect->series_column] = false; /* A wide table has no such column: it may
                                                             be a value after all. */
    }
    wide_entity_guess(layout);
    return wide_settle(layout, said_value, reterr);
}

enum lw_status lw_csv_layout_find(const struct lw_csv_options *options,
                                  const struct lw_csv_profile *profiles,
                                  struct lw_csv_dialect *dialect, struct lw_error *reterr)
{
    bool is_fixed[LW_CSV_COLUMNS_MAX + 1] = {false}; /* One more for "no column". */
    struct layout layout = {
        .options = options, .profiles = profiles, .dialect = dialect, .is_fixed = is_fixed};
    enum lw_status status;
    int value;

    dialect->value_column = -1;
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (is_listed(options->ignore, options->n_ignore, dialect->columns[i].name)) {
            role_set(&layout, (int)i, LW_CSV_ROLE_IGNORED);
        }
    }
    status = said_take(&layout, &value, reterr);
    if (status == LW_OK) {
        status = time_find(&layout, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    refuse_columns(&layout);
    return shape_find(&layout, reterr);
}
