import SluiceBasics
import SluiceProviders
import SluiceWire

extension FuzzTarget {
    /// Whole answers: understood and told in every face's form, or refused.
    static let answers: [FuzzTarget] = Wires.decoding.map { wire in
        let accepts: @Sendable ([UInt8]) -> Bool = { bytes in
            (try? wire.handler.answer(HTTPClientResponse(status: 200, body: bytes), to: wire.call)) != nil
        }
        return FuzzTarget("\(wire.name)-answer", .json, accepts: accepts) { bytes, random in
            var call = wire.call
            call.isStream = false
            if Mutator.below(4, &random) == 0 { call.formatTool = "json_answer" }
            let response = HTTPClientResponse(status: 200, body: bytes)
            guard let answer = try? wire.handler.answer(response, to: call) else { return nil }
            let body = answer.openAIBody()
            if let fault = Self.reading(body, answer) { return fault }
            guard Wires.isJSON(AnthropicFace.answer(answer)) else { return "the face anthropic writes no JSON" }
            if let echo = wire.echo, !Wires.isJSON(ResponsesFace.answer(answer, echo: echo)) {
                return "the face responses writes no JSON"
            }
            let told = try? ChatResponse(collecting: answer.events)
            return told == nil ? "an answer cannot be told as a stream" : nil
        }
    }

    private static func reading(_ body: [UInt8], _ answer: ChatResponse) -> String? {
        guard let again = try? ChatResponse(openAI: body, provider: "x") else {
            return "an answer cannot be read in OpenAI's form"
        }
        guard again.choices.map(\.finishReason) == answer.choices.map(\.finishReason) else {
            return "choices, or why they ended, are lost in OpenAI's form"
        }
        return nil
    }

    /// Answers with another status than success: an error whose kind the status decides.
    static let failures: [FuzzTarget] = Wires.decoding.map { wire in
        FuzzTarget("\(wire.name)-failure", .json, accepts: { Self.isError($0) }) { bytes, random in
            let status = Self.statuses[Mutator.below(Self.statuses.count, &random)]
            var headers = [("retry-after", String(Int64(truncatingIfNeeded: random.next())))]
            if Mutator.below(2, &random) == 0 {
                headers.append(("x-amzn-errortype", String(decoding: bytes.prefix(40), as: UTF8.self)))
            }
            let response = HTTPClientResponse(status: status, headers: HTTPFields(headers), body: bytes)
            let error = wire.handler.failure(response, now: 1_767_225_600)
            if status == 401, error.kind != .authentication { return "401 is \(error.kind)" }
            if status == 404, error.kind != .notFound { return "404 is \(error.kind)" }
            if status == 503, error.kind != .serviceUnavailable { return "503 is \(error.kind)" }
            return error.message.isEmpty ? "an error without a word" : nil
        }
    }

    private static func isError(_ bytes: [UInt8]) -> Bool {
        let names = JSONMembers.scan(bytes).map(\.name)
        return names.contains("error") || names.contains("__type") || names.contains("message")
    }

    private static let statuses = [400, 401, 402, 403, 404, 408, 409, 413, 422, 424, 429, 500, 502, 503, 504, 529, 599]
}
