/*
 * Local time of a named zone, from the system's time-zone database.
 *
 * Reads the "Time Zone Information Format" TZif, version 2 and later (RFC 8536), with its closing
 * POSIX rule. A zone is immutable once made: any thread may read it.
 */
#ifndef LW_BASE_ZONE_H
#define LW_BASE_ZONE_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

#define LW_ZONE_NAME_MAX 64          /* Bytes of a name, terminator included. */
#define LW_ZONE_FILE_MAX 65536       /* Bytes of a TZif file; today's largest have 3,600. */
#define LW_ZONE_TRANSITIONS_MAX 4096 /* Of one file; today's largest have 240. */

struct lw_zone;

/*
 * Reads /usr/share/zoneinfo/NAME. Names are relative, of letters, digits and "_+-/", without "." at
 * all. "UTC" needs no file. LW_EINVAL for a name that is none, LW_ENOTFOUND when the database has
 * no such zone, LW_EIO, LW_ENOMEM, and as lw_zone_parse. The caller destroys *ret_zone.
 */
enum lw_status lw_zone_load(const char *name, struct lw_zone **ret_zone,
                            struct lw_error *reterr) LW_MUST_USE;
/*
 * Makes a zone of a TZif file's bytes. LW_EFORMAT where they are not what RFC 8536 asks for or
 * count leap seconds, LW_EVERSION for version 1 files, LW_ELIMIT above the limits stated here,
 * LW_ENOMEM.
 */
enum lw_status lw_zone_parse(const void *bytes, size_t n_bytes, struct lw_zone **ret_zone,
                             struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_zone_destroy(struct lw_zone *zone);
/*
 * Seconds to add to UTC for local time at that moment; NULL is UTC. From 1970 to 2106 one table
 * look-up and on average under one comparison; earlier a binary search; later the closing rule is
 * worked out.
 */
int32_t lw_zone_offset_s(const struct lw_zone *zone, int64_t utc_s);

#endif
