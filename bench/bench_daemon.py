#!/usr/bin/env python3
"""The daemon at full speed: samples over HTTP into `lapwing run`, journal, snapshots and history on, 100,000 series.

Prints daemon_samples_per_cpu_s (remote write, one sample a series and request, tier 0; per CPU second of the daemon, all its
threads), remote_write_samples_per_s (the same run by the clock, daemon and sender on the same processors),
ingest_otlp, ingest_influx and ingest_json (the first of the two for these protocols), rss_bytes_per_series (the daemon's
resident memory after the load, all of it, by series), and remote_write_vs_prometheus: how many times the samples of a CPU second
of Debian's Prometheus, which gets the same bytes from the same sender; without Prometheus there is none.

Every series has seen 2,000 samples before the clock starts, and each run sends one round (a sample of every series) ahead of it,
with which the receiver learns the names. The clock stops when the receiver has come to rest: what it has yet to write counts.
A run counts only if every sample sent was taken and gave its verdict, none was dropped, and the newest verdicts of 1,000 series
picked at random (LW_SEED, which is said) equal those of `lapwing replay`. Each figure is the best of RUNS runs.
"""
import http.client
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from load import rig

RUNS = int(os.environ.get("BENCH_RUNS", "2"))
ROUNDS = 150
PROTOCOLS = {"remote_write": "daemon_samples_per_cpu_s", "otlp": "ingest_otlp", "influx": "ingest_influx", "json": "ingest_json"}


def as_sent_by(protocol):
    """Values of text protocols have six digits; the rounds before came in as they are."""
    if protocol in ("influx", "json"):
        return lambda value, number: value if number < rig.WARM_ROUNDS else float(f"{value:.6g}")
    return lambda value, number: value


def run(protocol, rounds):
    """One run: what it measured."""
    others = rig.wait_for_quiet()
    with rig.Daemon(rig.warm_state(), "push: {delay: 2m}\n").start() as daemon:
        before_all = daemon.metrics()
        n_known = rig.sent(rig.sender(protocol, daemon.address, 1))["samples"]
        cpu_begin, begin = rig.settle(daemon.pid), time.monotonic()
        before = daemon.metrics()
        said = rig.sent(rig.sender(protocol, daemon.address, rounds, first=rig.WARM_ROUNDS + 1))
        wall_s = time.monotonic() - begin
        cpu_s = rig.settle(daemon.pid) - cpu_begin
        rss = rig.rss_bytes(daemon.pid)
        after = rig.account(daemon, before_all, protocol, n_known + said["samples"])
        rig.check_verdicts(daemon, rig.WARM_ROUNDS + 1 + rounds, as_sent_by(protocol))
        daemon.end()
    return {"per_cpu_s": said["samples"] / cpu_s, "per_s": said["samples_per_s"], "rss": rss / rig.N_SERIES, "wall_s": wall_s,
            "snapshots": int(after["lapwing_checkpoints_total"] - before["lapwing_checkpoints_total"]), "others": others,
            "sender_cpu_s": said["cpu_s"], "cpu_s": cpu_s, "again": said["again"], "p99_ms": said["p99_ms"]}


class Prometheus:
    """Debian's, as a receiver of remote writes."""

    def __init__(self, program):
        self.program, self.folder, self.port = program, rig.work_folder("prometheus"), rig.free_port()

    def __enter__(self):
        config = pathlib.Path(self.folder) / "prometheus.yml"
        config.write_text("scrape_configs: []\n")
        with open(pathlib.Path(self.folder) / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.program, f"--config.file={config}", "--web.enable-remote-write-receiver",
                 f"--storage.tsdb.path={self.folder}/data", "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while self.ask("/-/ready") is None:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("prometheus does not come up:\n" + (pathlib.Path(self.folder) / "log").read_text()[-2000:])
            time.sleep(0.1)
        return self

    def ask(self, path):
        """The body, or None."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else None
        except OSError:
            return None

    def appended(self):
        return sum(float(value) for value in re.findall(r"^prometheus_tsdb_head_samples_appended_total\S* (\S+)$",
                                                        self.ask("/metrics") or "", re.M))

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_prometheus(program, rounds):
    """Samples a CPU second and by the clock."""
    rig.wait_for_quiet()
    with Prometheus(program) as peer:
        address = f"127.0.0.1:{peer.port}"
        rig.sent(rig.sender("remote_write", address, 1))
        cpu_begin = rig.settle(peer.process.pid)
        before = peer.appended()
        said = rig.sent(rig.sender("remote_write", address, rounds, first=rig.WARM_ROUNDS + 1))
        cpu_s = rig.settle(peer.process.pid) - cpu_begin
        taken = peer.appended() - before
        if taken != said["samples"]:
            sys.exit(f"prometheus has {taken:.0f} of {said['samples']} samples")
    return said["samples"] / cpu_s, said["samples_per_s"]


def prometheus_found():
    """Program and version, or two times None."""
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if program is None:
        rig.say("no prometheus, no ratio")
        return None, None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return program, re.search(r"version (\S+)", said).group(1)


def measure(protocol, program=None):
    """Runs of ours, and of Prometheus by turns, so that both meet the same machine."""
    ours, peers = [], []
    for _ in range(RUNS):
        ours.append(run(protocol, ROUNDS))
        rig.say(f"{protocol}: {ours[-1]}")
        if program is not None:
            peers.append(run_prometheus(program, ROUNDS))
            rig.say(f"prometheus: {peers[-1]}")
    best = max(ours, key=lambda one: one["per_cpu_s"])
    rig.tell(PROTOCOLS[protocol], best["per_cpu_s"], "1/s of CPU", wall=max(one["per_s"] for one in ours),
             runs=[float(f"{one['per_cpu_s']:.5g}") for one in ours], snapshots=best["snapshots"], busy=best["others"])
    return ours, peers


def main():
    rig.first_in_line()
    for protocol in sys.argv[1:] or PROTOCOLS:
        if protocol != "remote_write":
            measure(protocol)
            continue
        program, version = prometheus_found()
        ours, peers = measure(protocol, program)
        fastest = max(ours, key=lambda one: one["per_s"])
        rig.tell("remote_write_samples_per_s", fastest["per_s"], "1/s", sender_cpu_s=fastest["sender_cpu_s"],
                 daemon_cpu_s=fastest["cpu_s"], answer_p99_ms=fastest["p99_ms"])
        rig.tell("rss_bytes_per_series", max(one["rss"] for one in ours), "bytes")
        if peers:
            best, peer = max(one["per_cpu_s"] for one in ours), max(per_cpu_s for per_cpu_s, _ in peers)
            rig.tell("remote_write_vs_prometheus", best / peer, "times", ours=best, peer="prometheus", peer_version=version,
                     peer_value=peer, peer_wall=max(per_s for _, per_s in peers))


if __name__ == "__main__":
    main()
