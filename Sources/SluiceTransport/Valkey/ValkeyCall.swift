import SluiceBasics
import SluiceWire

/// Commands that were handed over together, and who waits for their replies. Confined to its connection's reactor.
final class ValkeyCall {
    typealias Outcome = Result<[RESPValue], ValkeyError>

    enum Waiter {
        case nobody
        case task(UnsafeContinuation<Outcome, Never>)
        /// Somebody on the same reactor.
        case neighbour((Outcome) -> Void)
    }

    /// Encoded; empty once written.
    var bytes: [UInt8]
    let expected: Int
    var deadline: Instant
    /// How long the server may hold the reply back, of pops.
    let heldBack: Duration
    var sentAt = Instant.distantFuture
    var replies: [RESPValue] = []
    private var waiter: Waiter

    init(_ commands: [ValkeyCommand], deadline: Instant, heldBack: Duration = .zero, _ waiter: Waiter) {
        self.bytes = Self.encode(commands)
        self.expected = commands.count
        self.deadline = deadline
        self.heldBack = heldBack
        self.waiter = waiter
        self.replies.reserveCapacity(commands.count)
    }

    var isComplete: Bool { self.replies.count == self.expected }

    func end(_ outcome: Outcome) {
        let waiter = self.waiter
        self.waiter = .nobody
        switch waiter {
        case .nobody: break
        case .task(let continuation): continuation.resume(returning: outcome)
        case .neighbour(let hear): hear(outcome)
        }
    }

    /// Arrays of length-prefixed strings, straight into one buffer: hiredis' own formatter would make one allocation
    /// and one copy of every payload more.
    private static func encode(_ commands: [ValkeyCommand]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            commands.reduce(0) { sum, command in
                sum + command.arguments.reduce(24) { $0 + $1.count + 24 }
            }
        )
        for command in commands {
            Self.append(UInt8(ascii: "*"), command.arguments.count, to: &bytes)
            for argument in command.arguments {
                Self.append(UInt8(ascii: "$"), argument.count, to: &bytes)
                bytes.append(contentsOf: argument)
                bytes.append(13)
                bytes.append(10)
            }
        }
        return bytes
    }

    private static func append(_ kind: UInt8, _ count: Int, to bytes: inout [UInt8]) {
        bytes.append(kind)
        bytes.append(contentsOf: String(count).utf8)
        bytes.append(13)
        bytes.append(10)
    }
}
