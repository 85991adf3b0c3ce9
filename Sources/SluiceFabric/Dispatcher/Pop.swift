import SluiceBasics
import SluiceWire

/// The pops of one puller: blocking while the list is empty, many at a time while it is not.
struct Pop {
    let link: any ValkeyLink
    let pool: ServedPool
    let configuration: FabricDispatcherConfiguration
    private var popper: (any ValkeyPopper)?
    /// There was something the last time, at once.
    private var isBusy = false
    /// Valkey is out of memory, where BLMOVE is refused.
    private(set) var isStoreFull = false

    init(link: any ValkeyLink, pool: ServedPool, configuration: FabricDispatcherConfiguration) {
        self.link = link
        self.pool = pool
        self.configuration = configuration
    }

    /// An answer as quick as this did not wait for a push.
    private static let atOnce = Duration.milliseconds(2)

    mutating func next(most: Int, clock: any TimeSource) async throws(ValkeyError) -> [[UInt8]] {
        if self.isBusy || self.isStoreFull {
            let elements = try await self.takeMany(most)
            self.isBusy = elements.count == most
            self.isStoreFull = self.isStoreFull && !elements.isEmpty
            return elements
        }
        let asked = clock.now()
        do throws(ValkeyError) {
            let element = try await self.block()
            self.isBusy = element != nil && clock.now() - asked < Self.atOnce
            return element.map { [$0] } ?? []
        } catch {
            guard case .server(let refusal) = error, refusal.kind == .oom else { throw error }
            self.isStoreFull = true
            return []
        }
    }

    private mutating func block() async throws(ValkeyError) -> [UInt8]? {
        if self.popper == nil { self.popper = try self.link.openPopper() }
        guard let popper = self.popper else { throw .closed }
        let seconds = max(1, self.configuration.popSeconds)
        switch self.configuration.popMode {
        case .blmove:
            let arguments: [ValkeyArgument] = [
                .text(self.pool.requests), .text(self.pool.inflight), "LEFT", "RIGHT", .integer(seconds),
            ]
            return try await popper.pop(ValkeyCommand("BLMOVE", arguments), seconds: seconds).bytes
        case .blpop:
            let command = ValkeyCommand("BLPOP", [.text(self.pool.requests), .integer(seconds)])
            let value = try await popper.pop(command, seconds: seconds)
            return value.array?.last?.bytes
        }
    }

    private func takeMany(_ most: Int) async throws(ValkeyError) -> [[UInt8]] {
        switch self.configuration.popMode {
        case .blmove:
            let value = try await self.link.evaluate(
                FabricScript.take,
                keys: [self.pool.requests, self.pool.inflight],
                arguments: [.integer(most), .integer(self.configuration.takeBytes)]
            )
            return value.array?.compactMap(\.bytes) ?? []
        case .blpop:
            // One at a time: what is lost with a connection is lost for good.
            let value = try await self.link.send(ValkeyCommand("LPOP", [.text(self.pool.requests)]))
            return value.bytes.map { [$0] } ?? []
        }
    }

    mutating func close() async {
        await self.popper?.close()
        self.popper = nil
    }
}
