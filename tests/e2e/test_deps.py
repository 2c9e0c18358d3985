#!/usr/bin/env python3
"""What tools/deps does where something is missing: run with a PATH of stand-ins that note how they were called."""
import os
import shutil
import subprocess
import sys
import tempfile

DEPS = os.path.join(os.environ["LW_SOURCE"], "tools/deps")
# What tools/deps itself calls. Nothing else of the machine is on the PATH, so that all it looks for by name is missing.
NEEDED = ("bash", "sh", "awk", "cat", "env", "ls")
THERE = "#!/bin/sh\n"
APT_GET = '#!/bin/sh\necho "apt-get $*" >>"$NOTES"\n'
APT_GET_NO_UPDATE = APT_GET + 'case " $* " in *" update "*) exit 100 ;; esac\n'
APT_GET_NO_INSTALL = APT_GET + 'case " $* " in *" install "*) exit 100 ;; esac\n'
SUDO = '#!/bin/sh\necho "sudo" >>"$NOTES"\nexec "$@"\n'
SUDO_REFUSED = '#!/bin/sh\necho "sudo" >>"$NOTES"\nexit 1\n'
ROOT, USER = "#!/bin/sh\necho 0\n", "#!/bin/sh\necho 1000\n"
UPDATE = "apt-get -qq update\n"
INSTALL = "apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "
PROGRAMS = ("python3", "clang-format", "clang-tidy", "cppcheck", "g++", "pkg-config")
LACKS = "python3 clang-format clang-tidy cppcheck g++ pkg-config libcmocka-dev"
BY_HAND = f"\n    apt-get update && apt-get install --no-install-recommends {LACKS}\n"

# what, stand-ins, purpose, exit code, what it must say, what must have been called
CASES = [
    ("nothing missing, nothing done", {"apt-get": APT_GET, "id": USER, "sudo": SUDO, **dict.fromkeys(PROGRAMS, THERE)},
     "check", 0, None, ""),
    ("a library that pkg-config does not know is missing",
     {"apt-get": APT_GET, "id": ROOT, **dict.fromkeys(PROGRAMS, THERE), "pkg-config": "#!/bin/sh\nexit 1\n"}, "check", 0,
     "missing: libcmocka-dev (unit tests)\n", f"{UPDATE}{INSTALL}libcmocka-dev\n"),
    ("root installs without sudo", {"apt-get": APT_GET, "id": ROOT, "sudo": SUDO}, "check", 0,
     f"installing with apt-get: {LACKS}\n", f"{UPDATE}{INSTALL}{LACKS}\n"),
    ("it says what for", {"apt-get": APT_GET, "id": ROOT}, "check", 0, "missing: cppcheck (finds bugs)\n",
     f"{UPDATE}{INSTALL}{LACKS}\n"),
    ("what is there is left alone", {"apt-get": APT_GET, "id": ROOT, "cppcheck": THERE, "clang-tidy": THERE}, "check", 0,
     "installing", f"{UPDATE}{INSTALL}python3 clang-format g++ pkg-config libcmocka-dev\n"),
    ("a user asks sudo once", {"apt-get": APT_GET, "id": USER, "sudo": SUDO}, "check", 0,
     f"installing with sudo apt-get: {LACKS}\n", f"sudo\n{UPDATE}{INSTALL}{LACKS}\n"),
    ("a user without sudo is told what to ask for", {"apt-get": APT_GET, "id": USER}, "check", 1, BY_HAND, ""),
    ("a user whom sudo refuses is told too", {"apt-get": APT_GET, "id": USER, "sudo": SUDO_REFUSED}, "check", 1, BY_HAND,
     "sudo\n"),
    ("old lists may do", {"apt-get": APT_GET_NO_UPDATE, "id": ROOT}, "check", 0, "apt-get update failed",
     f"{UPDATE}{INSTALL}{LACKS}\n"),
    ("a failed install fails", {"apt-get": APT_GET_NO_INSTALL, "id": ROOT}, "check", 1, BY_HAND, f"{UPDATE}{INSTALL}{LACKS}\n"),
    ("without apt-get the names are told", {"id": ROOT}, "check", 1, f"please install the like of: {LACKS}\n", ""),
]


def run(stand_ins, purpose):
    """(exit code, what it said, what was called)"""
    with tempfile.TemporaryDirectory(prefix="lapwing-deps-") as folder:
        for name in NEEDED:
            os.symlink(shutil.which(name), f"{folder}/{name}")
        for name, text in stand_ins.items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(f"{folder}/{name}", 0o755)
        notes = f"{folder}/notes"
        done = subprocess.run([shutil.which("bash"), DEPS, purpose], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={"PATH": folder, "NOTES": notes})
        called = open(notes, encoding="utf-8").read() if os.path.exists(notes) else ""
        return done.returncode, done.stdout, called


passed = failed = 0
for what, stand_ins, purpose, code, says, calls in CASES:
    got, said, called = run(stand_ins, purpose)
    if got == code and called == calls and (says in said if says else not said):
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}: exit {got}, called: {called or '(nothing)'}, said:\n{said or '(nothing)'}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
