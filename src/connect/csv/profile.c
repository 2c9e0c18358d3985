/* What the first rows of a CSV file hold: see csv/profile.h. */
#include "connect/csv/profile.h"

#include "base/hash.h"
#include "connect/csv/decimal.h"

#include <math.h>
#include <string.h>

#define YEAR_1980_S 315532800.0
#define YEAR_2100_S 4102444800.0
#define COMPACT_BYTES 14 /* Of 20150226214253, the only pattern without separators. */

static bool has_digit_first(const struct lw_csv_field *field)
{
    return field->n_bytes > 0 && (unsigned)(field->text[0] - '0') < 10;
}

/* The patterns that fit, as bits. */
static uint32_t patterns_fitting(const struct lw_csv_field *field)
{
    uint32_t fitting = 0;
    int64_t ns;

    for (int i = 0; i < LW_CSV_PATTERNS && has_digit_first(field); i++) {
        if (lw_csv_pattern_parse(LW_CSV_PATTERN_NAMES[i], field->text, field->n_bytes, &ns)) {
            fitting |= (uint32_t)1 << i;
        }
    }
    return fitting;
}

static bool is_iso(const struct lw_csv_field *field)
{
    int64_t ns;

    return lw_time_parse_iso(field->text, field->n_bytes, &ns);
}

struct lw_csv_look lw_csv_look_at(const struct lw_csv_field *field, char decimal_mark)
{
    struct lw_csv_look look = {.number = NAN};

    look.is_missing = lw_csv_is_missing(field->text, field->n_bytes);
    look.is_number = !look.is_missing &&
                     lw_csv_decimal_parse(field->text, field->n_bytes, decimal_mark, &look.number);
    look.is_time = !look.is_missing && !look.is_number &&
                   (is_iso(field) || patterns_fitting(field) != 0);
    return look;
}

/* The unit that the size of a number of epoch seconds, milliseconds and so on tells. */
static enum lw_time_unit unit_of(double number)
{
    double size = fabs(number);

    return size < 1e11 ? LW_TIME_S
                       : (size < 1e14 ? LW_TIME_MS : (size < 1e17 ? LW_TIME_US : LW_TIME_NS));
}

static void profile_number(struct lw_csv_profile *profile, const struct lw_csv_field *field,
                           double number)
{
    static const double units_per_s[] = {1.0, 1e3, 1e6, 1e9};
    enum lw_time_unit unit = unit_of(number);
    double seconds = number / units_per_s[unit];
    int64_t ns;

    profile->n_numbers++;
    profile->n_zero_one += number == 0.0 || number == 1.0;
    profile->n_integers += number == floor(number);
    profile->n_up_by_one += number == profile->last + 1.0;
    profile->n_falls += number < profile->last;
    profile->last = number;
    profile->n_units[unit]++;
    profile->n_plausible += seconds >= YEAR_1980_S && seconds < YEAR_2100_S;
    profile->n_dates += field->n_bytes == 8 &&
                        lw_csv_pattern_parse("%Y%m%d", field->text, field->n_bytes, &ns);
}

void lw_csv_profile_add(struct lw_csv_profile *profile, const struct lw_csv_field *field,
                        char decimal_mark)
{
    struct lw_csv_look look = lw_csv_look_at(field, decimal_mark);
    uint64_t hash = lw_hash_bytes(field->text, field->n_bytes, 1);
    uint32_t fitting;

    profile->n_changes += profile->n_rows > 0 && hash != profile->last_hash;
    profile->last_hash = hash;
    if (profile->n_rows == 0) {
        profile->last = NAN;
    }
    profile->n_rows++;
    if (look.is_missing) {
        return;
    }
    profile->n_present++;
    if (look.is_number) {
        profile_number(profile, field, look.number);
    }
    if (!look.is_number) {
        profile->n_iso += is_iso(field);
        profile->n_times += look.is_time;
    }
    fitting = look.is_number && field->n_bytes < COMPACT_BYTES ? 0 : patterns_fitting(field);
    for (int i = 0; i < LW_CSV_PATTERNS; i++) {
        profile->n_patterns[i] += (fitting >> i) & 1;
    }
}

bool lw_csv_profile_is_numeric(const struct lw_csv_profile *profile)
{
    return profile->n_numbers * 2 >= profile->n_present;
}
