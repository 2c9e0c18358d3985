#!/usr/bin/env python3
"""`make soak`: the daemon for half an hour at half its highest rate, then ten planned restarts and ten kills under the same load.

One sender, 100,000 real series by remote write, goes on through all of it; its own retry is all the help there is. Prints
soak_state_bytes_growth (live bytes of the allocator of entities' states and of the page's history: the last less the first after
the warm-up; must be 0), soak_rss_growth_percent (highest resident memory of the last third against that of the first; at most 1) and
soak_samples_lost (samples sent less verdicts given, with the restarts and kills; must be 0, and the newest verdicts of 1,000 series
those of a replay). SOAK_MINUTES (30), SOAK_RESTARTS (10, and as many kills) and SOAK_RATE (samples/s) say otherwise.
"""
import os
import random
import sys
import time

from load import rig

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
RESTARTS = int(os.environ.get("SOAK_RESTARTS", "10"))
WARM_UP_S = 60
LOOK_S = 5
BETWEEN_S = (8, 30)  # From one end of the daemon to the next.
HIGHEST_ROUNDS = 60
ROUNDS_MAX = 10_000_000
RSS_GROWTH_MOST = 1.0


def half_the_highest(daemon):
    """As many samples a second, after the sender has sent as fast as it was answered; and the rounds that took."""
    if os.environ.get("SOAK_RATE"):
        return float(os.environ["SOAK_RATE"]), 0
    said = rig.sent(rig.sender("remote_write", daemon.address, HIGHEST_ROUNDS))
    rig.settle(daemon.pid)
    return said["samples_per_s"] / 2, said["rounds"]


def watch(daemon, seconds):
    """[(seconds, resident bytes, live bytes of states and history)]."""
    looks, begin = [], time.monotonic()
    while time.monotonic() - begin < seconds:
        found = daemon.metrics()
        looks.append((time.monotonic() - begin, rig.rss_bytes(daemon.pid),
                      found["lapwing_state_bytes"] + found["lapwing_history_bytes"]))
        time.sleep(LOOK_S)
    return looks


def tell_memory(looks):
    """Whether memory stays."""
    third = looks[-1][0] / 3
    first = max(rss for at, rss, _ in looks if at <= third)
    last = max(rss for at, rss, _ in looks if at >= 2 * third)
    growth = 100 * (last / first - 1)
    live = looks[-1][2] - looks[0][2]
    rig.tell("soak_state_bytes_growth", live, "bytes", live_bytes=looks[-1][2], samples=len(looks))
    rig.tell("soak_rss_growth_percent", growth, "%", first=first, last=last)
    return growth <= RSS_GROWTH_MOST and live == 0


def end_and_begin(daemon, chance):
    """Planned restarts and kills in turn, at moments of chance."""
    for number in range(2 * RESTARTS):
        time.sleep(chance.uniform(*BETWEEN_S))
        if number % 2 == 0:
            daemon.end()
        else:
            daemon.kill()
        begin = time.monotonic()
        daemon.start()
        rig.say(f"{'restart' if number % 2 == 0 else 'kill'} {number // 2 + 1}: ready after {time.monotonic() - begin:.1f} s")


def main():
    seed = int(os.environ.get("LW_SEED") or time.time())
    rig.say(f"LW_SEED={seed}")
    with rig.Daemon(rig.warm_state(), "push: {delay: 2m}\n").start() as daemon:
        before = daemon.metrics()
        rate, rounds = half_the_highest(daemon)
        rig.say(f"{rate:.0f} samples/s for {MINUTES:g} minutes")
        load = rig.sender("remote_write", daemon.address, ROUNDS_MAX, first=rig.WARM_ROUNDS + rounds, rate=rate)
        time.sleep(WARM_UP_S)
        good = tell_memory(watch(daemon, MINUTES * 60))
        end_and_begin(daemon, random.Random(seed))
        time.sleep(BETWEEN_S[0])
        load.terminate()
        said = rig.sent(load)
        rig.settle(daemon.pid)
        rounds += said["rounds"]
        after = daemon.metrics()
        lost = rounds * rig.N_SERIES - (after["lapwing_verdicts_total"] - before["lapwing_verdicts_total"])
        rig.tell("soak_samples_lost", lost, "samples", sent=rounds * rig.N_SERIES, again=said["again"], restarts=RESTARTS, kills=RESTARTS,
                 rate=rate, dropped={name: value - before.get(name, 0) for name, value in after.items()
                                     if name.startswith("lapwing_samples_dropped_total") and value > before.get(name, 0)})
        if lost == 0:
            rig.check_verdicts(daemon, rig.WARM_ROUNDS + rounds)
        daemon.end()
    sys.exit(0 if good and lost == 0 else 1)


if __name__ == "__main__":
    main()
