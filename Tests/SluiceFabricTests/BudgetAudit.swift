import SluiceBasics
import SluiceCore

/// Checks the law over everything that was admitted anywhere: each request counts when it was admitted, with what it
/// used, or with what was reserved while that is not known.
struct BudgetAudit {
    private let limit: RateLimit
    /// A strict limit holds for each span of this length.
    var minute = Duration.seconds(60)
    private var admissions: [(at: Instant, tokens: Int)] = []
    private var first = 0
    private var inMinute = BudgetAmount.zero
    /// By how much a strict limit was exceeded with what was known at the time.
    private var excessInMinute = [0.0, 0.0]

    init(_ limit: RateLimit) { self.limit = limit }

    var used: BudgetAmount {
        BudgetAmount(tokens: self.admissions.reduce(0) { $0 + $1.tokens }, requests: self.admissions.count)
    }

    mutating func admit(_ tokens: Int, at now: Instant) -> Int {
        self.admissions.append((now, tokens))
        self.inMinute.tokens += tokens
        self.inMinute.requests += 1
        while now - self.admissions[self.first].at >= self.minute {
            self.inMinute.tokens -= self.admissions[self.first].tokens
            self.inMinute.requests -= 1
            self.first += 1
        }
        let minute = [self.inMinute.tokens, self.inMinute.requests]
        for (index, rate) in [self.limit.tokensPerMinute, self.limit.requestsPerMinute].enumerated() {
            guard let rate else { continue }
            self.excessInMinute[index] = max(self.excessInMinute[index], Double(minute[index] - rate))
        }
        return self.admissions.count - 1
    }

    mutating func settle(_ admission: Int, actual: Int) {
        if admission >= self.first { self.inMinute.tokens += actual - self.admissions[admission].tokens }
        self.admissions[admission].tokens = actual
    }

    /// By how much the law was broken, at worst, in tokens and requests.
    var excess: [Double] {
        guard self.limit.mode == .smooth else { return self.excessInMinute }
        let tokens = self.limit.tokensPerMinute.map { rate in
            self.excess(rate, self.limit.burstTokens ?? rate) { Double($0.tokens) }
        }
        let requests = self.limit.requestsPerMinute.map { rate in
            self.excess(rate, self.limit.burstRequests ?? rate) { _ in 1 }
        }
        return [tokens ?? 0, requests ?? 0]
    }

    /// Over all spans at once: the most that `used - rate · time` ever rises, less the capacity.
    private func excess(_ rate: Int, _ capacity: Int, _ amount: ((at: Instant, tokens: Int)) -> Double) -> Double {
        var (used, lowest, worst) = (0.0, 0.0, -Double(capacity))
        for admission in self.admissions {
            let allowed = Double(rate) * (admission.at - .zero).inSeconds / 60
            lowest = min(lowest, used - allowed)
            used += amount(admission)
            worst = max(worst, used - allowed - lowest - Double(capacity))
        }
        return worst
    }
}
