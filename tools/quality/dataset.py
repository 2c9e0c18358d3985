"""The sets under DATA: their manifests, and their series as files that hold no labels."""
import csv
import gzip
import io
import json
import pathlib
import types

LABEL_KEYS = ("label_column", "changepoint_column")


def read_sets(data):
    """Every set under DATA, by name: its manifest, and its folder under "root"."""
    manifests = sorted(pathlib.Path(data).glob("*/manifest.json"))
    return [{**json.loads(path.read_text()), "root": path.parent} for path in manifests]


def read_table(path, separator):
    """Returns (header, rows) of a CSV file, gzip compressed or not; empty lines are passed over, as by the evaluator."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    return [name.strip() for name in rows[0]], rows[1:]


def without_labels(manifest, header, rows):
    """Drops the columns that the manifest calls labels."""
    labels = {manifest[key] for key in LABEL_KEYS if key in manifest}
    kept = [at for at, name in enumerate(header) if name not in labels]
    if len(kept) == len(header):
        return header, rows
    return [header[at] for at in kept], [[row[at] for at in kept] for row in rows]


def read_series(manifest, series):
    """
    One series as it will be replayed: header, rows, and how many rows at the end are to be scored.

    A training part comes before the part to be scored, as one stream.
    """
    separator = manifest.get("separator", ",")
    parts = [series[key] for key in ("train", "test", "series", "data") if key in series]
    rows, header, n_scored = [], None, 0
    for part in parts:
        names, more = without_labels(manifest, *read_table(manifest["root"] / part, separator))
        if header is not None and names != header:
            raise ValueError(f"{part}: its columns are not those of the part before")
        header, n_scored = names, len(more)
        rows += more
    if len(parts) == 1 and series.get("dims", 1) > 1:
        n_scored -= series.get("train_rows", manifest.get("train_rows", 0))
    return types.SimpleNamespace(header=header, rows=rows, n_scored=n_scored, separator=separator,
                                 step_seconds=series.get("step_seconds", manifest.get("step_seconds")))


def split(table):
    """A table as two: the rows before those to be scored, and those."""
    first = len(table.rows) - table.n_scored
    parts = [types.SimpleNamespace(**vars(table)), types.SimpleNamespace(**vars(table))]
    parts[0].rows, parts[1].rows = table.rows[:first], table.rows[first:]
    return parts


def write_series(table, path):
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=table.separator, lineterminator="\n")
        writer.writerow(table.header)
        writer.writerows(table.rows)
