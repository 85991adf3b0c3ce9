"""Checks the golden files against the models of Cohere's own SDK: pip install cohere; python check.py

Every body must be one that the SDK could have sent, every answer one that it reads with each part in its place.
"""

import inspect
import json
import pathlib

import pydantic
from cohere.types import ChatMessageV2, ResponseFormatV2, Thinking, ToolV2
from cohere.v2.raw_client import RawV2Client
from cohere.v2.types.v2chat_response import V2ChatResponse
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse
from cohere.core.unchecked_base_model import construct_type

PARAMETERS = set(inspect.signature(RawV2Client.chat).parameters) | {"stream"}
KINDS = {
    "messages": list[ChatMessageV2],
    "tools": list[ToolV2],
    "response_format": ResponseFormatV2,
    "thinking": Thinking,
}


def left_over(value, path=""):
    """Members that a model of the SDK has kept without knowing them."""
    if isinstance(value, pydantic.BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}.{name}"
        for name in type(value).model_fields:
            yield from left_over(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from left_over(element, f"{path}[{index}]")


def check(kind, value, path, strict=True):
    read = construct_type(type_=kind, object_=value)
    if strict:
        pydantic.TypeAdapter(kind).validate_python(value)
    found = [name for name in left_over(read) if not name.endswith(".new")]
    assert not found, f"{path}: {found}"
    return read


for file in sorted(pathlib.Path(__file__).parent.glob("request-*.json")):
    body = json.loads(file.read_text())["body"]
    assert set(body) <= PARAMETERS, set(body) - PARAMETERS
    for name, kind in KINDS.items():
        if name in body:
            check(kind, body[name], f"{file.name}: {name}")
    print("ok", file.name)

for file in sorted(pathlib.Path(__file__).parent.glob("answer-*.json")):
    golden = json.loads(file.read_text())
    check(V2ChatResponse, golden["whole"], file.name)
    for event in golden["events"]:
        # What a message begins with is documented more fully than the SDK's model of it.
        if event["type"] not in ("newer-than-we-are", "message-start"):
            check(V2ChatStreamResponse, event, f"{file.name}: {event['type']}", strict=False)
    print("ok", file.name)
