// How requests end.
extension DoctorChecks {
    /// Of what ended, or of the attempts; less is daily life.
    private static let share = 0.05

    // MARK: Vanished

    private static let vanishing: Set<String> = ["dropped", "lost", "expired"]

    static func vanished(_ seen: DoctorCase) -> [DoctorFinding] {
        var counts: [String: Int] = [:]
        for pool in seen.last?.pools ?? [] {
            for (name, _) in pool.ended ?? [:] where Self.vanishing.contains(String(name.prefix { $0 != "/" })) {
                // A reason appears in the books with its first request.
                counts[name, default: 0] += seen.rise(pool.id) { $0.ended.map { $0[name] ?? 0 } } ?? 0
            }
        }
        var evidence = counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
            "\($0.key): \($0.value) more in \(Self.span(seen.watched))"
        }
        for (name, count) in Self.dispatcherDrops {
            let rise = seen.rise(of: count)
            if rise > 0 { evidence.append("dispatchers, \(name): \(rise) more in \(Self.span(seen.watched))") }
        }
        let recent = seen.recent
        let gone = recent.filter { $0.outcome.map(Self.vanishing.contains) ?? false }
        for (name, rows) in Dictionary(grouping: gone, by: { "\($0.outcome ?? "")/\($0.reason ?? "")" })
            .sorted(by: { $0.key < $1.key })
        {
            evidence.append("\(name): \(rows.count) of the last \(recent.count) that ended, e.g. \(rows[0].id)")
        }
        let hangUps = recent.filter { $0.reason == "client_gone" }
        if Double(hangUps.count) > Double(recent.count) * Self.share {
            evidence.append("cancelled/client_gone: \(hangUps.count) of the last \(recent.count) that ended")
        }
        guard !evidence.isEmpty else { return [] }
        return [
            DoctorFinding(
                code: .requestsVanish,
                evidence: evidence,
                look: [
                    "the producers: do they live and refresh key:llm:producer:ID:alive, do clients wait long enough?",
                    "sluice ls --state dropped, lost or expired, then sluice show ID",
                    "the dispatchers' logs around that time: a crash after the pop loses what it held",
                ],
                numbers: [
                    "recently": Double(gone.count + hangUps.count),
                    "while_watching": Double(counts.values.reduce(0, +)),
                ]
            )
        ]
    }

    private static var dispatcherDrops: [(String, (RuntimeReading.Dispatcher) -> Int?)] {
        [
            ("requests of offline producers dropped", \.offlineRequestsDropped),
            ("replies to offline producers dropped", \.offlineRepliesDropped),
            ("malformed requests dropped", \.malformedDropped), ("lost with a dispatcher", \.lost),
            ("expired", \.expired),
        ]
    }

    // MARK: The backend

    private static let backendClasses: Set<String> = [
        "connect_refused", "connect_timeout", "connect_error", "overloaded", "server_error", "read_timeout", "reset",
        "malformed_response", "response_too_large", "authentication", "route_or_model",
    ]

    static func backend(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        var evidence: [String] = []
        var numbers: [String: Double] = [:]
        for pool in last.pools {
            guard let state = pool.breaker, state != "closed" else { continue }
            let times = pool.timesOpened.map { ", opened \(Self.plural($0, "time"))" } ?? ""
            let failures = pool.consecutiveFailures.map { ", \(Self.plural($0, "failure")) in a row" } ?? ""
            evidence.append(
                "pool \(pool.id): breaker \(state)\(times)\(failures), \(pool.address ?? "address unknown")"
            )
        }
        for row in last.runtime.dispatchers where row.usesValkey == true {
            guard let state = row.breaker, state != "closed" else { continue }
            evidence.append("dispatcher \(row.id): breaker \(state), \(row.address ?? "address unknown")")
        }
        let attempts = (seen.recent + seen.live).flatMap(\.attempts)
        let failed = attempts.filter { $0.failure.map(Self.backendClasses.contains) ?? false }
        if !failed.isEmpty, Double(failed.count) >= Double(attempts.count) * Self.share {
            let percent = Int((Double(failed.count) / Double(attempts.count) * 100).rounded())
            evidence.append("\(failed.count) of \(Self.plural(attempts.count, "attempt")) failed (\(percent) %)")
            numbers["attempts"] = Double(attempts.count)
            numbers["attempts_failed"] = Double(failed.count)
            evidence.append("classes: " + Self.classes(failed))
        }
        let processed = seen.rise(of: \.processed)
        let failures = seen.rise(of: \.failures)
        if failures > 0, Double(failures) >= Double(processed) * Self.share {
            evidence.append("dispatchers: \(failures) of \(processed) failed in \(Self.span(seen.watched))")
            numbers["dispatcher_failures"] = Double(failures)
        }
        guard !evidence.isEmpty else { return [] }
        let errors =
            failed.lazy.compactMap(\.message).first
            ?? last.runtime.dispatchers.lazy.filter { $0.isRunning != false }.compactMap(\.lastError).first
        if let errors { evidence.append("last error: \(errors)") }
        return [
            DoctorFinding(
                code: .backendErrors,
                evidence: evidence,
                look: [
                    "OPENAI_API_BASE, or the pool's backend in 'sluice config': address, path and key",
                    "the dispatchers' log lines 'request ended' (class, status), then the backend's own log",
                    "curl the backend's /v1/models from the machine of the dispatcher",
                ],
                numbers: numbers
            )
        ]
    }

    private static func classes(_ attempts: [DoctorRequest.Attempt]) -> String {
        Dictionary(grouping: attempts) { $0.failure ?? "unknown" }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { name, rows in
                let statuses = Set(rows.compactMap(\.status)).sorted().map { String($0) }.joined(separator: ", ")
                return "\(name) \(rows.count)" + (statuses.isEmpty ? "" : " (status \(statuses))")
            }.joined(separator: ", ")
    }

    // MARK: Budgets

    private static let budgetClasses: Set<String> = ["rate_limited", "provider_rejected"]
    private static let budgetWords = ["budget", "quota", "insufficient", "credit", "billing", "rate limit"]

    static func budgets(_ seen: DoctorCase) -> [DoctorFinding] {
        let attempts = (seen.recent + seen.live).flatMap(\.attempts)
        let rejected = attempts.filter { attempt in
            guard let failure = attempt.failure else { return false }
            if Self.budgetClasses.contains(failure) || attempt.status == 429 || attempt.status == 402 { return true }
            let words = attempt.message?.lowercased() ?? ""
            return Self.budgetWords.contains { words.contains($0) }
        }
        var evidence: [String] = []
        if !rejected.isEmpty {
            evidence.append(
                "\(rejected.count) of \(Self.plural(attempts.count, "attempt")) rejected: " + Self.classes(rejected)
            )
        }
        if let before = seen.first?.failuresByClass, let after = seen.last?.failuresByClass {
            for name in Self.budgetClasses.sorted() {
                let rise = (after[name] ?? 0) - (before[name] ?? 0)
                if rise > 0 { evidence.append("\(name): \(rise) more in \(Self.span(seen.watched))") }
            }
        }
        for pool in seen.last?.pools ?? [] where pool.waitingReason == "rate_limited" {
            evidence.append("pool \(pool.id) is held back because the provider asked for patience")
        }
        guard !evidence.isEmpty else { return [] }
        if let message = rejected.lazy.compactMap(\.message).first { evidence.append("last: \(message)") }
        return [
            DoctorFinding(
                code: .budgetRejections,
                evidence: evidence,
                look: [
                    "the provider gateway's log and policy: budgets and limits of the key (LiteLLM: /key/info, /spend)",
                    "sluice show ID: status and message of the attempts; fewer slots keep below a limit per minute",
                ],
                numbers: ["rejected_attempts": Double(rejected.count)]
            )
        ]
    }

    // MARK: Our own doors

    private static let doors = ["full", "tenant_full", "would_miss_deadline", "overloaded", "oversize", "paused"]

    static func admission(_ seen: DoctorCase) -> [DoctorFinding] {
        (seen.last?.pools ?? []).compactMap { pool in
            var total = 0
            let evidence = Self.doors.compactMap { door -> String? in
                guard let rise = seen.rise(pool.id, { $0.ended.map { $0["rejected/\(door)"] ?? 0 } }), rise > 0 else {
                    return nil
                }
                total += rise
                return "rejected/\(door): \(rise) more in \(Self.span(seen.watched))"
            }
            guard !evidence.isEmpty else { return nil }
            return DoctorFinding(
                code: .admissionRefuses,
                pool: pool.id,
                evidence: evidence,
                look: [
                    "the pool's bounds in sluice pools --json: maximum_requests, maximum_bytes, ..._per_tenant",
                    "more slots or bounds: sluice pools set \(pool.id) --slots N --max-requests N",
                ],
                numbers: ["rejected": Double(total)]
            )
        }
    }

    // MARK: History

    static func history(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        var evidence: [String] = []
        var told: Set<String> = []
        for row in last.runtime.dispatchers where row.usesValkey == true && row.isRunning != false {
            let missing = [
                (row.fabricGroup ?? "").isEmpty ? "fabric_group_id" : nil,
                (row.gateway ?? "").isEmpty ? "gateway_id" : nil,
            ].compactMap { $0 }
            guard !missing.isEmpty, told.insert(row.id).inserted else { continue }
            evidence.append("dispatcher \(row.id) has no \(missing.joined(separator: " and no "))")
        }
        let ended = last.pools.reduce(0) { $0 + (seen.rise($1.id, \.completed) ?? 0) }
        if let list = seen.ended, list.isEmpty, ended > 0 {
            evidence.append(
                "\(Self.plural(ended, "request")) ended in \(Self.span(seen.watched)), but history is empty"
            )
        }
        guard !evidence.isEmpty else { return [] }
        return [
            DoctorFinding(
                code: .historyMissing,
                evidence: evidence,
                look: [
                    "LLM_QUEUE_FABRIC_GROUP_ID and LLM_QUEUE_GATEWAY_ID of the dispatchers: history is asked by them",
                    "history.max_requests and history.max_age in 'sluice config'",
                    "the OTel exporter and ClickHouse (otel.otel_traces), where executions are kept for longer",
                ],
                numbers: ["ended": Double(ended)]
            )
        ]
    }
}
