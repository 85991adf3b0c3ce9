import SluiceBasics
import SluiceCore
import SluiceSimulator
import Testing

/// What tenants and old requests may rely on, whatever else arrives.
struct FairnessTests {
    private struct Scene {
        var slots: Int
        var weights: [Double]
        var workload: Workload
        var policy: SimulatedPolicy

        /// Everything of `tenants` tenants is there at the start.
        init(seed: UInt64, tenants: Int, requests: Int, estimateError: Double) {
            var random = SeededRandom(seed: seed)
            self.slots = Int.random(in: 1...24, using: &random)
            self.weights = (0..<tenants).map { _ in [0.5, 1, 1, 2, 3.5].randomElement(using: &random) ?? 1 }
            var shape = WorkloadShape(.backlog, tenants: (0..<tenants).map { .init("t\($0)") })
            shape.estimateError = estimateError
            for kind in shape.kinds.indices {
                shape.kinds[kind].priorities = Priority.allCases.map { .init($0, share: random.positive) }
            }
            self.workload = shape.workload(rate: 1, requests: requests, seed: seed)
            let names: [SimulatedPolicy.Name] = [.standard, .simplePriority, .throughputOptimized, .fair]
            self.policy = SimulatedPolicy(names.randomElement(using: &random) ?? .standard)
            for (number, weight) in self.weights.enumerated() {
                self.policy.scheduling.tenants.weights["t\(number)"] = weight
            }
        }

        func service(_ request: Int) -> Double {
            let arrival = self.workload.arrivals[request]
            return Double(arrival.promptTokens + 2 * arrival.completionTokens) / self.weights[arrival.tenant]
        }

        private func error(_ request: Int) -> Double {
            let arrival = self.workload.arrivals[request]
            let difference = abs(arrival.completionEstimate - arrival.completionTokens)
            return Double(2 * difference) / self.weights[arrival.tenant]
        }

        /// While both wait, by how much one may be ahead of the other.
        ///
        /// Let a be a tenant's weighted service as it starts, c its counter: a = c + p, where p is what counting the
        /// actual tokens of its running requests will add. A request of f starts only if c_f ≤ c_g, hence afterwards
        /// a_f − a_g ≤ s + p_f − p_g, where s is the request's own service and p is taken before it. At most
        /// slots − 1 run besides it, each wrong by E at most: a_f − a_g ≤ S + (slots − 1) · E. Starts alone change a.
        /// With exact estimates this is S, and 2 · S over any span of time: the theorem of virtual token counters
        /// with whole requests for steps.
        func bound(of tenants: [Int]) -> Double {
            let requests = self.workload.arrivals.indices.filter { tenants.contains(self.workload.arrivals[$0].tenant) }
            let largest = requests.map { self.service($0) }.max() ?? 0
            let wrong = requests.map { self.error($0) }.max() ?? 0
            // Counters have steps of 1/1024 token.
            return largest + Double(self.slots - 1) * wrong + Double(requests.count) / 512
        }
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `of two tenants who always wait, neither is ahead by more than the theorem allows`(seed: UInt64) {
        let scene = Scene(seed: seed, tenants: 2, requests: 500, estimateError: seed.isMultiple(of: 2) ? 0.5 : 0)
        var simulation = PoolSimulation(scene.workload, .init(policy: scene.policy, slots: scene.slots))
        _ = simulation.finish()
        var waiting = [0, 0]
        for arrival in scene.workload.arrivals { waiting[arrival.tenant] += 1 }
        var (difference, most, least) = (0.0, 0.0, 0.0)
        // Before everybody has come there is no competition.
        let isCrowded = { (request: Int) in simulation.lives[request].startedAt.map { $0 > .zero } ?? false }
        for request in simulation.starts {
            let tenant = scene.workload.arrivals[request].tenant
            waiting[tenant] -= 1
            guard isCrowded(request) else { continue }
            difference += tenant == 0 ? scene.service(request) : -scene.service(request)
            guard waiting[0] > 0, waiting[1] > 0 else { break }
            most = max(most, difference)
            least = min(least, difference)
        }
        let bound = scene.bound(of: [0, 1])
        #expect(most - least <= 2 * bound, "\(most - least) over some span, \(2 * bound) allowed")
        #expect(most > least)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `who comes back gets no credit for having been away`(seed: UInt64) {
        var scene = Scene(seed: seed, tenants: 3, requests: 900, estimateError: 0)
        let middle = Duration.seconds(150)
        for number in scene.workload.arrivals.indices where scene.workload.arrivals[number].tenant == 2 {
            scene.workload.arrivals[number].at = middle
        }
        scene.workload.arrivals.sort { $0.at < $1.at }
        var simulation = PoolSimulation(scene.workload, .init(policy: scene.policy, slots: scene.slots))
        _ = simulation.finish()
        var waiting = [0, 0, 0]
        for arrival in scene.workload.arrivals { waiting[arrival.tenant] += 1 }
        let bound = scene.bound(of: [0, 1, 2])
        var service = [0.0, 0, 0]
        var widest = 0.0
        for request in simulation.starts {
            let tenant = scene.workload.arrivals[request].tenant
            waiting[tenant] -= 1
            guard let at = simulation.lives[request].startedAt, at - .zero > middle else { continue }
            guard waiting.allSatisfy({ $0 > 0 }) else { break }
            service[tenant] += scene.service(request)
            for other in 0..<2 { widest = max(widest, abs(service[2] - service[other])) }
        }
        #expect(widest > 0 && widest <= 2 * bound, "\(widest), \(2 * bound) allowed")
    }

    /// From then on nobody of the same tenant who came later starts before it: what is left to wait is the backlog that
    /// was ahead.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `nobody who has waited for the longest wait is passed by again`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let names: [SimulatedPolicy.Name] = [.priority, .standard, .simplePriority, .throughputOptimized, .fair]
        var policy = SimulatedPolicy(names[Int(seed) % names.count])
        policy.scheduling.policy.maximumWait = .seconds(40)
        policy.scheduling.tenants.isFair = seed.isMultiple(of: 2)
        // Urgent trifles, more than can be served, and every now and then something large that is in no hurry.
        var shape = WorkloadShape(.mixed, tenants: [.init("a"), .init("b")])
        shape.kinds[0].priorities = [.init(.urgent, share: 9), .init(.high)]
        shape.kinds[1].priorities = [.init(.low)]
        shape.kinds[1].share = 0.02
        let slots = Int.random(in: 1...6, using: &random)
        let rate = 1.4 * Double(slots) / shape.means(BackendModel()).service
        let workload = shape.workload(rate: rate, requests: 600, seed: seed)
        let limit = seed.isMultiple(of: 3) ? RateLimit(tokensPerMinute: 400_000, mode: .strict) : nil
        var simulation = PoolSimulation(workload, .init(policy: policy, slots: slots, limit: limit))
        _ = simulation.finish()
        let lives = simulation.lives
        var (overdue, started, passings) = (0, 0, 0)
        for (place, request) in simulation.starts.enumerated() {
            let start = try #require(lives[request].startedAt)
            let due = lives[request].arrivedAt + .seconds(40)
            started += 1
            guard start > due else { continue }
            overdue += 1
            for other in simulation.starts[..<place].reversed() {
                guard let at = lives[other].startedAt, at > due else { break }
                let isRival =
                    !policy.scheduling.tenants.isFair
                    || workload.arrivals[other].tenant == workload.arrivals[request].tenant
                if isRival && other > request { passings += 1 }
            }
        }
        #expect(passings == 0)
        #expect(started == 600 && overdue > 0)
    }
}

extension SeededRandom {
    fileprivate var positive: Double {
        mutating get { 0.01 + self.unit() }
    }
}
