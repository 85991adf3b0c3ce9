import SluiceBasics
import SluiceWire

/// One call of a backend, and all requests that wait for its answer.
///
/// The call runs in a task of its own, so that no client takes it along when it goes; only when the last passenger has
/// left is it told to stop. A streamed answer is kept from its beginning, so that a passenger who comes later gets it
/// from the start and then as it comes. Once it has grown too large to be kept, nobody can board any more, what all
/// have read is let go, and the call waits for the slowest.
package final class Flight: Sendable {
    package enum End: Sendable {
        /// For everybody aboard.
        case answered(CacheEntry)
        /// For whoever made the call, and for those who have seen the beginning of a stream. Everybody else has to
        /// see for himself.
        case unshared(HTTPResponse)
    }

    package struct Head: Sendable {
        package var status: Int
        package var headers: HTTPFields

        package init(status: Int, headers: HTTPFields) {
            self.status = status
            self.headers = headers
        }
    }

    /// How an answer is told.
    package enum Form: Sendable, Equatable {
        case whole
        case stream(hasUsage: Bool)
    }

    /// One request aboard.
    package struct Passenger: Sendable, Equatable {
        let number: Int
        /// Whose call it is.
        package let isLeader: Bool
    }

    /// Why a passenger goes before the end.
    package enum Departure: Sendable, Equatable {
        /// Its client has gone.
        case gone
        /// Its deadline has passed.
        case overdue
    }

    /// What there is for a passenger.
    package enum News: Sendable {
        case head(Head)
        case chunk([UInt8])
        case end(End)
        /// The stream is too large to be kept, so there will be no whole answer for this passenger.
        case outgrown
        case departed(Departure)
    }

    private struct Seat: Sendable {
        var isLeader: Bool
        /// Wants the stream; otherwise the end is enough.
        var wantsStream: Bool
        var hasHead = false
        /// The chunk it gets next, counted from the first of the stream.
        var next = 0
        var departure: Departure?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private struct State: Sendable {
        var seats: [Int: Seat] = [:]
        var nextNumber = 0
        var head: Head?
        var chunks: [[UInt8]] = []
        /// How many chunks have been let go before those.
        var released = 0
        var bytes = 0
        var isOutgrown = false
        var end: End?
        /// The call, while it waits for the slowest passenger.
        var pump: CheckedContinuation<Void, Never>?
        var cancellation: (any Cancellable)?
        var isAbandoned = false
    }

    package let key: CacheKey
    /// Who asks more urgently does not follow. Less is more urgent.
    package let rank: Int
    /// As whoever makes the call wants it. Others can follow it piece by piece only if they want the same.
    private let form: Form
    private let maximumPassengers: Int
    private let maximumBytes: Int
    private let state = Lock(State())

    init(key: CacheKey, rank: Int, form: Form, maximumPassengers: Int, maximumBytes: Int) {
        self.key = key
        self.rank = rank
        self.form = form
        self.maximumPassengers = maximumPassengers
        self.maximumBytes = maximumBytes
    }

    /// Those aboard.
    package var passengers: Int { self.state.withLock { $0.seats.count } }

    package enum Boarding: Sendable, Equatable {
        case aboard(Passenger)
        case full
        /// It has ended, or nobody can come aboard any more.
        case closed
    }

    func board(isLeader: Bool, form: Form) -> Boarding {
        self.state.withLock { state in
            guard state.end == nil, !state.isOutgrown, !state.isAbandoned else { return .closed }
            guard state.seats.count < self.maximumPassengers else { return .full }
            let number = state.nextNumber
            state.nextNumber += 1
            state.seats[number] = Seat(isLeader: isLeader, wantsStream: form != .whole && form == self.form)
            return .aboard(Passenger(number: number, isLeader: isLeader))
        }
    }

    // MARK: The call

    /// Who is told to stop when the last passenger has left.
    package func set(_ cancellation: any Cancellable) {
        let isAbandoned = self.state.withLock { state in
            state.cancellation = cancellation
            return state.isAbandoned
        }
        if isAbandoned { cancellation.cancel() }
    }

    /// The head of a stream has come.
    package func begin(_ head: Head) {
        self.wake { $0.head = head }
    }

    /// The next piece of the stream. Waits while the slowest passenger is too far behind, unless the task is cancelled.
    package func pass(_ chunk: [UInt8]) async {
        self.passAtOnce(chunk)
        guard self.isBehind else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = Task.isCancelled
                let mustWait = self.state.withLock { state in
                    guard !isCancelled, Self.isBehind(state, self.maximumBytes) else { return false }
                    state.pump = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            self.takePump()?.resume()
        }
    }

    /// As the other, for last words.
    package func passAtOnce(_ chunk: [UInt8]) {
        self.wake { state in
            state.chunks.append(chunk)
            state.bytes += chunk.count
            if state.bytes > self.maximumBytes { state.isOutgrown = true }
            Self.release(&state)
        }
    }

    private var isBehind: Bool { self.state.withLock { Self.isBehind($0, self.maximumBytes) } }

    private static func isBehind(_ state: State, _ maximumBytes: Int) -> Bool {
        state.isOutgrown && state.bytes > maximumBytes
            && state.seats.values.contains { $0.wantsStream && $0.departure == nil }
    }

    /// The call, if it waited and need not any more.
    private static func freePump(_ state: inout State, _ maximumBytes: Int) -> CheckedContinuation<Void, Never>? {
        guard !Self.isBehind(state, maximumBytes), let pump = state.pump else { return nil }
        state.pump = nil
        return pump
    }

    private func takePump() -> CheckedContinuation<Void, Never>? {
        self.state.withLock { state in
            defer { state.pump = nil }
            return state.pump
        }
    }

    /// The whole stream, if it is not too large.
    package var stream: [UInt8]? {
        self.state.withLock { state in
            guard !state.isOutgrown, state.released == 0 else { return nil }
            return state.chunks.reduce(into: []) { $0.append(contentsOf: $1) }
        }
    }

    package func end(_ end: End) {
        self.wake { state in
            if state.end == nil { state.end = end }
            state.cancellation = nil
        }
    }

    /// Lets go what everybody has read, once the stream cannot be kept.
    private static func release(_ state: inout State) {
        guard state.isOutgrown else { return }
        let end = state.released + state.chunks.count
        let slowest = state.seats.values.lazy.filter { $0.wantsStream }.map(\.next).min() ?? end
        let count = min(state.chunks.count, max(0, slowest - state.released))
        for chunk in state.chunks.prefix(count) { state.bytes -= chunk.count }
        state.chunks.removeFirst(count)
        state.released += count
    }

    /// Changes the state and lets all look at it.
    private func wake(_ change: (inout State) -> Void) {
        let waiters = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            change(&state)
            var waiters: [CheckedContinuation<Void, Never>] = []
            for number in state.seats.keys {
                guard let waiter = state.seats[number]?.waiter else { continue }
                waiters.append(waiter)
                state.seats[number]?.waiter = nil
            }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: A passenger

    /// What comes next for a passenger; waits for it. When its task is cancelled, its client has gone.
    package func news(_ passenger: Passenger) async -> News {
        while true {
            if let news = self.newsAtOnce(passenger) { return news }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in self.wait(passenger, continuation) }
            } onCancel: {
                self.depart(passenger, .gone)
            }
        }
    }

    private func newsAtOnce(_ passenger: Passenger) -> News? {
        let (news, pump) = self.state.withLock { state -> (News?, CheckedContinuation<Void, Never>?) in
            guard let seat = state.seats[passenger.number] else { return (.departed(.gone), nil) }
            if let departure = seat.departure { return (.departed(departure), nil) }
            guard seat.wantsStream, let head = state.head, seat.hasHead || seat.isLeader || !Self.hasFailed(state)
            else {
                if let end = state.end { return (.end(end), nil) }
                return (!seat.isLeader && state.isOutgrown ? .outgrown : nil, nil)
            }
            guard seat.hasHead else {
                state.seats[passenger.number]?.hasHead = true
                return (.head(head), nil)
            }
            let index = seat.next - state.released
            guard index < state.chunks.count else { return (state.end.map { .end($0) }, nil) }
            let chunk = Self.joined(state.chunks[max(0, index)...])
            state.seats[passenger.number]?.next = state.released + state.chunks.count
            Self.release(&state)
            return (.chunk(chunk), Self.freePump(&state, self.maximumBytes))
        }
        pump?.resume()
        return news
    }

    /// Whoever has shown nothing of it to a client yet can do better.
    private static func hasFailed(_ state: State) -> Bool {
        if case .unshared = state.end { true } else { false }
    }

    private static func joined(_ chunks: ArraySlice<[UInt8]>) -> [UInt8] {
        if let first = chunks.first, chunks.count == 1 { return first }
        return chunks.reduce(into: []) { $0.append(contentsOf: $1) }
    }

    private func wait(_ passenger: Passenger, _ continuation: CheckedContinuation<Void, Never>) {
        let mustWait = self.state.withLock { state in
            guard let seat = state.seats[passenger.number], seat.departure == nil, !Self.hasNews(seat, state) else {
                return false
            }
            state.seats[passenger.number]?.waiter = continuation
            return true
        }
        if !mustWait { continuation.resume() }
    }

    private static func hasNews(_ seat: Seat, _ state: State) -> Bool {
        if state.end != nil { return true }
        guard seat.wantsStream, state.head != nil else { return !seat.isLeader && state.isOutgrown }
        return !seat.hasHead || seat.next < state.released + state.chunks.count
    }

    /// Tells a passenger to go. Harmless when it has gone.
    package func depart(_ passenger: Passenger, _ departure: Departure) {
        typealias Continuation = CheckedContinuation<Void, Never>
        let (waiter, pump) = self.state.withLock { state -> (Continuation?, Continuation?) in
            guard state.seats[passenger.number] != nil else { return (nil, nil) }
            if state.seats[passenger.number]?.departure == nil { state.seats[passenger.number]?.departure = departure }
            let waiter = state.seats[passenger.number]?.waiter
            state.seats[passenger.number]?.waiter = nil
            return (waiter, Self.freePump(&state, self.maximumBytes))
        }
        waiter?.resume()
        pump?.resume()
    }

    /// The passenger needs nothing more. Every passenger has to leave, whatever became of it; when none is left, a call
    /// that still runs is told to stop.
    package func leave(_ passenger: Passenger) {
        let (pump, cancellation) = self.state.withLock {
            state -> (CheckedContinuation<Void, Never>?, (any Cancellable)?) in
            guard state.seats.removeValue(forKey: passenger.number) != nil else { return (nil, nil) }
            Self.release(&state)
            let pump = Self.freePump(&state, self.maximumBytes)
            guard state.seats.isEmpty, state.end == nil else { return (pump, nil) }
            state.isAbandoned = true
            return (pump, state.cancellation)
        }
        pump?.resume()
        cancellation?.cancel()
    }
}
