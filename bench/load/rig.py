"""What benches of the running daemon share: a warm state, a daemon on it, the sender, and the check against `lapwing replay`.

Every series has seen WARM_ROUNDS samples before a clock starts. The state they leave is made once by load_warm and kept in the
build folder under a hash of the sources; each run gets a copy.
"""
import csv
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LW_BUILD") or ROOT / "build/release")
LAPWING = os.environ.get("LAPWING") or str(BUILD / "lapwing")
SENDER, WARM = str(BUILD / "bench/load_sender"), str(BUILD / "bench/load_warm")

N_SERIES = 100_000
N_METRICS = 10  # Of a host; series.h has these too.
WARM_ROUNDS = 2_000
STEP_S = 60
START_S = 1_767_225_600
SOURCES = ["nab_ec2_cpu_c6585a_2000", "nab_elb_request_count_8c0756", "nab_iio_network_in", "nab_nyc_taxi_2000",
           "mscloud_ingress_02_excerpt", "mscloud_app1_04", "mscloud_purchase_02", "mscloud_outbound_23"]
# The detector; each series has a budget for itself, as in a replay of some of them alone.
OPTIONS = {"match": "*", "entity": "instance", "step": "sample", "models": "none", "budget_scope": "series"}
# By protocol, which is also the name of its feed.
PATHS = {"remote_write": "/api/v1/write", "otlp": "/v1/metrics", "influx": "/write", "json": "/v1/samples?precision=ms"}
N_CHECKED = 1_000
QUIET_SHARE = 0.25  # Of the processors, used by others.
QUIET_WAIT_S = float(os.environ.get("BENCH_WAIT", "120"))


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)


def tell(bench, value, unit, **beside):
    """One JSON line; five digits."""
    rounded = {key: float(f"{item:.5g}") if isinstance(item, float) else item for key, item in beside.items()}
    print(json.dumps({"bench": bench, "value": float(f"{value:.5g}"), "unit": unit, **rounded}), flush=True)


def work_folder(name):
    """A folder on the disk that the build is on, empty, to be removed by the caller."""
    folder = BUILD / "bench/run"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(prefix=name + "-", dir=folder)


# ---- the machine ----


def busy_share():
    """Of all processors, over a second."""
    def look():
        with open("/proc/stat", encoding="ascii") as stat:
            times = [int(field) for field in stat.readline().split()[1:9]]
        return sum(times), times[3] + times[4]
    before = look()
    time.sleep(1)
    after = look()
    return 1 - (after[1] - before[1]) / max(1, after[0] - before[0])


def wait_for_quiet():
    """Until little else runs, at most QUIET_WAIT_S; the share of the processors that others had at the end."""
    end = time.monotonic() + QUIET_WAIT_S
    share = busy_share()
    while share > QUIET_SHARE and time.monotonic() < end:
        time.sleep(1)
        share = busy_share()
    return share


def first_in_line():
    """Ahead of other work of this machine, where that is allowed."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except PermissionError:
        pass


# ---- the state to begin with ----


def sources_hash():
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "src").rglob("*.[ch]"), *(ROOT / "include").rglob("*.h"), *(ROOT / "bench/load").glob("*.[ch]"),
                        *(ROOT / "bench/support").glob("*.h")]):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(json.dumps([OPTIONS, WARM_ROUNDS]).encode())
    return digest.hexdigest()[:16]


def warm_state():
    """Folder of the state after so many rounds; BENCH_STATE names the folder of these folders, whatever the sources are."""
    kept = os.environ.get("BENCH_STATE")
    folder = pathlib.Path(kept) if kept else BUILD / "bench/warm" / sources_hash()
    state = folder / f"{N_SERIES}-{WARM_ROUNDS}"
    if not state.is_dir():
        if not kept:
            for other in folder.parent.glob("*"):
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        say(f"making the state of {N_SERIES} series after {WARM_ROUNDS} samples each; this is done once")
        begin = time.monotonic()
        unfinished = folder / f"{state.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run([WARM, str(unfinished), "remote_write", str(N_SERIES), str(WARM_ROUNDS),
                        *(f"{name}={value}" for name, value in OPTIONS.items())], check=True)
        for older in sorted((unfinished / "snapshots").glob("*.snapshot"))[:-1]:
            older.unlink()  # What is loaded is the newest.
        for older in sorted((unfinished / "journal").glob("*.journal"))[:-1]:
            older.unlink()
        unfinished.rename(state)
        say(f"made in {time.monotonic() - begin:.0f} s")
    return state


# ---- the daemon ----


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settle(pid, patience=120):
    """Waits until a process does next to nothing; its CPU time then."""
    end = time.monotonic() + patience
    before = cpu_s(pid)
    while time.monotonic() < end:
        time.sleep(1)
        now = cpu_s(pid)
        if now - before < 0.05:
            return now
        before = now
    sys.exit(f"process {pid} does not come to rest")


class Daemon:
    """`lapwing run` on a folder of state and a port of its own; ended with the block."""

    def __init__(self, state=None, more=""):
        self.folder = work_folder("daemon")
        self.data_dir = os.path.join(self.folder, "data")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.config = os.path.join(self.folder, "lapwing.yaml")
        self.log = os.path.join(self.folder, "log")
        self.process = None
        if state is not None:
            subprocess.run(["cp", "-r", "--reflink=auto", str(state), self.data_dir], check=True)
        with open(self.config, "w", encoding="ascii") as stream:
            options = ", ".join(f'{name}: "{value}"' for name, value in OPTIONS.items())
            stream.write(f"listen: {self.address}\ndata_dir: {self.data_dir}\n"
                         f"sources: {{host: {{interval: 1h}}}}\ndetectors:\n  all: {{{options}}}\n{more}")

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([LAPWING, "run", "--json", "--config", self.config], stdout=subprocess.DEVNULL,
                                            stderr=log, cwd=self.folder)
        if wait:
            try:
                self.wait_ready()
            except SystemExit:
                self.__exit__()
                raise
        return self

    def wait_ready(self, patience=60):
        end = time.monotonic() + patience
        while self.get("/ready", missing=True)[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("the daemon does not come up:\n" + pathlib.Path(self.log).read_text()[-2000:])
            time.sleep(0.01)

    @property
    def pid(self):
        return self.process.pid

    def get(self, path, missing=False):
        """Code and body; (0, "") when nobody answers and that is expected."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            if missing:
                return 0, ""
            raise

    def json(self, path):
        code, body = self.get(path)
        if code != 200:
            sys.exit(f"{path}: {code} {body}")
        return json.loads(body)

    def metrics(self):
        """{name with labels: value}."""
        return {name: float(value) for name, value in re.findall(r"^([a-z]\S*) (\S+)$", self.get("/metrics")[1], re.M)}

    def end(self):
        """SIGTERM; it has to end well."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=120) != 0:
            sys.exit(f"the daemon ended with {self.process.returncode}:\n" + pathlib.Path(self.log).read_text()[-2000:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def logged(self, message):
        """The newest line of the log with that message, or None."""
        found = None
        with open(self.log, encoding="utf-8") as stream:
            for line in stream:
                if f'"{message}"' in line:
                    found = json.loads(line)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def total(metrics, name, **labels):
    """The sum of a metric over its labels, those given being as given."""
    return sum(value for key, value in metrics.items()
               if key.partition("{")[0] == name and all(f'{label}="{text}"' in key for label, text in labels.items()))


# ---- the sender ----


def sender(protocol, address, rounds, first=None, batch=2_000, connections=16, rate=0, env=None):
    """Starts it."""
    first = WARM_ROUNDS if first is None else first
    return subprocess.Popen([SENDER, protocol, address, PATHS[protocol], str(N_SERIES), str(rounds), str(batch), str(connections),
                             str(rate), str(first), str(STEP_S * 1000)], stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})


def sent(process):
    """What it says at its end."""
    said = json.loads(process.communicate()[0])
    if process.returncode != 0 or said["failed"] != 0:
        sys.exit(f"the sender ended with {process.returncode}: {said}")
    return said


# ---- the check ----


def account(daemon, before, protocol, n_sent):
    """Ends the bench unless every sample sent since `before` (metrics) was taken and scored, and none dropped."""
    after = daemon.metrics()
    taken = total(after, "lapwing_samples_total", source=protocol) - total(before, "lapwing_samples_total", source=protocol)
    verdicts = after["lapwing_verdicts_total"] - before["lapwing_verdicts_total"]
    dropped = total(after, "lapwing_samples_dropped_total") - total(before, "lapwing_samples_dropped_total")
    if taken != n_sent or verdicts != n_sent or dropped != 0:
        why = {name: value for name, value in after.items()
               if name.startswith("lapwing_samples_dropped_total") and value > before.get(name, 0)}
        sys.exit(f"{n_sent} samples sent, {taken:.0f} taken, {verdicts:.0f} verdicts, {dropped:.0f} dropped: {why}")
    return after


def source_values():
    folder = pathlib.Path(os.environ.get("LW_TEST_DATA") or ROOT / "tests/data") / "series"
    return [[float(line.rpartition(",")[2] or 0) for line in (folder / f"{name}.csv").read_text().splitlines()[1:]] for name in SOURCES]


def write_replayed(path, hosts, rounds, as_sent):
    """The samples of all series of these hosts as a long CSV file; as_sent(value, round): the value as it arrived."""
    values = source_values()
    with open(path, "w", encoding="ascii") as stream:
        stream.write("time,entity,series,value\n")
        for number in range(rounds):
            for host in hosts:
                for metric in range(N_METRICS):
                    series = host * N_METRICS + metric
                    own = values[series % len(SOURCES)]
                    time_ms = (START_S + number * STEP_S) * 1000 + series * STEP_S * 1000 // N_SERIES
                    stream.write(f"{time_ms / 1000:.3f},host-{host:05d}:9100,node_metric_{metric},"
                                 f"{as_sent(own[(series * 37 + number) % len(own)], number)!r}\n")


def replayed(hosts, rounds, as_sent):
    """The last row that `lapwing replay` has of each series: {(host, metric): row}."""
    folder = work_folder("replay")
    try:
        samples, scores = os.path.join(folder, "samples.csv"), os.path.join(folder, "scores.csv")
        write_replayed(samples, hosts, rounds, as_sent)
        subprocess.run([LAPWING, "replay", "--quiet", "--strict", *(f"--set={name}={value}" for name, value in OPTIONS.items()
                                                                   if name not in ("match", "entity")),
                        "--out", scores, samples], check=True)
        last = {}
        with open(scores, encoding="ascii", newline="") as stream:
            for row in csv.DictReader(stream):
                last[row["entity"], row["series"]] = row
        return last
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def single(number):
    """A single-precision number, whatever digits it was written with; None: not known."""
    return None if number in (None, "") else struct.unpack("f", struct.pack("f", float(number)))[0]


def check_verdicts(daemon, rounds, as_sent=lambda value, number: value):
    """The newest verdicts of all series of hosts picked at random equal those of a replay of their samples alone."""
    seed = int(os.environ.get("LW_SEED") or time.time())
    hosts = sorted(random.Random(seed).sample(range(N_SERIES // N_METRICS), N_CHECKED // N_METRICS))
    wanted = replayed(hosts, rounds, as_sent)
    entities, start = {}, 0
    while start is not None:
        page = daemon.json(f"/v1/entities?from={start}&limit=1000")
        entities.update((entity["name"], entity["entity"]) for entity in page["entities"])
        start = page["next"]
    n_alarms = 0
    for host in hosts:
        name = f"host-{host:05d}:9100"
        found = daemon.json(f"/v1/entities/{entities[name]}/series?limit=1000")["series"]
        if len(found) != N_METRICS:
            sys.exit(f"{name} has {len(found)} series")
        for series in found:
            row = wanted[name, series["name"].partition("{")[0]]
            ours = [series["confidence"], int(series["alarm"])] + [
                single(series[key]) for key in ("value", "expected", "lower", "upper", "score")]
            theirs = [{"none": "cannot_tell"}.get(row["confidence"], row["confidence"]), int(row["alarm"])] + [
                single(row[key]) for key in ("value", "expected", "lower", "upper", "score")]
            if ours != theirs:
                sys.exit(f"{name} {series['name']}: {ours}, but replay says {theirs}")
            n_alarms += series["alarm"]
    say(f"the newest verdicts ({n_alarms} alarms) of {N_CHECKED} series after {rounds} samples each are replay's (LW_SEED={seed})")


def percentile(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 10_000) * len(ordered) // 10_000) - 1)]


def median(values):
    return statistics.median(values)
