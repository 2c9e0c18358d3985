/*
 * A feed before a feed that waits while the host is read-only: for sources that have nobody to send
 * the samples again, such as a file or this host. What is delivered is delivered once, later.
 *
 * One thread, but for `over`.
 */
#ifndef LW_CONNECT_PATIENT_FEED_H
#define LW_CONNECT_PATIENT_FEED_H

#include "lapwing/plugin.h"

#include <stdatomic.h>

struct lw_patient_feed {
    struct lw_feed feed;     /* The one behind. */
    const atomic_bool *over; /* Set: waits no longer, and answers LW_EBUSY. */
};

/* The feed to give to the source. `patient` must stay where it is. */
struct lw_feed lw_patient_feed_init(struct lw_patient_feed *patient, const struct lw_feed *feed,
                                    const atomic_bool *over);

#endif
