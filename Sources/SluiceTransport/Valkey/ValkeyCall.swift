import SluiceBasics
import SluiceWire

/// Commands that were handed over together, and who waits for their replies. Confined to its connection's reactor.
final class ValkeyCall {
    typealias Outcome = Result<[RESPValue], ValkeyError>
    typealias SingleOutcome = Result<RESPValue, ValkeyError>

    enum Waiter {
        case nobody
        case task(UnsafeContinuation<Outcome, Never>)
        /// Of one command: most are alone, and need no array.
        case single(UnsafeContinuation<SingleOutcome, Never>)
        /// Somebody on the same reactor.
        case neighbour((Outcome) -> Void)

        func end(_ outcome: Outcome) {
            switch self {
            case .nobody: break
            case .task(let continuation): continuation.resume(returning: outcome)
            case .single(let continuation):
                switch outcome {
                case .success(let replies):
                    continuation.resume(returning: .success(replies.first ?? .null))
                case .failure(let error): continuation.resume(returning: .failure(error))
                }
            case .neighbour(let hear): hear(outcome)
            }
        }
    }

    /// Let go of once written.
    private var commands: Commands
    let size: Int
    var deadline: Instant
    /// How long the server may hold the reply back, of pops.
    let heldBack: Duration
    var sentAt = Instant.distantFuture
    private(set) var replies: [RESPValue] = []
    private var missing: Int
    private var waiter: Waiter

    enum Commands {
        case none
        case one(ValkeyCommand)
        case many([ValkeyCommand])
    }

    init(_ commands: Commands, deadline: Instant, heldBack: Duration = .zero, _ waiter: Waiter) {
        self.commands = commands
        switch commands {
        case .none: (self.size, self.missing) = (0, 0)
        case .one(let command): (self.size, self.missing) = (command.wireSize, 1)
        case .many(let many): (self.size, self.missing) = (many.reduce(0) { $0 + $1.wireSize }, many.count)
        }
        self.deadline = deadline
        self.heldBack = heldBack
        self.waiter = waiter
    }

    /// Appends the commands, and lets go of them.
    func encode(into bytes: inout [UInt8]) {
        switch self.commands {
        case .none: break
        case .one(let command): command.encode(into: &bytes)
        case .many(let commands): for command in commands { command.encode(into: &bytes) }
        }
        self.commands = .none
    }

    /// Answers whether this was the last.
    func take(_ reply: RESPValue) -> Bool {
        self.missing -= 1
        if self.missing == 0, case .single(let continuation) = self.waiter {
            self.waiter = .nobody
            continuation.resume(returning: .success(reply))
            return true
        }
        self.replies.append(reply)
        return self.missing == 0
    }

    /// Without effect the second time.
    func end(_ outcome: Outcome) {
        let waiter = self.waiter
        self.waiter = .nobody
        waiter.end(outcome)
    }
}
