import SluiceBasics

@testable import SluiceCore

/// A dispatch machine with one pool that has several targets, and the shortest way to work with it.
final class RoutedPool {
    var machine: DispatchMachine
    var now = Instant(nanoseconds: 1_000_000_000)
    var granted: [QueueLease] = []
    var ended: [RequestRecord] = []
    private var number: UInt64 = 0

    init(_ plan: RoutePlan, seed: UInt64 = 1, _ change: (inout PoolConfiguration) -> Void = { _ in }) {
        var configuration = PoolConfiguration(name: "chat", backend: "a", route: plan)
        change(&configuration)
        self.machine = DispatchMachine(
            pools: [configuration, PoolConfiguration(name: "plain", backend: "a")],
            backends: [BackendPolicy(name: "a")],
            seed: seed
        )
    }

    convenience init(
        _ targets: [String],
        seed: UInt64 = 1,
        failuresToCoolDown: Int = 3,
        hedgeRatio: Double = 0,
        _ change: (inout PoolConfiguration) -> Void = { _ in }
    ) {
        var plan = RoutePlan(targets: targets.map { RoutePlan.Target(backend: $0) }, hedgeRatio: hedgeRatio)
        plan.failuresToCoolDown = failuresToCoolDown
        self.init(plan, seed: seed, change)
    }

    private func perform<Answer>(_ body: (inout DispatchMachine, inout DispatchEffects) -> Answer) -> Answer {
        var effects = DispatchEffects()
        let answer = body(&self.machine, &effects)
        effects.grants.forEach { self.granted.append($0.lease) }
        self.ended += effects.ended.map(\.record)
        return answer
    }

    /// The lease if it may start at once, and the handle.
    func submit(isStream: Bool = false, timeout: Duration = .seconds(600)) -> (RequestHandle, QueueLease?)? {
        self.number += 1
        let submission = Submission(
            id: RequestID(high: 1, low: self.number),
            pool: "chat",
            tenant: "t",
            model: "m",
            operation: "chat.completions",
            isStream: isStream,
            deadline: self.now + timeout
        )
        let answer = self.perform { $0.submit(submission, seat: self.number, now: self.now, &$1) }
        guard case .accepted(let handle, let lease) = answer else { return nil }
        return (handle, lease)
    }

    /// The backend that it goes to.
    func start(_ lease: QueueLease) -> String? {
        let departure = self.perform { $0.start(lease.handle, lease.token, now: self.now, &$1) }
        guard case .proceed(_, let backend, _) = departure else { return nil }
        return backend
    }

    func finish(_ lease: QueueLease, _ result: AttemptResult = .success(status: 200, usage: nil)) -> Ending {
        let ending = self.perform { $0.finish(lease.handle, lease.token, result, now: self.now, &$1) }
        if case .ended(let request) = ending { self.ended.append(request.record) }
        return ending
    }

    func fail(
        _ lease: QueueLease,
        _ failureClass: FailureClass,
        status: Int? = nil,
        retryAfter: Duration? = nil,
        refusal: FallbackClass? = nil
    ) -> Ending {
        self.finish(
            lease,
            .failure(
                RouterFixture.failure(failureClass, status: status, retryAfter: retryAfter, refusal: refusal)
            )
        )
    }

    /// The first content of its answer comes.
    func content(_ lease: QueueLease) {
        self.perform { $0.firstByte(lease.handle, lease.token, now: self.now, &$1) }
    }

    func hedge(_ lease: QueueLease) -> (attempt: Int, choice: RouteChoice)? {
        self.machine.hedge(lease.handle, lease.token, now: self.now)
    }

    func close(_ lease: QueueLease, _ attempt: Int, _ result: AttemptResult, isOvertaken: Bool = false) {
        self.machine.closeHedged(
            lease.handle,
            lease.token,
            attempt: attempt,
            result,
            isOvertaken: isOvertaken,
            now: self.now
        )
    }

    func advance(_ span: Duration) {
        self.now = self.now + span
        self.perform { $0.tick(now: self.now, &$1) }
    }

    var status: PoolStatus? { self.machine.status("chat", now: self.now) }
    var inFlight: [Int] { self.status?.targets.map(\.inFlight) ?? [] }

    func explain(_ handle: RequestHandle) -> Explanation? { self.machine.explain(handle, now: self.now) }
    func waiting(_ handle: RequestHandle) -> WaitingStatus? { self.machine.waiting(handle, now: self.now) }

    /// The turn that came last.
    func takeGrant() -> QueueLease? { self.granted.popLast() }

    /// Runs one request to its end; each target fails as is said. Returns the backends and the end.
    func run(_ failures: [String: AttemptFailure]) -> RequestRecord? {
        guard let (_, first) = self.submit(), var lease = first else { return nil }
        for _ in 0..<50 {
            guard let backend = self.start(lease) else { return nil }
            let result = failures[backend].map { AttemptResult.failure($0) } ?? .success(status: 200, usage: nil)
            switch self.finish(lease, result) {
            case .ended(let request): return request.record
            case .fenced: return nil
            case .requeued(let delay):
                if delay > .zero { self.advance(delay) }
                guard !self.granted.isEmpty else { return nil }
                lease = self.granted.removeFirst()
            }
        }
        return nil
    }
}
