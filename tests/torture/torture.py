#!/usr/bin/env python3
"""Kills a real `lapwing run` at random moments under load, and compares with a run that nobody disturbed.

usage: tests/torture/torture.py [--kills N] [--per-round N] [--seed N] [--json FILE]

The load is real series replicated over machines, their excursions amplified, pushed as JSON lines, one request after the
other over HTTP. After each kill the daemon is started again, and the sender goes on behind what the daemon says it has: that
must be all that was acknowledged, and at most the one request more that was on its way. A kill is counted by what the
process was doing at that moment, which its open files tell while it is stopped. At the end of each round the daemon must
stand where the undisturbed one stands, bit for bit, and the file sink must have been told the same events.
"""
import argparse
import collections
import csv
import glob
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

LAPWING = os.environ["LAPWING"]
DATA = os.environ["LW_TEST_DATA"]
START_S = int(time.time()) + 43200  # Ahead of the clock: a sender that is behind it is given time to catch up, by the clock.
MACHINES = 384
ROWS = 1500
ROWS_A_REQUEST = 1  # One moment: a request is one record of the journal, there or not.
PATIENCE_S = 60
SETTLED_S = 2.0
PACE_S = 0.0055  # A source's event time is told at most every 5 ms: so it is told with every request, in every run.
AMPLIFIED = 10.0
PHASES = ("loading", "replaying", "serving", "inside a snapshot", "ending")
TYPES_MIN, ANOMALIES_MIN = 4, 1000


# ---- the load ----

def real_series():
    """Lists of real values, the rarest hundredth on either side amplified."""
    found = []
    for path in sorted(glob.glob(os.path.join(DATA, "series/*.csv"))):
        with open(path, newline="") as file:
            found.append([float(row["value"]) for row in csv.DictReader(file) if row["value"]])
    with open(os.path.join(DATA, "smd/machine-1-6-test.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    found += [[float(row[name]) for row in rows] for name in ("m01", "m02", "m05", "m07", "m12")]
    return [amplify(values) for values in found if len(set(values)) > 10]


def amplify(values):
    ranked = sorted(values)
    low, middle, high = (ranked[int(len(ranked) * share)] for share in (0.01, 0.5, 0.99))
    spread = (ranked[len(ranked) * 3 // 4] - ranked[len(ranked) // 4]) or 1
    return [value if low <= value <= high else
            middle + AMPLIFIED * (value - middle + (spread if value > middle else -spread)) for value in values]


def make_requests():
    """Bodies of JSON lines; every body has the same number of samples."""
    series = real_series()
    draw = random.Random(7)
    tracks = []
    for machine in range(MACHINES):
        for metric in ("timed_load", "direct_load"):
            values = series[draw.randrange(len(series))]
            tracks.append((f"m{machine:03}", metric, values, draw.randrange(len(values))))
    bodies = []
    for first in range(0, ROWS, ROWS_A_REQUEST):
        lines = []
        for row in range(first, first + ROWS_A_REQUEST):
            for machine, metric, values, shift in tracks:
                lines.append(json.dumps({"metric": metric, "labels": {"instance": machine}, "time": START_S + row * 10,
                                         "value": values[(row + shift) % len(values)]}))
        bodies.append("\n".join(lines).encode())
    return bodies, len(tracks) * ROWS_A_REQUEST


CONFIG = """
threads: {threads}
data_dir: {folder}/data
save_every: 2s
sync_every: 1ms
push: {{max_future: 2d}}
sources:
  nothing: {{type: follow, path: "{folder}/nothing.csv"}}
sinks:
  events: {{type: file, path: "{folder}/events.jsonl", rate: 1000000, burst: 1000000}}
detectors:
  timed: {{match: "timed*", step: 10s, operating_point: benchmark, models: none}}
  direct: {{match: "direct*", step: sample, operating_point: benchmark, models: none}}
"""


# ---- the daemon ----

class Daemon:
    running = None  # One at a time.
    start_s = 0.1   # What the last start took.

    def __init__(self, folder, threads):
        Daemon.running = self
        self.folder = folder
        with open(os.path.join(folder, "lapwing.yaml"), "w") as file:
            file.write(CONFIG.format(folder=folder, threads=threads))
        self.started_s = time.monotonic()
        self.log = []
        self.page = None
        self.watching = threading.Event()
        self.process = subprocess.Popen(
            [LAPWING, "run", "--json", "--listen", "127.0.0.1:0", "--config", os.path.join(folder, "lapwing.yaml")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            told = json.loads(line)
            if told["message"] == "watching":
                self.page = int(told["page"].rstrip("/").rsplit(":", 1)[1])
                self.watching.set()
            if told["level"] == "error":
                self.log.append(line)
        self.watching.set()

    def wait(self):
        if not self.watching.wait(PATIENCE_S) or self.page is None:
            raise AssertionError("the daemon did not start:\n" + "".join(self.log))
        Daemon.start_s = time.monotonic() - self.started_s
        return self

    def files(self):
        """What it has open."""
        found = []
        for fd in glob.glob(f"/proc/{self.process.pid}/fd/*"):
            try:
                found.append(os.readlink(fd))
            except OSError:
                pass
        return found

    def kill(self, ending):
        """Stops it, looks what it is doing, kills it; the phase."""
        self.process.send_signal(signal.SIGSTOP)
        if self.process.poll() is None:
            wait_stopped(self.process.pid)
        files = self.files()
        phase = "serving" if self.page is not None else "loading"
        if any(name.endswith(".snapshot.new") for name in files):
            phase = "inside a snapshot"
        elif ending:
            phase = "ending"
        elif self.page is None and any("/journal/" in name for name in files):
            phase = "replaying"
        self.process.kill()
        code = self.process.wait()
        self.reader.join()
        self.process.stderr.close()
        return phase if code == -signal.SIGKILL else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.reader.join()
        self.process.stderr.close()
        assert code == 0, f"it ended with {code}: {self.log}"

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=PATIENCE_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {name: float(value) for name, value in re.findall(r"^(lapwing_\w+(?:\{.*\})?) (\S+)$", text, re.M)}


def wait_stopped(pid):
    for _ in range(1000):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(") ", 1)[1][0] in "TtZ":
                    return
        except OSError:
            return
        time.sleep(0.0005)


def taken(metrics):
    return int(metrics.get('lapwing_samples_total{source="json"}', 0))


def command(*arguments):
    run = subprocess.run([LAPWING, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    return run.returncode, run.stdout + run.stderr


def leave_nobody():
    """A failure leaves no daemon behind."""
    if Daemon.running is not None and Daemon.running.process.poll() is None:
        Daemon.running.process.kill()
        Daemon.running.process.wait()


# ---- sending ----

class Sender:
    """One request after the other, until told to stop or cut off."""

    def __init__(self, load, size):
        self.load, self.size = load, size
        self.next = 0          # The request to be sent.
        self.acknowledged = 0  # Samples.
        self.in_flight = False

    def take_up(self, daemon):
        """Behind what the daemon has: all that it acknowledged, and at most the request on its way."""
        held = taken(daemon.metrics())
        assert held >= self.acknowledged, f"{self.acknowledged} samples were acknowledged, {held} are there"
        assert held % self.size == 0 and held - self.acknowledged <= (self.size if self.in_flight else 0), \
            f"{held} samples are there, {self.acknowledged} were acknowledged, {self.size} were on their way"
        self.next, self.acknowledged, self.in_flight = held // self.size, held, False

    def send(self, daemon, until=None):
        """True once all until that request is acknowledged; False when cut off."""
        connection = http.client.HTTPConnection("127.0.0.1", daemon.page, timeout=PATIENCE_S)
        try:
            while self.next < (len(self.load) if until is None else min(until, len(self.load))):
                self.in_flight = True
                connection.request("POST", "/v1/samples", self.load[self.next], {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status in (429, 503):  # Nothing was taken: again.
                    time.sleep(0.05)
                    continue
                assert answer.status == 200, (answer.status, said[:300])
                assert json.loads(said)["taken"] == self.size, said[:300]
                self.in_flight = False
                self.acknowledged += self.size
                self.next += 1
                time.sleep(PACE_S)
            return True
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


# ---- what is compared ----

class Outcome:
    def __init__(self, folder, metrics):
        code, said = command("savepoint", "create", "--config", os.path.join(folder, "lapwing.yaml"), os.path.join(folder, "end"))
        assert code == 0, said
        self.digest = re.search(r"digest (\w+)", said).group(1)
        self.samples = taken(metrics)
        self.verdicts = metrics["lapwing_verdicts_total"]
        self.dropped = sum(n for name, n in metrics.items() if name.startswith("lapwing_samples_dropped_total"))
        self.types = {name: n for name, n in metrics.items() if name.startswith("lapwing_anomalies_total") and n > 0}
        self.events = collections.Counter()
        self.torn = 0
        with open(os.path.join(folder, "events.jsonl")) as file:
            for line in file:
                try:
                    told = json.loads(line)
                    self.events[told["data"]["id"], told["type"]] += 1
                except ValueError:
                    self.torn += 1

    def repeats(self):
        return sum(self.events.values()) - len(self.events)


def check_equal(outcome, oracle, kills):
    assert outcome.samples == oracle.samples, f"{outcome.samples} samples, {oracle.samples} were sent"
    assert outcome.types == oracle.types, f"anomalies {outcome.types}, undisturbed {oracle.types}"
    assert outcome.verdicts == oracle.verdicts, f"{outcome.verdicts} verdicts, undisturbed {oracle.verdicts}"
    lost, invented = set(oracle.events) - set(outcome.events), set(outcome.events) - set(oracle.events)
    assert not lost and not invented, f"the sink was not told {sorted(lost)[:5]}, and was told {sorted(invented)[:5]} in vain"
    assert outcome.digest == oracle.digest, "the entities do not stand where they stand undisturbed"
    assert outcome.repeats() + outcome.torn <= kills, f"{kills} kills repeated {outcome.repeats()} events"


def wait_settled(daemon):
    """All is scored and told: event time of a source is told at the latest a second after its samples."""
    until = time.monotonic() + PATIENCE_S
    before, since = None, time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        assert time.monotonic() < until, "it does not come to rest"
        metrics = daemon.metrics()
        now = metrics["lapwing_verdicts_total"], metrics.get('lapwing_sink_pending{sink="events"}', 0)
        if now != before or now[1] > 0:
            before, since = now, time.monotonic()
        time.sleep(0.1)


def finish(daemon, sender):
    assert sender.send(daemon), "the last run of the daemon ended"
    wait_settled(daemon)
    metrics = daemon.metrics()
    daemon.end()
    return Outcome(daemon.folder, metrics)


def undisturbed(load, size):
    with tempfile.TemporaryDirectory(prefix="lapwing-torture-") as folder:
        open(os.path.join(folder, "nothing.csv"), "w").close()
        try:
            return finish(Daemon(folder, 2).wait(), Sender(load, size))
        finally:
            leave_nobody()


# ---- killing ----

def wait_for_snapshot(daemon, draw):
    """Asks for a snapshot and waits until one is being written, then for a moment of it."""
    folder = os.path.join(daemon.folder, "data/snapshots")
    until = time.monotonic() + 1
    daemon.process.send_signal(signal.SIGHUP)
    while time.monotonic() < until:
        if any(name.endswith(".new") for name in os.listdir(folder)):
            time.sleep(draw.random() ** 2 * 0.004)
            return


def kill_once(daemon, sender, target, goal, draw):
    """One life from its start to its kill; the phase it was killed in, None when it was gone already."""
    if target == "starting":
        time.sleep(draw.random() * Daemon.start_s)
        return daemon.kill(False)
    daemon.wait()
    sender.take_up(daemon)
    thread = threading.Thread(target=sender.send, args=(daemon,))
    thread.start()
    while sender.next < goal and thread.is_alive():
        time.sleep(0.001)
    time.sleep(draw.random() * 0.02)
    ending = target == "ending"
    if ending:
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(draw.random() ** 2 * 0.06)
    elif target == "snapshot":
        wait_for_snapshot(daemon, draw)
    phase = daemon.kill(ending)
    thread.join()
    return phase


def round_in(folder, sender, oracle, kills, draw, phases):
    goals = sorted(draw.randrange(len(sender.load)) for _ in range(kills))
    n = 0
    while n < kills:
        target = draw.choice(("starting", "starting", "serving", "snapshot", "snapshot", "ending"))
        phase = kill_once(Daemon(folder, draw.randint(1, 3)), sender, target, goals[n], draw)
        if phase is not None:
            phases[phase] += 1
            n += 1
        if n % 5 == 0:
            code, said = command("state", "verify", os.path.join(folder, "data"))
            assert code == 0, "a kill damaged the state:\n" + said
    at = sender.next
    daemon = Daemon(folder, draw.randint(1, 3)).wait()
    sender.take_up(daemon)
    outcome = finish(daemon, sender)
    check_equal(outcome, oracle, kills)
    return at / len(sender.load), outcome.repeats(), outcome.torn


def torture_round(load, size, oracle, kills, draw, phases):
    with tempfile.TemporaryDirectory(prefix="lapwing-torture-") as folder:
        open(os.path.join(folder, "nothing.csv"), "w").close()
        try:
            return round_in(folder, Sender(load, size), oracle, kills, draw, phases)
        finally:
            leave_nobody()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--per-round", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    draw = random.Random(options.seed)
    load, size = make_requests()
    oracle = undisturbed(load, size)
    n_types, n_anomalies = len(oracle.types), int(sum(oracle.types.values()))
    print(f"undisturbed: {oracle.samples} samples, {int(oracle.verdicts)} verdicts, {n_anomalies} anomalies of {n_types} types, "
          f"{len(oracle.events)} events, digest {oracle.digest}", flush=True)
    assert n_anomalies >= ANOMALIES_MIN and n_types >= TYPES_MIN, oracle.types
    assert oracle.samples == len(load) * size and oracle.repeats() == 0 and oracle.dropped == 0
    phases = collections.Counter()
    repeats = torn = rounds = 0
    while sum(phases.values()) < options.kills:
        n = min(options.per_round, options.kills - sum(phases.values()))
        share, more_repeats, more_torn = torture_round(load, size, oracle, n, draw, phases)
        repeats, torn, rounds = repeats + more_repeats, torn + more_torn, rounds + 1
        print(f"round {rounds}: {sum(phases.values())} kills so far, {dict(phases)}; the last at {share:.0%} of the load", flush=True)
    n = sum(phases.values())
    print(f"{n} kills: " + ", ".join(f"{phases[phase]} {phase}" for phase in PHASES) +
          f"; {rounds} rounds equal to the undisturbed run; {repeats} events told twice with one id, {torn} torn lines")
    assert phases["inside a snapshot"] * 10 >= n, f"only {phases['inside a snapshot']} of {n} kills were inside a snapshot"
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"kills": n, "phases": {phase: phases[phase] for phase in PHASES}, "rounds": rounds, "repeats": repeats,
                       "torn": torn, "samples": oracle.samples, "anomalies": n_anomalies, "types": n_types,
                       "seed": options.seed}, file, indent=1)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        print(f"FAILED {error}\n0 passed, 1 failed")
        sys.exit(1)
    print("1 passed, 0 failed")
