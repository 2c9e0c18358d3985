"""Real trouble for a test: a disk that ran full, second by second, pushed to a daemon as far as the test wants it."""
import csv
import http.client
import os
import time

PATH = os.path.join(os.environ.get("LW_TEST_DATA", ""), "series", "host_loop_disk_avail.csv")
OPENED, ENDED = 1020, 1200  # Rows by which the anomaly has been opened, and has ended.
DETECTOR = "detectors: {disks: {match: \"disk_avail*\", step: 1s, models: none}}\n"


class Trouble:
    """Feeds the rows as line protocol, as if they had been taken in the past half hour."""

    def __init__(self, daemon, host="db-1"):
        with open(PATH, newline="") as file:
            self.values = [row["value"] for row in csv.DictReader(file)]
        self.daemon, self.host, self.row = daemon, host, 0
        self.start = int(time.time()) - 1800

    def feed_to(self, row):
        """All rows before that one, in requests of no more steps than a series keeps open (max_samples)."""
        while self.row < row:
            self.push(min(row, self.row + 50))

    def push(self, row):
        lines = [f"disk_avail,instance={self.host} value={self.values[i]} {(self.start + i) * 10**9}" for i in range(self.row, row)]
        self.row = row
        link = http.client.HTTPConnection(*self.daemon.address, timeout=20)
        link.request("POST", "/write", "\n".join(lines) + "\n")
        answer = link.getresponse()
        body = answer.read()
        link.close()
        assert answer.status == 204, (answer.status, body)

    def hold(self, seconds):
        """A row a second, as they came."""
        for _ in range(seconds):
            time.sleep(1)
            self.feed_to(self.row + 1)


def wait(what, patience=30.0):
    """The first true answer of what()."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("waited in vain")
