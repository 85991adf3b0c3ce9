import SluiceBasics

/// How long something usually takes: quantiles of about the last thousand times, in steps of 15 %.
struct LatencyProfile: Sendable {
    private static let bucketCount = 96
    private static let step = 1.15
    /// Upper bounds, from a millisecond to eleven minutes.
    private static let bounds: [Int64] = (0..<Self.bucketCount).map { index in
        var bound = 1_000_000.0
        for _ in 0..<index { bound *= Self.step }
        return Int64(bound)
    }
    /// Then what is older counts half.
    private static let capacity = 1024

    private var counts = [UInt32](repeating: 0, count: LatencyProfile.bucketCount)
    private(set) var total = 0
    /// Whatever has been forgotten since.
    private(set) var samples = 0

    mutating func record(_ time: Duration) {
        let nanoseconds = max(0, time.wholeNanoseconds)
        var low = 0
        var high = Self.bucketCount - 1
        while low < high {
            let middle = (low + high) / 2
            if Self.bounds[middle] < nanoseconds { low = middle + 1 } else { high = middle }
        }
        self.counts[low] += 1
        self.total += 1
        if self.samples < .max { self.samples += 1 }
        guard self.total >= Self.capacity else { return }
        self.total = 0
        for index in self.counts.indices {
            self.counts[index] /= 2
            self.total += Int(self.counts[index])
        }
    }

    /// The time within which this share of them is, rounded up to a step; `nil` before the first.
    func quantile(_ share: Double) -> Duration? {
        guard self.total > 0 else { return nil }
        let wanted = max(1, Int((Double(self.total) * share).rounded(.up)))
        var seen = 0
        for (index, count) in self.counts.enumerated() {
            seen += Int(count)
            if seen >= wanted { return .nanoseconds(Self.bounds[index]) }
        }
        return .nanoseconds(Self.bounds[Self.bucketCount - 1])
    }
}

/// A mean in which each new value counts a fifth.
struct MovingLatency: Sendable {
    private static let share = 0.2

    private(set) var nanoseconds = 0.0
    private(set) var samples = 0

    var mean: Duration? { self.samples > 0 ? .nanoseconds(Int64(self.nanoseconds)) : nil }

    mutating func record(_ time: Duration) {
        let value = Double(max(0, time.wholeNanoseconds))
        self.nanoseconds = self.samples == 0 ? value : self.nanoseconds + (value - self.nanoseconds) * Self.share
        if self.samples < .max { self.samples += 1 }
    }

    /// It took at least that long, and nobody knows how long it would have been.
    mutating func recordAtLeast(_ time: Duration) {
        guard Double(time.wholeNanoseconds) > self.nanoseconds else { return }
        self.record(time)
    }
}

/// How long a target takes: to the first content of a stream, and to a whole answer.
struct TargetTimes: Sendable {
    struct Kind: Sendable {
        var mean = MovingLatency()
        private var models: [(name: String, profile: LatencyProfile)] = []
        private var others = LatencyProfile()

        /// So many are told apart; clients may name what they like.
        private static let maximumModels = 16

        func profile(_ model: String) -> LatencyProfile {
            self.models.first { $0.name == model }?.profile ?? self.others
        }

        mutating func record(_ time: Duration, model: String) {
            if let known = self.models.firstIndex(where: { $0.name == model }) {
                self.models[known].profile.record(time)
            } else if self.models.count < Self.maximumModels {
                var profile = LatencyProfile()
                profile.record(time)
                self.models.append((model, profile))
            } else {
                self.others.record(time)
            }
        }
    }

    var firstToken = Kind()
    var whole = Kind()

    func kind(isStream: Bool) -> Kind { isStream ? self.firstToken : self.whole }

    mutating func record(_ time: Duration, model: String, isStream: Bool) {
        if isStream {
            self.firstToken.mean.record(time)
            self.firstToken.record(time, model: model)
        } else {
            self.whole.mean.record(time)
            self.whole.record(time, model: model)
        }
    }

    /// A call that was given up: it would have taken longer.
    mutating func recordAtLeast(_ time: Duration, model: String, isStream: Bool) {
        if isStream {
            self.firstToken.mean.recordAtLeast(time)
            self.firstToken.record(time, model: model)
        } else {
            self.whole.mean.recordAtLeast(time)
            self.whole.record(time, model: model)
        }
    }
}
