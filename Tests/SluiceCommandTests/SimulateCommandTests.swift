import SluiceCore
import SluiceSimulator
import SluiceWire
import Testing

@testable import sluice

struct SimulateCommandTests {
    private struct Run {
        var code: Int32
        var out: String
        var error: String
    }

    private static func run(_ words: String...) -> Run {
        let (code, out, error) = ClientCommandTests.capture(["simulate"] + words, [:])
        return Run(code: code, out: out, error: error)
    }

    // MARK: Options

    private static let complaints: [([String], String)] = [
        (["--load", "-1"], "--load needs a number from 0.001 to 1000, not '-1'."),
        (["--load", "nan"], "--load needs a number from 0.001 to 1000, not 'nan'."),
        (["--load", "0.5", "--rate", "2"], "Give --load or --rate, not both."),
        (["--slots", "0"], "--slots needs a whole number from 1 to 1000000, not '0'."),
        (["--requests", "1e9"], "--requests needs a whole number from 1 to 10000000, not '1e9'."),
        (["--duration", "5"], "--duration needs a span of time such as 250ms, 30s or 2h, not '5'."),
        (["--policy", "fifo,lifo"], "--policy: 'lifo' is not known; known: fifo, priority, default, simple-priority,"),
        (["--weights", "speed=1"], "--weights: 'speed' is not known; known: priority, efficiency, wait-time,"),
        (["--weights", "priority"], "--weights needs name=number,… with numbers from 0 to 1000000, not 'priority'."),
        (["--weights", "priority=1,priority=2"], "--weights names 'priority' twice."),
        (["--tenants", "0"], "--tenants needs a whole number from 1 to 10000, not '0'."),
        (["--tenants", "a=1,b=-1"], "--tenants needs name=number,… with numbers from 0.001 to 1000000, not 'b=-1'."),
        (["--strict"], "--strict needs --requests-per-minute or --tokens-per-minute."),
        (["--burst", "5"], "--burst needs the limit whose burst it is."),
        (["--tokens-per-minute", "9", "--burst", "5", "--strict"], "--burst means nothing with --strict"),
        (["--tokens-per-minute", "0"], "--tokens-per-minute needs a whole number from 1 to 1000000000, not '0'."),
        (["--key-file", "x"], "--key-file is of use with --record only."),
    ]

    @Test(arguments: Self.complaints)
    func `what cannot be simulated is refused by the name of its option`(words: [String], message: String) {
        let (code, out, error) = ClientCommandTests.capture(["simulate"] + words, [:])
        #expect(code == ExitCode.usage)
        #expect(out == "")
        #expect(error.contains(message), "\(error)")
    }

    @Test func `a workload that is neither a name nor a file is refused`() {
        let run = Self.run("--workload", "/nowhere/trace.jsonl")
        #expect(run.code == ExitCode.failure)
        #expect(run.error.contains("a workload is a file or one of poisson, bursty,"))
        #expect(Self.run("--only", "nobody", "--requests", "10").error.contains("there is no tenant 'nobody'"))
    }

    // MARK: Output

    @Test func `a table has a row for each policy, and the same one for the same seed`() {
        let words = ["simulate", "--requests", "500", "--policy", "all", "--seed", "7"]
        let (code, out, _) = ClientCommandTests.capture(words, [:])
        #expect(code == ExitCode.success)
        for name in SimulatedPolicy.Name.allCases { #expect(out.contains("\n\(name.rawValue) ")) }
        #expect(out.hasPrefix("mixed: four short chats for each long document\n500 requests, of 4 tenants, 64 slots"))
        #expect(out == ClientCommandTests.capture(words, [:]).out)
    }

    @Test func `JSON says what the table says`() throws {
        let run = Self.run(
            "--requests",
            "400",
            "--policy",
            "fifo",
            "--weights",
            "priority=1",
            "--json",
            "--tokens-per-minute",
            "900000"
        )
        #expect(run.code == ExitCode.success)
        try JSON.read(Array(run.out.utf8)) { root in
            #expect(root["workload"]?["requests"]?.int == 400)
            var names: [String] = []
            root["policies"]?.forEachElement { policy in
                names.append(policy["policy"]?.string ?? "")
                #expect(policy["in_time"]?.int == 400)
                #expect(policy["outcomes"]?["ok"]?.int == 400)
                #expect(policy["waits"]?.count == 7)
                #expect(policy["limit"]?["minutes"]?.int != nil)
                return true
            }
            #expect(names == ["fifo", "custom"])
        }
    }

    @Test(arguments: [(1.25, 1, "1.3"), (0, 2, "0.00"), (-0.05, 1, "-0.1"), (12.0, 0, "12"), (0.999_9, 2, "1.00")])
    func `numbers are rounded, not cut`(value: Double, digits: Int, text: String) {
        #expect(SimulationSummary.decimal(value, digits) == text)
        #expect(SimulationSummary.decimal(nil, digits) == "-")
        #expect(SimulationSummary.decimal(.infinity, digits) == "-")
    }

    // MARK: Traces

    private static let listing = #"""
        {"requests":[{"id":"req_1","state":"ended","outcome":"done","reason":"ok","pool":"default","tenant":"acme",
        "priority":"high","model":"m","payload_bytes":400,"token_estimate":300,"submitted_at":1700000000.5,
        "timeout_ms":60000,"usage":{"prompt_tokens":90,"completion_tokens":110},
        "attempts":[{"number":1,"started_ms":10,"ended_ms":500},{"number":2,"started_ms":1000,"ended_ms":1750}]},
        {"id":"req_0","state":"ended","outcome":"expired","reason":"deadline","pool":"default","tenant":"globex",
        "priority":"low","model":"m","payload_bytes":400,"token_estimate":300,"submitted_at":1700000000.25,
        "timeout_ms":null,"usage":null,"attempts":[]}],"next_cursor":NEXT}
        """#

    @Test func `what the operator API lists is a workload`() throws {
        let text = Self.listing.replacing("NEXT", with: "null")
        // Over many lines, and on one, with a line of a trace behind it.
        let pretty = try TraceReader.read(Array(text.utf8))
        let flat = text.replacing("\n", with: "") + "\n" + #"{"arrival_ms":1700000001000}"# + "\n"
        let both = try TraceReader.read(Array(flat.utf8))
        #expect(pretty.tenants == ["globex", "acme"])
        #expect(pretty.arrivals.count == 2 && both.arrivals.count == 3)
        let done = pretty.arrivals[1]
        #expect(done.at == .milliseconds(250))
        #expect(done.promptTokens == 90 && done.completionTokens == 110 && done.tokenEstimate == 300)
        #expect(done.priority == .high && done.deadline == .seconds(60) && done.service == .milliseconds(750))
        let expired = pretty.arrivals[0]
        #expect(expired.promptTokens == 100 && expired.completionTokens == 200)
        #expect(expired.deadline == nil && expired.service == nil)
        #expect(both.arrivals[2].at == .milliseconds(750))
    }

    @Test func `a record goes through all pages, oldest first, and can be read again`() throws {
        var asked: [String] = []
        let lines = try TraceRecorder.record { path in
            asked.append(path)
            return Array(Self.listing.replacing("NEXT", with: asked.count == 1 ? "\"ended-9\"" : "null").utf8)
        }
        #expect(
            asked == ["/api/requests?state=ended&limit=1000", "/api/requests?state=ended&limit=1000&cursor=ended-9"]
        )
        #expect(lines.count == 4)
        #expect(
            lines[3]
                == #"{"arrival_ms":250,"tenant":"acme","priority":"high","model":"m","prompt_tokens":90,"#
                + #""completion_tokens":110,"token_estimate":300,"deadline_ms":60000,"service_ms":750}"#
        )
        let read = try TraceReader.read(Array(lines.joined(separator: "\n").utf8))
        #expect(read.arrivals.map(\.at) == [.zero, .zero, .milliseconds(250), .milliseconds(250)])
        #expect(read.arrivals[3].service == .milliseconds(750))
    }

    private static let faults: [(String, String)] = [
        ("", "there are no requests in it"),
        ("[]", "line 1: a JSON object is needed"),
        (#"{"tenant":"a"}"#, "line 1: arrival_ms is missing"),
        ("\n" + #"{"arrival_ms":-1}"#, "line 2: arrival_ms must be a number from 0 to"),
        (#"{"arrival_ms":1,"prompt_tokens":1.5}"#, "line 1: prompt_tokens must be a whole number from 0 to"),
        (#"{"arrival_ms":1,"priority":"asap"}"#, "line 1: priority must be urgent, high, normal or low"),
        (#"{"arrival_ms":1,"tenant":7}"#, "line 1: tenant must be a text"),
        (#"{"arrival_ms":1,"deadline_ms":1e300}"#, "line 1: deadline_ms must be a number"),
        (#"{"arrival_ms":1,"service_ms":3e12}"#, "line 1: service_ms must be a number from 0 to 2592000000.0"),
        (#"{"arrival_ms":1,"deadline_ms":3e12}"#, "line 1: deadline_ms must be a number from 0 to 2592000000.0"),
        (
            #"{"arrival_ms":1}"# + "\n" + #"{"arrival_ms":3.2e12}"#,
            "arrival_ms: the last request comes more than a year after the first"
        ),
        (#"{"arrival_ms":1}"# + "\n{", "line 2: "),
        (#"{"requests":[{"id":"x"}]}"#, "line 1: submitted_at is missing"),
    ]

    @Test(arguments: Self.faults)
    func `a bad line of a trace is refused by its number and field`(text: String, message: String) {
        do {
            _ = try TraceReader.read(Array(text.utf8))
            Issue.record("was read")
        } catch {
            #expect(error.message.hasPrefix(message), "\(error.message)")
        }
    }
}
