import SluiceBasics
import SluiceWire

/// Changes within the messages of an event stream: with right checksums, or none of it would be read.
enum Framing {
    /// - Parameter bytes: a stream, perhaps a broken one, of which only whole messages are kept.
    static func changed(_ bytes: [UInt8], _ mutator: Mutator, _ random: inout SeededRandom) -> [UInt8] {
        guard Mutator.below(4, &random) > 0 else { return bytes }
        var decoder = EventStreamDecoder()
        var messages: [EventStreamMessage] = []
        try? decoder.feed(bytes) { messages.append($0) }
        guard !messages.isEmpty else { return bytes }
        for _ in 0...Mutator.below(3, &random) {
            let index = Mutator.below(messages.count, &random)
            switch Mutator.below(8, &random) {
            case 0 where messages.count > 1: messages.remove(at: index)
            case 1: messages.insert(messages[Mutator.below(messages.count, &random)], at: index)
            case 2: messages.swapAt(index, Mutator.below(messages.count, &random))
            case 3:
                guard !messages[index].headers.isEmpty else { continue }
                let header = Mutator.below(messages[index].headers.count, &random)
                messages[index].headers[header].value = Self.values[Mutator.below(Self.values.count, &random)]
            default: mutator.change(&messages[index].payload, &random)
            }
        }
        return messages.flatMap { (try? $0.encoded()) ?? [] }
    }

    private static let values: [EventStreamValue] = [
        .string("event"), .string("exception"), .string("error"), .string("messageStart"), .string("messageStop"),
        .string("contentBlockStart"), .string("contentBlockDelta"), .string("contentBlockStop"), .string("metadata"),
        .string("throttlingException"), .string(""), .bool(true), .bytes([0xFF]), .int64(.min), .uuid(0, .max),
        .timestamp(milliseconds: .max),
    ]
}
