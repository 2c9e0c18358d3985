#!/usr/bin/env python3
"""`lapwing replay` on a long CSV file of 10,000 real series in the page cache, every sample a step.

Prints replay_tier0_samples_per_s (wall, the whole run from start to exit, all processors), the same per CPU second, and
both with one row of --out for each verdict. The file is made anew: the series of tests/data, replicated over labels, each
from a row of its own on, one sample a minute, in time order. A run counts only if every sample got its verdict, and the one
with --out only if the rows of 1,000 series picked at random are those of a replay of these alone by one thread, each in its
place. The other runs have to say the same of anomalies. LW_SEED picks; it is said. (bench_operator holds the library's
verdicts to those of replay.)
"""
import itertools
import json
import os
import pathlib
import random
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
N_CHECKED = 1_000


def write_file(path, numbers):
    """The series of these numbers, in that order."""
    sources = [[line.rpartition(",")[2] for line in file.read_text().splitlines()[1:]] for file in sorted(SERIES.glob("*.csv"))]
    names = [f',"requests_total{{instance=""web-{number:05d}""}}",' for number in numbers]
    with open(path, "w", encoding="ascii") as stream:
        stream.write("time,series,value\n")
        for row in range(N_ROWS):
            values = [sources[number % len(sources)][(number * 37 + row) % len(sources[number % len(sources)])]
                      for number in numbers]
            when = itertools.repeat(str(START_S + row * STEP_S))
            stream.write("\n".join(map("".join, zip(when, names, values))) + "\n")


def run(program, path, n_series, *options):
    """Wall and CPU seconds of one replay, and what it says of anomalies."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run([program, "replay", "--step", "sample", "--top", "0", *options, path], capture_output=True, text=True,
                          check=False)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = re.search(r"([\d,]+) rows, ([\d,]+) verdicts", done.stdout + done.stderr)
    if done.returncode != 0 or said is None:
        sys.exit(f"bench_replay: replay ended with {done.returncode}: {done.stderr}")
    if any(int(count.replace(",", "")) != n_series * N_ROWS for count in said.groups()):
        sys.exit(f"bench_replay: {said.group(0)}, but {n_series * N_ROWS} samples")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout[:said.start()]


def tell(bench, bench_cpu, runs):
    """The fastest of the runs: other work on the machine can only slow one down."""
    samples = N_SERIES * N_ROWS
    wall, cpu, _ = min(runs)
    print(json.dumps({"bench": bench, "value": round(samples / wall), "unit": "1/s"}))
    print(json.dumps({"bench": bench_cpu, "value": round(samples / cpu), "unit": "1/s of CPU"}), flush=True)


def check(program, folder, scores):
    """Ends the bench when a series' rows depend on the others, on the threads, or stand in the wrong place."""
    seed = int(os.environ.get("LW_SEED") or time.time())
    print(f"bench_replay: LW_SEED={seed}", file=sys.stderr)
    numbers = sorted(random.Random(seed).sample(range(N_SERIES), N_CHECKED))
    path, alone = os.path.join(folder, "picked.csv"), os.path.join(folder, "picked_scores.csv")
    write_file(path, numbers)
    run(program, path, N_CHECKED, "--threads", "1", "--out", alone)
    n_alarms = 0
    with open(scores, encoding="ascii") as ours, open(alone, encoding="ascii") as theirs:
        if next(ours) != next(theirs):
            sys.exit("bench_replay: the columns differ")
        for row in range(N_ROWS):
            rows = list(itertools.islice(ours, N_SERIES))
            for number, wanted in zip(numbers, itertools.islice(theirs, N_CHECKED), strict=True):
                if rows[number] != wanted or wanted.split(",")[1] != f"web-{number:05d}":
                    sys.exit(f"bench_replay: row {row} of series {number}:\n{rows[number]}but replayed with fewer:\n{wanted}")
                n_alarms += wanted.split(",")[5] == "1"
        if next(ours, None) is not None or next(theirs, None) is not None:
            sys.exit("bench_replay: more rows than samples")
    print(f"bench_replay: {N_CHECKED * N_ROWS} verdicts ({n_alarms} alarms) of {N_CHECKED} series are those of a replay of these"
          " alone", file=sys.stderr)


def main():
    program = os.environ.get("LAPWING") or "build/release/lapwing"
    with tempfile.TemporaryDirectory() as folder:
        path, scores = os.path.join(folder, "long.csv"), os.path.join(folder, "scores.csv")
        write_file(path, range(N_SERIES))
        runs = [run(program, path, N_SERIES) for _ in range(RUNS)]
        run_out = run(program, path, N_SERIES, "--out", scores)
        if any(said != run_out[2] for *_, said in runs):
            sys.exit(f"bench_replay: the runs do not say the same of anomalies: {[said for *_, said in runs]}, {run_out[2]}")
        check(program, folder, scores)
        tell("replay_tier0_samples_per_s", "replay_tier0_samples_per_cpu_s", runs)
        tell("replay_tier0_out_samples_per_s", "replay_tier0_out_samples_per_cpu_s", [run_out])


if __name__ == "__main__":
    main()
