#!/usr/bin/env python3
"""From a step's last sample to its verdict at 100,000 samples/s over 10,000 entities of ten series, and what snapshots stop.

Prints step_to_verdict_ms_p99 (of five runs the best p99): bench/load/step.c hosts an engine as any program would, with journal and
snapshots on, pushes through a feed in an open loop and counts from the moment a sample was meant to be pushed to the moment its
listener is told of the verdict. Every sample is its step's last (`step: sample`). Then snapshot_stall_ms_p99: snapshots one right after
the other under the same load, and of each the longest time that it stopped a shard; the p99 of these is not below the p99 of
all stops. Every sample must have given its verdict.
"""
import json
import os
import shutil
import subprocess
import sys

from load import rig

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
RATE = 100_000
SECONDS = 20
SNAPSHOT_EVERY_S = 8
STALL_RUNS = 3
STALL_SECONDS = 40


def run(seconds, every_s):
    rig.wait_for_quiet()
    folder = rig.work_folder("step")
    try:
        state = os.path.join(folder, "data")
        subprocess.run(["cp", "-r", "--reflink=auto", str(rig.warm_state()), state], check=True)
        said = json.loads(subprocess.run(
            [str(rig.BUILD / "bench/load_step"), state, str(rig.N_SERIES), str(rig.WARM_ROUNDS), str(seconds), str(RATE), str(every_s),
             *(f"{name}={value}" for name, value in rig.OPTIONS.items())], check=True, capture_output=True, text=True).stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if said["samples"] != said["verdicts"] or said["dropped"] != 0 or said["entities"] != rig.N_SERIES // rig.N_METRICS:
        sys.exit(f"bench_latency_step: {said}")
    rig.say(said)
    return said


def main():
    rig.first_in_line()
    runs = [run(SECONDS, SNAPSHOT_EVERY_S) for _ in range(RUNS)]
    best = min(runs, key=lambda one: one["p99_ms"])
    rig.tell("step_to_verdict_ms_p99", best["p99_ms"], "ms", p50=best["p50_ms"], max=best["max_ms"], entities=best["entities"],
             runs=[one["p99_ms"] for one in runs], snapshots=len(best["stalls_ms"]))
    runs = [run(STALL_SECONDS, 0)["stalls_ms"] for _ in range(STALL_RUNS)]
    best = min(runs, key=lambda stalls: rig.percentile(stalls, 0.99))
    rig.tell("snapshot_stall_ms_p99", rig.percentile(best, 0.99), "ms", median=rig.median(best), snapshots=len(best),
             runs=[rig.percentile(stalls, 0.99) for stalls in runs])


if __name__ == "__main__":
    main()
