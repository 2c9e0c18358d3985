#!/usr/bin/env python3
"""`lapwing run --simulate`: fifty times eight hours of faults, each of which must keep every promise; and one without syncs, which must not."""
import concurrent.futures
import os
import re
import subprocess
import sys
import traceback

LAPWING = os.environ["LAPWING"]
SEEDS = 50
HOURS = 8
WITHOUT_SYNC_MAX = 500


def simulate(*arguments):
    """Its exit code, lines and messages."""
    run = subprocess.run([LAPWING, "run", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=280, check=False)
    return run.returncode, run.stdout.splitlines(), run.stderr


def number(line, what):
    return int(re.search(rf"(\d+) {what}", line).group(1))


def test_fifty_seeds_keep_every_promise():
    """Each on its own, two at a time: every eighth trains models and takes longer."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda seed: simulate("--simulate", seed, "--hours", HOURS), range(1, SEEDS + 1)))
    sums = dict.fromkeys(("kills", "power cuts", "in snapshots", "disk faults", "full disks", "refusals", "anomalies",
                          "records replayed", "decisions"), 0)
    for seed, (code, lines, said) in enumerate(runs, 1):
        assert code == 0, f"seed {seed}: {lines} {said}"
        assert lines[0].startswith(f"seed {seed}: held; "), lines
        for what in sums:
            sums[what] += number(lines[-1], what)
    print(f"{SEEDS} seeds of {HOURS} hours: {sums}")
    for what, n in sums.items():
        assert n >= SEEDS, f"only {n} {what}: the faults do not happen"
    assert all(number(lines[0], "anomalies") > 0 for _, lines, _ in runs)


def test_the_same_seed_gives_the_same_run():
    for seed in (3, 16):
        first, second = (simulate("--simulate", seed, "--hours", 6)[1] for _ in range(2))
        assert first == second and "trace" in first[0], (first, second)
    assert simulate("--simulate", 3, "--hours", 6)[1][0] != simulate("--simulate", 4, "--hours", 6)[1][0]


def test_without_syncs_a_promise_breaks_and_the_message_replays_it():
    for seed in range(1, WITHOUT_SYNC_MAX + 1):
        code, lines, _ = simulate("--simulate", seed, "--hours", HOURS, "--without-sync")
        if code != 0:
            break
    assert code == 1, f"{WITHOUT_SYNC_MAX} seeds held though nothing was synced"
    assert lines[0].startswith(f"seed {seed}: BROKEN"), lines
    assert "at step" in lines[1], lines
    command = lines[2].split("replay with: lapwing run ")[1].split()
    assert simulate(*command) == (1, lines, ""), "the replay differs"
    print(f"without syncs seed {seed} breaks: {lines[1]}")


def test_wrong_flags_are_refused():
    for wrong in (["--seeds", "3"], ["--hours", "3"], ["--without-sync"], ["--simulate", "x"], ["--simulate", "-1"],
                  ["--simulate", "1", "--seeds", "0"], ["--simulate", "1", "--hours", "721"], ["--simulate", "1 "]):
        code, lines, said = simulate(*wrong)
        assert code == 2 and not lines and said, wrong


def main():
    failed = 0
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        try:
            test()
            print(f"ok {name}", flush=True)
        except Exception:
            traceback.print_exc()
            print(f"FAILED {name}", flush=True)
            failed += 1
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
