#!/usr/bin/env python3
"""Makes the references here, from the tables of this folder's neighbours: make.py ocsvm|ecod

`ocsvm` needs scikit-learn (made with 1.9.1), `ecod` needs pyod (made with 3.6.7). Values go in as floats, as Lapwing's do.
"""
import csv
import pathlib
import sys

import numpy

HERE = pathlib.Path(__file__).resolve().parent

# name, table fitted, table scored, nu, gamma
MACHINES = (
    ("ocsvm_smd", "smd/machine-1-6-train.csv", "smd/machine-1-6-test.csv", 0.05, "scale"),
    ("ocsvm_breastw", "adbench/breastw.csv", "adbench/breastw.csv", 0.05, "scale"),
    ("ocsvm_glass", "adbench/glass.csv", "adbench/glass.csv", 0.5, 0.1),
)
TABLES = (("ecod_smd", "smd/machine-1-6-train.csv"), ("ecod_breastw", "adbench/breastw.csv"),
          ("ecod_glass", "adbench/glass.csv"))


def table(path):
    with open(HERE.parent / path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        columns = [i for i, name in enumerate(next(rows)) if name != "label"]
        return numpy.array([[float(row[i]) for i in columns] for row in rows], dtype=numpy.float32).astype(float)


def write(name, header, columns):
    lines = [header] + [",".join(f"{value:.10g}" for value in row) for row in zip(*columns, strict=True)]
    (HERE / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_ocsvm():
    """The decision value of each row, K(x) - rho, and rho; the machine is trained to a far finer tolerance than usual."""
    from sklearn.svm import OneClassSVM
    for name, fitted, scored, nu, gamma in MACHINES:
        machine = OneClassSVM(kernel="rbf", nu=nu, gamma=gamma, tol=1e-7).fit(table(fitted))
        decisions = machine.decision_function(table(scored))
        write(name, "decision,rho", (decisions, numpy.full(len(decisions), machine.offset_[0])))
        print(name, len(machine.support_), "support vectors")


def make_ecod():
    """The score of each row of the table that was fitted."""
    from pyod.models.ecod import ECOD
    for name, fitted in TABLES:
        write(name, "score", (ECOD().fit(table(fitted)).decision_scores_,))


if __name__ == "__main__":
    {"ocsvm": make_ocsvm, "ecod": make_ecod}[sys.argv[1]]()
