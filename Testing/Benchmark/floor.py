"""The least time that the networks' arithmetic takes on this processor: floor.py MODEL... prints figures as JSON.

Multiply-adds are counted from the convolutions of the TFLite file; the processor's speed is that of NumPy's product of
two float32 matrices on one core. int8 kernels may be faster than that where the processor has instructions for them.
"""

from __future__ import annotations

import json
import math
import sys
import time

import numpy as np
from LiverTumorLib.models.catalogue import get_bundle

SIZE, ROUNDS = 1024, 5


def multiply_adds(content: bytes) -> int:
    """Multiply-adds of the convolutions and dense layers of a TFLite network, for one slice."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    total = 0
    for op in interpreter._get_ops_details():
        kernel, output = (shapes.get(op["inputs"][1]) if len(op["inputs"]) > 1 else None), shapes.get(op["outputs"][0])
        if op["op_name"] == "CONV_2D":
            total += math.prod(output) * math.prod(kernel[1:])
        elif op["op_name"] == "DEPTHWISE_CONV_2D":
            total += math.prod(output) * math.prod(kernel[1:3])
        elif op["op_name"] == "FULLY_CONNECTED":
            total += math.prod(output) * int(kernel[-1])
    return int(total)


def matrix_speed() -> float:
    """Multiply-adds a second of a float32 matrix product, the best of some."""
    one = np.random.default_rng(1).random((SIZE, SIZE), np.float32)
    best = math.inf
    for _ in range(ROUNDS):
        begin = time.process_time()
        one @ one
        best = min(best, time.process_time() - begin)
    return SIZE**3 / best


if __name__ == "__main__":
    speed = matrix_speed()
    counts = {model: multiply_adds(get_bundle(model).model.read_bytes()) for model in sys.argv[1:]}
    print(json.dumps({"multiply_adds_per_s": speed, "multiply_adds": counts}))
