"""scikit-learn's Isolation Forest on the files that bench_iforest uses: iforest.py TRAIN.csv TEST.csv

Prints one line: version, CPU microseconds a vector one at a time, and in batches of 1,024. One thread.
"""
import csv
import os
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy
import sklearn
from sklearn.ensemble import IsolationForest

REPEATS = 7


def table(path):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        columns = [i for i, name in enumerate(next(rows)) if name != "label"]
        return numpy.array([[float(row[i]) for i in columns] for row in rows], dtype=numpy.float32)


def median_s(work, n_calls):
    work()
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        for _ in range(n_calls):
            work()
        seconds.append((time.process_time() - begin) / n_calls)
    return statistics.median(seconds)


train, test = table(sys.argv[1]), table(sys.argv[2])
forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=1).fit(train)
singles = [test[i : i + 1] for i in range(0, len(test), 32)]
row_s = median_s(lambda: [forest.score_samples(row) for row in singles], 1) / len(singles)
batch_s = median_s(lambda: forest.score_samples(test[:1024]), 10) / 1024
print(sklearn.__version__, row_s * 1e6, batch_s * 1e6)
