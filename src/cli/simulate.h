/* `lapwing run --simulate`: days of the engine on a virtual clock, network and disk, a seed each.
 */
#ifndef LW_CLI_SIMULATE_H
#define LW_CLI_SIMULATE_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct lw_simulate_options {
    bool wanted;
    uint64_t seed;    /* The first. */
    uint64_t n_seeds; /* Consecutive ones; 0: 1. */
    uint64_t hours;   /* Of virtual time; 0: 24. */
    bool without_sync;
};

/* Keys of its flags, which have no short names. */
enum lw_simulate_key {
    LW_SIMULATE_KEY_SIMULATE = 0x100,
    LW_SIMULATE_KEY_SEEDS,
    LW_SIMULATE_KEY_HOURS,
    LW_SIMULATE_KEY_WITHOUT_SYNC
};

#define LW_SIMULATE_SEEDS_MAX UINT64_C(1000000)
#define LW_SIMULATE_HOURS_MAX UINT64_C(720)

/* One of its flags, or the end of all; ARGP_ERR_UNKNOWN for others. */
error_t lw_simulate_take(struct lw_simulate_options *options, int key, const char *argument,
                         const struct argp_state *state);

/* Runs them, tells each on the standard output, and answers an enum lw_exit. */
int lw_simulate_seeds(const struct lw_simulate_options *options);

#endif
