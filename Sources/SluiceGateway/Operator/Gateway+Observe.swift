import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceEngine
import SluiceFabric
import SluiceTelemetry
import SluiceWire

// The gateway looks at itself: once a second for the series, less often for what is wrong.
extension Gateway {
    private static let lookInterval = Duration.seconds(1)
    /// Looks between two examinations, and between two looks at the lists.
    private static let examineEvery = 5
    private static let listsEvery = 2
    /// Rows of the runtime's answer, and of ended requests, that are judged.
    private static let examinedRows = 50
    private static let examinedEnds = 200
    /// After Valkey has not answered, nobody waits for it again for so long.
    private static let listsPatience = Duration.seconds(2)

    /// Runs until its task is cancelled.
    package func observe() async {
        var looks = 0
        while !Task.isCancelled {
            self.look()
            if looks % Self.listsEvery == 0, let fabric = self.fabric {
                // Valkey may be away: the series go on.
                _ = self.spawn { await self.lookAtLists(fabric) }
            }
            if looks % Self.examineEvery == 0 { _ = self.spawn { await self.examine() } }
            looks += 1
            do { try await self.sleep(Self.lookInterval) } catch { return }
        }
    }

    /// Takes down what the pools are like.
    func look() {
        let second = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
        let readouts = self.knownPools().map { pool -> (pool: String, readout: PoolReadout) in
            let ended = self.telemetry.metrics.ended(pool: pool.name)
            var readout = PoolReadout(pool.status, latency: ended?.latency, tokens: ended?.tokens ?? 0)
            (readout.queued, readout.inFlight) = (pool.queued, pool.inFlight)
            readout.breaker = BreakerState(rawValue: pool.breaker) ?? .closed
            return (pool.name, readout)
        }
        self.observatory.add(readouts, at: second)
    }

    private func lookAtLists(_ fabric: FabricAccess) async {
        guard self.observatory.mayLook(at: self.clock.now(), patience: Self.listsPatience) else { return }
        let snapshot: FabricSnapshot?
        do throws(ValkeyError) {
            snapshot = try await fabric.view.look(limit: 1)
        } catch {
            snapshot = nil
        }
        self.observatory.saw(snapshot, at: self.clock.now())
    }

    // MARK: Pools with their lists

    /// As they were when somebody last looked at the lists.
    func knownPools() -> [ShownPool] {
        let listed = self.fabric == nil ? [:] : self.observatory.listed
        let now = Double(self.clock.wallClockNanoseconds()) / 1e9
        let isGateway = self.fabric?.producer != nil
        return self.dispatcher.pools().map { status in
            ShownPool(status: status, listed: listed[status.configuration.name], isGateway: isGateway, now: now)
        }
    }

    /// As they are.
    func shownPools() async -> [ShownPool] {
        if let fabric = self.fabric { await self.lookAtLists(fabric) }
        return self.knownPools()
    }

    // MARK: What is wrong

    /// Judges what `sluice doctor` judges, from the same answers.
    func examine() async {
        let clock = Double(self.clock.wallClockNanoseconds()) / 1e9
        var sample = DoctorSample(at: self.clock.now().inSeconds, localTime: clock)
        sample.gatewayTime = clock
        let complaint = self.healthComplaint()
        let readiness = self.readiness()
        sample.health = DoctorSample.State(word: complaint == nil ? "ok" : "stuck", detail: complaint)
        sample.readiness = DoctorSample.State(word: readiness.word, detail: readiness.detail)
        sample.failuresByClass = self.telemetry.metrics.failuresByClass
        sample.pools = self.knownPools().map { self.reading($0) }
        if self.fabric == nil {
            sample.runtime = self.runtimeReading(limit: Self.examinedRows)
        } else {
            // What other processes say comes as text anyway.
            do {
                sample.runtime = try RuntimeReading.read(Self.bytes(await self.runtimeAnswer(limit: Self.examinedRows)))
            } catch {
                sample.runtimeTrouble = "\(error)"
            }
        }
        let view = RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds())
        let records = self.telemetry.history.query(HistoryFilter(), limit: Self.examinedEnds).records
        let ended = records.map { DoctorRequest($0, endedAt: view.epoch($0.endedAt)) }
        self.observatory.examine(sample, ended: ended, live: [])
    }

    private static func bytes(_ response: HTTPResponse) -> [UInt8] {
        if case .bytes(let bytes) = response.body { bytes } else { [] }
    }
}

extension Instant {
    fileprivate var inSeconds: Double { Double(self.nanoseconds) / 1e9 }
}

extension DoctorRequest {
    init(_ record: RequestRecord, endedAt: Double?) {
        self.init(id: record.submission.id.description)
        self.pool = record.submission.pool
        self.outcome = record.reason?.outcome.rawValue
        self.reason = record.reason?.rawValue
        self.message = record.message
        self.endedAt = endedAt
        self.attempts = record.attempts.map {
            Attempt(failure: $0.failure?.rawValue, status: $0.status, message: $0.message)
        }
    }
}
