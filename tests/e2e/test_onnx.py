#!/usr/bin/env python3
"""An ONNX file as a member of an ensemble: trained with, kept in the model file, replayed from it; refused without ONNX Runtime.
And models of ours out of a model file as ONNX, with what that loses."""
import os
import pathlib
import re
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


def train_ours():
    """A model file of what can be exported, and of what cannot."""
    run("train", "--models", "knn,autoencoder,autoencoder@residual,lstm,iforest", "--out", MODEL, "--ignore", IGNORED, "--as",
        "server", DATA / "smd/machine-1-6-train.csv", library=None)


def export(member, *options, **keywords):
    """(the graph, what was said)"""
    graph = pathlib.Path(FOLDER.name) / "member.onnx"
    graph.unlink(missing_ok=True)
    said = run("models", "export", MODEL, member, graph, *options, **keywords)
    return graph.read_bytes() if graph.exists() else None, said


def test_an_exported_model_loses_what_is_said(library):
    train_ours()
    rows = ("--rows", DATA / "smd/machine-1-6-test.csv")

    def loss(member, *form):
        graph, said = export(member, *form, *rows, library=library)
        found = re.search(r"loss over ([\d]+) rows: error of a score (\S+) % in the mean, (\S+) % at most; rank correlation (\S+)\n", said)
        assert graph and found, said
        return [float(figure) for figure in found.groups()]

    for member, n_rows in (("autoencoder@values", 1024), ("autoencoder@residual", 1024), ("lstm", 1023), ("iforest", 1024)):
        plain = loss(member)  # A sequence cannot tell of its first row.
        assert plain[0] == n_rows and plain[2] < 2e-3 and plain[3] == 1.0, (member, plain)
    for member in ("autoencoder@values", "lstm"):
        for form in (["--int8"], ["--prune", "0.1"]):
            lossy = loss(member, *form)
            assert 1e-3 < lossy[1] < 20 and lossy[1] < lossy[2] and 0.9 < lossy[3] <= 1.0, (member, form, lossy)
    assert loss("lstm", "--prune", "0.5")[1] > loss("lstm", "--prune", "0.1")[1]
    nowhere = "/nowhere/libonnxruntime.so.1"
    graph, said = export("lstm", *rows, library=nowhere, refused=True)
    assert graph is None and nowhere in said, said


def test_a_model_is_exported_without_the_library(library=None):
    train_ours()
    plain, said = export("lstm", library="/nowhere")
    assert plain[:2] == b"\x08\x08" and b"next_state" in plain and "not measured" in said, said  # IR version 8.
    small, said = export("lstm@values", "--int8", "--as", "server", library="/nowhere")
    assert len(small) < len(plain) and f"{len(small)} bytes ({len(plain)} as it is)" in said, said
    assert export("lstm", "--group", "0", library="/nowhere")[0] == plain
    rows = ("--rows", DATA / "adbench/glass.csv")
    for member, options, words in (("frobnicate", (), "autoencoder@values, autoencoder@residual, lstm@values"),
                                   ("autoencoder", (), "names 2 members"), ("knn", (), "autoencoder, iforest and lstm"),
                                   ("iforest", ("--int8",), "forest"), ("lstm", ("--group", "1"), "group 1"),
                                   ("lstm", ("--as", "other"), '"other"'), ("lstm", ("--prune", "1"), "less than 1"),
                                   ("lstm", ("--as", "server", "--group", "0"), "one of them"), ("lstm", rows, '"m01"'),
                                   ("lstm", ("--rows", "/nowhere/rows.csv"), "/nowhere/rows.csv"),
                                   ("lstm", ("--format", "json"), "no option")):
        graph, said = export(member, *options, library="/nowhere", refused=True)
        assert graph is None and words in said, (member, options, said)
    assert "too few" in run("models", "export", MODEL, "lstm", library=None, refused=True)


WITHOUT_LIBRARY = [test_a_model_is_exported_without_the_library]


def main():
    library = os.environ.get("LAPWING_ONNXRUNTIME") or str(CACHE / "libonnxruntime.so.1")
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    failed = 0
    if not os.path.exists(library) and (CACHE / "unreachable").exists():
        print(f"PASSED OVER: ONNX Runtime could not be fetched: {(CACHE / 'unreachable').read_text().strip()}")
        tests = WITHOUT_LIBRARY
    elif not os.path.exists(library):
        print(f"there is no {library}: run tools/onnxruntime, which fetches it")
    for test in tests:
        try:
            test(library)
        except Exception:
            traceback.print_exc()
            print(f"FAILED: {test.__name__}")
            failed += 1
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
