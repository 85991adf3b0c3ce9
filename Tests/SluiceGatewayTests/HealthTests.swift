import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Health is progress, not life.
@Suite(.timeLimit(.minutes(3))) struct HealthTests {
    private func status(_ bench: GatewayBench) async -> Int { await bench.send(.get, "/healthz").response.status }

    @Test func `work that could run and is not begun makes it unhealthy, and running it healthy again`() async throws {
        // A retry is due, and the timer that should have told the dispatcher is lost.
        let bench = GatewayBench(
            [.answer(500, "{}"), .answer(200, GatewayBench.answer)],
            maximumAttempts: 2,
            timer: LostTimer(),
            baseDelay: .seconds(1)
        ) { $0.stuckAfter = .seconds(30) }
        #expect(await self.status(bench) == 200)
        let call = Task { await bench.chat() }
        await bench.until { bench.pool?.queued == 1 && bench.client.requests.count == 1 }
        bench.clock.advance(by: .seconds(2))
        #expect(await self.status(bench) == 200)
        bench.clock.advance(by: .milliseconds(29_999))
        #expect(await self.status(bench) == 200)
        bench.clock.advance(by: .milliseconds(1))
        let (response, text) = await bench.send(.get, "/healthz")
        #expect(response.status == 503)
        #expect(text.contains("stuck") && text.contains("pool 'default' has 1 queued requests and free slots"))
        bench.dispatcher.tick()
        #expect(await call.value.response.status == 200)
        #expect(await self.status(bench) == 200)
    }

    @Test func `waiting for a reason is not being stuck`() {
        let monitor = HealthMonitor(stuckAfter: .seconds(30))
        let breaker = BreakerStatus(
            backend: "b",
            state: .closed,
            consecutiveFailures: 0,
            opensProbeIn: nil,
            timesOpened: 0
        )
        var stuck = PoolStatus(configuration: PoolConfiguration(name: "p", backend: "b", slots: 2), breaker: breaker)
        stuck.queued = 5
        stuck.inFlight = 1
        stuck.waitingReason = .aheadInQueue
        func complains(_ change: (inout PoolStatus) -> Void) -> Bool {
            var pool = stuck
            change(&pool)
            let start = Instant(nanoseconds: 1)
            _ = monitor.complaint([], at: start)
            let fresh = HealthMonitor(stuckAfter: .seconds(30))
            _ = fresh.complaint([pool], at: start)
            return fresh.complaint([pool], at: start + .seconds(30)) != nil
        }
        #expect(complains { _ in })
        #expect(!complains { $0.inFlight = 2 })
        #expect(!complains { $0.queued = 0 })
        #expect(!complains { $0.mode = .paused })
        #expect(!complains { $0.breaker.state = .open })
        #expect(!complains { $0.waitingReason = .backoff })
        #expect(!complains { $0.waitingReason = .rateLimited })
        // Draining pools have to get empty.
        #expect(complains { $0.mode = .draining })
    }

    @Test func `a backend that takes no more is not stuck, whichever of its pools fills it`() {
        let breaker = BreakerStatus(
            backend: "b",
            state: .closed,
            consecutiveFailures: 0,
            opensProbeIn: nil,
            timesOpened: 0
        )
        func pool(_ name: String, inFlight: Int, queued: Int) -> PoolStatus {
            var pool = PoolStatus(
                configuration: PoolConfiguration(name: name, backend: "b", slots: 64),
                breaker: breaker
            )
            (pool.inFlight, pool.queued, pool.backendLimit) = (inFlight, queued, 4)
            pool.waitingReason = .slotsFull
            return pool
        }
        func complains(_ pools: [PoolStatus]) -> Bool {
            let monitor = HealthMonitor(stuckAfter: .seconds(30))
            let start = Instant(nanoseconds: 1)
            _ = monitor.complaint(pools, at: start)
            return monitor.complaint(pools, at: start + .seconds(30)) != nil
        }
        #expect(!complains([pool("p", inFlight: 4, queued: 5)]))
        #expect(!complains([pool("p", inFlight: 1, queued: 5), pool("q", inFlight: 3, queued: 0)]))
        #expect(complains([pool("p", inFlight: 3, queued: 5)]))
        var other = pool("q", inFlight: 60, queued: 0)
        other.backendLimit = nil
        #expect(complains([pool("p", inFlight: 1, queued: 5), other]))
    }

    @Test func `progress between two looks is progress`() {
        let breaker = BreakerStatus(
            backend: "b",
            state: .closed,
            consecutiveFailures: 0,
            opensProbeIn: nil,
            timesOpened: 0
        )
        var pool = PoolStatus(configuration: PoolConfiguration(name: "p", backend: "b", slots: 2), breaker: breaker)
        pool.queued = 5
        let monitor = HealthMonitor(stuckAfter: .seconds(30))
        for second in 0..<100 {
            pool.attemptsStarted += second.isMultiple(of: 20) ? 1 : 0
            #expect(monitor.complaint([pool], at: Instant(nanoseconds: Int64(second) * 1_000_000_000)) == nil)
        }
    }

    @Test func `a runtime that drains is alive and not ready`() async {
        let bench = GatewayBench()
        #expect(await bench.send(.get, "/readyz").response.status == 200)
        bench.gateway.drain()
        #expect(await bench.send(.get, "/readyz").response.status == 503)
        #expect(await self.status(bench) == 200)
    }
}
