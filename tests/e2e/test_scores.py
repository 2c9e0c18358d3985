#!/usr/bin/env python3
"""Scores and bands by remote write: what a real Prometheus then holds is what Lapwing's own page says."""
import csv
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

from daemon import LAPWING, Daemon
from prometheus import Prometheus

SMD = os.path.join(os.environ.get("LW_TEST_DATA", ""), "smd")
ROWS, STEP = 330, 10  # Within the hour that Prometheus lets samples be behind its newest.
COLUMNS = (4, 5, 8)


def machines():
    """{instance: rows}: real metrics of a server, its two parts as two machines."""
    found = {}
    for name in ("train", "test"):
        with open(os.path.join(SMD, f"machine-1-6-{name}.csv"), newline="") as file:
            rows = list(csv.reader(file))[1:ROWS + 1]
        found[name] = [[row[column] for column in COLUMNS] for row in rows]
    return found


def recent_csv(folder):
    """The same rows as if they had been taken in the past hour."""
    path, both = os.path.join(folder, "machines.csv"), machines()
    start = int(time.time()) // STEP * STEP - ROWS * STEP
    with open(path, "w") as file:
        file.write("time,instance,m0,m1,detector\n")
        for i in range(ROWS):
            for instance, rows in both.items():
                file.write(f"{start + i * STEP},{instance}," + ",".join(rows[i]) + "\n")
    return path, start


def configuration(folder, url, *more):
    path, start = recent_csv(folder)
    config = os.path.join(folder, "lapwing.yml")
    with open(config, "w") as file:
        file.write(f"sources: {{machines: {{type: csv, path: {path}, entity: instance}}}}\n"
                   f"detectors: {{machines: {{step: {STEP}s, models: none}}}}\n"
                   f"scores: {{url: \"{url}\", interval: 300ms{''.join(more)}}}\n")
    return config, start


def get(address, path):
    link = http.client.HTTPConnection(*address, timeout=10)
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read()
    assert answer.status == 200, (path, answer.status, body)
    return json.loads(body)


def ask(server, query):
    """[{metric, values}] of an instant query for raw samples."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(server.url + "/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": time.time()}), timeout=20) as answer:
        return json.load(answer)["data"]["result"]


def as_float(text):
    """To the nearest value of 32 bits, as the engine has it."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def wait(what, patience=30.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def all_steps_closed(daemon, start):
    entities = get(daemon.address, "/v1/entities")["entities"]
    return len(entities) == 2 and all((one["last"] or 0) >= start + (ROWS - 1) * STEP for one in entities) and entities


def page(daemon, start):
    """{(instance, metric): history} as the page has it, once all is in."""
    found = {}
    for entity in wait(lambda: all_steps_closed(daemon, start)):
        for one in get(daemon.address, f"/v1/entities/{entity['entity']}/series?limit=100")["series"]:
            found[entity["name"], one["name"]] = get(daemon.address, f"/v1/series/{entity['entity']}/{one['series']}")
    return found


def held(server, name, by="metric"):
    """{(instance, metric): {time: value}} as Prometheus has it."""
    return {(one["metric"]["instance"], one["metric"].get("metric")): {at: float(value) for at, value in one["values"]}
            for one in ask(server, f"{name}[3h]")}


def test_the_band_is_that_of_the_page(server):
    with tempfile.TemporaryDirectory() as folder:
        config, start = configuration(folder, server.url + "/api/v1/write")
        with Daemon("--config", config) as daemon:
            shown = page(daemon, start)
            assert len(shown) == 6, sorted(shown)
            n = sum(score is not None for one in shown.values() for score in one["score"])
            assert n > 1000, n
            wait(lambda: sum(len(values) for values in held(server, "lapwing_score").values()) >= n)
            for name in ("score", "expected", "lower", "upper"):
                stored = held(server, "lapwing_" + name)
                for key, one in shown.items():
                    wanted = {at: as_float(value) for at, value in zip(one["time"], one[name]) if value is not None}
                    got = {at: as_float(value) for at, value in stored.get(key, {}).items()}
                    assert got == wanted, (name, key, len(got), len(wanted))
                assert any(stored.values()), name
            for key, values in held(server, "lapwing_alarm").items():
                alarms = {at: float(alarm) for at, alarm in zip(shown[key]["time"], shown[key]["alarm"])}
                assert values == alarms, key
            link = http.client.HTTPConnection(*daemon.address, timeout=10)
            link.request("GET", "/metrics")
            metrics = dict(line.rsplit(" ", 1) for line in link.getresponse().read().decode().splitlines() if not line.startswith("#"))
            rows = sum(len(one["time"]) for one in shown.values())
            assert float(metrics['lapwing_scores_rows_total{outcome="written"}']) >= rows, (metrics, rows)
            assert float(metrics['lapwing_scores_rows_total{outcome="dropped"}']) == 0
            assert float(metrics['lapwing_scores_requests_failed_total']) == 0
            log = [json.loads(line) for line in daemon.log]
            assert not [line for line in log if line["message"] == "scores not written"], log
            assert daemon.end() == 0


def test_labels_are_the_originals_and_ours(server):
    for one in ask(server, "lapwing_expected[3h]"):
        labels = one["metric"]
        assert labels == {"__name__": "lapwing_expected", "detector": "machines", "entity": labels["instance"],
                          "instance": labels["instance"], "metric": labels["metric"]}, labels
        assert labels["metric"] in ("m0", "m1", "detector"), labels


def test_one_step_of_so_many_of_one_metric():
    with Prometheus(SEED, "--web.enable-remote-write-receiver") as server, tempfile.TemporaryDirectory() as folder:
        config, start = configuration(folder, server.url + "/api/v1/write", ", every: 3, match: m1")
        with Daemon("--config", config) as daemon:
            wait(lambda: all_steps_closed(daemon, start))
            n = len([i for i in range(ROWS) if (start + i * STEP) // STEP % 3 == 0])
            wait(lambda: all(len(values) >= n for values in held(server, "lapwing_alarm").values()) and held(server, "lapwing_alarm"))
            assert daemon.end() == 0
        stored = held(server, "lapwing_alarm")
        assert sorted(stored) == [("test", "m1"), ("train", "m1")], sorted(stored)
        for values in stored.values():
            assert all(at // STEP % 3 == 0 for at in values) and len(values) == n, (len(values), n)


def test_a_store_that_comes_back_gets_what_waited():
    with Prometheus(SEED, "--web.enable-remote-write-receiver") as server, tempfile.TemporaryDirectory() as folder:
        config, start = configuration(folder, server.url + "/api/v1/write")
        server.end()
        with Daemon("--config", config) as daemon:
            shown = page(daemon, start)
            n = sum(score is not None for one in shown.values() for score in one["score"])
            server.process = subprocess.Popen(server.process.args, stdin=subprocess.DEVNULL, stdout=server.log, stderr=server.log)
            assert server.is_ready()
            wait(lambda: sum(len(values) for values in held(server, "lapwing_score").values()) == n, 60)
            assert daemon.end() == 0


def test_a_change_waits_for_the_next_start():
    with tempfile.TemporaryDirectory() as folder:
        config, _ = configuration(folder, "http://127.0.0.1:1/api/v1/write")
        with Daemon("--config", config) as daemon:
            with open(config) as file:
                text = file.read()
            with open(config, "w") as file:
                file.write(text.replace("interval: 300ms", "interval: 400ms"))
            daemon.process.send_signal(signal.SIGHUP)
            line = json.loads(wait(lambda: [line for line in daemon.log if "option waits" in line])[0])
            assert (line["option"], line["now"], line["then"]) == ("interval", "300ms", "400ms"), line
            began = time.monotonic()
            assert daemon.end() == 0 and time.monotonic() - began < 8, "a store that is down does not hold up the end"


def test_options_that_cannot_be_are_told():
    for url, told in (("prometheus:9090", "no address"), ("http://a:b@c/", "password")):
        with tempfile.TemporaryDirectory() as folder:
            config, _ = configuration(folder, url)
            done = subprocess.run([LAPWING, "run", "--listen", "off", "--data-dir", os.path.join(folder, "data"), "--config", config],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=20)
            assert done.returncode == 2 and "scores: " in done.stderr and told in done.stderr, (done.returncode, done.stderr)


SEED = ["# TYPE seed gauge\n", f"seed 1 {int(time.time()) - 7200}\n"]


def main():
    passed = failed = 0
    with Prometheus(SEED, "--web.enable-remote-write-receiver") as server:
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                try:
                    test(*((server,) if test.__code__.co_argcount else ()))
                    passed += 1
                except Exception:  # pylint: disable=broad-except
                    print(f"--- {name}\n{traceback.format_exc()}")
                    failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
