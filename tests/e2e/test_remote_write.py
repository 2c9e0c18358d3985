#!/usr/bin/env python3
"""Remote write into a real `lapwing run`: by a real Prometheus, across a restart, and by requests of our own, which protoc encodes."""
import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

from daemon import Daemon

PROTOS = pathlib.Path(os.environ["LW_SOURCE"]) / "tests/data/remote_write"
CONFIG = """
sources:
  host: {interval: 1h}
detectors:
  all:
    match: "*"
    entity: job
    step: sample
"""
WRITE_1 = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"}
WRITE_2 = {**WRITE_1, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, patience=60.0):
    """The first true answer of what()."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def metrics(address):
    """{name with labels: value} of /metrics."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address[0]}:{address[1]}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z]\S*) (\S+)$", text, re.M)}, text


def total(found, name):
    """The sum of all series of that name."""
    return sum(value for key, value in found.items() if key.split("{")[0] == name)


def taken(daemon):
    return metrics(daemon.address)[0].get('lapwing_samples_total{source="remote_write"}', 0)


def dropped(daemon):
    """{(source, reason): n} of what was dropped at all."""
    found = metrics(daemon.address)[0]
    parts = {re.match(r'lapwing_samples_dropped_total\{source="(\w+)",reason="(\w+)"\}', key): value for key, value in found.items()}
    return {(key[1], key[2]): value for key, value in parts.items() if key and value}


# ---- requests of our own ----

def snappy(data):
    """A block of snappy that holds literals alone."""
    packed, n = b"", len(data)
    while True:
        packed += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            break
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        packed += bytes([len(piece) - 1 << 2]) + piece
    return packed


def encoded(version, text):
    return snappy(subprocess.run(["protoc", f"-I{PROTOS}", f"--encode=lapwing.write{version}.Request", f"write_{version}.proto"],
                                 input=text.encode(), stdout=subprocess.PIPE, check=True).stdout)


def post(daemon, body, headers, path="/api/v1/write"):
    link = http.client.HTTPConnection(*daemon.address, timeout=20)
    link.request("POST", path, body=body, headers=headers)
    answer = link.getresponse()
    said = answer.read().decode()
    link.close()
    return answer.status, answer.headers, said


def written(headers):
    return [headers.get(f"X-Prometheus-Remote-Write-{what}-Written") for what in ("Samples", "Histograms", "Exemplars")]


def series_1(name, *samples, more=""):
    return (f'timeseries {{ labels {{name: "__name__" value: "{name}"}} labels {{name: "job" value: "own"}} {more} '
            + " ".join(f"samples {{value: {value} timestamp: {at}}}" for value, at in samples) + " }")


def test_what_protoc_encodes_arrives(daemon):
    now, before = int(time.time() * 1000), taken(daemon)
    text = " ".join(series_1(f"metric_{i}", (i + 0.5, now - 1000), (i + 1.5, now)) for i in range(50))
    status, headers, said = post(daemon, encoded(1, text + ' metadata {type: 1 metric_family_name: "metric_1" help: "x"}'), WRITE_1)
    assert (status, said) == (204, ""), (status, said)
    assert written(headers) == [None, None, None], "a sender of 1.0 is told no counts"
    assert taken(daemon) - before == 100
    assert dropped(daemon) == {("remote_write", "metadata"): 1}, dropped(daemon)


def test_version_2_is_told_what_was_written(daemon):
    now, before = int(time.time() * 1000), taken(daemon)
    symbols = "".join(f'symbols: "{one}" ' for one in ("", "__name__", "resource.cpu.usage", "job", "own", "line\\nbreak"))
    good = f"timeseries {{ labels_refs: [3, 4, 1, 2] samples {{value: 1 timestamp: {now}}} created_timestamp: {now} }} "
    odd = (f"timeseries {{ labels_refs: [3, 5, 1, 2] samples {{value: nan timestamp: {now}}} samples {{value: inf timestamp: {now}}} "
           f"exemplars {{value: inf timestamp: {now}}} metadata {{type: 2}} }} ")
    histogram = ("count_int: 13 sum: 18.5 zero_count_int: 3 schema: 3 positive_spans {length: 2} positive_deltas: [4, 2] "
                 f"timestamp: {now}")
    native = f"timeseries {{ labels_refs: [1, 2, 3, 4] histograms {{ {histogram} }} }} "
    status, headers, said = post(daemon, encoded(2, symbols + good + odd + native), WRITE_2)
    assert (status, said, written(headers)) == (204, "", ["3", "1", "1"]), (status, said, written(headers))
    assert taken(daemon) - before == 4, "one, NaN, and the count and sum of the histogram"
    status, headers, said = post(daemon, encoded(2, symbols + good + good.replace("1, 2]", "1, 9]") + native.replace("13", "99")), WRITE_2)
    assert (status, written(headers)) == (400, ["1", "0", "0"]), (status, said)
    assert "timeseries 1: a reference outside of the symbols" in said and "timeseries 2: a histogram whose count" in said, said


def test_what_cannot_be_is_refused(daemon):
    now = int(time.time() * 1000)
    good = encoded(1, series_1("good", (1, now)))
    for body, headers, wanted in (
            (good, {**WRITE_1, "Content-Type": "application/json"}, 415),
            (good, {**WRITE_1, "Content-Type": "image/png"}, 415),
            (good, {**WRITE_1, "Content-Encoding": "gzip"}, 415),
            (good[:-3], WRITE_1, 400),
            (snappy(b"\xff\xff\xff\xff"), WRITE_1, 400),
            (b"\xff\xff\xff\xff\x0f", WRITE_1, 413),
            (bytes((32 << 20) + 1), WRITE_1, 413),
            (good, {**WRITE_1, "Host": "example.net"}, 421),
            (good, {**WRITE_1, "Origin": "http://example.net"}, 403)):
        before = taken(daemon)
        try:
            status = post(daemon, body, headers)[0]
        except (BrokenPipeError, ConnectionResetError):
            status = 413  # It was refused by its headers, and the rest was still on its way.
        assert status == wanted, (status, wanted, headers)
        assert taken(daemon) == before


def test_good_samples_of_a_bad_request_are_kept(daemon):
    now, before = int(time.time() * 1000), taken(daemon)
    text = series_1("kept", (1, now)) + series_1("ahead", (1, now + 3600000)) + series_1("twice", (2, now), more='labels {name: "job" value: "x"}')
    status, _, said = post(daemon, encoded(1, text), WRITE_1)
    assert status == 400 and said.startswith("2 rejected, 1 taken: "), (status, said)
    assert taken(daemon) - before == 1


def test_own_metrics_are_clean(daemon):
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics(daemon.address)[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr


# ---- a real Prometheus ----

def name_of(labels):
    """As a recording writes a series."""
    text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return labels["__name__"] + (f"{{{text}}}" if text else "")


def recorded(path):
    """{(series, milliseconds): value} of the pushed samples of a recording."""
    names, last, found, at, pushed = [], [], {}, 0, False
    for line in gzip.open(path, "rt", encoding="utf-8"):
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "source":
            pushed = rest == "remote_write"
        elif word == "series":
            names.append(rest)
            last.append(0.0)
        elif word == "t":
            at = int(rest)
        elif word in ("v", "m"):
            number, *values = rest.split()
            for series, text in enumerate(values, int(number)):
                last[series] = last[series] if text == "=" else last[series] + float(text) if text[0] == "+" else float(text)
                if pushed:
                    found[names[series], at // 1000000] = last[series]
    return found


class Sender:
    """A Prometheus that scrapes itself and writes what it finds to a port; context manager."""

    def __init__(self, folder, port, scrape="scrape_interval: 500ms", queue="batch_send_deadline: 500ms"):
        self.address = ("127.0.0.1", free_port())
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"global: {{{scrape}}}\nscrape_configs:\n  - job_name: prometheus\n    static_configs: "
                       f"[{{targets: ['127.0.0.1:{self.address[1]}']}}]\nremote_write:\n  - url: http://127.0.0.1:{port}/api/v1/write\n"
                       f"    queue_config: {{{queue}, min_backoff: 50ms, max_backoff: 500ms}}\n")
        self.log = open(os.path.join(folder, "prometheus.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={os.path.join(folder, 'prometheus')}",
             f"--web.listen-address=127.0.0.1:{self.address[1]}"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # It would wait for a receiver that is gone.
        self.process.wait()
        self.log.close()

    def samples(self, until):
        """{(series, milliseconds): value} of all it scraped up to a time in seconds."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        query = urllib.parse.urlencode({"query": '{job="prometheus"}[10m]', "time": until})
        with opener.open(f"http://{self.address[0]}:{self.address[1]}/api/v1/query?{query}", timeout=20) as answer:
            found = json.load(answer)["data"]["result"]
        return {(name_of(one["metric"]), round(at * 1000)): float(value) for one in found for at, value in one["values"]}

    def count(self, what):
        try:
            return total(metrics(self.address)[0], f"prometheus_remote_storage_{what}")
        except OSError:
            return 0


def start(folder, port, config, record):
    return Daemon("--config", config, "--listen", f"127.0.0.1:{port}", "--data-dir", os.path.join(folder, "state"), "--record", record)


def test_prometheus_loses_nothing_across_a_restart(config):
    if shutil.which("prometheus") is None:
        raise SystemExit("no Prometheus to test with: install the package prometheus")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        parts = [os.path.join(folder, "first.gz"), os.path.join(folder, "second.gz")]
        with Sender(folder, port) as sender:
            with start(folder, port, config, parts[0]) as daemon:
                wait(lambda: taken(daemon) > 1000)
                assert dropped(daemon).keys() <= {("remote_write", "stale"), ("remote_write", "metadata")}, dropped(daemon)
                assert daemon.end() == 0
            wait(lambda: sender.count("samples_retried_total") > 0)
            with start(folder, port, config, parts[1]) as daemon:
                sent = sender.count("samples_total")
                wait(lambda: sender.count("samples_total") > sent + 2000)
                until = time.time()
                wait(lambda: sender.count("queue_highest_sent_timestamp_seconds") > until + 1)
                assert sender.count("samples_failed_total") == 0 and sender.count("samples_dropped_total") == 0
                assert dropped(daemon).keys() <= {("remote_write", "stale"), ("remote_write", "metadata"), ("engine", "duplicate")}
                found = metrics(daemon.address)[0]
                assert found['lapwing_push_series{source="remote_write"}'] > 200, "the series of a Prometheus"
                assert found['lapwing_http_requests_total{route="/api/v1/write",code="204"}'] > 0
                assert daemon.end() == 0
            scraped = sender.samples(until)
        arrived = recorded(parts[0]) | recorded(parts[1])
        assert len(scraped) > 3000 and recorded(parts[0]).keys() & scraped.keys(), "both have a part"
        lost = [key for key, value in scraped.items() if key not in arrived or arrived[key] != value and value == value]
        assert not lost, (len(lost), len(scraped), lost[:5])


def main():
    failed = passed = 0
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(CONFIG)
        config.flush()
        with Daemon("--config", config.name) as daemon:
            cases = [(test, daemon) for name, test in globals().items() if name.startswith("test_") and name != "test_prometheus_loses_nothing_across_a_restart"]
            cases.append((test_prometheus_loses_nothing_across_a_restart, config.name))
            for test, argument in cases:
                try:
                    test(argument)
                    passed += 1
                except Exception:  # pylint: disable=broad-except
                    failed += 1
                    print(f"FAILED {test.__name__}")
                    traceback.print_exc()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
