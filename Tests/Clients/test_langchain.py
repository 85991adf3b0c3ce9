"""LangChain's own tests of chat models, over the runtime."""

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from wire import MODELS


class Common(ChatModelIntegrationTests):
    provider = "openai"

    @pytest.fixture(autouse=True)
    def _address(self, request, gateways, mock):
        type(self).address = gateways(self.provider).url
        if request.node.originalname == "test_agent_loop":
            mock.behave(calls=1)
        elif request.node.originalname == "test_json_mode":
            mock.behave(answer='{"setup": "why", "punchline": "because"}')

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": MODELS[self.provider], "base_url": f"{self.address}/v1", "api_key": "none", "max_retries": 0,
                "stream_usage": True}

    @property
    def model_override_value(self):
        return MODELS[self.provider] + "-2"

    @property
    def supports_json_mode(self):
        return True

    @property
    def enable_vcr_tests(self):
        return False  # they replay what was recorded

    @property
    def supports_image_inputs(self):
        return False  # it fetches pictures from the network


class TestOpenAI(Common):
    pass


class TestAnthropic(Common):
    provider = "anthropic"


class TestGemini(Common):
    provider = "gemini"


class TestBedrock(Common):
    provider = "bedrock"


class TestCohere(Common):
    provider = "cohere"
