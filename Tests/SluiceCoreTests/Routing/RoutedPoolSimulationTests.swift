import SluiceBasics
import Testing

@testable import SluiceCore

/// A pool with targets, slots and a queue under random work, failures, hedges and cancellations.
@Suite struct RoutedPoolSimulationTests {
    private struct Flight {
        var lease: QueueLease
        var second: Int?
    }

    private func failure(_ random: inout SeededRandom) -> AttemptFailure {
        switch Int(random.unit() * 7) {
        case 0: RouterFixture.failure(.connectRefused)
        case 1: RouterFixture.failure(.rateLimited, status: 429, retryAfter: .seconds(2))
        case 2: RouterFixture.failure(.invalidRequest, status: 400, refusal: .contextWindow)
        case 3: RouterFixture.failure(.authentication, status: 401)
        case 4: RouterFixture.failure(.cancelled)
        case 5: RouterFixture.failure(.readTimeout)
        default: RouterFixture.failure(.serverError, status: 500)
        }
    }

    @Test("books, slots and targets agree at every step", arguments: 1...20 as ClosedRange<UInt64>)
    func agree(seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 7_919)
        let plan = RoutePlan(
            targets: ["a", "b", "c"].map { RoutePlan.Target(backend: $0) },
            fallbacks: [
                .contextWindow: [RoutePlan.Target(backend: "large")], .error: [RoutePlan.Target(backend: "spare")],
            ],
            strategy: RoutePlan.Strategy.allCases[Int(seed % 3)],
            hedgeRatio: 0.3
        )
        let pool = RoutedPool(plan, seed: seed) {
            $0.slots = 8
            $0.retry.budgetFloor = 1_000
        }
        var flights: [Flight] = []
        for step in 0..<1_000 {
            pool.advance(.milliseconds(Int(random.unit() * 60)))
            let timeout = Duration.seconds(5 + Int(random.unit() * 60))
            if random.unit() < 0.5, case (_, let lease?)? = pool.submit(timeout: timeout) {
                pool.granted.append(lease)
            }
            let leases = pool.granted
            pool.granted = []
            for lease in leases where pool.start(lease) != nil { flights.append(Flight(lease: lease)) }
            guard !flights.isEmpty else { continue }
            let index = Int(random.unit() * Double(flights.count))
            if random.unit() < 0.2, flights[index].second == nil {
                flights[index].second = pool.hedge(flights[index].lease)?.attempt
            } else {
                let flight = flights.remove(at: index)
                if let second = flight.second {
                    let loser = random.unit() < 0.5 ? second : second - 1
                    pool.close(flight.lease, loser, .failure(RouterFixture.failure(.cancelled)), isOvertaken: true)
                }
                let succeeds = random.unit() < 0.75
                _ = pool.finish(
                    flight.lease,
                    succeeds ? .success(status: 200, usage: nil) : .failure(self.failure(&random))
                )
            }
            let status = try #require(pool.status)
            #expect(status.inFlight <= 8)
            let held = flights.count + flights.filter { $0.second != nil }.count + pool.granted.count
            #expect(pool.inFlight.reduce(0, +) == held)
            #expect(Double(status.hedges) <= Double(status.accepted) * 0.3)
            if step % 20 == 0 { #expect(pool.machine.checkBooks() == nil) }
        }
        for record in pool.ended {
            // Refusals of the rate do not count as attempts, nor do moves to what takes the request at all.
            let counted = record.attempts.filter { $0.failure != .rateLimited && $0.failure != .invalidRequest }.count
            #expect(counted <= 3, "\(record.attempts)")
            #expect(record.attempts.allSatisfy { $0.endedAt != nil })
        }
        #expect(pool.ended.count > 100)
    }
}
