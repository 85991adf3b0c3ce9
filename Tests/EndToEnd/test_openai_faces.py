"""OpenAI's Responses and text completions in front of backends that know neither."""

import json

import openai
import pytest

TOOL = {"type": "function", "name": "weather", "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture(scope="module", params=["anthropic", "gemini", "cohere"])
def client(mock, request):
    from runtime import Runtime

    path = {"gemini": "/v1beta"}.get(request.param, "")
    program = Runtime(
        mock, f"backends.default.provider={request.param}", f"backends.default.url={mock.url}{path}",
        "backends.default.key=key")
    yield openai.OpenAI(base_url=f"{program.url}/v1", api_key="none", max_retries=0)
    program.stop()


def test_a_response(client):
    response = client.responses.create(model="mock-model", input="hello", instructions="Be brief.", metadata={"a": "b"})
    assert response.status == "completed" and response.output_text
    assert response.usage.output_tokens > 0 and response.usage.total_tokens > response.usage.output_tokens
    assert response.instructions == "Be brief." and response.metadata == {"a": "b"}


def test_a_stream_is_put_together(client):
    with client.responses.stream(model="mock-model", input="hello") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text and final.output_text == text
    assert final.usage.output_tokens > 0


def test_a_tool_is_called_and_answered(client):
    items = [{"role": "user", "content": "What is the weather?"}]
    first = client.responses.create(model="mock-model", input=items, tools=[TOOL], tool_choice="required")
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "weather" and isinstance(json.loads(call.arguments), dict)
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = client.responses.create(model="mock-model", input=items, tools=[TOOL])
    assert second.status == "completed"


def test_a_streamed_call(client):
    with client.responses.stream(
        model="mock-model", input="What is the weather?", tools=[TOOL], tool_choice="required"
    ) as stream:
        pieces = "".join(e.delta for e in stream if e.type == "response.function_call_arguments.delta")
        final = stream.get_final_response()
    call = next(item for item in final.output if item.type == "function_call")
    assert call.arguments == pieces and isinstance(json.loads(pieces), dict)


@pytest.mark.parametrize("field, value", [
    ("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True),
    ("tools", [{"type": "web_search"}]),
])
def test_what_needs_a_memory_is_refused_by_its_name(client, field, value):
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model="mock-model", input="x", **{field: value})
    assert error.value.param.startswith(field)


def test_a_text_completion(client):
    answer = client.completions.create(model="mock-model", prompt="Say hello", echo=True)
    assert answer.choices[0].text.startswith("Say hello") and len(answer.choices[0].text) > 10
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 0


def test_a_streamed_text_completion(client):
    chunks = list(client.completions.create(
        model="mock-model", prompt="hello", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert chunks[-1].usage.completion_tokens > 0
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="mock-model", prompt="hello", suffix="x")
    assert error.value.param == "suffix"
