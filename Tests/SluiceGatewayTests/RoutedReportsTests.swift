import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// What is told of requests of pools with several targets, and of what a budget refuses.
@Suite(.timeLimit(.minutes(3))) struct RoutedReportsTests {
    private final class Notes: CompletionObserver {
        let wantsChunks = false
        let wantsContent = false
        private let told = Lock<[(String, CompletionReport)]>([])

        func reports(_ word: String) -> [CompletionReport] {
            self.told.withLock { $0.filter { $0.0 == word }.map(\.1) }
        }

        private func note(_ word: String, _ report: CompletionReport) {
            self.told.withLock { $0.append((word, report)) }
        }

        func willCall(_ report: CompletionReport) { self.note("before", report) }
        func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport) {}
        func didSucceed(_ report: CompletionReport) {}
        func didFail(_ report: CompletionReport) {}
        func didEnd(_ report: CompletionReport) { self.note("end", report) }
    }

    private static func backend(_ model: String, _ name: String) throws -> Backend {
        let resolved = try ModelResolution { $0.hasSuffix("_KEY") ? "secret-key" : nil }.resolve(model)
        return Backend(name: name, way: .fixed(try #require(BackendTarget(resolved, name: name))))
    }

    /// A pool of Anthropic and, when that cannot be asked, Groq.
    private func bench(_ script: [ScriptedClient.Line], _ notes: Notes, attempts: Int) throws -> GatewayBench {
        let plan = RoutePlan(targets: [
            RoutePlan.Target(backend: "claude", model: "claude-x"), RoutePlan.Target(backend: "quick", order: 1),
        ])
        let targets = [
            "claude": try Self.backend("anthropic/claude-x", "claude"), "quick": try Self.backend("groq/m", "quick"),
        ]
        return GatewayBench(script, maximumAttempts: attempts, observers: [notes], route: plan) { $0.targets = targets }
    }

    @Test func `reports name the provider of the target that answered, not of the pool`() async throws {
        let notes = Notes()
        let bench = try self.bench([.answer(500, "{}"), .answer(200, GatewayBench.answer)], notes, attempts: 2)
        let (response, _) = await bench.chat()
        #expect(response.status == 200)
        let began = try #require(notes.reports("before").first)
        #expect(began.backend == "claude" && began.provider == "anthropic")
        let ended = try #require(notes.reports("end").first)
        #expect(ended.backend == "quick" && ended.provider == "groq" && ended.status == 200)
    }

    @Test func `retries do not multiply: what was tried more than once says so to the client's library`() async throws {
        let twice = try self.bench([.answer(500, "{}"), .answer(500, "{}")], Notes(), attempts: 2)
        let failed = await twice.chat().response
        #expect(failed.status == 502 && failed.headers["x-should-retry"] == "false")
        let recovered = try self.bench([.answer(500, "{}"), .answer(200, GatewayBench.answer)], Notes(), attempts: 2)
        #expect(await recovered.chat().response.headers["x-should-retry"] == nil)
        let once = try self.bench([.answer(500, "{}")], Notes(), attempts: 1)
        #expect(await once.chat().response.headers["x-should-retry"] == nil)
    }

    @Test func `what one target cannot express goes to another, though only one attempt is allowed`() async throws {
        let notes = Notes()
        let bench = try self.bench([.answer(200, #"{"object":"list","data":[]}"#)], notes, attempts: 1)
        let (response, text) = await bench.send(.post, "/v1/embeddings", #"{"model":"m","input":"x"}"#)
        #expect(response.status == 200, "\(text)")
        #expect(notes.reports("end").first?.backend == "quick")
        #expect(bench.last?.attempts.map(\.failure) == [.invalidRequest, nil])
        #expect(bench.client.requests.count == 1)
    }

    @Test func `what no target can express is the client's fault, in words of the last one`() async throws {
        let notes = Notes()
        let plan = RoutePlan(targets: [RoutePlan.Target(backend: "claude")])
        let targets = ["claude": try Self.backend("anthropic/claude-x", "claude")]
        let bench = GatewayBench([], maximumAttempts: 3, observers: [notes], route: plan) { $0.targets = targets }
        let (response, _) = await bench.send(.post, "/v1/embeddings", #"{"model":"m","input":"x"}"#)
        #expect(response.status == 400)
        #expect(bench.last?.attempts.count == 1)
    }

    @Test func `what a budget refuses is booked, told and counted`() async throws {
        let notes = Notes()
        let limit = SpendingLimit(amount: .zero, period: .day)
        let rule = SpendingRule(name: "none", key: nil, tenant: nil, limit: limit, refusesUnpriced: false)
        let bench = GatewayBench([], observers: [notes], budgets: [rule])
        let body = #"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#
        let (response, text) = await bench.send(.post, "/v1/chat/completions", body)
        #expect(response.status == 429 && text.contains("budget_exceeded"))
        let record = try #require(
            bench.telemetry.history.query(HistoryFilter(outcome: .rejected), limit: 10).records.first
        )
        #expect(record.reason == .budget && record.submission.model == "gpt-4o")
        #expect(response.headers["x-sluice-request-id"] == record.submission.id.description)
        #expect(bench.pool?.ended[.budget] == 1)
        let report = try #require(notes.reports("end").first)
        #expect(report.outcome == "rejected" && report.reason == "budget" && report.errorMessage != nil)
        #expect(bench.client.requests.isEmpty)
    }
}
