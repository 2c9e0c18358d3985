#!/usr/bin/env python3
"""`lapwing eval` as its users know it: every figure against definitions written again, on real series that were replayed."""
import csv
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

import eval_reference as reference

LAPWING = os.environ.get("LAPWING", "")
DATA = pathlib.Path(os.environ.get("LW_TEST_DATA", ""))
NAMES = ("mscloud_app1_04", "mscloud_purchase_02", "mscloud_outbound_23")
WITHIN = 1e-9
FOLDER = tempfile.TemporaryDirectory()
ROOT = pathlib.Path(FOLDER.name)


def run(*arguments, code=0):
    done = subprocess.run([LAPWING, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, (arguments, done.returncode, done.stderr[-2000:])
    return done.stdout, done.stderr


def evaluate(*arguments):
    return json.loads(run("eval", "--format", "json", "--per-series", *arguments)[0])


def write(name, text):
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(path):
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    return rows[0], rows[1:]


def replayed(name, source):
    """Verdicts of a replay, made once."""
    path = ROOT / "scores" / f"{name}.csv"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        run("replay", "--quiet", "--point", "benchmark", "--out", path, source)
    return path


def scores_of(path, n=None):
    """(scores, alarms) of a file with one series; what could not be told ranks lowest."""
    header, rows = read(path)
    score, alarm = header.index("score"), header.index("alarm")
    lowest = min(float(row[score]) for row in rows if row[score])
    return [float(row[score]) if row[score] else lowest for row in rows][:n], [int(row[alarm]) for row in rows][:n]


def cloud(name):
    """(path of scores, path of labels, scores, labels, alarms)"""
    scores = replayed(name, DATA / "series" / f"{name}.csv")
    labels = DATA / "eval" / f"{name}.csv"
    return scores, labels, scores_of(scores)[0], [int(row[1]) for row in read(labels)[1]], scores_of(scores)[1]


def value(section, name):
    return section[name]["value"]


def same(got, want, what):
    assert got is not None and abs(got - want) <= WITHIN * max(1.0, abs(want)), (what, got, want)


def same_point(section, want, what):
    for name, figure in want.items():
        same(value(section, name), figure, (what, name))


def test_areas_of_every_series_are_those_of_their_definitions():
    window = 5
    means = []
    got = evaluate("--scores", "scores", "--labels", DATA / "eval", "--vus-window", window, "--partial", "--resamples", 0) \
        if [cloud(name) for name in NAMES] else None
    assert [series["id"] for series in got["per_series"]] == sorted(NAMES)
    for series in got["per_series"]:
        _, _, scores, labels, _ = cloud(series["id"])
        f1, threshold = reference.best_f1(scores, labels)
        vus_pr, vus_roc = reference.volumes(scores, labels, window)
        point = reference.point(reference.at([(scores, labels)], threshold))
        want = {"auc_roc": reference.auc_roc(scores, labels), "auc_pr": reference.auc_pr(scores, labels), "vus_pr": vus_pr,
                "vus_roc": vus_roc, "best_f1": f1, "event_f1_at_best_f1": point["event_f1"],
                "composite_f1_at_best_f1": point["composite_f1"]}
        means.append(want)
        for name, figure in want.items():
            same(value(series["figures"], name), figure, (series["id"], name))
        same(value(series["figures"], "best_f1_threshold"), threshold, series["id"])
    for name in means[0]:
        same(value(got["ranking"], name), sum(mean[name] for mean in means) / len(means), name)


def test_operating_points_are_those_of_their_definitions():
    series = [cloud(name) for name in NAMES]
    for gap, slack, threshold in ((0, 0, 0.6), (24, 3, 0.3)):
        got = evaluate("--scores", "scores", "--labels", DATA / "eval", "--partial", "--gap", gap, "--slack", slack,
                       "--threshold", threshold, "--no-vus", "--resamples", 0)
        ranked = [(scores, labels) for _, _, scores, labels, _ in series]
        best = reference.best_shared_threshold(ranked, gap, slack)
        for section, alarmed in (("as_operated", [(labels, alarms) for *_, labels, alarms in series]),
                                 ("at_given_threshold", reference.at(ranked, threshold)),
                                 ("best_common_threshold", reference.at(ranked, best))):
            same_point(got[section], reference.point(alarmed, gap, slack, 3600), (gap, slack, section))
        same(value(got["best_common_threshold"], "threshold"), best, "best threshold")


def test_nab_score_is_that_of_its_definition():
    windows = json.loads((DATA / "eval" / "windows.json").read_text())
    n = 1243  # Of each file, so that the slow definition ends: one window of the first is left, both of the second.
    files, kept = [], {}
    for name in ("nab_elb_request_count_8c0756", "nab_iio_network_in"):
        path = replayed(name, DATA / "series" / f"{name}.csv")
        header, rows = read(path)
        text = "".join(",".join(row) + "\n" for row in [header, *rows[:n]])
        write(f"cut/{name}.csv", text)
        times = [row[0] for row in read(DATA / "series" / f"{name}.csv")[1]][:n]
        kept[f"{name}.csv"] = [window for window in windows[f"{name}.csv"] if window[1][:19] in times]
        spans = [(times.index(first[:19]), times.index(last[:19])) for first, last in kept[f"{name}.csv"]]
        files.append((*scores_of(ROOT / "cut" / f"{name}.csv"), spans))
    assert [len(spans) for *_, spans in files] == [1, 2]
    path = write("cut.json", json.dumps(kept))
    got = evaluate("--scores", "cut", "--labels", path, "--no-vus", "--resamples", 0)
    for profile in reference.PROFILES:
        want = reference.nab_best(files, profile)
        same(value(got["nab_score"][profile], "score"), want, profile)
        same(value(got["nab_score_as_operated"][profile], "score"),
             reference.nab_score(files, profile, lambda score, alarm: alarm), profile)
        at_04 = evaluate("--scores", "cut", "--labels", path, "--no-vus", "--resamples", 0, "--nab-threshold", 0.4)
        same(value(at_04["nab_score"][profile], "score"),
             reference.nab_score(files, profile, lambda score, alarm: score >= 0.4), profile)


def test_labels_come_from_the_same_file_another_windows_or_a_data_folder():
    scores, labels_path, raw, labels, alarms = cloud(NAMES[2])
    want = evaluate("--scores", scores, "--labels", labels_path)
    assert want["ranking"]["auc_pr"]["value"] > 0.1
    both = "s,truth,alarm\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(raw, labels, alarms))
    times = [row[0] for row in read(labels_path)[1]]
    windows = "start,end\n" + "".join(f"{times[a]},{times[b]}\n" for a, b in reference.events_of(labels))
    write("set/data.csv", "time;y\n" + "".join(f"{i};{label}\n" for i, label in enumerate(labels)))
    write("set/manifest.json", json.dumps({"name": "set", "kind": "pointwise", "label_column": "y", "separator": ";",
                                           "step_seconds": 3600, "series": [{"id": NAMES[2], "test": "data.csv"}]}))
    others = {
        "one file": evaluate("--scores", write("both.csv", both), "--score-column", "s", "--label-column", "truth", "--step", "1h"),
        "windows": evaluate("--scores", scores, "--labels", write("windows.csv", windows)),
        "data folder": evaluate("--scores", "scores", "--data", "set"),
        "by time": evaluate("--scores", scores, "--labels", write("later.csv", "time,label\n2018-06-16T23:00:00Z,0\n"
                                                                  + "".join(f"{t},{y}\n" for t, y in zip(times, labels)))),
    }
    for how, got in others.items():
        for section in ("ranking", "as_operated", "best_common_threshold"):
            assert got[section] == want[section], (how, section)
    assert "nab_score" in others["windows"] and "nab_score" not in want
    assert others["one file"]["intervals"] == want["intervals"]


def test_rows_of_the_warm_up_do_not_count():
    scores, labels_path, raw, labels, _ = cloud(NAMES[0])
    for warmup, n in (("100", 100), ("15%", 106), ("nab", 106)):
        got = evaluate("--scores", scores, "--labels", labels_path, "--warmup", warmup, "--no-vus", "--resamples", 0)
        same(value(got["ranking"], "auc_pr"), reference.auc_pr(raw[n:], labels[n:]), warmup)
        assert value(got["about"], "rows") == len(labels) - n
    rest = write("rest.csv", "score\n" + "".join(f"{score}\n" for score in raw[100:]))
    short = evaluate("--scores", rest, "--labels", labels_path, "--warmup", 100, "--no-vus", "--resamples", 0)
    same(value(short["ranking"], "auc_pr"), reference.auc_pr(raw[100:], labels[100:]), "scores of the rest only")


def test_lines_of_an_entity_make_one_row():
    machine = DATA / "smd" / "machine-1-6-test.csv"
    path = replayed("machine", machine)
    header, lines = read(path)
    series, score = header.index("series"), header.index("score")
    rows = []
    for line in lines:  # An entity's own line comes last, and its score stands for all.
        if line[series] == "m01":
            rows.append([])
        rows[-1].append((line[series], float(line[score]) if line[score] else None))
    best = [next((s for name, s in row if name == "" and s is not None), max((s for _, s in row if s is not None), default=None))
            for row in rows]
    lowest = min(s for s in best if s is not None)
    labels = [int(row[-1]) for row in read(machine)[1]]
    got = evaluate("--scores", path, "--labels", machine, "--no-vus", "--resamples", 0)
    assert len(best) == len(labels) == value(got["about"], "rows")
    assert got["as_operated"]["false_alarms_per_day"]["value"] is None, "the rows' numbers are no times"
    same(value(got["ranking"], "auc_roc"), reference.auc_roc([lowest if s is None else s for s in best], labels), "entity")
    each = evaluate("--scores", path, "--labels", machine, "--by", "series", "--no-vus", "--resamples", 0)
    ids = [one["id"] for one in each["per_series"]]
    assert "machine/machine-1-6-test/m01" in ids and len(ids) == 38, ids


def test_intervals_are_those_of_what_is_drawn():
    for name in NAMES:
        cloud(name)
    arguments = ("--scores", "scores", "--labels", DATA / "eval", "--partial", "--no-vus", "--resamples", 20000)
    got = evaluate(*arguments, "--draw", "series")
    own = [value(series["figures"], "auc_pr") for series in got["per_series"]]
    # Three series are drawn in 27 ways; one in 27 is above one in 40, so the interval goes from the worst to the best.
    figure = got["ranking"]["auc_pr"]
    same(figure["low"], min(own), "the worst")
    same(figure["high"], max(own), "the best")
    narrow = evaluate(*arguments, "--draw", "series", "--confidence", 0.5)["ranking"]["auc_pr"]
    means = sorted(sum(draw) / 3 for draw in itertools.product(own, repeat=3))
    same(narrow["low"], means[6], "the seventh of 27: a quarter")
    same(narrow["high"], means[20], "three quarters")
    assert got == evaluate(*arguments, "--draw", "series") != evaluate(*arguments, "--draw", "series", "--seed", 2)


def test_events_are_drawn_with_the_rows_around_them():
    scores, labels_path, _, labels, alarms = cloud(NAMES[2])
    arguments = ("--scores", scores, "--labels", labels_path, "--vus-window", 3)
    got = evaluate(*arguments, "--resamples", 20000, "--no-vus")
    hits = [any(alarms[first:last + 1]) for first, last in reference.events_of(labels)]
    assert got["intervals"]["drawn"] == "events" and value(got["about"], "units") == len(hits) == 5
    recalls = sorted(sum(draw) / 5 for draw in itertools.product(hits, repeat=5))
    figure = got["as_operated"]["event_recall"]
    want = [recalls[int(share * (len(recalls) - 1))] for share in (0.025, 0.975)]
    assert [figure["low"], figure["high"]] == want, (figure, want)
    with_areas = evaluate(*arguments, "--resamples", 300)
    for name in ("auc_roc", "auc_pr", "vus_pr", "vus_roc"):
        figure = with_areas["ranking"][name]
        assert figure["low"] < figure["value"] < figure["high"], (name, figure)
    alone = evaluate(*arguments, "--resamples", 0)
    assert "intervals" not in alone and "low" not in alone["ranking"]["auc_pr"]


def test_what_cannot_be_read_is_said_with_file_line_and_reason():
    good = write("good.csv", "score,alarm,label\n0.1,0,0\n0.9,1,1\n0.2,0,0\n")
    cases = [
        (("--scores", write("bad.csv", "score,label\n0.1,0\nhigh,1\n")), 3, 'bad.csv:3: column "score": "high" is no number'),
        (("--scores", write("none.csv", "score,label\n0.1,\n")), 3, "none.csv:2"),
        (("--scores", write("inf.csv", "score,label\ninf,1\n")), 3, "inf.csv:2"),
        (("--scores", write("ragged.csv", "score,label\n0.1,0\n0.2\n")), 3, "ragged.csv:3: 1 fields; the header has 2"),
        (("--scores", write("bare.csv", "a,b\n1,2\n")), 3, "no column label"),
        (("--scores", good, "--label-column", "truth"), 3, 'no column "truth"'),
        (("--scores", write("empty.csv", "")), 3, "empty"),
        (("--scores", "nowhere.csv"), 3, "nowhere.csv"),
        (("--scores", good, "--labels", write("two.csv", "label\n0\n1\n")), 3, "3 rows with scores, but"),
        (("--scores", good, "--labels", write("w.json", '{"good.csv": [["2020-01-01", "soon"]]}')), 3, '"soon" is no time'),
        (("--scores", good, "--labels", write("v.json", '{"good.csv": [\n}')), 3, "v.json:2"),
        (("--scores", ROOT, "--labels", write("labels/gone.csv", "label\n1\n").parent), 3, "no scores for 1 series: gone"),
        (("--scores", good, "--threshold", "high"), 2, "--threshold"),
        (("--scores", good, "--confidence", "1"), 2, "--confidence"),
        ((), 2, "--scores is missing"),
        (("--scores", good, "--data", ROOT, "--labels", good), 2, "--data"),
    ]
    for arguments, code, said in cases:
        _, errors = run("eval", *arguments, code=code)
        assert said in errors, (arguments, said, errors)


def test_the_table_is_aligned_and_says_what_was_filled_in():
    scores, labels_path, *_ = cloud(NAMES[0])
    out, errors = run("eval", "--scores", scores, "--labels", labels_path, "--per-series")
    assert "rows have no score: they rank below all others" in errors, errors
    lines = out.splitlines()
    values = [line for line in lines if line.startswith("  ")]
    assert len(values) > 20 and all(len(line) <= 80 for line in lines), [line for line in lines if len(line) > 80]
    assert all(line[36] == " " and line[45] != " " for line in values), values
    assert run("eval", "--quiet", "--scores", scores, "--labels", labels_path)[1] == ""


def main():
    if not LAPWING:
        raise SystemExit("LAPWING must name the program to test")
    passed = failed = 0
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # noqa: BLE001: every failure is told, and the next test runs
                failed += 1
                print(f"FAILED {name}")
                traceback.print_exc()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
