"""Runs the evaluator, a program of its own, over folders of scores."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

GAP = "50"  # Quiet rows that do not end an alarm episode.


def halves(manifest):
    """Ids of the second, fourth ... series of every folder by name (half A), and of the others (half B)."""
    result = ([], [])
    seen = {}
    for one in sorted(series["id"] for series in manifest["series"]):
        folder = os.path.dirname(one)
        seen[folder] = seen.get(folder, 0) + 1
        result[seen[folder] % 2].append(one)
    return result


def _part(manifest, ids, folder):
    """A data folder with some series of a set; its files are links."""
    part = pathlib.Path(folder) / manifest["name"]
    part.mkdir()
    for entry in manifest["root"].iterdir():
        if entry.name != "manifest.json":
            (part / entry.name).symlink_to(entry.resolve())
    kept = {key: value for key, value in manifest.items() if key != "root"}
    kept["series"] = [series for series in manifest["series"] if series["id"] in ids]
    (part / "manifest.json").write_text(json.dumps(kept))
    return part


def judge(evaluator, manifest, scores, options=(), ids=None):
    """What the evaluator says of one set: its figures, with "nab_score" and "nab_score_as_operated" where it has them."""
    with tempfile.TemporaryDirectory() as folder:
        root = manifest["root"] if ids is None else _part(manifest, set(ids), folder)
        answer = pathlib.Path(folder) / "answer.json"
        command = [sys.executable, evaluator, "--data", root, "--scores", scores, "--json", answer, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")
        said = json.loads(answer.read_text())
    figures = next((value for key, value in said.items() if key.startswith(manifest["name"] + "/")), {})
    return {**figures, **{key: value for key, value in said.items() if key.startswith("nab_score")}}
