#!/usr/bin/env python3
"""`lapwing train` as its users know it: history in, a model file and a report out, which replay and run serve."""
import csv
import html.parser
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from prometheus import Prometheus

LAPWING = os.environ.get("LAPWING", "")
MACHINE = os.path.join(os.environ.get("LW_TEST_DATA", ""), "smd", "machine-1-6-test.csv")
ANOMALY = 647  # First labelled row of the machine.
PATIENCE_S = 60
START = 1767225600  # 2026-01-01 00:00


def machine():
    with open(MACHINE, newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def text_of(header, rows):
    return "".join(",".join(row) + "\n" for row in [header] + rows)


class Folder:
    """A place for a test's files, and the program run in it."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory()
        self.path = self.place.name

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        with open(self.file(name), "w") as file:
            file.write(text)
        return name

    def bytes(self, name):
        with open(self.file(name), "rb") as file:
            return file.read()

    def run(self, *arguments, code=0, feed=None):
        """(stdout, stderr); the exit code must be as expected."""
        done = subprocess.run([LAPWING, *arguments], cwd=self.path, input=feed, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=250, env={**os.environ, "NO_PROXY": "127.0.0.1"})
        assert done.returncode == code, (arguments, done.returncode, done.stdout[-500:], done.stderr[-2000:])
        return done.stdout, done.stderr

    def scores(self, *arguments):
        return list(csv.reader(io.StringIO(self.run("replay", "--quiet", "--out", "-", *arguments)[0])))[1:]

    def halves(self, columns=12):
        """The machine before its anomaly, and from there on; few columns are enough and quick."""
        header, rows = machine()
        picked = [header.index(f"m{i:02d}") for i in (1, 2, 5, 6, 9, 10, 11, 13, 14, 15, 19, 24)][:columns]
        names = [header[i] for i in picked]
        values = [[row[i] for i in picked] for row in rows]
        self.write("before.csv", text_of(names, values[:600]))
        self.write("after.csv", text_of(names, values[600:]))
        return names, values

    def train(self, *arguments, code=0):
        return self.run("train", "before.csv", "--as", "web", "-o", "model.lwm", "--models", "lean", *arguments, code=code)


def entity_rows(rows):
    return [row for row in rows if row[2] == ""]


def test_two_commands_find_what_is_wrong():
    """Those of the README: all metrics, all models, rows a minute apart."""
    folder = Folder()
    header, rows = machine()
    folder.write("past.csv", text_of(header, rows[:600]))
    folder.write("next.csv", text_of(header, rows[600:]))
    common = ("--interval", "1m", "--as", "machine-1-6")
    out, _ = folder.run("train", *common, "past.csv", "-o", "model.lwm")
    assert "600 rows, 1 entity, 38 metrics" in out, out
    assert 'lapwing replay --model model.lwm --as "machine-1-6" --interval "1m" FILE...' in out, out
    plain = entity_rows(folder.scores(*common, "next.csv"))
    every = folder.scores(*common, "--model", "model.lwm", "next.csv")
    served = entity_rows(every)
    # Served from the first row on; without the file nothing is known of the entity for hundreds of rows.
    assert len(served) == 424 and len(plain) < 424, (len(served), len(plain))
    before = [float(row[3]) for row in served[:ANOMALY - 600] if row[3]]
    there = [float(row[3]) for row in served[ANOMALY - 600:] if row[3]]
    assert max(there) > 3 * max(before), (max(there), max(before))
    # What is notified, of the machine or of one of its metrics: where confidence is low, alarms are marked only.
    alarms = [int(row[0]) for row in every if row[5] == "1" and row[12] == "full"]
    assert alarms and min(alarms) >= ANOMALY - 600, alarms[:5]


def test_the_same_seed_gives_the_same_models():
    folder = Folder()
    folder.halves(6)
    made = []
    for threads, seed in (("1", "7"), ("3", "7"), ("1", "8")):
        report = json.loads(folder.train("--threads", threads, "--seed", seed, "--models", "full", "--format", "json")[0])
        report.pop("timing")
        made.append((report, folder.scores("--as", "web", "--model", "model.lwm", "after.csv")))
    assert made[0] == made[1], "the number of threads is seen in the models"
    assert made[0][1] != made[2][1], "the seed is not"


def test_the_report_is_text_json_and_a_page():
    folder = Folder()
    folder.halves(6)
    out, _ = folder.train("--format", "json", "--report", "report.html")
    report = json.loads(out)
    assert report["status"] == "trained" and report["members"] and report["data"]["rows"] == 600, out[:300]
    shown = json.loads(folder.run("models", "show", "model.lwm", "--format", "json")[0])
    assert shown["members"] == report["members"] and shown["data"] == report["data"]
    text, _ = folder.run("models", "show", "model.lwm")
    for member in report["members"]:
        assert member["name"][:20] in text, (member["name"], text)
    page = folder.bytes("report.html").decode()
    check_page(page)
    for metric in report["data"]["metric_list"]:
        assert metric["name"] in page
    folder.run("models", "show", "model.lwm", "--format", "html", "-o", "again.html")
    assert folder.bytes("again.html").decode() == page
    folder.train("-q", "--report", "report.json")
    assert json.loads(folder.bytes("report.json"))["status"] == "trained"


class Page(html.parser.HTMLParser):
    """Every element that is opened is closed, and nothing comes from elsewhere."""

    VOID = {"meta", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        assert tag not in ("script", "link", "img", "iframe"), tag
        assert not any(name in ("src", "href", "onclick") for name, _ in attributes), (tag, attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)


def check_page(page):
    parser = Page()
    parser.feed(page)
    parser.close()
    assert parser.open == [], parser.open
    assert {"table", "section", "h1", "style"} <= parser.seen, parser.seen
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split(), "a figure is not there and not left out"


def test_names_are_text_in_the_page():
    folder = Folder()
    header, rows = machine()
    nasty = "<script>alert('x')</script>"
    folder.write("before.csv", text_of([nasty, "m&m"], [[row[4], row[5]] for row in rows[:600]]))
    folder.train("-q", "--report", "report.html")
    page = folder.bytes("report.html").decode()
    check_page(page)
    assert "&lt;script&gt;" in page and "m&amp;m" in page


def test_labels_are_counted_and_never_learnt_from():
    folder = Folder()
    header, rows = machine()
    timed = [[time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + 60 * i))] + row[4:10] + row[38:] for i, row in enumerate(rows)]
    names = ["time"] + header[4:10]
    folder.write("web.csv", text_of(names + ["label"], timed))
    common = ("train", "web.csv", "-o", "model.lwm", "--models", "lean", "--format", "json")
    by_column = json.loads(folder.run(*common, "--label-column", "label")[0])
    assert by_column["labels"]["given"] == 1, by_column["labels"]
    assert {metric["name"] for metric in by_column["data"]["metric_list"]} == set(header[4:10])
    first, last = timed[ANOMALY][0], timed[-1][0]
    folder.write("labels.csv", f"entity,start,end\nweb,{first},{last}\nnobody,{first},{last}\n")
    out, said = folder.run(*common, "--labels", "labels.csv")
    assert "no entity is called \"nobody\"" in said, said
    assert json.loads(out)["labels"] == by_column["labels"], (out[:100], by_column["labels"])
    folder.write("labels.json", json.dumps({"web.csv": [[first, last]]}))
    assert json.loads(folder.run(*common, "--labels", "labels.json")[0])["labels"] == by_column["labels"]
    # A column of another name is no value either, once it is said to be the label.
    folder.write("web.csv", text_of(names + ["broken"], timed))
    by_name = json.loads(folder.run(*common, "--label-column", "broken")[0])
    assert by_name["labels"] == by_column["labels"]
    assert {metric["name"] for metric in by_name["data"]["metric_list"]} == set(header[4:10])
    _, said = folder.run(*common, "--label-column", "absent", code=3)
    assert "absent" in said, said


def test_what_is_wrong_is_said_before_the_work():
    folder = Folder()
    folder.halves(4)
    _, said = folder.run("train", "before.csv", code=2)
    assert "--out" in said, said
    folder.run("train", "-o", "model.lwm", code=2)
    folder.run("train", "before.csv", "--data-dir", ".", "-o", "model.lwm", code=2)
    folder.run("train", "before.csv", "--sharing", "some", "-o", "model.lwm", code=2)
    folder.run("train", "before.csv", "--memory", "1", "-o", "model.lwm", code=2)
    _, said = folder.run("train", "before.csv", "-o", "nowhere/model.lwm", code=1)
    assert "nowhere" in said, said
    _, said = folder.train("--labels", "none.csv", code=3)
    assert "none.csv" in said, said
    _, said = folder.run("train", "before.csv", "-o", "model.lwm", "--models", "iforst", code=2)
    assert "iforst" in said, said
    _, said = folder.run("train", "absent.csv", "-o", "model.lwm", code=3)
    assert "absent.csv" in said, said
    assert not os.path.exists(folder.file("model.lwm")), "something was written"


def test_too_little_is_refused_with_a_report():
    folder = Folder()
    names, values = folder.halves(4)
    folder.write("before.csv", text_of(names, values[:20]))
    out, said = folder.train("--format", "json", code=3)
    assert json.loads(out)["status"] == "refused" and said, (out, said)
    assert not os.path.exists(folder.file("model.lwm"))


def test_bad_rows_are_told_and_strict_trains_nothing():
    folder = Folder()
    names, values = folder.halves(4)
    values[10][1] = "oops"
    folder.write("before.csv", text_of(names, values[:600]))
    _, said = folder.train("--strict", code=4)
    assert "before.csv:12:" in said and "oops" in said, said
    assert not os.path.exists(folder.file("model.lwm"))
    folder.train("-q")
    # Of several files the others are trained on.
    _, said = folder.run("train", "before.csv", "absent.csv", "-o", "model.lwm", "--models", "lean", "-q", code=3)
    assert "absent.csv" in said and os.path.exists(folder.file("model.lwm"))


def test_damaged_model_files_are_refused():
    folder = Folder()
    folder.halves(4)
    folder.train("-q")
    good = folder.bytes("model.lwm")
    for name, data in (("cut.lwm", good[:len(good) // 2]), ("none.lwm", b""), ("turned.lwm", good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])):
        with open(folder.file(name), "wb") as file:
            file.write(data)
        for arguments, code in ((("models", "show", name), 3), (("replay", "--model", name, "after.csv"), 2)):
            _, said = folder.run(*arguments, code=code)
            assert name in said, said
    for arguments in (("models", "show", "absent.lwm"), ("models", "show", ".")):
        _, said = folder.run(*arguments, code=3)
        assert arguments[-1] in said, said
    folder.run("replay", "--model", "absent.lwm", "after.csv", code=2)
    folder.run("models", "frobnicate", "model.lwm", code=2)


def test_an_entity_the_file_does_not_know_is_said():
    folder = Folder()
    folder.halves(4)
    folder.train("-q")
    report = json.loads(folder.run("models", "show", "model.lwm", "--format", "json")[0])
    _, said = folder.run("replay", "--model", "model.lwm", "after.csv")
    strangers = report["sharing"]["fallback"] is not None
    assert strangers or '--as "web"' in said, said
    _, said = folder.run("replay", "--model", "model.lwm", "--as", "web", "after.csv")
    assert "was not served" not in said, said


def test_progress_is_for_terminals():
    folder = Folder()
    folder.halves(4)
    _, said = folder.train()
    assert "\r" not in said and "left" not in said, said
    leader, follower = pty.openpty()
    process = subprocess.Popen([LAPWING, "train", "before.csv", "-o", "model.lwm"], cwd=folder.path, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=follower, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    os.close(follower)
    seen = b""
    while process.poll() is None or select.select([leader], [], [], 0)[0]:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                seen += os.read(leader, 4096)
            except OSError:
                break
    os.close(leader)
    assert process.wait() == 0 and b"\r" in seen and b"left" in seen, seen[-500:]


CONFIG = """
sources:
  plant: {type: csv, path: PATH, entity: host}
detectors:
  plant:
    step: 10s
    collect: COLLECT
"""


def plant(folder, collect="no"):
    """A file of two hosts with times ten seconds apart, and the configuration that watches it."""
    header, rows = machine()
    lines = []
    for i, row in enumerate(rows[:640]):
        for host, shift in (("a", 0), ("b", 300)):
            other = rows[(i + shift) % 640]
            lines.append([str(START + 10 * i), host] + [value for value in other[4:10]])
    folder.write("plant.csv", text_of(["time", "host"] + header[4:10], lines))
    return folder.write("lapwing.yaml", CONFIG.replace("PATH", folder.file("plant.csv")).replace("COLLECT", collect))


class Daemon:
    """A running daemon; its log is in a file."""

    def __init__(self, folder, *options):
        self.log = open(folder.file("log"), "w+")
        self.process = subprocess.Popen([LAPWING, "run", "--json", "--listen", "off", "--data-dir", folder.file("data"), *options],
                                        cwd=folder.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)

    def wait_for(self, words, times=1):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.log.seek(0)
            text = self.log.read()
            if text.count(words) >= times:
                return text
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(f"no {words} in {text}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.log.close()
        return code


def test_what_a_daemon_has_collected_is_history():
    folder = Folder()
    plant(folder, "yes")
    daemon = Daemon(folder, "-c", "lapwing.yaml")
    daemon.wait_for("file read")
    assert daemon.end() == 0
    out, _ = folder.run("train", "--data-dir", "data", "-c", "lapwing.yaml", "-o", "model.lwm", "--models", "lean", "--format", "json")
    report = json.loads(out)
    assert report["detector"] == "plant" and report["data"]["entities"] == 2, out[:400]
    assert report["data"]["rows"] > 500, report["data"]["rows"]
    _, said = folder.run("train", "--data-dir", "data", "-o", "other.lwm", code=3)
    assert "left out" in said and "--config" in said, said
    _, said = folder.run("train", "--data-dir", "absent", "-c", "lapwing.yaml", "-o", "other.lwm", code=3)
    assert "no state in absent" in said, said
    folder.run("train", "--data-dir", "data", "-c", "lapwing.yaml", "--set", "step=1s", "-o", "other.lwm", code=2)
    _, said = folder.run("train", "--data-dir", "data", "-c", "lapwing.yaml", "--detector", "other", "-o", "other.lwm", code=2)
    assert '"other"' in said, said


def test_what_any_daemon_has_kept_is_history():
    """Without `collect` rows have no times, but the models made of them serve."""
    folder = Folder()
    plant(folder)
    daemon = Daemon(folder, "-c", "lapwing.yaml")
    daemon.wait_for("file read")
    assert daemon.end() == 0
    common = ("train", "--data-dir", "data", "-c", "lapwing.yaml", "-o", "model.lwm", "--models", "lean", "--report", "report.html")
    folder.write("labels.csv", f"start,end,entity\n{START + 2000},{START + 2100},a\n")
    _, said = folder.run(*common, "--labels", "labels.csv", code=2)
    assert "labels need the times of rows" in said and '"collect"' in said, said
    assert not os.path.exists(folder.file("model.lwm"))
    text, _ = folder.run(*common)
    assert "gaps are not known" in text and "1970" not in text, text
    check_page(folder.bytes("report.html").decode())
    report = json.loads(folder.run(*common, "--format", "json", "--sharing", "all")[0])
    data = report["data"]
    assert report["detector"] == "plant" and data["entities_used"] == 2, data
    assert data["rows"] > 500 and data["metrics"] == 6 and data["step"] == 10, data
    assert data["start"] is None and data["end"] is None, data
    assert {entity["name"] for entity in data["entity_list"]} == {"a", "b"}, data
    assert all(entity["gaps"] is None and entity["longest_gap"] is None and entity["start"] is None for entity in data["entity_list"]), data
    assert "no_times" in {finding["kind"] for finding in data["findings"]}, data
    # Those the state knows are served from the first row on, and so is another.
    served = entity_rows(folder.scores("plant.csv", "-c", "lapwing.yaml", "--model", "model.lwm"))
    assert len(served) == 2 * 640 and {row[1] for row in served} == {"a", "b"}, (len(served), served[:2])
    folder.write("plant.csv", folder.bytes("plant.csv").decode().replace(",a,", ",c,"))
    served = entity_rows(folder.scores("plant.csv", "-c", "lapwing.yaml", "--model", "model.lwm"))
    assert {row[1] for row in served} == {"b", "c"}, {row[1] for row in served}


def test_run_serves_a_file_and_reads_it_again():
    folder = Folder()
    plant(folder)
    with open(folder.file("lapwing.yaml"), "a") as file:
        file.write("    model_file: model.lwm\n")
    folder.run("replay", "plant.csv", "-c", "lapwing.yaml", code=2)  # It is not there yet,
    folder.run("train", "plant.csv", "-c", "lapwing.yaml", "-o", "model.lwm", "--models", "lean", "-q")  # which training does not mind.
    folder.run("replay", "plant.csv", "-c", "lapwing.yaml")
    daemon = Daemon(folder, "-c", "lapwing.yaml")
    daemon.wait_for("file read")
    os.rename(folder.file("model.lwm"), folder.file("away.lwm"))
    daemon.process.send_signal(signal.SIGHUP)
    text = daemon.wait_for("configuration not reloaded")
    assert "lapwing.yaml:8:17: model.lwm: No such file" in text, text
    os.rename(folder.file("away.lwm"), folder.file("model.lwm"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("configuration reloaded")
    assert daemon.end() == 0
    # A daemon does not start with a file that it cannot take; the flag names one, too.
    folder.run("run", "--listen", "off", "-d", "other", "-c", "lapwing.yaml", "--model", "absent.lwm", code=2)
    with open(folder.file("lapwing.yaml"), "a") as file:
        file.write("  second: {match: x}\n")
    _, said = folder.run("run", "--listen", "off", "-d", "other", "-c", "lapwing.yaml", "--model", "model.lwm", code=2)
    assert "one detector" in said and "model_file" in said, said


def test_a_configuration_trains_the_detector_it_is_told():
    folder = Folder()
    plant(folder)
    with open(folder.file("lapwing.yaml"), "a") as file:
        file.write("  second: {match: \"m05\", step: 10s}\n")
    _, said = folder.run("train", "plant.csv", "-c", "lapwing.yaml", "-o", "model.lwm", code=2)
    assert "--detector" in said, said
    out, _ = folder.run("train", "plant.csv", "-c", "lapwing.yaml", "--detector", "plant", "-o", "model.lwm", "--models", "lean",
                        "--format", "json")
    assert json.loads(out)["detector"] == "plant"


def test_history_of_a_server_is_trained_on():
    folder = Folder()
    header, rows = machine()
    lines = []
    for column in range(4, 10):
        lines.append(f"# TYPE {header[column]} gauge\n")
        lines += [f'{header[column]}{{instance="web",job="node"}} {row[column]} {START + 15 * i}\n' for i, row in enumerate(rows[:600])]
    with Prometheus(lines) as server:
        out, _ = folder.run("train", "--prometheus", server.url, "--query", '{job="node"}', "--from", str(START), "--to",
                            str(START + 15 * 599), "--interval", "15s", "-o", "model.lwm", "--models", "lean", "--format", "json")
        report = json.loads(out)
        assert report["data"]["rows"] == 600 and report["data"]["metrics"] == 6 and abs(report["data"]["step"] - 15.0) < 1e-6, out[:600]
        # A history without its end is not trained on.
        os.remove(folder.file("model.lwm"))
        folder.run("train", "--prometheus", server.url, "--query", "{job=", "-o", "model.lwm", code=3)
        assert not os.path.exists(folder.file("model.lwm"))


def main():
    passed = failed = 0
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:
                failed += 1
                print(f"not ok {name}")
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
