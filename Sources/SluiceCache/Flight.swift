import SluiceBasics
import SluiceWire

/// One call of a backend, and all requests that wait for its answer.
///
/// The call runs in a task of its own, so that no client takes it along when it goes; only when the last passenger has
/// left is it told to stop. A streamed answer is kept from its beginning, so that a passenger who comes later gets it
/// from the start and then as it comes. Once it has grown too large to be kept, nobody can board any more, what all
/// have read is let go, and the call waits for its leader, or for the fastest when that has gone.
/// Others who fall far behind
/// have to go: a client that reads slowly must not hold up strangers.
package final class Flight: Sendable {
    package enum End: Sendable {
        /// For everybody aboard.
        case answered(CacheEntry)
        /// A failure that everybody aboard would meet.
        case refused(HTTPResponse)
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
        /// It has read too slowly.
        case outpaced
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
        /// What it has got so far, in bytes.
        var read = 0
        var departure: Departure?

        var isReading: Bool { self.wantsStream && self.departure == nil }
    }

    private typealias Waiter = CheckedContinuation<Void, Never>

    private struct State: Sendable {
        var seats: [Int: Seat] = [:]
        /// Who waits for the next piece of a stream or the end, and who for the end alone: a piece of a stream is
        /// nothing to wake the others for.
        var readers: [Int: Waiter] = [:]
        var sleepers: [Int: Waiter] = [:]
        var nextNumber = 0
        var leader: Int?
        /// By whoever aboard has read most of the stream, in bytes; `nil`: nobody wants it.
        var mostRead: Int?
        var head: Head?
        var chunks: [[UInt8]] = []
        /// How many chunks have been let go before those.
        var released = 0
        /// Of all chunks that have come.
        var bytes = 0
        var isOutgrown = false
        var end: End?
        /// The call, while it waits for the slowest passenger.
        var pump: Waiter?
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
            let seat = Seat(isLeader: isLeader, wantsStream: form != .whole && form == self.form)
            state.seats[number] = seat
            if isLeader { state.leader = number }
            if seat.wantsStream, state.mostRead == nil { state.mostRead = 0 }
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
        self.wake { state in
            state.head = head
            return false
        }
    }

    /// The next piece of the stream. Waits while the leader is too far behind, or all are when it has gone, unless the
    /// task is cancelled.
    package func pass(_ chunk: [UInt8]) async {
        self.passAtOnce(chunk)
        guard self.isBehind else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = self.state.withLock { state in
                    // Under the lock: whoever cancels afterwards finds the continuation.
                    guard !Task.isCancelled, Self.isBehind(state, self.maximumBytes) else { return false }
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
            let wasOutgrown = state.isOutgrown
            if wasOutgrown { self.leaveBehind(&state) }
            state.chunks.append(chunk)
            state.bytes += chunk.count
            if state.bytes > self.maximumBytes { state.isOutgrown = true }
            Self.release(&state)
            return state.isOutgrown && !wasOutgrown
        }
    }

    private var isBehind: Bool { self.state.withLock { Self.isBehind($0, self.maximumBytes) } }

    private static func isBehind(_ state: State, _ maximumBytes: Int) -> Bool {
        guard state.isOutgrown, var pace = state.mostRead else { return false }
        if let leader = state.leader, let seat = state.seats[leader], seat.isReading { pace = seat.read }
        return state.bytes - pace > maximumBytes
    }

    /// Followers that are more than a window behind the one that the call itself waits for have to go.
    private func leaveBehind(_ state: inout State) {
        let slowest = state.bytes - Self.doubled(self.maximumBytes)
        guard slowest > 0 else { return }
        let late = state.seats.filter { $0.value.isReading && !$0.value.isLeader && $0.value.read < slowest }
        for number in late.keys { state.seats[number]?.departure = .outpaced }
    }

    private static func doubled(_ bytes: Int) -> Int {
        let (twice, overflow) = bytes.multipliedReportingOverflow(by: 2)
        return overflow ? .max : twice
    }

    /// The call, if it waited and need not any more.
    private static func freePump(_ state: inout State, _ maximumBytes: Int) -> Waiter? {
        guard !Self.isBehind(state, maximumBytes), let pump = state.pump else { return nil }
        state.pump = nil
        return pump
    }

    private func takePump() -> Waiter? {
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
            return true
        }
    }

    /// Lets go what everybody has read, once the stream cannot be kept.
    private static func release(_ state: inout State) {
        guard state.isOutgrown else { return }
        let end = state.released + state.chunks.count
        let readers = state.seats.values.lazy.filter(\.isReading)
        let slowest = readers.map(\.next).min() ?? end
        let count = min(state.chunks.count, max(0, slowest - state.released))
        state.chunks.removeFirst(count)
        state.released += count
    }

    /// Changes the state and lets those look at it whom it concerns.
    ///
    /// - Parameter change: returns whether it is news for those as well who do not want the stream.
    private func wake(_ change: (inout State) -> Bool) {
        let (readers, sleepers) = self.state.withLock { state -> ([Int: Waiter], [Int: Waiter]) in
            let isForAll = change(&state)
            var readers: [Int: Waiter] = [:]
            swap(&readers, &state.readers)
            guard isForAll else { return (readers, [:]) }
            var sleepers: [Int: Waiter] = [:]
            swap(&sleepers, &state.sleepers)
            return (readers, sleepers)
        }
        for waiter in readers.values { waiter.resume() }
        for waiter in sleepers.values { waiter.resume() }
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
            state.seats[passenger.number]?.read = state.bytes
            state.mostRead = state.bytes
            return (.chunk(chunk), Self.freePump(&state, self.maximumBytes))
        }
        pump?.resume()
        return news
    }

    /// Whoever has shown nothing of it to a client yet can do better.
    private static func hasFailed(_ state: State) -> Bool {
        switch state.end {
        case .unshared, .refused: true
        case .answered, nil: false
        }
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
            if seat.wantsStream {
                state.readers[passenger.number] = continuation
            } else {
                state.sleepers[passenger.number] = continuation
            }
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
        let (waiter, pump) = self.state.withLock { state -> (Waiter?, Waiter?) in
            guard let seat = state.seats[passenger.number] else { return (nil, nil) }
            if seat.departure == nil { state.seats[passenger.number]?.departure = departure }
            let waiter = Self.takeWaiter(passenger, &state)
            Self.measure(&state)
            return (waiter, Self.freePump(&state, self.maximumBytes))
        }
        waiter?.resume()
        pump?.resume()
    }

    /// The passenger needs nothing more. Every passenger has to leave, whatever became of it; when none is left, a call
    /// that still runs is told to stop.
    package func leave(_ passenger: Passenger) {
        let (pump, cancellation) = self.state.withLock { state -> (Waiter?, (any Cancellable)?) in
            guard state.seats.removeValue(forKey: passenger.number) != nil else { return (nil, nil) }
            Self.measure(&state)
            Self.release(&state)
            let pump = Self.freePump(&state, self.maximumBytes)
            guard state.seats.isEmpty, state.end == nil else { return (pump, nil) }
            state.isAbandoned = true
            return (pump, state.cancellation)
        }
        pump?.resume()
        cancellation?.cancel()
    }

    private static func takeWaiter(_ passenger: Passenger, _ state: inout State) -> Waiter? {
        state.readers.removeValue(forKey: passenger.number) ?? state.sleepers.removeValue(forKey: passenger.number)
    }

    /// Anew, when somebody has gone: it may have been the fastest.
    private static func measure(_ state: inout State) {
        state.mostRead = state.seats.values.lazy.filter(\.isReading).map(\.read).max()
    }
}
