import SluiceBasics
import SluiceWire

/// The scripts that dispatchers run, in Swift.
extension FakeValkeyStore {
    mutating func take(_ keys: [String], _ words: [String]) -> RESPValue {
        var taken: [RESPValue] = []
        var left = Int(words[1]) ?? 0
        for _ in 0..<(Int(words[0]) ?? 0) {
            let element = self.move(keys[0], keys[1], fromLeft: true, toLeft: false)
            guard let bytes = element.bytes else { break }
            taken.append(element)
            left -= bytes.count
            if left <= 0 { break }
        }
        return .array(taken)
    }

    mutating func putBack(_ keys: [String], _ arguments: [[UInt8]], _ words: [String]) -> Bool {
        if let entry = self.hash(keys[2])[words[0]], entry.starts(with: arguments[1]) {
            self.setField(keys[2], words[0], nil)
        }
        if let element = arguments.dropFirst(5).first {
            self.setList(keys[1], [element] + self.list(keys[1]))
            return true
        }
        var held = self.list(keys[0])
        let index = held.firstIndex { element in
            element.count == Int(words[2]) && element.starts(with: arguments[3])
                && element.suffix(arguments[4].count).elementsEqual(arguments[4])
        }
        guard let index else { return false }
        let element = held.remove(at: index)
        self.setList(keys[0], held)
        self.setList(keys[1], [element] + self.list(keys[1]))
        return true
    }

    func heldElements(_ key: String, _ words: [String]) -> RESPValue {
        let ends = Int(words[1]) ?? 0
        return .array(
            self.list(key).prefix(Int(words[0]) ?? 0).flatMap { element -> [RESPValue] in
                [
                    .integer(element.count), .bytes(Array(element.prefix(ends))),
                    .bytes(Array(element.suffix(ends))),
                ]
            }
        )
    }

    mutating func admit(_ keys: [String], _ arguments: [[UInt8]], _ words: [String]) -> RESPValue {
        var living: [RESPValue] = []
        for (index, key) in keys.dropFirst().enumerated() {
            let lives = self.exists(key)
            living.append(.integer(lives ? 1 : 0))
            if lives { self.setField(keys[0], words[index * 2], arguments[index * 2 + 1]) }
        }
        return .array(living)
    }

    mutating func restage(_ key: String, _ arguments: [[UInt8]], _ words: [String]) -> RESPValue {
        var changed = 0
        let fields = self.hash(key)
        for index in stride(from: 1, to: words.count, by: 2)
        where fields[words[index]]?.starts(with: arguments[0]) ?? false {
            self.setField(key, words[index], arguments[index + 1])
            changed += 1
        }
        return .integer(changed)
    }
}
