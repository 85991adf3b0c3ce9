/// What the script `leaseBudget` does, in Swift: the budget of a pool as a value, on a clock that is told.
///
/// `Tests/EndToEnd/test_fabric_scripts.py` compares it with the Lua on a real server, number by number.
package struct BudgetLedger: Sendable, Equatable {
    /// What is kept of a holder.
    package struct Holder: Sendable, Equatable {
        var number: Int
        var until: Int
        var seen: Int
        var held: [Int]
        var target: [Int]
        var least: [Int]
        var since: Int
        /// Strict, token rate, request rate, token capacity, request capacity.
        var told: [Int]
        var answer: [Int]

        var hasOpinion: Bool { self.told[1] >= 0 || self.told[2] >= 0 }
    }

    /// Epoch, clock, server's milliseconds, two balances in 60,000ths, 1 if strict, number of questions; empty before
    /// the first.
    var state: [Int] = []
    var holders: [String: Holder] = [:]
    var slots: [Int: [Int]] = [:]
    /// For tokens and requests: numbers of questions, and how full the bucket has been at most from there on.
    var heights: [[Int]] = [[], []]
    /// How long the key is to live from the last question, in milliseconds.
    package private(set) var life = 0

    package init() {}

    private func inForce() -> (limits: [Int], any: Bool, differs: Int) {
        var limits = [0, -1, -1, -1, -1]
        let opinions = self.holders.values.filter(\.hasOpinion).map(\.told)
        for told in opinions {
            limits[0] = max(limits[0], told[0])
            for index in 1...4 where told[index] >= 0 && (limits[index] < 0 || told[index] < limits[index]) {
                limits[index] = told[index]
            }
        }
        let differs = opinions.contains { $0 != opinions[0] }
        return (limits, !opinions.isEmpty, differs ? 1 : 0)
    }

    private func leased(_ index: Int) -> Int { self.holders.values.reduce(0) { $0 + $1.held[index] } }

    private func counted(_ index: Int) -> Int { self.slots.values.reduce(0) { $0 + $1[index] } }

    private mutating func count(_ slot: Int, _ amounts: [Int]) {
        guard amounts != [0, 0] else { return }
        let there = self.slots[slot] ?? [0, 0]
        self.slots[slot] = [there[0] + amounts[0], there[1] + amounts[1]]
    }

    /// - Parameters:
    ///   - ask: numbers as `BudgetQuestion.arguments` writes them.
    ///   - server: the server's clock, in microseconds.
    package mutating func ask(_ id: String, _ ask: [Int], server: Int) -> [Int] {
        guard ask.count >= 19 else { return [0] }
        if let mine = self.holders[id] {
            if ask[0] < mine.number { return [0] }
            if ask[0] == mine.number { return mine.answer }
        }
        let told = [ask[2], ask[3], ask[5], ask[4], ask[6]]
        let force = self.inForce()
        let before = force.any ? force.limits : told
        if self.state.isEmpty && !force.any && told[1] < 0 && told[2] < 0 {
            return [1, 0, 0, 0, 1, 0, 0, 0, 1, told[0], -1, -1, -1, -1, 0]
        }
        let isLost = self.advance(before, server: server, epoch: ask[1])
        self.expire(isStrict: before[0] == 1, keeping: id)
        let since = self.holders[id]?.since ?? -1
        let kept = self.report(id, ask, told)
        var (limits, _, differs) = self.inForce()
        if ask[18] == 1 && limits[1] < 0 && limits[2] < 0 { limits = told }
        self.book(ask, kept, before, limits, isLost: isLost)
        return self.grant(id, ask, limits, since: since, differs: differs)
    }

    /// - Returns: whether a budget that the holder knew was lost.
    private mutating func advance(_ before: [Int], server: Int, epoch: Int) -> Bool {
        let milliseconds = server / 1_000
        let isNew = self.state.isEmpty
        if isNew { self.state = [server, 0, milliseconds, 0, 0, before[0], 0] }
        var passed = max(0, milliseconds - self.state[2])
        for holder in self.holders.values where holder.until > self.state[1] {
            guard (holder.held + holder.least).contains(where: { $0 > 0 }) else { continue }
            passed = min(passed, holder.until - self.state[1] + 5_000)
        }
        self.state[1] += passed
        self.state[2] = milliseconds
        let isLost = epoch != 0 && epoch != self.state[0]
        for index in 0...1 {
            if isNew && !isLost { self.state[3 + index] = max(0, before[3 + index]) * 60_000 }
            guard before[1 + index] >= 0 else {
                self.state[3 + index] = 0
                continue
            }
            let room = (before[3 + index] - self.leased(index)) * 60_000
            let (refill, overflow) = passed.multipliedReportingOverflow(by: before[1 + index])
            let (sum, overflowed) = self.state[3 + index].addingReportingOverflow(refill)
            self.state[3 + index] = overflow || overflowed ? room : min(sum, room)
            guard self.state[5] == 0 else { continue }
            self.note(index, self.state[6], self.state[3 + index] + self.leased(index) * 60_000)
        }
        return isLost
    }

    private mutating func expire(isStrict: Bool, keeping id: String) {
        let clock = self.state[1]
        for (name, holder) in self.holders {
            if holder.until <= clock && holder.held != [0, 0] {
                if isStrict { self.count(holder.until / 250, holder.held) }
                self.holders[name]?.held = [0, 0]
            }
            if holder.seen + 30_000 <= clock && name != id { self.holders[name] = nil }
        }
        for slot in self.slots.keys where (slot + 1) * 250 + 60_000 <= clock { self.slots[slot] = nil }
    }

    /// What was kept, given back and used, for tokens and requests.
    private typealias Report = (keep: [Int], back: [Int], owed: [Int], used: [Int])

    private mutating func report(_ id: String, _ ask: [Int], _ told: [Int]) -> Report {
        let held = self.holders[id]?.held ?? [0, 0]
        func both(_ offset: Int) -> [Int] { [ask[8 + offset], ask[13 + offset]] }
        let keep = (0...1).map { min(both(0)[$0], held[$0]) }
        let back = (0...1).map { min(both(1)[$0], held[$0] - keep[$0]) }
        let owed = both(2)
        var opinion = told
        if ask[18] == 1 { (opinion[1], opinion[2]) = (-1, -1) }
        self.holders[id] = Holder(
            number: ask[0],
            until: self.state[1] + ask[7],
            seen: self.state[1],
            held: keep,
            target: both(3),
            least: both(4),
            since: -1,
            told: opinion,
            answer: []
        )
        return (keep, back, owed, (0...1).map { held[$0] - keep[$0] - back[$0] + owed[$0] })
    }

    private mutating func book(_ ask: [Int], _ report: Report, _ before: [Int], _ limits: [Int], isLost: Bool) {
        let now = self.state[1] / 250
        let (wasStrict, isStrict) = (self.state[5] == 1, limits[0] == 1)
        self.state[6] += 1
        if isStrict && !wasStrict {
            self.count(now, [max(0, limits[1]), max(0, limits[2])])
        } else if wasStrict {
            self.count(now, report.used)
        }
        for index in 0...1 {
            if !wasStrict {
                self.state[3 + index] += (report.back[index] - report.owed[index]) * 60_000
                guard limits[1 + index] >= 0 else { continue }
                self.note(index, self.state[6], self.state[3 + index] + self.leased(index) * 60_000)
            } else if !isStrict {
                let free = before[1 + index] - self.counted(index) - self.leased(index)
                self.state[3 + index] = max(0, free) * 60_000
            }
        }
        for start in stride(from: 19, to: ask.count - 2, by: 3) {
            if !wasStrict {
                for index in 0...1 {
                    let (amount, most) = (ask[start + 1 + index] * 60_000, limits[3 + index] * 60_000)
                    self.state[3 + index] += self.refund(index, ask[start], amount, most: most)
                }
            } else if let slot = self.slots[ask[start]] {
                self.count(ask[start], [-min(slot[0], ask[start + 1]), -min(slot[1], ask[start + 2])])
            }
        }
        if isLost {
            if isStrict {
                self.count(now, [max(0, limits[1] - self.counted(0)), max(0, limits[2] - self.counted(1))])
            }
            for index in 3...4 { self.state[index] = min(self.state[index], 0) }
        }
        if isStrict || isLost { self.heights = [[], []] }
        self.state[5] = limits[0]
    }

    private mutating func note(_ index: Int, _ number: Int, _ height: Int) {
        var list = self.heights[index]
        while let last = list.last, last <= height { list.removeLast(2) }
        list += [number, height]
        if list.count > 64 {
            // The two that differ least become one.
            let pairs = stride(from: 0, to: list.count - 3, by: 2)
            if let at = pairs.min(by: { list[$0 + 1] - list[$0 + 3] < list[$1 + 1] - list[$1 + 3] }) {
                list[at + 3] = list[at + 1]
                list.removeSubrange(at...at + 1)
            }
        }
        self.heights[index] = list
    }

    private mutating func refund(_ index: Int, _ number: Int, _ amount: Int, most: Int) -> Int {
        var list = self.heights[index]
        guard number >= 0, let at = stride(from: 0, to: list.count, by: 2).first(where: { list[$0] >= number }) else {
            return 0
        }
        let taken = max(0, min(amount, most - list[at + 1]))
        for entry in stride(from: at, to: list.count, by: 2) { list[entry + 1] += taken }
        for entry in stride(from: 0, to: at, by: 2) { list[entry + 1] = max(list[entry + 1], list[at + 1]) }
        self.heights[index] = list
        return taken
    }

    /// What the other holders want, what those of them that come first must have, and how many hold at all.
    private func others(_ id: String, since: Int) -> (want: [Int], reserved: [Int], holding: Int) {
        var (want, reserved, holding) = ([0, 0], [0, 0], 0)
        for (name, holder) in self.holders where holder.seen + 1_000 > self.state[1] {
            holding += 1
            guard name != id else { continue }
            let isFirst =
                holder.since >= 0
                && (since < 0 || holder.since < since
                    || (holder.since == since && name.utf8.lexicographicallyPrecedes(id.utf8)))
            for index in 0...1 {
                want[index] += max(0, holder.target[index] - holder.held[index])
                if isFirst { reserved[index] += max(0, holder.least[index] - holder.held[index]) }
            }
        }
        return (want, reserved, holding)
    }

    private mutating func grant(_ id: String, _ ask: [Int], _ limits: [Int], since: Int, differs: Int) -> [Int] {
        guard var mine = self.holders[id] else { return [0] }
        let isStrict = limits[0] == 1
        let others = self.others(id, since: since)
        var (left, grant, isMet) = ([0, 0], [0, 0], true)
        for index in 0...1 where limits[1 + index] >= 0 {
            if isStrict {
                left[index] = max(0, limits[1 + index] - self.counted(index) - self.leased(index))
            } else {
                let room = (limits[3 + index] - self.leased(index)) * 60_000
                self.state[3 + index] = min(self.state[3 + index], room)
                left[index] = max(0, self.state[3 + index] / 60_000)
            }
            let room = max(0, left[index] - others.reserved[index])
            let want = max(0, mine.target[index] - mine.held[index])
            let need = max(0, mine.least[index] - mine.held[index])
            var share = room - others.want[index]
            if want > 0 {
                let part = Double(room) * Double(want) / Double(want + others.want[index])
                share = max(share, Int(part.rounded(.down)))
            }
            grant[index] = max(0, min(max(want, need), max(share, min(need, room))))
            if grant[index] < need { isMet = false }
        }
        if !isMet {
            mine.since = since >= 0 ? since : self.state[1]
            grant = [0, 0]
        }
        for index in 0...1 {
            mine.held[index] += grant[index]
            left[index] -= grant[index]
            if !isStrict { self.state[3 + index] -= grant[index] * 60_000 }
        }
        mine.answer =
            [1, self.state[0]] + mine.held + [isMet ? 1 : 0, isStrict ? self.state[1] / 250 : self.state[6]] + left + [
                others.holding
            ] + limits
            + [differs]
        self.holders[id] = mine
        let lives = (1...2).filter { limits[$0] > 0 }.map {
            Int((Double(limits[$0 + 2]) * 60_000 / Double(limits[$0])).rounded(.up))
        }
        self.life = min(lives.reduce(60_000, max), 604_800_000) + 60_000
        return mine.answer
    }
}
