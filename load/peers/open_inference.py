"""What both Python servers share: flags, the session, and the protocol's JSON as far as the load test sends it."""

from argparse import ArgumentParser, Namespace

import numpy
import onnxruntime

TYPES = {"FP32": numpy.float32, "INT64": numpy.int64}


def read_flags() -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--model", required=True, help="path of an ONNX file")
    parser.add_argument("--path", required=True, help="where requests come in")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--threads", required=True, type=int)
    return parser.parse_args()


def open_session(model: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin would take the cores from the other servers and the generator.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def read_tensor(datatype: str, shape: list[int], data: list[float]) -> numpy.ndarray:
    return numpy.array(data, TYPES[datatype]).reshape(shape)


def describe_output(name: str, rows: numpy.ndarray) -> dict:
    output = {"name": name, "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    return {"outputs": [output]}
