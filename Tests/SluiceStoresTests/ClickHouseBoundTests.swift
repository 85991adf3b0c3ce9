import SluiceBasics
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceStores

@Suite(.timeLimit(.minutes(3))) struct ClickHouseBoundTests {
    /// A server that does not answer until it is told to go away, but for the first questions.
    private struct Silence: HTTPClient {
        /// What it answers at once.
        var first: [String] = []
        let asked = Lock(0)
        let end = Signal()

        private func wait() async -> HTTPClientError {
            self.asked.withLock { $0 += 1 }
            await self.end.waitForCancellation()
            return HTTPClientError(.reset, message: "cut", sent: true)
        }

        func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
            let number = self.asked.withLock { $0 }
            guard number < self.first.count else { throw await self.wait() }
            self.asked.withLock { $0 += 1 }
            return HTTPClientResponse(status: 200, headers: HTTPFields(), body: Array(self.first[number].utf8))
        }

        func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
            throw await self.wait()
        }
    }

    @Test func `it is asked so many questions at once, and one more is told to come back`() async {
        // The table and the view are there.
        let client = Silence(first: [#"{"name":"table"}"# + "\n" + #"{"name":"view"}"# + "\n"])
        let store = ClickHouseExecutionStore(
            ClickHouseHistoryConfiguration(url: "http://history"),
            client: client,
            clock: ManualClock(),
            log: { _ in }
        )
        await store.prepare()
        let asks = (0..<16).map { number in Task { try? await store.find("req_\(number)") } }
        while client.asked.withLock({ $0 }) < 17 { await Task.yield() }
        await #expect(
            throws: ExecutionStoreError.unavailable(
                "History in ClickHouse is busy with other questions. Try again in a few seconds."
            )
        ) { try await store.find("req_16") }
        #expect(client.asked.withLock { $0 } == 17)
        client.end.set()
        for ask in asks { _ = await ask.value }
        // Places come free; what is asked then is told why there is no answer.
        let before = client.asked.withLock { $0 }
        let told = await #expect(throws: ExecutionStoreError.self) { try await store.find("req_17") }
        #expect(told?.message.contains("check clickhouse.url") == true, "\(String(describing: told))")
        #expect(client.asked.withLock { $0 } == before + 1)
    }

    @Test func `only one sets it up, and whoever asks meanwhile is told so`() async {
        let client = Silence()
        let store = ClickHouseExecutionStore(
            ClickHouseHistoryConfiguration(url: "http://history"),
            client: client,
            clock: ManualClock(),
            log: { _ in }
        )
        let preparing = Task { await store.prepare() }
        while client.asked.withLock({ $0 }) < 1 { await Task.yield() }
        for _ in 0..<3 {
            await #expect(
                throws: ExecutionStoreError.unavailable(
                    "History in ClickHouse is being set up. Try again in a few seconds."
                )
            ) { try await store.find("req_1") }
        }
        #expect(client.asked.withLock { $0 } == 1)
        client.end.set()
        await preparing.value
    }
}
