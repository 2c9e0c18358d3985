#!/usr/bin/env python3
"""Holds ONNX files to the format's own definition: onnx.checker with shape inference, opset 18, IR version 8, no other domain.

usage: onnx_check.py FILE...     needs the Python package onnx, 1.13 or later
"""
import sys

import onnx


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    assert opsets == {"": 18, "ai.onnx.ml": 3} and model.ir_version == 8, (path, opsets, model.ir_version)
    used = {node.domain for node in model.graph.node}
    assert used <= {"", "ai.onnx.ml"}, (path, used)
    operators = sorted({node.op_type for node in model.graph.node})
    print(f"{path}: {len(model.graph.node)} nodes: {' '.join(operators)}")


for file in sys.argv[1:]:
    check(file)
