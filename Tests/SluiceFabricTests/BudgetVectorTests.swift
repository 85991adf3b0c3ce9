import Glibc
import SluiceBasics
import SluiceTestKit
import Testing

/// Random questions to a budget and what `BudgetLedger` answers, as a file: the end-to-end tests ask the script the
/// same on a real server. `SLUICE_WRITE_VECTORS=1` writes it anew.
struct BudgetVectorTests {
    private static let path =
        #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/EndToEnd/budget_vectors.txt"

    @Test func `the ledger answers as the file says`() throws {
        let text = (0..<12 as Range<UInt64>).map { BudgetVectors(seed: $0).write(questions: 50) }.joined()
        if getenv("SLUICE_WRITE_VECTORS") != nil {
            let file = try #require(fopen(Self.path, "w"))
            fputs(text, file)
            fclose(file)
        }
        #expect(Self.read() == text)
    }

    private static func read() -> String {
        guard let file = fopen(Self.path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Several holders who ask anything that can be asked, sensible or not.
struct BudgetVectors {
    private struct Holder {
        var number = 0
        var held = [0, 0]
        var slots: [Int] = []
        var epoch = 0
    }

    /// Strict, token rate, token capacity, request rate, request capacity.
    private static let limits = [
        [0, 600_000, 600_000, -1, -1], [0, 60_000, 5_000, 120, 10], [1, 60_000, 60_000, 300, 300],
        [0, -1, -1, 60, 60], [1, 6_000, 6_000, -1, -1], [0, 100_000_000_000, 100_000_000_000, 1, 1],
        [0, -1, -1, -1, -1],
    ]

    private var random: SeededRandom
    private var ledger = BudgetLedger()
    private var holders: [Holder] = Array(repeating: Holder(), count: 4)
    private var server = 1_767_225_600_123_456
    private let common: Int

    init(seed: UInt64) {
        self.random = SeededRandom(seed: seed)
        self.common = Int(seed % 6)
    }

    private mutating func below(_ bound: Int) -> Int { Int(self.random.next() % UInt64(max(1, bound))) }

    private mutating func chance(_ percent: Int) -> Bool { self.below(100) < percent }

    func write(questions: Int) -> String {
        var copy = self
        var text = "budget\n"
        for _ in 0..<questions { text += copy.ask() }
        for (field, value) in copy.ledger.fields.sorted(by: { $0.key < $1.key }) { text += "\(field)=\(value)\n" }
        return text
    }

    private mutating func pass() {
        switch self.below(100) {
        case 0..<2: self.server -= self.below(5_000_000)
        case 2..<6: self.server += self.below(70_000_000)
        case 6..<10: self.server += self.below(8_000_000)
        default: self.server += self.below(400_000)
        }
    }

    private mutating func ask() -> String {
        self.pass()
        let index = self.below(4)
        let before = self.holders[index]
        // Mostly the next question; now and then the same again, or an old one.
        let number = before.number + (self.chance(92) ? 1 : -self.below(2))
        let limits = Self.limits[self.chance(85) ? self.common : self.below(7)]
        let epoch = self.chance(85) ? before.epoch : self.below(3) * 1_000
        var ask = [number, epoch] + limits + [self.chance(80) ? 5_000 : 300]
        for kind in 0...1 {
            let held = before.held[kind]
            let kept = self.chance(70) ? self.below(held + 1) : self.below(2 * held + 10)
            let most = kind == 0 ? [100, 3_000, 90_000][self.below(3)] : 9
            let target = self.below(most)
            ask += [
                kept, self.below(max(0, held - kept) + 1), self.chance(10) ? self.below(500) : 0, target,
                self.chance(40) ? self.below(target + 5) : 0,
            ]
        }
        ask.append(self.chance(3) ? 1 : 0)
        for _ in 0..<(self.chance(30) ? self.below(4) : 0) {
            let slot = before.slots.isEmpty || self.chance(10) ? -1 : before.slots[self.below(before.slots.count)]
            ask += [slot, self.below(300), self.below(2)]
        }
        let answer = self.ledger.ask("d\(index)", ask, server: self.server)
        if answer.count == 15 {
            self.holders[index].number = max(before.number, number)
            self.holders[index].held = Array(answer[2...3])
            self.holders[index].epoch = answer[1]
            self.holders[index].slots = (before.slots + [answer[5]]).suffix(20)
        }
        let words = [ask, answer].map { $0.map { String($0) }.joined(separator: " ") }
        return "\(self.server) d\(index) \(words[0]) > \(words[1])\n"
    }
}
