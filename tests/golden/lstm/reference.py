"""Distances of a recurrent forecaster, from its documented bytes and formula alone, in double precision.

    python3 reference.py <model file> <rows.csv> > expected.csv

The rows of the file are one run; an empty cell is a missing value. See why.md.
"""
import math
import struct
import sys


def layer(data, at, n_in, n_out):
    rows = [struct.unpack_from("<%df" % n_out, data, at + 4 * n_out * i) for i in range(1 + n_in)]
    return rows[0], rows[1:], at + 4 * n_out * (1 + n_in)


def dense(bias, weights, x):
    return [b + sum(v * w[o] for v, w in zip(x, weights)) for o, b in enumerate(bias)]


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def main():
    data = open(sys.argv[1], "rb").read()
    version, n_dims, n = struct.unpack_from("<HII", data)
    assert version == 1
    gate_bias, gate_weights, at = layer(data, 10, n_dims + n, 4 * n)
    step_bias, step_weights, at = layer(data, at, n, n_dims)
    gains = struct.unpack_from("<%df" % n_dims, data, at)
    assert at + 4 * n_dims == len(data)
    h, c, y, seen = [0.0] * n, [0.0] * n, [0.0] * n_dims, False
    print("distance")
    for line in open(sys.argv[2]).read().split("\n")[1:-1]:
        row = [float(cell) if cell else None for cell in line.split(",")]
        known = [v is not None for v in row]
        squares = [((v - p) * g) ** 2 for v, p, g in zip(row, y, gains) if v is not None]
        print("%.9g" % math.sqrt(sum(squares)) if seen and squares else "nan")
        if not seen and not any(known):
            continue
        x = [max(-8.0, min(8.0, p if v is None else v)) for v, p in zip(row, y)]
        gates = dense(gate_bias, gate_weights, x + h)
        for k in range(n):
            i, o, f = (sigmoid(gates[at * n + k]) for at in range(3))
            c[k] = f * c[k] + i * math.tanh(gates[3 * n + k])
            h[k] = o * math.tanh(c[k])
        y = [v + s for v, s in zip(x, dense(step_bias, step_weights, h))]
        seen = True


main()
