"""scikit-learn's Local Outlier Factor on the rows that bench_lof uses: lof.py TRAIN.csv TEST.csv

Core: the first 2,000 rows of both files; scored: 1,024 vectors halfway between rows of the second. Prints one line:
version, CPU microseconds a vector one at a time, in batches of 1,024, CPU milliseconds of a fit, and the mean LOF.
One thread.
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
from sklearn.neighbors import LocalOutlierFactor

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
core = numpy.concatenate([train, test])[:2000]
vectors = (test + numpy.roll(test, -1, axis=0)) / 2
model = LocalOutlierFactor(n_neighbors=20, novelty=True, n_jobs=1)
fit_s = median_s(lambda: model.fit(core), 1)
singles = [vectors[i : i + 1] for i in range(0, len(vectors), 32)]
row_s = median_s(lambda: [model.score_samples(row) for row in singles], 1) / len(singles)
batch_s = median_s(lambda: model.score_samples(vectors[:1024]), 5) / 1024
print(sklearn.__version__, row_s * 1e6, batch_s * 1e6, fit_s * 1e3, -model.score_samples(vectors[:1024]).mean())
