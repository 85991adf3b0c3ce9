"""pydantic-ai and instructor over the runtime."""

import instructor
import openai
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from wire import MODELS


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def model(gateway, provider):
    return OpenAIChatModel(MODELS[provider], provider=OpenAIProvider(base_url=f"{gateway.url}/v1", api_key="none"))


def test_an_agent_with_a_tool(model):
    asked = []

    def weather(city: str, days: int) -> str:
        """The weather."""
        asked.append((city, days))
        return "rain"

    answer = Agent(model, tools=[weather], instructions="be brief").run_sync("use weather for 'Oslo' in 3 days")
    assert asked == [("Oslo", 3)] and answer.output.startswith("lorem") and answer.usage.requests == 2


def test_an_agent_with_a_typed_answer(model):
    assert Agent(model, output_type=Person).run_sync("'Ada' is 36").output == Person(name="Ada", age=36)


def test_an_agent_that_streams(model):
    async def run():
        async with Agent(model).run_stream("hello") as result:
            return [text async for text in result.stream_text(delta=True, debounce_by=None)]

    import asyncio
    assert "".join(asyncio.run(run())).startswith("lorem ipsum")


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_instructor(gateway, provider, mode):
    client = instructor.from_openai(
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0), mode=mode)
    person = client.chat.completions.create(
        model=MODELS[provider], response_model=Person, max_retries=0,
        messages=[{"role": "user", "content": "'Ada' is 36"}])
    assert person.model_dump() == {"name": "Ada", "age": 36}
