import SluiceBasics
import Testing

@testable import SluiceSimulator

struct MinuteBooksTests {
    @Test(.timeLimit(.minutes(1)))
    func `a century in which somebody waits and nothing happens is one step`() {
        var books = MinuteBooks(weights: Array(repeating: 1, count: 1_000))
        for tenant in 0..<1_000 { books.waits(tenant: tenant, 1, all: 1_000, at: .zero) }
        books.serve(tenant: 0, tokens: 5, service: 5)
        books.advance(to: .zero + .seconds(100 * 365 * 86_400))
        #expect(books.backlogged.minutes == 100 * 365 * 1_440 - 1)
        #expect(books.fairness.count == 1)
    }

    @Test(arguments: 0..<40 as Range<Int>)
    func `one step over many minutes is as many small ones`(seed: Int) {
        var (large, small) = (MinuteBooks(weights: [1, 2]), MinuteBooks(weights: [1, 2]))
        var (now, last) = (0, 0)
        for step in 0..<20 {
            now += [7, 60, 61, 119, 120, 400, 1_000][(seed * 7 + step * step) % 7] + seed % 3
            for second in last...now { small.advance(to: .zero + .seconds(second)) }
            large.advance(to: .zero + .seconds(now))
            last = now
            let waiting = [0, 1, 2, 0, 3][(seed + step) % 5]
            for tenant in 0...1 {
                small.waits(tenant: tenant, waiting, all: 2 * waiting, at: .zero + .seconds(now))
                large.waits(tenant: tenant, waiting, all: 2 * waiting, at: .zero + .seconds(now))
                small.serve(tenant: tenant, tokens: step, service: Double(step * (tenant + 1)))
                large.serve(tenant: tenant, tokens: step, service: Double(step * (tenant + 1)))
            }
        }
        #expect(large.backlogged == small.backlogged)
        #expect(large.fairness == small.fairness)
    }
}
