"""scikit-learn fits what bench_train fits: train.py ROWS GAMMA FILE.csv ...

The first ROWS rows of the files together: Isolation Forest (100 trees of 256), Local Outlier Factor (20 neighbours,
novelty), One-Class SVM (nu .05). Over two threads in the two ways there are, one model after the other with n_jobs=2,
or the three side by side; the faster one counts. Prints one line: version and wall milliseconds.
"""
import csv
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import numpy
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

REPEATS = 7


def table(path):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        columns = [i for i, name in enumerate(next(rows)) if name != "label"]
        return numpy.array([[float(row[i]) for i in columns] for row in rows], dtype=numpy.float32)


def best_s(work):
    work()
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def models(n_jobs):
    return [
        OneClassSVM(kernel="rbf", nu=0.05, gamma=float(sys.argv[2])),
        IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=n_jobs),
        LocalOutlierFactor(n_neighbors=20, novelty=True, n_jobs=n_jobs),
    ]


def one_by_one():
    return [model.fit(rows) for model in models(2)]


def side_by_side():
    return list(pool.map(lambda model: model.fit(rows), models(1)))


rows = numpy.concatenate([table(path) for path in sys.argv[3:]])[: int(sys.argv[1])]
pool = ThreadPoolExecutor(2)
seconds = min(best_s(one_by_one), best_s(side_by_side))
print(sklearn.__version__, seconds * 1e3)
