"""River's GaussianScorer, an online detector of one series, on a real series: tier0.py SERIES.csv

Prints one line: version, CPU nanoseconds a sample (score, then learn). One thread; one series, so all is in the cache.
"""
import csv
import statistics
import sys
import time

import river
from river import anomaly

REPEATS = 5
ROWS_BEFORE = 400
ROWS = 3000

with open(sys.argv[1], newline="") as file:
    values = [float(row[1]) for row in list(csv.reader(file))[1:]]
ns = []
for _ in range(REPEATS):
    scorer = anomaly.GaussianScorer(window_size=250)
    for value in values[:ROWS_BEFORE]:
        scorer.score_one(None, value)
        scorer.learn_one(None, value)
    begin = time.process_time_ns()
    for value in values[ROWS_BEFORE:ROWS_BEFORE + ROWS]:
        scorer.score_one(None, value)
        scorer.learn_one(None, value)
    ns.append((time.process_time_ns() - begin) / ROWS)
print(river.__version__, statistics.median(ns))
