#!/usr/bin/env python3
"""Many steps of one series in one request: a table uploaded in one piece, and senders that catch up after an outage."""
import http.client
import json
import os
import struct
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

from daemon import Daemon
from test_remote_write import WRITE_1, metrics, snappy, wait

CONFIG = """
sources:
  host: {interval: 1h}
detectors:
  all:
    match: "*"
    entity: job
    step: %s
"""


def engine_drops(daemon):
    """What the engine took and could not use, by reason."""
    found = metrics(daemon.address)[0]
    return {reason: found.get(f'lapwing_samples_dropped_total{{source="engine",reason="{reason}"}}', 0) for reason in ("late", "overflow")}


def taken(daemon, source):
    return metrics(daemon.address)[0].get(f'lapwing_samples_total{{source="{source}"}}', 0)


def asked(daemon, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{daemon.address[0]}:{daemon.address[1]}{path}", timeout=20) as answer:
        return json.load(answer)


def run(folder, step, *options, more=""):
    config = os.path.join(folder, "lapwing.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG % step + more)
    return Daemon("--config", config, *options)


class Link:
    """One connection that posts."""

    def __init__(self, daemon, path, headers):
        self.link, self.path, self.headers = http.client.HTTPConnection(*daemon.address, timeout=60), path, headers

    def post(self, body):
        for _ in range(200):
            self.link.request("POST", self.path, body=body, headers=self.headers)
            answer = self.link.getresponse()
            answer.read()
            if answer.status not in (429, 503):
                break
            time.sleep(0.1)  # As every sender does.
        assert answer.status in (200, 204), answer.status


# ---- a table in one piece ----

def row(at, i):
    value = 5 + (i * 37 % 11) / 10 + (4000 if 600 <= i < 700 else 0)
    return f"plant,job=one flow={value},heat={value / 2 + i * 13 % 7} {at + i}000000000\n"


def verdicts(daemon):
    found = metrics(daemon.address)[0]
    anomalies = [(one["type"], one["start"], one["n_steps"]) for one in asked(daemon, "/v1/anomalies?limit=100")["anomalies"]]
    return found["lapwing_verdicts_total"], sorted(anomalies)


def test_rows_in_one_piece_are_judged_as_row_by_row(folder):
    begin = int(time.time()) // 60 * 60 - 1200
    rows = [row(begin, i) for i in range(900)]
    outcome = []
    for name, bodies in (("piece", ["".join(rows)]), ("rows", rows)):
        os.mkdir(os.path.join(folder, name))
        with run(os.path.join(folder, name), "1s") as daemon:
            link = Link(daemon, "/write", {})
            for body in bodies:
                link.post(body)
            wait(lambda: taken(daemon, "influx") == 1800)  # pylint: disable=cell-var-from-loop
            assert engine_drops(daemon) == {"late": 0, "overflow": 0}, engine_drops(daemon)
            wait(lambda: verdicts(daemon)[0] >= 2 * 899)  # pylint: disable=cell-var-from-loop
            outcome.append(verdicts(daemon))
            assert daemon.end() == 0
    assert outcome[0] == outcome[1], outcome
    assert outcome[0][1] and all(one[0] != "silent" for one in outcome[0][1]), outcome


# ---- remote write, as shards of a sender ----

def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def label(name, value):
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def series(number, times):
    labels = b"".join(label(*pair) for pair in (("__name__", "load"), ("cpu", str(number)), ("job", f"job-{number % 50}")))
    samples = b"".join(field(2, b"\x09" + struct.pack("<d", number % 7 + at % 5) + b"\x10" + varint(at * 1000)) for at in times)
    return field(1, labels + samples)


def shard_send(daemon, numbers, steps, every, failures):
    try:
        link = Link(daemon, "/api/v1/write", WRITE_1)
        for at in range(0, len(steps), every):
            link.post(snappy(b"".join(series(number, steps[at:at + every]) for number in numbers)))
    except Exception as error:  # pylint: disable=broad-except
        failures.append(error)


def test_shards_that_catch_up_lose_nothing(folder):
    end = int(time.time()) - 5
    steps = [end - 1800 + 15 * i for i in range(120)]
    failures = []
    with run(folder, "15s") as daemon:
        before = []  # The series are known: it is an outage that ended.
        for shard in range(4):
            shard_send(daemon, range(shard, 1000, 4), [end - 1815], 1, before)
        assert not before, before
        shards = [threading.Thread(target=shard_send, args=(daemon, range(shard, 1000, 4), steps, 8, failures)) for shard in range(4)]
        for shard in shards:
            shard.start()
        for shard in shards:
            shard.join()
        assert not failures, failures
        wait(lambda: taken(daemon, "remote_write") == 121000)
        time.sleep(3)
        assert engine_drops(daemon) == {"late": 0, "overflow": 0}, engine_drops(daemon)
        assert daemon.end() == 0


def main():
    failed = passed = 0
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
        with tempfile.TemporaryDirectory(prefix="lapwing-test-") as folder:
            try:
                test(folder)
                passed += 1
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED {name}")
                traceback.print_exc()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
