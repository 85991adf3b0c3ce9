import SluiceBasics
import SluiceCore
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTelemetry

@Suite struct ExecutionSpansTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    private static let identity = RuntimeIdentity(fabricGroup: "blue", gateway: "gw-1", version: "1.2")
    private let spans = ExecutionSpans(
        identity: Self.identity,
        backends: ["west": BackendIdentity(provider: "azure", url: "https://west.example:8443/v1")]
    )

    private func collected(
        _ execution: Execution,
        _ spans: ExecutionSpans? = nil,
        content: CapturedContent? = nil,
        breakers: [BreakerChange] = []
    ) -> [SpanCollector.Span] {
        var collector = SpanCollector()
        let spans = spans ?? self.spans
        let count = spans.describe(execution, content: content, breakers: breakers, to: &collector)
        #expect(count == collector.spans.count)
        return collector.spans
    }

    @Test func `a request that was retried is one span below its caller's, with one for each attempt below it`() {
        let found = self.collected(SampleExecution.retried(traceparent: Self.parent))
        #expect(found.map(\.head.name) == [.completion, .attempt, .attempt])
        let whole = found[0].head
        #expect(whole.traceHigh == 0x0af7_6519_16cd_43dd && whole.traceLow == 0x8448_eb21_1c80_319c)
        #expect(whole.parent == 0xb7ad_6b71_6920_3331 && whole.traceState == "vendor=1")
        #expect(whole.start == SampleExecution.submittedAt && whole.end == whole.start + 100_000_000)
        #expect(!whole.isError && found[1].head.isError && !found[2].head.isError)
        #expect(found.dropFirst().allSatisfy { $0.head.parent == whole.span && $0.head.traceLow == whole.traceLow })
        #expect(Set(found.map(\.head.span)).count == 3)
        #expect(found[1].head.start == whole.start + 2_000_000 && found[1].head.end == whole.start + 12_000_000)
        #expect(found[0].events.map(\.name) == [.claimed, .firstByte, .retry])
        #expect(
            found[0].events[2].attributes == [
                "sluice.attempt.number": "1", "error.type": "server_error", "sluice.delay_us": "40000",
            ]
        )
        #expect(found[1].events.map(\.name) == [.exception] && found[2].events.map(\.name) == [.firstByte])
    }

    @Test func `the golden attributes of a completion`() {
        let attributes = self.collected(SampleExecution.retried())[0].attributes
        let id = RequestID(high: 0x0192_0000_0000_0001, low: 1).description
        let list = """
            [{"number":1,"backend":"east","started_us":2000,"ended_us":12000,"status":503,"failure":"server_error",\
            "message":"the backend answered with status 503","retry_us":40000},{"number":2,"backend":"west",\
            "model":"gpt-west","hedge":true,"started_us":52000,"first_byte_us":70000,"ended_us":100000,"status":200}]
            """
        let expected = [
            "sluice.request.id": id, "sluice.pool": "chat", "sluice.tenant": "acme", "sluice.priority": "high",
            "sluice.operation": "chat/completions", "sluice.stream": "true", "sluice.producer": "key-1",
            "sluice.fabric_group": "blue", "sluice.gateway": "gw-1", "sluice.backend": "west",
            "http.response.status_code": "200", "sluice.outcome": "done", "sluice.reason": "ok",
            "sluice.queue_us": "2000", "sluice.first_token_us": "70000", "sluice.execution_us": "98000",
            "sluice.payload_bytes": "123", "sluice.message_count": "2", "sluice.cost_nanodollars": "1234",
            "sluice.attempts": "2", "sluice.attempt_list": list,
            "openinference.span.kind": "LLM", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-test",
            "gen_ai.provider.name": "azure.ai.openai", "server.address": "west.example", "server.port": "8443",
            "gen_ai.usage.input_tokens": "10", "gen_ai.usage.output_tokens": "20",
            "gen_ai.usage.cache_read.input_tokens": "3", "gen_ai.usage.reasoning.output_tokens": "4",
            "marie.llm_dispatch.request_id": id, "marie.llm_dispatch.producer_id": "key-1",
            "marie.llm_dispatch.pool_id": "chat", "marie.llm_dispatch.fabric_group_id": "blue",
            "marie.llm_dispatch.gateway_id": "gw-1", "marie.llm_dispatch.dispatcher_id": "",
            "marie.llm_dispatch.backend_address": "https://west.example:8443/v1",
            "marie.llm_dispatch.model": "gpt-test", "marie.llm_dispatch.queue_wait_ms": "2.000",
            "marie.llm_dispatch.message_count": "2", "marie.llm_dispatch.status": "ok",
            "marie.llm_dispatch.execution_ms": "98.000", "marie.llm_dispatch.total_latency_ms": "100.000",
        ]
        for (name, value) in expected { #expect(attributes[name] == value, "\(name)") }
        #expect(Set(attributes.keys) == Set(expected.keys))
    }

    @Test(arguments: OutcomeReason.allCases.filter { $0.outcome != .rejected })
    func `every end has a span that says what it was`(reason: OutcomeReason) {
        let execution = SampleExecution.ended(reason)
        #expect(self.spans.wants(execution))
        let span = self.collected(execution)[0]
        let isError = reason.outcome != .done
        #expect(span.attributes["sluice.outcome"] == reason.outcome.rawValue)
        #expect(span.attributes["sluice.reason"] == reason.rawValue)
        #expect(span.attributes["marie.llm_dispatch.status"] == (isError ? "error" : "ok"))
        #expect(span.head.isError == isError && span.head.statusMessage == (isError ? "why it ended" : nil))
        #expect(span.attributes["error.type"] == (isError ? reason.rawValue : nil))
        let exceptions = span.events.filter { $0.name == .exception }
        #expect(exceptions.count == (isError ? 1 : 0))
        if isError {
            #expect(
                exceptions[0].attributes == [
                    "exception.type": reason.rawValue, "exception.message": "why it ended",
                ]
            )
        }
    }

    @Test func `the model that answered is named as the backend calls it`() {
        var record = SampleExecution.retried().record
        #expect(self.collected(SampleExecution.retried())[0].attributes["gen_ai.response.model"] == nil)
        record.usage?.model = "gpt-test-2026-01-31"
        let span = self.collected(Execution(record: record, submittedAt: SampleExecution.submittedAt))[0]
        #expect(span.attributes["gen_ai.response.model"] == "gpt-test-2026-01-31")
        #expect(span.attributes["gen_ai.request.model"] == "gpt-test")
    }

    /// What history keeps can be read off the span alone.
    @Test func `a history row follows from the span`() {
        for execution in [SampleExecution.retried(), SampleExecution.ended(.deadline), SampleExecution.ended(.shed)] {
            let span = self.collected(execution)[0]
            #expect(Self.row(span) == ExecutionRow(execution, Self.identity))
        }
    }

    private static func row(_ span: SpanCollector.Span) -> ExecutionRow {
        let values = span.attributes
        func number(_ name: String) -> Int64? { values[name].flatMap { Int64($0) } }
        func int(_ name: String) -> Int? { values[name].flatMap { Int($0) } }
        return ExecutionRow(
            id: values["sluice.request.id"] ?? "",
            remoteID: values["sluice.request.remote_id"],
            pool: values["sluice.pool"] ?? "",
            tenant: values["sluice.tenant"] ?? "",
            priority: values["sluice.priority"] ?? "",
            model: values["gen_ai.request.model"] ?? "",
            operation: values["sluice.operation"] ?? "",
            isStream: values["sluice.stream"] == "true",
            producer: values["sluice.producer"],
            fabricGroup: values["sluice.fabric_group"] ?? "",
            gateway: values["sluice.gateway"],
            dispatcher: values["sluice.dispatcher"],
            backend: values["sluice.backend"],
            status: int("http.response.status_code"),
            errorClass: values["sluice.error_class"],
            outcome: values["sluice.outcome"] ?? "",
            reason: values["sluice.reason"] ?? "",
            message: values["sluice.message"],
            submittedAt: span.head.start / 1_000,
            endedAt: span.head.end / 1_000,
            queued: number("sluice.queue_us") ?? 0,
            firstToken: number("sluice.first_token_us"),
            execution: number("sluice.execution_us"),
            total: (span.head.end - span.head.start) / 1_000,
            promptTokens: int("gen_ai.usage.input_tokens"),
            completionTokens: int("gen_ai.usage.output_tokens"),
            cachedTokens: int("gen_ai.usage.cache_read.input_tokens"),
            reasoningTokens: int("gen_ai.usage.reasoning.output_tokens"),
            cost: number("sluice.cost_nanodollars"),
            payloadBytes: int("sluice.payload_bytes") ?? 0,
            messageCount: int("sluice.message_count") ?? 0,
            attempts: Self.attempts(values["sluice.attempt_list"] ?? "[]"),
            attemptCount: int("sluice.attempts") ?? 0,
            traceID: TraceIdentity.hex(span.head.traceHigh) + TraceIdentity.hex(span.head.traceLow),
            spanID: TraceIdentity.hex(span.head.span)
        )
    }

    private static func attempts(_ json: String) -> [ExecutionRow.Attempt] {
        let read = try? JSON.read(Array(json.utf8)) { list in
            var attempts: [ExecutionRow.Attempt] = []
            list.forEachElement { attempt in
                attempts.append(
                    ExecutionRow.Attempt(
                        number: attempt["number"]?.int ?? 0,
                        backend: attempt["backend"]?.string ?? "",
                        model: attempt["model"]?.string,
                        isHedge: attempt["hedge"]?.bool ?? false,
                        startedAfter: Int64(attempt["started_us"]?.int ?? -1),
                        firstByteAfter: attempt["first_byte_us"]?.int.map { Int64($0) },
                        endedAfter: attempt["ended_us"]?.int.map { Int64($0) },
                        status: attempt["status"]?.int,
                        failure: attempt["failure"]?.string,
                        message: attempt["message"]?.string,
                        retryDelay: attempt["retry_us"]?.int.map { Int64($0) }
                    )
                )
                return true
            }
            return attempts
        }
        return read ?? []
    }

    // MARK: Which, and whose

    @Test func `the caller's decision stands, and ratios take whole traces`() {
        let unsampled = SampleExecution.ended(.ok, traceparent: String(Self.parent.dropLast(2)) + "00")
        #expect(!self.spans.wants(unsampled))
        #expect(!self.spans.wants(SampleExecution.ended(.full)))
        var spans = self.spans
        spans.includesRejected = true
        #expect(spans.wants(SampleExecution.ended(.full)))
        spans.sampler = SpanSampler(ratio: 0)
        #expect(!spans.wants(SampleExecution.ended(.ok)))
        #expect(spans.wants(SampleExecution.ended(.ok, traceparent: Self.parent)))
        spans.sampler = SpanSampler(ratio: 1, respectsParent: false)
        #expect(spans.wants(unsampled))
        spans.sampler = SpanSampler(ratio: 0.25)
        var random = SeededRandom(seed: 1)
        let taken = (0..<10_000).filter { _ in spans.wants(SampleExecution.ended(.ok, random.next())) }.count
        #expect((2_200...2_800).contains(taken))
    }

    @Test func `one process tells each end, whoever else has seen it`() {
        var gateway = self.spans
        gateway.isBeforeLists = true
        func told(_ reason: OutcomeReason, _ attempt: (inout AttemptRecord) -> Void) -> SpanName {
            var execution = SampleExecution.ended(reason).record
            var record = AttemptRecord(number: 1, backend: "fabric", startedAt: SampleExecution.begin)
            record.endedAt = execution.endedAt
            attempt(&record)
            execution.attempts = [record]
            return gateway.name(execution)
        }
        // What a dispatcher has answered it tells itself.
        #expect(told(.ok) { $0.status = 200 } == .request)
        #expect(told(.backend) { ($0.failure, $0.isRemoteAnswer) = (.providerRejected, true) } == .request)
        // Refused before it was pushed, expired or given up: nobody else knows.
        #expect(told(.backend) { $0.failure = .connectError } == .completion)
        #expect(told(.deadline) { $0.failure = .deadline } == .completion)
        #expect(told(.clientGone) { $0.failure = .cancelled } == .completion)
        #expect(gateway.name(SampleExecution.ended(.deadline).record) == .completion)
        let ours = RemoteOrigin(requestID: "r", submittedAt: .zero, isToldByProducer: true)
        let theirs = RemoteOrigin(requestID: "r", submittedAt: .zero)
        #expect(self.spans.name(SampleExecution.ended(.deadline, remote: ours).record) == .execution)
        #expect(self.spans.name(SampleExecution.ended(.clientGone, remote: ours).record) == .execution)
        #expect(self.spans.name(SampleExecution.ended(.ok, remote: ours).record) == .completion)
        #expect(self.spans.name(SampleExecution.ended(.dispatcherCrash, remote: ours).record) == .completion)
        #expect(self.spans.name(SampleExecution.ended(.deadline, remote: theirs).record) == .completion)
    }

    @Test func `breakers that changed meanwhile are events, others are not`() {
        let at = SampleExecution.begin + .milliseconds(12)
        let found = self.collected(
            SampleExecution.retried(),
            breakers: [
                BreakerChange(backend: "east", state: .closed, at: SampleExecution.begin - .milliseconds(1)),
                BreakerChange(backend: "east", state: .open, at: at),
                BreakerChange(backend: "north", state: .open, at: at),
            ]
        )
        let events = found[0].events.filter { $0.name == .breaker }
        #expect(events.map(\.attributes) == [["sluice.backend": "east", "sluice.breaker.state": "open"]])
    }

    @Test func `texts of others are bounded, content stands where it belongs`() {
        var execution = SampleExecution.ended(.backend).record
        execution.message = String(repeating: "m", count: 100_000)
        execution.submission.model = String(repeating: "n", count: 100_000)
        let ended = Execution(record: execution, submittedAt: 0)
        let content = CapturedContent(input: Array("[1]".utf8), output: Array("[2]".utf8))
        let attributes = self.collected(ended, content: content)[0].attributes
        #expect(attributes.values.allSatisfy { $0.utf8.count <= ExecutionSpans.maximumText })
        #expect(attributes["gen_ai.input.messages"] == "[1]" && attributes["gen_ai.output.messages"] == "[2]")
        #expect(self.collected(ended)[0].attributes["gen_ai.input.messages"] == nil)
    }

    @Test func `names of attributes are all different`() {
        #expect(Set(SpanKey.allCases.map(\.name)).count == SpanKey.allCases.count)
        #expect(SpanKey.allCases.count < 255)
    }

    @Test func `a gateway's span and the dispatcher's of the same request are two`() {
        let gateway = TraceIdentity(SampleExecution.submission())
        let remote = RemoteOrigin(requestID: "r", submittedAt: .zero)
        let passed = gateway.traceparent(span: gateway.span)
        let dispatcher = TraceIdentity(SampleExecution.submission(traceparent: passed, remote: remote))
        #expect(dispatcher.parent == gateway.span && dispatcher.span != gateway.span)
        #expect(dispatcher.traceText == gateway.traceText)
    }
}
