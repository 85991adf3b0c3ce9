import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire
import Testing

@testable import SluiceGateway

/// A stream whose usage was asked for on our behalf: the books know it, the client does not.
@Suite(.timeLimit(.minutes(3))) struct StreamUsageGatewayTests {
    private typealias Bench = GatewayBench

    private static let usage = #"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}"# + "\n\n"
    private static let finish = #"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"# + "\n\n"
    private static let done = "data: [DONE]\n\n"
    private static let clean = Bench.role + Bench.content + Self.finish + Self.done

    private static func backend(_ name: String, asks: Bool) -> Backend {
        .openAI(OpenAIBackend(name: name, baseURL: "http://\(name)/v1", apiKey: nil, asksForUsage: asks))
    }

    private func bench(_ script: [ScriptedClient.Line], maximumAttempts: Int = 1, asks: Bool = true) -> GatewayBench {
        Bench(script, maximumAttempts: maximumAttempts) {
            $0.backends = ["default": Self.backend("mock", asks: asks)]
        }
    }

    private func asked(_ request: HTTPClientRequest?) throws -> Bool {
        try JSON.read(request?.body ?? []) { $0["stream_options"]?["include_usage"]?.bool } == true
    }

    private func check(_ bench: GatewayBench) {
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test(arguments: [
        [Bench.role, Bench.content, Self.finish, Self.usage, Self.done],
        [Bench.role + Bench.content + Self.finish + Self.usage + Self.done],
        [
            Bench.role, Bench.content + "data: {\"choi", String(Self.finish.dropFirst(12) + Self.usage.dropLast()),
            "\n" + Self.done,
        ],
    ])
    func `the record has the tokens and the client a clean stream`(chunks: [String]) async throws {
        let bench = self.bench([.stream(chunks)])
        let text = await bench.stream().text
        #expect(text.replacing("|", with: "") == Self.clean)
        #expect(try self.asked(bench.client.requests.first))
        #expect(bench.last?.reason == .ok)
        #expect(bench.last?.usage?.prompt == 5 && bench.last?.usage?.completion == 7)
        self.check(bench)
    }

    @Test func `without the setting nothing is asked and nothing taken`() async throws {
        let bench = self.bench([.stream([Bench.content, Self.finish, Self.usage, Self.done])], asks: false)
        let text = await bench.stream().text
        #expect(text == [Bench.content, Self.finish, Self.usage, Self.done].joined(separator: "|"))
        #expect(bench.client.requests.first?.body == Array(Bench.streamed.utf8))
        self.check(bench)
    }

    @Test func `who asks gets everything as it came`() async throws {
        let bench = self.bench([.stream([Bench.content, Self.finish, Self.usage, Self.done])])
        let text = await bench.send(.post, "/v1/chat/completions", CacheBench.withUsage).text
        #expect(text == [Bench.content, Self.finish, Self.usage, Self.done].joined(separator: "|"))
        #expect(bench.client.requests.first?.body == Array(CacheBench.withUsage.utf8))
        #expect(bench.last?.usage?.completion == 7)
        self.check(bench)
    }

    @Test func `a request in one piece and its answer stay as they are`() async {
        let bench = self.bench([.answer(200, Bench.answer)])
        #expect(await bench.chat().text == Bench.answer)
        #expect(bench.client.requests.first?.body == Array(Bench.chat.utf8))
        self.check(bench)
    }

    @Test func `another attempt asks again, and an answer in one piece passes`() async throws {
        let whole = ScriptedClient.Line.stream([Bench.role, Bench.content, Self.finish + Self.usage, Self.done])
        let bench = self.bench([.stream([Bench.role, "cut"]), whole], maximumAttempts: 2)
        #expect(await bench.stream().text.replacing("|", with: "") == Self.clean)
        for request in bench.client.requests { #expect(try self.asked(request)) }
        #expect(bench.last?.attempts.count == 2 && bench.last?.usage?.prompt == 5)
        let other = self.bench([.answer(200, Bench.answer)])
        #expect(await other.stream().text == Bench.answer)
        for bench in [bench, other] { self.check(bench) }
    }

    @Test func `a stream that breaks off ends in an error that stands alone`() async {
        let bench = self.bench([.stream([Bench.role, Bench.content, "data: {\"choices\":[{", "cut"])])
        let text = await bench.stream().text
        #expect(text.hasPrefix(Bench.role + Bench.content + "|data: {\"error\":"))
        // What has ended properly is not ours to keep, whatever it is.
        let odd = self.bench([.stream([Bench.content, Self.finish, Self.done, "data: {"])])
        #expect(await odd.stream().text.hasSuffix(Self.done + "|data: {"))
        let early = self.bench([.stream([Bench.role, Self.finish, Self.usage + "data: ["])])
        #expect(await early.stream().text == Bench.role + Self.finish + "data: [")
        #expect(early.last?.usage?.completion == 7)
        for bench in [bench, odd, early] { self.check(bench) }
    }

    @Test func `every target of a route by its own setting`() async throws {
        let plan = RoutePlan(targets: [
            RoutePlan.Target(backend: "asks"), RoutePlan.Target(backend: "plain", order: 1),
        ])
        // The second one says its usage unasked.
        let rest = [Bench.content, Self.finish, Self.usage, Self.done]
        let bench = Bench([.stream([Bench.role, "cut"]), .stream(rest)], maximumAttempts: 2, route: plan) {
            $0.targets = [
                "asks": Self.backend("asks", asks: true), "plain": Self.backend("plain", asks: false),
            ]
        }
        #expect(await bench.stream().text == rest.joined(separator: "|"))
        #expect(try bench.client.requests.map { try self.asked($0) } == [true, false])
        #expect(bench.client.requests.map(\.url) == ["asks", "plain"].map { "http://\($0)/v1/chat/completions" })
        self.check(bench)
    }

    @Test func `what is kept answers those who ask for usage and those who do not`() async throws {
        let bench = CacheBench.make([.stream(CacheBench.whole)]) {
            $0.backends = ["default": Self.backend("mock", asks: true)]
        }
        let first = await bench.stream()
        #expect(first.text.replacing("|", with: "") == CacheBench.withoutUsage.joined())
        await bench.settle()
        let second = await bench.stream()
        #expect(second.response.headers["x-sluice-cache"] == "hit" && !second.text.contains("usage"))
        let counted = await bench.send(.post, "/v1/chat/completions", CacheBench.withUsage)
        #expect(counted.response.headers["x-sluice-cache"] == "hit")
        #expect(counted.text.contains("\"completion_tokens\":2"))
        #expect(bench.client.requests.count == 1)
        self.check(bench)
    }
}
