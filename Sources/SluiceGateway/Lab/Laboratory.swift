import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// The lab: simulations of the scheduler that people watch and change. It touches nothing of the runtime.
///
/// DESIGN. All simulating, and everything else that takes time, runs on a thread of its own that `spawn` leads to, in
/// slices of a few milliseconds with pauses as long: where the runtime's requests are answered, nothing is done but to
/// pass on bytes that are ready. A session goes on only while somebody watches it.
package final class Laboratory: Sendable {
    package typealias Spawn = Gateway.Spawn
    package typealias Sleep = Gateway.Sleep

    private struct State {
        var sessions: [LabSession] = []
        var traces: LabTraces
        var runs = 0
        var isSweeping = false
    }

    let configuration: LabConfiguration
    let clock: any TimeSource
    /// What a page without a scenario begins with, as JSON; `nil`: the first preset.
    let start: [UInt8]?
    private let spawn: Spawn
    private let sleep: Sleep
    private let steps = Watchers(maximum: LabConfiguration.mostStepping)
    private let state: Lock<State>
    private let random: Lock<SeededRandom>

    /// - Parameters:
    ///   - spawn: starts a task on the lab's own thread.
    ///   - sleep: waits there.
    package init(
        _ configuration: LabConfiguration,
        start: [UInt8]? = nil,
        clock: any TimeSource,
        spawn: @escaping Spawn,
        sleep: @escaping Sleep
    ) {
        self.configuration = configuration
        self.start = start
        self.clock = clock
        self.spawn = spawn
        self.sleep = sleep
        self.state = Lock(State(traces: LabTraces(maximumBytes: configuration.maximumTraceBytes)))
        self.random = Lock(SeededRandom(seed: Digest.random()))
    }

    /// Does it on the lab's thread.
    func bench<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            _ = self.spawn { continuation.resume(returning: work()) }
        }
    }

    func bench<Value: Sendable>(
        throwing work: @escaping @Sendable () throws(GatewayError) -> Value
    ) async throws(GatewayError) -> Value {
        try await self.bench { () -> Result<Value, GatewayError> in
            do throws(GatewayError) { return .success(try work()) } catch { return .failure(error) }
        }.get()
    }

    // MARK: Sessions

    package var sessionCount: Int { self.state.withLock { $0.sessions.count } }

    func find(_ id: String) throws(GatewayError) -> LabSession {
        if let session = self.state.withLock({ state in state.sessions.first { $0.id == id } }) { return session }
        throw .notFound(
            "There is no such session of the lab; it may have been idle for too long. Begin a new one.",
            code: "lab_session_not_found"
        )
    }

    /// On the lab's thread.
    func open(_ scenario: LabScenario) throws(GatewayError) -> LabSession {
        let trace = try self.trace(of: scenario)
        let now = self.clock.now()
        let numbers = self.random.withLock { ($0.next(), $0.next()) }
        let id = "lab_" + String(numbers.0, radix: 36) + String(numbers.1, radix: 36)
        let session = LabSession(id: id, scenario, trace: trace, now: now)
        let most = self.configuration.maximumSessions
        let others = self.state.withLock { $0.sessions }
        let unwatched = others.filter { $0.state.withLock { $0.watchers.isEmpty } }
        let oldest = unwatched.min { one, other in
            one.state.withLock { $0.touchedAt } < other.state.withLock { $0.touchedAt }
        }
        if others.count >= most {
            guard let oldest else {
                throw .unavailable(
                    "As many sessions of the lab as are allowed (lab.max_sessions: \(most)) are being watched.",
                    code: "too_many_lab_sessions",
                    retryAfter: 10
                )
            }
            self.close(oldest)
        }
        self.state.withLock { $0.sessions.append(session) }
        self.beginSweeping()
        return session
    }

    func close(_ session: LabSession) {
        self.state.withLock { $0.sessions.removeAll { $0 === session } }
        let watchers = session.state.withLock { state -> [LabWatcher] in
            state.isGone = true
            defer { state.watchers = [] }
            return state.watchers
        }
        for watcher in watchers { watcher.close() }
    }

    /// Sessions that nobody has wanted for long enough go.
    private func beginSweeping() {
        let isNew = self.state.withLock { state -> Bool in
            defer { state.isSweeping = true }
            return !state.isSweeping
        }
        guard isNew else { return }
        _ = self.spawn {
            while true {
                do { try await self.sleep(self.configuration.idle / 4) } catch { break }
                let now = self.clock.now()
                for session in self.state.withLock({ $0.sessions }) {
                    let isIdle = session.state.withLock { state in
                        state.watchers.isEmpty && now - state.touchedAt >= self.configuration.idle
                    }
                    if isIdle { self.close(session) }
                }
                let isDone = self.state.withLock { state -> Bool in
                    if state.sessions.isEmpty { state.isSweeping = false }
                    return state.sessions.isEmpty
                }
                if isDone { return }
            }
            self.state.withLock { $0.isSweeping = false }
        }
    }

    // MARK: Watching

    /// On the lab's thread. Begins to drive the session if nobody does.
    func watch(_ session: LabSession) throws(GatewayError) -> LabWatcher {
        let watcher = LabWatcher()
        let now = self.clock.now()
        let begins = try session.change(at: now) { state throws(GatewayError) -> Bool in
            guard state.watchers.count < LabConfiguration.mostWatchers, !state.isGone else {
                throw .unavailable(
                    "As many watchers as a session of the lab may have are connected already.",
                    code: "too_many_watchers",
                    retryAfter: 5
                )
            }
            state.watchers.append(watcher)
            watcher.show(note: LabSessionView.event(session.id, state))
            defer { state.isDriven = true }
            if !state.isDriven { state.resumeClock(now) }
            return !state.isDriven
        }
        if begins {
            _ = self.spawn {
                while let pause = session.drive(self.clock) {
                    do { try await self.sleep(pause) } catch { break }
                }
                session.state.withLock { $0.isDriven = false }
            }
        }
        return watcher
    }

    func unwatch(_ watcher: LabWatcher, _ session: LabSession) {
        watcher.close()
        let now = self.clock.now()
        _ = self.spawn {
            session.state.withLock { state in
                state.watchers.removeAll { $0 === watcher }
                state.touchedAt = now
            }
        }
    }

    // MARK: Traces and runs

    func trace(of scenario: LabScenario) throws(GatewayError) -> Workload? {
        guard let name = scenario.trace else { return nil }
        if let trace = self.state.withLock({ $0.traces.find(name) }) { return trace }
        throw .notFound(
            "The trace '\(name)' is not here (any more). Send it to /api/lab/traces again.",
            param: "arrivals.trace",
            code: "lab_trace_not_found"
        )
    }

    /// What a trace is called, by what it says.
    package static func traceName(_ bytes: [UInt8]) -> String { LabTraces.name(of: bytes) }

    /// As the page is told of it.
    package static func traceSummary(_ bytes: [UInt8], _ workload: Workload) -> [UInt8] {
        LabSessionView.trace(LabTraces.name(of: bytes), workload)
    }

    package func keep(_ workload: Workload, named name: String) -> Bool {
        self.state.withLock { $0.traces.keep(name, workload) }
    }

    /// Runs a comparison, in slices.
    ///
    /// - Parameter make: draws its arrivals; on the lab's thread.
    /// - Returns: the finished comparison and how long it took.
    func run(_ make: @escaping @Sendable () -> LabComparison) async throws(GatewayError) -> (LabComparison, Duration) {
        let mayRun = self.state.withLock { state -> Bool in
            guard state.runs < LabConfiguration.mostRuns else { return false }
            state.runs += 1
            return true
        }
        guard mayRun else {
            throw .unavailable("As many comparisons as may run at once do already.", code: "lab_busy", retryAfter: 2)
        }
        defer { self.state.withLock { $0.runs -= 1 } }
        let began = self.clock.now()
        // Changed in place: a copy for each slice would be most of the work.
        let comparison = await self.bench { Lock(make()) }
        while true {
            let (goesOn, worked) = await self.bench { self.slice(comparison) }
            if !goesOn { return (comparison.withLock { $0 }, self.clock.now() - began) }
            guard !Task.isCancelled else { throw .unavailable("The client has gone.", code: "client_gone") }
            guard self.clock.now() - began < self.configuration.maximumRun else {
                throw .unavailable(
                    "The comparison took longer than \(self.configuration.maximumRun.inSeconds) s (lab.max_run). "
                        + "Compare fewer requests.",
                    code: "lab_run_too_long"
                )
            }
            do { try await self.sleep(worked) } catch {}
        }
    }

    /// Works in slices with pauses as long, until there is nothing left or the client has gone.
    ///
    /// - Parameter slice: on the lab's thread; whether there is nothing left.
    func inSlices(_ slice: @escaping @Sendable () -> Bool) async throws(GatewayError) {
        guard self.steps.enter() else {
            throw .unavailable("As many steps as may be taken at once are already.", code: "lab_busy", retryAfter: 2)
        }
        defer { self.steps.leave() }
        while true {
            let (isDone, worked) = await self.bench { () -> (Bool, Duration) in
                let began = self.clock.now()
                return (slice(), self.clock.now() - began)
            }
            if isDone { return }
            guard !Task.isCancelled else { throw .unavailable("The client has gone.", code: "client_gone") }
            do { try await self.sleep(worked) } catch {}
        }
    }

    private func slice(_ comparison: Lock<LabComparison>) -> (Bool, Duration) {
        comparison.withLock { comparison -> (Bool, Duration) in
            let began = self.clock.now()
            var goesOn = true
            while goesOn, self.clock.now() - began < LabConfiguration.slice {
                goesOn = comparison.advance(most: LabConfiguration.eventsPerLook)
            }
            return (goesOn, self.clock.now() - began)
        }
    }
}
