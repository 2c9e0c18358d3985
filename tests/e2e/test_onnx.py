#!/usr/bin/env python3
"""An ONNX file as a member of an ensemble: trained with, kept in the model file, replayed from it; refused without ONNX Runtime."""
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

LAPWING = os.environ.get("LAPWING", "")
SOURCE = pathlib.Path(os.environ["LW_SOURCE"])
DATA = pathlib.Path(os.environ["LW_TEST_DATA"])
GRAPH = SOURCE / "tests/golden/onnx/autoencoder.onnx"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapwing/onnxruntime-1.28.0"
IGNORED = ",".join([f"m{column:02}" for column in range(11, 39)] + ["label"])  # The graph takes ten columns.
FOLDER = tempfile.TemporaryDirectory()
MODEL = pathlib.Path(FOLDER.name) / "model"


def run(*arguments, library, refused=False):
    environment = {name: value for name, value in os.environ.items() if name != "LAPWING_ONNXRUNTIME"}
    if library:
        environment["LAPWING_ONNXRUNTIME"] = library
    done = subprocess.run([LAPWING, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120,
                          env=environment)
    assert (done.returncode in (1, 2, 3)) if refused else done.returncode == 0, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def train(graph, **keywords):
    return run("train", "--models", "knn,onnx", "--tuning", f"onnx.path={graph},onnx.holes=keep", "--out", MODEL, "--ignore",
               IGNORED, "--as", "server", DATA / "smd/machine-1-6-train.csv", **keywords)


def replay(**keywords):
    return run("replay", "--model", MODEL, "--ignore", IGNORED, "--as", "server", DATA / "smd/machine-1-6-test.csv", **keywords)


def test_a_graph_is_trained_with_and_kept_in_the_model_file(library):
    copy = pathlib.Path(FOLDER.name) / "graph.onnx"
    copy.write_bytes(GRAPH.read_bytes())
    assert "onnx" in train(copy, library=library)
    copy.unlink()
    assert GRAPH.read_bytes() in MODEL.read_bytes(), "the file is self-contained"
    assert library.encode() not in MODEL.read_bytes(), "bytes name no code"
    assert "1,024 rows" in replay(library=library)


def test_without_the_library_it_says_so(library):
    train(GRAPH, library=library)
    nowhere = "/nowhere/libonnxruntime.so.1"
    for said in (replay(library=nowhere, refused=True), train(GRAPH, library=nowhere, refused=True)):
        assert nowhere in said and "LAPWING_ONNXRUNTIME" in said, said


def test_what_is_no_graph_is_refused(library):
    assert "no ONNX file" in train(DATA / "adbench/glass.csv", library=library, refused=True)
    assert "/nowhere/graph.onnx" in train("/nowhere/graph.onnx", library=library, refused=True)


def main():
    library = os.environ.get("LAPWING_ONNXRUNTIME") or str(CACHE / "libonnxruntime.so.1")
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    failed = 0
    if not os.path.exists(library) and (CACHE / "unreachable").exists():
        print(f"PASSED OVER: ONNX Runtime could not be fetched: {(CACHE / 'unreachable').read_text().strip()}")
        tests = tests[:0]
    elif not os.path.exists(library):
        print(f"there is no {library}: run tools/onnxruntime, which fetches it")
    for test in tests:
        try:
            test(library)
        except Exception:
            traceback.print_exc()
            print(f"FAILED: {test.__name__}")
            failed += 1
    print(f"{max(len(tests), 1) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
