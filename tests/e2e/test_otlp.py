#!/usr/bin/env python3
"""OTLP/HTTP into a real `lapwing run`: by the SDKs of Python (protobuf) and JavaScript (JSON), through a collector where one was
built (tools/opentelemetry collector), and by requests of our own for what no client sends."""
import gzip
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from daemon import Daemon

SOURCE = pathlib.Path(os.environ["LW_SOURCE"])
HERE = SOURCE / "tests/e2e/otlp"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapwing/opentelemetry"
ROUNDS = 12
DROPPED = 'lapwing_samples_dropped_total{source="otlp"'
CONFIG = """
detectors:
  services:
    entity: instance
    step: sample
"""


class PassedOver(Exception):
    """A client cannot be had here."""


def made(what):
    """Where tools/opentelemetry has put a client."""
    try:
        done = subprocess.run([SOURCE / "tools/opentelemetry", what], capture_output=True, text=True, timeout=200, check=False)
    except subprocess.TimeoutExpired as error:
        raise PassedOver(f"tools/opentelemetry {what} took too long") from error
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


def post(daemon, body, kind="application/json", path="/v1/metrics", **headers):
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    return ask(daemon, "POST", path, body, {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}})


def url(daemon):
    return f"http://{daemon.address[0]}:{daemon.address[1]}/v1/metrics"


def histories(daemon, entity):
    """Values by the name of the series."""
    for one in get(daemon, "/v1/entities?limit=1000")["entities"]:
        if one["name"] == entity:
            series = get(daemon, f"/v1/entities/{one['entity']}/series?limit=1000")["series"]
            return {each["name"]: get(daemon, f"/v1/series/{one['entity']}/{each['series']}")["value"] for each in series}
    return {}


def expect(daemon, entity, expected):
    """These series of an entity, and no others, have these values, the newest ones perhaps not yet."""
    end = time.monotonic() + 20
    while True:
        found = histories(daemon, entity)
        good = set(found) == set(expected) and all(
            len(values) >= ROUNDS // 2 and values == expected[name][:len(values)] for name, values in found.items())
        if good:
            return
        assert time.monotonic() < end, (found, expected)
        time.sleep(0.2)


def counted(daemon, name):
    text = ask(daemon, "GET", "/metrics")[2].decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def metric(name, **point):
    return {"resourceMetrics": [{"resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "own"}}]}, "scopeMetrics": [
        {"metrics": [{"name": name, "gauge": {"dataPoints": [{"timeUnixNano": str(time.time_ns()), **point}]}}]}]}]}


# ---- clients ----

def python_series(sent):
    job = 'job="shop/cart"'
    return {f'orders_total{{customer_region="eu",host_name="h1",{job}}}': sent["orders"],
            f'queue_length{{host_name="h1",{job}}}': sent["queue"],
            f'room_temperature_celsius{{floor="2",host_name="h1",{job}}}': sent["temperature"],
            f'http_server_request_duration_seconds_count{{host_name="h1",http_response_status_code="200",{job}}}': sent["count"],
            f'http_server_request_duration_seconds_sum{{host_name="h1",http_response_status_code="200",{job}}}': sent["sum"]}


def python_send(where, name):
    done = subprocess.run([made("python"), HERE / "client.py", where, name, str(ROUNDS)], capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, "no_proxy": "127.0.0.1"})
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    return json.loads(done.stdout)


def test_the_sdk_of_python(daemon):
    before, dropped = counted(daemon, 'lapwing_samples_total{source="otlp"}'), counted(daemon, DROPPED)
    sent = python_send(url(daemon), "python")
    expect(daemon, "python", python_series(sent))
    # Five series a round, and once more as the SDK ends.
    assert counted(daemon, 'lapwing_samples_total{source="otlp"}') - before == 5 * (ROUNDS + 1)
    assert counted(daemon, DROPPED) == dropped


def test_the_sdk_of_javascript(daemon):
    done = subprocess.run(["node", HERE / "client.js", made("node"), url(daemon), str(ROUNDS)], capture_output=True, text=True,
                          timeout=120, check=False, env={**os.environ, "no_proxy": "127.0.0.1"})
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    labels = 'host_name="js",job="web"'
    expect(daemon, "js", {f'visits{{beta="true",{labels},page_path="/grün"}}': list(range(1, ROUNDS + 1)),
                          f"body_size_bytes_count{{{labels}}}": [1] * ROUNDS,
                          f"body_size_bytes_sum{{{labels}}}": [100 * index for index in range(1, ROUNDS + 1)]})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def through_collector(daemon, encoding):
    program = next(CACHE.glob("collector-*"), None)
    if program is None:
        raise PassedOver("there is no collector; `tools/opentelemetry collector` builds one")
    port, folder = free_port(), tempfile.TemporaryDirectory()
    config = pathlib.Path(folder.name) / "collector.json"
    config.write_text(json.dumps({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"otlphttp": {"metrics_endpoint": url(daemon), "encoding": encoding}},
        "service": {"telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["otlphttp"]}}}}))
    with open(pathlib.Path(folder.name) / "log", "w+", encoding="utf-8") as log:
        collector = subprocess.Popen([program, "--config", f"file:{config}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 30
            while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                assert time.monotonic() < end and collector.poll() is None, "the collector did not start"
                time.sleep(0.1)
            sent = python_send(f"http://127.0.0.1:{port}/v1/metrics", f"collector-{encoding}")
            expect(daemon, f"collector-{encoding}", python_series(sent))
        except AssertionError as error:
            log.seek(0)
            raise AssertionError(f"{error}\n{log.read()[-3000:]}") from error
        finally:
            collector.terminate()
            collector.wait(timeout=20)
            folder.cleanup()


def test_a_collector_in_protobuf(daemon):
    through_collector(daemon, "proto")


def test_a_collector_in_json(daemon):
    through_collector(daemon, "json")


# ---- what no client sends ----

def test_packed_and_empty_requests(daemon):
    body = gzip.compress(json.dumps(metric("packed", asInt="5")).encode())
    status, headers, said = post(daemon, body, Content_Encoding="gzip")
    assert (status, said, headers["Content-Type"]) == (200, b"{}", "application/json"), (status, said)
    assert post(daemon, b"", "application/x-protobuf")[0::2] == (200, b"")
    assert post(daemon, {})[0::2] == (200, b"{}")


def test_good_points_are_kept_and_bad_ones_told(daemon):
    before = counted(daemon, DROPPED + ',reason="bad_value"}')
    body = metric("mixed", asInt=1)
    body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"].append({"timeUnixNano": str(time.time_ns())})
    status, _, said = post(daemon, body)
    told = json.loads(said)["partialSuccess"]
    assert status == 200 and told["rejectedDataPoints"] == "1" and "point 2" in told["errorMessage"], said
    assert counted(daemon, DROPPED + ',reason="bad_value"}') == before + 1


def test_refusals_are_statuses_in_the_encoding_of_the_request(daemon):
    for body, kind, code in ((b"{", "application/json", 400), (b"{}", "text/plain", 415), (b"{}", "application/json", 415)):
        headers = {"Content_Encoding": "br"} if (body, kind, code) == (b"{}", "application/json", 415) else {}
        status, _, said = post(daemon, body, kind, **headers)
        assert status == code and json.loads(said)["code"] == 3 and json.loads(said)["message"], (status, said)
    status, headers, said = post(daemon, b"\x0a\x05x", "application/x-protobuf")
    assert status == 400 and headers["Content-Type"] == "application/x-protobuf" and said.startswith(b"\x08\x03\x12"), said
    status, _, said = post(daemon, b"x", Content_Encoding="gzip")
    assert status == 400 and json.loads(said)["code"] == 3, (status, said)


def test_a_body_that_unpacks_to_too_much_is_refused(daemon):
    status, _, said = post(daemon, gzip.compress(bytes(65 << 20)), "application/x-protobuf", Content_Encoding="gzip")
    assert status == 413 and said.startswith(b"\x08\x03\x12"), (status, said[:100])


def test_parameters(daemon):
    assert post(daemon, metric("scoped", asInt=1), path="/v1/metrics?scope=yes")[0] == 200
    assert post(daemon, metric("scoped", asInt=1), path="/v1/metrics?other=yes")[0] == 400


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
