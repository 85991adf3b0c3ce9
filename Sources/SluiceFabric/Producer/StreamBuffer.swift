import SluiceBasics
import SluiceWire

/// Between the pump and the reader of one stream: bounded, in order, each piece once.
final class StreamBuffer: Sendable {
    enum Delivery: Sendable, Equatable {
        case taken
        /// It had come before.
        case repeated
        /// The stream has to be given up.
        case refused(ProducerError)
    }

    private struct State: Sendable {
        var events: [SSEEvent] = []
        var bytes = 0
        var expected = 0
        var isFinal = false
        var end: Result<ReplyEnvelope, ProducerError>?
        var reader: Promise<Void>?
    }

    private let limit: Int
    private let state = Lock(State())

    init(limit: Int) { self.limit = limit }

    func deliver(_ frame: StreamFrame) -> Delivery {
        let (delivery, reader) = self.state.withLock { state -> (Delivery, Promise<Void>?) in
            guard frame.sequence >= state.expected else { return (.repeated, nil) }
            guard frame.sequence == state.expected, !state.isFinal else {
                return (.refused(.brokenStream(expected: state.expected)), nil)
            }
            let bytes = frame.events.reduce(0) { $0 + $1.data.count + $1.name.utf8.count + 32 }
            // One frame is always taken, however large: the store's limits bound it.
            guard state.bytes == 0 || state.bytes + bytes <= self.limit else {
                return (.refused(.slowReader(limit: self.limit)), nil)
            }
            state.expected += 1
            state.isFinal = frame.isFinal
            state.events += frame.events
            state.bytes += bytes
            return (.taken, state.reader)
        }
        reader?.fulfil(())
        return delivery
    }

    /// The first end counts.
    func finish(_ end: Result<ReplyEnvelope, ProducerError>) {
        let reader = self.state.withLock { state in
            var end = end
            if case .success(let reply) = end, reply.outcome == .streamed, !state.isFinal {
                end = .failure(.brokenStream(expected: state.expected))
            }
            if state.end == nil { state.end = end }
            return state.reader
        }
        reader?.fulfil(())
    }

    /// What has come since the last call; waits when nothing has.
    func next() async throws(ProducerError) -> ProducerStream.Step {
        while true {
            let reader = Promise<Void>()
            let step = self.state.withLock { state -> Result<ProducerStream.Step, ProducerError>? in
                if !state.events.isEmpty {
                    let events = state.events
                    state.events = []
                    state.bytes = 0
                    return .success(.events(events))
                }
                if let end = state.end { return end.map { .reply($0) } }
                state.reader = reader
                return nil
            }
            if let step { return try step.get() }
            await reader.value()
            self.state.withLock { $0.reader = nil }
        }
    }
}

/// A streamed answer as its reader sees it. One reader. Letting go of it gives the request up.
package final class ProducerStream: Sendable {
    package enum Step: Sendable, Equatable {
        /// In order; at least one.
        case events([SSEEvent])
        /// The end. Its outcome is `streamed` after a whole stream; a completion if the dispatcher does not stream.
        case reply(ReplyEnvelope)
    }

    package let requestID: String
    private let buffer: StreamBuffer
    private let abandon: @Sendable () -> Void

    init(requestID: String, buffer: StreamBuffer, abandon: @escaping @Sendable () -> Void) {
        self.requestID = requestID
        self.buffer = buffer
        self.abandon = abandon
    }

    deinit { self.abandon() }

    /// Waits for more. Cancelling the task gives the request up. After the end, the end comes again.
    package func next() async throws(ProducerError) -> Step {
        let abandon = self.abandon
        let buffer = self.buffer
        let result = await withTaskCancellationHandler {
            do throws(ProducerError) {
                return Result<Step, ProducerError>.success(try await buffer.next())
            } catch {
                return .failure(error)
            }
        } onCancel: {
            abandon()
        }
        return try result.get()
    }

    /// Gives the request up. Harmless after its end.
    package func cancel() { self.abandon() }
}
