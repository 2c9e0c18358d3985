#!/usr/bin/env python3
"""What tools/test counts: a test's own tally, and one failure more for whatever ended without naming one."""
import importlib.machinery
import importlib.util
import os
import sys
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("tally", os.path.join(os.environ["LW_SOURCE"], "tools/test"))
tally = importlib.util.module_from_spec(importlib.util.spec_from_loader("tally", loader))
loader.exec_module(tally)

CASES = [
    ("a good test", "run", "x\n3 passed, 0 failed\n", (3, 0)),
    ("a failing test", "fail", "2 passed, 1 failed\n", (2, 1)),
    ("only the last tally counts", "run", "1 passed, 0 failed\n5 passed, 0 failed\n", (5, 0)),
    ("a crash before the tally", "fail", "[ RUN ] test_x\n", (0, 1)),
    ("a crash after the tally", "fail", "3 passed, 0 failed\nleak\n", (3, 1)),
    ("a test that says nothing", "run", "", (0, 1)),
    ("a failure that exits 0", "run", "1 passed, 2 failed\n", (1, 2)),
    ("a program that was not built", "notrun", "", (0, 1)),
    ("a tally inside a sentence is none", "run", "so 3 passed, 0 failed\n", (0, 1)),
]

passed = failed = 0
for what, status, output, expected in CASES:
    case = xml.Element("testcase", name="t", status=status)
    xml.SubElement(case, "system-out").text = output
    got = tally.count(case)[:2]
    if got == expected:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}: counted {got}, not {expected}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
