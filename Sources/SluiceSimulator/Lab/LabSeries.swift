import SluiceBasics
import SluiceCore

/// What happened in one step of time.
package struct LabSample: Sendable, Equatable {
    package struct Waits: Sendable, Equatable {
        package var count = 0
        /// Seconds.
        package var sum = 0.0
        package var longest = 0.0
    }

    package var arrived = 0
    package var started = 0
    package var done = 0
    /// Ended otherwise, or never let in.
    package var missed = 0
    /// Of what was done, as the backend counts.
    package var tokens = 0
    /// Slots · seconds that were used, and that there were.
    package var busy = 0.0
    package var slotSeconds = 0.0
    /// At its end.
    package var pending = 0
    package var processing = 0
    package var tokensLeft: Int?
    package var requestsLeft: Int?
    /// Of those that started, by priority.
    package var waits = [Waits](repeating: Waits(), count: Priority.allCases.count)

    mutating func add(_ later: LabSample) {
        self.arrived += later.arrived
        self.started += later.started
        self.done += later.done
        self.missed += later.missed
        self.tokens += later.tokens
        self.busy += later.busy
        self.slotSeconds += later.slotSeconds
        self.pending = later.pending
        self.processing = later.processing
        self.tokensLeft = later.tokensLeft
        self.requestsLeft = later.requestsLeft
        for index in self.waits.indices {
            self.waits[index].count += later.waits[index].count
            self.waits[index].sum += later.waits[index].sum
            self.waits[index].longest = max(self.waits[index].longest, later.waits[index].longest)
        }
    }
}

/// The recent past in four resolutions, each ten times coarser than the one before and as many points long.
package struct LabSeries: Sendable {
    package static let points = 240
    static let step = Duration.seconds(1)
    private static let factor = 10
    package static let levels = 4

    private struct Level: Sendable {
        /// A ring once it is full.
        var samples: [LabSample] = []
        var closed = 0
        var open = LabSample()
        var inOpen = 0

        mutating func close() -> LabSample {
            let sample = self.open
            if self.samples.count < LabSeries.points {
                self.samples.append(sample)
            } else {
                self.samples[self.closed % LabSeries.points] = sample
            }
            self.closed += 1
            self.open = LabSample()
            self.inOpen = 0
            return sample
        }

        var inOrder: [LabSample] {
            guard self.samples.count == LabSeries.points else { return self.samples }
            let oldest = self.closed % LabSeries.points
            return Array(self.samples[oldest...] + self.samples[..<oldest])
        }
    }

    private var levelsKept = [Level](repeating: Level(), count: LabSeries.levels)

    /// What happens now.
    mutating func note(_ change: (inout LabSample) -> Void) { change(&self.levelsKept[0].open) }

    /// A step is over.
    mutating func close() {
        var sample = self.levelsKept[0].close()
        for level in 1..<Self.levels {
            self.levelsKept[level].open.add(sample)
            self.levelsKept[level].inOpen += 1
            guard self.levelsKept[level].inOpen == Self.factor else { return }
            sample = self.levelsKept[level].close()
        }
    }

    package static func step(_ level: Int) -> Duration {
        (0..<max(0, level)).reduce(Self.step) { step, _ in step * Self.factor }
    }

    /// Closed steps, oldest first.
    package func samples(_ level: Int) -> [LabSample] { self.levelsKept[min(max(0, level), Self.levels - 1)].inOrder }

    /// Steps that have been closed since the start, kept or not.
    package func closed(_ level: Int) -> Int { self.levelsKept[min(max(0, level), Self.levels - 1)].closed }

    /// The sum of the last closed steps of a second.
    package func recent(_ seconds: Int) -> LabSample {
        var sum = LabSample()
        for sample in self.levelsKept[0].inOrder.suffix(seconds) { sum.add(sample) }
        return sum
    }
}

/// The last waits of one class.
struct RecentWaits: Sendable {
    static let kept = 256

    private var values: [Double] = []
    private var count = 0

    mutating func add(_ seconds: Double) {
        if self.values.count < Self.kept {
            self.values.append(seconds)
        } else {
            self.values[self.count % Self.kept] = seconds
        }
        self.count += 1
    }

    /// `nil`: none yet.
    func percentile(_ share: Double) -> Double? { WaitSummary.percentile(share, of: self.values.sorted()) }
}

/// How evenly tenants were served in each of the last minutes in which two or more of them waited throughout.
struct LabFairness: Sendable {
    private static let minutesKept = 10

    private struct Tenant: Sendable {
        var waiting = 0
        var hasWaitedThroughout = false
        /// Weighted tokens.
        var service = 0.0
    }

    private var tenants: [Tenant] = []
    private var minutes: [Double] = []

    mutating func waits(tenant: Int, _ change: Int) {
        while self.tenants.count <= tenant { self.tenants.append(Tenant()) }
        self.tenants[tenant].waiting += change
        if self.tenants[tenant].waiting == 0 { self.tenants[tenant].hasWaitedThroughout = false }
    }

    mutating func serve(tenant: Int, _ service: Double) { self.tenants[tenant].service += service }

    /// - Parameter weight: of each tenant.
    mutating func closeMinute(_ weight: (Int) -> Double) {
        let contenders = self.tenants.indices.filter { self.tenants[$0].hasWaitedThroughout }
        let shares = contenders.map { self.tenants[$0].service / max(.leastNonzeroMagnitude, weight($0)) }
        if contenders.count > 1, let index = JainIndex.of(shares) {
            self.minutes.append(index)
            if self.minutes.count > Self.minutesKept { self.minutes.removeFirst() }
        }
        for tenant in self.tenants.indices {
            self.tenants[tenant].service = 0
            self.tenants[tenant].hasWaitedThroughout = self.tenants[tenant].waiting > 0
        }
    }

    /// `nil`: nobody has competed yet.
    var index: Double? {
        self.minutes.isEmpty ? nil : self.minutes.reduce(0, +) / Double(self.minutes.count)
    }
}
