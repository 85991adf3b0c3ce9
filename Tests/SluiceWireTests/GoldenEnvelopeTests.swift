import Glibc
import SluiceWire
import Testing

/// The bytes that we write, as files that people who write another end can look at. A difference here is a change of
/// the wire contract.
struct GoldenEnvelopeTests {
    private func golden(_ name: String) -> [UInt8] {
        let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        guard let file = fopen("\(folder)/Golden/\(name).json", "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        return bytes[..<count].filter { $0 != 0x0A }
    }

    private func expect(_ bytes: [UInt8], is name: String) {
        #expect(String(decoding: bytes, as: UTF8.self) == String(decoding: self.golden(name), as: UTF8.self))
    }

    @Test func `request`() throws {
        let body =
            #"{"model":"qwen","messages":[{"role":"user","content":"Hi"}],"temperature":0,"top_k":5,"stream":true}"#
        let ingested = try CompletionCall.ingest(Array(body.utf8))
        let envelope = RequestEnvelope(
            requestID: "batch_task_0",
            producerID: "host:1:0123456789abcdef",
            poolID: "default",
            submittedAt: 1_767_225_600.25,
            timeoutSeconds: 600,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            metadata: EnvelopeMetadata(
                members: [RawMember(name: "page_count", value: Array("2".utf8)[...])],
                extras: DispatchExtras(
                    priority: "high",
                    tenant: "acme",
                    deadlineMilliseconds: 1_767_226_200_250,
                    idempotencyKey: "k1",
                    streaming: ingested.streaming
                )
            ),
            dispatchProfileKey: "qwen",
            estimatedCostUnits: 3,
            call: ingested.call
        )
        self.expect(envelope.write(), is: "request")
        let read = try RequestEnvelope.read(self.golden("request"))
        self.expect(read.write(), is: "request")
        #expect(read.metadata == envelope.metadata)
    }

    @Test func `reply`() throws {
        let reply = ReplyEnvelope(
            requestID: "batch_task_0",
            producerID: "host:1:0123456789abcdef",
            poolID: "default",
            completedAt: 1_767_225_601.5,
            dispatcherID: "default:0123456789ab",
            backendAddress: "http://backend:8000/v1",
            outcome: .completion(Array(#"{"id":"c1","object":"chat.completion","choices":[]}"#.utf8)[...])
        )
        self.expect(reply.write(), is: "reply")
        #expect(try ReplyElement.read(self.golden("reply")) == .reply(reply))
    }

    @Test func `error reply`() throws {
        let reply = ReplyEnvelope(
            requestID: "batch_task_0",
            producerID: "host:1:0123456789abcdef",
            poolID: "default",
            completedAt: 1_767_225_601.5,
            dispatcherID: "default:0123456789ab",
            backendAddress: "http://backend:8000/v1",
            outcome: .failure(ReplyFailure(type: "RateLimitError", message: "The backend answered 429.")),
            extras: ReplyExtras(
                status: 429,
                retryAfterMilliseconds: 2_000,
                attempts: 1,
                outcome: "failed/backend",
                errorBody: Array(#"{"error":{"message":"Slow down."}}"#.utf8)[...]
            )
        )
        self.expect(reply.write(), is: "error-reply")
        #expect(try ReplyElement.read(self.golden("error-reply")) == .reply(reply))
    }

    @Test func `frame`() throws {
        let frame = StreamFrame(
            requestID: "batch_task_0",
            producerID: "host:1:0123456789abcdef",
            poolID: "default",
            sequence: 4,
            isFinal: true,
            events: [
                SSEEvent(data: Array(#"{"choices":[]}"#.utf8)),
                SSEEvent(name: "response.completed", data: Array("{}".utf8)),
                SSEEvent(data: Array("[DONE]".utf8)),
            ]
        )
        self.expect(frame.write(), is: "frame")
        #expect(try ReplyElement.read(self.golden("frame")) == .frame(frame))
    }

    @Test func `in-flight record`() throws {
        let record = InflightRecord(
            dispatcherID: "default:0123456789ab",
            producerID: "host:1:0123456789abcdef",
            model: "qwen",
            stage: .executing,
            since: 1_767_225_600.75,
            submittedAt: 1_767_225_600.25,
            poppedAt: 1_767_225_600.5,
            attempt: 2,
            tenant: "acme",
            lease: "17"
        )
        self.expect(record.write(), is: "inflight")
        #expect(record.write().starts(with: InflightRecord.start(dispatcher: "default:0123456789ab")))
        #expect(try InflightRecord.read(self.golden("inflight")) == record)
    }

    @Test func `heartbeat`() throws {
        let heartbeat = DispatcherHeartbeat(
            dispatcherID: "default:0123456789ab",
            gatewayID: "g1",
            version: "1",
            startedAt: 1_767_225_600,
            beatAt: 1_767_225_610,
            pools: [
                DispatcherHeartbeat.Pool(
                    poolID: "default",
                    slots: 8,
                    inflight: 2,
                    processed: 40,
                    failures: 1,
                    backendAddress: "http://backend:8000/v1",
                    lastProcessedAt: 1_767_225_609.5
                )
            ]
        )
        self.expect(heartbeat.write(), is: "heartbeat")
        #expect(try DispatcherHeartbeat.read(self.golden("heartbeat")) == heartbeat)
    }
}
