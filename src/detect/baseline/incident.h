/* Stretches of surprise, how rare they are, and which rows are the start of something worth
 * telling. */
#ifndef LW_DETECT_BASELINE_INCIDENT_H
#define LW_DETECT_BASELINE_INCIDENT_H

#include "detect/tail.h"

#include <stdbool.h>
#include <stdint.h>

#define INCIDENT_SURPRISE 6.0 /* From here on a row is asked how rare it is. */
#define INCIDENT_QUIET_ROWS 50
#define INCIDENT_QUEUE 8

/* All zero is a fresh one. */
struct lw_incident {
    float peak;      /* Of the open incident; 0 when none is open. */
    float alarmed;   /* Surprise of the last alarm, until 50 rows without surprise; 0 when there was
                        none. */
    uint16_t length; /* Rows since it opened. */
    uint16_t quiet;  /* Rows since the surprise was last above 3; saturates. */
    uint16_t calm;   /* Rows since it was last 6 or more; saturates. */
    uint16_t reserved;
};

struct lw_incident_rule {
    double rows;                /* Seen by this series so far. */
    double budget_rows;         /* An alarm must be rarer than one in this many rows. */
    double prior_rows;          /* Weight of the prior. */
    const struct lw_tail *tail; /* The pooled prior; NULL: one incident of 6 and more in prior_rows.
                                 */
};

/* counts: peaks of closed incidents. Rows between incidents at least as bad as q, 0 when q is below
 * 6; *ret_strength is above 1 when this row is an alarm, else 0. */
double lw_incident_step(struct lw_incident *incident, uint16_t counts[LW_TAIL_BINS],
                        const struct lw_incident_rule *rule, double q, double *ret_strength);

/* This row, with a surprise of q, was told for another reason: while it stays surprising the alarm
 * lasts, as after one of its own. */
void lw_incident_told(struct lw_incident *incident, double q);

/* The last rows' event strengths, as a falling queue: the front is their maximum. All zero is a
 * fresh one. */
struct lw_refractory {
    float strength[INCIDENT_QUEUE];
    uint16_t row[INCIDENT_QUEUE]; /* Row number modulo 65536. */
    uint16_t n;
    uint16_t reserved[3];
};

/* Is this row's strength above all of the last 50 rows'? Then it stands, else it is 0. */
double lw_refractory_step(struct lw_refractory *refractory, uint32_t row, double strength);

#endif
