"""OpenAI's SDK straight at the simulated Azure."""

import openai
import pytest

from wire import PERSON, PNG, WEATHER, WORDS, fingerprint, requests

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": WEATHER}}]


@pytest.fixture
def deployed(mock):
    return openai.AzureOpenAI(
        azure_endpoint=mock.url, api_version="2024-10-21", api_key="azure-key", max_retries=0)


@pytest.fixture
def client(mock):
    return openai.OpenAI(base_url=f"{mock.url}/openai/v1", api_key="azure-key", max_retries=0)


def test_completion(client, deployed, mock):
    for one in (client, deployed):
        answer = one.chat.completions.create(model="gpt-mock", messages=HELLO)
        assert answer.choices[0].message.content == WORDS and answer.usage.completion_tokens == 16
        assert answer.model_extra["prompt_filter_results"] and answer.choices[0].model_extra["content_filter_results"]
    seen = requests(mock, 2)
    assert seen[1]["path"] == "/openai/deployments/gpt-mock/chat/completions"
    assert seen[1]["query"] == {"api-version": "2024-10-21"}
    assert seen[1]["headers"]["api-key"] == fingerprint("azure-key")


def test_stream(client, deployed):
    for one in (client, deployed):
        chunks = list(one.chat.completions.create(
            model="gpt-mock", messages=HELLO, stream=True, stream_options={"include_usage": True}))
        assert chunks[0].choices == [] and chunks[0].model_extra["prompt_filter_results"]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == WORDS
        assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 16


def test_tools_go_round(client):
    question = [{"role": "user", "content": "for 'Oslo' in 3 days"}]
    answer = client.chat.completions.create(
        model="gpt-mock", messages=question, tools=TOOLS, tool_choice="required").choices[0]
    assert answer.finish_reason == "tool_calls"
    assert answer.message.tool_calls[0].function.arguments == '{"city":"Oslo","days":3}'
    with client.chat.completions.stream(
            model="gpt-mock", messages=question, tools=TOOLS, tool_choice="required") as stream:
        final = stream.get_final_completion().choices[0].message
    assert final.tool_calls[0].function.arguments == '{"city":"Oslo","days":3}'
    turn = answer.message.model_dump(exclude_none=True, exclude={"annotations"})
    result = {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "rain"}
    assert client.chat.completions.create(model="gpt-mock", messages=[*question, turn, result], tools=TOOLS).choices
    for messages in ([*question, turn, *HELLO], [*question, result]):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-mock", messages=messages, tools=TOOLS)


def test_structured_output_refusal_and_filter(client):
    answer = client.chat.completions.create(
        model="gpt-mock", messages=[{"role": "user", "content": "'Ada' is 36"}],
        response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON, "strict": True}})
    assert answer.choices[0].message.content == '{"name":"Ada","age":36}'
    assert client.chat.completions.create(model="gpt-mock-refusal", messages=HELLO).choices[0].message.refusal
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-mock-blocked", messages=HELLO)
    assert caught.value.code == "content_filter"


def test_choices_images_and_log_probabilities(client):
    answer = client.chat.completions.create(
        model="gpt-mock", n=2, logprobs=True, max_completion_tokens=2, messages=[{"role": "user", "content": [
            {"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}])
    assert len(answer.choices) == 2 and answer.choices[1].finish_reason == "length"
    assert len(answer.choices[0].logprobs.content) == 2


@pytest.mark.parametrize(("status", "error"), [
    (400, openai.BadRequestError), (401, openai.AuthenticationError), (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError), (429, openai.RateLimitError), (500, openai.InternalServerError),
    (503, openai.InternalServerError)])
def test_errors(client, status, error):
    with pytest.raises(error):
        client.chat.completions.create(model="gpt-mock", messages=HELLO, extra_headers={"x-mock-status": str(status)})


def test_keys(deployed, mock):
    mock.behave(key="right")
    with pytest.raises(openai.AuthenticationError, match="invalid subscription key"):
        deployed.chat.completions.create(model="gpt-mock", messages=HELLO)
    path = "/openai/deployments/gpt-mock/chat/completions"
    body = {"messages": HELLO}
    assert mock.call("POST", f"{path}?api-version=2024-10-21", body, {"Authorization": "Bearer right"})[0] == 200
    assert mock.call("POST", path, body, {"api-key": "right"})[0] == 404, "without a version there is nothing"


@pytest.mark.parametrize(("change", "words"), [
    ({"top_k": 5}, "Unknown parameter: 'top_k'"), ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "x", "reasoning_content": "y"}]}, "reasoning_content"),
    ({"tool_choice": "any", "tools": TOOLS}, "tool_choice"), ({"temperature": 3}, "temperature"),
    ({"response_format": {"type": "json_object"}}, "the word 'json'"), ({"stream_options": {}}, "stream_options"),
])
def test_what_a_wrong_translation_is_told(mock, change, words):
    status, _, body = mock.call(
        "POST", "/openai/v1/chat/completions", {"model": "m", "messages": HELLO, **change}, {"api-key": "k"})
    assert status == 400 and words in body["error"]["message"], body


def test_an_error_in_mid_stream(client, mock):
    mock.behave(error_mid_stream=True)
    with pytest.raises(openai.APIError, match="had an error"):
        list(client.chat.completions.create(model="gpt-mock", messages=HELLO, stream=True))


def test_embeddings(client, deployed):
    for one in (client, deployed):
        assert len(one.embeddings.create(model="e", input=["a", "b"]).data) == 2
