import SluiceCore
import SluiceWire
import Testing

@testable import SluiceProviders

@Suite struct RefusalTests {
    private func refusal(_ status: Int, _ body: String) -> FallbackClass? {
        let headers = HTTPFields([("Content-Type", "application/json")])
        let answer = HTTPClientResponse(status: status, headers: headers, body: Array(body.utf8))
        guard case .failure(let failure) = OpenAIClassifier.classify(answer, now: 0) else { return nil }
        return failure.refusal
    }

    @Test(arguments: [
        (400, #"{"error":{"code":"context_length_exceeded","type":"invalid_request_error","message":"m"}}"#),
        (400, #"{"error":{"message":"This model's maximum context length is 8192 tokens. However,","code":null}}"#),
        (422, #"{"error":{"message":"prompt is too long: 220000 tokens > 200000 maximum"}}"#),
        (200, #"{"error":{"code":"context_length_exceeded","message":"m"}}"#),
    ])
    func `a prompt that is too long is told by word or by words`(status: Int, body: String) {
        #expect(self.refusal(status, body) == .contextWindow)
    }

    @Test func `a content policy's refusal is told`() {
        #expect(self.refusal(400, #"{"error":{"code":"content_filter","message":"m"}}"#) == .contentPolicy)
        #expect(self.refusal(400, #"{"error":{"code":"content_policy_violation"}}"#) == .contentPolicy)
    }

    @Test func `the status decides before any word in the body`() {
        let body = #"{"error":{"code":"context_length_exceeded","message":"maximum context length"}}"#
        for status in [401, 403, 404, 429, 500, 503] { #expect(self.refusal(status, body) == nil, "\(status)") }
        #expect(self.refusal(400, #"{"error":{"message":"temperature is out of range"}}"#) == nil)
        #expect(self.refusal(400, "not json") == nil)
    }
}
