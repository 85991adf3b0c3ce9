import SluiceBasics
import SluiceEngine
import SluiceWire

/// The whole fabric at one moment: what waits, what is held and by whom.
package struct FabricSnapshot: Sendable {
    package struct Pool: Sendable {
        package var name: String
        /// True length of the list.
        package var pending: Int
        /// The oldest of them.
        package var sample: [PendingSummary]
        /// True size of the index.
        package var inflight: Int
        /// Some of them, by request id.
        package var held: [(id: String, record: InflightRecord)]
    }

    package struct Dispatcher: Sendable {
        package var id: String
        /// `nil`: its heartbeat has gone, and nobody has cleared up after it yet.
        package var heartbeat: DispatcherHeartbeat?
        /// Seconds since 1970 of the last beat that anybody noted.
        package var lastBeat: Int?
        package var pools: [String]
    }

    package var pools: [Pool]
    package var dispatchers: [Dispatcher]
    /// Seconds since 1970.
    package var takenAt: Double
    /// How long it took.
    package var cost: Duration
}

/// Looks at the fabric without moving payloads, bounded in rows, bytes and commands.
package final class FabricView: Sendable {
    private struct State: Sendable {
        var last: FabricSnapshot?
        var lastLimit = 0
        /// Looks that succeeded.
        var looks = 0
        var isLooking = false
        /// Who gets what the look under way brings: `nil` for a snapshot.
        var waiters: [Promise<ValkeyError?>] = []
    }

    private let link: any ValkeyLink
    private let alarms: Alarms
    private let poolNames: [String]
    private let patience: Duration
    private let spawn: @Sendable (@escaping @Sendable () async -> Void) -> Void
    private let state = Lock(State())

    /// Bytes of each end of an element that are read.
    private static let rowBytes = 640
    /// Of all pools together.
    private static let answerBytes = 128 << 10
    /// Bytes that Valkey may copy for it inside.
    private static let copyBytes = 16 << 20
    private static let maximumScans = 4
    private static let maximumDispatchers = 256
    /// A look that is as young as this is not repeated.
    private static let freshFor = 0.2

    /// - Parameters:
    ///   - timer: belongs to this view alone.
    ///   - patience: the longest that anybody waits here. Whoever asks while Valkey is away wants to hear that, and the
    ///     rest of what this process knows, rather than nothing.
    package init(
        link: any ValkeyLink,
        clock: any TimeSource,
        timer: any WakeTimer,
        pools: [String],
        patience: Duration = .seconds(2),
        spawn: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Void
    ) {
        self.link = link
        self.alarms = Alarms(clock: clock, timer: timer)
        self.poolNames = pools
        self.patience = patience
        self.spawn = spawn
    }

    private var clock: any TimeSource { self.alarms.clock }
    private var epoch: Double { Double(self.clock.wallClockNanoseconds()) / 1e9 }

    /// One look at a time; who asks meanwhile gets the same, a failure as well.
    ///
    /// - Parameter limit: rows of each kind and pool.
    package func look(limit: Int) async throws(ValkeyError) -> FabricSnapshot {
        try await self.bounded { () async throws(ValkeyError) in try await self.sharedLook(limit) }
    }

    /// Does it as a task of its own, and waits for that as long as patience lasts.
    private func bounded<Value: Sendable>(
        _ work: @escaping @Sendable () async throws(ValkeyError) -> Value
    ) async throws(ValkeyError) -> Value {
        let promise = Promise<Result<Value, ValkeyError>>()
        let alarm = self.alarms.set(at: self.clock.now() + self.patience) {
            promise.fulfil(.failure(.unreachable("it has not answered in time")))
        }
        self.spawn {
            do throws(ValkeyError) {
                promise.fulfil(.success(try await work()))
            } catch {
                promise.fulfil(.failure(error))
            }
        }
        let result = await promise.value()
        self.alarms.cancel(alarm)
        return try result.get()
    }

    private func sharedLook(_ limit: Int) async throws(ValkeyError) -> FabricSnapshot {
        let before = self.state.withLock { $0.looks }
        while true {
            let promise = Promise<ValkeyError?>()
            let now = self.epoch
            let (fresh, waits) = self.state.withLock { state -> (FabricSnapshot?, Bool) in
                // A look may take longer than it is fresh: what ended after we asked was worth waiting for.
                if let last = state.last, state.lastLimit >= limit,
                    state.looks > before || abs(now - last.takenAt) < Self.freshFor
                {
                    return (last, false)
                }
                if state.isLooking { state.waiters.append(promise) }
                defer { state.isLooking = true }
                return (nil, state.isLooking)
            }
            if let fresh { return fresh }
            guard waits else { break }
            if let error = await promise.value() { throw error }
        }
        do throws(ValkeyError) {
            let snapshot = try await self.read(limit)
            self.finish(.success(snapshot), limit)
            return snapshot
        } catch {
            self.finish(.failure(error), limit)
            throw error
        }
    }

    /// Those of the requests that a dispatcher holds now, by id.
    package func held(_ ids: [String], pool: String) async throws(ValkeyError) -> [String: InflightRecord] {
        guard !ids.isEmpty else { return [:] }
        let fields = ids.prefix(Self.maximumAsked).map { ValkeyArgument.text($0) }
        let command = ValkeyCommand("HMGET", [.text(DispatchKeys.inflightIndex(pool: pool))] + fields)
        let link = self.link
        let value = try await self.bounded { () async throws(ValkeyError) in try await link.send(command) }
        var held: [String: InflightRecord] = [:]
        for (id, answer) in zip(ids, value.array ?? []) {
            held[id] = answer.bytes.flatMap { try? InflightRecord.read($0) }
        }
        return held
    }

    private static let maximumAsked = 1_000

    /// Those of the producers whose alive keys are there.
    package func alive(producers: [String]) async throws(ValkeyError) -> Set<String> {
        guard !producers.isEmpty else { return [] }
        let asked = producers.prefix(Self.maximumAsked)
        let command = ValkeyCommand("MGET", asked.map { .text(DispatchKeys.producerAlive($0)) })
        let link = self.link
        let value = try await self.bounded { () async throws(ValkeyError) in try await link.send(command) }
        return Set(zip(asked, value.array ?? []).filter { $0.1.bytes != nil }.map(\.0))
    }

    private func finish(_ end: Result<FabricSnapshot, ValkeyError>, _ limit: Int) {
        var failure: ValkeyError?
        if case .failure(let error) = end { failure = error }
        let waiters = self.state.withLock { state in
            if case .success(let snapshot) = end {
                (state.last, state.lastLimit) = (snapshot, limit)
                state.looks += 1
            }
            state.isLooking = false
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.fulfil(failure) }
    }

    private func read(_ limit: Int) async throws(ValkeyError) -> FabricSnapshot {
        let began = self.clock.now()
        let rows = max(1, limit / max(1, self.poolNames.count))
        var snapshot = FabricSnapshot(pools: [], dispatchers: [], takenAt: self.epoch, cost: .zero)
        var beats: [String: (last: Int?, pools: [String])] = [:]
        for name in self.poolNames {
            snapshot.pools.append(try await self.pool(name, rows: self.poolNames.count == 1 ? limit : rows))
            let value = try await self.link.send(
                ValkeyCommand("HGETALL", [.text(DispatchKeys.dispatchers(pool: name))])
            )
            let fields = value.array ?? []
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                guard let id = fields[index].text, beats.count < Self.maximumDispatchers else { continue }
                beats[id, default: (nil, [])].last = fields[index + 1].int
                beats[id]?.pools.append(name)
            }
        }
        let ids = beats.keys.sorted()
        if !ids.isEmpty {
            let value = try await self.link.send(
                ValkeyCommand("MGET", ids.map { .text(DispatchKeys.dispatcherAlive($0)) })
            )
            for (id, answer) in zip(ids, value.array ?? []) {
                snapshot.dispatchers.append(
                    FabricSnapshot.Dispatcher(
                        id: id,
                        heartbeat: answer.bytes.flatMap { try? DispatcherHeartbeat.read($0) },
                        lastBeat: beats[id]?.last,
                        pools: beats[id]?.pools ?? []
                    )
                )
            }
        }
        snapshot.cost = self.clock.now() - began
        return snapshot
    }

    private func pool(_ name: String, rows: Int) async throws(ValkeyError) -> FabricSnapshot.Pool {
        let share = max(1, self.poolNames.count)
        let value = try await self.link.evaluate(
            FabricScript.headBytes,
            keys: [DispatchKeys.requests(pool: name)],
            arguments: [
                .integer(rows), .integer(Self.rowBytes), .integer(Self.answerBytes / share),
                .integer(Self.copyBytes / share),
            ]
        )
        guard let heads = HeadBytesAnswer(value) else { throw .protocolViolation("headBytes") }
        let index = DispatchKeys.inflightIndex(pool: name)
        let total = try await self.link.send(ValkeyCommand("HLEN", [.text(index)])).int ?? 0
        return FabricSnapshot.Pool(
            name: name,
            pending: heads.depth,
            sample: heads.rows,
            inflight: total,
            held: total == 0 ? [] : try await self.held(index, rows)
        )
    }

    private func held(
        _ index: String,
        _ rows: Int
    ) async throws(ValkeyError) -> [(id: String, record: InflightRecord)] {
        var held: [(id: String, record: InflightRecord)] = []
        var cursor = "0"
        for _ in 0..<Self.maximumScans {
            let value = try await self.link.send(
                ValkeyCommand("HSCAN", [.text(index), .text(cursor), "COUNT", .integer(max(8, rows - held.count))])
            )
            guard let parts = value.array, parts.count == 2, let next = parts[0].text, let fields = parts[1].array
            else {
                throw .protocolViolation("HSCAN")
            }
            for position in stride(from: 0, to: fields.count - 1, by: 2) where held.count < rows {
                guard let id = fields[position].text, let entry = fields[position + 1].bytes,
                    let record = try? InflightRecord.read(entry)
                else { continue }
                held.append((id, record))
            }
            cursor = next
            if cursor == "0" || held.count >= rows { break }
        }
        return held
    }
}
