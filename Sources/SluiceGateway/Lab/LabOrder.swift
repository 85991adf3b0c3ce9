import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// What a request to the lab asks for, read and judged.
struct LabOrder: Sendable {
    var scenario: LabScenario
    /// `nil`: as it is; `.some(nil)`: as fast as it can.
    var speed: Double??
    var isPaused: Bool?
    var level: Int??
    var body: Addition?
    var contenders: [LabComparison.Contender] = []
    var requests = 5_000
    var seconds: Double?
    var steps = 1

    /// Requests of somebody's own.
    struct Addition: Sendable {
        var count = 1
        var tenant: String?
        var priority: Priority?
        var tokens: Int?
    }

    static let mostAdded = 1_000
    static let mostSteps = 1_000
    static let longestStep = 86_400.0

    init(_ scenario: LabScenario) { self.scenario = scenario }

    /// Reads a body; one that is empty says nothing.
    static func read(
        _ body: [UInt8],
        over scenario: LabScenario,
        _ take: (inout LabOrder, JSONValue) throws(LabFault) -> Void
    ) throws(GatewayError) -> LabOrder {
        guard !body.isEmpty else { return LabOrder(scenario) }
        do {
            return try JSON.read(body) { root throws(LabFault) in
                guard root.kind == .object else { throw LabFault("body", "must be an object") }
                var command = LabOrder(scenario)
                try take(&command, root)
                return command
            }
        } catch let fault as LabFault {
            throw .invalid("\(fault.message).", param: fault.field)
        } catch let error as JSONError {
            throw .invalid(error.message, code: "invalid_json")
        } catch {
            throw .invalid("The body could not be read.", code: "invalid_json")
        }
    }

    /// A scenario and how it goes on; for new sessions and for changes.
    mutating func takeSettings(_ root: JSONValue) throws(LabFault) {
        if let scenario = root["scenario"] { try self.scenario.apply(scenario) }
        if let speed = root["speed"] {
            if speed.isNull {
                self.speed = .some(nil)
            } else {
                guard let number = speed.double, LabConfiguration.speeds.contains(number) else {
                    throw LabFault("speed", "must be a number from 0.01 to 100000, or null: as fast as it can")
                }
                self.speed = .some(number)
            }
        }
        if let paused = root["paused"] {
            guard let isPaused = paused.bool else { throw LabFault("paused", "must be true or false") }
            self.isPaused = isPaused
        }
        if let level = root["level"] {
            if level.isNull {
                self.level = .some(nil)
            } else {
                guard let number = level.int, (0..<LabSeries.levels).contains(number) else {
                    throw LabFault("level", "must be a whole number from 0 to \(LabSeries.levels - 1), or null")
                }
                self.level = .some(number)
            }
        }
    }

    mutating func takeStep(_ root: JSONValue) throws(LabFault) {
        if let seconds = root["seconds"] {
            guard let number = seconds.double, number > 0, number <= Self.longestStep else {
                throw LabFault("seconds", "must be a number above 0, to 86400")
            }
            self.seconds = number
        }
        if let events = root["events"] {
            guard let number = events.int, (1...Self.mostSteps).contains(number) else {
                throw LabFault("events", "must be a whole number from 1 to \(Self.mostSteps)")
            }
            self.steps = number
        }
    }

    mutating func takeAddition(_ root: JSONValue) throws(LabFault) {
        var addition = Addition()
        if let count = root["count"] {
            guard let number = count.int, (1...Self.mostAdded).contains(number) else {
                throw LabFault("count", "must be a whole number from 1 to \(Self.mostAdded)")
            }
            addition.count = number
        }
        if let tokens = root["tokens"], !tokens.isNull {
            guard let number = tokens.int, (1...1_000_000).contains(number) else {
                throw LabFault("tokens", "must be a whole number from 1 to 1000000")
            }
            addition.tokens = number
        }
        if let priority = root["priority"], !priority.isNull {
            guard let known = priority.string.flatMap({ Priority(name: $0) }) else {
                throw LabFault("priority", "must be urgent, high, normal or low")
            }
            addition.priority = known
        }
        if let tenant = root["tenant"], !tenant.isNull { addition.tenant = tenant.string ?? "" }
        self.body = addition
    }

    /// Each policy is the scenario with what the policy says instead.
    mutating func takeRun(_ root: JSONValue) throws(LabFault) {
        try self.takeSettings(root)
        // An object has a count too, but no elements.
        guard let policies = root["policies"], policies.kind == .array,
            (1...LabComparison.mostPolicies).contains(policies.count)
        else {
            throw LabFault("policies", "must be a list of 1 to \(LabComparison.mostPolicies)")
        }
        var fault: LabFault?
        var contenders: [LabComparison.Contender] = []
        let base = self.scenario
        policies.forEachElement { element in
            do throws(LabFault) {
                contenders.append(try Self.contender(element, base, contenders))
                return true
            } catch {
                fault = error
                return false
            }
        }
        if let fault { throw fault }
        self.contenders = contenders
        let most = LabComparison.mostRequests / contenders.count
        if let requests = root["requests"] {
            guard let number = requests.int, (1...most).contains(number) else {
                throw LabFault("requests", "must be a whole number from 1 to \(most) with so many policies")
            }
            self.requests = number
        }
    }

    private static func contender(
        _ element: JSONValue,
        _ base: LabScenario,
        _ others: [LabComparison.Contender]
    ) throws(LabFault) -> LabComparison.Contender {
        var scenario = base
        if let policy = element.string {
            guard SchedulingPreset(rawValue: policy) != nil || policy == LabScenario.customPolicy else {
                throw LabFault("policies", "names no policy: '\(policy.prefix(64))'")
            }
            scenario.policy = policy
        } else {
            try scenario.apply(element)
        }
        let name = element["name"]?.string ?? scenario.policy
        guard (1...64).contains(name.utf8.count), !others.contains(where: { $0.name == name }) else {
            throw LabFault("policies.name", "must be a text of 1 to 64 bytes, another for each")
        }
        // The arrivals and the backend are the same for all.
        scenario.tenants = base.tenants.map { tenant in
            var tenant = tenant
            tenant.weight = scenario.tenants.first { $0.name == tenant.name }?.weight ?? tenant.weight
            return tenant
        }
        scenario.backend = base.backend
        scenario.seed = base.seed
        return LabComparison.Contender(name: name, scenario: scenario)
    }
}
