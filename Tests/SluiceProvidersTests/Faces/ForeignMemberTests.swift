import SluiceWire
import Testing

@testable import SluiceProviders

/// What one API's client says must not mean something else by accident in OpenAI's form.
struct ForeignMemberTests {
    private func fault(_ members: String, content: String = #""Hi""#) -> InvalidRequest? {
        let body = #"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":\#(content)}],\#(members)}"#
        do throws(InvalidRequest) {
            _ = try AnthropicFace.request(Array(body.utf8), headers: HTTPFields())
            return nil
        } catch {
            return error
        }
    }

    @Test func `a member of OpenAI's alone is refused by Anthropic's face, by its name`() {
        for name in OpenAIRequestReader.ownMembers {
            let fault = self.fault(#""\#(name)":{"x":1}"#)
            #expect(fault?.param == name)
            #expect(fault?.message.contains("extra inputs are not permitted") == true)
        }
        #expect(OpenAIRequestReader.ownMembers.isSuperset(of: ["user", "n", "seed", "stop", "functions", "logprobs"]))
        #expect(self.fault(#""newer":{"x":1},"context_management":{},"user":null"#) == nil)
    }

    @Test func `all that OpenAI's form can say is either shared or known as its own`() throws {
        let body = """
            {"model":"m","messages":[],"frequency_penalty":1,"function_call":"auto","functions":[{"name":"f"}],
            "logit_bias":{},"logprobs":true,"max_completion_tokens":1,"modalities":["text"],"n":1,
            "parallel_tool_calls":true,"presence_penalty":1,"prompt_cache_key":"k","prompt_cache_retention":"24h",
            "reasoning_effort":"low","response_format":{"type":"text"},"safety_identifier":"s","seed":1,"stop":"x",
            "store":true,"stream_options":{},"top_logprobs":1,"user":"u","verbosity":"low","max_tokens":1,
            "metadata":{},"service_tier":"auto","stream":true,"temperature":1,"top_k":1,"top_p":1}
            """
        let shared: Set = [
            "max_tokens", "messages", "metadata", "model", "service_tier", "stream", "temperature", "top_k", "top_p",
        ]
        #expect(try ChatRequest(openAI: Array(body.utf8)).additional.isEmpty)
        for member in JSONMembers.scan(Array(body.utf8)) {
            #expect(shared.contains(member.name) || OpenAIRequestReader.ownMembers.contains(member.name))
        }
    }

    @Test(arguments: ["file", "image_url", "input_audio", "input_text", "refusal"])
    func `a part of OpenAI's is no block of Anthropic's`(type: String) {
        let fault = self.fault(#""stream":false"#, content: #"[{"type":"\#(type)","\#(type)":{"file_id":-5}}]"#)
        #expect(fault?.param == "messages[0].content[0].type")
    }

    @Test func `a function of OpenAI's is no tool of Anthropic's`() {
        #expect(self.fault(#""tools":[{"type":"function","name":"f"}]"#)?.param == "tools[0].type")
        #expect(self.fault(#""thinking":{"type":"newer","budget_tokens":"x"}"#)?.param == "thinking.budget_tokens")
    }

    @Test func `a schema of a tool that is no object is refused by the Responses face where it stands`() {
        let body = #"{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":1}]}"#
        let fault = #expect(throws: InvalidRequest.self) { try ResponsesFace.request(Array(body.utf8)) }
        #expect(fault?.param == "tools[0].parameters")
    }
}
