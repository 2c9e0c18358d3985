"""The shap package on a forest of ours: treeshap.py MODEL ROWS.csv VALUES.csv

MODEL is what the class iforest saves (src/model/iforest_saved.c). Writes one line a row of ROWS to VALUES: the value it
expects, then each column's Shapley value of the mean path length. Prints one line: version, and CPU microseconds a row,
one row at a time. One thread.
"""
import csv
import os
import statistics
import struct
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy
import shap

LEAF, SIGN = 0xFFFF, 0x8000
REPEATS = 7


def table(path):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        columns = [i for i, name in enumerate(next(rows)) if name != "label"]
        return numpy.array([[float(row[i] or "nan") for i in columns] for row in rows], dtype=numpy.float32)


def path_mean(n):
    return 2 * sum(1 / i for i in range(1, n)) - 2 * (n - 1) / n if n > 1 else 0.0


class Forest:
    """The saved bytes as the trees that shap takes: x <= threshold goes to the left, NaN to the default child."""

    def __init__(self, data):
        version, _, n_trees, _ = struct.unpack_from("<HIII", data)
        assert version == 1, "only forests of plain cuts"
        self.data, self.at = data, 14
        self.trees = [self.tree() for _ in range(n_trees)]

    def read(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def tree(self):
        self.nodes = []
        self.node(0)
        left, right, default, features, thresholds, values, weights = zip(*self.nodes)
        return {
            "children_left": numpy.array(left),
            "children_right": numpy.array(right),
            "children_default": numpy.array(default),
            "features": numpy.array(features),
            "thresholds": numpy.array(thresholds, dtype=numpy.float64),
            "values": numpy.array(values, dtype=numpy.float64).reshape(-1, 1),
            "node_sample_weight": numpy.array(weights, dtype=numpy.float64),
        }

    def node(self, depth):
        """Appends a node and all below it; returns its index and its training rows."""
        index, head = len(self.nodes), self.read("<H")
        self.nodes.append(None)
        if head == LEAF:
            n_rows = self.read("<H")
            value = float(numpy.float32(depth + path_mean(n_rows)))
            self.nodes[index] = (-1, -1, -1, -2, -2.0, value, n_rows)
            return index, n_rows
        threshold = numpy.float32(self.read("<f"))
        first, n_first = self.node(depth + 1)
        second, n_second = self.node(depth + 1)
        if head & SIGN:  # -x < threshold, the first side, is x > -threshold.
            sides = (second, first, second, head & ~SIGN, -threshold)
        else:  # x < threshold is x <= the float before it.
            sides = (first, second, second, head, numpy.nextafter(threshold, numpy.float32(-numpy.inf)))
        self.nodes[index] = (*sides, 0.0, n_first + n_second)
        return index, n_first + n_second


def main():
    with open(sys.argv[1], "rb") as file:
        trees = Forest(file.read()).trees
    for tree in trees:
        tree["values"] /= len(trees)
    rows = table(sys.argv[2])
    explainer = shap.TreeExplainer({"trees": trees})
    values = explainer.shap_values(rows, check_additivity=False)
    expected = float(numpy.ravel(explainer.expected_value)[0])
    with open(sys.argv[3], "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["expected", *(f"column{i}" for i in range(rows.shape[1]))])
        writer.writerows([expected, *row] for row in values.reshape(rows.shape).tolist())
    singles = [rows[i : i + 1] for i in range(len(rows))]
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        for row in singles:
            explainer.shap_values(row, check_additivity=False)
        seconds.append((time.process_time() - begin) / len(singles))
    print(shap.__version__, statistics.median(seconds) * 1e6)


main()
