"""Google's SDK straight at the simulated provider, by API key and as at Vertex."""

import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import errors, types

from wire import PERSON, PNG, WEATHER, WORDS, fingerprint, png, requests

MODEL = "gemini-2.5-mock"


@pytest.fixture
def client(mock):
    return genai.Client(api_key="google-key", http_options=types.HttpOptions(base_url=mock.url))


class Token(AnonymousCredentials):
    def __init__(self):
        super().__init__()
        self.token = "vertex-token"

    def apply(self, headers, token=None):
        headers["authorization"] = f"Bearer {self.token}"


@pytest.fixture
def vertex(mock):
    return genai.Client(
        vertexai=True, project="p", location="europe-west4", credentials=Token(),
        http_options=types.HttpOptions(base_url=mock.url))


def tools(**more):
    return types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(
            name="weather", description="The weather", parameters_json_schema=WEATHER)])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **more)


def test_content(client, vertex):
    for one in (client, vertex):
        answer = one.models.generate_content(model=MODEL, contents="hello")
        assert answer.text == WORDS and answer.candidates[0].finish_reason == "STOP"
        assert answer.usage_metadata.candidates_token_count == 16 and answer.response_id


def test_stream(client, vertex):
    for one in (client, vertex):
        chunks = list(one.models.generate_content_stream(model=MODEL, contents="hello"))
        assert "".join(c.text or "" for c in chunks) == WORDS and len(chunks) == 17
        assert [c.candidates[0].finish_reason for c in chunks] == [None] * 16 + ["STOP"]
        assert chunks[-1].usage_metadata.total_token_count >= 17


@pytest.mark.parametrize("model", [MODEL, "gemini-3-mock"])
def test_tools_go_round(client, model):
    config = tools(tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")))
    question = types.Content(role="user", parts=[types.Part(text="for 'Oslo' in 3 days")])
    answer = client.models.generate_content(model=model, contents=[question], config=config)
    call = answer.function_calls[0]
    assert (call.name, call.args) == ("weather", {"city": "Oslo", "days": 3})
    turn = answer.candidates[0].content
    assert turn.parts[0].thought_signature
    result = types.Content(role="user", parts=[
        types.Part(function_response=types.FunctionResponse(id=call.id, name="weather", response={"sky": "rain"}))])
    assert client.models.generate_content(model=model, contents=[question, turn, result], config=tools()).text == WORDS
    with pytest.raises(errors.ClientError, match="number of function response parts"):
        client.models.generate_content(model=model, contents=[question, turn, question], config=tools())
    turn.parts[0].thought_signature = None
    if model.startswith("gemini-3"):
        with pytest.raises(errors.ClientError, match="thought_signature"):
            client.models.generate_content(model=model, contents=[question, turn, result], config=tools())


def test_thoughts(client):
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024))
    answer = client.models.generate_content(model=MODEL, contents="hello", config=config)
    parts = answer.candidates[0].content.parts
    assert parts[0].thought and not parts[1].thought and answer.usage_metadata.thoughts_token_count == 4
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="hello", config=config))
    assert sum(bool(p.thought) for c in chunks for p in c.candidates[0].content.parts) == 4


def test_structured_output(client):
    answer = client.models.generate_content(
        model=MODEL, contents="'Ada' is 36",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=PERSON))
    assert answer.text == '{"name":"Ada","age":36}'


def test_a_blocked_prompt_and_a_refusal(client):
    answer = client.models.generate_content(model=f"{MODEL}-blocked", contents="hello")
    assert not answer.candidates and answer.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
    answer = client.models.generate_content(model=f"{MODEL}-refusal", contents="hello")
    assert answer.candidates[0].finish_reason == "SAFETY" and answer.candidates[0].safety_ratings[0].blocked


def test_images_and_parameters(client, mock):
    config = types.GenerateContentConfig(
        temperature=0.5, top_p=0.9, top_k=40, max_output_tokens=5, stop_sequences=["zzz"], seed=1, candidate_count=2,
        system_instruction="be brief")
    answer = client.models.generate_content(
        model=MODEL, contents=[types.Part.from_bytes(data=png(), mime_type="image/png"), "what"], config=config)
    assert len(answer.candidates) == 2 and answer.candidates[0].finish_reason == "MAX_TOKENS"
    data = requests(mock)[-1]["body"]["contents"][0]["parts"][0]["inlineData"]["data"]
    assert data.replace("-", "+").replace("_", "/") == PNG
    with pytest.raises(errors.ClientError, match="not of MIME type"):
        client.models.generate_content(
            model=MODEL, contents=[types.Part.from_bytes(data=png(), mime_type="image/jpeg"), "what"])


def test_embeddings(client, vertex):
    for one in (client, vertex):
        answer = one.models.embed_content(
            model="text-embedding-mock", contents=["a", "b"],
            config=types.EmbedContentConfig(output_dimensionality=4, task_type="RETRIEVAL_QUERY"))
        assert [len(e.values) for e in answer.embeddings] == [4, 4]


@pytest.mark.parametrize(("status", "word"), [
    (400, "INVALID_ARGUMENT"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"),
    (500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
def test_errors(client, status, word):
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-mock-status": str(status)}))
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model=MODEL, contents="hello", config=config)
    assert (caught.value.code, caught.value.status) == (status, word)
    if status == 429:
        assert "retryDelay" in str(caught.value.details)


def test_keys(client, vertex, mock):
    client.models.generate_content(model=MODEL, contents="hello")
    assert fingerprint("google-key") in str(requests(mock)[-1]["headers"])
    vertex.models.generate_content(model=MODEL, contents="hello")
    assert fingerprint("vertex-token") in str(requests(mock)[-1]["headers"])
    mock.behave(key="right")
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents="hello")
    assert caught.value.code == 400 and "API_KEY_INVALID" in str(caught.value.details)
    with pytest.raises(errors.ClientError) as caught:
        vertex.models.generate_content(model=MODEL, contents="hello")
    assert caught.value.code == 401


def test_an_error_in_mid_stream(client, mock):
    mock.behave(error_mid_stream=True)
    with pytest.raises(errors.APIError, match="overloaded"):
        list(client.models.generate_content_stream(model=MODEL, contents="hello"))


@pytest.mark.parametrize("fault", ["truncated", "no_end"])
def test_a_stream_that_lacks_its_end(client, mock, fault):
    mock.behave(**{fault: True})
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="hello"))
    assert chunks and not any(c.candidates[0].finish_reason for c in chunks)


def test_any_split_of_the_bytes(client, mock):
    for size in (1, 3, 64):
        mock.behave(split_bytes=size)
        chunks = client.models.generate_content_stream(model=MODEL, contents="hello")
        assert "".join(c.text or "" for c in chunks) == WORDS


GOOD = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


@pytest.mark.parametrize(("change", "words"), [
    ({"contents": []}, "contents is not specified"),
    ({"messages": []}, 'Unknown name "messages"'),
    ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "contents[0].role"),
    ({"contents": GOOD["contents"] * 2}, "alternate"),
    ({"contents": [{"role": "user", "parts": [{"text": "x", "inlineData": {"mimeType": "a/b", "data": "aaaa"}}]}]}, "oneof"),
    ({"generationConfig": {"max_tokens": 5}}, "Unknown name \"max_tokens\" at 'generationConfig'"),
    ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {
        "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}}]}]},
     'Unknown name "additionalProperties"'),
    ({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}, "mime type"),
    ({"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}}, "mode is ANY"),
    ({"generationConfig": {"stopSequences": list("abcdef")}}, "0 to 5"),
])
def test_what_a_wrong_translation_is_told(mock, change, words):
    path = f"/v1beta/models/{MODEL}:generateContent"
    status, _, body = mock.call("POST", path, {**GOOD, **change}, {"x-goog-api-key": "k"})
    assert status == 400 and words in body["error"]["message"], body


def test_both_spellings_of_names(mock):
    body = {**GOOD, "system_instruction": {"parts": [{"text": "x"}]}, "generation_config": {"max_output_tokens": 3}}
    answer = mock.call("POST", f"/v1beta/models/{MODEL}:generateContent", body, {"x-goog-api-key": "k"})[2]
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_a_stream_without_events_is_one_array(mock):
    answer = mock.call("POST", f"/v1beta/models/{MODEL}:streamGenerateContent", GOOD, {"x-goog-api-key": "k"})[2]
    assert len(answer) == 17 and answer[-1]["candidates"][0]["finishReason"] == "STOP"
