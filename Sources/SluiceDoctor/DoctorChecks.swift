/// Findings from what was seen. Pure: the same case has the same findings.
package enum DoctorChecks {
    package static func all(_ seen: DoctorCase) -> [DoctorFinding] {
        let access = Self.access(seen)
        guard seen.last != nil else { return access }
        return access + Self.health(seen) + Self.valkey(seen) + Self.clocks(seen) + Self.dispatchers(seen)
            + Self.pending(seen) + Self.inFlight(seen) + Self.vanished(seen) + Self.backend(seen) + Self.budgets(seen)
            + Self.admission(seen) + Self.history(seen)
    }

    // MARK: Whether it can be asked at all

    package static func access(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let trouble = seen.samples.last(where: { $0.trouble != nil })?.trouble else { return [] }
        let failed = seen.samples.count { $0.trouble != nil }
        let share = "\(failed) of \(seen.samples.count) looks failed"
        let numbers = ["looks": Double(seen.samples.count), "looks_failed": Double(failed)]
        switch trouble {
        case .unreachable(let message):
            return [
                DoctorFinding(
                    code: .gatewayUnreachable,
                    evidence: [share, message],
                    look: ["the process: does 'sluice serve' or 'sluice gateway' run, and what does its log say?"],
                    numbers: numbers
                )
            ]
        case .refused(let status, let message):
            return [
                DoctorFinding(
                    code: .keyRefused,
                    evidence: [share, "status \(status): \(message)"],
                    look: [
                        "the key: --key-file, SLUICE_API_KEY or SLUICE_API_KEY_FILE must name one with operator: true",
                        "the gateway's keys: sluice config, api_keys and api_keys_file",
                    ],
                    numbers: numbers
                )
            ]
        case .unreadable(let message):
            return [
                DoctorFinding(
                    code: .answerUnreadable,
                    evidence: [share, message],
                    look: ["the address: --url or SLUICE_URL must name a Sluice gateway"],
                    numbers: numbers
                )
            ]
        }
    }

    package static func health(_ seen: DoctorCase) -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        if let health = seen.last?.health, health.word == "stuck" {
            findings.append(
                DoctorFinding(
                    code: .gatewayStuck,
                    evidence: ["/healthz: \(health.detail ?? "stuck")"],
                    look: ["the process: its log, then restart it"]
                )
            )
        }
        if seen.last?.readiness?.word == "draining" {
            findings.append(
                DoctorFinding(
                    code: .gatewayDraining,
                    evidence: ["/readyz says draining; new work is refused with 503"],
                    look: ["whoever stopped it; another gateway has to take the work"]
                )
            )
        }
        return findings
    }

    package static func valkey(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        var evidence: [String] = []
        if let ready = last.readiness, ready.word == "not_ready" {
            evidence.append("/readyz: \(ready.detail ?? "not ready")")
        }
        if let error = last.runtime.fabricError { evidence.append("the fabric cannot be looked at: \(error)") }
        if let error = last.runtimeTrouble { evidence.append("the runtime view does not answer: \(error)") }
        for row in last.runtime.dispatchers {
            guard let error = row.queueDepthError, error != last.runtime.fabricError else { continue }
            evidence.append("dispatcher \(row.id) cannot read its queue: \(error)")
        }
        guard !evidence.isEmpty else { return [] }
        return [
            DoctorFinding(
                code: .valkeyTrouble,
                evidence: Array(evidence.prefix(5)),
                look: [
                    "Valkey itself: valkey-cli -u $LLM_QUEUE_VALKEY_URL ping, then info memory (maxmemory)",
                    "LLM_QUEUE_VALKEY_URL of the gateway and of every dispatcher: the same server and database?",
                ]
            )
        ]
    }

    /// More than this is not the network's doing.
    private static let skewSeconds = 5.0

    package static func clocks(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last, let gateway = last.gatewayTime else { return [] }
        var evidence: [String] = []
        var worst = 0.0
        func add(_ ahead: Double, _ words: (String) -> String) {
            worst = max(worst, abs(ahead))
            evidence.append(words(Self.span(abs(ahead))))
        }
        // HTTP dates have whole seconds.
        let ours = last.localTime - gateway
        if ours < -Self.skewSeconds || ours > Self.skewSeconds + 1 {
            add(ours) { "the gateway's clock is \($0) \(ours > 0 ? "behind" : "ahead of") this machine's" }
        }
        // Only the future proves something: what is past may just be old.
        for row in last.runtime.dispatchers {
            guard let beat = row.beatAt, beat - gateway > Self.skewSeconds + 1, evidence.count < 4 else { continue }
            add(beat - gateway) { "dispatcher \(row.id) last beat \($0) in the gateway's future" }
        }
        for row in last.runtime.requests {
            guard let submitted = row.submittedAt, submitted - gateway > Self.skewSeconds + 1, evidence.count < 6
            else { continue }
            add(submitted - gateway) {
                "request \(row.id) of producer \(row.producer ?? "unknown") was submitted \($0) in the gateway's future"
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            DoctorFinding(
                code: .clockSkew,
                evidence: evidence,
                look: [
                    "the time service (chrony, systemd-timesyncd) there: deadlines and ages are wrong by as much"
                ],
                numbers: ["worst_seconds": worst]
            )
        ]
    }

    package static func dispatchers(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        var told: Set<String> = []
        let gone = last.runtime.dispatchers.filter { row in
            row.usesValkey == true && row.isRunning == false && row.isDraining != true && told.insert(row.id).inserted
        }
        guard !gone.isEmpty else { return [] }
        let evidence = gone.prefix(5).map { row in
            let age = row.beatAt.flatMap { beat in last.gatewayTime.map { Self.span(max(0, $0 - beat)) } }
            let held = last.runtime.requests.count { $0.dispatcher == row.id && !$0.isPending }
            let error = row.lastError.map { "; \($0)" } ?? ""
            let beat = age.map { "\($0) ago" } ?? "unknown"
            return "dispatcher \(row.id): last beat \(beat), holds \(Self.plural(held, "request"))\(error)"
        }
        return [
            DoctorFinding(
                code: .dispatcherGone,
                evidence: evidence,
                look: [
                    "that process: its log and its exit code",
                    "what it held: swept as lost/dispatcher_crash, or put back with LLM_QUEUE_ORPHANS=requeue",
                ],
                numbers: ["dispatchers": Double(gone.count)]
            )
        ]
    }

    // MARK: Words

    package static func span(_ seconds: Double) -> String { SpanText.format((seconds * 1000).rounded()) }

    package static func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    package static func tenths(_ value: Double) -> String { abs(value) < 1e12 ? "\((value * 10).rounded() / 10)" : "?" }
}
