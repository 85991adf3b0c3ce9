import SluiceCore
import SluiceTelemetry
import SluiceWire
import Testing

@testable import SluiceGateway

/// What backends see of traces.
@Suite struct TraceparentTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    private static let answer = #"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#

    private func seen(_ tracing: SpanSampler?, _ headers: [(String, String)], attempts: Int = 1) async -> [HTTPFields] {
        var script = (1..<attempts).map { _ in ScriptedClient.Line.answer(500, "{}") }
        script.append(.answer(200, Self.answer))
        let bench = GatewayBench(script, maximumAttempts: attempts) { $0.tracing = tracing }
        _ = await bench.chat(headers)
        return bench.client.requests.map(\.headers)
    }

    @Test func `each attempt is the parent of its call, and tracestate passes`() async {
        let seen = await self.seen(
            SpanSampler(),
            [("traceparent", Self.parent), ("tracestate", "vendor=1")],
            attempts: 2
        )
        #expect(seen.count == 2 && seen.allSatisfy { $0.occurrences(of: "traceparent") == 1 })
        #expect(seen.allSatisfy { $0["tracestate"] == "vendor=1" })
        let told = seen.compactMap { $0["traceparent"] }
        #expect(told.allSatisfy { $0.hasPrefix(String(Self.parent.prefix(36))) && $0.hasSuffix("-01") })
        #expect(Set(told).count == 2 && !told.contains(Self.parent))
    }

    @Test func `the caller's decision is passed on, and without spans of ours so is all of it`() async {
        let unsampled = String(Self.parent.dropLast(2)) + "00"
        let passed = await self.seen(SpanSampler(), [("traceparent", unsampled)])[0]["traceparent"]
        #expect(passed?.hasSuffix("-00") == true)
        #expect(await self.seen(nil, [("traceparent", Self.parent)])[0]["traceparent"] == Self.parent)
        #expect(await self.seen(nil, [])[0]["traceparent"] == nil)
        #expect(await self.seen(SpanSampler(), [])[0]["traceparent"]?.hasSuffix("-01") == true)
        #expect(await self.seen(SpanSampler(ratio: 0), [])[0]["traceparent"]?.hasSuffix("-00") == true)
    }
}
