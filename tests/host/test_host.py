"""Make real trouble on this host, bounded, and see that `lapwing run` tells of it.

usage: test_host.py [--lapwing PROGRAM] [--warm-up SECONDS] [--only TROUBLE[,TROUBLE]] [--record FILE]

After ten minutes of warm-up come four troubles of 35 s with two minutes of quiet between them: one processor loaded, memory
filled (half of what is available, at most 16 GiB), a filesystem filled (64 MiB of tmpfs, mounted for this if we are root,
else in /dev/shm), and the loopback flooded. Each must raise an anomaly that names the right metric within 30 s. Nothing leaves
this host; what is taken is given back, also when the test is interrupted. Ends with `N passed, N failed`.
"""
import argparse
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FOUND_WITHIN_S = 30
TROUBLE_S = 35
QUIET_S = 120
MIB = 1 << 20
MEMORY_MAX = 16384 * MIB
DISK_BYTES = 64 * MIB


def spin(seconds):
    """Load one processor."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def fill_memory(seconds):
    """Touch half of the available memory, and hold it."""
    end = time.monotonic() + seconds
    n_bytes = min(available_memory() // 2, MEMORY_MAX) // MIB * MIB
    with mmap.mmap(-1, n_bytes) as held:
        page = b"x" * MIB
        for at in range(0, n_bytes, MIB):
            if time.monotonic() > end:
                break
            held[at:at + MIB] = page
        time.sleep(max(0.0, end - time.monotonic()))


def fill_disk(folder, seconds):
    """Fill a small filesystem, or write as much into a larger one, and take it back."""
    path = os.path.join(folder, "lapwing-test-host")
    try:
        with open(path, "wb") as file:
            for _ in range(DISK_BYTES // MIB):
                try:
                    file.write(b"x" * MIB)
                    file.flush()
                except OSError:
                    break
            time.sleep(seconds)
    finally:
        os.unlink(path)


def flood(seconds):
    """Send as much as goes from this process to its child over 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            try:
                with socket.create_connection(server.getsockname()) as out:
                    end = time.monotonic() + seconds
                    while time.monotonic() < end:
                        out.sendall(bytes(65536))
            finally:
                os._exit(0)
        server.settimeout(10)
        connection, _ = server.accept()
        with connection:
            while connection.recv(65536):
                pass
        os.waitpid(child, 0)


TROUBLES = {
    "cpu": ("node_cpu_seconds_total",),
    "memory": ("node_memory_MemAvailable_bytes",),
    "disk": ("node_filesystem_avail_bytes",),
    "network": ("node_network_receive_bytes_total", "node_network_transmit_bytes_total"),
}


class Daemon:
    """`lapwing run` on a free port of the loopback, with a data folder of its own."""

    def __init__(self, program, folder, record):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.url = "http://127.0.0.1:%d" % probe.getsockname()[1]
        command = [program, "run", "--listen", self.url[len("http://"):], "--data-dir", os.path.join(folder, "data")]
        if record:
            command += ["--record", record]
        self.log = open(os.path.join(folder, "log"), "w+b")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def wait_ready(self):
        for _ in range(100):
            try:
                return self.get("/v1/entities")
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.log.seek(0)
        sys.exit("lapwing run did not start:\n" + self.log.read().decode(errors="replace"))

    def anomalies(self):
        return self.get("/v1/anomalies")["anomalies"]

    def usage(self):
        """Processor seconds and resident bytes of the daemon so far."""
        with open("/proc/%d/stat" % self.process.pid, encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()


def told(anomalies, metrics, since):
    """The newest anomaly that was anomalous after a moment and names one of the metrics."""
    for anomaly in anomalies:
        names = [contribution["name"].partition("{")[0] for contribution in anomaly["contributions"]]
        if anomaly["last"] >= since - 1 and any(metric in names for metric in metrics):
            return anomaly
    return None


def make_trouble(name, disk_folder):
    """A child process that makes the trouble."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            {"cpu": lambda: spin(TROUBLE_S), "memory": lambda: fill_memory(TROUBLE_S),
             "disk": lambda: fill_disk(disk_folder, TROUBLE_S), "network": lambda: flood(TROUBLE_S)}[name]()
        finally:
            os._exit(0)
    return child


def watch_trouble(daemon, name, disk_folder):
    """Whether the trouble was told in time, with a sentence for the terminal."""
    since = time.time()
    child = make_trouble(name, disk_folder)
    found = None
    try:
        while found is None and time.time() < since + FOUND_WITHIN_S:
            time.sleep(0.5)
            found = told(daemon.anomalies(), TROUBLES[name], since)
        took = time.time() - since
        while time.time() < since + TROUBLE_S:
            time.sleep(0.5)
    finally:
        try:
            os.kill(child, signal.SIGTERM)
        except ProcessLookupError:
            pass
        os.waitpid(child, 0)
    if found is None:
        return False, "not told within %d s" % FOUND_WITHIN_S
    return True, "told after %.1f s: %s" % (took, found["sentence"])


def mount_small(folder):
    """A tmpfs of 64 MiB, or None where we may not mount."""
    place = os.path.join(folder, "small")
    os.mkdir(place)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK_BYTES, "lapwing-test-host", place],
                          capture_output=True, check=False)
    return place if done.returncode == 0 else None


def run(arguments, folder):
    small = mount_small(folder)
    daemon = Daemon(arguments.lapwing, folder, arguments.record)
    failed = []
    try:
        daemon.wait_ready()
        print("watching this host for %d s before the first trouble" % arguments.warm_up, flush=True)
        cpu_before, began = daemon.usage()[0], time.monotonic()
        time.sleep(arguments.warm_up)
        cpu, resident = daemon.usage()
        print("lapwing run used %.2f %% of a processor and %.1f MB" %
              (100.0 * (cpu - cpu_before) / (time.monotonic() - began), resident / 1e6))
        before = daemon.anomalies()
        print("anomalies during the warm-up: %d%s" % (len(before), "".join("\n  " + a["sentence"] for a in before)))
        for number, name in enumerate(arguments.only):
            time.sleep(QUIET_S if number > 0 else 0)
            moment = int(time.time())
            good, sentence = watch_trouble(daemon, name, small or "/dev/shm")
            print("%s %s at %d: %s" % ("ok  " if good else "FAIL", name, moment, sentence), flush=True)
            if not good:
                failed.append(name)
    finally:
        daemon.stop()
        if small is not None:
            subprocess.run(["umount", small], check=False)
    print("%d passed, %d failed" % (len(arguments.only) - len(failed), len(failed)))
    return 1 if failed else 0


def main():
    build = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release", "lapwing")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lapwing", default=os.environ.get("LAPWING") or build)
    parser.add_argument("--warm-up", type=int, default=620)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TROUBLES))
    parser.add_argument("--record", help="also keep a recording of all that was read")
    arguments = parser.parse_args()
    if not set(arguments.only) <= set(TROUBLES):
        parser.error("troubles are %s" % ", ".join(TROUBLES))
    with tempfile.TemporaryDirectory(prefix="lapwing-test-host-") as folder:
        return run(arguments, folder)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
