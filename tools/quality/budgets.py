#!/usr/bin/env python3
"""
What an alarm budget buys: events found and false incidents a day when the cut is chosen on other entities.

  budgets.py --data DATASET_DIR --scores SCORE_DIR [--column adjusted] [--budgets .25,1]

SCORE_DIR holds <id>.csv for each series of the manifest, a row each for the rows that are scored. The column is the
adjusted level A, or the product's event score e = A / (A + c), named "event", which is turned back into A / c; a cut is
in these units then. An event score knows of a running incident only how it began, so cuts stricter than the one it
was made with see less of it than A does.

Decision at a cut: on at A >= cut, off after 10 rows in a row below .7 cut; alarms that up to GAP quiet rows part are one
incident, which is false when no event touches it. For each entity: of all cuts, from the greatest on, the least before
the false incidents of all other entities together exceed the budget; used on the entity itself. Recall, false
incidents a day and the worst entity's are those of the entities left out.
"""
import argparse
import bisect
import json
import math
import pathlib
import types

import dataset

OFF_SHARE = 0.7
OFF_ROWS = 10
N_CUTS = 400


def read_levels(path, column):
    header, rows = dataset.read_table(path, ",")
    if column not in header:
        raise SystemExit(f"{path}: there is no column \"{column}\"; there are {', '.join(header)}")
    at = header.index(column)
    values = [float(row[at] or "nan") for row in rows]
    if column == "event":
        values = [value / (1.0 - value) if value < 1.0 else math.inf for value in values]
    return [value if value == value else 0.0 for value in values]


def events_of(labels):
    """(first, last) of every run of labelled rows."""
    found = []
    for at, label in enumerate(labels):
        if label and (at == 0 or not labels[at - 1]):
            found.append((at, at))
        elif label:
            found[-1] = (found[-1][0], at)
    return found


def read_entities(data, scores, column):
    manifest = next(one for one in dataset.read_sets(pathlib.Path(data).parent) if one["root"].name == pathlib.Path(data).name)
    entities = []
    for series in manifest["series"]:
        header, rows = dataset.read_table(manifest["root"] / (series.get("test") or series["series"]),
                                          manifest.get("separator", ","))
        at = header.index(manifest["label_column"])
        levels = read_levels(pathlib.Path(scores) / f"{series['id']}.csv", column)
        labels = [float(row[at]) > 0 for row in rows][-len(levels):]
        step = series.get("step_seconds", manifest.get("step_seconds"))
        if not step:
            raise SystemExit(f"{data}: its rows have no step, so there are no days")
        entities.append(types.SimpleNamespace(id=series["id"], levels=levels, events=events_of(labels),
                                              days=len(levels) * step / 86400.0))
    return entities


def alarms_at(levels, cut):
    """(first, last) of every alarm."""
    found, last, is_on = [], -OFF_ROWS - 1, False
    for at, level in enumerate(levels):
        if level < OFF_SHARE * cut:
            continue
        is_on = is_on and at - last <= OFF_ROWS
        last = at
        if level >= cut and not is_on:
            found.append([at, at])
            is_on = True
        if is_on:
            found[-1][1] = min(at + OFF_ROWS - 1, len(levels) - 1)
    return found


def count_at(entity, cut, gap):
    """(events found, false incidents)"""
    alarms, incidents = alarms_at(entity.levels, cut), []
    starts = [first for first, _ in alarms]
    n_found = 0
    for first, last in entity.events:
        at = bisect.bisect_right(starts, last) - 1
        n_found += at >= 0 and alarms[at][1] >= first
    for first, last in alarms:
        if incidents and first - incidents[-1][1] - 1 <= gap:
            incidents[-1][1] = last
        else:
            incidents.append([first, last])
    n_false = sum(not any(a <= last and b >= first for a, b in entity.events) for first, last in incidents)
    return n_found, n_false


def cuts_of(entities):
    """Evenly spread over the logarithm, from the greatest level down to the median of those above 0."""
    levels = sorted(level for entity in entities for level in entity.levels if 0.0 < level < math.inf)
    least, most = levels[len(levels) // 2], levels[-1] * 1.001
    return [most * (least / most) ** (i / (N_CUTS - 1)) for i in range(N_CUTS)]


def leave_one_out(entities, counts, budget):
    n_found = n_false = 0
    worst = 0.0
    for left_out, entity in enumerate(entities):
        others = [i for i in range(len(entities)) if i != left_out]
        days = sum(entities[i].days for i in others)
        at = 0
        while at + 1 < N_CUTS and sum(counts[i][at + 1][1] for i in others) <= budget * days:
            at += 1
        n_found += counts[left_out][at][0]
        n_false += counts[left_out][at][1]
        worst = max(worst, counts[left_out][at][1] / entity.days)
    return {"budget": budget, "recall": n_found / sum(len(entity.events) for entity in entities),
            "false_incidents_per_day": n_false / sum(entity.days for entity in entities), "worst_entity": worst}


def judge_folder(data, scores, column="adjusted", budgets=(0.25, 1.0), gap=50):
    """What each budget buys, one entity left out at a time."""
    entities = read_entities(data, scores, column)
    cuts = cuts_of(entities)
    counts = [[count_at(entity, cut, gap) for cut in cuts] for entity in entities]
    return [leave_one_out(entities, counts, budget) for budget in budgets]


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--data", required=True, help="data set folder with manifest.json")
    parser.add_argument("--scores", required=True, help="folder of <id>.csv")
    parser.add_argument("--column", default="adjusted", help="adjusted (the default) or event")
    parser.add_argument("--budgets", default=".25,1", help="false incidents an entity and day")
    parser.add_argument("--gap", type=int, default=50, help="quiet rows that do not end an incident")
    options = parser.parse_args()
    budgets = [float(one) for one in options.budgets.split(",")]
    print(json.dumps(judge_folder(options.data, options.scores, options.column, budgets, options.gap), indent=1))


if __name__ == "__main__":
    main()
