public import Sluice

/// A store to be checked, and the way to let its time pass.
public struct StorageUnderTest: Sendable {
    /// The store, empty.
    public var storage: any QueueStorage<String>
    /// Lets so much time pass for the store: moves its clock, or really waits.
    public var advance: @Sendable (Duration) async -> Void

    /// How long before its end something is checked to go on still, less than a second. A store whose time really
    /// passes, while calls take theirs, needs more than the default of a millisecond.
    public var tolerance: Duration

    /// A fresh store and its clock.
    public init(
        storage: any QueueStorage<String>,
        tolerance: Duration = .milliseconds(1),
        advance: @escaping @Sendable (Duration) async -> Void
    ) {
        self.storage = storage
        self.tolerance = tolerance
        self.advance = advance
    }
}

/// A rule that a store breaks.
public struct ConformanceViolation: Error, Sendable, Hashable, CustomStringConvertible {
    /// The rule.
    public var rule: StorageConformance
    /// What the store did.
    public var message: String

    /// One sentence.
    public var description: String { "\(self.rule.rawValue): \(self.message)" }
}

/// What every store has to do.
///
/// The suite knows no test framework: it answers what it found. With Swift Testing:
///
///     @Test(arguments: StorageConformance.allCases)
///     func conforms(rule: StorageConformance) async {
///         let clock = MyManualClock()
///         let violations = await rule.violations {
///             StorageUnderTest(storage: MyStorage(clock: clock), advance: { clock.advance(by: $0) })
///         }
///         #expect(violations == [])
///     }
///
/// A call that fails transiently is repeated, as a queue and its callers do; a store that is slow, or fails now and
/// then before or after it has acted, passes all the same. Only the answer of a claim must not be lost: the message is
/// leased then to nobody until its lease lapses.
public enum StorageConformance: String, CaseIterable, Sendable {
    /// Candidates come by priority, then by age, and the first is always among them.
    case ordersByPriorityThenAge
    /// Candidates fit the query; the smallest and the oldest are named whether they fit or not.
    case keepsTheBudget
    /// What fits is found behind any number of messages that do not.
    case findsWhatFitsBehindTheRest
    /// An id is taken once: while it waits, is leased, is dead, and for as long as it is to be remembered.
    case refusesDuplicates
    /// A batch is taken in order; an empty one is nothing.
    case takesBatchesInOrder
    /// What was enqueued comes back unchanged.
    case carriesPayloadsAndAttributes
    /// A message is given to one consumer; claims of what is gone are skipped.
    case claimsOnce
    /// Each receipt's token is greater than all before, after a purge too.
    case givesGrowingTokens
    /// Receives are counted; a release may undo one.
    case countsReceives
    /// What comes back has its place by age.
    case keepsPlaces
    /// A delay ends at exactly its time.
    case delays
    /// A lease lapses at exactly its time, and the message is ready by itself.
    case leasesLapse
    /// Extending counts from now; zero gives up; stale receipts answer no.
    case extendsFromNow
    /// A stale receipt changes nothing, whatever it is used for.
    case fencesStaleReceipts
    /// A completed message is gone.
    case completes
    /// Dead letters keep reason and error, oldest first, and can come back as new.
    case keepsDeadLetters
    /// What waits or is dead can be cancelled; what is leased cannot.
    case cancels
    /// A time to live ends at exactly its time, though not while somebody works on the message.
    case expires
    /// Nothing is left after a purge, and the store goes on.
    case purges
    /// Counts agree with one another and with the candidates at every instant.
    case countsByOneRule
    /// The time of the next change is told.
    case tellsTheNextChange
    /// A store that says that it tells when it changes does so.
    case tellsListeners
    /// Many consumers at once get every message exactly once.
    case standsConcurrency

    /// Checks one rule against a fresh store; nothing comes back when it is kept.
    public func violations(_ make: @Sendable () async throws -> StorageUnderTest) async -> [ConformanceViolation] {
        let check: StorageCheck
        do {
            check = StorageCheck(rule: self, test: try await make())
            try await check.run()
        } catch let violation as ConformanceViolation {
            return [violation]
        } catch {
            return [ConformanceViolation(rule: self, message: "\(error)")]
        }
        return []
    }

    /// Checks all rules, each against a fresh store.
    public static func violations(
        _ make: @Sendable () async throws -> StorageUnderTest
    ) async -> [ConformanceViolation] {
        var all: [ConformanceViolation] = []
        for rule in Self.allCases { all += await rule.violations(make) }
        return all
    }
}
