"""What Schemathesis cannot know from the API document, and one repair of the tool itself."""

import re
from functools import partial
from math import prod

import schemathesis
from schemathesis.specs.openapi.adapter import responses

# 4.32.5 turns the `prefixItems` of an answer's schema into an array of `items`, which its own validator refuses.
responses.to_json_schema = partial(responses.to_json_schema, convert_prefix_items=False)

TIMEOUT = "x-request-timeout-ms"
LENGTH = "Inference-Header-Content-Length"
FILLING = {"BYTES": "", "BOOL": False}


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    if re.fullmatch("[1-9][0-9]{0,8}", str(headers.get(TIMEOUT))):
        headers[TIMEOUT] = "30000"  # Too short a time is answered 504, rightly.
    if case.media_type != "application/octet-stream" and re.fullmatch("[0-9]+", str(headers.get(LENGTH))):
        del headers[LENGTH]  # It would say that the body is not the JSON that the document describes.
    if "models" in (case.operation.tags or []) and case.meta.generation.mode.is_positive:
        fit_inputs(case.body["inputs"])


def fit_inputs(inputs):
    """JSON Schema has no words for it: as many elements as the shape says, and the same number of rows in each input."""
    rows = min(int([*inputs[0]["shape"], 1][0]), 3)
    for tensor in inputs:
        tensor["shape"] = [rows, *map(int, tensor["shape"][1:])] if tensor["shape"] else []
        elements = tensor["data"] or [FILLING.get(tensor["datatype"], 0)]
        tensor["data"] = [elements[i % len(elements)] for i in range(prod(tensor["shape"]))]
