import SluiceBasics
import SluiceWire

/// What the fabric's Lua scripts do, in Swift. The real ones are tried on a real server by the end-to-end tests.
extension FakeValkeyStore {
    mutating func evaluate(
        _ name: String,
        keys: [String],
        arguments: [[UInt8]],
        now: Instant
    ) -> RESPValue {
        self.expire(now)
        let words = arguments.map { String(decoding: $0, as: UTF8.self) }
        switch name {
        case "enqueueBounded" where keys.count == 1 && arguments.count >= 2:
            return self.enqueueBounded(keys[0], words, Array(arguments.dropFirst(2)))
        case "publishReply" where keys.count == 2 && arguments.count >= 1:
            return .integer(self.publish(keys, words[0], Array(arguments.dropFirst()), now) ? 1 : 0)
        case "settle" where keys.count == 4 && arguments.count == 7:
            return self.settle(keys, arguments, words, now)
        case "headBytes" where keys.count == 1 && arguments.count == 4:
            return self.headBytes(keys[0], words.map { Int($0) ?? 0 })
        case "sweepOrphans" where keys.count == 6 && arguments.count >= 6:
            return self.sweep(keys, arguments, words, now)
        case "take" where keys.count == 2 && arguments.count == 2:
            return self.take(keys, words)
        case "putBack" where keys.count == 3 && (5...6).contains(arguments.count):
            return .integer(self.putBack(keys, arguments, words) ? 1 : 0)
        case "heldElements" where keys.count == 1 && arguments.count == 2:
            return self.heldElements(keys[0], words)
        case "admit" where keys.count >= 1 && arguments.count == (keys.count - 1) * 2:
            return self.admit(keys, arguments, words)
        case "nextReplies" where keys.count == 1 && arguments.count == 5:
            return self.nextReplies(keys[0], arguments, words)
        case "restage" where keys.count == 1 && !arguments.count.isMultiple(of: 2):
            return self.restage(keys[0], arguments, words)
        case "beat" where keys.count >= 1 && arguments.count == 4:
            self.setString(keys[0], arguments[0], expires: now + .milliseconds(Int(words[1]) ?? 0))
            for key in keys.dropFirst() { self.setField(key, words[2], arguments[3]) }
            return .integer(1)
        case "leaseBudget" where keys.count == 1 && arguments.count >= 20:
            return self.leaseBudget(keys[0], words, now)
        default:
            return .error(ValkeyServerError(kind: .other, message: "ERR no such script, or not so: \(name)"))
        }
    }

    private mutating func enqueueBounded(_ key: String, _ words: [String], _ adding: [[UInt8]]) -> RESPValue {
        let elements = self.list(key)
        let (most, mostBytes) = (Int(words[0]) ?? 0, Int(words[1]) ?? 0)
        let bytes = mostBytes > 0 ? elements.reduce(0) { $0 + $1.count } : 0
        let isTooLarge = mostBytes > 0 && bytes + adding.reduce(0) { $0 + $1.count } > mostBytes
        guard !isTooLarge, elements.count + adding.count <= most else {
            return .array([.integer(0), .integer(elements.count), .integer(bytes)])
        }
        self.setList(key, elements + adding)
        return .array([.integer(1), .integer(elements.count + adding.count)])
    }

    private mutating func publish(
        _ keys: [String],
        _ milliseconds: String,
        _ elements: [[UInt8]],
        _ now: Instant
    ) -> Bool {
        guard self.exists(keys[0]) else { return false }
        self.setList(keys[1], self.list(keys[1]) + elements)
        _ = self.setExpiry(keys[1], now + .milliseconds(Int(milliseconds) ?? 0))
        return true
    }

    private mutating func settle(
        _ keys: [String],
        _ arguments: [[UInt8]],
        _ words: [String],
        _ now: Instant
    ) -> RESPValue {
        var delivered = 2
        if !arguments[0].isEmpty {
            delivered = self.publish([keys[0], keys[1]], words[1], [arguments[0]], now) ? 1 : 0
        }
        var held = self.list(keys[2])
        let index = held.firstIndex { element in
            element.count == Int(words[4]) && element.starts(with: arguments[5])
                && element.suffix(arguments[6].count).elementsEqual(arguments[6])
        }
        if let index {
            held.remove(at: index)
            self.setList(keys[2], held)
        }
        let forgotten = self.forget(words[2], keys[3], arguments[3])
        return .array([.integer(delivered), .integer(index == nil ? 0 : 1), .integer(forgotten ? 1 : 0)])
    }

    private mutating func forget(_ request: String, _ key: String, _ start: [UInt8]) -> Bool {
        guard let entry = self.hash(key)[request], entry.starts(with: start) else { return false }
        self.setField(key, request, nil)
        return true
    }

    private mutating func nextReplies(_ key: String, _ arguments: [[UInt8]], _ words: [String]) -> RESPValue {
        let read = Int(words[0]) ?? 0
        if read > 0, let first = self.list(key).first, first.count == Int(words[1]), first.starts(with: arguments[2]) {
            self.setList(key, Array(self.list(key).dropFirst(read)))
        }
        var elements: [RESPValue] = []
        var left = Int(words[4]) ?? 0
        for element in self.list(key).prefix(Int(words[3]) ?? 0) {
            elements.append(.bytes(element))
            left -= element.count
            if left <= 0 { break }
        }
        return .array(elements)
    }

    private func headBytes(_ key: String, _ bounds: [Int]) -> RESPValue {
        let elements = self.list(key)
        var rows: [RESPValue] = [.integer(elements.count)]
        var (answerLeft, copyLeft) = (bounds[2], bounds[3])
        for element in elements.prefix(bounds[0]) {
            let head = Array(element.prefix(bounds[1]))
            let hasIdentity = String(decoding: head, as: UTF8.self).contains("\"request_id\"")
            let tail = element.count > bounds[1] && !hasIdentity ? Array(element.suffix(bounds[1])) : []
            answerLeft -= head.count + tail.count
            copyLeft -= element.count
            if answerLeft < 0 { break }
            rows += [.bytes(head), .bytes(tail)]
            if copyLeft < 0 { break }
        }
        return .array(rows)
    }

    private mutating func sweep(
        _ keys: [String],
        _ arguments: [[UInt8]],
        _ words: [String],
        _ now: Instant
    ) -> RESPValue {
        let found = self.list(keys[5])
        if found.first == arguments[4] {
            let numbers = found[1...2].map { RESPValue.integer(Int(String(decoding: $0, as: UTF8.self)) ?? 0) }
            return .array(numbers + found[3...].map { .bytes($0) })
        }
        guard !self.exists(keys[0]) else { return .array([.integer(-1)]) }
        var ids: [String] = []
        for _ in 0..<(Int(words[1]) ?? 0) {
            var element = words[0] == "requeue" ? nil : self.takeFirst(keys[1])
            if words[0] == "requeue" {
                element = self.move(keys[1], keys[2], fromLeft: false, toLeft: true).bytes
            }
            guard let element else { break }
            let id = (try? RequestEnvelope.read(element))?.requestID ?? ""
            if !id.isEmpty { _ = self.forget(id, keys[3], arguments[3]) }
            ids.append(id)
        }
        let moved = ids.count
        for id in words.dropFirst(6) where self.forget(id, keys[3], arguments[3]) { ids.append(id) }
        let left = self.list(keys[1]).count
        if left == 0 && words[5] == "1" { self.setField(keys[4], words[2], nil) }
        self.setList(
            keys[5],
            [arguments[4]] + [String(left), String(moved)].map { Array($0.utf8) } + ids.map { Array($0.utf8) }
        )
        _ = self.setExpiry(keys[5], now + .seconds(60))
        return .array([.integer(left), .integer(moved)] + ids.map { .bytes(Array($0.utf8)) })
    }
}
