import SluiceBasics
import SluiceCore

/// What a policy made of a workload.
package struct SimulationReport: Sendable, Equatable {
    package struct LimitUse: Sendable, Equatable {
        /// Share of the limit that was used in whole minutes, the first excepted, in which something waited all the
        /// time, by tokens as the backend counts them, when a request starts; `nil` without such a minute.
        package var tokenShare: Double?
        package var requestShare: Double?
        /// Minutes that these are shares of.
        package var minutes: Int
        /// The most in any 60 s, as a share of what the limit allows then: itself if strict, its burst more if smooth.
        package var tokenPeak: Double?
        package var requestPeak: Double?
    }

    package var policy: String
    /// That arrived.
    package var requests: Int
    /// From the start to the last end, in seconds.
    package var duration: Double
    /// Ended well, within their deadlines.
    package var inTime: Int
    /// Their tokens, prompt and completion.
    package var tokensInTime: Int
    /// Everything by how it ended.
    package var outcomes: OutcomeCounts
    package var waits: [WaitSummary]
    /// Mean of Jain's index over tenants' service (prompt and, weighted, completion tokens, over the tenant's weight)
    /// in minutes in which two or more waited all the time; `nil` without such a minute.
    package var fairness: Double?
    package var fairnessMinutes: Int
    /// Share of slot time that was used, and that lay idle while something waited that could have used it.
    package var utilization: Double
    package var idle: Double
    package var limit: LimitUse?

    /// Per second.
    package var goodput: Double { self.duration > 0 ? Double(self.inTime) / self.duration : 0 }
    package var tokenGoodput: Double { self.duration > 0 ? Double(self.tokensInTime) / self.duration : 0 }

    /// Did not end well in time.
    package var missed: Int { self.requests - self.inTime }
    /// Given up by the pool because it was overloaded, at the door or while it waited.
    package var shed: Int { self.count { $0 == .shed || $0 == .overloaded } }
    /// Refused at the door for another reason.
    package var refused: Int { self.count { $0.outcome == .rejected && $0 != .overloaded } }
    package var expired: Int { self.count { $0.outcome == .expired } }

    private func count(_ isWanted: (OutcomeReason) -> Bool) -> Int {
        self.outcomes.table.reduce(0) { sum, row in isWanted(row.key) ? sum + Int(row.value) : sum }
    }

    package func wait(_ group: WaitSummary.Group) -> WaitSummary? { self.waits.first { $0.group == group } }
}

extension SimulationBooks {
    func report(name: String) -> SimulationReport {
        let arrivals = self.workload.arrivals
        // In a closed loop, and with a duration, not all of them came.
        let came = self.lives.indices.filter { self.lives[$0].reason != nil }
        let good = came.filter { self.lives[$0].reason == .ok }
        var outcomes = OutcomeCounts()
        for request in came { if let reason = self.lives[request].reason { outcomes.add(reason) } }
        let last = came.compactMap { self.lives[$0].endedAt }.max() ?? .zero
        let capacity = Double(self.configuration.pool.slots) * (last - .zero).inSeconds
        let fairness = self.minutes.fairness
        return SimulationReport(
            policy: name,
            requests: came.count,
            duration: (last - .zero).inSeconds,
            inTime: good.count,
            tokensInTime: good.reduce(0) { $0 + arrivals[$1].tokens },
            outcomes: outcomes,
            waits: self.summaries(came),
            fairness: fairness.isEmpty ? nil : fairness.reduce(0, +) / Double(fairness.count),
            fairnessMinutes: fairness.count,
            utilization: capacity > 0 ? self.busy / capacity : 0,
            idle: capacity > 0 ? self.idle / capacity : 0,
            limit: self.configuration.pool.scheduling.limit.map { self.use(of: $0) }
        )
    }

    private func summaries(_ came: [Int]) -> [WaitSummary] {
        let arrivals = self.workload.arrivals
        var members: [(group: WaitSummary.Group, requests: [Int])] = [(.all, came)]
        func split<Key: Hashable>(_ key: (Arrival) -> Key) -> [Key: [Int]] {
            Dictionary(grouping: came) { key(arrivals[$0]) }
        }
        let sizes = split(\.isShort)
        for isShort in [true, false] {
            if let some = sizes[isShort] { members.append((.size(isShort: isShort), some)) }
        }
        let priorities = split(\.priority)
        for priority in Priority.allCases where priorities.count > 1 {
            if let some = priorities[priority] { members.append((.priority(priority), some)) }
        }
        let tenants = split(\.tenant)
        for tenant in self.workload.tenants.indices where tenants.count > 1 {
            if let some = tenants[tenant] { members.append((.tenant(self.workload.tenants[tenant]), some)) }
        }
        return members.map { group, requests in
            WaitSummary(
                group,
                requests: requests.count,
                inTime: requests.count { self.lives[$0].reason == .ok },
                waits: requests.compactMap { request in
                    self.lives[request].startedAt.map { ($0 - self.lives[request].arrivedAt).inSeconds }
                }
            )
        }
    }

    private func use(of limit: RateLimit) -> SimulationReport.LimitUse {
        let minutes = self.minutes.backlogged
        func share(_ used: Double, of perMinute: Int?) -> Double? {
            guard let perMinute, perMinute > 0, minutes.minutes > 0 else { return nil }
            return used / Double(minutes.minutes) / Double(perMinute)
        }
        func peak(_ perMinute: Int?, burst: Int?, _ amount: (Int) -> Int) -> Double? {
            guard let perMinute, perMinute > 0 else { return nil }
            let allowed = limit.mode == .strict ? perMinute : perMinute + (burst ?? perMinute)
            return Double(self.peak(amount)) / Double(allowed)
        }
        return SimulationReport.LimitUse(
            tokenShare: share(minutes.tokens, of: limit.tokensPerMinute),
            requestShare: share(minutes.requests, of: limit.requestsPerMinute),
            minutes: minutes.minutes,
            tokenPeak: peak(limit.tokensPerMinute, burst: limit.burstTokens) { self.workload.arrivals[$0].tokens },
            requestPeak: peak(limit.requestsPerMinute, burst: limit.burstRequests) { _ in 1 }
        )
    }

    /// The largest sum over starts in any 60 s.
    private func peak(_ amount: (Int) -> Int) -> Int {
        var (sum, most, oldest) = (0, 0, 0)
        for request in self.starts {
            guard let at = self.lives[request].startedAt else { continue }
            sum += amount(request)
            while let first = self.lives[self.starts[oldest]].startedAt, first + .seconds(60) <= at {
                sum -= amount(self.starts[oldest])
                oldest += 1
            }
            most = max(most, sum)
        }
        return most
    }
}
