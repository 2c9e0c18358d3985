#!/usr/bin/env python3
"""
Do the metrics at fault head the list? Shares of each metric against labelled explanations of events.

  attribution.py --data DATASET_DIR --shares SHARE_DIR

DATASET_DIR/interpretation/<id>.txt has a line "first-last:metric,metric,..." for each event: rows of the part that is
scored, from 0, and metrics, counted from 1, that explain it. SHARE_DIR holds <id>.csv: a header, and for each row
that is scored the share of every metric, in the order of the data's columns; or, with the header
"surprise,first,second,third", how large all shares are together and which metrics, from 0, have the largest.

The shares are read where they are greatest in sum within the event. hit_1: the largest share is a true metric's;
hit_3: a true one is among the three largest; hit_rate_100: of as many largest as there are true ones, this part is true.
Means over the events. by_chance says what a list in random order would reach.
"""
import argparse
import json
import math
import pathlib

import dataset


def read_events(path):
    """(first row, last row, set of columns from 0) of every event."""
    for line in path.read_text(encoding="utf-8").split():
        rows, metrics = line.split(":")
        first, last = rows.split("-")
        yield int(first), int(last), {int(metric) - 1 for metric in metrics.split(",")}


def judge_event(shares, first, last, true):
    peak = max(range(first, min(last + 1, len(shares))), key=lambda row: sum(shares[row]))
    order = sorted(range(len(shares[peak])), key=lambda column: (-shares[peak][column], column))
    n, n_false = len(order), len(order) - len(true)
    return {"hit_1": order[0] in true, "hit_3": any(column in true for column in order[:3]),
            "hit_rate_100": sum(column in true for column in order[:len(true)]) / len(true),
            "hit_1_by_chance": len(true) / n, "hit_3_by_chance": 1.0 - math.comb(n_false, 3) / math.comb(n, 3)}


def judge_blamed(rows, first, last, true):
    """The same of rows that name only the metrics blamed most."""
    peak = max(rows[first:last + 1], key=lambda row: row[0])
    blamed = [int(metric) for metric in peak[1:]]
    return {"hit_1": blamed[0] in true, "hit_3": any(metric in true for metric in blamed)}


def judge_folder(data, folder):
    """Means over all events that have an explanation; nothing where no event has."""
    judged = []
    for path in sorted(pathlib.Path(data, "interpretation").glob("*.txt")):
        header, rows = dataset.read_table(pathlib.Path(folder) / f"{path.stem}.csv", ",")
        shares = [[float(value) for value in row] for row in rows]
        judge_one = judge_blamed if header[0] == "surprise" else judge_event
        judged += [judge_one(shares, *event) for event in read_events(path) if event[0] < len(shares)]
    return {"events": len(judged), **{key: sum(one[key] for one in judged) / len(judged) for key in judged[0]}} if judged else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--data", required=True, help="data set folder with the folder interpretation")
    parser.add_argument("--shares", required=True, help="folder of <id>.csv")
    options = parser.parse_args()
    said = judge_folder(options.data, options.shares)
    if not said:
        raise SystemExit(f"{options.data}: no event has an explanation")
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
