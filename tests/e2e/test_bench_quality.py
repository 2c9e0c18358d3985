#!/usr/bin/env python3
"""bench-quality on small real series: scores are there for every row, and depend on nothing but the rows before them.

The same series are measured three times: as they are, with other ids and permuted labels, and with their last third cut
off. The evaluator is not needed.
"""
import csv
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

SOURCE, SERIES = pathlib.Path(os.environ["LW_SOURCE"]), pathlib.Path(os.environ["LW_TEST_DATA"])
PREFIX = 2 / 3
passed = failed = 0


def shows(what):
    """A decorator: runs the function as a test of that name."""
    def wrap(test):
        global passed, failed
        try:
            test()
            passed += 1
            print(f"ok: {what}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED: {what}: {error}")
        return test
    return wrap


def rows_of(name):
    with open(SERIES / name, encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def labelled(rows, name, seed):
    """The rows with a column of labels in front, one in ten set, so that nothing can guess it by its place."""
    stream = random.Random(seed)
    return [[name, *rows[0]], *([str(int(stream.random() < 0.1)), *row] for row in rows[1:])]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def make_sets(root, ids, seed, share=1.0):
    """Three sets: told by events, one metric a file, and several metrics with a training part."""
    def cut(rows):
        return rows[:1 + int(share * (len(rows) - 1))]

    def manifest(name, **more):
        (root / name / "manifest.json").write_text(json.dumps({"name": name, **more}))

    write(root / "events" / "data" / f"{ids[0]}.csv", cut(rows_of("series/nab_iio_network_in.csv")))
    manifest("events", kind="nab", probation_fraction=0.15, probation_cap_rows=750,
             series=[{"id": f"group/{ids[0]}", "data": f"data/{ids[0]}.csv", "value_columns": ["value"],
                      "time_column": "timestamp", "step_seconds": 300.0}])
    write(root / "single" / f"{ids[1]}.csv", cut(labelled(rows_of("series/mscloud_purchase_02.csv"), "level", seed)))
    manifest("single", kind="pointwise", label_column="level",
             series=[{"id": ids[1], "series": f"{ids[1]}.csv", "step_seconds": 3600.0}])
    test = rows_of("smd/machine-1-6-test.csv")
    at = test[0].index("label")
    write(root / "several" / "train.csv", rows_of("smd/machine-1-6-train.csv"))
    write(root / "several" / "test.csv", cut(labelled([row[:at] + row[at + 1:] for row in test], "answer", seed)))
    manifest("several", kind="pointwise", label_column="answer", step_seconds=60,
             series=[{"id": ids[2], "train": "train.csv", "test": "test.csv", "dims": len(test[0]) - 1}])


def measure(where, ids, seed, share=1.0):
    """Scores and alarms, by set, of the sets so made; and the summary."""
    make_sets(where / "data", ids, seed, share)
    done = subprocess.run([sys.executable, SOURCE / "tools/bench_quality"], capture_output=True, text=True, check=False,
                          env={**os.environ, "DATA": str(where / "data"), "OUT": str(where / "out"), "EVALUATOR": ""})
    assert done.returncode == 0, done.stderr
    result = {}
    for name, one in (("events", f"group/{ids[0]}"), ("single", ids[1]), ("several", ids[2])):
        lines = (where / "out" / name / f"{one}.csv").read_text().splitlines()
        assert lines[0] == "score,alarm", lines[0]
        result[name] = lines[1:]
    return result, json.loads((where / "out/summary.json").read_text())


with tempfile.TemporaryDirectory() as folder:
    base = pathlib.Path(folder)
    scores, summary = measure(base / "as-they-are", ("machine", "shop", "server"), 1)
    renamed, renamed_summary = measure(base / "renamed", ("aa", "label", "x-1"), 2)
    prefix, _ = measure(base / "prefix", ("machine", "shop", "server"), 1, PREFIX)


@shows("every row of every series has a finite score and an alarm of 0 or 1, and not all are the same")
def complete():
    expected = {"events": 1243, "single": 1248, "several": 1024}
    for name, lines in scores.items():
        assert len(lines) == expected[name], f"{name}: {len(lines)} rows"
        told = [line.split(",") for line in lines]
        assert all(math.isfinite(float(score)) and alarm in ("0", "1") for score, alarm in told), name
        assert len({score for score, _ in told}) > 10, f"{name}: hardly any score differs"
        assert any(alarm == "1" for _, alarm in told), f"{name}: never an alarm"


@shows("permuted labels and other names leave every score as it is")
def blind():
    for name, lines in scores.items():
        differ = sum(a != b for a, b in zip(lines, renamed[name], strict=True))
        assert differ == 0, f"{name}: {differ} of {len(lines)} rows differ"


@shows("the scores of a prefix are the prefix of the scores")
def causal():
    for name, lines in scores.items():
        few = prefix[name]
        assert 0 < len(few) < len(lines), f"{name}: {len(few)} rows"
        differ = sum(a != b for a, b in zip(lines, few, strict=False))
        assert differ == 0, f"{name}: {differ} of {len(few)} rows differ"


@shows("the summary names one configuration for all")
def one_configuration():
    assert summary["configuration_hash"] == renamed_summary["configuration_hash"]
    assert summary["operating_point"] == "benchmark"
    assert {one["set"] for one in summary["series"]} == {"events", "single", "several"}


print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
