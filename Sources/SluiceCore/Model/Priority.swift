/// How important a request is; less is more.
public enum Priority: UInt8, Sendable, CaseIterable, Comparable {
    case urgent = 0
    case high
    case normal
    case low

    public static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }

    public var name: String {
        switch self {
        case .urgent: "urgent"
        case .high: "high"
        case .normal: "normal"
        case .low: "low"
        }
    }

    public init?(name: String) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}
