import SluiceBasics
import SluiceWire

extension BudgetLedger {
    /// Reads what the script keeps in its hash.
    init(_ fields: [String: [UInt8]]) {
        self.init()
        for (field, bytes) in fields {
            let numbers = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
            let name = String(field.dropFirst(2))
            if field == "state" {
                self.state = numbers
            } else if field.hasPrefix("f:"), let index = Int(name), (1...2).contains(index) {
                self.heights[index - 1] = numbers
            } else if field.hasPrefix("w:"), let slot = Int(name), numbers.count == 2 {
                self.slots[slot] = numbers
            } else if field.hasPrefix("h:"), numbers.count >= 15 {
                self.holders[name] = Holder(
                    number: numbers[0],
                    until: numbers[1],
                    seen: numbers[2],
                    held: Array(numbers[3...4]),
                    target: Array(numbers[5...6]),
                    least: Array(numbers[7...8]),
                    since: numbers[9],
                    told: Array(numbers[10...14]),
                    answer: Array(numbers[15...])
                )
            }
        }
    }

    /// As the script writes it.
    package var fields: [String: String] {
        func text(_ numbers: [Int]) -> String { numbers.map { String($0) }.joined(separator: " ") }
        var fields = self.state.isEmpty ? [:] : ["state": text(self.state)]
        for index in 0...1 where !self.heights[index].isEmpty { fields["f:\(index + 1)"] = text(self.heights[index]) }
        for (slot, amounts) in self.slots { fields["w:\(slot)"] = text(amounts) }
        for (name, holder) in self.holders {
            let head = [holder.number, holder.until, holder.seen] + holder.held + holder.target + holder.least
            fields["h:\(name)"] = text(head + [holder.since] + holder.told + holder.answer)
        }
        return fields
    }
}

extension FakeValkeyStore {
    /// The server's clock is a day ahead of the manual clock's start, as a real one is of any process.
    mutating func leaseBudget(_ key: String, _ words: [String], _ now: Instant) -> RESPValue {
        var ledger = BudgetLedger(self.hash(key))
        let server = 86_400_000_000 + Int(now.nanoseconds / 1_000)
        let answer = ledger.ask(words[0], words.dropFirst().map { Int($0) ?? 0 }, server: server)
        // The same question again, or an older one, changes nothing.
        if ledger.life > 0 {
            self.remove(key)
            for (field, text) in ledger.fields { self.setField(key, field, Array(text.utf8)) }
            _ = self.setExpiry(key, now + .milliseconds(ledger.life))
        }
        return .array(answer.map { .integer($0) })
    }
}
