import SluiceBasics
import SluiceWire

/// What a Valkey holds: lists, strings and hashes with times to live.
struct FakeValkeyStore: Sendable {
    enum Value: Sendable, Equatable {
        case list([[UInt8]])
        case string([UInt8])
        case hash([String: [UInt8]])
    }

    struct Entry: Sendable {
        var value: Value
        var expires: Instant?
    }

    private(set) var entries: [String: Entry] = [:]

    mutating func expire(_ now: Instant) {
        self.entries = self.entries.filter { $0.value.expires.map { $0 > now } ?? true }
    }

    mutating func removeAll() { self.entries = [:] }

    // MARK: Lists

    func list(_ key: String) -> [[UInt8]] {
        if case .list(let elements) = self.entries[key]?.value { elements } else { [] }
    }

    /// An empty list does not exist.
    mutating func setList(_ key: String, _ elements: [[UInt8]]) {
        guard !elements.isEmpty else {
            self.entries[key] = nil
            return
        }
        self.entries[key, default: Entry(value: .list([]))].value = .list(elements)
    }

    mutating func takeFirst(_ key: String) -> [UInt8]? {
        var elements = self.list(key)
        guard !elements.isEmpty else { return nil }
        let first = elements.removeFirst()
        self.setList(key, elements)
        return first
    }

    mutating func takeLast(_ key: String) -> [UInt8]? {
        var elements = self.list(key)
        guard let last = elements.popLast() else { return nil }
        self.setList(key, elements)
        return last
    }

    /// - Returns: whether it was there.
    mutating func removeFirst(_ element: [UInt8], of key: String) -> Bool {
        var elements = self.list(key)
        guard let index = elements.firstIndex(of: element) else { return false }
        elements.remove(at: index)
        self.setList(key, elements)
        return true
    }

    // MARK: Strings

    func string(_ key: String) -> [UInt8]? {
        if case .string(let bytes) = self.entries[key]?.value { bytes } else { nil }
    }

    mutating func setString(_ key: String, _ value: [UInt8], expires: Instant?) {
        self.entries[key] = Entry(value: .string(value), expires: expires)
    }

    // MARK: Hashes

    func hash(_ key: String) -> [String: [UInt8]] {
        if case .hash(let fields) = self.entries[key]?.value { fields } else { [:] }
    }

    mutating func setField(_ key: String, _ field: String, _ value: [UInt8]?) {
        var fields = self.hash(key)
        fields[field] = value
        guard !fields.isEmpty else {
            self.entries[key] = nil
            return
        }
        self.entries[key, default: Entry(value: .hash([:]))].value = .hash(fields)
    }

    // MARK: Keys

    func exists(_ key: String) -> Bool { self.entries[key] != nil }

    /// - Returns: whether it was there.
    @discardableResult
    mutating func remove(_ key: String) -> Bool { self.entries.removeValue(forKey: key) != nil }

    mutating func setExpiry(_ key: String, _ expires: Instant) -> Bool {
        guard self.entries[key] != nil else { return false }
        self.entries[key]?.expires = expires
        return true
    }
}
