/*
 * Return periods of incidents, and the refractory time of events.
 *
 * What is calibrated is the incident, not the row: rows turned into p-values by their own history
 * teach themselves that anomalies are normal, incidents come one at a time. An incident opens when
 * the surprise passes 3 and closes after 50 quiet rows or 300 rows in all; its peak then enters a
 * histogram. The return period of q is (rows + prior) / (incidents at least as bad + prior's
 * share). An incident alarms once, again only for more than twice the surprise or after 50 rows
 * without surprise: some series are never quiet.
 */
#include "detect/baseline/incident.h"

#include "math/elementary.h"

#define INCIDENT_OPEN 3.0
#define INCIDENT_LENGTH_MAX 300
#define INCIDENT_STRENGTH_MAX 1.9
#define REFRACTORY_ROWS 50

static void incident_close(struct lw_incident *incident, uint16_t counts[LW_TAIL_BINS])
{
    unsigned bin = lw_tail_bin((double)incident->peak);

    counts[bin] = (uint16_t)(counts[bin] + (counts[bin] < UINT16_MAX));
    incident->peak = 0.0f;
    incident->length = 0;
}

static double incident_return_rows(const uint16_t counts[LW_TAIL_BINS],
                                   const struct lw_incident_rule *rule, double q)
{
    double ratio = INCIDENT_SURPRISE / q;
    double prior = rule->tail != NULL ? rule->prior_rows * lw_tail_rate(rule->tail, q)
                                      : ratio * ratio * ratio;

    return (rule->rows + rule->prior_rows) / (lw_tail_count(counts, q) + prior);
}

static void incident_follow(struct lw_incident *incident, uint16_t counts[LW_TAIL_BINS], double q)
{
    if (q > INCIDENT_OPEN) {
        incident->quiet = 0;
        incident->peak = (float)q > incident->peak ? (float)q : incident->peak;
    } else if (incident->quiet < UINT16_MAX) {
        incident->quiet++;
    }
    if (incident->peak > 0.0f) {
        incident->length++;
        if (incident->quiet >= INCIDENT_QUIET_ROWS || incident->length >= INCIDENT_LENGTH_MAX) {
            incident_close(incident, counts);
        }
    }
    if (q >= INCIDENT_SURPRISE) {
        incident->calm = 0;
    } else if (++incident->calm >= INCIDENT_QUIET_ROWS) {
        incident->calm = INCIDENT_QUIET_ROWS;
        incident->alarmed = 0.0f;
    }
}

double lw_incident_step(struct lw_incident *incident, uint16_t counts[LW_TAIL_BINS],
                        const struct lw_incident_rule *rule, double q, double *ret_strength)
{
    double return_rows = 0.0, strength = 0.0;

    if (q >= INCIDENT_SURPRISE) {
        return_rows = incident_return_rows(counts, rule, q);
        if (return_rows >= rule->budget_rows &&
            (incident->alarmed == 0.0f || q > 2.0 * (double)incident->alarmed)) {
            strength = 1.0 + 0.1 * lw_log10(return_rows / rule->budget_rows);
            strength = strength < INCIDENT_STRENGTH_MAX ? strength : INCIDENT_STRENGTH_MAX;
            incident->alarmed = (float)q;
        }
    }
    incident_follow(incident, counts, q);
    *ret_strength = strength;
    return return_rows;
}

void lw_incident_told(struct lw_incident *incident, double q)
{
    if (q >= INCIDENT_SURPRISE && incident->alarmed == 0.0f) {
        incident->alarmed = (float)q;
    }
}

double lw_refractory_step(struct lw_refractory *refractory, uint32_t row, double strength)
{
    unsigned n = refractory->n, expired = 0;
    float now = (float)strength, largest;

    while (expired < n && (uint16_t)((uint16_t)row - refractory->row[expired]) > REFRACTORY_ROWS) {
        expired++;
    }
    n -= expired;
    for (unsigned i = 0; i < n; i++) {
        refractory->strength[i] = refractory->strength[i + expired];
        refractory->row[i] = refractory->row[i + expired];
    }
    largest = n > 0 ? refractory->strength[0] : 0.0f;
    while (n > 0 && refractory->strength[n - 1] <= now) {
        n--;
    }
    if (n < INCIDENT_QUEUE) {
        refractory->strength[n] = now;
        n++;
    }
    refractory->row[n - 1] = (uint16_t)row; /* When full, the least entry stands for the new one
                                               too: it errs to silence. */
    refractory->n = (uint16_t)n;
    return now > largest ? strength : 0.0;
}
