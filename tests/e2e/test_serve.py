#!/usr/bin/env python3
"""The API of a real `lapwing run` that watches this host: shapes, metrics, events, page, limits, end."""
import gzip
import http.client
import json
import math
import re
import socket
import sys
import time
import traceback

from daemon import Daemon


def ask(daemon, path, method="GET", headers=None):
    """(status, headers, body) of one request on a connection of its own."""
    link = http.client.HTTPConnection(*daemon.address, timeout=10)
    link.request(method, path, headers=headers or {})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, answer.headers, body


def get(daemon, path, status=200):
    got, headers, body = ask(daemon, path)
    assert got == status, (path, got, body)
    kind = headers["Content-Type"]
    assert kind == ("application/json" if status == 200 else "application/problem+json"), (path, kind)
    return json.loads(body)


def wait(what, patience=30.0):
    """The first true answer of what()."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def first_entity(daemon):
    return wait(lambda: get(daemon, "/v1/entities")["entities"])[0]


def test_health_is_good(daemon):
    assert get(daemon, "/live") == {"status": "live"}
    wait(lambda: ask(daemon, "/ready")[0] == 200)
    assert get(daemon, "/health")["status"] == "ok"


def test_this_host_is_watched(daemon):
    entity = first_entity(daemon)
    series = wait(lambda: get(daemon, f"/v1/entities/{entity['entity']}/series?limit=1000")["series"])
    names = " ".join(one["name"] for one in series)
    for metric in ("node_load1", "node_memory_MemAvailable_bytes", "node_cpu_seconds_total"):
        assert metric in names, metric
    assert all(one["confidence"] in ("cannot_tell", "low", "full") for one in series)
    assert any(one["confidence"] == "cannot_tell" and one["score"] is None for one in series), "a start knows nothing yet"
    wait(lambda: get(daemon, "/v1/status")["samples"] > 0)


def test_history_grows(daemon):
    entity = first_entity(daemon)["entity"]
    history = wait(lambda: (lambda h: len(h["time"]) >= 3 and h)(get(daemon, f"/v1/series/{entity}/0")))
    columns = ("time", "value", "expected", "lower", "upper", "score", "alarm")
    assert len({len(history[name]) for name in columns}) == 1
    assert history["time"] == sorted(set(history["time"]))
    assert abs(history["time"][-1] - time.time()) < 60
    later = get(daemon, f"/v1/series/{entity}/0?since={history['time'][1]}")
    assert later["time"][0] == history["time"][2]


def test_pages_of_series_make_the_whole(daemon):
    entity = first_entity(daemon)["entity"]
    whole = [one["series"] for one in get(daemon, f"/v1/entities/{entity}/series?limit=1000")["series"]]
    parts, start = [], 0
    while start is not None:
        page = get(daemon, f"/v1/entities/{entity}/series?limit=7&from={start}")
        parts += [one["series"] for one in page["series"]]
        start = page["next"]
    assert parts[:len(whole)] == whole and len(whole) > 7


def test_errors_are_problems(daemon):
    for path, status in (("/nothing", 404), ("/v1/entities/99999/series", 404), ("/v1/series/0/99999", 404),
                         ("/v1/anomalies?limit=0", 400), ("/v1/anomalies?sort=up", 400)):
        problem = get(daemon, path, status)
        assert problem["status"] == status and problem["title"] and problem["detail"].endswith("."), problem
    status, headers, _ = ask(daemon, "/v1/status", "DELETE")
    assert status == 405 and headers["Allow"] == "GET, HEAD"


def test_a_foreign_host_is_refused(daemon):
    assert ask(daemon, "/v1/status", headers={"Host": "rebound.example"})[0] == 421
    assert ask(daemon, "/v1/status", headers={"Host": "localhost:1"})[0] == 200


def test_every_answer_has_the_security_headers(daemon):
    for path in ("/", "/app.js", "/v1/status", "/metrics", "/nothing"):
        headers = ask(daemon, path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';"), path
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer", path


SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$')


def read_metrics(text):
    """{metric: {labels: value}}, strictly: HELP, TYPE, then the metric's samples, each once."""
    found, kinds, current = {}, {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in found, line
            found[current] = {}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, line
            part = match[1].removeprefix(current)
            assert part == "" or (kinds[current] == "histogram" and part in ("_bucket", "_sum", "_count")), line
            assert part + (match[2] or "") not in found[current], line
            found[current][part + (match[2] or "")] = float(match[3])
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "counter" or all(value >= 0 for value in found[name].values()), name
    return found


def test_metrics_are_well_formed(daemon):
    status, headers, body = ask(daemon, "/metrics")
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    metrics = read_metrics(body.decode())
    for name in ("lapwing_series", "lapwing_entities", "lapwing_samples_total", "lapwing_samples_dropped_total",
                 "lapwing_anomalies_total", "lapwing_alarm_budget_promised", "lapwing_alarm_budget_achieved",
                 "lapwing_build_info", "lapwing_verdict_seconds", "lapwing_checkpoint_age_seconds", "lapwing_state_degraded", "lapwing_http_requests_total", "process_cpu_seconds_total",
                 "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
        assert name in metrics, name
    assert metrics["lapwing_alarm_budget_promised"][""] > 0
    assert math.isnan(metrics["lapwing_alarm_budget_achieved"][""]), "known after an hour"
    assert 5 < metrics["process_open_fds"][""] < 500
    assert 1e6 < metrics["process_resident_memory_bytes"][""] < 1e9
    assert abs(metrics["process_start_time_seconds"][""] - time.time()) < 300
    delays = metrics["lapwing_verdict_seconds"]
    buckets = [delays[name] for name in delays if name.startswith("_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == delays["_count"] > 0 and delays["_sum"] > 0
    assert 'le="+Inf"' in list(delays)[len(buckets) - 1]
    before = metrics["lapwing_samples_total"]
    wait(lambda: read_metrics(ask(daemon, "/metrics")[2].decode())["lapwing_samples_total"] != before)


def events(daemon, path, n, headers=None):
    """The first n events of a stream, as (id, data)."""
    link = http.client.HTTPConnection(*daemon.address, timeout=15)
    link.request("GET", path, headers=headers or {})
    answer = link.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    found, fields = [], {}
    while len(found) < n:
        line = answer.readline().decode().rstrip("\n")
        if line == "":
            if fields.get("event") == "change":
                found.append((int(fields["id"]), json.loads(fields["data"])))
            fields = {}
        elif not line.startswith(":"):
            name, value = line.split(": ", 1)
            fields[name] = value
    link.close()
    return found


def test_events_carry_entities_and_steps(daemon):
    entity = first_entity(daemon)["entity"]
    told = [data for _, data in events(daemon, f"/v1/events?entity={entity}&entities={entity}", 5)]
    assert any(one["entity"] == entity for data in told for one in data["entities"])
    steps = [(series["series"], at) for data in told for series in data["series"] for at in series["time"]]
    assert len(steps) > 20, "a host has more series than that, every second"
    assert len(steps) == len(set(steps)), "no step is told twice"
    assert told[-1]["status"]["samples"] > told[0]["status"]["samples"]


def test_the_page_is_small_and_cached(daemon):
    total = 0
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/app.css", "text/css"), ("/icon.svg", "image/svg+xml")):
        status, headers, plain = ask(daemon, path)
        assert status == 200 and headers["Content-Type"].startswith(kind), path
        _, zipped_headers, zipped = ask(daemon, path, headers={"Accept-Encoding": "gzip, br"})
        assert zipped_headers["Content-Encoding"] == "gzip" and gzip.decompress(zipped) == plain, path
        status, _, body = ask(daemon, path, headers={"If-None-Match": headers["ETag"]})
        assert status == 304 and body == b"", path
        total += len(zipped)
    assert total < 60 * 1024, total


def test_many_clients_at_once_are_served(daemon):
    links = [socket.create_connection(daemon.address, timeout=10) for _ in range(100)]
    for link in links:
        link.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    for link in links:
        assert link.recv(12) == b"HTTP/1.1 200"
        link.close()


def test_it_ends_in_order_with_a_stream_open(daemon):
    link = http.client.HTTPConnection(*daemon.address, timeout=15)
    link.request("GET", "/v1/events")
    answer = link.getresponse()
    assert answer.status == 200
    assert daemon.end() == 0, "".join(daemon.log)
    link.close()


def main():
    passed = failed = 0
    with Daemon() as daemon:
        for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
            try:
                test(daemon)
                passed += 1
            except Exception:  # One that fails shall not hide the others.
                print(f"{name}:")
                traceback.print_exc(file=sys.stdout)
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
