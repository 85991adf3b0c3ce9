import Sluice
import SluiceBasics

// What a store tells by itself.
extension StorageCheck {
    private final class Listener: StorageListener {
        private let count = Lock(0)

        func storageChanged() { self.count.withLock { $0 += 1 } }

        /// How often it was told since somebody asked.
        func take() -> Int {
            self.count.withLock { count in
                defer { count = 0 }
                return count
            }
        }
    }

    func tellsListeners() async throws {
        let listener = Listener()
        guard self.test.storage.listen(listener) else { return }
        try await self.enqueue("a")
        try await self.requireTold(listener, "a message came")
        try await self.release(try await self.claim("a"))
        try await self.requireTold(listener, "a message was released")
        let leased = try await self.claim("a")
        _ = listener.take()
        _ = try await self.repeated { (store) async throws(StorageError) in
            try await store.extend([leased.receipt], lease: .seconds(1))
        }
        try await self.requireTold(listener, "a lease was made shorter")
        try await self.bury(leased, .permanentFailure, error: nil)
        _ = listener.take()
        _ = try await self.repeated { (store) async throws(StorageError) in try await store.redrive("a") }
        try await self.requireTold(listener, "a dead letter came back")
    }

    private func requireTold(_ listener: Listener, _ when: String) async throws {
        await self.test.advance(self.test.tolerance)
        try self.require(listener.take() > 0, "it told nobody that \(when)")
    }
}
