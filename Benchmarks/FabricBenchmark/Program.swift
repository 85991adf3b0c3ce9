import SluiceBasics
import SluiceEngine
import SluiceFabric
import SluiceTransport
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Puts load onto a pool's list and measures what comes back: the producing half of `Benchmarks/fabric.py`.
///
///     fabric-benchmark URL --concurrency 64 --seconds 5 --bytes 1024 [--rate 500]
///
/// Prints one JSON object. With a rate, requests begin on a fixed schedule and times count from there.
@main
struct Program {
    struct Options: Sendable {
        var url = "redis://127.0.0.1:6379/0"
        var concurrency = 64
        var seconds = 5.0
        var bytes = 1_024
        var rate = 0.0
    }

    static func options() -> Options? {
        var options = Options()
        var words = Array(CommandLine.arguments.dropFirst())
        guard let url = words.first else { return nil }
        options.url = url
        words.removeFirst()
        while words.count >= 2 {
            let value = Double(words[1]) ?? 0
            switch words[0] {
            case "--concurrency": options.concurrency = max(1, Int(value))
            case "--seconds": options.seconds = value
            case "--bytes": options.bytes = Int(value)
            case "--rate": options.rate = value
            default: return nil
            }
            words.removeFirst(2)
        }
        return options
    }

    static func main() {
        guard let options = Self.options(), let address = try? ValkeyAddress(url: options.url),
            let reactors = try? ReactorGroup(count: 1)
        else {
            print("usage: fabric-benchmark URL [--concurrency n] [--seconds s] [--bytes n] [--rate r]")
            exit(2)
        }
        do { try reactors.start() } catch { exit(1) }
        let clock = SystemClock()
        let client = ValkeyClient(
            configuration: ValkeyConfiguration(address: address),
            reactors: reactors,
            seed: UInt64(getpid())
        )
        var configuration = ProducerConfiguration(producerID: "benchmark:\(getpid())")
        configuration.maximumQueuedBytes = 0
        let producer = Producer(
            configuration,
            link: client,
            clock: clock,
            timer: BenchmarkTimer(alarm: reactors.alarm(), clock: clock),
            seed: 1
        )
        reactors.spawn { await producer.run() }
        let load = Load(options, producer, reactors)
        reactors.runAndWait { await load.run() }
        print(load.report())
        reactors.runAndWait { await producer.close() }
        exit(0)
    }
}

private struct BenchmarkTimer: WakeTimer {
    let alarm: Alarm
    let clock: SystemClock

    func wake(at: Instant, _ action: @escaping @Sendable () -> Void) {
        self.alarm.set(after: max(.zero, at - self.clock.now()), action)
    }
}

private final class Load: Sendable {
    private struct Tally: Sendable {
        var microseconds: [Double] = []
        var failures = 0
        var begun = 0
        var elapsed = 0.0
    }

    private let options: Program.Options
    private let producer: Producer
    private let reactors: ReactorGroup
    private let clock = SystemClock()
    private let call: CompletionCall
    private let tally = Lock(Tally())

    init(_ options: Program.Options, _ producer: Producer, _ reactors: ReactorGroup) {
        self.options = options
        self.producer = producer
        self.reactors = reactors
        let text = String(repeating: "x", count: max(1, options.bytes))
        let body = #"{"model":"mock","messages":[{"role":"user","content":"\#(text)"}],"max_tokens":100}"#
        self.call =
            (try? CompletionCall.ingest(Array(body.utf8)).call)
            ?? CompletionCall(model: "mock", messageCount: 0, parameters: [])
    }

    func run() async {
        _ = try? await self.producer.execute(FabricRequest(id: "warm", call: self.call), timeout: .seconds(10))
        let began = self.clock.now()
        let end = began + .seconds(self.options.seconds)
        await withDiscardingTaskGroup { group in
            for worker in 0..<self.options.concurrency {
                group.addTask {
                    self.options.rate > 0
                        ? await self.pace(worker, began, end) : await self.press(worker, until: end)
                }
            }
        }
        let elapsed = (self.clock.now() - began).inSeconds
        self.tally.withLock { $0.elapsed = elapsed }
    }

    private func press(_ worker: Int, until end: Instant) async {
        var number = 0
        while self.clock.now() < end {
            number += 1
            await self.one("b\(worker)-\(number)", from: self.clock.now())
        }
    }

    private func pace(_ worker: Int, _ began: Instant, _ end: Instant) async {
        let gap = Double(self.options.concurrency) / self.options.rate
        var number = 0
        while true {
            let due = began + .seconds(gap * (Double(number) + Double(worker) / Double(self.options.concurrency)))
            guard due < end else { return }
            number += 1
            let wait = due - self.clock.now()
            if wait > .zero { try? await self.reactors.sleep(for: wait) }
            // The loop's timers are a millisecond or two late, which is not the fabric's doing; more than that is load
            // that could not be put on, and counts.
            let now = self.clock.now()
            await self.one("p\(worker)-\(number)", from: now - due < .milliseconds(3) ? now : due)
        }
    }

    private func one(_ id: String, from: Instant) async {
        let reply = try? await self.producer.execute(FabricRequest(id: id, call: self.call), timeout: .seconds(30))
        let micros = (self.clock.now() - from).inMilliseconds * 1000
        self.tally.withLock { tally in
            if reply?.isOK == true { tally.microseconds.append(micros) } else { tally.failures += 1 }
        }
    }

    func report() -> String {
        let tally = self.tally.withLock { $0 }
        let sorted = tally.microseconds.sorted()
        func quantile(_ share: Double) -> Double {
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
        return """
            {"requests_per_second":\(Double(sorted.count) / max(0.001, tally.elapsed)),"p50_us":\(quantile(0.5)),\
            "p99_us":\(quantile(0.99)),"good":\(sorted.count),"failures":\(tally.failures)}
            """
    }
}
