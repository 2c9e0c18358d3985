#!/usr/bin/env python3
"""From a sample to its alert: HTTP in, webhook out, `step: sample`, 10,000 samples/s.

Prints sample_to_alert_ms_p99: of five runs the best p99; p50, the highest and the CPU of a core beside. An open loop sends
real series of 100,000, 100 samples a request; every 20th host has one value far above all others in the course of a run. Time
counts from the moment the request with that sample was meant to be sent, late or not, to the moment the webhook that tells of the
anomaly has been read by a receiver in this process; nothing is subtracted: the sender's wait, both HTTP ways, the journal's sync and
the outbox are in it. Every sample must have been taken and scored. Spikes that opened no anomaly of their own (the host had an
open one, which they join) are counted; at least half have to be told.
"""
import http.server
import json
import os
import sys
import threading
import time

from load import rig

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
RATE = 10_000
ROUNDS = 4
BATCH = 100
CONNECTIONS = 4
TOLD_LEAST = 0.5
LINGER_S = 3


class Receiver:
    """A webhook's other end: when each opened anomaly was read, by entity and start in milliseconds."""

    def __init__(self):
        self.opened = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                now_ns = time.monotonic_ns()
                self.send_response(204)
                self.end_headers()
                event = json.loads(body)
                if event["type"] == "anomaly.opened":
                    receiver.opened.setdefault((event["data"]["entity"], event["data"]["start"]), now_ns)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def start_text(time_ms):
    """A time as events have it."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ms // 1000))
    rest = f".{time_ms % 1000:03d}" if time_ms % 1000 else ""
    return f"{text}{rest}Z"


def run():
    rig.wait_for_quiet()
    with Receiver() as receiver:
        sink = f'push: {{delay: 2m}}\nsinks:\n  hook: {{type: webhook, url: "{receiver.url}", signature: none, rate: 1000, burst: 1000}}\n'
        with rig.Daemon(rig.warm_state(), sink).start() as daemon:
            spikes = os.path.join(daemon.folder, "spikes")
            before = daemon.metrics()
            n_known = rig.sent(rig.sender("remote_write", daemon.address, 1))["samples"]
            cpu_begin, begin = rig.settle(daemon.pid), time.monotonic()
            said = rig.sent(rig.sender("remote_write", daemon.address, ROUNDS, first=rig.WARM_ROUNDS + 1, batch=BATCH,
                                       connections=CONNECTIONS, rate=RATE, env={"LOAD_SPIKES": spikes}))
            cpu = (rig.cpu_s(daemon.pid) - cpu_begin) / (time.monotonic() - begin)
            time.sleep(LINGER_S)
            rig.account(daemon, before, "remote_write", n_known + said["samples"])
            daemon.end()
            delays, n_spikes = [], 0
            with open(spikes, encoding="ascii") as stream:
                for line in stream:
                    series, time_ms, meant_ns = map(int, line.split())
                    told_ns = receiver.opened.get((f"host-{series // rig.N_METRICS:05d}:9100", start_text(time_ms)))
                    n_spikes += 1
                    if told_ns is not None:
                        delays.append((told_ns - meant_ns) / 1e6)
    if len(delays) < TOLD_LEAST * n_spikes:
        sys.exit(f"bench_latency: {len(delays)} of {n_spikes} spikes were told")
    return {"p99": rig.percentile(delays, 0.99), "p50": rig.percentile(delays, 0.5), "max": max(delays), "told": len(delays),
            "spikes": n_spikes, "cpu": 100 * cpu, "answer_p99": said["p99_ms"]}


def main():
    rig.first_in_line()
    runs = []
    for _ in range(RUNS):
        runs.append(run())
        rig.say(runs[-1])
    best = min(runs, key=lambda one: one["p99"])
    rig.tell("sample_to_alert_ms_p99", best["p99"], "ms", p50=best["p50"], max=best["max"], alerts=best["told"], spikes=best["spikes"],
             runs=[float(f"{one['p99']:.4g}") for one in runs], answer_p99=best["answer_p99"], cpu_percent=best["cpu"])


if __name__ == "__main__":
    main()
