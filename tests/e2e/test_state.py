#!/usr/bin/env python3
"""A daemon's folder: refused when damaged, repaired, and moved by savepoint to other threads, where it goes on bit for bit."""
import glob
import os
import re
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../torture"))
import torture  # noqa: E402

torture.MACHINES, torture.ROWS = 24, 300
torture.CONFIG = torture.CONFIG.replace("save_every: 2s", "save_every: 1h")  # Snapshots when they are asked for.
PAUSE_S = 6  # A daemon that nobody listened to for longer than 5 s resumes, as one does that begins with a savepoint.


def data(folder):
    return os.path.join(folder, "data")


def start(folder, threads=2):
    open(os.path.join(folder, "nothing.csv"), "a").close()
    return torture.Daemon(folder, threads).wait()


def stop_dead(daemon):
    daemon.process.kill()
    daemon.process.wait()
    daemon.reader.join()
    daemon.process.stderr.close()


def digest(folder, name):
    code, said = torture.command("savepoint", "create", "--config", os.path.join(folder, "lapwing.yaml"), os.path.join(folder, name))
    assert code == 0, said
    return re.search(r"digest (\w+)", said).group(1)


def flip(path, share):
    with open(path, "r+b") as file:
        file.seek(int(os.path.getsize(path) * share))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))


def snapshots(folder):
    return sorted(glob.glob(os.path.join(data(folder), "snapshots/*.snapshot")))


def snapshot_now(daemon, folder):
    before = set(snapshots(folder))
    daemon.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + torture.PATIENCE_S
    while set(snapshots(folder)) <= before:
        assert time.monotonic() < until, "no snapshot"
        time.sleep(0.02)


def test_a_damaged_folder_is_refused_and_repaired(folder):
    load, size = torture.make_requests()
    sender = torture.Sender(load, size)
    daemon = start(folder)
    for until in (100, 200):
        assert sender.send(daemon, until)
        snapshot_now(daemon, folder)
    assert sender.send(daemon)
    for verb in ("verify", "repair"):
        code, said = torture.command("state", verb, data(folder))
        assert code == 1 and "in use" in said, (code, said)
    stop_dead(daemon)
    code, said = torture.command("state", "verify", data(folder))
    assert code == 0 and " 0 damaged" in said, said
    whole = digest(folder, "before")
    newest, older = snapshots(folder)[-1], snapshots(folder)[-2]
    flip(newest, 0.6)
    code, said = torture.command("run", "--json", "--listen", "off", "--config", os.path.join(folder, "lapwing.yaml"))
    assert code == 3 and os.path.basename(newest) in said and f"good is {os.path.basename(older)}" in said, (code, said)
    code, said = torture.command("state", "verify", data(folder))
    assert code == 3 and f"good to go on from: {os.path.basename(older)}" in said and "loses nothing" in said, said
    code, said = torture.command("state", "repair", data(folder))
    assert code == 0 and "nothing is lost" in said and os.path.exists(newest + ".damaged"), said
    assert digest(folder, "after") == whole, "the older snapshot and the journal give something else"
    daemon = start(folder)
    sender.take_up(daemon)
    assert sender.next == len(load)
    daemon.end()


def test_what_the_journal_lost_is_said(folder):
    load, size = torture.make_requests()
    sender = torture.Sender(load, size)
    daemon = start(folder)
    assert sender.send(daemon)
    stop_dead(daemon)
    flip(sorted(glob.glob(os.path.join(data(folder), "journal/*")))[0], 0.5)
    code, said = torture.command("state", "verify", data(folder))
    assert code == 3 and re.search(r"goes on without records \d+ to \d+", said), said
    lost = re.search(r"records (\d+ to \d+)", said.splitlines()[-1]).group(1)
    code, said = torture.command("state", "repair", data(folder))
    assert code == 0 and f"lost to the engine: records {lost}" in said, said
    assert os.path.isdir(os.path.join(data(folder), "journal.damaged"))
    daemon = start(folder)
    held = torture.taken(daemon.metrics())
    assert 0 < held < sender.acknowledged, held
    sender.next, sender.acknowledged, sender.in_flight = held // size, held, False
    assert sender.send(daemon) and torture.taken(daemon.metrics()) == len(load) * size
    daemon.end()
    assert torture.command("state", "verify", data(folder))[0] == 0


def test_a_savepoint_moves_to_other_threads(folder):
    load, size = torture.make_requests()
    sender = torture.Sender(load, size)
    daemon = start(folder)
    assert sender.send(daemon, 200)
    torture.wait_settled(daemon)
    running = digest(folder, "of-a-running-daemon")
    daemon.end()
    moved = os.path.join(folder, "moved")
    os.mkdir(moved)
    before = digest(folder, "savepoint")
    assert running == before, "a running daemon's savepoint is not what it stands at"
    savepoint = os.path.join(folder, "savepoint")
    code, said = torture.command("savepoint", "verify", savepoint)
    assert code == 0 and before in said and "format 2" in said, said
    other = torture.Sender(load, size)
    other.next = sender.next
    with open(os.path.join(moved, "lapwing.yaml"), "w") as file:
        file.write(torture.CONFIG.format(folder=moved, threads=3))
    restore = ("savepoint", "restore", "--config", os.path.join(moved, "lapwing.yaml"), savepoint)
    assert torture.command(*restore)[0] == 0
    code, said = torture.command(*restore)
    assert code == 3 and "has a state already" in said, said
    assert digest(moved, "same") == before
    time.sleep(PAUSE_S)
    for where, threads, one in ((folder, 2, sender), (moved, 3, other)):
        daemon = start(where, threads)
        assert one.send(daemon)
        torture.wait_settled(daemon)
        daemon.end()
    assert digest(moved, "end") == digest(folder, "end"), "the moved one went elsewhere"


def test_a_savepoint_that_is_none_is_refused(folder):
    path = os.path.join(folder, "lapwing.yaml")
    with open(path, "w") as file:
        file.write(torture.CONFIG.format(folder=folder, threads=1))
    assert torture.command("savepoint", "verify", path)[0] == 3
    assert torture.command("savepoint", "verify", os.path.join(folder, "none"))[0] == 3
    assert torture.command("savepoint", "create", os.path.join(folder, "none", "none"), "--data-dir", os.path.join(folder, "none"))[0] == 3
    for wrong in (["savepoint"], ["savepoint", "create"], ["savepoint", "move", "x"], ["state", "verify"], ["state", "mend", "x"]):
        assert torture.command(*wrong)[0] == 2, wrong
    assert torture.command("state", "verify", os.path.join(folder, "none"))[0] == 3


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
            finally:
                torture.leave_nobody()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
