import SluiceCore
import Testing

@testable import sluice

@Suite struct RoutingKeysTests {
    private func load(_ text: String) throws -> Configuration {
        var loader = ConfigurationLoader()
        loader.file = "s.yaml"
        loader.readFile = { _, _ in Array(text.utf8) }
        return try loader.load()
    }

    private static let backends = "backends: {east: {url: 'http://e/v1'}, west: {url: 'http://w/v1'}}\n"

    private func problems(_ route: String) -> [String] {
        do {
            _ = try self.load(Self.backends + "pools: {default: {route: \(route)}}")
            return []
        } catch let problems as ConfigurationProblems {
            return problems.problems.map(\.message)
        } catch {
            return ["\(error)"]
        }
    }

    @Test func `without targets there is no route`() throws {
        #expect(Wiring.pools(try self.load("pools: {default: {slots: 2}}")).first?.route == nil)
    }

    @Test func `targets, fallbacks and times become a plan`() throws {
        let text = """
            pools:
              default:
                route:
                  targets: [east=3, "west/org/model:free=2 order=1"]
                  strategy: least-busy
                  fallbacks: {context_window: [west/large], error: [east/other]}
                  cool_down: 7s
                  cool_down_after: 5
                  attempt_timeout: 40s
                  first_token_timeout: 9s
                  first_token_factor: 2
                  first_token_floor: 1s
                  first_token_ceiling: 30s
                  hedge: 0.05
            """
        let plan = try #require(Wiring.pools(try self.load(Self.backends + text)).first?.route)
        #expect(
            plan
                == RoutePlan(
                    targets: [
                        RoutePlan.Target(backend: "east", weight: 3),
                        RoutePlan.Target(backend: "west", model: "org/model:free", weight: 2, order: 1),
                    ],
                    fallbacks: [
                        .contextWindow: [RoutePlan.Target(backend: "west", model: "large")],
                        .error: [RoutePlan.Target(backend: "east", model: "other")],
                    ],
                    strategy: .leastBusy,
                    coolDown: .seconds(7),
                    failuresToCoolDown: 5,
                    attemptTimeout: .seconds(40),
                    firstTokenTimeout: .fixed(.seconds(9)),
                    firstTokenFactor: 2,
                    firstTokenFloor: .seconds(1),
                    firstTokenCeiling: .seconds(30),
                    hedgeRatio: 0.05
                )
        )
    }

    @Test func `a routed pool needs no backend of its own`() throws {
        #expect(self.problems("{targets: [east]}").isEmpty)
        #expect(self.problems("{strategy: weighted}").contains { $0.contains("is needed") })
    }

    @Test(arguments: [
        ("{targets: [eats]}", "there is no backend 'eats', only east, west; did you mean 'east'?"),
        ("{targets: [east=0]}", "'east=0': a weight is a number from 1 to 1000000"),
        ("{targets: ['east order=101']}", "'east order=101': an order is a number from 0 to 100"),
        ("{targets: ['east heavy']}", "'east heavy': 'heavy' is neither weight=NUMBER nor order=NUMBER"),
        ("{targets: ['east/']}", "'east/' is not backend, backend/model or backend/model=weight"),
        ("{targets: [east, east=2]}", "names 'east' twice"),
        ("{targets: [east], fallbacks: {error: [west=2]}}", "'west=2': fallbacks are tried in order, without weights"),
        ("{targets: [east], first_token_timeout: soon}", "'soon' is not learned, off or a duration from 1ms to 1h"),
        ("{targets: [east], first_token_floor: 3m}", "is longer than first_token_ceiling"),
    ])
    func `what cannot be meant is said`(route: String, message: String) {
        #expect(self.problems(route) == [message])
    }

    @Test func `what means nothing without targets is said, key by key`() {
        let problems = self.problems("{fallbacks: {error: [west]}, hedge: 0.1, cool_down: 7s}")
        #expect(problems.filter { $0 == "does nothing without pools.default.route.targets" }.count == 3)
    }

    @Test(arguments: [
        ("{mode: never-after-send}", "pools.default.retry.mode never-after-send: a second call is a repetition"),
        ("{attempts: 1}", "pools.default.retry.attempts 1: a second call is an attempt too"),
    ])
    func `second calls where there can be none are said`(retry: String, reason: String) throws {
        let route = "{targets: [east, west], hedge: 0.1}"
        #expect(self.problems("\(route), retry: \(retry)") == ["does nothing with \(reason)"])
        #expect(self.problems("{targets: [east, west]}, retry: \(retry)").isEmpty)
    }

    @Test func `a target that looks up its provider by the model stands for many`() throws {
        let backends = "backends: {all: {provider: auto}, east: {url: 'http://e/v1'}}\n"
        let text = backends + "pools: {default: {route: {targets: [all, all/openai/gpt-4o, east]}}}"
        let plan = try #require(Wiring.pools(try self.load(text)).first?.route)
        #expect(plan.targets.map(\.standsForMany) == [true, false, false])
    }
}
