/* Which column of a CSV file is what. Part of csv/dialect.h. */
#ifndef LW_CONNECT_CSV_LAYOUT_H
#define LW_CONNECT_CSV_LAYOUT_H

#include "connect/csv/dialect.h"
#include "connect/csv/profile.h"

/*
 * Gives every column its role and finds the time's format. The dialect has its columns' names,
 * separator, mark and header; profiles[n_columns] tell what is in them.
 */
enum lw_status lw_csv_layout_find(const struct lw_csv_options *options,
                                  const struct lw_csv_profile *profiles,
                                  struct lw_csv_dialect *dialect,
                                  struct lw_error *reterr) LW_MUST_USE;

#endif
