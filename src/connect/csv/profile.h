/* What the first rows of a CSV file hold, column by column: the evidence that dialects are found
 * from. */
#ifndef LW_CONNECT_CSV_PROFILE_H
#define LW_CONNECT_CSV_PROFILE_H

#include "connect/csv/moment.h"
#include "connect/csv/record.h"

/* Rows and bytes that are looked at. */
#define LW_CSV_PROFILE_ROWS 2000
#define LW_CSV_PROFILE_BYTES ((size_t)256 << 10)

/* What one field looks like. */
struct lw_csv_look {
    bool is_missing;
    bool is_number; /* With the decimal mark given. */
    bool is_time;   /* ISO 8601, or one of the patterns. */
    double number;
};

struct lw_csv_look lw_csv_look_at(const struct lw_csv_field *field, char decimal_mark);

struct lw_csv_profile {
    uint32_t n_rows, n_present, n_numbers, n_times; /* Present: not missing. */
    uint32_t n_zero_one;                            /* Numbers that are 0 or 1. */
    uint32_t n_integers, n_up_by_one, n_falls;      /* Against the number before. */
    uint32_t n_iso, n_patterns[LW_CSV_PATTERNS];
    uint32_t n_dates;     /* Eight digits that are a day: 20150226. */
    uint32_t n_units[4];  /* Epoch numbers by the unit that their size tells. */
    uint32_t n_plausible; /* Epoch numbers of 1980 to 2100. */
    double last;          /* Number before; NaN: none. */
    uint32_t n_changes;   /* Texts unlike the row's before. */
    uint64_t last_hash;
};

/* Takes a field of the next row into account. */
void lw_csv_profile_add(struct lw_csv_profile *profile, const struct lw_csv_field *field,
                        char decimal_mark);
/* Half of what is present are numbers, or nothing is present. */
bool lw_csv_profile_is_numeric(const struct lw_csv_profile *profile);

#endif
