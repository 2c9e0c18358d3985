#!/usr/bin/env python3
"""The checks find what they are for: each is run on a small tree with one mistake, and must name its file and line."""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["LW_SOURCE"]
passed = failed = 0

CLEAN = {
    "src/LAYERS": "base:\nmath: base\nserve: base\n",
    "src/base/a.h": "#ifndef A_H\n#define A_H\n#endif\n",
    "src/math/m.h": '#ifndef M_H\n#define M_H\n#include "base/a.h"\n#endif\n',
    "include/lapwing/x.h": "#ifndef X_H\n#define X_H\n#define LW_API\n/** Does it. */\nLW_API int lw_x(void);\n#endif\n",
}
CASES = [
    ("a clean tree passes", {}, "check_layers", ""),
    ("a clean tree passes", {}, "check_sources", ""),
    ("a clean tree passes", {}, "check_headers", ""),
    ("base may not look up", {"src/base/b.c": '\n#include "math/m.h"\n'}, "check_layers",
     'src/base/b.c:2: "math/m.h": base may include nothing'),
    ("serve may not reach math", {"src/serve/s.c": '#include "math/m.h"\n'}, "check_layers", "src/serve/s.c:1:"),
    ("an unknown layer is refused", {"src/odd/o.c": "\n"}, "check_layers", "src/odd/o.c:1: src/LAYERS knows no layer odd"),
    ("an include without its layer is refused", {"src/math/n.c": '#include "m.h"\n'}, "check_layers", "src/math/n.c:1:"),
    ("a commented include does not count", {"src/base/b.c": '/* #include "math/m.h" */\n'}, "check_layers", ""),
    ("an internal header stays at home", {"src/base/a_internal.h": "\n", "src/math/n.c": '#include "base/a_internal.h"\n'},
     "check_layers", "src/math/n.c:1:"),
    ("a cycle is found", {"src/base/a.h": '#include "base/c.h"\n', "src/base/c.h": '#include "base/a.h"\n'}, "check_layers",
     "includes form a cycle"),
    ("a public header includes none of ours", {"include/lapwing/x.h": '#include "base/a.h"\n'}, "check_layers",
     "include/lapwing/x.h:1:"),
    ("malloc has one door", {"src/math/n.c": "\n\nint *p = malloc(4);\n"}, "check_sources", "src/math/n.c:3: malloc():"),
    ("libm's exp makes no score", {"src/math/n.c": "double x = exp(1.0);\n"}, "check_sources", "src/math/n.c:1: exp():"),
    ("serve may use libm's exp", {"src/serve/n.c": "double x = exp(1.0);\n"}, "check_sources", ""),
    ("names that only end alike are not banned", {"src/math/n.c": "double x = lw_exp(1.0) + s.exp(2) + s->log(3);\n"},
     "check_sources", ""),
    ("a banned call in a comment or text is none", {"src/math/n.c": 'char *s = "malloc(1)"; /* malloc(2) */\n'}, "check_sources", ""),
    ("an excuse with a reason counts", {"src/math/n.c": "/* NOLINT(banned): the library hands it over */\nfree(p);\n"},
     "check_sources", ""),
    ("an excuse without a reason does not", {"src/math/n.c": "free(p); /* NOLINT */\n"}, "check_sources", "src/math/n.c:1: free():"),
    ("a long function is found", {"src/math/n.c": "int f(void)\n{\n" + "    x();\n" * 81 + "}\n"}, "check_sources",
     "src/math/n.c:2: f() has 81 lines, at most 80"),
    ("a function of 80 lines is not", {"src/math/n.c": "int f(void)\n{\n" + "    x();\n" * 80 + "}\n"}, "check_sources", ""),
    ("a long file is found", {"src/math/n.c": "int a;\n" * 801}, "check_sources", "src/math/n.c:1: 801 lines, at most 800"),
    ("a prototype without a docstring is found", {"include/lapwing/x.h": "/* No. */\nLW_API int lw_x(void);\n"}, "check_sources",
     "include/lapwing/x.h:2: lw_x() has no docstring"),
    ("unfinished work is found", {"src/math/n.c": "\n/* " + "TO" + "DO: later */\n"}, "check_sources", "src/math/n.c:2: nothing half-done"),
    ("a test that never runs is found", {"tests/unit/test_a.c": "static void test_a__b(void **state)\n{\n}\n"}, "check_sources",
     "test_a__b is never run"),
    ("a header that needs another is found", {"src/base/a.h": "size_t x(void);\n"}, "check_headers", "src/base/a.h:1: not alone"),
    ("a public header must be C++ too", {"include/lapwing/x.h": "static inline int f(int class) { return class; }\n"},
     "check_headers", "include/lapwing/x.h:1: not alone as -std=c++11"),
    ("a public header must be C11, not GNU", {"include/lapwing/x.h": "static inline int f(void) { return ({ 1; }); }\n"},
     "check_headers", "include/lapwing/x.h:1: not alone as -std=c11"),
]


def run(tool, changes):
    """(exit code, what the tool said) on the clean tree with these files written over it."""
    with tempfile.TemporaryDirectory(prefix="lapwing-checks-") as root:
        shutil.copytree(f"{SOURCE}/tools", f"{root}/tools")
        for path, text in {**CLEAN, **changes}.items():
            os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
            with open(f"{root}/{path}", "w", encoding="utf-8") as file:
                file.write(text)
        os.makedirs(f"{root}/src/base", exist_ok=True)
        shutil.copy(f"{SOURCE}/src/base/banned.txt", f"{root}/src/base/banned.txt")
        done = subprocess.run([f"{root}/tools/{tool}"], text=True, capture_output=True)
        return done.returncode, done.stdout + done.stderr


for what, changes, tool, expected in CASES:
    code, said = run(tool, changes)
    if (code != 0) == bool(expected) and expected in said and (expected or not said):
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {tool}: {what}: exit {code}, said: {said or '(nothing)'}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
