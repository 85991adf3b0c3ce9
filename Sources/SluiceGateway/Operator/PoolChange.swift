import SluiceCore
import SluiceWire

/// What `PATCH /api/pools/{id}` may change.
struct PoolChange: Sendable {
    private static let known = ["slots", "maximum_requests", "maximum_bytes", "maximum_requests_per_tenant", "order"]

    var slots: Int?
    var maximumRequests: Int?
    var maximumBytes: Int?
    /// Outer `nil`: unchanged; inner `nil`: no limit.
    var maximumRequestsPerTenant: Int??
    var order: QueueOrder?

    func apply(to configuration: inout PoolConfiguration) {
        if let slots { configuration.slots = slots }
        if let maximumRequests { configuration.maximumRequests = maximumRequests }
        if let maximumBytes { configuration.maximumBytes = maximumBytes }
        if let maximumRequestsPerTenant { configuration.maximumRequestsPerTenant = maximumRequestsPerTenant }
        if let order { configuration.order = order }
    }

    static func read(_ body: [UInt8]) throws(GatewayError) -> PoolChange {
        do {
            return try JSON.read(body) { root throws(GatewayError) in try Self.read(root) }
        } catch let error as GatewayError {
            throw error
        } catch let error as JSONError {
            throw .invalid(error.message, code: "invalid_json")
        } catch {
            throw .invalid("The body could not be read.", code: "invalid_json")
        }
    }

    private static func read(_ root: JSONValue) throws(GatewayError) -> PoolChange {
        guard root.kind == .object, root.count > 0 else {
            throw .invalid("The body must be an object with some of: \(Self.known.joined(separator: ", ")).")
        }
        var unknown: String?
        root.forEachMember { name, _ in
            if !Self.known.contains(name) { unknown = name }
            return unknown == nil
        }
        if let unknown {
            throw .invalid(
                "The field '\(unknown.prefix(64))' cannot be changed. "
                    + "Known fields: \(Self.known.joined(separator: ", ")).",
                param: String(unknown.prefix(64)),
                code: "unknown_field"
            )
        }
        var change = PoolChange()
        change.slots = try Self.whole(root, "slots", 0...100_000)
        change.maximumRequests = try Self.whole(root, "maximum_requests", 1...10_000_000)
        change.maximumBytes = try Self.whole(root, "maximum_bytes", 1...(1 << 40))
        if let value = root["maximum_requests_per_tenant"], value.isNull {
            change.maximumRequestsPerTenant = .some(nil)
        } else if let limit = try Self.whole(root, "maximum_requests_per_tenant", 1...10_000_000) {
            change.maximumRequestsPerTenant = .some(limit)
        }
        if let value = root["order"] {
            guard let text = value.string, let order = QueueOrder(rawValue: text) else {
                throw .invalid("The field 'order' must be fifo or priority.", param: "order")
            }
            change.order = order
        }
        return change
    }

    private static func whole(
        _ root: JSONValue,
        _ name: StaticString,
        _ range: ClosedRange<Int>
    ) throws(GatewayError) -> Int? {
        guard let value = root[name] else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw .invalid(
                "The field '\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound).",
                param: "\(name)"
            )
        }
        return number
    }
}
