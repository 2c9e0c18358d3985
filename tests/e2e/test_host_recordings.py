#!/usr/bin/env python3
"""Recordings as users make and play them: `lapwing run --record`, then `lapwing replay`."""
import csv
import gzip
import os
import subprocess
import sys
import tempfile
import time
import traceback

from daemon import LAPWING, Daemon

RECORDINGS = os.path.join(os.environ.get("LW_TEST_DATA", ""), "host", "recordings")


def replay(*arguments, code=0):
    """(stdout, stderr) of a replay."""
    done = subprocess.run([LAPWING, "replay", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done.stdout, done.stderr


def rows_of(path, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.csv")
        replay(path, "--quiet", "--out", out, *options)
        with open(out, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def manifest():
    with open(os.path.join(RECORDINGS, "MANIFEST"), encoding="utf-8") as lines:
        return [line.split() for line in lines if line.strip() and not line.startswith("#")]


def test_what_a_run_was_fed_is_played():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.rec.gz")
        with Daemon("--record", path) as daemon:
            time.sleep(4.5)
            assert daemon.end() == 0
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
        assert lines[0] == "lapwing recording 1", lines[0]
        n_points = sum(len(line.split()) - 2 for line in lines if line.startswith("v "))
        assert n_points > 100 and lines[-1] == f"end {n_points}", (n_points, lines[-1])
        rows = rows_of(path)
        assert {row["entity"] for row in rows} == {os.uname().nodename.split("\n")[0]}
        loads = [row for row in rows if row["series"] == "node_load1"]
        assert 3 <= len(loads) <= 6, loads
        assert len({row["series"] for row in rows}) == sum(line.startswith("series ") for line in lines)


def test_a_cut_recording_plays_and_says_so():
    path = os.path.join(RECORDINGS, manifest()[0][0])
    with tempfile.TemporaryDirectory() as folder, open(path, "rb") as whole:
        cut = os.path.join(folder, "cut.rec.gz")
        with open(cut, "wb") as file:
            file.write(whole.read()[:20000])
        stdout, stderr = replay(cut)
        assert "was cut off" in stderr, stderr
        assert "samples of" in stdout, stdout


def test_a_damaged_recording_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bad.rec")
        with open(path, "w", encoding="utf-8") as file:
            file.write("lapwing recording 1\nsource host\nseries node_load1\nt 1\nv 0 1\nhello\n")
        _, stderr = replay(path, code=3)
        assert "line 6 of the recording" in stderr, stderr


def test_trouble_shows_and_threads_change_nothing():
    files = {entry[0] for entry in manifest()}
    for name in files:
        troubles = [entry for entry in manifest() if entry[0] == name and entry[1] != "quiet" and entry[4] != "-"]
        stdout, _ = replay(os.path.join(RECORDINGS, name))
        for entry in troubles:
            assert any(metric in stdout for metric in entry[4].split(",")), (entry, stdout)
    path = os.path.join(RECORDINGS, sorted(files)[0])
    assert rows_of(path, "--threads", "1") == rows_of(path, "--threads", "3")


def main():
    failed = 0
    tests = [(name, test) for name, test in sorted(globals().items()) if name.startswith("test_")]
    for name, test in tests:
        try:
            test()
            print("ok   " + name)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("FAIL " + name)
            traceback.print_exc(file=sys.stdout)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
