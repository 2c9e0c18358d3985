"""
Copies of a labelled series that a detector should not care about: how much does a figure owe to where a file happens
to start, or to its noise?

A copy's scores are laid over the rows of the original, so that it is judged by the same labels: rows in front are cut
off again, and rows that were left out score 0 (all of them in the probation, which is not judged).
"""
import datetime
import math
import random
import types

NOISE = 0.03  # Of the series' standard deviation.


def probation(n_rows, manifest):
    return min(int(manifest["probation_fraction"] * n_rows), manifest["probation_cap_rows"])


def start_later(share):
    def copy(table, columns, n_probation):
        n = int(share * n_probation)
        return table.rows[n:], -n
    return copy


def reversed_in_front(share):
    """The first rows backwards in time before the first, which they lead up to."""
    def copy(table, columns, n_probation):
        begin = datetime.datetime.fromisoformat(table.rows[0][columns.time])
        front = []
        for at, row in enumerate(table.rows[1:1 + int(share * n_probation)]):
            earlier = list(row)
            earlier[columns.time] = str(begin - datetime.timedelta(seconds=(at + 1) * table.step_seconds))
            front.append(earlier)
        return front[::-1] + table.rows, len(front)
    return copy


def _with_values(table, columns, change):
    rows = [list(row) for row in table.rows]
    for row in rows:
        row[columns.value] = repr(change(float(row[columns.value])))
    return rows


def noise(seed):
    def copy(table, columns, n_probation):
        values = [float(row[columns.value]) for row in table.rows]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        stream = random.Random(seed)
        return _with_values(table, columns, lambda value: value + stream.gauss(0.0, NOISE * deviation)), 0
    return copy


def square_root(table, columns, n_probation):
    return _with_values(table, columns, lambda value: math.copysign(math.sqrt(abs(value)), value)), 0


COPIES = {
    **{f"start {round(100 * share)} % of the probation later": start_later(share) for share in (0.1, 0.2, 0.3, 0.4, 0.5)},
    **{f"{round(100 * share)} % of the probation reversed in front": reversed_in_front(share) for share in (0.5, 1.0)},
    "3 % noise, seed 1": noise(1),
    "3 % noise, seed 2": noise(2),
    "square root of the values": square_root,
}


def make(name, table, manifest, series):
    """The copy of that name, with the number of rows it has in front (below 0: lacks)."""
    columns = types.SimpleNamespace(
        time=table.header.index(series.get("time_column", manifest.get("time_column"))),
        value=table.header.index(series.get("value_columns", manifest.get("value_columns"))[0]))
    rows, n_front = COPIES[name](table, columns, probation(len(table.rows), manifest))
    return types.SimpleNamespace(**{**vars(table), "rows": rows}), n_front


def lay_over(values, n_front):
    """What was told of a copy's rows, for the rows of the original."""
    return values[n_front:] if n_front >= 0 else ["0"] * -n_front + values
