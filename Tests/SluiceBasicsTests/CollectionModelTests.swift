import SluiceBasics
import Testing

@Suite struct CollectionModelTests {
    /// Random operations on a tree and on a sorted array must give the same answers.
    @Test(arguments: 0..<40)
    func `counted tree behaves as a sorted array`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var tree = CountedTree()
        var model: [(key: OrderKey, value: UInt32)] = []
        let ranks = [1, 3, 1_000].randomElement(using: &random) ?? 1
        let growth = Double.random(in: 0.3...0.7, using: &random)
        func position(_ key: OrderKey) -> Int {
            var low = 0
            var high = model.count
            while low < high {
                let middle = (low + high) / 2
                if model[middle].key < key { low = middle + 1 } else { high = middle }
            }
            return low
        }
        for step in 0..<3_000 {
            let growing = step < 1_200 || random.unit() < growth
            if growing || model.isEmpty {
                let key = OrderKey(rank: UInt64(Int.random(in: 0..<ranks, using: &random)), sequence: UInt64(step))
                tree.insert(key, UInt32(step))
                model.insert((key, UInt32(step)), at: position(key))
            } else {
                // As queues do: mostly at the front, sometimes anywhere.
                let index = random.unit() < 0.5 ? 0 : Int.random(in: 0..<model.count, using: &random)
                let removed = model.remove(at: index)
                #expect(tree.remove(removed.key) == removed.value)
                #expect(tree.remove(removed.key) == nil)
            }
            #expect(tree.count == model.count)
            #expect(tree.first?.key == model.first?.key)
            guard !model.isEmpty else { continue }
            let index = Int.random(in: 0..<model.count, using: &random)
            #expect(tree.element(at: index)?.key == model[index].key)
            #expect(tree.element(at: index)?.value == model[index].value)
            #expect(tree.rank(of: model[index].key) == index)
            #expect(tree.value(of: model[index].key) == model[index].value)
            let probe = OrderKey(
                rank: UInt64(Int.random(in: 0..<ranks, using: &random)),
                sequence: random.next() % 3_000
            )
            #expect(tree.rank(of: probe) == position(probe))
        }
        for index in model.indices { #expect(tree.element(at: index)?.key == model[index].key) }
        while let first = model.first {
            #expect(tree.remove(first.key) == first.value)
            model.removeFirst()
        }
        #expect(tree.isEmpty)
        #expect(tree.first == nil)
    }

    @Test(arguments: 0..<40)
    func `indexed heap behaves as a table of times`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var heap = IndexedHeap()
        var model: [UInt32: Instant] = [:]
        for _ in 0..<2_000 {
            let item = UInt32.random(in: 0..<200, using: &random)
            let time = Instant(nanoseconds: Int64.random(in: 0..<500, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                heap.set(item, at: time)
                model[item] = time
            case 6..<8:
                #expect(heap.remove(item) == model.removeValue(forKey: item))
            default:
                let due = model.values.min().map { $0 <= time } ?? false
                let popped = heap.popFirst(until: time)
                #expect((popped != nil) == due)
                if let popped { #expect(model.removeValue(forKey: popped).map { $0 <= time } == true) }
            }
            #expect(heap.count == model.count)
            #expect(heap.first?.at == model.values.min())
            #expect(heap.time(of: item) == model[item])
        }
    }

    @Test(arguments: 0..<40)
    func `slot table behaves as a dictionary`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var table = SlotTable()
        var model: [UInt64: UInt32] = [:]
        // Few names that collide, or many.
        let range = UInt64([40, 3_000][seed % 2])
        for step in 0..<4_000 as Range<UInt32> {
            let name = UInt64.random(in: 0..<range, using: &random)
            let key = SlotTable.Key(high: name & 1, low: name << 40)
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                #expect(table.insert(key, step) == model[name])
                if model[name] == nil { model[name] = step }
            case 1: #expect(table.remove(key) == model.removeValue(forKey: name))
            default: #expect(table.slot(of: key) == model[name])
            }
            #expect(table.count == model.count)
        }
        for (name, slot) in model { #expect(table.slot(of: SlotTable.Key(high: name & 1, low: name << 40)) == slot) }
    }

    @Test func `few keeps the order beyond its inline elements`() {
        var few = Few<Int>()
        #expect(few.isEmpty)
        for number in 0..<5 { few.append(number) }
        var seen: [Int] = []
        few.forEach { seen.append($0) }
        #expect(seen == [0, 1, 2, 3, 4])
        #expect(few.count == 5)
    }
}
