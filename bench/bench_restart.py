#!/usr/bin/env python3
"""`kill -9` of the daemon at 100,000 samples/s over 100,000 series, and the way back.

Prints restart_s_100k_series: the worst of several kills, from the start of the new process to the first verdict of a sample that
it was sent; loading the snapshot, replaying the journal and the sender's own retry are in it. One sender goes on through all
of them. The kills come at different times after a start, the last when the journal holds about as much as it ever does. At the end
every sample that was sent must have given one verdict, and those of 1,000 series must be replay's: nothing lost, nothing twice.
"""
import json
import os
import sys
import time

from load import rig

RATE = 100_000
KILLS_AFTER_S = [float(text) for text in os.environ.get("BENCH_KILLS", "6,15,24,29").split(",")]
ROUNDS_MAX = 100_000


def come_back(daemon):
    """Seconds to readiness and to the first new verdict."""
    begin = time.monotonic()
    daemon.start(wait=False)
    daemon.wait_ready()
    ready_s = time.monotonic() - begin
    first = None
    while True:
        verdicts = daemon.metrics()["lapwing_verdicts_total"]
        if first is not None and verdicts > first:
            return ready_s, time.monotonic() - begin
        first = verdicts if first is None else first
        if time.monotonic() - begin > 120:
            sys.exit("bench_restart: no verdict in two minutes")
        time.sleep(0.01)


def main():
    rig.first_in_line()
    rig.wait_for_quiet()
    backs = []
    with rig.Daemon(rig.warm_state(), "push: {delay: 2m}\n").start() as daemon:
        before = daemon.metrics()
        load = rig.sender("remote_write", daemon.address, ROUNDS_MAX, rate=RATE)
        for after_s in KILLS_AFTER_S:
            time.sleep(after_s)
            daemon.kill()
            ready_s, verdict_s = come_back(daemon)
            taken_up = daemon.logged("state taken up")
            backs.append({"after_s": after_s, "verdict_s": round(verdict_s, 2), "ready_s": round(ready_s, 2),
                          "samples_replayed": taken_up["samples_replayed"], "load_and_replay_s": taken_up["milliseconds"] / 1e3})
            rig.say(json.dumps(backs[-1]))
        time.sleep(5)
        load.terminate()
        said = rig.sent(load)
        rig.settle(daemon.pid)
        after = daemon.metrics()
        lost = said["samples"] - (after["lapwing_verdicts_total"] - before["lapwing_verdicts_total"])
        if lost != 0:
            sys.exit(f"bench_restart: {said['samples']} samples sent, {lost:.0f} verdicts too few")
        rig.check_verdicts(daemon, rig.WARM_ROUNDS + said["rounds"])
        daemon.end()
    worst = max(backs, key=lambda back: back["verdict_s"])
    rig.tell("restart_s_100k_series", worst["verdict_s"], "s", samples_replayed=worst["samples_replayed"],
             load_and_replay_s=worst["load_and_replay_s"], kills=backs, samples=said["samples"], lost=0, again=said["again"])


if __name__ == "__main__":
    main()
