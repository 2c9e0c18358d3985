"""Runs `lapwing replay` on one file and makes one score, event score, alarm and onset of each of its rows."""
import csv
import math
import os
import pathlib
import subprocess
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LAPWING") or str(ROOT / os.environ.get("BUILD_ROOT", "build") / "release/lapwing")

# All that is configured, for every set. A point is what may differ between two runs.
CONFIGURATION = ("--step", "row", "--set", "budget_scope=series")
POINTS = {"benchmark": ("--point", "benchmark"), "default": ("--point", "default", "--set", "alarm_budget=1w")}


def configuration(point):
    return [*CONFIGURATION, *POINTS[point]]


def replay(path, out, point, step_seconds=None):
    """One file through the program; the interval counts only where the file has no times."""
    interval = [] if step_seconds is None else ["--interval", f"{round(step_seconds * 1000)}ms"]
    command = [PROGRAM, "replay", "--quiet", "--threads", "1", *configuration(point), *interval, "--out", out, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")


def read_verdicts(path):
    """
    The verdicts of a replay gathered by row: lists of score, event, alarm and onset, as the texts they were.

    A row's verdict is that on its entity as a whole, which comes last; until there is one, the highest score of the
    row's series and an alarm of any. Where none can tell yet it is 0: the scorer wants numbers.
    """
    rows = []
    order = {}
    last = math.inf
    with open(path, encoding="utf-8", newline="") as stream:
        verdicts = csv.reader(stream)
        names = next(verdicts)
        at_series, *at = (names.index(name) for name in ("series", "score", "event", "alarm", "onset"))
        for verdict in verdicts:
            told = [verdict[column] or "0" for column in at]
            series = verdict[at_series]
            place = order.setdefault(series, len(order)) if series else math.inf
            if place <= last and series:
                rows.append(told)
            else:
                rows[-1] = told if not series else [max(pair, key=float) for pair in zip(rows[-1], told, strict=True)]
            last = place
    return types.SimpleNamespace(**dict(zip(("score", "event", "alarm", "onset"), map(list, zip(*rows)), strict=True)))
