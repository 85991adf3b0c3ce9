import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Who may do what: every route, every role.
@Suite struct OperatorRoutesTests {
    /// Least rights: 0 nothing, 1 any key, 2 viewer, 3 operator, 4 admin; and `!` after the method of an action.
    private static let expected: [(route: String, rights: Int)] = [
        ("GET /healthz", 0), ("GET /readyz", 0), ("GET /metrics", 2), ("GET /v1/models", 1),
        ("POST /v1/messages/count_tokens", 1), ("POST /v1/chat/completions", 0), ("POST /v1/completions", 0),
        ("POST /v1/embeddings", 0), ("POST /v1/responses", 0), ("POST /v1/messages", 0),
        ("GET /api/requests", 2), ("GET /api/requests/*", 1), ("GET /api/requests/*/explain", 1),
        ("POST! /api/requests/*/cancel", 1), ("GET /api/pools", 2), ("GET /api/pools/*", 2),
        ("PATCH! /api/pools/*", 3), ("POST! /api/pools/*/pause", 3), ("POST! /api/pools/*/resume", 3),
        ("POST! /api/pools/*/drain", 3), ("GET /api/budgets", 2), ("GET /api/me", 2), ("GET /api/events", 2),
        ("GET /api/llm-dispatch/runtime", 2), ("GET /api/live", 2), ("POST! /api/requests/*/retry", 3),
        ("POST! /api/requests/*/reveal", 4),
        ("GET /api/dead", 2), ("POST! /api/dead/redrive", 3), ("POST! /api/dead/purge", 4), ("GET /api/audit", 2),
        ("POST! /api/audit/*/undo", 3), ("GET /api/fleet", 2), ("GET /api/fabrics", 2), ("GET /api/overview", 2),
        ("GET /api/pools/*/series", 2), ("GET /api/pools/*/tenants", 2), ("GET /api/live/stream", 2),
        ("POST! /api/live/cancel", 3),
        ("GET /api/executions", 2), ("GET /api/executions/aggregate", 2), ("GET /api/executions/export", 2),
        ("GET /api/executions/statistics", 2), ("GET /api/executions/*", 2),
        ("GET /api/lab/presets", 2), ("POST /api/lab/traces", 2), ("POST /api/lab/runs", 2),
        ("POST /api/lab/sessions", 2), ("GET /api/lab/sessions/*", 2), ("PATCH /api/lab/sessions/*", 2),
        ("DELETE /api/lab/sessions/*", 2), ("GET /api/lab/sessions/*/frame", 2), ("GET /api/lab/sessions/*/stream", 2),
        ("GET /api/lab/sessions/*/messages/*", 2), ("POST /api/lab/sessions/*/step", 2),
        ("POST /api/lab/sessions/*/reset", 2), ("POST /api/lab/sessions/*/add", 2),
        ("GET /api/version", 2), ("GET /api/log", 2), ("PATCH! /api/log", 3),
    ]

    private static let keys: [APIKey] = [
        APIKey(name: "worker", secret: "sk-1", tenant: "acme"),
        APIKey(name: "looker", secret: "sk-2", tenant: "ops", role: .viewer),
        APIKey(name: "fixer", secret: "sk-3", tenant: "ops", role: .operator),
        APIKey(name: "boss", secret: "sk-4", tenant: "ops", role: .admin),
    ]

    private static func name(_ route: OperatorRoute) -> String {
        "\(route.method.rawValue)\(route.isAction ? "!" : "") \(route.pattern)"
    }

    private static func rights(_ need: OperatorRoute.Need) -> Int {
        switch need {
        case .nothing: 0
        case .key: 1
        case .role(.viewer): 2
        case .role(.operator): 3
        case .role(.admin): 4
        }
    }

    /// A new route has to be added to the list above, by somebody who has thought about whom it is for.
    @Test func `every route is listed here with what it needs`() {
        let expected = Dictionary(uniqueKeysWithValues: Self.expected.map { ($0.route, $0.rights) })
        let actual = OperatorRoutes.all.map { (Self.name($0), Self.rights($0.need)) }
        #expect(Dictionary(actual) { first, _ in first } == expected)
        #expect(actual.count == expected.count)
    }

    @Test func `nothing but reading is open without being an action`() {
        let free = OperatorRoutes.all.filter { $0.method != .get && !$0.isAction && !$0.pattern.hasPrefix("/v1/") }
        // The lab simulates: nothing of the runtime is changed there.
        #expect(
            Set(free.map(Self.name)) == [
                "POST /api/lab/traces", "POST /api/lab/runs", "POST /api/lab/sessions", "PATCH /api/lab/sessions/*",
                "DELETE /api/lab/sessions/*", "POST /api/lab/sessions/*/step", "POST /api/lab/sessions/*/reset",
                "POST /api/lab/sessions/*/add",
            ]
        )
    }

    /// Refusals for want of rights; anything else, such as an unknown pool, comes after them.
    private func isRefused(_ bench: GatewayBench, _ route: OperatorRoute, _ headers: [(String, String)]) async -> Bool {
        let path = route.pattern.replacing("*", with: "nothing")
        let response = await bench.respond(route.method, path, "{}", headers)
        return response.status == 401 || response.status == 403
    }

    @Test func `each route is open to those who may use it and to nobody else`() async {
        for route in OperatorRoutes.all where !route.pattern.hasPrefix("/v1/") {
            let bench = GatewayBench(keys: Self.keys)
            let needed = Self.rights(route.need)
            #expect(await self.isRefused(bench, route, []) == (needed > 0), "\(route.pattern) without a key")
            for (index, _) in Self.keys.enumerated() {
                let headers = [("authorization", "Bearer sk-\(index + 1)")]
                let refused = await self.isRefused(bench, route, headers)
                #expect(refused == (index + 1 < needed), "\(route.method) \(route.pattern) with key \(index + 1)")
            }
        }
    }

    @Test func `without keys everything is open`() async {
        for route in OperatorRoutes.all where !route.pattern.hasPrefix("/v1/") {
            #expect(await self.isRefused(GatewayBench(), route, []) == false, "\(route.pattern)")
        }
    }

    @Test func `who may not look is not told what there is`() async {
        let bench = GatewayBench(keys: Self.keys)
        #expect(await bench.respond(.get, "/api/nothing").status == 401)
        #expect(await bench.respond(.get, "/api/nothing", "", [("authorization", "Bearer sk-1")]).status == 403)
        #expect(await bench.respond(.get, "/api/nothing", "", [("authorization", "Bearer sk-2")]).status == 404)
        let method = await bench.respond(.delete, "/api/pools/default", "", [("authorization", "Bearer sk-4")])
        #expect(method.status == 405)
        #expect(method.headers["allow"] == "GET, HEAD, PATCH")
    }

    @Test func `read-only refuses every action, whoever asks`() async {
        for keys in [[], Self.keys] {
            let bench = GatewayBench(keys: keys) { $0.console.isReadOnly = true }
            let headers = keys.isEmpty ? [] : [("authorization", "Bearer sk-4")]
            for route in OperatorRoutes.all where route.isAction {
                let path = route.pattern.replacing("*", with: "default")
                let answer = await bench.send(route.method, path, #"{"slots":5}"#, headers)
                #expect(answer.response.status == 403, "\(path)")
                #expect(answer.text.contains("\"code\":\"read_only\""))
            }
            #expect(bench.pool?.configuration.slots == 1)
            #expect(bench.pool?.mode == .running)
            #expect(await bench.respond(.get, "/api/pools", "", headers).status == 200)
        }
    }

    @Test func `its own request is seen and taken back by the key that sent it, another's by no key without a role`()
        async
    {
        let other = APIKey(name: "other", secret: "sk-9", tenant: "rival")
        let bench = GatewayBench(keys: Self.keys + [other]) { $0.console.isReadOnly = true }
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        let mine = [("authorization", "Bearer sk-1")]
        let (response, _) = await bench.chat(mine + [("prefer", "respond-async")])
        let path = response.headers["location"] ?? ""
        #expect(response.status == 202)
        #expect(await bench.respond(.get, path, "", mine).status == 200)
        for method in [HTTPMethod.get, .post] {
            let target = method == .get ? path : path + "/cancel"
            #expect(await bench.respond(method, target, "", [("authorization", "Bearer sk-9")]).status == 404)
        }
        #expect(await bench.respond(.get, path, "", [("authorization", "Bearer sk-2")]).status == 200)
        #expect(await bench.respond(.post, path + "/cancel", "", [("authorization", "Bearer sk-2")]).status == 403)
        // No operator's action, so that it is taken here as well.
        #expect(await bench.respond(.post, path + "/cancel", "", mine).status == 200)
        await bench.until { bench.dispatcher.liveCount == 0 }
    }

    @Test func `actions are not taken from pages of other sites, keys or not`() async {
        let key = [("authorization", "Bearer sk-4"), ("host", "sluice.example")]
        let foreign: [[(String, String)]] = [
            [("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")], [("origin", "http://evil.example")],
            [("origin", "null")],
        ]
        let own: [[(String, String)]] = [
            [], [("sec-fetch-site", "same-origin")], [("sec-fetch-site", "none")],
            [("origin", "https://sluice.example")],
            // Behind a proxy that asks under another name.
            [("sec-fetch-site", "same-origin"), ("origin", "https://proxy.example")],
        ]
        let bench = GatewayBench(keys: Self.keys)
        for headers in foreign {
            let answer = await bench.send(.post, "/api/pools/default/pause", "", key + headers)
            #expect(answer.response.status == 403 && answer.text.contains("origin_not_allowed"))
        }
        #expect(bench.pool?.mode == .running)
        for headers in own {
            #expect(await bench.respond(.post, "/api/pools/default/pause", "", key + headers).status == 200)
        }
    }

    @Test func `a key learns who it is`() async {
        let bench = GatewayBench(keys: Self.keys) { $0.console.isReadOnly = true }
        let (_, text) = await bench.send(.get, "/api/me", "", [("authorization", "Bearer sk-2")])
        #expect(text.contains(#""name":"looker","role":"viewer""#))
        #expect(text.contains(#""read_only":true"#))
        let anybody = await GatewayBench().send(.get, "/api/me").text
        #expect(anybody.contains(#""name":"anybody","role":"admin""#))
    }

    @Test func `a prefix is taken off, and paths without it are served`() async {
        let bench = GatewayBench([.answer(200, GatewayBench.answer)]) { $0.console.pathPrefix = "/ops/sluice" }
        #expect(await bench.respond(.get, "/ops/sluice/api/pools").status == 200)
        #expect(await bench.respond(.get, "/api/pools").status == 200)
        #expect(await bench.respond(.get, "/ops/sluice/").status == 200)
        let bare = await bench.respond(.get, "/ops/sluice")
        #expect(bare.status == 308 && bare.headers["location"] == "/ops/sluice/")
        #expect(await bench.respond(.get, "/ops/sluiceapi/pools").status == 404)
        #expect(await bench.send(.post, "/ops/sluice/v1/chat/completions", GatewayBench.chat).response.status == 200)
    }
}
