"""Checks the golden files against the models of Google's own SDK: pip install google-genai; python check.py

Every body must be one that the SDK knows member by member, every answer one that it reads without anything left over.
"""

import json
import pathlib

from google.genai import types

REQUEST = {
    "systemInstruction": types.Content,
    "contents": list[types.Content],
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "safetySettings": list[types.SafetySetting],
    "serviceTier": types.ServiceTier,
    "labels": dict[str, str],
}


def same(sent, read, path):
    """What the SDK has read is what was sent, but for spellings of the same: base64, numbers, case of enumerations."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            assert name in read, f"{path}.{name} is lost"
            same(value, read[name], f"{path}.{name}")
    elif isinstance(sent, list):
        assert len(sent) == len(read), path
        for index, value in enumerate(sent):
            same(value, read[index], f"{path}[{index}]")
    elif isinstance(sent, str):
        spelled = lambda text: text.lower().replace("-", "+").replace("_", "/").rstrip("=")
        assert spelled(sent) == spelled(str(read)), f"{path}: {sent} != {read}"
    else:
        assert sent == read, f"{path}: {sent} != {read}"


def check(kind, value, path):
    import pydantic

    adapter = pydantic.TypeAdapter(kind)
    read = json.loads(adapter.dump_json(adapter.validate_python(value), by_alias=True, exclude_none=True))
    same(value, read, path)


for file in sorted(pathlib.Path(__file__).parent.glob("request-*.json")):
    body = json.loads(file.read_text())["body"]
    for name, value in body.items():
        check(REQUEST[name], value, f"{file.name}: {name}")
    print("ok", file.name)

for file in sorted(pathlib.Path(__file__).parent.glob("answer-*.json")):
    golden = json.loads(file.read_text())
    for value in [golden["whole"], *golden["events"]]:
        value.pop("newField", None)
        for candidate in value.get("candidates", []):
            candidate.get("content", {}).pop("new", None)
        types.GenerateContentResponse.model_validate(value)
        types.GenerateContentResponse._from_response(response=value, kwargs={})
    print("ok", file.name)
