/* `lapwing run --simulate`: a line for each seed, how to replay what broke, and a sum. */
#include "cli/simulate.h"

#include "cli/command.h"
#include "lapwing/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR_NS INT64_C(3600000000000)
#define HOURS_DEFAULT 24u

/* ---- flags ---- */

static uint64_t number_take(const char *argument, uint64_t least, uint64_t most,
                            const struct argp_state *state)
{
    char *end = NULL;
    uint64_t number;

    errno = 0;
    number = strtoull(argument, &end, 10);
    if (argument[0] < '0' || argument[0] > '9' || *end != '\0' || errno != 0 || number < least ||
        number > most) {
        argp_error(state, "\"%s\" is no number from %" PRIu64 " to %" PRIu64, argument, least,
                   most);
    }
    return number;
}

/* What only a simulation takes is not left unheard. */
static void check_whole(const struct lw_simulate_options *options, const struct argp_state *state)
{
    if (!options->wanted &&
        (options->n_seeds != 0 || options->hours != 0 || options->without_sync)) {
        argp_error(state, "--seeds, --hours and --without-sync are for --simulate");
    }
}

error_t lw_simulate_take(struct lw_simulate_options *options, int key, const char *argument,
                         const struct argp_state *state)
{
    switch (key) {
    case LW_SIMULATE_KEY_SIMULATE:
        options->wanted = true;
        options->seed = number_take(argument, 0, INT64_MAX, state);
        return 0;
    case LW_SIMULATE_KEY_SEEDS:
        options->n_seeds = number_take(argument, 1, LW_SIMULATE_SEEDS_MAX, state);
        return 0;
    case LW_SIMULATE_KEY_HOURS:
        options->hours = number_take(argument, 1, LW_SIMULATE_HOURS_MAX, state);
        return 0;
    case LW_SIMULATE_KEY_WITHOUT_SYNC:
        options->without_sync = true;
        return 0;
    case ARGP_KEY_END:
        check_whole(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what it tells ---- */

static uint64_t hours_of(const struct lw_simulate_options *options)
{
    return options->hours == 0 ? HOURS_DEFAULT : options->hours;
}

static void numbers_print(const struct lw_simulation_report *report)
{
    (void)printf("%" PRIu64 " samples (%" PRIu64 " late, %" PRIu64 " repeated), %" PRIu64
                 " anomalies, %" PRIu64 " kills, %" PRIu64 " power cuts (%" PRIu64
                 " in snapshots), %" PRIu64 " disk faults, %" PRIu64 " full disks, %" PRIu64
                 " refusals, %" PRIu64 " decisions, %" PRIu64 " snapshots, %" PRIu64
                 " recoveries, %" PRIu64 " records replayed",
                 report->samples, report->late, report->repeated, report->anomalies, report->kills,
                 report->power_cuts, report->cuts_in_snapshots, report->disk_faults,
                 report->full_disks, report->refusals, report->decisions, report->checkpoints,
                 report->recoveries, report->replayed);
}

static void report_print(const struct lw_simulate_options *options, uint64_t seed,
                         const struct lw_simulation_report *report)
{
    (void)printf("seed %" PRIu64 ": %s; ", seed, report->failed ? "BROKEN" : "held");
    numbers_print(report);
    (void)printf(", %" PRIu64 " types, trace %016" PRIx64 "\n", report->n_types, report->trace);
    if (report->failed) {
        (void)printf("seed %" PRIu64 ": %s\nseed %" PRIu64
                     ": replay with: lapwing run --simulate %" PRIu64 " --hours %" PRIu64 "%s\n",
                     seed, report->failure, seed, seed, hours_of(options),
                     options->without_sync ? " --without-sync" : "");
    }
    (void)fflush(stdout);
}

static void report_add(struct lw_simulation_report *sum, const struct lw_simulation_report *report)
{
    sum->samples += report->samples;
    sum->late += report->late;
    sum->repeated += report->repeated;
    sum->anomalies += report->anomalies;
    sum->kills += report->kills;
    sum->power_cuts += report->power_cuts;
    sum->cuts_in_snapshots += report->cuts_in_snapshots;
    sum->disk_faults += report->disk_faults;
    sum->full_disks += report->full_disks;
    sum->refusals += report->refusals;
    sum->decisions += report->decisions;
    sum->checkpoints += report->checkpoints;
    sum->recoveries += report->recoveries;
    sum->replayed += report->replayed;
}

/* ---- the whole ---- */

int lw_simulate_seeds(const struct lw_simulate_options *options)
{
    const uint64_t n_seeds = options->n_seeds == 0 ? 1 : options->n_seeds;
    struct lw_simulation_report sum = {0};
    uint64_t n_broken = 0;

    for (uint64_t i = 0; i < n_seeds; i++) {
        const struct lw_simulation simulation = {.seed = options->seed + i,
                                                 .length_ns = (int64_t)hours_of(options) * HOUR_NS,
                                                 .without_sync = options->without_sync};
        struct lw_simulation_report report;
        struct lw_error error = {0};

        if (lw_simulate(&simulation, &report, &error) != LW_OK) {
            (void)fprintf(stderr, "lapwing run: seed %" PRIu64 ": %s\n", simulation.seed,
                          error.message);
            return LW_EXIT_FAILED;
        }
        report_print(options, simulation.seed, &report);
        report_add(&sum, &report);
        n_broken += report.failed ? 1 : 0;
    }
    (void)printf("%" PRIu64 " seeds: %" PRIu64 " held, %" PRIu64 " broken; ", n_seeds,
                 n_seeds - n_broken, n_broken);
    numbers_print(&sum);
    (void)printf("\n");
    return n_broken == 0 ? LW_EXIT_OK : LW_EXIT_FAILED;
}
