import SluiceBasics
import SluiceTransport
import SluiceWire
import Testing

@testable import sluice

/// The client commands against a server that says what it is told to.
@Suite(.serialized) struct ClientCommandTests {
    private struct Script: HTTPHandler {
        let answers: [String: (status: Int, body: String)]
        let asked: Lock<[String]>

        func respond(to request: HTTPRequest) async -> HTTPResponse {
            let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
            let line = "\(request.method.rawValue) \(request.path)" + (query.isEmpty ? "" : "?\(query)")
            let key = request.headers["authorization"].map { " [\($0)]" } ?? ""
            let body = String(decoding: request.body, as: UTF8.self)
            self.asked.withLock { $0.append(line + key + (body.isEmpty ? "" : " \(body)")) }
            let answer =
                self.answers["\(request.method.rawValue) \(request.path)"]
                ?? (404, #"{"error":{"message":"There is nothing here.","type":"x","param":null,"code":"not_found"}}"#)
            return HTTPResponse(
                status: answer.status,
                headers: HTTPFields([("Content-Type", "application/json")]),
                body: .bytes(Array(answer.body.utf8))
            )
        }
    }

    private struct Result {
        var code: Int32
        var out: String
        var error: String
        var asked: [String]
    }

    /// Runs a command line against a server on a free port.
    private func run(
        _ words: String...,
        answers: [String: (status: Int, body: String)] = [:],
        environment: [String: String] = [:]
    ) async throws -> Result {
        let asked = Lock<[String]>([])
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        let server = try HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0),
            reactors: reactors,
            handler: Script(answers: answers, asked: asked)
        )
        let url = environment["SLUICE_URL"] ?? "http://127.0.0.1:\(server.port)"
        let (code, out, error) = Self.capture(words, environment.merging(["SLUICE_URL": url]) { $1 })
        await server.stop(grace: .zero)
        return Result(code: code, out: out, error: error, asked: asked.withLock { $0 })
    }

    static func capture(
        _ words: [String],
        _ environment: [String: String]
    ) -> (code: Int32, out: String, error: String) {
        let out = Lock("")
        let error = Lock("")
        let terminal = Terminal(
            style: TextStyle(isEnabled: false),
            errorStyle: TextStyle(isEnabled: false),
            width: nil,
            out: { text in out.withLock { $0 += text } },
            error: { text in error.withLock { $0 += text } }
        )
        let code = Program(environment: environment, terminal: terminal).run(words)
        return (code, out.withLock { $0 }, error.withLock { $0 })
    }

    private static let queued =
        #"{"id":"req_1","state":"queued","outcome":null,"reason":null,"pool":"default","tenant":"t","model":"m","#
        + #""age_ms":1234.5,"waiting":{"reason":"slots_full","position":3,"estimated_start_ms":2000},"attempts":[]}"#
    private static let done =
        #"{"id":"req_2","state":"ended","outcome":"done","reason":"ok","pool":"default","tenant":"t","model":"m","#
        + #""age_ms":90000,"waiting":null,"timings_ms":{"claimed":0.5,"started":1,"first_byte":20,"ended":30.25},"#
        + #""usage":{"prompt_tokens":3,"completion_tokens":4},"attempts":[{"number":1,"backend":"default","#
        + #""started_ms":1,"ended_ms":5,"status":500,"class":"server_error","message":"no","retry_delay_ms":10}]}"#

    @Test func `ls aligns its columns and passes its filters on`() async throws {
        let result = try await self.run(
            "ls",
            "--state",
            "queued",
            "--tenant",
            "a b",
            answers: ["GET /api/requests": (200, "{\"requests\":[\(Self.queued),\(Self.done)]}")]
        )
        #expect(result.code == 0)
        #expect(result.asked == ["GET /api/requests?state=queued&tenant=a b"])
        let lines = result.out.split(separator: "\n").map(String.init)
        #expect(lines.count == 3)
        #expect(lines[0].hasPrefix("ID     STATE   WHY"))
        #expect(lines[1].contains("queued  slots_full #3") && lines[1].contains("1.2 s"))
        #expect(lines[2].contains("done") && lines[2].contains("90 s"))
        #expect(Set(lines.map(\.count)).count == 1)
    }

    @Test func `ls says when there is nothing, and prints JSON as it came`() async throws {
        let answers = ["GET /api/requests": (status: 200, body: #"{"requests":[]}"#)]
        #expect(try await self.run("ls", answers: answers).out == "No requests match.\n")
        #expect(try await self.run("ls", "--json", answers: answers).out == "{\"requests\":[]}\n")
    }

    @Test func `show tells the whole story`() async throws {
        let result = try await self.run("show", "req_2", answers: ["GET /api/requests/req_2": (200, Self.done)])
        #expect(result.code == 0)
        for part in [
            "done (ok)", "3 in, 4 out", "queued 0 ms → claimed 0.5 ms → started 1 ms → first byte 20 ms → done 30.3 ms",
            "attempt 1 at default: 1 ms to 5 ms status 500 server_error: no, again after 10 ms",
        ] { #expect(result.out.contains(part), "\(part)\n\(result.out)") }
        let waiting = try await self.run("show", "req_1", answers: ["GET /api/requests/req_1": (200, Self.queued)])
        #expect(waiting.out.contains("slots_full, position 3, about 2 s to go"))
    }

    @Test func `what is not found ends with 3 and the server's words`() async throws {
        let result = try await self.run("show", "req_9")
        #expect(result.code == 3)
        #expect(result.error == "error: There is nothing here.\n")
    }

    @Test func `a refusal ends with 1`() async throws {
        let result = try await self.run(
            "pools",
            answers: ["GET /api/pools": (401, #"{"error":{"message":"No API key was given."}}"#)]
        )
        #expect(result.code == 1)
        #expect(result.error == "error: No API key was given.\n")
    }

    @Test func `nobody there ends with 4 and says what to do`() async throws {
        let result = try await self.run("ls", environment: ["SLUICE_URL": "http://127.0.0.1:1"])
        #expect(result.code == 4)
        #expect(result.error.contains("cannot reach http://127.0.0.1:1"))
        #expect(result.error.contains("Is 'sluice serve' running there?"))
    }

    @Test func `cancel takes many ids and sends the key`() async throws {
        let answer = (status: 200, body: #"{"id":"x","answer":"cancelled"}"#)
        let result = try await self.run(
            "cancel",
            "a",
            "b",
            answers: ["POST /api/requests/a/cancel": answer, "POST /api/requests/b/cancel": answer],
            environment: ["SLUICE_API_KEY": "k"]
        )
        #expect(result.code == 0)
        #expect(result.out == "a cancelled\nb cancelled\n")
        #expect(
            result.asked == ["POST /api/requests/a/cancel [Bearer k]", "POST /api/requests/b/cancel [Bearer k]"]
        )
    }

    @Test func `pools set sends what is set, sizes in bytes`() async throws {
        let pool =
            #"{"id":"default","mode":"paused","queued":2,"in_flight":1,"slots":8,"oldest_queued_ms":5,"#
            + #""breaker":{"state":"open"},"waiting_reason":"circuit_open","backend_address":"http://b/v1"}"#
        let result = try await self.run(
            "pools",
            "set",
            "default",
            "--slots",
            "8",
            "--max-bytes",
            "1MiB",
            "--max-requests-per-tenant",
            "off",
            answers: ["PATCH /api/pools/default": (200, pool)]
        )
        #expect(result.code == 0)
        #expect(
            result.asked == [
                #"PATCH /api/pools/default {"slots":8,"maximum_bytes":1048576,"maximum_requests_per_tenant":null}"#
            ]
        )
        #expect(result.out.contains("circuit_open") && result.out.contains("paused"))
        #expect(try await self.run("pools", "set", "default").code == 2)
        #expect(try await self.run("pools", "set", "default", "--slots", "many").code == 2)
        #expect(try await self.run("pools", "pause").code == 2)
        #expect(try await self.run("pools", "explode", "default").code == 2)
    }

    @Test func `pools set says scheduling in the words of the API`() async throws {
        let result = try await self.run(
            "pools",
            "set",
            "default",
            "--policy",
            "fair",
            "--weights",
            "priority=0.5,retry=0",
            "--max-wait",
            "2m",
            "--tokens-per-minute",
            "600000",
            "--burst-tokens",
            "off",
            "--fair-tenants",
            "off",
            "--tenant-weights",
            "chat=4,reports=1",
            "--concurrency",
            "adaptive",
            "--shed-after",
            "1s500ms",
            "--min-score",
            "0.2",
            answers: ["PATCH /api/pools/default": (200, #"{"id":"default"}"#)]
        )
        #expect(
            result.asked == [
                #"PATCH /api/pools/default {"policy":{"preset":"fair","weights":{"priority":0.5,"retry":0},"#
                    + #""min_score":0.2,"max_wait_ms":120000},"#
                    + #""limits":{"tokens_per_minute":600000,"burst_tokens":null}"#
                    + #","tenants":{"fair":false,"weights":{"chat":4,"reports":1}},"concurrency":"adaptive","#
                    + #""shedding":{"after_ms":1500}}"#
            ]
        )
        for wrong in [
            ["--weights", "priority"], ["--max-wait", "5"], ["--fair-tenants", "maybe"], ["--min-score", "nan"],
        ] {
            let refused = try await self.run("pools", "set", "default", wrong[0], wrong[1])
            #expect(refused.code == 2 && refused.error.contains("\(wrong[0]) needs"), "\(refused.error)")
        }
    }

    @Test(arguments: [
        (0.0421, "0.042 ms"), (5.0, "5 ms"), (12.34, "12.3 ms"), (1500, "1.5 s"), (150_000, "2.5 min"), (9e6, "2.5 h"),
    ])
    func `spans are short`(milliseconds: Double, text: String) {
        #expect(ClientCommand.span(milliseconds) == text)
    }
}
