#!/usr/bin/env python3
"""`lapwing replay` on a long CSV file of 10,000 real series in the page cache, every sample a step.

Prints replay_tier0_samples_per_s (wall, the whole run from start to exit, all processors), the same per CPU second, and
both with one row of --out for each verdict. The file is made anew: the series of tests/data, replicated over labels, each
from a row of its own on, one sample a minute, in time order. A run counts only if every sample got its verdict.
"""
import itertools
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

SERIES = pathlib.Path(os.environ.get("LW_TEST_DATA", pathlib.Path(__file__).resolve().parents[1] / "tests/data")) / "series"
N_SERIES = 10_000
N_ROWS = 1_000
START_S = 1_767_225_600
STEP_S = 60
RUNS = 3


def write_file(path):
    sources = [[line.rpartition(",")[2] for line in file.read_text().splitlines()[1:]] for file in sorted(SERIES.glob("*.csv"))]
    names = [f',"requests_total{{instance=""web-{number:05d}""}}",' for number in range(N_SERIES)]
    with open(path, "w", encoding="ascii") as stream:
        stream.write("time,series,value\n")
        for row in range(N_ROWS):
            values = [sources[number % len(sources)][(number * 37 + row) % len(sources[number % len(sources)])]
                      for number in range(N_SERIES)]
            when = itertools.repeat(str(START_S + row * STEP_S))
            stream.write("\n".join(map("".join, zip(when, names, values))) + "\n")


def run(program, path, *options):
    """Wall and CPU seconds of one replay."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run([program, "replay", "--step", "sample", "--top", "0", *options, path], capture_output=True, text=True,
                          check=False)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = re.search(r"([\d,]+) rows, ([\d,]+) verdicts", done.stdout + done.stderr)
    if done.returncode != 0 or said is None:
        sys.exit(f"bench_replay: replay ended with {done.returncode}: {done.stderr}")
    if any(int(count.replace(",", "")) != N_SERIES * N_ROWS for count in said.groups()):
        sys.exit(f"bench_replay: {said.group(0)}, but {N_SERIES * N_ROWS} samples")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tell(bench, bench_cpu, runs):
    """The fastest of the runs: other work on the machine can only slow one down."""
    samples = N_SERIES * N_ROWS
    wall, cpu = min(runs)
    print(json.dumps({"bench": bench, "value": round(samples / wall), "unit": "1/s"}))
    print(json.dumps({"bench": bench_cpu, "value": round(samples / cpu), "unit": "1/s of CPU"}), flush=True)


def main():
    program = os.environ.get("LAPWING") or "build/release/lapwing"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "long.csv")
        write_file(path)
        tell("replay_tier0_samples_per_s", "replay_tier0_samples_per_cpu_s", [run(program, path) for _ in range(RUNS)])
        tell("replay_tier0_out_samples_per_s", "replay_tier0_out_samples_per_cpu_s",
             [run(program, path, "--out", os.path.join(folder, "scores.csv"))])


if __name__ == "__main__":
    main()
