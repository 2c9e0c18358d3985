#!/usr/bin/env python3
"""An embedder's view: install to an empty prefix, then build C11 and C++11 programs against it with pkg-config alone.

One program links every function that a public header declares (the list is read from the installed headers); examples/*.c
are built and run as they are. Both ways of linking are tried.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD, SOURCE = os.environ["LW_BUILD"], os.environ["LW_SOURCE"]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
passed = failed = 0


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout


def shows(what):
    """A decorator: runs the function as a test of that name."""
    def wrap(test):
        global passed, failed
        try:
            test()
            passed += 1
            print(f"ok: {what}")
        except (AssertionError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"FAILED: {what}: {error} {getattr(error, 'stderr', '') or ''}")
        return test
    return wrap


prefix = tempfile.mkdtemp(prefix="lapwing-install-")
run("cmake", "--install", BUILD, "--prefix", prefix)
config = glob.glob(f"{prefix}/**/lapwing.pc", recursive=True)
os.environ["PKG_CONFIG_PATH"] = os.path.dirname(config[0]) if config else ""
library_folder = os.path.dirname(os.environ["PKG_CONFIG_PATH"])
headers = sorted(glob.glob(f"{prefix}/include/lapwing/*.h"))
functions = sorted({name for header in headers
                    for name in re.findall(r"^LW_API\b[^;(]*?\b(\w+)\(", open(header, encoding="utf-8").read(), re.M)})


def flags(*options):
    return run("pkg-config", *options, "lapwing").split()


def link_all(compiler, language, standard, static):
    """A program that holds the address of every function."""
    text = "".join(f"#include <lapwing/{os.path.basename(header)}>\n" for header in headers)
    text += "#include <stdio.h>\ntypedef void (*any)(void);\nstatic const any all[] = {\n"
    text += "".join(f"    (any){name},\n" if language == "c" else f"    reinterpret_cast<any>({name}),\n" for name in functions)
    text += "};\nint main(void)\n{\n    unsigned long n = 0, i = 0;\n    for (; i < sizeof(all) / sizeof(all[0]); i++) {\n"
    text += '        n += all[i] != 0;\n    }\n    printf("%lu\\n", n);\n    return 0;\n}\n'
    program = f"{prefix}/all-{language}-{static}"
    libraries = ([f"{library_folder}/liblapwing.a", *[flag for flag in flags("--libs", "--static") if flag != "-llapwing"]] if static else
                 flags("--libs"))
    run(compiler, "-x", language, f"-std={standard}", *STRICT, *flags("--cflags"), "-", "-x", "none", "-o", program, *libraries,
        input=text)
    printed = run(program, env={**os.environ, "LD_LIBRARY_PATH": "" if static else library_folder})
    assert int(printed) == len(functions), f"{printed} of {len(functions)} functions"


@shows("headers, libraries and pkg-config file are installed")
def installed():
    assert config and headers and functions, (config, headers, functions)
    for name in ("liblapwing.so", "liblapwing.so.0", "liblapwing.a"):
        assert os.path.exists(f"{library_folder}/{name}"), name
    dynamic = run("readelf", "-d", f"{library_folder}/liblapwing.so")
    assert "soname: [liblapwing.so.0]" in dynamic
    needed = set(re.findall(r"NEEDED.*\[(.*?)\]", dynamic)) - {"libm.so.6", "libc.so.6", "libsvm.so.3"}
    needed = {name for name in needed if not name.startswith(("librocksdb.so", "libzstd.so", "libxxhash.so"))}
    needed = {name for name in needed if not name.startswith("ld-linux")}
    assert not needed, f"the library needs {needed}"


@shows("a C11 program links every function, shared")
def c_shared():
    link_all("cc", "c", "c11", False)


@shows("a C11 program links every function, static")
def c_static():
    link_all("cc", "c", "c11", True)


@shows("a C++11 program links every function, shared")
def cpp_shared():
    link_all("c++", "c++", "c++11", False)


@shows("a moved installation still works")
def moved():
    global prefix, library_folder
    new = prefix + "-moved"
    library_folder = library_folder.replace(prefix, new)
    os.environ["PKG_CONFIG_PATH"] = os.environ["PKG_CONFIG_PATH"].replace(prefix, new)
    os.rename(prefix, new)
    prefix = new
    link_all("cc", "c", "c11", False)


for example in sorted(glob.glob(f"{SOURCE}/examples/*.c")):
    @shows(f"{os.path.relpath(example, SOURCE)} builds and runs")
    def example_runs():
        program = f"{prefix}/{os.path.basename(example)[:-2]}"
        run("cc", "-std=c11", *STRICT, *flags("--cflags"), example, "-o", program, *flags("--libs"), "-lm")
        run(program, cwd=SOURCE, env={**os.environ, "LD_LIBRARY_PATH": library_folder}, timeout=60)

shutil.rmtree(prefix, ignore_errors=True)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
