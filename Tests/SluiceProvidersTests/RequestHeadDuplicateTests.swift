import SluiceProviders
import Testing

/// A field that decides or that is counted must not stand twice: most backends take the last, we read the first.
struct RequestHeadDuplicateTests {
    private static let bodies: [(OpenAIOperation, String, String)] = [
        (.chatCompletions, "max_tokens", #""messages":[{}],"max_tokens":1,"max_tokens":100000"#),
        (
            .chatCompletions, "max_completion_tokens",
            #""messages":[{}],"max_completion_tokens":1,"max_completion_tokens":9"#
        ),
        (.chatCompletions, "messages", #""messages":[{"role":"user","content":"a"}],"messages":[{}]"#),
        (.chatCompletions, "tools", #""messages":[{}],"tools":[],"tools":[{}]"#),
        (.chatCompletions, "n", #""messages":[{}],"n":1,"n":100"#),
        (.chatCompletions, "max_tokens", #""messages":[{}],"max_tokens":1,"max\u005ftokens":100000"#),
        (.completions, "prompt", #""prompt":"a","prompt":"b""#),
        (.embeddings, "input", #""input":"a","input":"b""#),
        (.responses, "input", #""input":"a","input":"b""#),
        (.responses, "max_output_tokens", #""input":"a","max_output_tokens":1,"max_output_tokens":2"#),
    ]

    @Test(arguments: Self.bodies)
    func `a field of the estimate that stands twice is refused by its name`(
        operation: OpenAIOperation,
        field: String,
        members: String
    ) {
        let error = #expect(throws: InvalidRequest.self) {
            _ = try OpenAIRequestHead.read(Array("{\"model\":\"m\",\(members)}".utf8), operation: operation)
        }
        #expect(error?.param == field)
        #expect(error?.code == "duplicate_field")
    }

    @Test func `fields that are only passed through may stand twice`() throws {
        let body = #"{"model":"m","messages":[{}],"input":"a","input":"b","seed":1,"seed":2}"#
        let head = try OpenAIRequestHead.read(Array(body.utf8), operation: .chatCompletions)
        #expect(head.messageCount == 1)
    }
}
