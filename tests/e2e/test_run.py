#!/usr/bin/env python3
"""`lapwing run` from the outside: it starts, answers, reloads, ends, and goes on where it was."""
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

LAPWING = os.environ["LAPWING"]
PATIENCE_S = 30


class Daemon:
    """A running daemon on a port of its own; its log is read all the while."""

    def __init__(self, folder, *options, limit=None):
        self.log = []
        self.process = subprocess.Popen(
            [LAPWING, "run", "--json", "--listen", "127.0.0.1:0", "--data-dir", os.path.join(folder, "data"), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=limit)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:  # What argp says is no log line.
                self.log.append({"level": "text", "message": line.rstrip("\n")})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()

    def said(self, message, after=0):
        return [line for line in self.log[after:] if line["message"] == message]

    def wait_for(self, what, ask):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            answer = ask()
            if answer:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"no {what} in {PATIENCE_S} s; the log is {self.log}")

    def wait_said(self, message, after=0):
        return self.wait_for(f'"{message}"', lambda: self.said(message, after))[0]

    def started(self):
        self.page = self.wait_said("watching")["page"].rstrip("/")
        return self

    def get(self, path):
        with urllib.request.urlopen(self.page + path, timeout=10) as answer:
            return answer.status, answer.read().decode()

    def json(self, path):
        return json.loads(self.get(path)[1])

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.reader.join()
        return code


def write(path, text, mode="w"):
    with open(path, mode) as file:
        file.write(text)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def table(rows, start=1700000000):
    lines = ["time,cpu,memory"]
    lines += [f"{start + 10 * i},{5 + i % 7},{40 + i % 3}" for i in range(rows)]
    return "\n".join(lines) + "\n"


def config(folder, path, detectors):
    text = f"sources:\n  plant: {{type: csv, path: {path}}}\ndetectors:\n"
    for name, step in detectors.items():
        text += f"  {name}:\n    entity: \"\"\n    step: {step}\n"
    where = os.path.join(folder, "lapwing.yaml")
    write(where, text)
    return where


def snapshots(folder):
    """The snapshots of the state, the oldest first."""
    where = os.path.join(folder, "data/snapshots")
    return [os.path.join(where, name) for name in sorted(os.listdir(where))]


def samples_of(daemon):
    return daemon.json("/v1/status")["samples"]


def test_watches_this_host_and_ends_cleanly(folder):
    with Daemon(folder) as daemon:
        daemon.started()
        check(daemon.get("/ready")[0] == 200, "not ready")
        check(daemon.get("/health")[0] == 200, "not healthy")
        entities = daemon.wait_for("entity", lambda: daemon.json("/v1/entities")["entities"])
        check(entities[0]["detector"] == "host", entities)
        check(entities[0]["n_series"] > 10, entities)
        daemon.wait_for("samples", lambda: samples_of(daemon) > 0)
        check(daemon.end() == 0, "SIGTERM does not exit 0")
        check(os.path.getsize(snapshots(folder)[-1]) > 1000, "no state")


def test_goes_on_where_it_was(folder):
    source = os.path.join(folder, "plant.csv")
    write(source, table(300))
    where = config(folder, source, {"plant": "10s"})
    with Daemon(folder, "-c", where) as daemon:
        daemon.started().wait_said("file read")
        daemon.wait_for("all samples", lambda: samples_of(daemon) == 600)
        before = daemon.json("/v1/entities")["entities"]
        check(daemon.end(signal.SIGINT) == 0, "SIGINT does not exit 0")
    write(source, table(200, start=1700000000 + 3000))
    with Daemon(folder, "-c", where) as daemon:
        daemon.started().wait_said("file read")
        check(daemon.said("state taken up")[0]["entities_left_out"] == 0, daemon.log)
        daemon.wait_for("more samples", lambda: samples_of(daemon) == 1000)
        after = daemon.json("/v1/entities")["entities"]
        check(after[0]["last"] == 1700000000 + 4990, after)
        check(after[0]["n_series"] == before[0]["n_series"] == 2, after)
        check(daemon.end() == 0, "no clean end")


def test_reloads_on_sighup(folder):
    source = os.path.join(folder, "plant.csv")
    write(source, table(50))
    where = config(folder, source, {"one": "10s"})
    with Daemon(folder, "-c", where) as daemon:
        daemon.started().wait_said("file read")
        config(folder, source, {"one": "10s", "two": "20s"})
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_said("configuration reloaded")
        names = {entity["detector"] for entity in daemon.json("/v1/entities")["entities"]}
        check(names == {"one", "two"}, names)
        check(samples_of(daemon) == 100, "the first detector lost its past")
        # Each mistake, early or late, changes nothing.
        for text, place in [("detectors:\n  one:\n    stap: 10s\n", "lapwing.yaml:3:5"),
                            ("detectors:\n  one:\n    step: 30s\n  two:\n    step: row\n", "row"),
                            ("detectors:\n  one:\n    step: 30s\n  two:\n    models: nothing\n", "nothing"),
                            ("detectors: {", "lapwing.yaml:")]:
            seen = len(daemon.log)
            write(where, text)
            daemon.process.send_signal(signal.SIGHUP)
            line = daemon.wait_said("configuration not reloaded", seen)
            check(place in line["reason"], line)
            names = {entity["detector"] for entity in daemon.json("/v1/entities")["entities"]}
            check(names == {"one", "two"}, names)
            check(samples_of(daemon) == 100, "a bad configuration lost the past")
        seen = len(daemon.log)
        write(where, "history_steps: 7\n" + f"sources:\n  plant: {{type: csv, path: {source}}}\n"
              "detectors:\n  two:\n    entity: \"\"\n    step: 20s\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_said("configuration reloaded", seen)
        check(daemon.said("option waits for the next start", seen)[0]["option"] == "history_steps", daemon.log)
        names = {entity["detector"] for entity in daemon.json("/v1/entities")["entities"]}
        check(names == {"two"}, names)
        check(daemon.end() == 0, "no clean end")


def test_keeps_a_second_one_out(folder):
    with Daemon(folder) as first:
        first.started()
        with Daemon(folder) as second:
            check(second.process.wait(PATIENCE_S) == 1, "a second daemon ran")
            second.reader.join()
            check("in use" in second.said("cannot start")[0]["reason"], second.log)
        check(first.get("/ready")[0] == 200, "the first one was disturbed")
        check(first.end() == 0, "no clean end")


def test_refuses_damaged_state_and_leaves_it_alone(folder):
    source = os.path.join(folder, "plant.csv")
    write(source, table(50))
    where = config(folder, source, {"one": "10s"})
    with Daemon(folder, "-c", where) as daemon:
        daemon.started().wait_said("file read")
        check(daemon.end() == 0, "no clean end")
    state = snapshots(folder)[-1]
    good = read(state)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for bad, word in [(bytes(flipped), "checksum"), (good[:-5], "trailer"), (b"", "ends")]:
        write(state, bad, "wb")
        with Daemon(folder, "-c", where) as daemon:
            check(daemon.process.wait(PATIENCE_S) == 3, f"{word}: not exit 3")
            daemon.reader.join()
            reason = daemon.said("cannot start")[0]["reason"]
            check(word in reason and state in reason, reason)
        check(read(state) == bad, f"{word}: the file was touched")
    write(state, good, "wb")
    with Daemon(folder, "-c", where) as daemon:
        daemon.started()
        check(daemon.end() == 0, "the good state is refused")


def test_records_what_comes_in(folder):
    record = os.path.join(folder, "record.gz")
    with Daemon(folder, "--record", record) as daemon:
        daemon.started()
        daemon.wait_for("samples", lambda: samples_of(daemon) > 0)
        check(daemon.end() == 0, "no clean end")
    check(os.path.getsize(record) > 500, "no recording")


def test_says_when_the_state_cannot_be_written(folder):
    source = os.path.join(folder, "plant.csv")
    write(source, table(50))
    where = config(folder, source, {"one": "10s"})

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    with Daemon(folder, "-c", where, limit=limit) as daemon:
        daemon.started()
        line = daemon.wait_said("state is read-only: samples are refused until the disk is well")
        check("File too large" in line["reason"], line)
        check(daemon.end() == 1, "state that is not saved is no good end")
        check("File too large" in daemon.said("state not saved")[0]["reason"], daemon.log)
    check(not snapshots(folder), "a torn snapshot was left")


def test_exit_codes_tell_what_is_wrong(folder):
    bad = os.path.join(folder, "bad.yaml")
    write(bad, "detectors:\n  d:\n    alarm_budget: soon\n")
    rows = os.path.join(folder, "rows.yaml")
    write(rows, "detectors:\n  d:\n    step: row\n")
    missing = os.path.join(folder, "missing.yaml")
    write(missing, f"sources:\n  plant: {{type: csv, path: {folder}/none.csv}}\n")
    for options, code, word in [(["-c", bad], 2, "bad.yaml:3:19"), (["-c", rows], 2, "lapwing replay"),
                                (["-c", os.path.join(folder, "none.yaml")], 2, "No such file"),
                                (["--listen", "nowhere"], 2, "nowhere"),
                                (["--data-dir", "/proc/none"], 1, "/proc/none"), (["--wrong"], 2, ""),
                                (["more"], 2, "more")]:
        with Daemon(folder, *options) as daemon:
            check(daemon.process.wait(PATIENCE_S) == code, f"{options}: {daemon.process.returncode}, not {code}")
            daemon.reader.join()
            check(word in json.dumps(daemon.log), f"{options}: {daemon.log}")
    with Daemon(folder, "-c", missing) as daemon:  # Of several sources one may fail: the daemon runs on.
        daemon.started().wait_said("source failed")
        check(daemon.get("/ready")[0] == 200, "not ready")
        check(daemon.end() == 0, "no clean end")


def main():
    passed = failed = 0
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
        with tempfile.TemporaryDirectory(prefix="lapwing-test-") as folder:
            try:
                test(folder)
                passed += 1
            except Exception:  # Whatever went wrong, the others are still worth a try.
                failed += 1
                print(f"FAILED: {name}")
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
