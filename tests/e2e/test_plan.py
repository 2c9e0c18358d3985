#!/usr/bin/env python3
"""`lapwing plan`: what detectors would take, as text and as JSON, and what a limit holds."""
import json
import os
import subprocess
import sys
import tempfile
import traceback

LAPWING = os.environ["LAPWING"]
CONFIG = """memory: 300MiB
history_steps: 100
history_bytes: 16MiB
detectors:
  lean: {match: "a*", models: none}
  full: {match: "b*", models: "linear, knn"}
"""


def plan(*arguments):
    run = subprocess.run([LAPWING, "plan", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    return run.returncode, run.stdout, run.stderr


def test_both_forms_say_the_same_of_each_detector():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lapwing.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        code, text, said = plan("--config", path, "--entities", 2000, "--metrics", 8)
        assert code == 0, said
        code, lines, said = plan("--config", path, "--series", 16000, "--entities", 2000, "--format", "json")
        assert code == 0, said
    lean, full = json.loads(lines)
    assert [lean["detector"], full["detector"]] == ["lean", "full"]
    assert lean["series_each"] == full["series_each"] == 8
    assert lean["entity_tier1_bytes"] == 0 and full["entity_tier1_bytes"] > 50_000
    assert 3_000 < lean["series_tier0_bytes"] < 8_000
    assert full["total_tier1_bytes"] == full["total_tier0_bytes"] + 2000 * full["entity_tier1_bytes"]
    assert full["total_history_bytes"] == 16 << 20
    assert full["limit_bytes"] == 300 << 20
    # The limit holds them at tier 0, and some of them with tier 1.
    assert 2000 < full["limit_holds_entities_tier0"] and full["entities_with_tier1"] < 2000
    assert f"{2000 - full['entities_with_tier1']} would step down" in text, text
    assert text.count("detector \"") == 2 and "each series" in text


def test_wrong_usage_is_said():
    for arguments in (["--entities", "many"], ["--series", 1, "--entities", 1, "--metrics", 1], ["--memory", "much"],
                      ["--config", "/nowhere.yaml"], ["what"]):
        code, _, said = plan(*arguments)
        assert code == 2 and said, (arguments, code, said)
    code, _, said = plan("--metrics", 100000)
    assert code == 2 and "4096" in said, said


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # pylint: disable=broad-except
                traceback.print_exc()
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
