import SluiceWire
import Testing

struct RequestEnvelopeTests {
    /// As the first producers of the contract write: keys sorted, ASCII only.
    static let foreign = #"""
        {"call":{"context":{"job_id":"j"},"extra_body":{"guided_json":{"type":"object"}},"extra_create_kwargs":
        {"seed":7,"extra_headers":{"x":"y"}},
        "frequency_penalty":0.0,"max_tokens":null,"messages":[{"content":"caf\u00e9",
        "role":"user"}],"model":"qwen","n":1,"presence_penalty":0.0,"response_format":null,"stop":null,"stream":false,
        "stream_options":null,"temperature":0.0,"tool_choice":null,"tools":null,"top_p":1.0},"contract_version":"v2",
        "dispatch_profile_key":"qwen","estimated_cost_units":null,"metadata":{"page_count":3,"pool_id":"gpu"},
        "pool_id":"gpu","producer_id":"host:1:ab","request_id":"b_task_0","submitted_at":1767225600.5,
        "timeout_seconds":600.0,"traceparent":null,"tracestate":null}
        """#

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func error(_ text: String) -> UnreadableEnvelope? {
        do throws(UnreadableEnvelope) {
            _ = try RequestEnvelope.read(self.bytes(text))
            return nil
        } catch {
            return error
        }
    }

    @Test func `reads what a foreign producer writes`() throws {
        let envelope = try RequestEnvelope.read(self.bytes(Self.foreign))
        #expect(envelope.requestID == "b_task_0")
        #expect(envelope.producerID == "host:1:ab")
        #expect(envelope.poolID == "gpu")
        #expect(envelope.submittedAt == 1_767_225_600.5)
        #expect(envelope.timeoutSeconds == 600)
        #expect(envelope.call.model == "qwen")
        #expect(envelope.call.messageCount == 1)
        #expect(envelope.metadata?.poolID == "gpu")
        #expect(envelope.metadata?.hint("page_count") == 3)
        #expect(envelope.metadata?.hint("image_count") == nil)
        #expect(envelope.extras == nil)
    }

    @Test func `takes whole numbers however they are written, and passes them on as they are`() throws {
        let text = Self.foreign.replacing(#""max_tokens":null"#, with: #""max_tokens":100.0"#)
            .replacing(#""estimated_cost_units":null"#, with: #""estimated_cost_units":3.0"#)
        let envelope = try RequestEnvelope.read(self.bytes(text))
        #expect(envelope.estimatedCostUnits == 3)
        #expect(String(decoding: envelope.body, as: UTF8.self).contains(#""max_tokens":100.0"#))
        for wrong in ["100.5", "1e300", "-1.0", "true"] {
            #expect(self.error(text.replacing("100.0", with: wrong)) != nil)
        }
    }

    @Test func `makes the backend's body without nulls, contexts and options of libraries`() throws {
        let body = try RequestEnvelope.read(self.bytes(Self.foreign)).body
        let compact = String(decoding: body, as: UTF8.self).filter { $0 != "\n" }
        #expect(
            compact
                == #"{"frequency_penalty":0.0,"messages":[{"content":"caf\u00e9","role":"user"}],"model":"qwen","n":1,"#
                + #""presence_penalty":0.0,"temperature":0.0,"top_p":1.0,"seed":7,"guided_json":{"type":"object"}}"#
        )
    }

    @Test func `merges extras in the order of the contract`() throws {
        let text = Self.foreign.replacing(#""seed":7,"#, with: #""temperature":0.5,"top_p":null,"n":2,"stream":true,"#)
            .replacing(#""guided_json":{"type":"object"}"#, with: #""temperature":0.75,"stop":null"#)
        let body = String(decoding: try RequestEnvelope.read(self.bytes(text)).body, as: UTF8.self)
        #expect(body.contains(#""temperature":0.75"#))
        #expect(body.contains(#""n":2"#))
        #expect(body.contains(#""top_p":1.0"#))
        #expect(body.contains(#""stop":null"#))
        #expect(!body.contains("stream"))
    }

    @Test func `an extra_body among the extra arguments replaces the other`() throws {
        let text = Self.foreign.replacing(#""seed":7,"#, with: #""extra_body":{"top_k":5},"#)
        let body = String(decoding: try RequestEnvelope.read(self.bytes(text)).body, as: UTF8.self)
        #expect(body.contains(#""top_k":5"#))
        #expect(!body.contains("guided_json"))
        #expect(!body.contains("extra_body"))
    }

    @Test(
        arguments: [
            (#""request_id":"b_task_0""#, #""request_id":7"#, "request_id"),
            (#""request_id":"b_task_0""#, #""request_id":"a\u0000b""#, "request_id"),
            (#""producer_id":"host:1:ab""#, #""producer_id":"""#, "producer_id"),
            (#""submitted_at":1767225600.5"#, #""submitted_at":"now""#, "submitted_at"),
            (#""submitted_at":1767225600.5"#, #""submitted_at":1767225600500"#, "submitted_at"),
            (#""submitted_at":1767225600.5,"#, "", "submitted_at"),
            (#""timeout_seconds":600.0"#, #""timeout_seconds":-1"#, "timeout_seconds"),
            (#""traceparent":null"#, #""traceparent":[]"#, "traceparent"),
            (#""estimated_cost_units":null"#, #""estimated_cost_units":1.5"#, "estimated_cost_units"),
            (#""metadata":{"#, #""metadata":[],"x":{"#, "metadata"),
            (#""metadata":{"#, #""metadata":{"sluice":3,"#, "metadata.sluice"),
            (#""metadata":{"#, #""metadata":{"sluice":{"stream":1},"#, "metadata.sluice.stream"),
            (#""model":"qwen""#, #""model":{}"#, "call.model"),
            (#""model":"qwen","#, "", "call.model"),
            (#""temperature":0.0"#, #""temperature":"hot""#, "call.temperature"),
            (#""tools":null"#, #""tools":{}"#, "call.tools"),
            (#""extra_body":{"#, #""extra_body":3,"y":{"#, "call.extra_body"),
        ]
    )
    func `an error names the field`(from: String, to: String, field: String) throws {
        #expect(Self.foreign.contains(from))
        let found = try #require(self.error(Self.foreign.replacing(from, with: to, maxReplacements: 1)))
        switch found.error {
        case .missing(let name), .wrongType(let name, _), .notAllowed(let name, _): #expect(name == field)
        default: Issue.record("\(found.error)")
        }
        #expect(found.error.message.contains(field))
        #expect(found.identity.poolID == "gpu")
    }

    @Test func `another version keeps the ids`() throws {
        let text = Self.foreign.replacing(#""contract_version":"v2""#, with: #""contract_version":"v3\n""#)
        let found = try #require(self.error(text))
        #expect(found.error == .unsupportedVersion("v3"))
        #expect(
            found.identity == EnvelopeIdentity(requestID: "b_task_0", producerID: "host:1:ab", poolID: "gpu")
        )
    }

    @Test func `what could not be read is answered if it says who waits`() throws {
        let version = Self.foreign.replacing(#""contract_version":"v2""#, with: #""contract_version":"v1""#)
        let unreadable = try #require(self.error(version))
        let reply = ReplyEnvelope.refusal(of: unreadable, pool: "d", dispatcherID: "x", completedAt: 2)
        #expect(reply?.requestID == "b_task_0")
        #expect(reply?.poolID == "gpu")
        guard case .failure(let failure) = reply?.outcome else {
            Issue.record("no failure")
            return
        }
        #expect(failure.type == "UnsupportedContractVersion")
        let anonymous = try #require(self.error(#"{"request_id":"r"}"#))
        #expect(ReplyEnvelope.refusal(of: anonymous, pool: "d", dispatcherID: "x", completedAt: 2) == nil)
    }

    @Test func `broken text keeps the ids that come before the break`() throws {
        let text = #"{"request_id":"r","producer_id":"p","pool_id":"#
        let found = try #require(self.error(text))
        #expect(found.error.label == "not_json")
        #expect(found.identity == EnvelopeIdentity(requestID: "r", producerID: "p"))
    }

    @Test func `an element over the limit is not parsed, and its ids are found`() throws {
        do throws(UnreadableEnvelope) {
            _ = try RequestEnvelope.read(self.bytes(Self.foreign), limits: EnvelopeLimits(elementBytes: 100))
            Issue.record("was read")
        } catch {
            #expect(error.error == .tooLarge(bytes: Self.foreign.utf8.count, limit: 100))
            #expect(error.identity.requestID == "b_task_0")
        }
    }

    @Test func `unknown fields are ignored, and of two with one name the first counts`() throws {
        let text = Self.foreign.replacing(
            #""request_id":"b_task_0""#,
            with: #""request_id":"first","request_id":"second","new":{"a":[1]}"#
        )
        #expect(try RequestEnvelope.read(self.bytes(text)).requestID == "first")
        let model = Self.foreign.replacing(#""model":"qwen""#, with: #""mod\u0065l":"first","model":"second""#)
        let envelope = try RequestEnvelope.read(self.bytes(model))
        #expect(envelope.call.model == "first")
        #expect(String(decoding: envelope.body, as: UTF8.self).contains(#""model":"first""#))
    }

    @Test func `the end of a sorted envelope tells what its head does not`() {
        let compact = self.bytes(String(Self.foreign.filter { $0 != "\n" }))
        let summary = PendingSummary.read(head: compact.prefix(256), tail: compact.suffix(400))
        #expect(summary.identity.requestID == "b_task_0")
        #expect(summary.identity.poolID == "gpu")
        #expect(summary.dispatchProfileKey == "qwen")
        #expect(summary.submittedAt == 1_767_225_600.5)
        #expect(summary.timeoutSeconds == 600)
    }
}

struct IngestedCallTests {
    private func ingest(_ text: String, isChat: Bool = true) throws -> CompletionCall.Ingested {
        try CompletionCall.ingest(Array(text.utf8), isChat: isChat)
    }

    @Test func `a body comes out as it went in, unknown parameters and bytes of messages included`() throws {
        let messages = #"[{"role":"user","content":"caf\u00e9 \/ ✓",  "x":1.10}]"#
        let text = #"{"messages":\#(messages),"model":"m","top_k":5,"temperature":null,"seed":null}"#
        let ingested = try self.ingest(text)
        #expect(ingested.streaming == nil)
        #expect(
            String(decoding: ingested.call.body(), as: UTF8.self)
                == #"{"messages":\#(messages),"model":"m","top_k":5,"seed":null}"#
        )
        #expect(ingested.call.extraBody.map(\.name) == ["top_k", "seed"])
    }

    @Test func `streaming is told apart and put back`() throws {
        let text = #"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#
        let ingested = try self.ingest(text)
        #expect(ingested.streaming?.options == Array(#"{"include_usage":true}"#.utf8)[...])
        #expect(!String(decoding: ingested.call.body(), as: UTF8.self).contains("stream"))
        #expect(
            String(decoding: ingested.call.body(streaming: ingested.streaming), as: UTF8.self)
                == #"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#
        )
        let whole = try self.ingest(#"{"model":"m","messages":[],"stream":false,"stream_options":{"a":1}}"#)
        #expect(whole.streaming == nil)
    }

    @Test func `other operations travel in extra_body`() throws {
        let text = #"{"input":["a"],"model":"e","temperature":"any","stream":false}"#
        let ingested = try self.ingest(text, isChat: false)
        let envelope = RequestEnvelope(
            requestID: "r",
            producerID: "p",
            poolID: "d",
            submittedAt: 1,
            metadata: EnvelopeMetadata(extras: DispatchExtras(operation: "embeddings")),
            call: ingested.call
        )
        let read = try RequestEnvelope.read(envelope.write())
        #expect(
            String(decoding: read.body, as: UTF8.self) == #"{"model":"e","input":["a"],"temperature":"any"}"#
        )
    }

    @Test func `a wrong type is named before anything is queued`() {
        #expect(throws: EnvelopeError.wrongType(field: "messages", expected: "a list")) {
            try self.ingest(#"{"model":"m","messages":"hello"}"#)
        }
        #expect(throws: EnvelopeError.missing(field: "model")) { try self.ingest(#"{"messages":[]}"#) }
    }
}
