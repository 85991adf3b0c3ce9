import SluiceBasics
import SluiceCore

/// What workloads are drawn from.
package struct WorkloadShape: Sendable, Equatable {
    package struct Tenant: Sendable, Equatable {
        package var name: String
        /// How much of the requests it makes, relative to the others.
        package var share: Double

        package init(_ name: String, share: Double = 1) {
            self.name = name
            self.share = share
        }
    }

    package var process: ArrivalProcess
    package var kinds: [RequestKind]
    package var tenants: [Tenant]
    package var model: String
    package var loop: ClosedLoop?
    /// Spread of the logarithm of estimated over actual completion tokens: 0 is a runtime that knows.
    package var estimateError: Double

    package init(
        process: ArrivalProcess = .poisson,
        kinds: [RequestKind],
        tenants: [Tenant] = [Tenant("tenant-1")],
        model: String = "model",
        loop: ClosedLoop? = nil,
        estimateError: Double = 0.3
    ) {
        self.process = process
        self.kinds = kinds
        self.tenants = tenants
        self.model = model
        self.loop = loop
        self.estimateError = estimateError
    }

    private static let meanDraws = 100_000

    /// Means over 100,000 draws with a seed of their own: tokens and seconds of one request that runs alone.
    package func means(_ backend: BackendModel) -> (tokens: Double, service: Double) {
        var random = SeededRandom(seed: 0x6D65_616E)
        var (tokens, service) = (0.0, 0.0)
        for _ in 0..<Self.meanDraws {
            let arrival = self.draw(tenant: 0, at: .zero, &random)
            tokens += Double(arrival.tokens)
            service += backend.service(of: arrival, running: 1, slots: 1).inSeconds
        }
        return (tokens / Double(Self.meanDraws), service / Double(Self.meanDraws))
    }

    /// Draws until there are so many requests, or the time is over.
    ///
    /// Each tenant has a seed of its own: that one comes or goes changes nothing for the others.
    ///
    /// - Parameter rate: arrivals per second, of all tenants; of no meaning for what comes at once or in a closed loop.
    package func workload(rate: Double, requests: Int, duration: Duration? = nil, seed: UInt64) -> Workload {
        let total = self.tenants.reduce(0) { $0 + $1.share }
        var streams: [ArrivalStream] = []
        var contents: [SeededRandom] = []
        var next = IndexedHeap()
        let process = self.loop == nil ? self.process : .atOnce
        for (number, tenant) in self.tenants.enumerated() {
            var seeds = SeededRandom(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(number))
            let rate = max(1e-9, rate * tenant.share / max(total, .leastNonzeroMagnitude))
            streams.append(ArrivalStream(process, rate: rate, seed: seeds.next()))
            contents.append(SeededRandom(seed: seeds.next()))
        }
        // Of what comes at once, each tenant has its share, one after the other.
        var turns = self.tenants.map { $0.share > 0 ? 1 / $0.share : .infinity }
        let isByTurns = process == .atOnce
        for number in streams.indices where self.tenants[number].share > 0 {
            next.set(UInt32(number), at: Instant.zero + (isByTurns ? .seconds(turns[number]) : streams[number].next()))
        }
        var arrivals: [Arrival] = []
        arrivals.reserveCapacity(min(requests, 1 << 20))
        while arrivals.count < requests, let first = next.first {
            let number = Int(first.item)
            let at = isByTurns ? Duration.zero : first.at - Instant.zero
            if let duration, at >= duration { break }
            arrivals.append(self.draw(tenant: number, at: at, &contents[number]))
            turns[number] += 1 / self.tenants[number].share
            next.set(first.item, at: Instant.zero + (isByTurns ? .seconds(turns[number]) : streams[number].next()))
        }
        return Workload(
            tenants: self.tenants.map(\.name),
            models: [self.model],
            arrivals: arrivals,
            loop: self.loop
        )
    }

    /// One request.
    func draw(tenant: Int, at: Duration, _ random: inout SeededRandom) -> Arrival {
        let kind = self.kind(&random)
        let prompt = kind.prompt.sample(&random)
        let completion = kind.completion.sample(&random)
        let error = random.logNormal(median: 1, sigma: self.estimateError)
        return Arrival(
            at: at,
            tenant: tenant,
            priority: kind.priority(&random),
            promptTokens: prompt,
            completionTokens: completion,
            tokenEstimate: prompt + Int(min(1e9, Double(completion) * error).rounded()),
            deadline: kind.deadline,
            isShort: kind.isShort
        )
    }

    private func kind(_ random: inout SeededRandom) -> RequestKind {
        var place = random.unit() * self.kinds.reduce(0) { $0 + $1.share }
        for kind in self.kinds {
            place -= kind.share
            if place < 0 { return kind }
        }
        return self.kinds.last ?? RequestKind(isShort: true, prompt: .fixed(0), completion: .fixed(1))
    }
}
