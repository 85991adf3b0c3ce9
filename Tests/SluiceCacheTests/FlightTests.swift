import SluiceBasics
import SluiceCache
import SluiceTestKit
import SluiceWire
import Testing

@Suite struct FlightTests {
    private let world = VirtualWorld()
    private let key = CacheWorld.key(1)

    private func table(passengers: Int = 10, bytes: Int = 1_000) -> FlightTable {
        FlightTable(maximumPassengers: passengers, maximumBytes: bytes)
    }

    private func lead(_ table: FlightTable, stream: Bool = false) throws -> (Flight, Flight.Passenger) {
        guard
            case .lead(let flight, let passenger) = table.board(
                self.key,
                rank: 1,
                form: stream ? .stream(hasUsage: false) : .whole
            )
        else {
            throw Failure()
        }
        return (flight, passenger)
    }

    private func follow(_ table: FlightTable, stream: Bool = false) throws -> (Flight, Flight.Passenger) {
        guard
            case .follow(let flight, let passenger) = table.board(
                self.key,
                rank: 1,
                form: stream ? .stream(hasUsage: false) : .whole
            )
        else {
            throw Failure()
        }
        return (flight, passenger)
    }

    private struct Failure: Error {}

    private static let entry = CacheEntry(body: Array("answer".utf8), storedAt: 1)
    private static let head = Flight.Head(status: 200, headers: HTTPFields())

    private final class Told: Cancellable {
        let count = Lock(0)
        func cancel() { self.count.withLock { $0 += 1 } }
    }

    /// Reads to the end and says what came, a word for each.
    private func reading(_ flight: Flight, _ passenger: Flight.Passenger) -> Task<[String], Never> {
        self.world.spawn {
            var words: [String] = []
            while true {
                switch await flight.news(passenger) {
                case .head: words.append("head")
                case .chunk(let bytes): words.append(String(decoding: bytes, as: UTF8.self))
                case .outgrown: return words + ["outgrown"]
                case .departed(let why): return words + ["\(why)"]
                case .end(.answered): return words + ["answered"]
                case .end(.unshared): return words + ["unshared"]
                case .end(.refused): return words + ["refused"]
                }
            }
        }
    }

    private func words(_ task: Task<[String], Never>) async -> [String] {
        self.world.settle()
        return await task.value
    }

    @Test func `all that come while it runs get its answer`() async throws {
        let table = self.table()
        let (flight, leader) = try self.lead(table)
        let (same, follower) = try self.follow(table)
        #expect(same === flight && leader.isLeader && !follower.isLeader)
        let tasks = [self.reading(flight, leader), self.reading(flight, follower)]
        self.world.settle()
        flight.end(.answered(Self.entry))
        for task in tasks { #expect(await self.words(task) == ["answered"]) }
        // The next one makes a call of its own.
        let (next, _) = try self.lead(table)
        #expect(next !== flight)
    }

    @Test func `who asks more urgently, or for a fresh answer, does not follow`() throws {
        let table = self.table()
        _ = try self.lead(table)
        guard case .alone = table.board(self.key, rank: 0, form: .whole),
            case .alone = table.board(self.key, rank: 1, form: .whole, mayFollow: false)
        else {
            Issue.record("followed")
            return
        }
        _ = try self.follow(table)
    }

    @Test func `who wants the stream told otherwise waits for its end`() async throws {
        let table = self.table()
        let (flight, _) = try self.lead(table, stream: true)
        guard
            case .follow(_, let other) = table.board(self.key, rank: 1, form: .stream(hasUsage: true))
        else { throw Failure() }
        let reading = self.reading(flight, other)
        flight.begin(Self.head)
        flight.passAtOnce(Array("a".utf8))
        self.world.settle()
        flight.end(.answered(Self.entry))
        #expect(await self.words(reading) == ["answered"])
    }

    @Test func `no more than so many follow`() throws {
        let table = self.table(passengers: 2)
        _ = try self.lead(table)
        let (flight, follower) = try self.follow(table)
        guard case .alone = table.board(self.key, rank: 1, form: .whole) else {
            Issue.record("a third came aboard")
            return
        }
        flight.leave(follower)
        _ = try self.follow(table)
    }

    @Test func `a leader that leaves does not stop the call while somebody follows; the last one does`() throws {
        let table = self.table()
        let (flight, leader) = try self.lead(table)
        let told = Told()
        flight.set(told)
        let (_, follower) = try self.follow(table)
        flight.leave(leader)
        flight.leave(leader)
        #expect(told.count.withLock { $0 } == 0)
        flight.leave(follower)
        #expect(told.count.withLock { $0 } == 1)
        // Nobody comes aboard any more: whoever asks now makes a call of his own.
        let (next, _) = try self.lead(table)
        #expect(next !== flight)
    }

    @Test func `a call that is set when all have left is told to stop`() throws {
        let (flight, leader) = try self.lead(self.table())
        flight.leave(leader)
        let told = Told()
        flight.set(told)
        #expect(told.count.withLock { $0 } == 1)
    }

    @Test func `after the end nobody is told to stop`() throws {
        let (flight, leader) = try self.lead(self.table())
        let told = Told()
        flight.set(told)
        flight.end(.answered(Self.entry))
        flight.leave(leader)
        #expect(told.count.withLock { $0 } == 0)
    }

    @Test func `a passenger whose client goes, or whose deadline passes, is told at once`() async throws {
        let table = self.table()
        let (flight, leader) = try self.lead(table)
        let (_, late) = try self.follow(table)
        let (_, gone) = try self.follow(table)
        let tasks = [self.reading(flight, late), self.reading(flight, gone)]
        self.world.settle()
        flight.depart(late, .overdue)
        tasks[1].cancel()
        #expect(await self.words(tasks[0]) == ["overdue"])
        #expect(await self.words(tasks[1]) == ["gone"])
        let other = self.reading(flight, leader)
        flight.end(.answered(Self.entry))
        #expect(await self.words(other) == ["answered"])
    }

    @Test func `who comes late gets a stream from its beginning and then as it comes`() async throws {
        let table = self.table()
        let (flight, leader) = try self.lead(table, stream: true)
        let first = self.reading(flight, leader)
        flight.begin(Self.head)
        flight.passAtOnce(Array("a".utf8))
        self.world.settle()
        flight.passAtOnce(Array("b".utf8))
        self.world.settle()
        let (_, follower) = try self.follow(table, stream: true)
        let (_, whole) = try self.follow(table)
        let second = self.reading(flight, follower)
        let third = self.reading(flight, whole)
        self.world.settle()
        flight.passAtOnce(Array("c".utf8))
        self.world.settle()
        #expect(flight.stream == Array("abc".utf8))
        flight.end(.answered(Self.entry))
        #expect(await self.words(first) == ["head", "a", "b", "c", "answered"])
        #expect(await self.words(second) == ["head", "ab", "c", "answered"])
        #expect(await self.words(third) == ["answered"])
    }

    @Test func `a stream that fails is passed on to who has seen its beginning; others may try themselves`()
        async throws
    {
        let table = self.table()
        let (flight, leader) = try self.lead(table, stream: true)
        let (_, reader) = try self.follow(table, stream: true)
        let (_, sleeper) = try self.follow(table, stream: true)
        let (_, whole) = try self.follow(table)
        let first = self.reading(flight, leader)
        let second = self.reading(flight, reader)
        flight.begin(Self.head)
        flight.passAtOnce(Array("a".utf8))
        self.world.settle()
        flight.passAtOnce(Array("error".utf8))
        flight.end(.unshared(HTTPResponse(status: 502, body: .bytes([]))))
        #expect(await self.words(first) == ["head", "a", "error", "unshared"])
        #expect(await self.words(second) == ["head", "a", "error", "unshared"])
        #expect(await self.words(self.reading(flight, sleeper)) == ["unshared"])
        #expect(await self.words(self.reading(flight, whole)) == ["unshared"])
    }

    @Test func `a stream that outgrows the cache is not held, and waits for the slowest`() async throws {
        let table = self.table(bytes: 10)
        let (flight, leader) = try self.lead(table, stream: true)
        let (_, whole) = try self.follow(table)
        let waiting = self.reading(flight, whole)
        flight.begin(Self.head)
        let pumping = self.world.spawn {
            for _ in 0..<20 { await flight.pass(Array("12345".utf8)) }
            flight.end(.answered(Self.entry))
        }
        self.world.settle()
        #expect(await self.words(waiting) == ["outgrown"])
        // Nobody can board any more.
        guard case .lead = table.board(self.key, rank: 1, form: .stream(hasUsage: false)) else {
            Issue.record("boarded a stream whose beginning is gone")
            return
        }
        let words = await self.words(self.reading(flight, leader))
        #expect(words.first == "head" && words.last == "answered")
        #expect(words.dropFirst().dropLast().joined().count == 100)
        #expect(words.dropFirst().dropLast().allSatisfy { $0.count <= 15 })
        #expect(flight.stream == nil)
        await pumping.value
    }

    @Test func `a slow follower stalls neither leader nor others and has to go itself`() async throws {
        let table = self.table(bytes: 10)
        let (flight, leader) = try self.lead(table, stream: true)
        let (_, quick) = try self.follow(table, stream: true)
        let (_, slow) = try self.follow(table, stream: true)
        flight.begin(Self.head)
        let tasks = [self.reading(flight, leader), self.reading(flight, quick)]
        guard case .head = await flight.news(slow) else { throw Failure() }
        for _ in 0..<20 {
            let pumping = self.world.spawn { await flight.pass(Array("12345".utf8)) }
            self.world.settle()
            await pumping.value
        }
        flight.end(.answered(Self.entry))
        for task in tasks {
            let words = await self.words(task)
            #expect(words.first == "head" && words.last == "answered" && words.joined().count == 12 + 100)
        }
        #expect(await self.words(self.reading(flight, slow)) == ["outpaced"])
    }

    @Test func `when the leader has gone, the call waits for the fastest`() async throws {
        let table = self.table(bytes: 10)
        let (flight, leader) = try self.lead(table, stream: true)
        let (_, slow) = try self.follow(table, stream: true)
        let (_, quick) = try self.follow(table, stream: true)
        flight.begin(Self.head)
        flight.leave(leader)
        let reading = self.reading(flight, quick)
        guard case .head = await flight.news(slow) else { throw Failure() }
        let pumping = self.world.spawn {
            for _ in 0..<20 { await flight.pass(Array("12345".utf8)) }
            flight.end(.answered(Self.entry))
        }
        self.world.settle()
        let words = await self.words(reading)
        #expect(words.last == "answered")
        await pumping.value
        flight.leave(slow)
        flight.leave(quick)
        #expect(flight.passengers == 0)
    }

    /// The cancellation may come between any two steps of the wait.
    @Test(arguments: 0..<200) func `a call that is told to stop while it begins to wait does not wait for ever`(
        number: Int
    ) async throws {
        let (flight, leader) = try self.lead(self.table(bytes: 4), stream: true)
        flight.begin(Self.head)
        let pumping = Task { await flight.pass(Array("12345".utf8)) }
        if number % 2 == 0 { await Task.yield() }
        pumping.cancel()
        await pumping.value
        flight.leave(leader)
    }

    @Test(arguments: [true, false])
    func `a call that waits for a slow passenger goes on when that leaves or it is told to stop`(
        leaves: Bool
    ) async throws {
        let (flight, leader) = try self.lead(self.table(bytes: 4), stream: true)
        flight.begin(Self.head)
        let pumping = self.world.spawn { await flight.pass(Array("12345".utf8)) }
        self.world.settle()
        if leaves { flight.leave(leader) } else { pumping.cancel() }
        self.world.settle()
        await pumping.value
    }

    @Test(arguments: 0..<50) func `whatever happens in whatever order, everybody comes to an end`(
        seed: UInt64
    ) async throws {
        var random = SeededRandom(seed: seed)
        let table = self.table(passengers: 6, bytes: Int(random.next() % 60))
        let answered = Lock(0)
        var tasks: [Task<Void, Never>] = []
        let told = Told()
        for number in 0..<8 {
            let wantsStream = random.next() % 2 == 0
            let world = self.world
            let calls = Int(random.next() % 12)
            tasks.append(
                world.spawn {
                    let flight: Flight
                    let passenger: Flight.Passenger
                    switch table.board(
                        CacheWorld.key(1),
                        rank: 1,
                        form: wantsStream ? .stream(hasUsage: false) : .whole
                    ) {
                    case .alone: return
                    case .follow(let found, let seat): (flight, passenger) = (found, seat)
                    case .lead(let made, let seat):
                        (flight, passenger) = (made, seat)
                        flight.set(told)
                        _ = world.spawn {
                            if wantsStream { flight.begin(Self.head) }
                            for _ in 0..<calls where wantsStream { await flight.pass(Array("\(number)".utf8)) }
                            table.land(flight)
                            flight.end(.answered(Self.entry))
                        }
                    }
                    reading: while true {
                        switch await flight.news(passenger) {
                        case .head, .chunk: break
                        case .end: break reading
                        case .outgrown, .departed: break reading
                        }
                    }
                    flight.leave(passenger)
                    answered.withLock { $0 += 1 }
                }
            )
            if random.next() % 2 == 0 { world.settle() }
            if random.next() % 3 == 0 { tasks.randomElement(using: &random)?.cancel() }
        }
        self.world.settle()
        for task in tasks { await task.value }
        #expect(table.count == 0)
    }
}
