import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// What is told of calls, to observers and in the log.
@Suite(.timeLimit(.minutes(3))) struct CallWatchTests {
    private final class Notes: CompletionObserver {
        let wantsChunks: Bool
        let wantsContent: Bool
        private let told = Lock<[(String, CompletionReport)]>([])
        private let pieces = Lock<[CompletionChunk]>([])

        init(chunks: Bool = true, content: Bool = false) {
            self.wantsChunks = chunks
            self.wantsContent = content
        }

        var words: [String] { self.told.withLock { $0.map(\.0) } }
        var chunks: [CompletionChunk] { self.pieces.withLock { $0 } }
        var last: CompletionReport? { self.told.withLock { $0.last?.1 } }

        private func note(_ word: String, _ report: CompletionReport) {
            self.told.withLock { $0.append((word, report)) }
        }

        func willCall(_ report: CompletionReport) { self.note("before", report) }
        func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport) {
            self.pieces.withLock { $0.append(chunk) }
            self.note("chunk", report)
        }
        func didSucceed(_ report: CompletionReport) { self.note("success", report) }
        func didFail(_ report: CompletionReport) { self.note("failure", report) }
        func didEnd(_ report: CompletionReport) { self.note("end", report) }
    }

    private func bench(
        _ script: [ScriptedClient.Line],
        _ notes: Notes?,
        attempts: Int = 1,
        _ configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) -> GatewayBench {
        GatewayBench(script, maximumAttempts: attempts, observers: notes.map { [$0] } ?? [], configure)
    }

    @Test func `a call is told of before, at its success and at its end`() async throws {
        let notes = Notes()
        let bench = self.bench([.answer(200, CacheBench.answer("secret"))], notes)
        let (response, _) = await bench.chat([("x-sluice-tenant", "acme")])
        #expect(notes.words == ["before", "success", "end"])
        let report = try #require(notes.last)
        #expect(report.id == response.headers["x-sluice-request-id"])
        #expect(report.tenant == "acme" && report.pool == "default" && report.model == "m")
        #expect(report.backend == "mock" && report.status == 200 && report.attempts == 1)
        #expect(report.promptTokens == 1 && report.completionTokens == 2)
        #expect(report.outcome == "done" && report.reason == "ok" && report.errorClass == nil)
        #expect(report.total != nil && report.startedAt > 1_700_000_000)
        // Nobody asked for content.
        #expect(report.request == nil && report.answer == nil)
    }

    @Test func `attempts are told of once, and a failure by its class`() async throws {
        let notes = Notes()
        let bench = self.bench([.answer(500, "{}"), .answer(500, "{}")], notes, attempts: 2)
        _ = await bench.chat()
        #expect(notes.words == ["before", "failure", "end"])
        let report = try #require(notes.last)
        #expect(report.attempts == 2 && report.errorClass == "server_error" && report.status == 500)
        #expect(report.errorMessage != nil)
    }

    @Test func `the pieces of a stream are told of in order, without their text`() async {
        let notes = Notes()
        let bench = self.bench([.stream(CacheBench.whole)], notes)
        _ = await bench.stream()
        let pieces = CacheBench.whole.count
        #expect(notes.words == ["before"] + Array(repeating: "chunk", count: pieces) + ["success", "end"])
        #expect(notes.chunks.map(\.index) == Array(0..<pieces))
        #expect(notes.chunks.allSatisfy { $0.byteCount > 0 && $0.bytes == nil })
    }

    @Test func `who wants content gets requests and answers, streamed ones too`() async throws {
        let notes = Notes(chunks: false, content: true)
        let bench = self.bench([.stream(CacheBench.whole), .answer(200, CacheBench.answer("x"))], notes)
        _ = await bench.stream()
        #expect(notes.words == ["before", "success", "end"])
        #expect(notes.last?.answer == Array(CacheBench.whole.joined().utf8))
        #expect(notes.last?.request == Array(GatewayBench.streamed.utf8))
        _ = await bench.chat()
        #expect(notes.last?.answer == Array(CacheBench.answer("x").utf8))
    }

    @Test func `a stream that was cut off before its end is a failure`() async {
        let notes = Notes(chunks: false)
        _ = await self.bench([.stream([CacheBench.start, CacheBench.more])], notes).stream()
        #expect(notes.words == ["before", "failure", "end"])
        #expect(notes.last?.errorClass == "malformed_response")
    }

    @Test func `what was not accepted is told of as a failure`() async {
        let notes = Notes()
        let bench = self.bench([], notes)
        #expect(bench.dispatcher.setMode(.draining, pool: "default"))
        _ = await bench.chat()
        #expect(notes.words == ["failure", "end"])
        #expect(notes.last?.outcome == "rejected" && notes.last?.errorMessage != nil)
    }

    @Test func `what the cache answers is told of, and says so`() async {
        let notes = Notes()
        let bench = self.bench([.answer(200, CacheBench.answer("x"))], notes) {
            $0.caches = ["default": CachePolicy(timeToLive: .seconds(60), backend: [])]
        }
        _ = await bench.chat()
        #expect(notes.last?.cache == .miss)
        _ = await bench.chat()
        #expect(notes.words.suffix(2) == ["success", "end"] && notes.words.count == 5)
        #expect(notes.last?.cache == .hit && notes.last?.reason == "cached" && notes.last?.attempts == 0)
    }

    // MARK: The log

    private func fields(_ bench: GatewayBench) -> [[String: String]] {
        bench.log.filter { $0.message == "request ended" }.map { entry in
            Dictionary(entry.fields.map { ($0.name, $0.value) }) { first, _ in first }
        }
    }

    @Test func `every call has one line, which holds no prompt`() async throws {
        let bench = self.bench([.answer(200, CacheBench.answer("words")), .answer(500, "{}")], nil)
        _ = await bench.chat()
        _ = await bench.chat()
        let lines = self.fields(bench)
        #expect(lines.map { $0["reason"] } == ["ok", "backend"])
        let first = try #require(lines.first)
        #expect(first["model"] == "m" && first["tenant"] == "default" && first["backend"] == "mock")
        #expect(first["completion_tokens"] == "2" && first["ms"] != nil && first["status"] == "200")
        #expect(!lines.contains { $0["prompt"] != nil || $0["answer"] != nil })
        #expect(bench.log.map(\.level) == [.info, .warning])
    }

    @Test func `prompts and answers are shown where that is switched on, cut to a bound`() async {
        let long = String(repeating: "x", count: 5_000)
        let bench = self.bench([.answer(200, CacheBench.answer(long))], nil) { $0.showsPrompts = true }
        _ = await bench.chat()
        let line = self.fields(bench).first
        #expect(line?["prompt"] == GatewayBench.chat)
        #expect(line?["answer"].map { $0.utf8.count < 2_100 && $0.hasSuffix("…") } == true)
    }

    @Test(arguments: CallLogging.allCases) func `fewer lines on request`(calls: CallLogging) async {
        let bench = self.bench([.answer(200, CacheBench.answer("x")), .answer(500, "{}")], nil) {
            $0.callLogging = calls
        }
        _ = await bench.chat()
        _ = await bench.chat()
        let expected: [String]
        switch calls {
        case .all: expected = ["ok", "backend"]
        case .failures: expected = ["backend"]
        case .none: expected = []
        }
        #expect(self.fields(bench).compactMap { $0["reason"] } == expected)
    }
}
