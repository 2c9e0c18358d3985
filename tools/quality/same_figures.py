#!/usr/bin/env python3
"""Hold `lapwing eval` to an evaluator: DATA=dir SCORES=dir EVALUATOR=evaluate.py tools/quality/same_figures.py [set...]

DATA has the sets, each a folder with a manifest.json; SCORES a folder of scores for each set, as tools/bench_quality
writes them. Every figure that the evaluator gives for a set, of every series too, must be that of `lapwing eval` within
1e-9. Ends with 1 where one is not, or where nothing was compared.
"""
import contextlib
import importlib.util
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LAPWING") or str(ROOT / os.environ.get("BUILD_ROOT", "build") / "release/lapwing")
WITHIN = 1e-9
# Each is given to both.
OPTIONS = (("--gap", "50"), ("--gap", "3", "--slack", "7", "--threshold", "0.5", "--vus-window", "31", "--nab-threshold", "0.4"))


def figures_of_evaluator(path, manifest, scores, options):
    """What the evaluator says, with every digit: it rounds only what it prints."""
    spec = importlib.util.spec_from_file_location("evaluator", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.rounded = lambda told: told
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "answer.json")
        before, sys.argv = sys.argv, [path, "--data", str(manifest), "--scores", str(scores), "--per-series", "--json", answer, *options]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                module.main()
        finally:
            sys.argv = before
        with open(answer, encoding="utf-8") as file:
            told = json.load(file)
    figures = next(value for key, value in told.items() if not key.startswith("nab_score"))
    return {**figures, **{key: value for key, value in told.items() if key.startswith("nab_score")}}


def figures_of_lapwing(manifest, scores, options):
    command = [PROGRAM, "eval", "--data", manifest, "--scores", scores, "--per-series", "--format", "json", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def pairs(theirs, ours):
    """(name, their value, our value) of every figure that they give; our value is None where there is none."""
    def values(section):
        return {name: figure["value"] for name, figure in section.items()}

    about = values(ours["about"])
    for name in ("series", "series_with_events"):
        yield name, theirs[name], about[name]
    sections = [(theirs["macro"], ours["ranking"], "macro")]
    for name in ("as_operated", "at_given_threshold", "best_common_threshold"):
        if name in theirs:
            sections.append((theirs[name], ours.get(name, {}), name))
    for name in ("nab_score", "nab_score_as_operated"):
        for profile, said in theirs.get(name, {}).items():
            if name.endswith("operated"):
                said = {key: value for key, value in said.items() if key != "threshold"}
            sections.append((said, ours.get(name, {}).get(profile, {}), f"{name}.{profile}"))
    own = {series["id"]: series["figures"] for series in ours["per_series"]}
    sections += [(said, own.get(series, {}), series) for series, said in theirs["per_series"].items()]
    for said, section, where in sections:
        mine = values(section)
        for name, value in said.items():
            yield f"{where}.{name}", value, mine.get(name)


def is_same(theirs, ours):
    if theirs is None or (isinstance(theirs, float) and not math.isfinite(theirs)):
        return ours is None
    return ours is not None and abs(theirs - ours) <= WITHIN * max(1.0, abs(theirs))


def compare(name, evaluator, manifest, scores, options):
    """How many figures were compared, and how many were not the same; prints those."""
    began = time.monotonic()
    ours = figures_of_lapwing(manifest, scores, options)
    between = time.monotonic()
    theirs = figures_of_evaluator(evaluator, manifest, scores, options)
    told = list(pairs(theirs, ours))
    wrong = [pair for pair in told if not is_same(pair[1], pair[2])]
    largest = max((abs(a - b) / max(1.0, abs(a)) for _, a, b in told if None not in (a, b) and math.isfinite(a)), default=0.0)
    print(f"{name} {' '.join(options)}: {len(told)} figures, {len(wrong)} differ, largest difference {largest:.1e}; "
          f"lapwing {between - began:.1f} s, evaluator {time.monotonic() - between:.1f} s", flush=True)
    for where, a, b in wrong[:20]:
        print(f"  {where}: {a!r} there, {b!r} here")
    return len(told), len(wrong)


def main():
    missing = [name for name in ("DATA", "SCORES", "EVALUATOR") if not os.environ.get(name)]
    if missing:
        sys.exit(f"same_figures: {' and '.join(missing)} must be set: see the head of this file")
    data, scores = pathlib.Path(os.environ["DATA"]), pathlib.Path(os.environ["SCORES"])
    sets = sys.argv[1:] or sorted(path.parent.name for path in data.glob("*/manifest.json") if (scores / path.parent.name).is_dir())
    compared = differing = 0
    for name in sets:
        for options in OPTIONS:
            n, n_wrong = compare(name, os.environ["EVALUATOR"], data / name, scores / name, options)
            compared, differing = compared + n, differing + n_wrong
    print(f"same_figures: {compared} figures of {len(sets)} sets compared, {differing} differ")
    sys.exit(1 if differing or not compared else 0)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"same_figures: {error}")
