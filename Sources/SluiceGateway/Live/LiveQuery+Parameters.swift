import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

extension LiveQuery {
    private static let known = [
        "state", "pool", "tenant", "model", "producer", "waiting", "q", "age_over_ms", "sort", "offset", "limit",
        "overview",
    ]
    private static let maximumNames = 32
    private static let maximumText = 128
    /// Rows of one answer.
    static let maximumRows = 1_000

    /// Reads the query of a URL. A name may be given several times (one of them), and with `!` before its value (none
    /// of them).
    init(_ request: HTTPRequest) throws(GatewayError) { try self.init(request.query) }

    init(_ parameters: [(name: String, value: String)]) throws(GatewayError) {
        self.init()
        for (name, value) in parameters {
            switch name {
            case "state": try self.readState(value)
            case "waiting": try self.readWaiting(value)
            case "pool": try Self.add(value, to: &self.pools, name)
            case "tenant": try Self.add(value, to: &self.tenants, name)
            case "model": try Self.add(value, to: &self.models, name)
            case "producer": try Self.add(value, to: &self.producers, name)
            case "q":
                guard value.utf8.count <= Self.maximumText else {
                    throw .invalid("The parameter 'q' may have \(Self.maximumText) bytes.", param: "q")
                }
                self.text = value.isEmpty ? nil : TextFilter(value)
            case "age_over_ms":
                self.minimumAge = .milliseconds(try Self.whole(value, name, 0...(7 * 86_400_000)))
            case "sort": try self.readSort(value)
            case "offset": self.offset = try Self.whole(value, name, 0...100_000_000)
            case "limit": self.limit = try Self.whole(value, name, 0...Self.maximumRows)
            case "overview": break
            default:
                throw .invalid(
                    "The parameter '\(name.prefix(64))' is not known. Known: \(Self.known.joined(separator: ", ")).",
                    param: String(name.prefix(64)),
                    code: "unknown_parameter"
                )
            }
        }
    }

    private mutating func readState(_ value: String) throws(GatewayError) {
        switch value {
        case "live", "": break
        case "pending": self.states.insert(.queued)
        case "in_flight": self.states.formUnion([.claimed, .started, .streaming])
        default:
            guard let state = RequestState(rawValue: value), state != .ended else {
                let known = ["live", "pending", "in_flight", "queued", "claimed", "started", "streaming"]
                throw .invalid(
                    "The parameter 'state' must be one of: \(known.joined(separator: ", ")).",
                    param: "state"
                )
            }
            self.states.insert(state)
        }
    }

    private mutating func readWaiting(_ value: String) throws(GatewayError) {
        guard let reason = WaitingReason(rawValue: value) else {
            let known = WaitingReason.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid("The parameter 'waiting' must be one of: \(known).", param: "waiting")
        }
        self.waiting.insert(reason)
    }

    private mutating func readSort(_ value: String) throws(GatewayError) {
        let name = value.hasPrefix("-") ? String(value.dropFirst()) : value
        guard let order = Order(rawValue: name) else {
            let known = Order.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid(
                "The parameter 'sort' must be one of: \(known), with - before it for the largest first.",
                param: "sort"
            )
        }
        (self.order, self.isDescending) = (order, value.hasPrefix("-"))
    }

    static func add(_ value: String, to filter: inout NameFilter, _ name: String) throws(GatewayError) {
        guard filter.wanted.count + filter.unwanted.count < Self.maximumNames else {
            throw .invalid("The parameter '\(name)' may be given \(Self.maximumNames) times.", param: name)
        }
        if value.hasPrefix("!") {
            filter.unwanted.append(String(value.dropFirst()))
        } else if !value.isEmpty {
            filter.wanted.append(value)
        }
    }

    private static func whole(_ value: String, _ name: String, _ range: ClosedRange<Int>) throws(GatewayError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw .invalid(
                "The parameter '\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound).",
                param: name
            )
        }
        return number
    }
}
