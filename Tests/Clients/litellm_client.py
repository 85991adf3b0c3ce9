"""LiteLLM as a client of the runtime; a program because its environment has no test tools."""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

from runtime import Mock, Runtime  # noqa: E402
from wire import MODELS, WEATHER, WORDS, settings  # noqa: E402

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


def check(mock, provider):
    runtime = Runtime(mock.url, *settings(provider, mock.url))
    try:
        for prefix, base in (("openai/", f"{runtime.url}/v1"), ("anthropic/", runtime.url)):
            common = {"model": prefix + MODELS[provider], "api_base": base, "api_key": "none", "num_retries": 0}
            answer = litellm.completion(messages=HELLO, **common)
            assert answer.choices[0].message.content == WORDS, answer
            assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens == 16, answer
            chunks = list(litellm.completion(messages=HELLO, stream=True, **common))
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == WORDS
            call, = litellm.completion(
                messages=[{"role": "user", "content": "for 'Oslo' in 3 days"}], tools=TOOLS, tool_choice="required",
                **common).choices[0].message.tool_calls
            assert json.loads(call.function.arguments) == {"city": "Oslo", "days": 3}
            mock.behave(status=429)
            try:
                litellm.completion(messages=HELLO, max_retries=0, **common)
                raise AssertionError("a limit is an error")
            except litellm.RateLimitError:
                pass
            mock.behave()
    finally:
        runtime.kill()


if __name__ == "__main__":
    program = Mock()
    try:
        for name in MODELS:
            check(program, name)
            print(name, "ok", flush=True)
    finally:
        program.kill()
