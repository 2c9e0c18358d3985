#!/usr/bin/env python3
"""The page's questions over 100,000 entities while 100,000 samples a second come in.

Prints page_query_ms_p99 (searches and sorts over all entities, a page of 50, as a client sees them) with the median, the
slowest and the samples a second that were taken meanwhile; then page_streams_cpu_percent: processor time of the daemon, of
one core, with 32 idle pages open less without them, while nothing is sent.
"""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ENTITIES = int(os.environ.get("BENCH_PAGE_ENTITIES", "100000"))
SECONDS = float(os.environ.get("BENCH_PAGE_SECONDS", "15"))
BATCH = 5000
STREAMS = 30  # Of the 32 there may be.
CONFIG = "detectors: {fleet: {match: \"temperature*\", step: sample, models: none}}\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    if answer.status != 200:
        sys.exit(f"bench_page: {path} was answered with {answer.status}")
    return body


def start(program, folder, port):
    config = os.path.join(folder, "lapwing.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG)
    daemon = subprocess.Popen([program, "run", "--config", config, "--listen", f"127.0.0.1:{port}", "--data-dir", folder + "/data"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            link.request("GET", "/ready")
            if link.getresponse().status == 200:  # 503 until the state is loaded.
                return daemon
        except OSError:
            pass
        time.sleep(0.05)
    daemon.kill()
    sys.exit("bench_page: the daemon did not come up")


class Sender(threading.Thread):
    """Every entity once a second, in requests at moments laid down beforehand; times are those of arrival."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.bodies = ["".join(f"temperature,instance=rack-{i} value={20 + i % 17}\n" for i in range(at, min(at + BATCH, ENTITIES)))
                       for at in range(0, ENTITIES, BATCH)]
        self.over = False
        self.samples = 0

    def once(self, body):
        self.link.request("POST", "/write", body)
        answer = self.link.getresponse()
        answer.read()
        if answer.status == 204:
            self.samples += body.count("\n")
        elif answer.status not in (429, 503):
            sys.exit(f"bench_page: a push was answered with {answer.status}")

    def run(self):
        due, pause = time.monotonic(), 1.0 / len(self.bodies)
        while not self.over:
            for body in self.bodies:
                time.sleep(max(0.0, due - time.monotonic()))
                due += pause
                self.once(body)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def question(dice):
    return dice.choice([
        "sort=score", "sort=name", "sort=last", "sort=anomalies", "alarm=yes&sort=score",
        f"search=rack-{dice.randrange(1000)}&sort=score", f"search={dice.randrange(100)}&sort=name&order=desc"])


def measure_queries(port):
    sender, dice, took = Sender(port), random.Random(1), []
    for body in sender.bodies:  # All entities are there before anything is measured.
        sender.once(body)
    sender.samples = 0
    sender.start()
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        path = f"/v1/entities?{question(dice)}&limit=50"
        at = time.monotonic()
        found = json.loads(ask(port, path))
        took.append((time.monotonic() - at) * 1e3)
        if "alarm" not in path and not found["entities"]:
            sys.exit(f"bench_page: {path} found nothing")
        time.sleep(0.02)
    rate = sender.samples / (time.monotonic() - began)
    sender.over = True
    sender.join()
    took.sort()
    print(json.dumps({"bench": "page_query_ms_p99", "value": round(took[int(len(took) * 0.99)], 3), "unit": "ms",
                      "median": round(took[len(took) // 2], 3), "slowest": round(took[-1], 3), "queries": len(took),
                      "entities": ENTITIES, "samples_per_s": round(rate)}))


def idle_percent(pid):
    before, at = cpu_s(pid), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (cpu_s(pid) - before) / (time.monotonic() - at)


def drain(link):
    try:
        while link.recv(1 << 16):
            pass
    except OSError:
        pass


def measure_streams(port, pid):
    time.sleep(5)  # What was sent is scored.
    without = idle_percent(pid)
    links = []
    for i in range(STREAMS):
        link = socket.create_connection(("127.0.0.1", port))
        watched = ",".join(str(i * 40 + k) for k in range(40))
        link.sendall(f"GET /v1/events?entity={i}&entities={watched} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        threading.Thread(target=drain, args=(link,), daemon=True).start()
        links.append(link)
    time.sleep(3)
    with_streams = idle_percent(pid)
    for link in links:
        link.shutdown(socket.SHUT_RDWR)
    print(json.dumps({"bench": "page_streams_cpu_percent", "value": round(with_streams - without, 2), "unit": "% of a core",
                      "streams": STREAMS, "without": round(without, 2), "entities": ENTITIES}))


def main():
    program = os.environ.get("LAPWING") or sys.exit("LAPWING must name the program")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        daemon = start(program, folder, port)
        try:
            measure_queries(port)
            measure_streams(port, daemon.pid)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


if __name__ == "__main__":
    main()
