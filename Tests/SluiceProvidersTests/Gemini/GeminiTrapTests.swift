import SluiceWire
import Testing

@testable import SluiceProviders

/// What is easily got wrong between Gemini's format and OpenAI's, each by its name.
struct GeminiTrapTests {
    @Test(arguments: ["gemini-2.5-flash", "gemini-3-pro-preview", "gemini-3.5-flash"])
    func `every generation is called at v1beta, and its key goes into no address`(model: String) throws {
        let call = try GeminiTestSupport.prepared(ChatRequest(model: model, messages: [.user("a")]))
        #expect(call.url == "https://generativelanguage.googleapis.com/v1beta/models/\(model):generateContent")
    }

    @Test func `text before a block of safety is kept, whole as in a stream`() throws {
        let first = #"{"candidates":[{"content":{"parts":[{"text":"You "}]}}]}"#
        let last = #"{"candidates":[{"content":{"parts":[{"text":"are"}]},"finishReason":"SAFETY"}]}"#
        let whole = #"{"candidates":[{"content":{"parts":[{"text":"You are"}]},"finishReason":"SAFETY"}]}"#
        let streamed = try GeminiTestSupport.decoded([GeminiTestSupport.stream([first, last])]).response
        for answer in [try GeminiTestSupport.answer(whole), streamed] {
            #expect(answer.text == "You are" && answer.choices[0].finishReason == .contentFilter)
        }
    }

    @Test func `usage stands in every event and the last counts, thoughts with it`() throws {
        func event(_ text: String, _ answer: Int, _ thoughts: Int, _ finish: String = "") -> String {
            #"{"candidates":[{"content":{"parts":[{"text":"\#(text)"}]}\#(finish)}],"usageMetadata":{"#
                + #""promptTokenCount":7,"candidatesTokenCount":\#(answer),"thoughtsTokenCount":\#(thoughts),"#
                + #""cachedContentTokenCount":4,"totalTokenCount":\#(7 + answer + thoughts)}}"#
        }
        let events = [event("a", 1, 3), event("b", 2, 5), event("c", 3, 6, #","finishReason":"STOP""#)]
        let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream(events)])
        let usages = decoded.events.filter { if case .usage = $0 { true } else { false } }
        #expect(usages.count == 1)
        let usage = try decoded.response.usage
        #expect(usage?.promptTokens == 7 && usage?.completionTokens == 9 && usage?.totalTokens == 16)
        #expect(usage?.reasoningTokens == 6 && usage?.cachedTokens == 4)
    }

    @Test func `a stop with calls is tool_calls, and calls that come alike have different ids`() throws {
        let part = #"{"functionCall":{"name":"f","args":{"a":1}}}"#
        let event = #"{"candidates":[{"content":{"parts":[\#(part),\#(part)]},"finishReason":"STOP"}]}"#
        let whole = try GeminiTestSupport.answer(event)
        #expect(whole.choices[0].finishReason == .toolCalls)
        #expect(Set(whole.toolCalls.map(\.id)).count == 2)
    }

    @Test func `a refused prompt without candidates is one choice that content_filter ended`() throws {
        let event = #"{"promptFeedback":{"blockReason":"SAFETY"}}"#
        for answer in [
            try GeminiTestSupport.answer(event),
            try GeminiTestSupport.decoded([GeminiTestSupport.stream([event])]).response,
        ] {
            #expect(answer.choices.count == 1 && answer.choices[0].content == nil)
            #expect(
                answer.choices[0].finishReason == .contentFilter && answer.choices[0].nativeFinishReason == "SAFETY"
            )
        }
    }
}
