"""Distances of an autoencoder, from its documented bytes and formula alone, in double precision.

    python3 reference.py <model file> <rows.csv> > expected.csv

A row of the file is one of the model's input; an empty cell is a missing value. See why.md.
"""
import math
import struct
import sys


def layer(data, at, n_in, n_out):
    rows = [struct.unpack_from("<%df" % n_out, data, at + 4 * n_out * i) for i in range(1 + n_in)]
    return rows[0], rows[1:], at + 4 * n_out * (1 + n_in)


def dense(bias, weights, x):
    return [b + sum(v * w[o] for v, w in zip(x, weights)) for o, b in enumerate(bias)]


def main():
    data = open(sys.argv[1], "rb").read()
    version, n_dims, n_hidden, n_code = struct.unpack_from("<HIII", data)
    assert version == 1
    sizes, at, layers = [n_dims, n_hidden, n_code, n_hidden, n_dims], 14, []
    for n_in, n_out in zip(sizes, sizes[1:]):
        bias, weights, at = layer(data, at, n_in, n_out)
        layers.append((bias, weights))
    gains = struct.unpack_from("<%df" % n_dims, data, at)
    assert at + 4 * n_dims == len(data)
    print("distance")
    for line in open(sys.argv[2]).read().split("\n")[1:-1]:
        row = [float(cell) if cell else None for cell in line.split(",")]
        x = [0.0 if v is None else max(-1000.0, min(1000.0, v)) for v in row]
        y = x
        for k, (bias, weights) in enumerate(layers):
            y = dense(bias, weights, y)
            y = [math.tanh(v) for v in y] if k < 3 else y
        squares = [((a - b) * g) ** 2 for a, b, g, v in zip(x, y, gains, row) if v is not None]
        print("%.9g" % math.sqrt(sum(squares)) if squares else "nan")


main()
