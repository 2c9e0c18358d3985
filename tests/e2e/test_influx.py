#!/usr/bin/env python3
"""Line protocol into a real `lapwing run`: by the official Python clients of InfluxDB 1 and 2, by Telegraf where one was built
(tools/influx_clients telegraf), and by requests of our own for what no client sends."""
import gzip
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

from daemon import Daemon

SOURCE = pathlib.Path(os.environ["LW_SOURCE"])
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapwing/influx"
ROUNDS = 20
DROPPED = 'lapwing_samples_dropped_total{source="influx"'
CONFIG = """
detectors:
  machines:
    entity: host
    step: sample
"""
TELEGRAF = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  hostname = "{host}"
[[inputs.cpu]]
  percpu = false
[[inputs.mem]]
[[inputs.system]]
[[outputs.{output}]]
  urls = ["{url}"]
{more}
"""


class PassedOver(Exception):
    """A client cannot be had here."""


def python():
    """The Python that has the clients."""
    try:
        done = subprocess.run([SOURCE / "tools/influx_clients", "python"], capture_output=True, text=True, timeout=150, check=False)
    except subprocess.TimeoutExpired as error:
        raise PassedOver("tools/influx_clients python took too long") from error
    if done.returncode != 0:
        raise PassedOver(done.stderr.strip().replace("\n", "; "))
    return done.stdout.strip()


def ask(daemon, method, path, body=None, headers=None):
    link = http.client.HTTPConnection(*daemon.address, timeout=20)
    link.request(method, path, body=body, headers=headers or {})
    answer = link.getresponse()
    said = answer.read()
    link.close()
    return answer.status, answer.headers, said


def get(daemon, path):
    status, _, body = ask(daemon, "GET", path)
    assert status == 200, (path, status, body)
    return json.loads(body)


def histories(daemon, entity):
    """Values by the name of the series."""
    for one in get(daemon, "/v1/entities?limit=1000")["entities"]:
        if one["name"] == entity:
            series = get(daemon, f"/v1/entities/{one['entity']}/series?limit=1000")["series"]
            return {each["name"]: get(daemon, f"/v1/series/{one['entity']}/{each['series']}")["value"] for each in series}
    return {}


def until(check):
    """The first true answer of a check, or the last after 20 s."""
    end = time.monotonic() + 20
    while True:
        found = check()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def counted(daemon, name):
    text = ask(daemon, "GET", "/metrics")[2].decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


# ---- clients ----

def client(daemon, version):
    name = f"python-{version}"
    taken, texts = counted(daemon, 'lapwing_samples_total{source="influx"}'), counted(daemon, DROPPED + ',reason="text_field"}')
    done = subprocess.run([python(), SOURCE / "tests/e2e/influx/client.py", version, *map(str, daemon.address), name, str(ROUNDS)],
                          capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "no_proxy": "127.0.0.1"})
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    expected = {'cpu time_usage{core="0,1"}': sent["usage"], 'cpu time_count{core="0,1"}': sent["count"],
                'cpu time_busy{core="0,1"}': sent["busy"], "load": sent["load"]}
    # Of a step that is a sample, the newest may still be open.
    found = until(lambda: (series := histories(daemon, name)) and all(
        len(series.get(key, [])) >= ROUNDS - 2 and series[key] == values[:len(series[key])] for key, values in expected.items()) and series)
    assert found, (histories(daemon, name), expected)
    assert set(found) == {*expected, "rough_v"}, set(found)
    assert counted(daemon, 'lapwing_samples_total{source="influx"}') - taken == 4 * ROUNDS + 2
    assert counted(daemon, DROPPED + ',reason="text_field"}') - texts == ROUNDS
    return sent["said"]


def test_the_client_of_version_1(daemon):
    said = client(daemon, "1")
    assert said["ping"] == "1.8.10", said
    code, text = said["refused"]
    assert code == 400 and "partial write: line 2: unable to parse 'rough v=': missing field value dropped=1" in text, said


def test_the_client_of_version_2(daemon):
    said = client(daemon, "2")
    assert said["ping"] is True, said
    code, text = said["refused"]
    told = json.loads(text)
    assert code == 400 and told["code"] == "invalid" and told["line"] == 2, said
    assert told["message"] == "partial write: line 2: unable to parse 'rough v=': missing field value dropped=1", said


def telegraf(daemon, output, more):
    program = next(CACHE.glob("telegraf-*"), None)
    if program is None:
        raise PassedOver("there is no Telegraf; `tools/influx_clients telegraf` builds one")
    host, url = f"telegraf-{output}", f"http://{daemon.address[0]}:{daemon.address[1]}"
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "telegraf.conf"
        config.write_text(TELEGRAF.format(host=host, output=output, url=url, more=more))
        with open(pathlib.Path(folder) / "log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen([program, "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, "no_proxy": "127.0.0.1"})
            try:
                found = until(lambda: (series := histories(daemon, host)) and len(series.get("mem_available_percent", [])) >= 2 and series)
            finally:
                process.terminate()
                process.wait(timeout=20)
            log.seek(0)
            said = log.read()
    assert found and "E!" not in said, (sorted(found or histories(daemon, host)), said[-3000:])
    assert {"mem_total", "system_load1", "system_uptime", 'cpu_usage_idle{cpu="cpu-total"}'} <= set(found), sorted(found)
    assert all(0 < value <= 100 for value in found["mem_available_percent"]), found["mem_available_percent"]


def test_telegraf_with_version_1(daemon):
    telegraf(daemon, "influxdb", '  database = "telegraf"')


def test_telegraf_with_version_2(daemon):
    telegraf(daemon, "influxdb_v2", '  token = "secret"\n  organization = "us"\n  bucket = "telegraf"')


# ---- what no client sends ----

def write(daemon, body, path="/write?db=tests", **headers):
    status, fields, said = ask(daemon, "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    assert fields["X-Influxdb-Version"] == "1.8.10" or status in (404, 405), dict(fields)
    return status, json.loads(said) if said else None


def test_good_lines_are_kept_and_bad_ones_told(daemon):
    now = time.time_ns()
    body = f"mixed,host=own a=1 {now}\nmixed,host=own\nmixed,host=own b=x\nmixed,host=own a=2 {now + 1}\n".encode()
    message = ("partial write: line 2: unable to parse 'mixed,host=own': missing fields\n"
               "line 3: unable to parse 'mixed,host=own b=x': invalid boolean dropped=2")
    before = counted(daemon, 'lapwing_samples_total{source="influx"}')
    assert write(daemon, body) == (400, {"error": message})
    assert write(daemon, body, "/api/v2/write?org=o&bucket=b") == (400, {"code": "invalid", "message": message, "line": 2})
    assert counted(daemon, 'lapwing_samples_total{source="influx"}') == before + 4


def test_packed_empty_and_too_large_bodies(daemon):
    assert write(daemon, gzip.compress(b"packed,host=own v=1"), Content_Encoding="gzip") == (204, None)
    assert write(daemon, b"") == (204, None)
    status, said = write(daemon, b"x", Content_Encoding="gzip")
    assert status == 400 and said["error"], said
    status, said = write(daemon, gzip.compress(b"#" * (65 << 20)), "/api/v2/write", Content_Encoding="gzip")
    assert status == 413 and said["code"] == "request too large", said


def test_the_database_as_a_label(daemon):
    assert write(daemon, b"inside,host=labelled v=1\ninside,host=labelled v=2", "/write?db=one&db_label=database") == (204, None)
    assert until(lambda: list(histories(daemon, "labelled")) == ['inside_v{database="one"}']), histories(daemon, "labelled")


def test_ping_and_statements(daemon):
    status, fields, said = ask(daemon, "GET", "/ping?verbose=true")
    assert (status, fields["X-Influxdb-Version"], said) == (204, "1.8.10", b""), (status, dict(fields))
    status, _, said = ask(daemon, "POST", "/query?q=CREATE%20DATABASE%20%22x%22")
    assert (status, json.loads(said)) == (200, {"results": [{"statement_id": 0}]}), said
    assert ask(daemon, "POST", "/query?q=DROP%20DATABASE%20x")[0] == 400


def main():
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
                except PassedOver as reason:
                    print(f"PASSED OVER: {name}: {reason}")
                except Exception:
                    failed += 1
                    print(f"not ok {name}")
                    traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
