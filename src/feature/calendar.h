/*
 * Local time and holidays: what "hour of day" and "day of week" mean where the metric lives.
 *
 * A calendar is immutable once made and may be shared by all threads. NULL stands for UTC without
 * holidays everywhere. Look-ups are made for every sample: local time costs one table look-up
 * (base/zone.h), a holiday one bit of a table of days.
 */
#ifndef LW_FEATURE_CALENDAR_H
#define LW_FEATURE_CALENDAR_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Entries of a holiday list; holidays from 1970 to 2105 are known, other days are none. */
#define LW_CALENDAR_HOLIDAYS_MAX 4096

struct lw_calendar;

/*
 * zone_name: as lw_zone_load, "Europe/Berlin"; NULL or "" is UTC. holidays: local dates by comma or
 * white space, "2026-01-01" for one day, "12-25" for every year ("02-29" only where there is one);
 * NULL or "" is none. The caller destroys *ret_calendar. LW_EINVAL for text that is no date,
 * LW_ELIMIT for too long a list, LW_ENOMEM, and as lw_zone_load.
 */
enum lw_status lw_calendar_create(const char *zone_name, const char *holidays,
                                  struct lw_calendar **ret_calendar,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_calendar_destroy(struct lw_calendar *calendar);
/* Local time as nanoseconds since 1970-01-01 00:00 local time: divide by an hour or a day (rounding
 * down) for the season's place. */
int64_t lw_calendar_local_ns(const struct lw_calendar *calendar, int64_t utc_ns);
/* Is the local day that contains utc_ns a holiday? */
bool lw_calendar_is_holiday(const struct lw_calendar *calendar, int64_t utc_ns);
/* The same for one who has lw_calendar_local_ns at hand: saves the second look-up. */
bool lw_calendar_is_holiday_local(const struct lw_calendar *calendar, int64_t local_ns);

#endif
