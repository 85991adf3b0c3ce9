import SluiceWire

/// The events of a chat's answer → chunks of a text completion.
package struct CompletionsStreamEncoder: Sendable {
    /// Choices beyond are left out.
    private static let maximumChoices = 128

    private struct Choice: Sendable {
        var hasEcho = false
        /// Unicode scalars so far; counted only where log probabilities are told.
        var offset = 0
    }

    private let form: CompletionsFace.Form
    private var id: String
    private var model: String
    private var created: Int
    private var fingerprint: String?
    private var choices: [Choice] = []
    private var hasEnded = false

    /// - Parameters:
    ///   - model: said until the answer says its own.
    ///   - id: names the answer until it says its own.
    ///   - now: seconds since 1970, for an answer that does not say its own.
    package init(form: CompletionsFace.Form, model: String, id: String, now: Int) {
        self.form = form
        self.id = id
        self.model = model
        self.created = now
    }

    package mutating func encode(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        guard !self.hasEnded else { return }
        switch event {
        case .start(let start):
            if !start.id.isEmpty { self.id = start.id }
            if !start.model.isEmpty { self.model = start.model }
            if start.created > 0 { self.created = start.created }
            self.fingerprint = start.systemFingerprint
        case .content(let choice, let text), .refusal(let choice, let text):
            guard !text.isEmpty else { return }
            self.write(choice, text, into: &bytes)
        case .logprobs(let choice, let logprobs): self.write(choice, "", logprobs: logprobs, into: &bytes)
        case .finish(let choice, let reason, native: _):
            self.write(choice, "", finish: CompletionsWriter.finish(reason), into: &bytes)
        case .usage(let usage):
            guard self.form.includesUsage else { return }
            self.write(into: &bytes) { json in
                json.array("choices") { _ in }
                CompletionsWriter.writeUsage(usage, into: &json)
            }
        case .done:
            self.hasEnded = true
            bytes.append(contentsOf: "data: [DONE]\n\n".utf8)
        default: break
        }
    }

    /// Ends the stream with an event that OpenAI's clients raise as an error; no `[DONE]` follows.
    package mutating func fail(_ error: ProviderError, into bytes: inout [UInt8]) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        Self.append(error.openAIBody, to: &bytes)
    }

    private mutating func write(
        _ index: Int,
        _ text: String,
        logprobs: JSONText? = nil,
        finish: String? = nil,
        into bytes: inout [UInt8]
    ) {
        guard index >= 0, index < Self.maximumChoices else { return }
        while self.choices.count <= index { self.choices.append(Choice()) }
        var choice = self.choices[index]
        let echo = choice.hasEcho ? "" : self.form.echo
        choice.hasEcho = true
        self.write(into: &bytes) { json in
            json.array("choices") { json in
                json.object { json in
                    json.field("text", echo.isEmpty ? text : echo + text)
                    json.field("index", index)
                    choice.offset += CompletionsWriter.writeLogprobs(logprobs, offset: choice.offset, into: &json)
                    json.field("finish_reason", finish)
                }
            }
            if self.form.includesUsage { json.nullField("usage") }
        }
        self.choices[index] = choice
    }

    private func write(into bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        var json = JSONWriter(reserving: 256)
        json.object { json in
            CompletionsWriter.writeHead(
                id: self.id,
                model: self.model,
                created: self.created,
                fingerprint: self.fingerprint,
                into: &json
            )
            body(&json)
        }
        Self.append(json.bytes, to: &bytes)
    }

    private static func append(_ event: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "data: ".utf8)
        bytes.append(contentsOf: event)
        bytes.append(contentsOf: "\n\n".utf8)
    }
}
