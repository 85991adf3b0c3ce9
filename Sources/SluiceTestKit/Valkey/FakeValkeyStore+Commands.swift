import SluiceBasics
import SluiceWire

extension FakeValkeyStore {
    private static let wrongArguments = RESPValue.error(
        ValkeyServerError(kind: .other, message: "ERR wrong number of arguments")
    )

    /// Executes a command that does not block. Arguments begin with the name.
    mutating func execute(_ arguments: [[UInt8]], now: Instant) -> RESPValue {
        self.expire(now)
        let words = arguments.map { String(decoding: $0, as: UTF8.self) }
        guard let name = words.first?.uppercased() else { return Self.wrongArguments }
        guard words.count > 1 else { return name == "PING" ? .status("PONG") : Self.wrongArguments }
        let values = Array(arguments.dropFirst(2))
        let rest = Array(words.dropFirst(2))
        switch name {
        case "GET": return self.string(words[1]).map { .bytes($0) } ?? .null
        case "SET": return self.set(words[1], values, rest, now)
        case "DEL": return .integer(words.dropFirst().filter { self.remove($0) }.count)
        case "EXISTS": return .integer(words.dropFirst().filter { self.exists($0) }.count)
        case "EXPIRE", "PEXPIRE":
            guard let span = rest.first.flatMap({ Int($0) }) else { return Self.wrongArguments }
            let end = now + (name == "EXPIRE" ? .seconds(span) : .milliseconds(span))
            return .integer(self.setExpiry(words[1], end) ? 1 : 0)
        case "MGET": return .array(words.dropFirst().map { self.string($0).map { .bytes($0) } ?? .null })
        case "PTTL":
            guard let entry = self.entries[words[1]] else { return .integer(-2) }
            return .integer(entry.expires.map { Int(($0 - now).inMilliseconds) } ?? -1)
        case _ where name.hasPrefix("H"): return self.hashCommand(name, words[1], rest, values)
        default: return self.listCommand(name, words[1], rest, values)
        }
    }

    private mutating func set(_ key: String, _ values: [[UInt8]], _ rest: [String], _ now: Instant) -> RESPValue {
        guard let value = values.first else { return Self.wrongArguments }
        var expires: Instant?
        var index = 1
        while index < rest.count {
            switch rest[index].uppercased() {
            case "EX": expires = now + .seconds(rest.count > index + 1 ? Int(rest[index + 1]) ?? 0 : 0)
            case "PX": expires = now + .milliseconds(rest.count > index + 1 ? Int(rest[index + 1]) ?? 0 : 0)
            case "NX":
                if self.exists(key) { return .null }
            default: break
            }
            index += 1
        }
        self.setString(key, value, expires: expires)
        return .status("OK")
    }

    private mutating func hashCommand(
        _ name: String,
        _ key: String,
        _ rest: [String],
        _ values: [[UInt8]]
    ) -> RESPValue {
        let fields = self.hash(key)
        switch name {
        case "HSET":
            for index in stride(from: 0, to: rest.count - 1, by: 2) {
                self.setField(key, rest[index], values[index + 1])
            }
            return .integer(self.hash(key).count - fields.count)
        case "HGET": return rest.first.flatMap { fields[$0] }.map { .bytes($0) } ?? .null
        case "HEXISTS": return .integer(rest.first.flatMap { fields[$0] } == nil ? 0 : 1)
        case "HDEL":
            for field in rest { self.setField(key, field, nil) }
            return .integer(fields.count - self.hash(key).count)
        case "HSCAN":
            // Whole at once, as the real one does with small hashes.
            return .array([
                .bytes(Array("0".utf8)),
                .array(fields.sorted { $0.key < $1.key }.flatMap { [.bytes(Array($0.key.utf8)), .bytes($0.value)] }),
            ])
        case "HLEN": return .integer(fields.count)
        case "HKEYS": return .array(fields.keys.sorted().map { .bytes(Array($0.utf8)) })
        case "HGETALL":
            return .array(fields.sorted { $0.key < $1.key }.flatMap { [.bytes(Array($0.key.utf8)), .bytes($0.value)] })
        default: return Self.unknown(name)
        }
    }

    static func unknown(_ name: String) -> RESPValue {
        .error(ValkeyServerError(kind: .unknownCommand, message: "ERR unknown command '\(name)'"))
    }

    private mutating func listCommand(
        _ name: String,
        _ key: String,
        _ rest: [String],
        _ values: [[UInt8]]
    ) -> RESPValue {
        let elements = self.list(key)
        switch name {
        case "RPUSH":
            self.setList(key, elements + values)
            return .integer(elements.count + values.count)
        case "LPUSH":
            self.setList(key, values.reversed() + elements)
            return .integer(elements.count + values.count)
        case "LLEN": return .integer(elements.count)
        case "LRANGE":
            guard rest.count == 2, let start = Int(rest[0]), let stop = Int(rest[1]) else { return Self.wrongArguments }
            let first = max(0, start < 0 ? elements.count + start : start)
            let last = min(elements.count - 1, stop < 0 ? elements.count + stop : stop)
            return .array(first <= last ? elements[first...last].map { .bytes($0) } : [])
        case "LINDEX":
            guard let index = rest.first.flatMap({ Int($0) }), elements.indices.contains(index) else { return .null }
            return .bytes(elements[index])
        case "LPOP":
            guard let count = rest.first.flatMap({ Int($0) }) else {
                return self.takeFirst(key).map { .bytes($0) } ?? .null
            }
            guard !elements.isEmpty else { return .null }
            self.setList(key, Array(elements.dropFirst(count)))
            return .array(elements.prefix(count).map { .bytes($0) })
        case "LTRIM":
            guard rest.count == 2, let start = Int(rest[0]), let stop = Int(rest[1]) else { return Self.wrongArguments }
            let first = max(0, start < 0 ? elements.count + start : start)
            let last = min(elements.count - 1, stop < 0 ? elements.count + stop : stop)
            self.setList(key, first <= last ? Array(elements[first...last]) : [])
            return .status("OK")
        case "LREM":
            guard values.count == 2 else { return Self.wrongArguments }
            return .integer(self.removeFirst(values[1], of: key) ? 1 : 0)
        case "LMOVE":
            guard rest.count == 3 else { return Self.wrongArguments }
            return self.move(key, rest[0], fromLeft: rest[1] == "LEFT", toLeft: rest[2] == "LEFT")
        default: return Self.unknown(name)
        }
    }

    mutating func move(_ source: String, _ target: String, fromLeft: Bool, toLeft: Bool) -> RESPValue {
        // From an end to the same end: the list stays as it is, its time to live too.
        if source == target && fromLeft == toLeft {
            let elements = self.list(source)
            return (fromLeft ? elements.first : elements.last).map { .bytes($0) } ?? .null
        }
        guard let element = fromLeft ? self.takeFirst(source) : self.takeLast(source) else { return .null }
        let others = self.list(target)
        self.setList(target, toLeft ? [element] + others : others + [element])
        return .bytes(element)
    }

    /// A pop that blocks: `nil` when it would have to wait.
    mutating func pop(_ arguments: [[UInt8]], now: Instant) -> RESPValue? {
        self.expire(now)
        let words = arguments.map { String(decoding: $0, as: UTF8.self) }
        switch words.first?.uppercased() {
        case "BLPOP" where words.count == 3:
            return self.takeFirst(words[1]).map { .array([.bytes(Array(words[1].utf8)), .bytes($0)]) }
        case "BLMPOP" where words.count >= 5:
            let count = words.count >= 7 ? Int(words[6]) ?? 1 : 1
            let elements = self.list(words[3])
            guard !elements.isEmpty else { return nil }
            self.setList(words[3], Array(elements.dropFirst(count)))
            return .array([
                .bytes(Array(words[3].utf8)), .array(elements.prefix(count).map { .bytes($0) }),
            ])
        case "BLMOVE" where words.count == 6:
            let moved = self.move(words[1], words[2], fromLeft: words[3] == "LEFT", toLeft: words[4] == "LEFT")
            return moved == .null ? nil : moved
        default: return Self.unknown(words.first ?? "")
        }
    }

    /// How long a pop may block, in seconds.
    static func blockingTime(_ arguments: [[UInt8]]) -> Duration {
        let words = arguments.map { String(decoding: $0, as: UTF8.self) }
        let word = words.first?.uppercased() == "BLMPOP" ? words.dropFirst().first : words.last
        return .milliseconds(Int((word.flatMap { Double($0) } ?? 1) * 1_000))
    }
}
