import SluiceBasics
import SluiceCore

/// A store and the clock that it goes by.
package struct StoreUnderTest: Sendable {
    package let store: any QueueStore
    package let clock: ManualClock

    package init(store: any QueueStore, clock: ManualClock) {
        self.store = store
        self.clock = clock
    }

    func submission(
        _ number: UInt64,
        tenant: String = "acme",
        priority: Priority = .normal,
        timeout: Duration = .seconds(60)
    ) -> Submission {
        .sample(number, tenant: tenant, priority: priority, deadline: self.clock.now() + timeout)
    }

    func enqueue(_ number: UInt64, timeout: Duration = .seconds(60)) async throws {
        let answer = try await self.store.enqueue(
            self.submission(number, timeout: timeout),
            payload: [UInt8(truncatingIfNeeded: number)]
        )
        try self.require(answer == .accepted, "enqueue of \(number) answered \(answer)")
    }

    func claim() async throws -> StoreLease {
        let leases = try await self.store.claim(nil, limit: 1, lease: .seconds(30))
        guard let lease = leases.first else { throw ConformanceFailure("nothing to claim") }
        return lease
    }

    func started() async throws -> StoreLease {
        let lease = try await self.claim()
        guard case .proceed = try await self.store.start(lease, backend: "b") else {
            throw ConformanceFailure("a fresh lease was refused at start")
        }
        return lease
    }

    func require(_ condition: Bool, _ message: String) throws {
        guard condition else { throw ConformanceFailure(message) }
    }

    func requireBalance() async throws {
        let stats = try await self.store.stats()
        try self.require(stats.balances, "the books do not balance: \(stats)")
    }
}

package struct ConformanceFailure: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What every queue store has to do. Run each case on a fresh store with `rules`:
///
///     @Test(arguments: QueueStoreConformance.allCases)
///     func conforms(rule: QueueStoreConformance) async throws {
///         try await rule.check { rules in StoreUnderTest(store: MyStore(rules), clock: clock) }
///     }
package enum QueueStoreConformance: String, CaseIterable, Sendable {
    case servesByPriorityThenAge
    case refusesDuplicates
    case keepsItsBounds
    case claimsByName
    case carriesPayloads
    case startIsIdempotentAndFenced
    case finishEndsOnce
    case retriesAfterADelayAndKeepsThePlace
    case attemptsAreLimited
    case throttleAndReleaseGiveTheAttemptBack
    case cancelsWhatWaits
    case cancelReachesTheHolder
    case expiresWhatWaits
    case recoversLapsedLeases
    case extendKeepsALease
    case poisonDies
    case neverRepeatsWhatWasSent
    case acceptsALateSuccess
    case refusesAStaleFailure
    case resolvesAnUnknownOutcome
    case redrivesTheDead
    case purgesTheDead

    package func check(_ make: (QueueRules) -> StoreUnderTest) async throws {
        var rules = QueueRules(maximumRequests: 4, maximumBytes: 350, maximumRequestsPerTenant: 3)
        switch self {
        case .keepsItsBounds: break
        case .neverRepeatsWhatWasSent, .resolvesAnUnknownOutcome:
            rules = QueueRules(replay: .neverAfterSend)
        default: rules = QueueRules()
        }
        let test = make(rules)
        try await self.run(test)
        try await test.requireBalance()
    }

    private func run(_ test: StoreUnderTest) async throws {
        switch self {
        case .servesByPriorityThenAge: try await test.servesByPriorityThenAge()
        case .refusesDuplicates: try await test.refusesDuplicates()
        case .keepsItsBounds: try await test.keepsItsBounds()
        case .claimsByName: try await test.claimsByName()
        case .carriesPayloads: try await test.carriesPayloads()
        case .startIsIdempotentAndFenced: try await test.startIsIdempotentAndFenced()
        case .finishEndsOnce: try await test.finishEndsOnce()
        case .retriesAfterADelayAndKeepsThePlace: try await test.retriesAfterADelayAndKeepsThePlace()
        case .attemptsAreLimited: try await test.attemptsAreLimited()
        case .throttleAndReleaseGiveTheAttemptBack: try await test.throttleAndReleaseGiveTheAttemptBack()
        case .cancelsWhatWaits: try await test.cancelsWhatWaits()
        case .cancelReachesTheHolder: try await test.cancelReachesTheHolder()
        case .expiresWhatWaits: try await test.expiresWhatWaits()
        case .recoversLapsedLeases: try await test.recoversLapsedLeases()
        case .extendKeepsALease: try await test.extendKeepsALease()
        case .poisonDies: try await test.poisonDies()
        case .neverRepeatsWhatWasSent: try await test.neverRepeatsWhatWasSent()
        case .acceptsALateSuccess: try await test.acceptsALateSuccess()
        case .refusesAStaleFailure: try await test.refusesAStaleFailure()
        case .resolvesAnUnknownOutcome: try await test.resolvesAnUnknownOutcome()
        case .redrivesTheDead: try await test.redrivesTheDead()
        case .purgesTheDead: try await test.purgesTheDead()
        }
    }
}
