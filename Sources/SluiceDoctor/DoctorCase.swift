import SluiceWire

/// One look at everything that is judged. What was not answered is `nil`.
package struct DoctorSample: Sendable {
    /// Why the operator's API did not answer.
    package enum Trouble: Sendable, Equatable {
        case unreachable(String)
        case refused(status: Int, String)
        case unreadable(String)
    }

    package struct State: Sendable, Equatable {
        package var word: String?
        package var detail: String?

        package init(word: String?, detail: String? = nil) {
            self.word = word
            self.detail = detail
        }
    }

    /// Seconds on our own monotonic clock, and since 1970.
    package var at: Double
    package var localTime: Double
    /// Seconds since 1970 by the gateway's clock.
    package var gatewayTime: Double?
    package var trouble: Trouble?
    /// Why the gateway answers, but not what the whole runtime does.
    package var runtimeTrouble: String?
    package var health: State?
    package var readiness: State?
    package var pools: [PoolReading] = []
    package var runtime = RuntimeReading()
    /// Failed backend calls of ended requests, since the gateway's start.
    package var failuresByClass: [String: Int]?

    package init(at: Double, localTime: Double) {
        self.at = at
        self.localTime = localTime
    }
}

/// A request with its attempts, as `/api/requests` tells.
package struct DoctorRequest: Sendable, Equatable {
    package struct Attempt: Sendable, Equatable {
        package var failure: String?
        package var status: Int?
        package var message: String?

        package init(failure: String? = nil, status: Int? = nil, message: String? = nil) {
            self.failure = failure
            self.status = status
            self.message = message
        }
    }

    package var id: String
    package var pool: String?
    package var outcome: String?
    package var reason: String?
    package var message: String?
    /// Seconds since 1970 by the gateway's clock.
    package var endedAt: Double?
    package var attempts: [Attempt] = []

    package init(
        id: String,
        pool: String? = nil,
        outcome: String? = nil,
        reason: String? = nil,
        message: String? = nil,
        endedAt: Double? = nil,
        attempts: [Attempt] = []
    ) {
        self.id = id
        self.pool = pool
        self.outcome = outcome
        self.reason = reason
        self.message = message
        self.endedAt = endedAt
        self.attempts = attempts
    }
}

/// All that the checks know: they look at nothing else.
package struct DoctorCase: Sendable {
    /// In the order of time; at least one.
    package var samples: [DoctorSample]
    /// Newest first; `nil` when the list was not answered.
    package var ended: [DoctorRequest]?
    package var live: [DoctorRequest] = []
    /// Seconds in flight before a request can count as stuck.
    package var stuckAfter = 30.0

    package init(
        samples: [DoctorSample],
        ended: [DoctorRequest]? = nil,
        live: [DoctorRequest] = [],
        stuckAfter: Double = 30
    ) {
        self.samples = samples
        self.ended = ended
        self.live = live
        self.stuckAfter = stuckAfter
    }

    /// Ended requests are evidence for so many seconds.
    package static let recentSeconds = 300.0

    /// The first and last sample with an answer.
    package var first: DoctorSample? { self.samples.first { $0.trouble == nil } }
    package var last: DoctorSample? { self.samples.last { $0.trouble == nil } }
    package var watched: Double { (self.last?.at ?? 0) - (self.first?.at ?? 0) }

    /// What ended a moment ago. Without the gateway's time all counts.
    package var recent: [DoctorRequest] {
        guard let now = self.last?.gatewayTime else { return self.ended ?? [] }
        return (self.ended ?? []).filter { request in
            request.endedAt.map { now - $0 <= Self.recentSeconds } ?? true
        }
    }

    package func pool(_ id: String, in sample: DoctorSample?) -> PoolReading? { sample?.pools.first { $0.id == id } }

    /// Dispatchers that serve this pool from Valkey's lists.
    package static func servers(_ pool: String, in sample: DoctorSample) -> [RuntimeReading.Dispatcher] {
        sample.runtime.dispatchers.filter { $0.usesValkey == true && $0.pools.contains(pool) }
    }

    package func address(_ pool: String) -> String? {
        guard let last else { return nil }
        let own = self.pool(pool, in: last)
        return Self.servers(pool, in: last).lazy.compactMap(\.address).first
            ?? (own?.isServedByFabric == true ? nil : own?.address)
    }

    /// How much a counter rose while we watched; `nil` when that is not known.
    package func rise(_ pool: String, _ count: (PoolReading) -> Int?) -> Int? {
        guard let before = self.pool(pool, in: self.first).flatMap(count),
            let after = self.pool(pool, in: self.last).flatMap(count), after >= before
        else { return nil }
        return after - before
    }

    /// The same over all dispatchers on Valkey that were there the whole time.
    package func rise(of count: (RuntimeReading.Dispatcher) -> Int?, pool: String? = nil) -> Int {
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

    package static func list(_ body: [UInt8]) throws -> [DoctorRequest] {
        try JSON.read(body) { root in
            var rows: [DoctorRequest] = []
            root["requests"]?.forEachElement { element in
                if let row = DoctorRequest(element) { rows.append(row) }
                return rows.count < Self.maximumRows
            }
            return rows
        }
    }

    package init?(_ json: JSONValue) {
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
    package init?(_ body: [UInt8]) {
        let read = try? JSON.read(body) { Self(word: $0["status"]?.string, detail: $0["detail"]?.string) }
        guard let read, read.word != nil else { return nil }
        self = read
    }
}

/// The one family of the metrics that is asked for here.
package enum FailureMetrics {
    private static let family = "sluice_attempt_failures_total{"

    /// By class, over all pools; `nil` when this is no page of metrics.
    package static func read(_ body: [UInt8]) -> [String: Int]? {
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
