"""Isolation Forest by isotree and by onnxruntime on the files that bench_iforest uses: iforest_batch.py PEER TRAIN TEST

PEER is isotree, or onnxruntime: scikit-learn's forest as skl2onnx exports it. Prints one line: version, CPU microseconds a
vector in batches of 1,024. One thread.
"""
import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Read before the library loads.

import csv
import importlib.metadata
import statistics
import time

import numpy

REPEATS = 7
BATCH = 1024


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


def isotree_work(train, batch):
    import isotree

    forest = isotree.IsolationForest(ndim=1, ntrees=100, sample_size=256, missing_action="fail", nthreads=1, random_seed=1)
    forest.fit(train.astype(numpy.float64))
    batch = numpy.asfortranarray(batch, dtype=numpy.float64)
    return importlib.metadata.version("isotree"), lambda: forest.predict(batch)


def onnxruntime_work(train, batch):
    import onnxruntime
    import skl2onnx
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=1).fit(train)
    graph = skl2onnx.to_onnx(forest, train[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: batch}
    return onnxruntime.__version__, lambda: session.run(["scores"], feed)


train, test = table(sys.argv[2]), table(sys.argv[3])
version, work = {"isotree": isotree_work, "onnxruntime": onnxruntime_work}[sys.argv[1]](train, test[:BATCH])
print(version, median_s(work, 5) / BATCH * 1e6)
