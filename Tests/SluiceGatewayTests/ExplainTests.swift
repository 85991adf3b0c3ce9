import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Why not me yet: the words, the JSON, and who may know what.
@Suite(.timeLimit(.minutes(3))) struct ExplainTests {
    private static func explanation(
        _ gates: [Explanation.Reading],
        start: Duration? = .seconds(12),
        remaining: Duration = .seconds(600)
    ) -> Explanation {
        Explanation(
            pool: "chat",
            state: .queued,
            reason: .slotsFull,
            position: 13,
            queued: 20,
            predictedStart: start,
            waited: .seconds(3),
            remaining: remaining,
            gates: gates,
            tenant: Explanation.TenantFacts(name: "a", inFlight: 2, maximumInFlight: 2)
        )
    }

    private static let slots = Explanation.Reading(.slots, isOpen: false, value: 4, threshold: 4, unit: .slots)
    private static let ahead = Explanation.Reading(.order, isOpen: false, value: 12, threshold: 0, unit: .requests)

    @Test func `the first sentence says why, and when`() {
        #expect(
            ExplanationText.summary(Self.explanation([Self.slots, Self.ahead]))
                == "It waits because all 4 slots of pool 'chat' are in use, and 12 requests are ahead of it; "
                + "it should start in about 12 s."
        )
        #expect(
            ExplanationText.summary(Self.explanation([Self.slots], start: nil)).hasSuffix(
                "when it starts cannot be said: too little has been measured, or no end is in sight."
            )
        )
        #expect(
            ExplanationText.summary(Self.explanation([Self.slots], remaining: .seconds(5))).hasSuffix(
                "in about 12 s, but its deadline passes in 5 s: it will probably expire first."
            )
        )
        #expect(
            ExplanationText.summary(Self.explanation([], start: .zero))
                == "It is next, and nothing holds it back: it starts at once."
        )
    }

    @Test(arguments: [
        (Explanation.Reading(.poolMode, isOpen: false, detail: "paused"), "pool 'chat' is paused; it starts when the"),
        (
            .init(.backOff, isOpen: false, reopensIn: .milliseconds(1500)),
            "its next attempt is not due for another 1.5 s"
        ),
        (
            .init(.backOff, isOpen: false, reopensIn: .seconds(70), detail: "throttled by the backend"),
            "the backend asked for patience with it for another 70 s"
        ),
        (
            .init(.circuitBreaker, isOpen: false, value: 5, reopensIn: .seconds(20), detail: "vllm open"),
            "the circuit of backend 'vllm' is open after 5 failures in a row; one call may try in 20 s"
        ),
        (.init(.circuitBreaker, isOpen: false, value: 5, detail: "vllm half_open"), "is half open and one call"),
        (
            .init(.backendPatience, isOpen: false, reopensIn: .seconds(2), detail: "vllm"),
            "the backend 'vllm' asked for patience for another 2 s"
        ),
        (
            .init(
                .providerLimit,
                isOpen: false,
                value: 0,
                threshold: 900,
                unit: .tokens,
                reopensIn: .seconds(3),
                detail: "gpt"
            ), "the provider's own limit for gpt leaves 0 of the 900 tokens that it needs for another 3 s"
        ),
        (
            .init(.tokensPerMinute, isOpen: false, value: 100, threshold: 900, unit: .tokens, reopensIn: .seconds(4)),
            "it needs 900 tokens and the tokens a minute of pool 'chat' leave 100 for another 4 s"
        ),
        (.init(.requestsPerMinute, isOpen: false, value: 0, threshold: 1), "requests a minute of pool 'chat' are used"),
        (
            .init(.tokensPerMinute, isOpen: false, value: 3, threshold: 9, unit: .tokens, detail: "leased"),
            "leave 3 (leased)"
        ),
        (
            .init(.tokensPerMinute, isOpen: false, value: 30, threshold: 9, unit: .tokens, detail: "kept for x"),
            "the tokens a minute of pool 'chat' are kept for x"
        ),
        (.init(.adaptiveLimit, isOpen: false, value: 3, threshold: 3), "latency bears only 3 at once, and 3 run"),
        (
            .init(.tenantInFlight, isOpen: false, value: 2, threshold: 2),
            "tenant 'a' runs 2 requests and may run 2 at once"
        ),
        (
            .init(.tenantTurn, isOpen: false, value: 500, threshold: 20, detail: "b"),
            "it is the turn of tenant 'b', who has had 20 weighted tokens against 500"
        ),
        (.init(.order, isOpen: false, value: 1), "1 request is ahead of it"),
        (.init(.list, isOpen: false, value: 7, detail: "because x"), "it lies at place 7 on the list of pool 'chat'"),
    ])
    func `every gate has its words`(gate: Explanation.Reading, part: String) {
        let summary = ExplanationText.summary(Self.explanation([gate]))
        #expect(summary.contains(part), "\(summary)")
    }

    @Test func `a request that waits is explained, one that runs or has ended says so`() async throws {
        let proceed = Signal()
        let bench = GatewayBench([.after(proceed, .answer(200, GatewayBench.answer)), .hang])
        let first = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let location = await bench.chat([("prefer", "respond-async")]).response.headers["location"] ?? ""
        _ = await bench.chat([("prefer", "respond-async")])
        bench.clock.advance(by: .seconds(3))
        let answer = await bench.send(.get, location + "/explain")
        #expect(answer.response.status == 200)
        for part in [
            #""summary":"It waits because the only slot of pool 'default' is in use;"#, #""state":"queued""#,
            #""reason":"slots_full","position":1,"queued":2"#, #""waited_ms":3000"#,
            #"{"gate":"pool_mode","state":"open","value":null,"threshold":null,"unit":null,"#,
            #"{"gate":"slots","state":"closed","value":1,"threshold":1,"unit":"slots","#,
            #"{"gate":"order","state":"open","value":0,"#,
        ] { #expect(answer.text.contains(part), "\(part)\n\(answer.text)") }
        _ = await bench.send(.post, "/api/pools/default/pause")
        #expect(await bench.send(.get, location + "/explain").text.contains("because pool 'default' is paused"))
        let id = location.split(separator: "/").last ?? ""
        _ = await bench.send(.post, location + "/cancel")
        let ended = await bench.send(.get, "/api/requests/\(id)/explain").text
        #expect(ended.contains(#""summary":"It has ended.""#) && ended.contains(#""outcome":"cancelled""#), "\(ended)")
        #expect(await bench.send(.post, location + "/explain").response.status == 405)
        #expect(await bench.send(.get, "/api/requests/req_0/explain").response.status == 404)
        bench.dispatcher.cancelAll(cause: .operatorRequest)
        proceed.set()
        _ = await first.value
        await bench.settle()
    }

    @Test func `other tenants' names and requests are none of a tenant's business`() {
        var explanation = Self.explanation([.init(.tenantTurn, isOpen: false, value: 5, threshold: 2, detail: "b")])
        explanation.winner = Explanation.Winner(
            id: RequestID(high: 1, low: 2),
            tenant: "b",
            priority: .high,
            waited: .seconds(1)
        )
        explanation.tenant?.leastTenant = "b"
        let seen = explanation.seen(byTenant: "a")
        #expect(seen.winner?.id == nil && seen.winner?.tenant == nil && seen.winner?.priority == .high)
        #expect(seen.tenant?.leastTenant == nil && seen.gates.first?.detail == nil)
        #expect(ExplanationText.summary(seen).contains("the turn of another tenant"))
        #expect(explanation.seen(byTenant: "b").winner == explanation.winner)
    }
}
