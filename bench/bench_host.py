#!/usr/bin/env python3
"""`lapwing run` without configuration on this host: what it costs while nothing is asked of it.

Prints start_empty_ms (from exec to the first answer of /health, best of five), then, over 60 s that begin 10 s after a
start, host_idle_cpu_percent (CPU time of the process and its threads, of one core) and host_rss_mb (at the end).
"""
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STARTS = 5
SETTLE_S = 10
WATCH_S = int(os.environ.get("BENCH_HOST_SECONDS", "60"))
WAIT_S = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_up(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def start(program, folder):
    """The daemon, once it answers, and how many milliseconds that took."""
    port = free_port()
    begin = time.monotonic()
    daemon = subprocess.Popen([program, "run", "--listen", f"127.0.0.1:{port}", "--data-dir", os.path.join(folder, str(port))],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not is_up(port):
        if daemon.poll() is not None or time.monotonic() - begin > WAIT_S:
            daemon.kill()
            sys.exit("bench_host: the daemon did not come up")
        time.sleep(0.001)
    return daemon, (time.monotonic() - begin) * 1e3


def stop(daemon):
    daemon.send_signal(signal.SIGTERM)
    if daemon.wait(WAIT_S) != 0:
        sys.exit(f"bench_host: the daemon ended with {daemon.returncode}")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tell(bench, value, unit):
    print(json.dumps({"bench": bench, "value": float(f"{value:.3g}"), "unit": unit}), flush=True)


def main():
    program = os.environ.get("LAPWING") or "build/release/lapwing"
    with tempfile.TemporaryDirectory() as folder:
        took = []
        for _ in range(STARTS):
            daemon, milliseconds = start(program, folder)
            stop(daemon)
            took.append(milliseconds)
        tell("start_empty_ms", min(took), "ms")
        tell("start_empty_median_ms", statistics.median(took), "ms")
        daemon, _ = start(program, folder)
        try:
            time.sleep(SETTLE_S)
            before, begin = cpu_s(daemon.pid), time.monotonic()
            time.sleep(WATCH_S)
            tell("host_idle_cpu_percent", 100 * (cpu_s(daemon.pid) - before) / (time.monotonic() - begin), "% of a core")
            tell("host_rss_mb", rss_bytes(daemon.pid) / 1e6, "MB")
        finally:
            stop(daemon)


if __name__ == "__main__":
    main()
