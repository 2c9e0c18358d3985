"""Runs `lapwing train` and `lapwing replay` on files and makes one score, event score, alarm and onset of each row."""
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
# Where a set has rows to train on, an entity of several metrics is trained on them first.
TRAINING = ("--step", "row", "--models", "full", "--sharing", "own")
# What the models of an entity say of a row, beside its verdict: columns of --wide.
FIGURES = ("energy", "level_adjusted", "model_linear_values", "blamed_1", "blamed_2", "blamed_3")


def configuration(point):
    return [*CONFIGURATION, *POINTS[point]]


def run(arguments):
    """One run of the program; RuntimeError with what it said when it failed."""
    command = [PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")


def interval(step_seconds):
    """Counts only where the file has no times."""
    return [] if step_seconds is None else ["--interval", f"{round(step_seconds * 1000)}ms"]


def train(paths, model, step_seconds=None, training=TRAINING):
    """A model file from files, one entity each."""
    pathlib.Path(model).parent.mkdir(parents=True, exist_ok=True)
    run(["train", "--quiet", *training, *interval(step_seconds), "--out", model, *paths])


def replay(path, out, point, step_seconds=None, model=None):
    """One file through the program, served by a model file where there is one, then with what the models said."""
    served = [] if model is None else ["--model", model, "--wide"]
    run(["replay", "--quiet", "--threads", "1", *configuration(point), *interval(step_seconds), *served, "--out", out, path])


def read_verdicts(path):
    """
    The verdicts of a replay gathered by row: lists of score, event, alarm and onset, as the texts they were.

    A row's verdict is that on its entity as a whole, which comes last; until there is one, the highest score of the
    row's series and an alarm of any. Where none can tell yet it is 0: the scorer wants numbers. `figures` has one list
    for each of FIGURES that the file has, "0" where nothing is told.
    """
    rows, figures = [], []
    order = {}
    last = math.inf
    with open(path, encoding="utf-8", newline="") as stream:
        verdicts = csv.reader(stream)
        names = next(verdicts)
        at_series, *at = (names.index(name) for name in ("series", "score", "event", "alarm", "onset"))
        told_figures = [name for name in FIGURES if name in names]
        at_figures = [names.index(name) for name in told_figures]
        for verdict in verdicts:
            told = [verdict[column] or "0" for column in at]
            series = verdict[at_series]
            place = order.setdefault(series, len(order)) if series else math.inf
            if place <= last and series:
                rows.append(told)
                figures.append(["0"] * len(at_figures))
            else:
                rows[-1] = told if not series else [max(pair, key=float) for pair in zip(rows[-1], told, strict=True)]
            if not series:
                figures[-1] = [verdict[column] or "0" for column in at_figures]
            last = place
    told = types.SimpleNamespace(**dict(zip(("score", "event", "alarm", "onset"), map(list, zip(*rows)), strict=True)))
    told.figures = dict(zip(told_figures, map(list, zip(*figures)), strict=True)) if at_figures else {}
    return told
