import SluiceBasics
import SluiceProviders
import SluiceWire

extension FuzzTarget {
    /// Framing alone, below any provider.
    static let framing: [FuzzTarget] = [
        FuzzTarget("event-stream", .binary) { bytes, random in
            let whole = Self.decode([bytes])
            let cut = Self.decode(Self.pieces(bytes, &random))
            guard whole.messages == cut.messages, whole.error == cut.error else { return "a split changes messages" }
            for message in whole.messages {
                guard let again = try? message.encoded(), Self.decode([again]).messages == [message] else {
                    return "a message does not survive writing and reading"
                }
            }
            return nil
        },
        FuzzTarget("sse", .events) { bytes, random in
            let whole = Self.parse([bytes])
            let cut = Self.parse(Self.pieces(bytes, &random))
            return whole == cut ? nil : "a split changes events"
        },
    ]

    private static func decode(_ pieces: [[UInt8]]) -> (messages: [EventStreamMessage], error: EventStreamError?) {
        var decoder = EventStreamDecoder(limits: EventStreamLimits(messageBytes: 1 << 16, headerBytes: 1 << 12))
        var messages: [EventStreamMessage] = []
        do throws(EventStreamError) {
            for piece in pieces { try decoder.feed(piece) { messages.append($0) } }
            try decoder.finish()
            return (messages, nil)
        } catch {
            return (messages, error)
        }
    }

    private static func parse(_ pieces: [[UInt8]]) -> [SSEEvent] {
        var parser = SSEParser()
        var events: [SSEEvent] = []
        for piece in pieces { try? parser.feed(piece) { events.append($0) } }
        return events
    }

    /// A stream of each wire format, down to what the faces make of it.
    static let streams: [FuzzTarget] = Wires.decoding.map { wire in
        let material = wire.name == "bedrock" ? Material.binary : .events
        return FuzzTarget("\(wire.name)-stream", material, accepts: { Self.read([$0], wire).events.count > 2 }) {
            bytes,
            random in
            let whole = Self.read([bytes], wire)
            let cut = Self.read(Self.pieces(bytes, &random), wire)
            guard whole.events == cut.events else { return "a split changes events" }
            guard whole.error == cut.error else { return "a split changes the error" }
            if let fault = Self.fault(whole.events, whole.error) { return fault }
            return Mutator.below(4, &random) == 0 ? Self.encode(whole.events, whole.error, wire) : nil
        }
    }

    private static func read(
        _ pieces: [[UInt8]],
        _ wire: Wires.Wire
    ) -> (events: [ChatStreamEvent], error: ProviderError?) {
        var decoder = wire.handler.decoder(HTTPFields([("content-type", "text/event-stream")]), for: wire.call)
        var events: [ChatStreamEvent] = []
        do throws(ProviderError) {
            for piece in pieces { try decoder.feed(piece) { events.append($0) } }
            try decoder.finish { events.append($0) }
            return (events, nil)
        } catch {
            return (events, error)
        }
    }

    /// What the grammar of streams promises.
    private static func fault(_ events: [ChatStreamEvent], _ error: ProviderError?) -> String? {
        let isDone = events.last == .done
        if isDone == (error != nil) { return isDone ? "done and an error" : "neither done nor an error" }
        if events.dropLast().contains(.done) { return "something follows done" }
        var calls: [Int: Set<Int>] = [:]
        var finished: Set<Int> = []
        for (number, event) in events.enumerated() {
            switch event {
            case .start: if number != 0 { return "a second start" }
            case .toolCall(let choice, let index, _):
                guard calls[choice, default: []].insert(index).inserted else { return "a call that begins twice" }
            case .toolArguments(let choice, let index, _):
                guard calls[choice]?.contains(index) == true else { return "arguments without a call" }
            case .finish(let choice, _, _):
                guard finished.insert(choice).inserted else { return "a choice that ends twice" }
            default: break
            }
            if number == 0, event != .done {
                guard case .start = event else { return "no start at the start" }
            }
        }
        if isDone, events.count > 1, finished.isEmpty { return "done without a finish" }
        return nil
    }

    /// The faces' encoders take all of it, and write JSON in events.
    private static func encode(_ events: [ChatStreamEvent], _ error: ProviderError?, _ wire: Wires.Wire) -> String? {
        var openAI = OpenAIStreamEncoder(includesUsage: true)
        var anthropic = AnthropicStreamEncoder()
        var responses = wire.echo.map { ResponsesStreamEncoder(echo: $0, model: "m", id: "r", now: 0) }
        var first: [UInt8] = []
        var second: [UInt8] = []
        var third: [UInt8] = []
        for event in events {
            openAI.encode(event, into: &first)
            anthropic.encode(event, into: &second)
            responses?.encode(event, into: &third)
        }
        if let error {
            openAI.encode(failure: error, into: &first)
            anthropic.fail(error, into: &second)
            responses?.fail(error, into: &third)
        }
        for (name, bytes) in [("openai", first), ("anthropic", second), ("responses", third)] {
            for event in Self.parse([bytes]) where event.data != Array("[DONE]".utf8) {
                guard Wires.isJSON(event.data) else { return "the face \(name) writes what is no JSON" }
            }
        }
        let whole = try? ChatResponse(collecting: events)
        return (whole != nil) == (error == nil) ? nil : "a whole stream cannot be collected"
    }
}
