import SluiceTestKit
import SluiceWire
import Testing

struct EnvelopePropertyTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `what is written is read again, the same`(seed: UInt64) throws {
        var random = RandomEnvelopes(seed: seed)
        for _ in 0..<250 {
            let request = random.request()
            #expect(throws: Never.self) { try request.check() }
            #expect(try RequestEnvelope.read(request.write()) == request)
            let reply = random.reply()
            #expect(try ReplyElement.read(reply.write()) == .reply(reply))
            let frame = random.frame()
            #expect(try ReplyElement.read(frame.write()) == .frame(frame))
        }
    }

    @Test func `ids and times are told from the first bytes of an envelope, whatever follows`() {
        var random = RandomEnvelopes(seed: 3)
        for _ in 0..<500 {
            let request = random.request()
            let summary = PendingSummary.read(head: request.write().prefix(1_024))
            #expect(summary.identity.requestID == request.requestID)
            #expect(summary.identity.producerID == request.producerID)
            #expect(summary.identity.poolID == request.poolID)
            #expect(summary.submittedAt == request.submittedAt)
            #expect(summary.timeoutSeconds == request.timeoutSeconds)
            #expect(summary.dispatchProfileKey == request.dispatchProfileKey)
        }
    }

    @Test func `ten thousand hostile elements are envelopes or errors, never a trap`() {
        var random = RandomEnvelopes(seed: 10_000)
        var read = 0
        var errors: [String: Int] = [:]
        for _ in 0..<10_000 {
            let element = random.hostile()
            do throws(UnreadableEnvelope) {
                let envelope = try RequestEnvelope.read(element)
                read += 1
                // What was taken can be passed on: both texts are JSON.
                #expect(throws: Never.self) { try JSON.read(envelope.write()) { _ in } }
                #expect(throws: Never.self) { try JSON.read(envelope.body) { _ in } }
            } catch {
                errors[error.error.label, default: 0] += 1
                #expect(!error.error.message.isEmpty)
            }
            _ = try? ReplyElement.read(element)
            _ = try? InflightRecord.read(element)
            _ = try? DispatcherHeartbeat.read(element)
            _ = PendingSummary.read(head: element.prefix(512), tail: element.suffix(512))
            _ = try? CompletionCall.ingest(element)
        }
        #expect(read > 500)
        for label in ["not_json", "not_an_object", "unsupported_version", "missing_field", "wrong_type", "not_allowed"]
        {
            #expect(errors[label, default: 0] > 10, "\(label): \(errors[label, default: 0])")
        }
    }
}
