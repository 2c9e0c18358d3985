#!/usr/bin/env python3
"""`lapwing replay` as its users know it: strictly causal, and indifferent to dialect, order of columns, names and threads."""
import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree

LAPWING = os.environ.get("LAPWING", "")
SERIES = os.path.join(os.environ.get("LW_TEST_DATA", ""), "series")
MACHINE = os.path.join(os.environ.get("LW_TEST_DATA", ""), "smd", "machine-1-6-test.csv")
HEADER = ["time", "entity", "series", "score", "event", "alarm", "type", "expected", "lower", "upper"]


class Folder:
    """A place for a test's files, and the program run in it."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory()
        self.path = self.place.name

    def write(self, name, text, compress=False):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode()
        with open(path, "wb") as file:
            file.write(gzip.compress(data) if compress else data)
        return path

    def run(self, *arguments, code=0, feed=None, environment=None):
        """(stdout, stderr); the exit code must be as expected."""
        done = subprocess.run([LAPWING, *arguments], cwd=self.path, input=feed, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, **(environment or {})}, timeout=120)
        assert done.returncode == code, (arguments, done.returncode, done.stderr.decode()[-2000:])
        return done.stdout.decode(), done.stderr.decode()

    def scores(self, *arguments, code=0):
        """Rows of --out as lists, the header apart."""
        out, _ = self.run("replay", "--quiet", "--out", "-", *arguments, code=code)
        rows = list(csv.reader(io.StringIO(out)))
        assert rows[0][:10] == HEADER, rows[0]
        return rows[1:]


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def text_of(header, rows, separator=",", end="\n", quote=False):
    mark = '"' if quote else ""
    return "".join(separator.join(mark + field + mark for field in row) + end for row in [header] * (header is not None) + rows)


def taxi(n=2000):
    return read(os.path.join(SERIES, "nab_nyc_taxi_2000.csv"))[0], read(os.path.join(SERIES, "nab_nyc_taxi_2000.csv"))[1][:n]


def machine(n=700, columns=6):
    header, rows = read(MACHINE)
    return header[:columns], [row[:columns] for row in rows[:n]]


def verdicts(rows):
    """What must not depend on how a file is written: all but the entity's name."""
    return [row[:1] + row[2:] for row in rows]


def test_scores_of_a_prefix_are_the_prefix_of_the_scores():
    folder = Folder()
    for header, rows in (taxi(), machine()):
        whole = folder.scores(folder.write("a.csv", text_of(header, rows)))
        for n in (1, 37, len(rows) // 2, len(rows) - 1):
            part = folder.scores(folder.write("a.csv", text_of(header, rows[:n])))
            assert len(part) > 0 and part == whole[:len(part)], n
            assert len(part) >= n, (n, len(part))


def test_scores_of_a_prefix_are_the_prefix_of_the_scores_in_steps_of_time():
    folder = Folder()
    header, rows = taxi(900)
    whole = folder.scores("--step", "1h", folder.write("a.csv", text_of(header, rows)))
    part = folder.scores("--step", "1h", folder.write("a.csv", text_of(header, rows[:501])))
    assert len(whole) == 450 and len(part) == 251, (len(whole), len(part))
    assert part[:250] == whole[:250]


def test_labels_and_names_do_not_matter():
    folder = Folder()
    header, rows = machine()
    plain = folder.scores(folder.write("plain.csv", text_of(header, rows)))
    for name, values in (("label", ["0", "1"]), ("is_anomaly", ["1", "0"]), ("class", ["7", "9"])):
        labelled = [row[:2] + [values[(i * 7 % 11) % 2]] + row[2:] for i, row in enumerate(rows)]
        got = folder.scores(folder.write("other.csv", text_of(header[:2] + [name] + header[2:], labelled)))
        assert verdicts(got) == verdicts(plain), name
    renamed = folder.scores(folder.write("x/renamed.csv", text_of([f"zz{i}" for i in range(len(header))], rows)))
    assert [row[:1] + row[3:] for row in renamed] == [row[:1] + row[3:] for row in plain]


def test_all_dialects_give_equal_scores():
    folder = Folder()
    header, rows = taxi(600)
    plain = folder.scores(folder.write("a.csv", text_of(header, rows)))
    assert any(row[3] not in ("", "0") for row in plain)
    semicolon = [[time, value.replace(".", ",") + ",0" * ("." not in value)] for time, value in rows]
    cases = {
        "crlf": text_of(header, rows, end="\r\n"),
        "mark": b"\xef\xbb\xbf" + text_of(header, rows).encode(),
        "quoted": text_of(header, rows, quote=True),
        "tab": text_of(header, rows, separator="\t"),
        "pipe": text_of(header, rows, separator="|"),
        "semicolon": text_of(header, semicolon, separator=";"),
        "zone": text_of(header, [[time.replace(" ", "T") + "Z", value] for time, value in rows]),
        "german": text_of(header, [[f"{t[8:10]}.{t[5:7]}.{t[:4]} {t[11:]}", v] for t, v in semicolon], separator=";"),
    }
    for name, text in cases.items():
        assert verdicts(folder.scores(folder.write(name + ".csv", text))) == verdicts(plain), name
    headless = folder.scores(folder.write("headless.csv", text_of(None, rows)))
    assert [row[:1] + row[3:] for row in headless] == [row[:1] + row[3:] for row in plain]


def test_gzip_pipes_and_files_give_equal_scores():
    folder = Folder()
    header, rows = taxi(600)
    text = text_of(header, rows)
    plain = folder.scores(folder.write("a.csv", text))
    assert folder.scores(folder.write("a.csv.gz", text, compress=True)) == plain
    half = text.index("\n", len(text) // 2) - 3
    members = gzip.compress(text[:half].encode()) + gzip.compress(text[half:].encode())
    assert folder.scores(folder.write("a.csv.gz", members)) == plain
    out, _ = folder.run("replay", "-q", "-o", "-", "-", feed=text.encode())
    assert verdicts(list(csv.reader(io.StringIO(out)))[1:]) == verdicts(plain)
    folder.run("replay", "-q", "-o", "out.csv", "a.csv.gz")
    assert read(os.path.join(folder.path, "out.csv"))[1] == plain


def long_of(header, rows, entities):
    """A long table of several entities, each with the columns shifted in time."""
    out = []
    for i in range(len(rows)):
        for e in range(entities):
            for column, name in enumerate(header):
                out.append([str(1500000000 + 60 * i), f"host-{e}", name, rows[(i + 50 * e) % len(rows)][column]])
    return text_of(["time", "host", "metric", "value"], out)


def test_threads_do_not_matter():
    folder = Folder()
    header, rows = machine(400, 4)
    path = folder.write("long.csv", long_of(header, rows, 5))
    for step in ("sample", "1m", "5m"):
        one = folder.scores("--threads", "1", "--step", step, path)
        assert len(one) >= 400 * 20 / (5 if step == "5m" else 1), (step, len(one))
        for threads in ("2", "3"):
            assert folder.scores("--threads", threads, "--step", step, path) == one, (step, threads)


def test_long_and_wide_give_equal_scores_of_series():
    folder = Folder()
    header, rows = taxi(700)
    wide = folder.scores("--step", "sample", folder.write("a.csv", text_of(header, rows)))
    long = folder.scores("--step", "sample", folder.write(
        "a.csv", text_of(["time", "series", "value"], [[time, "value", value] for time, value in rows])))
    assert long == wide


def test_each_file_is_an_entity_and_goes_its_own_way():
    folder = Folder()
    header, rows = taxi(700)
    first = folder.write("one.csv", text_of(header, rows[:400]))
    second = folder.write("two.csv", text_of(header, rows[100:]))
    for step in ("row", "1h"):
        alone = folder.scores("--step", step, first) + folder.scores("--step", step, second)
        together = folder.scores("--step", step, first, second)
        assert sorted(alone) == sorted(together), step
        assert {row[1] for row in together} == {"one", "two"}
    twin = folder.write("other/one.csv", text_of(header, rows[:300]))
    assert {row[1] for row in folder.scores("one.csv", "other/one.csv")} == {"one", "other/one"}, twin


def test_rows_come_in_the_order_of_the_input():
    folder = Folder()
    header, rows = machine(300, 3)
    got = folder.scores(folder.write("a.csv", text_of(header, rows)))
    series = [row for row in got if row[2] != ""]
    assert [row[2] for row in series] == header * 300
    assert [row[0] for row in series] == [str(i) for i in range(300) for _ in header]


def test_bad_rows_are_told_counted_and_left_out():
    folder = Folder()
    header, rows = taxi(300)
    good = folder.scores(folder.write("good.csv", text_of(header, rows)))
    bad = [f"{time},{value}\n" for time, value in rows]
    for i in range(30):
        bad.insert(5 + i * 8, ["what is this,1\n", "1,2,3,4\n", ",5\n"][i % 3])
    path = folder.write("bad.csv", ",".join(header) + "\n" + "".join(bad))
    assert verdicts(folder.scores(path)) == verdicts(good)
    _, said = folder.run("replay", "bad.csv")
    assert 'bad.csv:7: column "timestamp": "what is this" is no time' in said, said
    assert "bad.csv:15: 4 fields, 2 expected" in said, said
    assert len(re.findall(r"bad\.csv:\d+: ", said)) == 20, said
    assert "30 bad rows or values left out: 10 wrong_number_of_fields, 20 bad_time" in said, said
    folder.run("replay", "-q", "--strict", "bad.csv", code=4)
    folder.run("replay", "-q", "--strict", "good.csv")


def test_exit_codes_are_as_documented():
    folder = Folder()
    header, rows = taxi(50)
    folder.write("good.csv", text_of(header, rows))
    folder.write("cut.csv.gz", gzip.compress(text_of(header, rows).encode())[:-20])
    folder.write("words.csv", "a,b\nx,y\nz,w\n")
    for arguments, code in ((["--no-such"], 2), ([], 2), (["--step", "soon", "good.csv"], 2), (["--set", "sttep=row", "good.csv"], 2),
                            (["--metric", "x=1", "good.csv"], 2), (["nowhere.csv"], 3), (["nowhere.csv", "good.csv"], 3),
                            (["cut.csv.gz"], 3), (["words.csv"], 3), (["good.csv"], 0),
                            (["--out", "no/such/folder.csv", "good.csv"], 1), (["--out", "/dev/full", "good.csv"], 1)):
        _, said = folder.run("replay", "--quiet", *arguments, code=code)
        assert (said != "") == (code != 0), (arguments, said)
    _, said = folder.run("replay", "--set", "sttep=row", "good.csv", code=2)
    assert "step" in said, said
    folder.run(code=2)
    _, said = folder.run("reply", code=2)
    assert 'did you mean "replay"?' in said
    assert folder.run("version")[0].startswith("lapwing ")


def test_json_says_the_same_as_csv():
    folder = Folder()
    header, rows = taxi(400)
    path = folder.write("a,b.csv", text_of(header, rows))
    plain = folder.scores(path)
    out, _ = folder.run("replay", "-q", "-o", "-", "--format", "json", path)
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == len(plain)
    for line, row in zip(lines, plain):
        for name, text in zip(HEADER, row):
            got = line[name]
            if isinstance(got, str):
                assert got == text, (name, got, text)
            else:
                assert (got is None and text == "") or float(text) == got, (name, got, text)
    assert lines[0]["entity"] == "a,b"


def test_wide_adds_features():
    folder = Folder()
    header, rows = taxi(200)
    path = folder.write("a.csv", text_of(header, rows))
    plain, _ = folder.run("replay", "-q", "-o", "-", path)
    wide, _ = folder.run("replay", "-q", "--wide", "-o", "-", path)
    plain, wide = list(csv.reader(io.StringIO(plain))), list(csv.reader(io.StringIO(wide)))
    n = len(plain[0])
    assert len(wide[0]) >= n + 25, wide[0]
    assert [row[:n] for row in wide] == plain
    assert all(len(row) == len(wide[0]) for row in wide)
    assert all(any(row[i] != "" for row in wide[1:]) for i in range(n, n + 5))


def correlation(a, b):
    """Pearson's, by its definition."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    return cov / (sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)) ** 0.5


def test_wide_adds_the_features_of_pairs():
    folder = Folder()
    header, rows = machine(500, 38)
    liveliest = sorted(range(38), key=lambda column: -len({row[column] for row in rows}))[:2]
    path = folder.write("a.csv", text_of(header, rows))
    first, second = (header[column] for column in liveliest)
    out, _ = folder.run("replay", "-q", "--wide", "--set", f"pairs={first}:{second}", "-o", "-", path)
    wide = list(csv.reader(io.StringIO(out)))
    at = wide[0].index(f"{first}:{second} short_correlation")
    entities = [row for row in wide[1:] if row[2] == ""]
    assert len(entities) > 100
    assert all(row[at] == "" for row in wide[1:] if row[2] != "")
    n_compared = 0
    for row in entities[::11]:
        end = int(row[0]) + 1  # Rows are numbered: this file has no time.
        a, b = ([float(values[column]) for values in rows[end - 30:end]] for column in liveliest)
        if len(set(a)) == 1 or len(set(b)) == 1:
            assert row[at] == "", row[0]  # Of a constant there is no correlation.
            continue
        n_compared += 1
        assert abs(float(row[at]) - correlation(a, b)) < 1e-4, (row[0], row[at], correlation(a, b))
    assert n_compared > 3


def spiky():
    """A real series with a spike that nobody can miss."""
    header, rows = taxi(2000)
    rows[1900] = [rows[1900][0], "900000"]
    return text_of(header, rows)


def test_summary_and_plot_show_what_was_found():
    folder = Folder()
    folder.write("taxi.csv", spiky())
    out, said = folder.run("replay", "taxi.csv", "--svg", "a.svg", "--out", "scores.csv", environment={"LANG": "C.UTF-8", "LC_ALL": ""})
    assert re.search(r"\d+ anomal(y|ies) in 2,000 samples of 1 series", out), out
    assert "\033" not in out + said
    assert "spike" in out and "█" in out and "value rose to 900,000" in out, out
    assert "separator ,, time in \"timestamp\" (ISO 8601), wide: value in \"value\"; step: row" in said, said
    with open(os.path.join(folder.path, "a.svg"), encoding="utf-8") as file:
        svg = file.read()
    tree = xml.etree.ElementTree.fromstring(svg)
    assert tree.tag.endswith("svg") and "taxi · value" in svg
    assert svg.count('class="mark"') >= 2 and "900,000" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", ""), "a plot needs nothing beside it"
    ascii_out, _ = folder.run("replay", "taxi.csv", environment={"LANG": "C", "LC_ALL": "C"})
    assert ascii_out.isascii(), [line for line in ascii_out.splitlines() if not line.isascii()]


def test_operating_point_and_settings_are_taken():
    folder = Folder()
    path = folder.write("taxi.csv", spiky())
    default = folder.scores(path)
    assert folder.scores("--point", "default", path) == default
    assert folder.scores("--set", "operating_point=benchmark", path) == folder.scores("--point", "benchmark", path) != default
    unwatched = folder.scores("--metric", "val*:watch=no", path)
    assert all(row[3] == "" and row[5] == "0" for row in unwatched if row[2] == "value"), unwatched[-1]


def test_configuration_gives_the_detectors():
    folder = Folder()
    header, rows = taxi(400)
    folder.write("a.csv", text_of(header, rows))
    folder.write("l.yaml", "detectors:\n  hourly:\n    step: 1h\n    budget_scope: series\n")
    assert folder.scores("--config", "l.yaml", "a.csv") == folder.scores("--step", "1h", "a.csv")
    _, said = folder.run("replay", "--config", "none.yaml", "a.csv", code=2)
    assert "none.yaml" in said
    folder.write("two.yaml", "detectors:\n  one: {step: row}\n  two: {step: row, budget_scope: series}\n")
    out, _ = folder.run("replay", "-q", "-o", "-", "--config", "two.yaml", "a.csv")
    assert {row.rsplit(",", 1)[1] for row in out.splitlines()[1:]} == {"one", "two"}


def main():
    if not LAPWING:
        raise SystemExit("LAPWING must name the program to test")
    passed = failed = 0
    chosen = sys.argv[1:]
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
        if chosen and not any(part in name for part in chosen):
            continue
        try:
            test()
            passed += 1
        except Exception:  # One that fails shall not hide the others.
            print(f"{name}:")
            traceback.print_exc(file=sys.stdout)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
