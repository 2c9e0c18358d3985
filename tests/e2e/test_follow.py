#!/usr/bin/env python3
"""Files followed: a writer that rotates under load while the daemon is killed and started again; every line exactly once."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

LAPWING = os.environ.get("LAPWING", "")
START = int(time.time()) - 3600


class Follower:
    """`lapwing run` on a state folder that outlives it."""

    def __init__(self, folder, source, step="sample"):
        self.folder, self.log = folder, []
        self.config = os.path.join(folder, "lapwing.yaml")
        with open(self.config, "w") as file:
            json.dump({"history_steps": 20000, "sources": {"f": {"type": "follow", **source}},
                       "detectors": {"all": {"match": "*", "step": step}}}, file)

    def start(self):
        self.process = subprocess.Popen(
            [LAPWING, "run", "--json", "--listen", "127.0.0.1:0", "--data-dir", os.path.join(self.folder, "state"),
             "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        page, lines = None, []
        for line in self.process.stderr:
            lines.append(line)
            if json.loads(line)["message"] == "watching":
                page = json.loads(line)["page"]
                break
        assert page is not None, lines
        self.address = ("127.0.0.1", int(page.rstrip("/").rsplit(":", 1)[1]))
        self.log += lines
        stderr = self.process.stderr
        threading.Thread(target=lambda: self.log.extend(stderr), daemon=True).start()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def get(self, path):
        link = http.client.HTTPConnection(*self.address, timeout=10)
        link.request("GET", path)
        answer = link.getresponse()
        body = answer.read()
        link.close()
        assert answer.status == 200, (path, answer.status, body)
        return body

    def entities(self):
        return {one["name"]: one["entity"] for one in json.loads(self.get("/v1/entities?limit=1000"))["entities"]}

    def newest(self):
        """{(entity, series): newest value}"""
        found = {}
        for name, number in self.entities().items():
            for one in json.loads(self.get(f"/v1/entities/{number}/series?limit=1000"))["series"]:
                found[(name, one["name"])] = one["value"]
        return found

    def values(self, entity, series=0):
        """All values of a series that the history has, in order of time; none of the empty steps of its beginning."""
        found, since = [], 0.0
        number = self.entities()[entity]
        while True:
            part = json.loads(self.get(f"/v1/series/{number}/{series}?since={since!r}"))
            found += [value for value in part["value"] if value is not None]
            if not part["time"] or part["time"][-1] == since:
                return found
            since = part["time"][-1]

    def dropped(self):
        found = {}
        for line in self.get("/metrics").decode().split("\n"):
            if line.startswith("lapwing_samples_dropped_total{"):
                name = line.split('reason="')[1].split('"')[0]
                found[name] = found.get(name, 0) + float(line.rsplit(" ", 1)[1])
        return found


def wait(what, patience=40.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def json_line(i, entity="m"):
    return json.dumps({"metric": "work", "labels": {"instance": entity}, "time": START + i * 0.25, "value": i}) + "\n"


def influx_line(i, entity="m"):
    return f"work,instance={entity} value={i} {int((START + i * 0.25) * 1e9)}\n"


def csv_line(i, entity="m"):
    return f"{START + i * 0.25:.2f},{entity},{i}\n"


HEADERS = {"csv": "time,instance,work\n", "jsonl": "", "lp": ""}
LINES = {"csv": csv_line, "jsonl": json_line, "lp": influx_line}


def write_all(folder, ending, n, rotate, pace):
    """n lines in bursts, also in halves of lines; every 150 the file is rotated."""
    path = os.path.join(folder, "m." + ending)
    file = open(path, "a")
    file.write(HEADERS[ending])
    for i in range(n):
        line = LINES[ending](i)
        file.write(line[:9])
        file.flush()
        if i % 7 == 0:
            time.sleep(pace)
        file.write(line[9:])
        file.flush()
        if i % 150 == 149:
            file = rotate(path, file)
            file.write(HEADERS[ending])
    file.close()


def shift(path):
    """path.2 to path.3 and so on, as logrotate does."""
    for k in range(30, 0, -1):
        if os.path.exists(f"{path}.{k}"):
            os.rename(f"{path}.{k}", f"{path}.{k + 1}")


def by_rename(path, file):
    file.close()
    shift(path)
    os.rename(path, path + ".1")
    return open(path, "a")


def by_copy(path, file):
    shift(path)
    shutil.copyfile(path, path + ".1")
    os.truncate(path, 0)
    return file


def check_kills(ending, rotate, pattern, n=1560, kills=3):
    with tempfile.TemporaryDirectory() as folder:
        logs = os.path.join(folder, "logs")
        os.mkdir(logs)
        follower = Follower(folder, {"path": os.path.join(logs, pattern)})
        follower.start()
        writer = threading.Thread(target=write_all, args=(logs, ending, n, rotate, 0.012))
        writer.start()
        for kill in range(kills):
            time.sleep(0.6 + 0.17 * kill)
            follower.end(signal.SIGKILL)
            time.sleep(0.25)  # The writer goes on, and rotates.
            follower.start()
        writer.join()
        name = ("m", "work")
        wait(lambda: follower.newest().get(name) == n - 1)
        taken = json.loads(follower.get("/v1/status"))["samples"]  # Late ones and duplicates are not among them.
        assert follower.newest().keys() == {name}, follower.newest()
        code = follower.end()
        assert code == 0, (code, follower.log[-3:])
        return n, taken


def test_json_lines_through_renames_and_kills():
    n, taken = check_kills("jsonl", by_rename, "m.jsonl*")
    assert taken == n, (taken, n)


def test_line_protocol_renamed_out_of_the_pattern_while_nobody_looks():
    """The renamed file is found by its inode, though no pattern names it any more; another one with its lines is not taken."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.lp")
        follower = Follower(folder, {"path": os.path.join(folder, "*.lp")})
        with open(path, "w") as file:
            file.writelines(influx_line(i) for i in range(100))
        follower.start()
        wait(lambda: follower.newest().get(("m", "work")) == 99)
        follower.end(signal.SIGKILL)
        with open(path, "a") as file:
            file.writelines(influx_line(i) for i in range(100, 150))
        os.rename(path, path + ".old-1")
        shutil.copyfile(path + ".old-1", path + ".backup")
        with open(path, "w") as file:
            file.writelines(influx_line(i) for i in range(150, 250))
        follower.start()
        wait(lambda: follower.newest().get(("m", "work")) == 249)
        assert json.loads(follower.get("/v1/status"))["samples"] == 250
        assert not any("backup" in line for line in follower.log)
        follower.end()


def test_csv_through_copies_and_kills():
    n, taken = check_kills("csv", by_copy, "m.csv*")
    assert taken == n, (taken, n)


def test_a_stop_and_a_start_repeat_nothing():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.jsonl")
        follower = Follower(folder, {"path": path})
        with open(path, "w") as file:
            file.writelines(json_line(i) for i in range(100))
        follower.start()
        wait(lambda: follower.newest().get(("m", "work")) == 99)
        assert follower.end() == 0
        with open(path, "a") as file:
            file.writelines(json_line(i) for i in range(100, 200))
        follower.start()
        wait(lambda: follower.newest().get(("m", "work")) == 199)
        assert json.loads(follower.get("/v1/status"))["samples"] == 200
        assert follower.values("m") == list(range(100, 200)), follower.values("m")[:5]  # As far as this process knows.
        drops = {reason: k for reason, k in follower.dropped().items() if k}
        assert not drops, drops
        follower.end()


def test_a_part_of_a_line_waits_and_bad_lines_are_told():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.jsonl")
        follower = Follower(folder, {"path": os.path.join(folder, "*.jsonl")})
        follower.start()
        with open(path, "w") as file:  # Made after the start.
            file.write(json_line(1) + "no json\n" + json_line(2)[:20])
            file.flush()
            wait(lambda: follower.newest().get(("m", "work")) == 1)
            wait(lambda: any("lines left out" in line for line in follower.log))
            time.sleep(0.5)
            assert follower.newest()[("m", "work")] == 1
            file.write(json_line(2)[20:])
        wait(lambda: follower.newest()[("m", "work")] == 2)
        assert sum(follower.dropped().values()) == 1, follower.dropped()
        follower.end()


def test_many_files_are_merged_by_time():
    """An hour of three machines lies there at the start; steps of event time lose nothing, though the files are read one by one."""
    with tempfile.TemporaryDirectory() as folder:
        for entity in "abc":
            with open(os.path.join(folder, entity + ".lp"), "w") as file:
                file.writelines(influx_line(i, entity) for i in range(6000))
        follower = Follower(folder, {"path": os.path.join(folder, "*.lp")}, step="10s")
        follower.start()
        wait(lambda: all(follower.newest().get((entity, "work")) is not None for entity in "abc"))
        wait(lambda: json.loads(follower.get("/v1/status"))["samples"] == 18000)
        drops = {reason: k for reason, k in follower.dropped().items() if k}
        assert not drops, drops
        follower.end()


def test_a_first_start_at_the_end():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.lp")
        with open(path, "w") as file:
            file.writelines(influx_line(i) for i in range(50))
        follower = Follower(folder, {"path": path, "from": "end"})
        follower.start()
        wait(lambda: any("file is followed" in line for line in follower.log))
        with open(path, "a") as file:
            file.writelines(influx_line(i) for i in range(50, 60))
        wait(lambda: follower.newest().get(("m", "work")) == 59)
        assert follower.values("m") == list(range(50, 60))
        follower.end()


def main():
    if not LAPWING:
        raise SystemExit("LAPWING must name the program to test")
    failed = 0
    wanted = sys.argv[1:]
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_") and (not wanted or name in wanted)]
    for name, test in tests:
        try:
            test()
        except Exception:
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
