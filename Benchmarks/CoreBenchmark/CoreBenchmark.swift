import Glibc
import SluiceBasics
import SluiceCore
import SluiceEngine

/// Measures one request's whole way through the core, with few and with many others queued.
///
///     swift run -c release core-benchmark
///
/// Prints CPU time of the process per request; medians of five rounds, the two sizes interleaved. Exit code 1 when the
/// target of the core is missed: 2 µs, and at most three times as much with 1,000,000 queued as with 10. The dispatcher
/// around it, with its lock, five readings of the clock and an await, is measured for information.
@main
enum CoreBenchmark {
    static func main() async {
        if CommandLine.arguments.dropFirst().first == "Memory" { return Self.weigh() }
        let sizes = [10, 1_000_000]
        let isMet = [
            await compare("InMemoryQueue: enqueue + claim + start + finish", sizes) { QueueLoad(queued: $0) },
            await compare("DispatchMachine: with admission, breaker, estimates", sizes) {
                MachineLoad(queued: $0, pool(.priority, isLimited: false))
            },
            await compare("Scheduled: the same with scoring and tenants' turns", [1_000, 1_000_000], target: 5) {
                MachineLoad(queued: $0, pool(.scored(.balanced), isLimited: false))
            },
            await compare("Limited: the same with a token and a request limit", [1_000, 1_000_000], target: 5) {
                MachineLoad(queued: $0, pool(.scored(.balanced), isLimited: true))
            },
            await compare("Dispatcher: with lock, clock, seats, turn, first byte", sizes, target: nil) {
                DispatcherLoad(queued: $0)
            },
        ]
        exit(isMet.allSatisfy { $0 } ? 0 : 1)
    }

    /// What one queued request without payload takes, of a million.
    private static func weigh() {
        let before = Self.residentBytes()
        let load = MachineLoad(queued: 1_000_000, pool(.scored(.balanced), isLimited: true))
        let after = Self.residentBytes()
        print("memory: \((after - before) / 1_000_000) bytes per queued request")
        withExtendedLifetime(load) {}
    }

    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " "
        )
        return words.count > 1 ? (Int(words[1]) ?? 0) * 4_096 : 0
    }

    private static func compare(
        _ title: String,
        _ sizes: [Int],
        target: Double? = 2,
        _ make: (Int) -> any Load
    ) async -> Bool {
        let choice = CommandLine.arguments.dropFirst().first
        guard choice == nil || choice.map(title.hasPrefix) == true else { return true }
        let loads = sizes.map(make)
        var costs = sizes.map { _ in [Double]() }
        for round in 0..<6 {
            for (index, load) in loads.enumerated() {
                let cost = await self.cost(of: load, count: 200_000)
                // The first round warms up.
                if round > 0 { costs[index].append(cost) }
            }
        }
        let medians = costs.map { $0.sorted()[$0.count / 2] }
        print(title)
        for (size, median) in zip(sizes, medians) {
            print("  \(Self.pad("\(size)", 9)) queued  \(Self.rounded(median)) µs of CPU per request")
        }
        guard let least = medians.first, let most = medians.last else { return false }
        let ratio = most / least
        let isMet = target.map { most <= $0 && ratio <= 3 } ?? true
        let aim = target.map { "  MISSED: at most \(Self.rounded($0)) µs, ratio at most 3" } ?? ""
        print("  ratio \(Self.rounded(ratio))\(isMet ? "" : aim)")
        return isMet
    }

    private static func cost(of load: any Load, count: Int) async -> Double {
        let start = self.processorNanoseconds()
        await load.run(count)
        return Double(self.processorNanoseconds() - start) / Double(count) / 1_000
    }

    private static func processorNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func rounded(_ value: Double) -> String {
        let thousandths = Int((value * 1_000).rounded())
        let fraction = "\(thousandths % 1_000)"
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

/// Some requests queued, and the way to send one more through.
protocol Load: AnyObject {
    func run(_ count: Int) async
}

/// - Parameter isLimited: to more than is ever used, so that what is measured is the keeping of the books.
private func pool(_ order: SchedulingPolicy.Order, isLimited: Bool) -> PoolConfiguration {
    let limit = RateLimit(requestsPerMinute: 1 << 36, tokensPerMinute: 1 << 39)
    return PoolConfiguration(
        name: "default",
        backend: "mock",
        slots: 1,
        maximumRequests: 2_000_000,
        maximumBytes: .max,
        scheduling: SchedulingConfiguration(
            policy: SchedulingPolicy(order: order),
            limit: isLimited ? limit : nil
        )
    )
}

private func submission(_ number: UInt64, now: Instant) -> Submission {
    Submission(
        id: RequestID(high: number >> 10, low: number &* 0x9E37_79B9_7F4A_7C15),
        pool: "default",
        tenant: "acme",
        priority: Priority(rawValue: UInt8(number & 3)) ?? .normal,
        model: "gpt-4o-mini",
        operation: "chat/completions",
        payloadBytes: 400,
        messageCount: 2,
        tokenEstimate: 50 + Int(number &* 37 % 4_000),
        deadline: now + .seconds(600)
    )
}

/// Time passes by one microsecond per request.
private func instant(_ number: UInt64) -> Instant { Instant(nanoseconds: Int64(number) * 1_000) }

final class QueueLoad: Load {
    private var queue = InMemoryQueue(rules: QueueRules(maximumRequests: 2_000_000, maximumBytes: .max))
    private var number: UInt64 = 0

    init(queued: Int) {
        for _ in 0..<queued { self.enqueue() }
    }

    private func enqueue() {
        self.number += 1
        let now = instant(self.number)
        _ = self.queue.enqueue(submission(self.number, now: now), now: now)
    }

    func run(_ count: Int) async {
        for _ in 0..<count {
            self.enqueue()
            let now = instant(self.number)
            guard let lease = self.queue.claim(now: now, expiry: nil) else { return }
            _ = self.queue.start(lease.handle, lease.token, backend: "mock", now: now)
            _ = self.queue.finish(
                lease.handle,
                lease.token,
                result: .success(status: 200, usage: nil),
                verdict: .done(nil),
                now: now
            )
        }
    }
}

final class MachineLoad: Load {
    private var machine: DispatchMachine
    private var number: UInt64 = 0
    private var lease: QueueLease?

    init(queued: Int, _ pool: PoolConfiguration) {
        self.machine = DispatchMachine(pools: [pool], backends: [], seed: 1)
        for _ in 0...queued { self.submit() }
    }

    private func submit() {
        self.number += 1
        let now = instant(self.number)
        var effects = DispatchEffects()
        if case .accepted(_, let lease?) = self.machine.submit(
            submission(self.number, now: now),
            seat: 0,
            now: now,
            &effects
        ) {
            self.lease = lease
        }
    }

    func run(_ count: Int) async {
        for _ in 0..<count {
            self.submit()
            guard let lease = self.lease else { return }
            let now = instant(self.number)
            var effects = DispatchEffects()
            _ = self.machine.start(lease.handle, lease.token, now: now, &effects)
            _ = self.machine.finish(
                lease.handle,
                lease.token,
                .success(status: 200, usage: nil),
                now: now,
                &effects
            )
            effects.grants.forEach { self.lease = $0.lease }
        }
    }
}

private struct NoTimer: WakeTimer {
    func wake(at: Instant, _ action: @escaping @Sendable () -> Void) {}
}

private struct NoObserver: DispatchObserver {
    var wantsSteps: Bool { false }
    func stepped(_ event: RequestEvent) {}
    func changed(_ event: PoolEvent) {}
    func ended(_ record: RequestRecord) {}
    func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant) {}
}

final class DispatcherLoad: Load {
    private let clock = SystemClock()
    private let dispatcher: Dispatcher
    private var number: UInt64 = 0
    private var waiting: [Ticket?] = []
    private var next = 0
    private var running: Ticket?

    init(queued: Int) {
        self.dispatcher = Dispatcher(
            pools: [pool(.fifo, isLimited: false)],
            backends: [],
            clock: self.clock,
            seed: 1,
            timer: NoTimer(),
            observer: NoObserver()
        )
        self.running = self.submit()
        for _ in 0..<queued { self.waiting.append(self.submit()) }
    }

    /// All of one priority, so that turns come in the order of submission.
    private func submit() -> Ticket? {
        self.number += 1
        var submission = submission(self.number, now: self.clock.now())
        submission.priority = .normal
        return try? self.dispatcher.submit(submission, cancellation: nil)
    }

    func run(_ count: Int) async {
        for _ in 0..<count {
            let submitted = self.submit()
            guard let ticket = self.running, case .run(let lease) = await self.dispatcher.turn(ticket) else { return }
            _ = self.dispatcher.start(lease)
            self.dispatcher.firstByte(lease)
            _ = self.dispatcher.finish(lease, .success(status: 200, usage: nil))
            self.running = self.waiting[self.next]
            self.waiting[self.next] = submitted
            self.next = (self.next + 1) % self.waiting.count
        }
    }
}
