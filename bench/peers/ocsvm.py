"""scikit-learn's One-Class SVM on the files that bench_ocsvm uses: ocsvm.py TRAIN.csv TEST.csv NU COLUMNS

Prints one line: version, support vectors, and CPU time of a fit in ms, of a vector one at a time and of one in batches of
1,024 in microseconds. One thread.
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
from sklearn.svm import OneClassSVM

REPEATS = 7


def table(path, n_columns):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        columns = [i for i, name in enumerate(next(rows)) if name != "label"][:n_columns]
        return numpy.array([[float(row[i]) for i in columns] for row in rows], dtype=numpy.float32).astype(float)


def median_s(work, n_calls):
    work()
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        for _ in range(n_calls):
            work()
        seconds.append((time.process_time() - begin) / n_calls)
    return statistics.median(seconds)


n_columns = int(sys.argv[4])
train, test = table(sys.argv[1], n_columns), table(sys.argv[2], n_columns)
machine = OneClassSVM(kernel="rbf", nu=float(sys.argv[3]), gamma="scale").fit(train)
fit_s = median_s(lambda: OneClassSVM(kernel="rbf", nu=float(sys.argv[3]), gamma="scale").fit(train), 5)
singles = [test[i : i + 1] for i in range(0, len(test), 4)]
row_s = median_s(lambda: [machine.score_samples(row) for row in singles], 1) / len(singles)
batch_s = median_s(lambda: machine.score_samples(test[:1024]), 20) / 1024
print(sklearn.__version__, len(machine.support_), fit_s * 1e3, row_s * 1e6, batch_s * 1e6)
