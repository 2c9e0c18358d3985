#!/usr/bin/env python3
"""Anomalies reach a webhook that fails, rests, refuses and dies, and a daemon that is killed; none is lost."""
import collections
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_run import LAPWING, Daemon  # noqa: E402

ENTITIES = 40
ROWS = 2500


class Receiver:
    """A webhook's other side; `behave` answers each request with (code, headers), None hangs up."""

    def __init__(self, port=0):
        self.seen = []  # (id, type, answer)
        self.behave = lambda number, event: (200, {})
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = receiver.behave(len(receiver.seen), event)
                receiver.seen.append((event["data"]["id"], event["type"], answer[0] if answer else None,
                                      self.headers["webhook-id"], time.monotonic()))
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except (ConnectionError, ValueError):
                    pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def delivered(self):
        """How often each (id, type) was taken."""
        return collections.Counter((one[0], one[1]) for one in self.seen if one[2] == 200)


def write_plant(folder):
    """Forty machines that each run hot once."""
    draw = random.Random(5)
    path = os.path.join(folder, "plant.csv")
    with open(path, "w") as out:
        out.write("time,entity,value\n")
        for row in range(ROWS):
            for entity in range(ENTITIES):
                hot = ROWS - 400 + entity * 13 % 300
                value = 10 + draw.gauss(0, 1) + (200 if hot <= row < hot + 12 else 0)
                out.write(f"{1700000000 + row * 60},web-{entity},{value:.4f}\n")
    return path


def write_config(folder, *sinks):
    path = os.path.join(folder, "lapwing.yaml")
    with open(path, "w") as out:
        out.write(f"sources:\n  plant: {{type: csv, path: {write_plant(folder)}}}\nsinks:\n")
        for sink in sinks:
            out.write(f"  {sink}\n")
        if not sinks:
            out.write("  {}\n")
    return path


def webhook(name, port, more=""):
    return f"{name}: {{type: webhook, url: 'http://127.0.0.1:{port}/hook', signature: none, rate: 100000, burst: 100000{more}}}"


def sink(daemon, name):
    return next(one for one in daemon.json("/v1/sinks")["sinks"] if one["sink"] == name)


def expected(daemon):
    """What the engine says happened, as (id, type)."""
    wanted = set()
    for one in daemon.json("/v1/anomalies?limit=1000")["anomalies"]:
        wanted.add((one["id"], "anomaly.opened"))
        if not one["open"]:
            wanted.add((one["id"], "anomaly.closed"))
    return wanted


def read_through(daemon):
    daemon.wait_said("file read")
    wanted = expected(daemon)
    assert len(wanted) >= 60, f"only {len(wanted)} events: too few to show anything"
    return wanted


def command(*arguments):
    """`lapwing sinks`: its exit code and what it says."""
    run = subprocess.run([LAPWING, "sinks", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=30)
    return run.returncode, run.stdout


def post(daemon, path):
    request = urllib.request.Request(daemon.page + path, data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_every_event_arrives_once_and_in_order(folder):
    with Receiver() as receiver, Daemon(folder, "--config", write_config(folder, webhook("pager", receiver.port))) as daemon:
        wanted = read_through(daemon.started())
        daemon.wait_for("all events", lambda: len(receiver.seen) >= len(wanted))
        time.sleep(0.3)
        assert receiver.delivered() == collections.Counter(wanted), receiver.delivered()
        opened = set()
        for one in receiver.seen:
            assert one[1] == "anomaly.opened" or one[0] in opened, f"{one} ended before it began"
            opened.add(one[0])
        assert sink(daemon, "pager")["delivered"] == len(wanted)
        metrics = daemon.get("/metrics")[1]
        for line in (f'lapwing_sink_delivered_total{{sink="pager"}} {len(wanted)}', 'lapwing_sink_pending{sink="pager"} 0',
                     'lapwing_sink_up{sink="pager"} 1', 'lapwing_sink_dead_letters_total{sink="pager"} 0',
                     'lapwing_sink_retries_total{sink="pager"} 0', 'lapwing_sink_oldest_pending_seconds{sink="pager"} 0'):
            assert line + "\n" in metrics, line
        assert daemon.end() == 0
        assert receiver.delivered() == collections.Counter(wanted)


def test_a_receiver_in_trouble_gets_all_in_the_end(folder):
    def moody(number, event):
        return [(500, {}), (200, {}), None, (429, {"Retry-After": "1"}), (200, {}), (503, {})][number] if number < 6 else (200, {})

    with Receiver() as receiver, Daemon(folder, "--config", write_config(folder, webhook("pager", receiver.port))) as daemon:
        receiver.behave = moody
        wanted = read_through(daemon.started())
        daemon.wait_for("all events", lambda: set(receiver.delivered()) >= wanted)
        assert receiver.delivered() == collections.Counter(wanted)
        asked = [one for one in receiver.seen if one[2] == 429][0]
        after = [one for one in receiver.seen if one[4] > asked[4]][0]
        assert after[4] - asked[4] >= 0.95, f"asked to rest for a second, got {after[4] - asked[4]:.2f} s"
        assert sink(daemon, "pager")["retried"] == 4
        assert daemon.said("sink cannot be told") and daemon.said("sink is told again")


def test_what_is_refused_can_be_replayed(folder):
    with Receiver() as receiver, Daemon(folder, "--config", write_config(folder, webhook("pager", receiver.port))) as daemon:
        refused = []

        def picky(number, event):
            if event["type"] == "anomaly.opened" and len(refused) < 3:
                refused.append(event["data"]["id"])
                return 400, {}
            return 200, {}

        receiver.behave = picky
        wanted = read_through(daemon.started())
        daemon.wait_for("all events", lambda: len(receiver.seen) >= len(wanted))
        daemon.wait_for("dead letters", lambda: sink(daemon, "pager")["dead_letters"] == 3)
        letters = daemon.json("/v1/sinks/dead-letters?sink=pager")["dead_letters"]
        assert [one["anomaly"]["id"] for one in letters] == refused
        assert "400" in letters[0]["reason"], letters[0]
        assert post(daemon, f"/v1/sinks/dead-letters/drop?sink=pager&key={letters[0]['key']}") == {"dead_letters": 1}
        server = ("--server", daemon.page)
        code, said = command("dead", "pager", *server)
        assert code == 0 and [line.split()[0] for line in said.splitlines()] == [str(one["key"]) for one in letters[1:]], said
        assert refused[1] in said and "HTTP status 400" in said, said
        assert command("replay", "pager", str(letters[1]["key"]), *server) == (0, "1 dead letter to be told\n")
        assert command("replay", "pager", str(letters[1]["key"]), *server)[0] == 3  # It is none any more.
        assert post(daemon, "/v1/sinks/dead-letters/replay?sink=pager") == {"dead_letters": 1}
        daemon.wait_for("the replayed", lambda: len(receiver.delivered()) == len(wanted) - 1)
        code, said = command("list", *server)
        assert code == 0 and said.splitlines()[1].split()[:3] == ["pager", "up", "0"], said
        data = ("--data-dir", os.path.join(folder, "data"))
        code, said = command(*data)
        assert code == 3 and "keyed" in said, "a folder in use was opened"
        assert sink(daemon, "pager")["dead_letters"] == 0
        for path, code in (("/v1/sinks/dead-letters?sink=nobody", 404), ("/v1/sinks/dead-letters", 400),
                           ("/v1/sinks/dead-letters?sink=pager&from=x", 400)):
            try:
                daemon.get(path)
                raise AssertionError(f"{path} was answered")
            except urllib.error.HTTPError as error:
                assert error.code == code, (path, error.code)
        assert daemon.end() == 0
        code, said = command(*data)
        assert code == 0 and said.splitlines()[1].split()[0] == "pager", said
        for wrong in (["nonsense"], ["dead"], ["drop", "pager", "0"], ["list", "pager"], [*server, *data]):
            assert command(*wrong)[0] == 2, wrong
        assert command("--data-dir", os.path.join(folder, "none"))[0] == 3


def test_nothing_is_lost_when_either_side_dies(folder):
    """The daemon is killed three times while it delivers, the receiver dies once."""
    seen = []
    with Receiver() as receiver:
        port = receiver.port
        receiver.behave = lambda number, event: (time.sleep(0.02), (200, {}))[1]
        config = write_config(folder, webhook("pager", port))
        for _ in range(3):
            with Daemon(folder, "--config", config) as daemon:
                daemon.started()
                had = len(receiver.seen)
                daemon.wait_for("some events", lambda: len(receiver.seen) >= had + 7)
                daemon.process.send_signal(signal.SIGKILL)
                daemon.process.wait()
        seen += receiver.seen
    with Daemon(folder, "--config", config) as daemon:  # Nobody listens.
        daemon.started()
        daemon.wait_said("sink cannot be told")
        wanted = read_through(daemon)
        with Receiver(port) as receiver:
            def all_there():
                return {(one[0], one[1]) for one in seen + receiver.seen if one[2] == 200} >= wanted
            daemon.wait_for("all events", all_there)
            time.sleep(0.3)
            seen += receiver.seen
            assert daemon.end() == 0
    times = collections.Counter((one[0], one[1]) for one in seen if one[2] == 200)
    assert set(times) == wanted, f"lost {wanted - set(times)}, invented {set(times) - wanted}"
    repeats = sum(times.values()) - len(times)
    print(f"{len(wanted)} events, {repeats} of them told twice, by three kills")
    assert repeats <= 3, "a kill may repeat the event on its way, no more"
    ids = collections.defaultdict(set)
    for one in seen:
        ids[one[0], one[1]].add(one[3])
    assert all(len(one) == 1 for one in ids.values()), "a repeat has another id"


def test_sinks_come_and_go_with_the_configuration(folder):
    with Receiver() as receiver, Daemon(folder, "--config", write_config(folder)) as daemon:
        read_through(daemon.started())
        still_open = {one["id"] for one in daemon.json("/v1/anomalies?limit=1000")["anomalies"] if one["open"]}
        assert daemon.json("/v1/sinks")["sinks"] == []
        write_config(folder, webhook("pager", receiver.port, ", nonsense: 1"))
        daemon.process.send_signal(signal.SIGHUP)
        assert "nonsense" in daemon.wait_said("configuration not reloaded")["reason"]
        write_config(folder, webhook("pager", receiver.port))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_said("configuration reloaded")
        daemon.wait_for("what is open", lambda: {one[0] for one in receiver.seen} >= still_open)
        time.sleep(0.2)
        assert {one[0] for one in receiver.seen} == still_open
        write_config(folder)
        before = len(daemon.log)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_said("configuration reloaded", after=before)
        assert sink(daemon, "pager")["gone"]


def main():
    failed = 0
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f"ok {name}", flush=True)
            except Exception:
                traceback.print_exc()
                print(f"FAILED {name}", flush=True)
                failed += 1
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
