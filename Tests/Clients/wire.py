"""What the tests of several clients share."""

import base64
import hashlib
import zlib

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
           "required": ["city", "days"]}
WORDS = " ".join((["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit"] * 2))
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
          "required": ["name", "age"], "additionalProperties": False}


def requests(program, last=None):
    """What the simulated provider received, the newest last."""
    return program.call("GET", "/mock/requests" + (f"?last={last}" if last else ""))[2]["requests"]


def fingerprint(key):
    return key[:4] + "…" + hashlib.sha256(key.encode()).hexdigest()[:12]


def _chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png():
    """One red pixel."""
    head = _chunk(b"IHDR", (1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + _chunk(b"IEND", b"")


PNG = base64.b64encode(png()).decode()


# Provider → a model of its own. `openai` is strict: it refuses what OpenAI does not know.
MODELS = {
    "openai": "gpt-mock",
    "azure": "gpt-mock",
    "anthropic": "claude-mock",
    "gemini": "gemini-2.5-mock",
    "vertex_ai": "gemini-2.5-mock",
    "bedrock": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-mock",
}
AWS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def settings(provider, url):
    """What puts a runtime in front of a simulated provider."""
    paths = {"openai": "/openai/v1", "gemini": "/v1beta", "vertex_ai": "/v1"}
    found = {"provider": provider, "url": url + paths.get(provider, ""), "breaker.consecutive_failures": 100000,
             "breaker.min_calls": 1000000}
    if provider == "bedrock":
        found |= {"aws_access_key": AWS[0], "aws_secret_key": AWS[1], "settings": "region=eu-west-1"}
    elif provider == "vertex_ai":
        found |= {"token": "provider-key", "settings": "project=p,location=europe-west4"}
    else:
        found["key"] = "provider-key"
    if provider == "azure":
        found["settings"] = "api_version=2024-10-21"
    return ["pools.default.retry.attempts=1", "pools.default.retry.max_throttles=0"] + [
        f"backends.default.{name}={value}" for name, value in found.items()]
