import SluiceBasics

/// When requests arrive. All rates are relative to the mean: what is drawn is scaled by the rate that is wanted.
package enum ArrivalProcess: Sendable, Equatable {
    /// Independent of one another, at a constant rate.
    case poisson
    /// On and off (a Markov-modulated Poisson process of two states): `onShare` of the time at a rate `onFactor` times
    /// the mean, the rest at what is left.
    case bursty(onShare: Double = 0.25, onFactor: Double = 3.4, meanOn: Duration = .seconds(20))
    /// Poisson at a rate that goes up and down like a sine, from its lowest point.
    case diurnal(amplitude: Double = 0.8, period: Duration = .seconds(3_600))
    /// Everything is there at the start.
    case atOnce

    /// Squared coefficient of variation of the times between arrivals at `rate` per second; `nil`: depends on the time.
    /// Bursty: Fischer and Meier-Hellstern, "The Markov-modulated Poisson process cookbook", 1993.
    package func squaredVariation(rate: Double) -> Double? {
        switch self {
        case .poisson: return 1
        case .diurnal, .atOnce: return nil
        case .bursty(let onShare, _, let meanOn):
            let (on, off) = (self.factor(isOn: true) * rate, self.factor(isOn: false) * rate)
            let leaveOn = 1 / meanOn.inSeconds
            let leaveOff = leaveOn * onShare / (1 - onShare)
            let sum = leaveOn + leaveOff
            let difference = on - off
            return 1 + 2 * difference * difference * leaveOn * leaveOff
                / (sum * sum * (on * off + on * leaveOff + off * leaveOn))
        }
    }

    func factor(isOn: Bool) -> Double {
        guard case .bursty(let onShare, let onFactor, _) = self else { return 1 }
        return isOn ? onFactor : max(0, (1 - onShare * onFactor) / (1 - onShare))
    }
}

/// Draws one stream of arrivals.
package struct ArrivalStream: Sendable {
    private let process: ArrivalProcess
    /// Mean arrivals per second.
    private let rate: Double
    private var random: SeededRandom
    /// Seconds since the start.
    private var clock = 0.0
    private var isOn = false
    private var switchesAt = 0.0

    /// - Parameter from: seconds since the start before which nothing arrives.
    package init(_ process: ArrivalProcess, rate: Double, seed: UInt64, from: Double = 0) {
        self.process = process
        self.rate = rate
        self.clock = from
        self.random = SeededRandom(seed: seed)
        guard case .bursty(let onShare, _, _) = process else { return }
        // In equilibrium from the start.
        self.isOn = self.random.unit() < onShare
        self.switchesAt = from + self.span(isOn: self.isOn)
    }

    private mutating func span(isOn: Bool) -> Double {
        guard case .bursty(let onShare, _, let meanOn) = self.process else { return .infinity }
        let mean = isOn ? meanOn.inSeconds : meanOn.inSeconds * (1 - onShare) / onShare
        return mean * self.random.exponential()
    }

    /// Time of the next arrival since the start.
    package mutating func next() -> Duration {
        switch self.process {
        case .atOnce: break
        case .poisson: self.clock += self.random.exponential() / self.rate
        case .bursty: self.nextOfBursts()
        case .diurnal(let amplitude, let period):
            // Thinning (Lewis, Shedler 1979).
            repeat {
                self.clock += self.random.exponential() / (self.rate * (1 + amplitude))
            } while self.random.unit() * (1 + amplitude)
                > 1 + amplitude * sineOfTurns(self.clock / period.inSeconds - 0.25)
        }
        return .nanoseconds(Int64(min(9e18, self.clock * 1e9)))
    }

    private mutating func nextOfBursts() {
        while true {
            let current = self.process.factor(isOn: self.isOn) * self.rate
            let gap = current > 0 ? self.random.exponential() / current : .infinity
            if self.clock + gap <= self.switchesAt {
                self.clock += gap
                return
            }
            // The exponential has no memory: what is left of it may be drawn anew.
            self.clock = self.switchesAt
            self.isOn.toggle()
            self.switchesAt = self.clock + self.span(isOn: self.isOn)
        }
    }
}
