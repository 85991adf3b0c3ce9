import CLibUV
import SluiceBasics
import SluiceWire

/// One connection to Valkey on one reactor's loop, which comes back by itself when it is lost.
///
/// ```
/// idle ──▶ connecting ──▶ greeting ──▶ ready
///   ▲          │              │          │
///   └── pausing (back-off) ◀──┴──────────┘          any ──▶ closed
/// ```
/// Commands wait in order. All that were handed over in one turn of the loop go out in one write; replies end the
/// calls in the same order. A call of which a byte has been written fails when the connection does, because nobody
/// knows what became of it; others wait for the next connection. A server that takes no commands, because it loads or
/// has become a replica, is left as soon as it has answered what was sent: behind the same name there may be another.
final class ValkeyConnection: ReactorParticipant, @unchecked Sendable {
    // Sound: confined to its reactor's thread; `reactor` and `configuration` are constant.

    private enum Stage {
        case idle
        case connecting
        case greeting
        case ready
        case pausing
        case closed
    }

    /// What the ordinary connection says about a server that an overdue pop hears nothing from.
    private enum Witness: Equatable {
        case unasked
        case asked
        case answered(Instant)
    }

    let reactor: Reactor
    let configuration: ValkeyConfiguration
    /// Of a connection for pops, where silence is normal because the server holds them back: whom to ask whether the
    /// server lives.
    private let ordinary: ValkeyConnection?
    private let clock = SystemClock()
    private var stage = Stage.idle
    private var stream: (any ValkeyLine)?
    private var reader: ValkeyReplyReader?
    /// Written, in the order of the replies to come; the greeting is the first.
    private var sent = ValkeyCallQueue()
    private var unsent = ValkeyCallQueue()
    private var unsentBytes = 0
    private var needsWrite = false
    /// Memory that the next write uses again.
    private var output: [UInt8] = []
    private var failures = 0
    private var readySince = Instant.zero
    /// What the server said when it sent us away.
    private var dismissal: ValkeyServerError?
    private var lastHeard = Instant.zero
    private var lastTaken = 0
    private var isPinging = false
    private var witness = Witness.unasked
    private var timer: ReactorTimer?
    private var pause: ReactorTimer?
    private var random: SeededRandom
    private let tls: Result<ValkeyTLSContext, ValkeyError>?
    /// Why the last attempt to connect failed.
    private var lastFailure: ValkeyError?
    /// Writes made, for tests of pipelining.
    private(set) var writes = 0

    init(
        _ reactor: Reactor,
        _ configuration: ValkeyConfiguration,
        tls: Result<ValkeyTLSContext, ValkeyError>?,
        popsBeside ordinary: ValkeyConnection? = nil,
        seed: UInt64
    ) {
        self.tls = tls
        self.reactor = reactor
        self.configuration = configuration
        self.ordinary = ordinary
        self.random = SeededRandom(seed: seed)
    }

    /// More than a payload of usual size; what is larger is given back.
    private static let keptOutputBytes = 256 << 10

    private var callTimeout: Duration {
        self.ordinary == nil ? self.configuration.commandTimeout : self.configuration.popTimeout
    }

    // MARK: Calls

    func call(
        _ commands: ValkeyCall.Commands,
        heldBack: Duration = .zero,
        _ waiter: ValkeyCall.Waiter
    ) {
        guard self.stage != .closed else { return waiter.end(.failure(.closed)) }
        let limit = self.configuration.maximumWaiting
        guard self.sent.count + self.unsent.count < limit else {
            return waiter.end(.failure(.overloaded(limit: limit)))
        }
        let deadline = self.clock.now() + self.callTimeout
        let call = ValkeyCall(commands, deadline: deadline, heldBack: heldBack, waiter)
        let waiting = self.unsentBytes + (self.stream?.queuedBytes ?? 0)
        guard waiting + call.size <= self.configuration.maximumWaitingBytes else {
            call.end(.failure(.overloaded(limit: limit)))
            return
        }
        self.enqueue(call)
    }

    /// Hears whether the server answers something that is sent from now on.
    private func ask(_ hear: @escaping (Bool) -> Void) {
        guard self.stage != .closed else { return hear(false) }
        let deadline = self.clock.now() + self.callTimeout
        let call = ValkeyCall(
            .one(ValkeyCommand("PING")),
            deadline: deadline,
            .neighbour { outcome in
                if case .success = outcome { hear(true) } else { hear(false) }
            }
        )
        self.enqueue(call)
    }

    private func enqueue(_ call: ValkeyCall) {
        self.unsent.append(call)
        self.unsentBytes += call.size
        self.needsWrite = true
        if self.stage == .idle { self.connect() }
    }

    func takeTurn() -> Bool {
        guard self.needsWrite else { return false }
        self.needsWrite = false
        guard self.stage == .ready, self.dismissal == nil, let stream = self.stream, !self.unsent.isEmpty else {
            return false
        }
        self.write(self.unsent.takeAll(), on: stream)
        self.unsentBytes = 0
        return true
    }

    private func write(_ calls: [ValkeyCall], on stream: any ValkeyLine) {
        var output: [UInt8] = []
        swap(&output, &self.output)
        output.reserveCapacity(calls.reduce(0) { $0 + $1.size })
        let now = self.clock.now()
        for call in calls {
            call.encode(into: &output)
            call.sentAt = now
            // The server's time begins now, whenever the connection came.
            if self.ordinary != nil, call.deadline != .distantFuture {
                call.deadline = now + max(self.callTimeout, call.heldBack + self.configuration.popGrace)
            }
            self.sent.append(call)
        }
        self.writes += 1
        if self.sent.count == calls.count { self.lastHeard = now }
        output.withUnsafeBytes { stream.write($0) }
        guard output.count <= Self.keptOutputBytes else { return }
        output.removeAll(keepingCapacity: true)
        self.output = output
    }

    // MARK: Connecting

    private func connect() {
        guard let reader = ValkeyReplyReader(maximumBytes: self.configuration.maximumReplyBytes) else {
            return self.lose(.unreachable("out of memory"))
        }
        self.stage = .connecting
        self.reader = reader
        self.startTicking()
        self.lastHeard = self.clock.now()
        do throws(ValkeyError) {
            self.stream = try self.makeStream()
        } catch {
            self.lose(error)
        }
    }

    private func makeStream() throws(ValkeyError) -> any ValkeyLine {
        let place = self.configuration.address.place
        let hear: (ValkeyStream.Event) -> Void = { [weak self] event in self?.happened(event) }
        guard let tls = self.tls else { return ValkeyStream(self.reactor, place, hear) }
        return try ValkeyTLS(self.reactor, place, try tls.get(), hear)
    }

    private func happened(_ event: ValkeyStream.Event) {
        switch event {
        case .connected: self.greet()
        case .failed(let why): self.lose(self.failure(why))
        case .untrusted(let why): self.lose(.untrusted(why))
        case .received(let bytes): self.received(bytes)
        }
    }

    private func failure(_ why: String) -> ValkeyError {
        switch self.stage {
        case .connecting: return .unreachable(why)
        // Nobody's command has been sent yet.
        case .greeting:
            let hint = self.tls == nil ? "; if its port is for TLS, use rediss://" : ""
            return .unreachable("it ended the connection at the greeting (\(why))\(hint)")
        default: return .connectionLost(sent: true)
        }
    }

    /// Says who we are, before anything else.
    private func greet() {
        guard let stream = self.stream else { return }
        let address = self.configuration.address
        var commands: [ValkeyCommand] = []
        if let password = address.password {
            let user = address.user.map { [ValkeyArgument.text($0)] } ?? []
            commands.append(ValkeyCommand("AUTH", user + [.text(password)]))
        }
        if address.database != 0 { commands.append(ValkeyCommand("SELECT", [.integer(address.database)])) }
        commands.append(ValkeyCommand("CLIENT", ["SETNAME", .text(self.configuration.clientName)]))
        self.stage = .greeting
        self.write([ValkeyCall(.many(commands), deadline: .distantFuture, .nobody)], on: stream)
    }

    private func greeted(_ call: ValkeyCall) {
        for case .error(let error) in call.replies.dropLast() { return self.lose(.server(error)) }
        // The name is a nicety: a server that does not know it, or not now, or not from us, serves us as well. Only one
        // that wants a password first does not.
        if case .error(let error) = call.replies.last, error.kind == .authentication,
            !error.message.hasPrefix("NOPERM")
        {
            return self.lose(.server(error))
        }
        self.stage = .ready
        self.readySince = self.clock.now()
        self.lastFailure = nil
        self.needsWrite = true
    }

    // MARK: Replies

    private func received(_ bytes: UnsafeRawBufferPointer) {
        guard let reader = self.reader else { return }
        self.lastHeard = self.clock.now()
        self.witness = .unasked
        do throws(ValkeyError) {
            var isSurplus = false
            try reader.feed(bytes) { value in
                if !self.take(value) { isSurplus = true }
            }
            if isSurplus { throw .protocolViolation("a reply to nothing that was asked") }
            if let dismissal = self.dismissal, self.sent.isEmpty { throw .server(dismissal) }
        } catch {
            self.lose(error)
        }
    }

    private func take(_ value: RESPValue) -> Bool {
        guard let call = self.sent.first else { return false }
        if case .error(let error) = value, error.kind.isDismissal, self.stage == .ready { self.dismissal = error }
        guard call.take(value) else { return true }
        self.sent.removeFirst()
        if self.stage == .greeting {
            self.greeted(call)
        } else {
            self.isPinging = false
            call.end(.success(call.replies))
        }
        return true
    }

    // MARK: Time

    private func startTicking() {
        guard self.timer == nil else { return }
        self.reactor.add(self)
        let timer = ReactorTimer(self.reactor)
        self.timer = timer
        let interval = min(self.configuration.pingInterval, self.callTimeout, .seconds(1)) / 4
        timer.start(after: interval, repeating: interval) { [unowned self] in self.tick() }
    }

    private func tick() {
        let now = self.clock.now()
        self.unsent.removeAll { call in
            guard call.deadline <= now else { return false }
            self.unsentBytes -= call.size
            // It never left, whatever became of others.
            let cause = self.lastFailure ?? .unreachable("no connection in time")
            call.end(.failure(cause.mayHaveExecuted ? .connectionLost(sent: false) : cause))
            return true
        }
        self.noteProgress(now)
        let silence = now - self.lastHeard
        switch self.stage {
        case .connecting, .greeting:
            guard silence > self.configuration.connectTimeout else { break }
            self.lose(.unreachable("it does not answer\(self.tls == nil ? "" : "; is this its port for TLS?")"))
        case .ready: self.watch(now, silence: silence)
        case .idle, .pausing, .closed: break
        }
    }

    /// A large push takes its time, and nothing comes back meanwhile: that it goes on is a sign of life.
    private func noteProgress(_ now: Instant) {
        let taken = self.stream?.takenBytes ?? 0
        if taken > self.lastTaken && self.stream?.queuedBytes ?? 0 > 0 { self.lastHeard = now }
        self.lastTaken = taken
    }

    /// Finds out whether the other side is still there.
    private func watch(_ now: Instant, silence: Duration) {
        if let oldest = self.sent.first, oldest.deadline <= now { return self.lose(.timedOut) }
        if let ordinary = self.ordinary { return self.watchPop(now, beside: ordinary) }
        guard silence >= self.configuration.pingInterval else { return }
        if self.isPinging {
            if silence >= self.configuration.pingInterval * 2 { self.lose(.timedOut) }
            return
        }
        guard let stream = self.stream else { return }
        self.isPinging = true
        let heard = self.lastHeard
        self.write([ValkeyCall(.one(ValkeyCommand("PING")), deadline: .distantFuture, .nobody)], on: stream)
        self.lastHeard = heard
    }

    /// Gives a pop up when it is overdue although the server is well.
    private func watchPop(_ now: Instant, beside ordinary: ValkeyConnection) {
        guard let pop = self.sent.first,
            max(pop.sentAt + pop.heldBack, self.lastHeard) + self.configuration.popGrace <= now
        else {
            self.witness = .unasked
            return
        }
        switch self.witness {
        case .unasked:
            self.witness = .asked
            ordinary.ask { [weak self, weak pop] isAnswered in
                guard let self, let pop, self.sent.first === pop, self.witness == .asked else { return }
                self.witness = isAnswered ? .answered(self.clock.now()) : .unasked
            }
        case .asked: break
        case .answered(let answered):
            // An answer to the pop may have been on its way together with the other; by the next look it is here.
            if now - answered >= .milliseconds(100) { self.lose(.connectionLost(sent: true)) }
        }
    }

    // MARK: Losing it

    /// What was sent fails; the rest waits for the next connection.
    private func lose(_ error: ValkeyError) {
        guard self.stage != .closed, self.stage != .pausing else { return }
        self.stream?.close()
        self.stream = nil
        self.reader = nil
        self.isPinging = false
        self.witness = .unasked
        self.dismissal = nil
        // A connection that did not last counts as one more failure, so that nobody is asked in a tight loop.
        if self.stage == .ready, self.clock.now() - self.readySince >= self.configuration.mostBackoff {
            self.failures = 0
        }
        self.failures += 1
        self.lastFailure = error
        self.stage = .pausing
        for call in self.sent.takeAll() { call.end(.failure(error)) }
        if Self.isFinal(error) {
            self.unsentBytes = 0
            for call in self.unsent.takeAll() { call.end(.failure(error)) }
        }
        let pause = self.pause ?? ReactorTimer(self.reactor)
        self.pause = pause
        pause.start(after: self.backoff()) { [unowned self] in
            self.stage = .idle
            if !self.unsent.isEmpty { self.connect() }
        }
    }

    /// A wrong password does not become right by waiting, nor a wrong certificate.
    private static func isFinal(_ error: ValkeyError) -> Bool {
        switch error {
        case .untrusted: true
        case .server(let refusal): refusal.kind == .authentication
        default: false
        }
    }

    /// Random up to a bound that doubles ("full jitter").
    private func backoff() -> Duration {
        let doublings = min(self.failures - 1, 16)
        let bound = min(self.configuration.mostBackoff, self.configuration.leastBackoff * (1 << doublings))
        let nanoseconds = UInt64(max(1, bound.wholeNanoseconds))
        return .nanoseconds(Int64(self.random.next() % nanoseconds))
    }

    /// Ends for good.
    func close() {
        guard self.stage != .closed else { return }
        self.stage = .closed
        self.stream?.close()
        self.stream = nil
        self.timer?.close()
        self.pause?.close()
        if self.timer != nil { self.reactor.remove(self) }
        self.timer = nil
        for call in self.sent.takeAll() + self.unsent.takeAll() { call.end(.failure(.closed)) }
    }
}
