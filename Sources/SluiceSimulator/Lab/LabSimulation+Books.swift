import SluiceBasics
import SluiceCore

// What is counted, without asking the machine.
extension LabSimulation {
    mutating func wait(_ seat: Int, _ change: Int) {
        guard let message = self.lives[seat]?.message else { return }
        self.lives[seat]?.waits = change > 0
        self.classBooks[Int(message.priority.rawValue)].pending += change
        self.tenantBooks[message.tenant].pending += change
        self.fairness.waits(tenant: message.tenant, change)
    }

    mutating func noteStart(_ message: LabMessage) {
        let priority = Int(message.priority.rawValue)
        self.classBooks[priority].processing += 1
        self.tenantBooks[message.tenant].processing += 1
        let completionWeight = self.scenario.scheduling.tenants.completionWeight
        self.fairness.serve(
            tenant: message.tenant,
            Double(message.promptTokens) + completionWeight * Double(message.completionTokens)
        )
        self.series.note { $0.started += 1 }
        // A repeated call has waited for its pause as well, which says nothing of the line.
        guard message.attempts == 1 else { return }
        let waited = message.waited(at: self.now).inSeconds
        self.recentWaits[priority].add(waited)
        self.series.note { sample in
            sample.waits[priority].count += 1
            sample.waits[priority].sum += waited
            sample.waits[priority].longest = max(sample.waits[priority].longest, waited)
        }
    }

    mutating func noteStop(_ seat: Int) {
        guard let message = self.lives[seat]?.message else { return }
        self.classBooks[Int(message.priority.rawValue)].processing -= 1
        self.tenantBooks[message.tenant].processing -= 1
    }

    mutating func noteEnd(_ message: LabMessage) {
        switch message.state {
        case .done:
            let tokens = message.promptTokens + message.completionTokens
            self.totals.done += 1
            self.totals.tokens += tokens
            self.classBooks[Int(message.priority.rawValue)].done += 1
            self.tenantBooks[message.tenant].done += 1
            self.tenantBooks[message.tenant].tokens += tokens
            self.series.note { sample in
                sample.done += 1
                sample.tokens += tokens
            }
            return
        case .refused: self.totals.refused += 1
        case .expired: self.totals.expired += 1
        default: self.totals.failed += 1
        }
        self.series.note { $0.missed += 1 }
    }

    /// Books for everybody who has a name by now, with the weights in force.
    mutating func followTenants() {
        guard self.tenantBooks.count < self.arrivals.names.count else { return }
        for name in self.arrivals.names.dropFirst(self.tenantBooks.count) {
            self.tenantBooks.append(LabFrame.Tenant(name: name, weight: 1))
        }
        self.followWeights()
    }

    mutating func followWeights() {
        let policy = self.scenario.scheduling.tenants
        for index in self.tenantBooks.indices {
            let name = self.tenantBooks[index].name
            self.tenantBooks[index].weight = policy.weights[name] ?? policy.defaultWeight
        }
    }

    /// `nil`, or which books do not balance. O(n log n).
    package func audit() -> String? {
        if let complaint = self.machine.checkBooks() { return complaint }
        let lives = self.lives.compactMap { $0 }
        if lives.count != self.live { return "\(lives.count) live, \(self.live) are counted" }
        let processing = lives.count { $0.message.state == .processing }
        if processing != self.running { return "\(processing) run, \(self.running) are counted" }
        let totals = self.totals
        if totals.arrived != totals.ended + self.live {
            return "\(totals.arrived) arrived, \(totals.ended) ended and \(self.live) live"
        }
        let pending = self.classBooks.reduce(0) { $0 + $1.pending }
        if pending != self.live - self.running { return "\(pending) wait by class, \(self.live - self.running) in all" }
        let ofTenants = self.tenantBooks.reduce(0) { $0 + $1.pending + $1.processing }
        if ofTenants != self.live { return "\(ofTenants) live by tenant, \(self.live) in all" }
        guard let status = self.machine.status(LabScenario.poolName, now: self.now) else { return "there is no pool" }
        if status.queued != pending || status.inFlight != self.running {
            return "the machine has \(status.queued) + \(status.inFlight), not \(pending) + \(self.running)"
        }
        return nil
    }
}
