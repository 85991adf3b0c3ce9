import SluiceCore
import SluiceWire

/// What `PATCH /api/pools/{id}` changes: a merge, so that what is not named stays as it is.
///
/// DESIGN. Reading checks every field by itself and leaves a step for each; the steps are taken together on the
/// configuration as it then is, and what results is checked as a whole. So two changes at once lose nothing, and a
/// change that is refused changes nothing.
struct PoolChange: Sendable {
    typealias Step = @Sendable (inout PoolConfiguration) throws(GatewayError) -> Void

    private var steps: [Step] = []
    /// What has to hold of the result.
    private var conditions: [@Sendable (PoolConfiguration) throws(GatewayError) -> Void] = []
    /// Each field with its new value, for the log.
    private(set) var words: [String] = []

    /// Nothing is changed when it throws.
    func apply(to configuration: inout PoolConfiguration) throws(GatewayError) {
        var changed = configuration
        for step in self.steps { try step(&changed) }
        for condition in self.conditions { try condition(changed) }
        if let fault = changed.scheduling.limit?.faults.first {
            let name = "limits.\(fault.name)"
            throw .invalid("The field '\(name)' \(fault.message).", param: name)
        }
        if changed.scheduling.limit?.isUnlimited == true { changed.scheduling.limit = nil }
        configuration = changed
    }

    /// A field that means nothing to a gateway of the fabric, which calls no backend.
    var fieldForDispatchers: String? {
        self.words.compactMap { $0.split(separator: "=").first.map(String.init) }.first { field in
            field.hasPrefix("limits") || field.hasPrefix("shedding.") || field == "concurrency"
                || field == "tenants.max_in_flight"
        }
    }

    static func read(_ body: [UInt8]) throws(GatewayError) -> PoolChange {
        do {
            return try JSON.read(body) { root throws(GatewayError) in
                var change = PoolChange()
                try change.read(root)
                return change
            }
        } catch let error as GatewayError {
            throw error
        } catch let error as JSONError {
            throw .invalid(error.message, code: "invalid_json")
        } catch {
            throw .invalid("The body could not be read.", code: "invalid_json")
        }
    }

    private mutating func read(_ root: JSONValue) throws(GatewayError) {
        let pool = Section(
            root,
            "",
            [
                "slots", "maximum_requests", "maximum_bytes", "maximum_requests_per_tenant", "policy", "limits",
                "tenants", "concurrency", "shedding",
            ]
        )
        try pool.check(isRoot: true)
        try self.whole(pool, "slots", 0...100_000) { $0.slots = $1 }
        try self.whole(pool, "maximum_requests", 1...10_000_000) { $0.maximumRequests = $1 }
        try self.whole(pool, "maximum_bytes", 1...(1 << 40)) { $0.maximumBytes = $1 }
        try self.wholeOrNone(pool, "maximum_requests_per_tenant", 1...10_000_000) { $0.maximumRequestsPerTenant = $1 }
        try self.readScheduling(pool)
    }

    mutating func add(_ word: String, _ step: @escaping Step) {
        self.words.append(word)
        self.steps.append(step)
    }

    mutating func require(_ condition: @escaping @Sendable (PoolConfiguration) throws(GatewayError) -> Void) {
        self.conditions.append(condition)
    }

    // MARK: Fields

    /// An object of the body and the names that it may have.
    struct Section {
        let value: JSONValue
        /// In front of its members' names: empty, or e.g. `limits.`.
        let prefix: String
        let known: [String]

        init(_ value: JSONValue, _ prefix: String, _ known: [String]) {
            self.value = value
            self.prefix = prefix
            self.known = known
        }

        func check(isRoot: Bool = false) throws(GatewayError) {
            let what = isRoot ? "The body" : "The field '\(self.prefix.dropLast())'"
            guard self.value.kind == .object, self.value.count > 0 else {
                throw .invalid(
                    "\(what) must be an object with some of: \(self.known.joined(separator: ", ")).",
                    param: isRoot ? nil : String(self.prefix.dropLast())
                )
            }
            var unknown: String?
            self.value.forEachMember { name, _ in
                if !self.known.contains(name) { unknown = name }
                return unknown == nil
            }
            guard let unknown else { return }
            let name = self.prefix + unknown.prefix(64)
            throw .invalid(
                "The field '\(name)' cannot be changed. Known fields: "
                    + self.known.map { self.prefix + $0 }.joined(separator: ", ") + ".",
                param: name,
                code: "unknown_field"
            )
        }

        func wrong(_ name: String, _ needs: String) -> GatewayError {
            .invalid("The field '\(self.prefix)\(name)' must be \(needs).", param: self.prefix + name)
        }
    }

    mutating func whole(
        _ section: Section,
        _ name: String,
        _ range: ClosedRange<Int>,
        _ set: @escaping @Sendable (inout PoolConfiguration, Int) -> Void
    ) throws(GatewayError) {
        guard let value = section.value[named: name] else { return }
        guard let number = value.int, range.contains(number) else {
            throw section.wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        self.add("\(section.prefix)\(name)=\(number)") { set(&$0, number) }
    }

    /// As the other; null stands for none.
    mutating func wholeOrNone(
        _ section: Section,
        _ name: String,
        _ range: ClosedRange<Int>,
        _ set: @escaping @Sendable (inout PoolConfiguration, Int?) -> Void
    ) throws(GatewayError) {
        guard let value = section.value[named: name] else { return }
        if value.isNull { return self.add("\(section.prefix)\(name)=none") { set(&$0, nil) } }
        guard let number = value.int, range.contains(number) else {
            throw section.wrong(
                name,
                "a whole number from \(range.lowerBound) to \(range.upperBound), or null for none"
            )
        }
        self.add("\(section.prefix)\(name)=\(number)") { set(&$0, number) }
    }

    mutating func toggle(
        _ section: Section,
        _ name: String,
        _ set: @escaping @Sendable (inout PoolConfiguration, Bool) -> Void
    ) throws(GatewayError) {
        guard let value = section.value[named: name] else { return }
        guard let isOn = value.bool else { throw section.wrong(name, "true or false") }
        self.add("\(section.prefix)\(name)=\(isOn)") { set(&$0, isOn) }
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ section: Section,
        _ name: String,
        _ type: Choice.Type,
        _ set: @escaping @Sendable (inout PoolConfiguration, Choice) -> Void
    ) throws(GatewayError) where Choice.RawValue == String {
        guard let value = section.value[named: name] else { return }
        guard let text = value.string, let choice = Choice(rawValue: text) else {
            throw section.wrong(name, "one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.add("\(section.prefix)\(name)=\(text)") { set(&$0, choice) }
    }
}
