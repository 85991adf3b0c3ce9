import SluiceWire

/// One look at everything that is judged. What was not answered is `nil`.
struct DoctorSample: Sendable {
    /// Why the operator's API did not answer.
    enum Trouble: Sendable, Equatable {
        case unreachable(String)
        case refused(status: Int, String)
        case unreadable(String)
    }

    struct State: Sendable, Equatable {
        var word: String?
        var detail: String?
    }

    /// Seconds on our own monotonic clock, and since 1970.
    var at: Double
    var localTime: Double
    /// Seconds since 1970 by the gateway's clock.
    var gatewayTime: Double?
    var trouble: Trouble?
    /// Why the gateway answers, but not what the whole runtime does.
    var runtimeTrouble: String?
    var health: State?
    var readiness: State?
    var pools: [PoolReading] = []
    var runtime = RuntimeReading()
    /// Failed backend calls of ended requests, since the gateway's start.
    var failuresByClass: [String: Int]?
}

/// A request with its attempts, as `/api/requests` tells.
struct DoctorRequest: Sendable, Equatable {
    struct Attempt: Sendable, Equatable {
        var failure: String?
        var status: Int?
        var message: String?
    }

    var id: String
    var pool: String?
    var outcome: String?
    var reason: String?
    var message: String?
    /// Seconds since 1970 by the gateway's clock.
    var endedAt: Double?
    var attempts: [Attempt] = []
}

/// All that the checks know: they look at nothing else.
struct DoctorCase: Sendable {
    /// In the order of time; at least one.
    var samples: [DoctorSample]
    /// Newest first; `nil` when the list was not answered.
    var ended: [DoctorRequest]?
    var live: [DoctorRequest] = []
    /// Seconds in flight before a request can count as stuck.
    var stuckAfter = 30.0

    /// Ended requests are evidence for so many seconds.
    static let recentSeconds = 300.0

    /// The first and last sample with an answer.
    var first: DoctorSample? { self.samples.first { $0.trouble == nil } }
    var last: DoctorSample? { self.samples.last { $0.trouble == nil } }
    var watched: Double { (self.last?.at ?? 0) - (self.first?.at ?? 0) }

    /// What ended a moment ago. Without the gateway's time all counts.
    var recent: [DoctorRequest] {
        guard let now = self.last?.gatewayTime else { return self.ended ?? [] }
        return (self.ended ?? []).filter { request in
            request.endedAt.map { now - $0 <= Self.recentSeconds } ?? true
        }
    }

    func pool(_ id: String, in sample: DoctorSample?) -> PoolReading? { sample?.pools.first { $0.id == id } }

    /// Dispatchers that serve this pool from Valkey's lists.
    static func servers(_ pool: String, in sample: DoctorSample) -> [RuntimeReading.Dispatcher] {
        sample.runtime.dispatchers.filter { $0.usesValkey == true && $0.pools.contains(pool) }
    }

    func address(_ pool: String) -> String? {
        guard let last else { return nil }
        let own = self.pool(pool, in: last)
        return Self.servers(pool, in: last).lazy.compactMap(\.address).first
            ?? (own?.isServedByFabric == true ? nil : own?.address)
    }

    /// How much a counter rose while we watched; `nil` when that is not known.
    func rise(_ pool: String, _ count: (PoolReading) -> Int?) -> Int? {
        guard let before = self.pool(pool, in: self.first).flatMap(count),
            let after = self.pool(pool, in: self.last).flatMap(count), after >= before
        else { return nil }
        return after - before
    }

    /// The same over all dispatchers on Valkey that were there the whole time.
    func rise(of count: (RuntimeReading.Dispatcher) -> Int?, pool: String? = nil) -> Int {
        guard let first, let last else { return 0 }
        return last.runtime.dispatchers.reduce(0) { total, row in
            guard row.usesValkey == true, pool == nil || row.pools == [pool ?? ""],
                let before = first.runtime.dispatchers.first(where: { $0.id == row.id && $0.pools == row.pools }),
                let old = count(before), let new = count(row), new > old
            else { return total }
            return total + new - old
        }
    }
}

// MARK: Reading

extension DoctorRequest {
    private static let maximumRows = 1000
    private static let maximumAttempts = 100

    static func list(_ body: [UInt8]) throws -> [DoctorRequest] {
        try JSON.read(body) { root in
            var rows: [DoctorRequest] = []
            root["requests"]?.forEachElement { element in
                if let row = DoctorRequest(element) { rows.append(row) }
                return rows.count < Self.maximumRows
            }
            return rows
        }
    }

    init?(_ json: JSONValue) {
        guard let id = json["id"]?.string else { return nil }
        self.id = id
        self.pool = json["pool"]?.string
        self.outcome = json["outcome"]?.string
        self.reason = json["reason"]?.string
        self.message = json["message"]?.string
        if let submitted = json["submitted_at"]?.measured, let ended = json["timings_ms"]?["ended"]?.measured {
            self.endedAt = submitted + ended / 1000
        }
        json["attempts"]?.forEachElement { attempt in
            self.attempts.append(
                Attempt(
                    failure: attempt["class"]?.string,
                    status: attempt["status"]?.counted,
                    message: attempt["message"]?.string
                )
            )
            return self.attempts.count < Self.maximumAttempts
        }
    }
}

extension DoctorSample.State {
    init?(_ body: [UInt8]) {
        let read = try? JSON.read(body) { Self(word: $0["status"]?.string, detail: $0["detail"]?.string) }
        guard let read, read.word != nil else { return nil }
        self = read
    }
}

/// The one family of the metrics that is asked for here.
enum FailureMetrics {
    private static let family = "sluice_attempt_failures_total{"

    /// By class, over all pools; `nil` when this is no page of metrics.
    static func read(_ body: [UInt8]) -> [String: Int]? {
        let text = String(decoding: body, as: UTF8.self)
        guard text.contains("# TYPE ") else { return nil }
        var counts: [String: Int] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix(Self.family) {
            guard let label = line.firstRange(of: "class=\""), let space = line.lastIndex(of: " "),
                let count = Double(line[line.index(after: space)...]), (0..<1e15).contains(count)
            else { continue }
            let name = String(line[label.upperBound...].prefix { $0 != "\"" })
            counts[name, default: 0] += Int(count)
        }
        return counts
    }
}
