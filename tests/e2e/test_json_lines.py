#!/usr/bin/env python3
"""JSON lines, JSON arrays and CSV into a real `lapwing run`, as a user sends them: by curl."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from daemon import Daemon

SMD = pathlib.Path(os.environ["LW_TEST_DATA"]) / "smd/machine-1-6-test.csv"
ROWS = 60
CONFIG = """
detectors:
  machines:
    entity: host
    step: sample
  tables:
    entity: instance
    step: sample
"""


def curl(daemon, path, body, *options, kind="application/x-ndjson"):
    """(status, answer)"""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--header", f"Content-Type: {kind}",
         "--data-binary", "@-", "--write-out", "\n%{http_code}", *options, f"http://{daemon.address[0]}:{daemon.address[1]}{path}"],
        input=body if isinstance(body, bytes) else body.encode(), capture_output=True, check=True)
    said, status = done.stdout.decode().rsplit("\n", 1)
    return int(status), json.loads(said)


def get(daemon, path):
    return json.loads(subprocess.run(["curl", "--silent", "--fail", "--noproxy", "*", f"http://{daemon.address[0]}:{daemon.address[1]}{path}"],
                                     capture_output=True, check=True).stdout)


def histories(daemon, entity):
    """Values by the name of the series."""
    for one in get(daemon, "/v1/entities?limit=1000")["entities"]:
        if one["name"] == entity:
            series = get(daemon, f"/v1/entities/{one['entity']}/series?limit=1000")["series"]
            return {each["name"]: get(daemon, f"/v1/series/{one['entity']}/{each['series']}")["value"] for each in series}
    return {}


def expect(daemon, entity, expected):
    """These series of an entity, and no others, have these values."""
    end = time.monotonic() + 20
    while True:
        found = histories(daemon, entity)
        if set(found) == set(expected) and all(len(found[name]) == len(expected[name]) and all(
                abs(a - b) <= 1e-6 * abs(b) for a, b in zip(found[name], expected[name])) for name in expected):
            return
        assert time.monotonic() < end, (entity, found, expected)
        time.sleep(0.2)


def real_values():
    """Two metrics of a real server."""
    rows = [line.split(",") for line in SMD.read_text().splitlines()[1:ROWS + 1]]
    return [float(row[0]) for row in rows], [float(row[2]) for row in rows]


def test_lines(daemon):
    cpu, memory = real_values()
    start = int(time.time()) - ROWS
    lines = [json.dumps({"metric": "cpu", "labels": {"host": "lines", "zone": "grün"}, "time": start + i + 0.5, "value": value})
             for i, value in enumerate(cpu)]
    lines += [json.dumps({"labels": {"host": "lines"}, "time": start + i, "values": {"memory": value}}, ensure_ascii=False)
              for i, value in enumerate(memory)]
    assert curl(daemon, "/v1/samples", "\n".join(lines)) == (200, {"taken": 2 * ROWS, "rejected": 0, "errors": []})
    expect(daemon, "lines", {'cpu{zone="grün"}': cpu, "memory": memory})


def test_an_array_packed_with_times_in_milliseconds(daemon):
    cpu, _ = real_values()
    start = time.time_ns() // 10**6 - ROWS * 1000
    body = json.dumps([{"metric": "cpu", "labels": {"host": "array"}, "time": start + i * 1000, "value": value} for i, value in enumerate(cpu)])
    status, said = curl(daemon, "/v1/samples?precision=ms", gzip.compress(body.encode()), "--header", "Content-Encoding: gzip",
                        kind="application/json")
    assert (status, said["taken"]) == (200, ROWS), (status, said)
    expect(daemon, "array", {"cpu": cpu})


def test_bad_lines_are_told_and_the_others_kept(daemon):
    good = '{"metric":"m","labels":{"host":"partly"},"value":%d}\n'
    status, said = curl(daemon, "/v1/samples", good % 1 + '{"metric":"m","value":}\n' + good % 2 + '{"metric":"m","lables":{}}\n')
    assert (status, said) == (200, {"taken": 2, "rejected": 2, "errors": [
        {"line": 2, "reason": "byte 23: expected a number"},
        {"line": 4, "reason": "byte 24: a member is none of metric, labels, time, value and values"}]}), said
    status, said = curl(daemon, "/v1/samples", "nothing of it\n")
    assert (status, said["taken"], said["rejected"]) == (400, 0, 1), said
    ahead = '{"metric":"m","labels":{"host":"partly"},"value":1,"time":%d}' % (time.time() + 86400)
    status, said = curl(daemon, "/v1/samples", ahead)
    assert status == 400 and "ahead of the clock" in said["errors"][0]["reason"], said


def test_refusals_are_json_of_the_same_form(daemon):
    status, said = curl(daemon, "/v1/samples", "x", kind="application/x-www-form-urlencoded")
    assert status == 415 and "application/x-ndjson" in said["error"], said
    status, said = curl(daemon, "/v1/samples", "[{]", kind="application/json")
    assert (status, said) == (400, {"taken": 0, "error": "byte 3: expected a key in quotes"}), said
    status, said = curl(daemon, "/v1/samples", gzip.compress(bytes(65 << 20)), "--header", "Content-Encoding: gzip")
    assert status == 413 and said["taken"] == 0, said


def test_a_table(daemon):
    cpu, memory = real_values()
    start = int(time.time()) - ROWS
    table = "time,host,cpu,memory\n" + "".join(f"{start + i},table,{cpu[i]!r},{memory[i]!r}\n" for i in range(ROWS))
    assert curl(daemon, "/v1/samples/csv?time=time&entity=host", table, kind="text/csv") == (
        200, {"taken": 2 * ROWS, "rejected": 0, "errors": []})
    expect(daemon, "table", {"cpu": cpu, "memory": memory})
    status, said = curl(daemon, "/v1/samples/csv?time=time", f"time,cpu\n{start},1\nsoon,2\n", kind="text/csv")
    assert (status, said["taken"], said["errors"][0]["line"]) == (200, 1, 3) and 'column "time"' in said["errors"][0]["reason"], said
    status, said = curl(daemon, "/v1/samples/csv?when=1", "a,b\n", kind="text/csv")
    assert status == 400, said


def main():
    if shutil.which("curl") is None:
        print("PASSED OVER: there is no curl")
        return 77
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "lapwing.yaml"
        config.write_text(CONFIG)
        with Daemon("--config", str(config)) as daemon:
            for name, test in sorted(globals().items()):
                if not name.startswith("test_"):
                    continue
                try:
                    test(daemon)
                    passed += 1
                except Exception:
                    failed += 1
                    print(f"not ok {name}")
                    traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
