#!/usr/bin/env python3
"""Scraping: a real node exporter, named and found by a file; a target that goes away; what OpenMetrics and text allow, beside
prometheus-client's reader; redirects, gzip, credentials, limits."""
import base64
import gzip
import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

from daemon import Daemon

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-prometheus-client, whichever python3 this is.
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def wait(what, patience=30.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def get(daemon, path):
    link = http.client.HTTPConnection(*daemon.address, timeout=10)
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    assert answer.status == 200, (path, answer.status, body)
    return body


def series(daemon):
    """{entity: {name of the series: newest value}}"""
    found = {}
    for entity in json.loads(get(daemon, "/v1/entities?limit=1000"))["entities"]:
        start, names = 0, found.setdefault(entity["name"], {})
        while start is not None:
            page = json.loads(get(daemon, f"/v1/entities/{entity['entity']}/series?limit=1000&from={start}"))
            names.update({one["name"]: one["value"] for one in page["series"]})
            start = page["next"]
    return found


def value(daemon, entity, start):
    """The newest value of the entity's series whose name begins so; None: there is none."""
    for name, newest in series(daemon).get(entity, {}).items():
        if name == start or name.startswith(start + "{"):
            return newest
    return None


def dropped(daemon, source):
    """{reason: n} of a source; the engine's own too."""
    found = {}
    for line in get(daemon, "/metrics").decode().split("\n"):
        if line.startswith("lapwing_samples_dropped_total{") and f'source="{source}"' in line:
            found[line.split('reason="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
    return found


def config(folder, sources, step="1s"):
    path = os.path.join(folder, "lapwing.yaml")
    with open(path, "w") as file:
        json.dump({"sources": sources, "detectors": {"all": {"match": "*", "step": step}}}, file)
    return path


class Exporter:
    """A real prometheus-node-exporter on a free port."""

    def __enter__(self):
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.name = f"127.0.0.1:{self.port}"
            self.process = subprocess.Popen(["prometheus-node-exporter", f"--web.listen-address={self.name}",
                                             "--web.disable-exporter-metrics"],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + 20
            while time.monotonic() < end and self.process.poll() is None:
                try:
                    self.metrics()
                    return self
                except OSError:
                    time.sleep(0.05)
            self.end()
        raise SystemExit("the node exporter did not start")

    def metrics(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.name}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=10)

    def __exit__(self, *_):
        self.end()


class Target:
    """An exporter of ours: pages by path, each (status, headers, body) or a function of the request that gives it."""

    def __init__(self, pages):
        self.pages, self.seen, self.connections = pages, [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                outer.connections += 1
                super().setup()

            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                page = outer.pages.get(self.path, (404, {}, b""))
                status, headers, body = page(self) if callable(page) else page
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # A client that hangs up is what some tests are about.
        self.name = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_node_exporter_named_and_found():
    """As many series as the exporter has samples, none dropped; a file adds a target and takes it away; one that ends is down."""
    with tempfile.TemporaryDirectory() as folder, Exporter() as first, Exporter() as second:
        targets = os.path.join(folder, "targets")
        os.mkdir(targets)
        path = config(folder, {"nodes": {"type": "scrape", "targets": first.name, "files": f"{targets}/*.json,{targets}/*.yaml",
                                         "interval": "500ms", "labels": ["dc=here"]}})
        with Daemon("--config", path) as daemon:
            wait(lambda: value(daemon, first.name, "up") == 1)
            exposed = {line.rsplit(" ", 1)[0] for line in first.metrics().split("\n") if line and not line.startswith("#")}
            exposed = {name.split("{")[0] for name in exposed if "scrape_collector_duration" not in name}
            named = wait(lambda: series(daemon)[first.name])
            n = value(daemon, first.name, "scrape_samples_scraped")
            assert abs(n - len([l for l in first.metrics().split("\n") if l and l[0] != "#"])) <= 4, n  # Disks come and go.
            assert abs(len(named) - (n + 3)) <= 4, (len(named), n)
            assert {name.split("{")[0] for name in named} >= exposed, exposed - {name.split("{")[0] for name in named}
            assert all('dc="here"' in name and 'job="nodes"' in name for name in named), list(named)[:3]
            assert second.name not in series(daemon)
            with open(os.path.join(targets, "more.json"), "w") as file:
                json.dump([{"targets": [second.name], "labels": {"rack": "7", "__meta_x": "y"}}], file)
            wait(lambda: value(daemon, second.name, "up") == 1)
            assert all('rack="7"' in name and "__meta" not in name for name in series(daemon)[second.name])
            with open(os.path.join(targets, "more.json"), "w") as file:
                file.write('[{"targets": [')  # Half written: what was known stays.
            wait(lambda: any("targets not read" in line for line in daemon.log))
            before = float(json.loads(get(daemon, "/v1/status"))["samples"])
            wait(lambda: float(json.loads(get(daemon, "/v1/status"))["samples"]) > before + 2 * len(named))
            assert value(daemon, second.name, "up") == 1
            os.unlink(os.path.join(targets, "more.json"))
            wait(lambda: any("named no more" in line for line in daemon.log))
            with open(os.path.join(targets, "more.yaml"), "w") as file:
                file.write(f"- targets:\n  - {second.name}\n  labels: {{rack: '8'}}\n")
            wait(lambda: any('rack="8"' in name for name in series(daemon)[second.name]))
            first.end()
            wait(lambda: value(daemon, first.name, "up") == 0)
            assert value(daemon, second.name, "up") == 1
            assert any("target is down" in line and first.name in line for line in daemon.log)
            lost = {reason: n for reason, n in {**dropped(daemon, "nodes"), **dropped(daemon, "engine")}.items() if n}
            assert set(lost) <= {"scrape_failed"} and lost, lost


CASES_OPEN = [
    "a 1\n# EOF\n", "a 1\n# EOF", "# EOF\n", "", "a 1\n", "a 1\n# EOF\n\n", "a 1\n# EOF\nb 1\n", "\na 1\n# EOF\n",
    "# HELP a x\n# TYPE a gauge\na 1\n# EOF\n", "# HELP a\na 1\n# EOF\n", "# HELP a \na 1\n# EOF\n", "#a 1\n# EOF\n",
    "# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "a 1\n# TYPE a gauge\n# EOF\n", "# TYPE a untyped\na 1\n# EOF\n",
    "# TYPE a meh\na 1\n# EOF\n", "# UNIT a_seconds seconds\na_seconds 1\n# EOF\n", "# UNIT a seconds\na 1\n# EOF\n",
    "# TYPE a_x info\n# UNIT a_x x\n# EOF\n", "# TYPE a counter\na_total 1\n# EOF\n", "# TYPE a counter\na 1\n# EOF\n",
    "# TYPE a counter\na_total -1\n# EOF\n", "# TYPE a counter\na_total NaN\n# EOF\n", "# TYPE a counter\na_total 1\na_created 2\n# EOF\n",
    "# TYPE a counter\na_total 1 # {b=\"c\"} 1\n# EOF\n", "# TYPE a gauge\na 1 # {b=\"c\"} 1\n# EOF\n",
    "# TYPE a counter\na_total 1 # {b=\"" + "x" * 127 + "\"} 1\n# EOF\n", "# TYPE a counter\na_total 1 # {b=\"" + "x" * 128 + "\"} 1\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"+Inf\"} 3\na_count 3\na_sum 1\n# EOF\n", "# TYPE a histogram\na_bucket{le=\"1\"} 3\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"+Inf\"} 3\na_count 4\na_sum 1\n# EOF\n", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 3\na_sum 1\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 3\n# EOF\n", "# TYPE a histogram\na_bucket 1\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 3\na_count 3\na_sum 1\n# EOF\n",
    "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 3\na_gcount 3\na_gsum 1\n# EOF\n",
    "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 3\na_gcount 3\na_gsum -1\n# EOF\n",
    "# TYPE a summary\na{quantile=\"0.5\"} 1\na_count 1\na_sum 1\n# EOF\n", "# TYPE a summary\na{quantile=\"2\"} 1\n# EOF\n",
    "# TYPE a summary\na{quantile=\"0.5\"} -1\n# EOF\n", "# TYPE a summary\na 1\n# EOF\n", "# TYPE a info\na_info{b=\"c\"} 1\n# EOF\n",
    "# TYPE a info\na_info 2\n# EOF\n", "# TYPE a stateset\na{a=\"x\"} 1\na{a=\"y\"} 0\n# EOF\n", "# TYPE a stateset\na{a=\"x\"} 2\n# EOF\n",
    "# TYPE a stateset\na 1\n# EOF\n", "a{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"1\"} 1\n# EOF\n", "a 1\nb 1\na 1\n# EOF\n",
    "a 1 1\na 1 2\n# EOF\n", "a 1 2\na 1 1\n# EOF\n", "a 1\na 1 1\n# EOF\n", "a  1\n# EOF\n", "a 1 \n# EOF\n", " a 1\n# EOF\n",
    "a\t1\n# EOF\n", "a{b=\"1\",} 1\n# EOF\n", "a{b=\"1\"}1\n# EOF\n", "a{b=1} 1\n# EOF\n", "a{b=\"1} 1\n# EOF\n", "a{b=\"\\\"\\\\\\n\"} 1\n# EOF\n",
    "a{} 1\n# EOF\n", "a{b=\"1\",b=\"2\"} 1\n# EOF\n", "1a 1\n# EOF\n", "a 1_0\n# EOF\n", "a 1x\n# EOF\n", "a\n# EOF\n", "a 1 x\n# EOF\n",
]


def test_openmetrics_is_refused_where_a_library_refuses_it():
    """Each exposition is a target of its own; up says whether it was taken, the values are the library's."""
    assert text_string_to_metric_families is not None, "no library to compare with: install python3-prometheus-client"
    pages = {f"/{i}": (200, {"Content-Type": OPEN}, text.encode()) for i, text in enumerate(CASES_OPEN)}
    with tempfile.TemporaryDirectory() as folder, Target(pages) as target:
        files = os.path.join(folder, "targets.json")
        with open(files, "w") as file:
            json.dump([{"targets": [target.name], "labels": {"instance": f"case{i}", "__metrics_path__": f"/{i}"}}
                       for i in range(len(CASES_OPEN))], file)
        path = config(folder, {"cases": {"type": "scrape", "files": files, "interval": "1s"}})
        n_good = 0
        with Daemon("--config", path) as daemon:
            wait(lambda: len(series(daemon)) == len(CASES_OPEN) and all("up" in str(names) for names in series(daemon).values()))
            wait(lambda: all(value is not None for names in series(daemon).values() for name, value in names.items()
                             if name.startswith("up{")))
            found = series(daemon)
        for i, text in enumerate(CASES_OPEN):
            names = {name: number for name, number in found[f"case{i}"].items()}
            up = next(number for name, number in names.items() if name.startswith("up{"))
            try:
                expected = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
            except (ValueError, KeyError, IndexError):
                expected = None
            assert (up == 1) == (expected is not None), (text, up, expected)
            n_good += up == 1
            exposed = {name.split("{")[0] for name in names} - {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
            assert exposed == {sample.name for sample in expected or []}, (text, exposed)
        assert n_good >= 15, n_good


def test_text_keeps_good_lines_and_names_bad_ones():
    body = 'a{x="1"} 1\nbad line here\nb{instance="own"} 2\n{"c.d"} 3\ne +Inf\nf 7 %d\n' % int(time.time() * 1000)
    pages = {"/metrics": (200, {"Content-Type": TEXT, "Content-Encoding": "gzip"}, gzip.compress(body.encode()))}
    with tempfile.TemporaryDirectory() as folder, Target(pages) as target:
        path = config(folder, {"t": {"type": "scrape", "targets": target.name, "interval": "500ms"}})
        with Daemon("--config", path) as daemon:
            wait(lambda: value(daemon, target.name, "b") == 2)
            names = series(daemon)[target.name]
            assert any(name.startswith("b{") and 'exported_instance="own"' in name for name in names), names
            assert value(daemon, target.name, "a") == 1 and value(daemon, target.name, "c.d") == 3
            assert value(daemon, target.name, "scrape_samples_scraped") == 5
            lost = dropped(daemon, "t")
            assert lost["bad_line"] >= 1 and lost["not_finite"] >= 1, lost
            assert any("line 2" in line and "samples left out" in line for line in daemon.log), daemon.log
            wait(lambda: len(target.seen) > 6)
            assert target.connections <= 2, (target.connections, len(target.seen))  # They are kept.
            headers = target.seen[-1][1]
            assert "openmetrics" in headers["Accept"] and headers["X-Prometheus-Scrape-Timeout-Seconds"] == "0.500", headers


def test_what_fails_a_scrape():
    """Each page is a target; only good ones are up, and the log says why of the others."""
    def slow(_):
        time.sleep(1.5)
        return 200, {"Content-Type": TEXT}, b"a 1\n"

    def bomb(_):
        return 200, {"Content-Type": TEXT, "Content-Encoding": "gzip"}, gzip.compress(b"# " + b"x" * 4_000_000 + b"\n")

    pages = {"/good": (200, {"Content-Type": TEXT}, b"a 1\n"), "/no-type": (200, {}, b"a 1\n"),
             "/hop": (302, {"Location": "/good"}, b""), "/loop": (302, {"Location": "/loop"}, b""),
             "/html": (200, {"Content-Type": "text/html"}, b"<html>"), "/500": (500, {"Content-Type": TEXT}, b"a 1\n"),
             "/bomb": bomb, "/slow": slow, "/many": (200, {"Content-Type": TEXT}, b"".join(b"a%d 1\n" % i for i in range(51))),
             "/bad": (200, {"Content-Type": OPEN}, b"a 1\n"), "/file": (302, {"Location": "file:///etc/hostname"}, b"")}
    good = {"/good", "/no-type", "/hop"}
    with tempfile.TemporaryDirectory() as folder, Target(pages) as target:
        files = os.path.join(folder, "targets.json")
        with open(files, "w") as file:
            json.dump([{"targets": [target.name], "labels": {"instance": path[1:], "__metrics_path__": path}} for path in pages], file)
        path = config(folder, {"t": {"type": "scrape", "files": files, "interval": "1s", "sample_limit": 50, "body_limit": "1MiB"}})
        with Daemon("--config", path) as daemon:
            for page in pages:
                up = wait(lambda page=page: [one for one in [value(daemon, page[1:], "up")] if one is not None])[0]
                assert up == (1 if page in good else 0), (page, up)
            for page, words in (("/html", "text/html"), ("/500", "status 500"), ("/bomb", "more than"), ("/slow", "imed out"),
                                ("/many", "more than 50 samples"), ("/bad", "OpenMetrics"), ("/loop", "redirects")):
                assert any("target is down" in line and page + '"' in line and words in line for line in daemon.log), (page, daemon.log)
            assert dropped(daemon, "t")["scrape_failed"] >= len(pages) - len(good)


def test_credentials_are_shown_and_read_again():
    def guarded(request):
        given = request.headers.get("Authorization", "")
        wanted = {"/token": "Bearer second", "/basic": "Basic " + base64.b64encode(b"me:secret").decode()}[request.path]
        return (200, {"Content-Type": TEXT}, b"a 1\n") if given == wanted else (401, {}, b"")

    with tempfile.TemporaryDirectory() as folder, Target({"/token": guarded, "/basic": guarded}) as target:
        token, basic = os.path.join(folder, "token"), os.path.join(folder, "basic")
        for name, text in ((token, "first\n"), (basic, "me:secret\n")):
            with open(name, "w") as file:
                file.write(text)
        path = config(folder, {"t": {"type": "scrape", "targets": target.name, "path": "/token", "auth_file": token, "interval": "500ms",
                                     "labels": "instance=token"},
                               "b": {"type": "scrape", "targets": target.name, "path": "/basic", "basic_auth_file": basic,
                                     "interval": "500ms", "labels": "instance=basic"}})
        with Daemon("--config", path) as daemon:
            wait(lambda: value(daemon, "basic", "up") == 1)
            wait(lambda: value(daemon, "token", "up") == 0)
            with open(token, "w") as file:
                file.write("second\n")
            wait(lambda: value(daemon, "token", "up") == 1)


def main():
    if shutil.which("prometheus-node-exporter") is None:
        raise SystemExit("no exporter to scrape: install the package prometheus-node-exporter")
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
