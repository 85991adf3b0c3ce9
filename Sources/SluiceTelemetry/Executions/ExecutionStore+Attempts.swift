import SluiceWire

// A request's calls of backends as JSON, as stores and spans carry them beside its row.
extension ExecutionRow {
    /// More are not written: a list is part of every row.
    private static let maximumAttempts = 1_000
    /// Of either sign; what is beyond is not read: whoever shows times adds them up.
    private static let greatestNumber = 1 << 53

    /// `[{"number":1,"backend":"...","started_us":0,...}]`; what is not known is left out.
    package func attemptListJSON() -> [UInt8] {
        var json = JSONWriter(reserving: 128 * self.attempts.count)
        json.array { json in
            for attempt in self.attempts.prefix(Self.maximumAttempts) {
                json.object { Self.write(attempt, to: &$0) }
            }
        }
        return json.bytes
    }

    private static func write(_ attempt: Attempt, to json: inout JSONWriter) {
        json.field("number", attempt.number)
        json.field("backend", attempt.backend)
        if let model = attempt.model { json.field("model", model) }
        if attempt.isHedge { json.field("hedge", true) }
        json.field("started_us", Int(attempt.startedAfter))
        if let firstByte = attempt.firstByteAfter { json.field("first_byte_us", Int(firstByte)) }
        if let ended = attempt.endedAfter { json.field("ended_us", Int(ended)) }
        if let status = attempt.status { json.field("status", status) }
        if let failure = attempt.failure { json.field("failure", failure) }
        if let message = attempt.message { json.field("message", message) }
        if let retry = attempt.retryDelay { json.field("retry_us", Int(retry)) }
    }

    /// Whatever of it can be read; nothing of what is no list of attempts.
    package static func attempts(json: [UInt8]) -> [Attempt] {
        var attempts: [Attempt] = []
        guard !json.isEmpty else { return attempts }
        func bounded(_ number: Int?) -> Int? {
            number.flatMap { (-Self.greatestNumber...Self.greatestNumber).contains($0) ? $0 : nil }
        }
        try? JSON.read(json) { root in
            root.forEachElement { value in
                guard let number = bounded(value["number"]?.int), let started = bounded(value["started_us"]?.int)
                else { return true }
                attempts.append(
                    Attempt(
                        number: number,
                        backend: value["backend"]?.string ?? "",
                        model: value["model"]?.string,
                        isHedge: value["hedge"]?.bool ?? false,
                        startedAfter: Int64(started),
                        firstByteAfter: bounded(value["first_byte_us"]?.int).map { Int64($0) },
                        endedAfter: bounded(value["ended_us"]?.int).map { Int64($0) },
                        status: bounded(value["status"]?.int),
                        failure: value["failure"]?.string,
                        message: value["message"]?.string,
                        retryDelay: bounded(value["retry_us"]?.int).map { Int64($0) }
                    )
                )
                return attempts.count < Self.maximumAttempts
            }
        }
        return attempts
    }
}

extension ExecutionRow {
    /// For stores, which fill in what they have read.
    package static let empty = ExecutionRow(
        id: "",
        pool: "",
        tenant: "",
        priority: "",
        model: "",
        operation: "",
        isStream: false,
        fabricGroup: "",
        outcome: "",
        reason: "",
        submittedAt: 0,
        endedAt: 0,
        queued: 0,
        total: 0,
        payloadBytes: 0,
        messageCount: 0,
        attempts: [],
        attemptCount: 0,
        traceID: "",
        spanID: ""
    )
}
