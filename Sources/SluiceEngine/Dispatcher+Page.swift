import SluiceBasics
import SluiceCore

// Lists that may be long, a page at a time.
extension Dispatcher {
    /// Grows with whatever changes of requests and pools; what only time changes does not count.
    package var version: UInt64 { self.state.withLock { $0.version } }

    /// A page of the live requests. The lock is taken for a part at a time, so that nobody waits for a long list; what
    /// changes meanwhile may or may not be seen. O(live requests).
    package func page(_ query: LiveQuery) -> LivePage {
        let now = self.clock.now()
        var page = LivePage()
        var found: [PageEntry] = []
        let poolCount = self.state.withLock { $0.machine.poolNames.count }
        for pool in 0..<poolCount {
            var start = 0
            while true {
                let slots = start..<start + Self.pageSlice
                let isDone = self.state.withLock { state in
                    Self.scan(&state, pool, slots, query, now, &page, &found)
                    return slots.upperBound >= state.machine.slotCount(pool: pool)
                }
                if isDone { break }
                start = slots.upperBound
            }
        }
        page.matched = found.count
        let chosen = Selection.part(&found, from: query.offset, count: query.limit)
        page.rows.reserveCapacity(chosen.count)
        for start in stride(from: 0, to: chosen.count, by: Self.rowsAtOnce) {
            let part = chosen[start..<min(chosen.count, start + Self.rowsAtOnce)]
            page.rows += self.state.withLock { state in
                part.compactMap { entry in
                    guard let record = state.machine.record(entry.handle) else { return nil }
                    return LiveRequest(record: record, waiting: state.machine.waiting(entry.handle, now: now))
                }
            }
        }
        return page
    }

    /// Slots looked at, and rows made, while the lock is held.
    static var pageSlice: Int { 1_024 }
    private static var rowsAtOnce: Int { 128 }

    private static func scan(
        _ state: inout State,
        _ pool: Int,
        _ slots: Range<Int>,
        _ query: LiveQuery,
        _ now: Instant,
        _ page: inout LivePage,
        _ found: inout [PageEntry]
    ) {
        let begin = found.count
        var total = 0
        state.machine.liveHandles(pool: pool, slots: slots) { handle, record in
            total += 1
            if record.submission.remote == nil && record.state != .queued { page.localInFlight += 1 }
            guard query.matches(record, at: now) else { return }
            let key = query.key(record, at: now)
            found.append(PageEntry(key: key, id: record.submission.id, handle: handle, state: record.state))
        }
        page.total += total
        if !query.waiting.isEmpty {
            var kept = begin
            for index in begin..<found.count {
                guard found[index].state == .queued,
                    let reason = state.machine.reason(found[index].handle, now: now), query.waiting.contains(reason)
                else { continue }
                found[kept] = found[index]
                kept += 1
            }
            found.removeLast(found.count - kept)
        }
        for entry in found[begin...] { page.states[entry.state, default: 0] += 1 }
    }
}

/// A request that matches, as little of it as sorting needs.
private struct PageEntry: Sendable, Comparable {
    let key: Int64
    let id: RequestID
    let handle: RequestHandle
    let state: RequestState

    static func < (left: PageEntry, right: PageEntry) -> Bool {
        left.key != right.key ? left.key < right.key : left.id < right.id
    }

    static func == (left: PageEntry, right: PageEntry) -> Bool { left.key == right.key && left.id == right.id }
}

/// A part of what is sorted, without sorting the rest.
package enum Selection {
    /// The elements that would stand at `start` and after it, in order. O(elements + part · log part); the elements are
    /// left in another order.
    package static func part<Element: Comparable>(
        _ elements: inout [Element],
        from start: Int,
        count: Int
    ) -> [Element] {
        guard start >= 0, count > 0, start < elements.count else { return [] }
        let end = min(elements.count, start + count)
        if start > 0 { Self.split(&elements, at: start, in: 0..<elements.count) }
        if end < elements.count { Self.split(&elements, at: end, in: start..<elements.count) }
        return elements[start..<end].sorted()
    }

    /// Moves elements so that those before `place` are not larger than those from there on (Hoare's selection).
    private static func split<Element: Comparable>(
        _ elements: inout [Element],
        at place: Int,
        in range: Range<Int>
    ) {
        var low = range.lowerBound
        var high = range.upperBound - 1
        while low < high {
            let pivot = Self.median(elements[low], elements[low + (high - low) / 2], elements[high])
            var left = low
            var right = high
            while left <= right {
                while elements[left] < pivot { left += 1 }
                while pivot < elements[right] { right -= 1 }
                if left <= right {
                    elements.swapAt(left, right)
                    left += 1
                    right -= 1
                }
            }
            if place <= right {
                high = right
            } else if place >= left {
                low = left
            } else {
                return
            }
        }
    }

    private static func median<Element: Comparable>(_ a: Element, _ b: Element, _ c: Element) -> Element {
        max(min(a, b), min(max(a, b), c))
    }
}
