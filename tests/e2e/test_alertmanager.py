#!/usr/bin/env python3
"""A real Alertmanager is told: alerts open, stay while the anomaly lasts, come when it was down, and resolve."""
import datetime
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
import urllib.error
import urllib.request

from daemon import Daemon
from trouble import DETECTOR, ENDED, OPENED, Trouble, wait

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CONFIG = """global: {resolve_timeout: 5s}
route: {receiver: test, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alertname, entity]}
receivers: [{name: test, webhook_configs: [{url: "http://127.0.0.1:%d/", send_resolved: true}]}]
"""


class Pages:
    """What a person on call would get: notifications of Alertmanager's webhook, as (status, alert)."""

    def __enter__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((alert["status"], alert) for alert in body["alerts"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Alertmanager:
    """Started on a port of its own; start() and end() may be called again."""

    def __init__(self, pages):
        self.pages, self.port, self.process = pages, free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.config = os.path.join(self.folder.name, "alertmanager.yml")
        with open(self.config, "w") as file:
            file.write(CONFIG % self.pages.port)
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        return self

    def start(self):
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={self.config}", f"--storage.path={self.folder.name}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def is_ready():
            try:
                return OPENER.open(self.url + "/-/ready", timeout=5).status == 200
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, "alertmanager ended: " + open(self.log.name).read()[-2000:]
                return False

        wait(is_ready)

    def end(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None

    def alerts(self):
        with OPENER.open(self.url + "/api/v2/alerts", timeout=5) as answer:
            return json.load(answer)

    def __exit__(self, *_):
        self.end()
        self.log.close()
        self.folder.cleanup()


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def configuration(folder, *urls):
    path = os.path.join(folder, "lapwing.yml")
    with open(path, "w") as file:
        file.write(DETECTOR + f"sinks: {{pages: {{type: alertmanager, url: [{', '.join(urls)}], resend: 2s, timeout: 2s, "
                   "severity: page, labels: [team=storage], external_url: \"https://lapwing.example\"}}\n")
    return path


def check_alert(alert, trouble):
    assert alert["labels"] == {"alertname": "LapwingAnomaly", "severity": "page", "detector": "disks", "entity": "db-1",
                               "team": "storage"}, alert["labels"]
    told = alert["annotations"]
    assert "disk_avail" in told["series"] and "disk_avail" in told["summary"] and len(told["anomaly_id"]) == 16, told
    assert alert["generatorURL"].startswith("https://lapwing.example"), alert
    assert alert["status"]["state"] == "active"
    assert trouble.start + 990 <= seconds(alert["startsAt"]) <= trouble.start + OPENED, (alert["startsAt"], trouble.start)


def test_an_anomaly_is_an_alert_from_open_to_resolved():
    with Pages() as pages, Alertmanager(pages) as manager, tempfile.TemporaryDirectory() as folder:
        manager.start()
        with Daemon("--config", configuration(folder, manager.url)) as daemon:
            trouble = Trouble(daemon)
            trouble.feed_to(900)
            time.sleep(2)
            assert manager.alerts() == [], "nothing is wrong yet"
            trouble.feed_to(OPENED)
            first = wait(manager.alerts)[0]
            check_alert(first, trouble)
            assert seconds(first["endsAt"]) < time.time() + 4.5
            trouble.hold(9)  # More than twice the time it was given at first.
            later = manager.alerts()
            assert len(later) == 1 and later[0]["fingerprint"] == first["fingerprint"], later
            assert seconds(later[0]["endsAt"]) > seconds(first["endsAt"]) + 3, (first, later)
            assert [status for status, _ in pages.told] == ["firing"], pages.told
            trouble.feed_to(ENDED)
            wait(lambda: manager.alerts() == [])
            wait(lambda: len(pages.told) == 2)
            status, alert = pages.told[1]
            assert status == "resolved" and alert["fingerprint"] == first["fingerprint"], pages.told
            assert seconds(alert["startsAt"]) < seconds(alert["endsAt"]) < trouble.start + ENDED
            assert daemon.end() == 0


def test_an_alertmanager_that_was_down_is_told_when_it_is_back():
    with Pages() as pages, Alertmanager(pages) as manager, tempfile.TemporaryDirectory() as folder:
        with Daemon("--config", configuration(folder, manager.url)) as daemon:
            trouble = Trouble(daemon)
            trouble.feed_to(OPENED)
            wait(lambda: [line for line in daemon.log if "sink cannot be told" in line])
            manager.start()
            check_alert(wait(manager.alerts)[0], trouble)
            manager.end()
            shutil.rmtree(os.path.join(manager.folder.name, "data"))
            manager.start()  # It knows nothing any more: the next re-send tells it.
            check_alert(wait(manager.alerts)[0], trouble)
            trouble.feed_to(ENDED)
            wait(lambda: manager.alerts() == [])
            assert daemon.end() == 0


def test_every_instance_of_a_cluster_has_the_alert():
    with Pages() as pages, Alertmanager(pages) as one, Alertmanager(pages) as two, tempfile.TemporaryDirectory() as folder:
        one.start()
        with Daemon("--config", configuration(folder, one.url, two.url)) as daemon:
            trouble = Trouble(daemon)
            trouble.feed_to(OPENED)
            check_alert(wait(one.alerts)[0], trouble)
            two.start()
            check_alert(wait(two.alerts)[0], trouble)
            trouble.feed_to(ENDED)
            wait(lambda: one.alerts() == [] and two.alerts() == [])
            assert daemon.end() == 0


def main():
    if shutil.which("prometheus-alertmanager") is None:
        raise SystemExit("no Alertmanager to test with: install the package prometheus-alertmanager")
    passed = failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # pylint: disable=broad-except
                print(f"--- {name}\n{traceback.format_exc()}")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
