import SluiceBasics
import SluiceWire

/// Spans that are ready to be sent: a piece of a document, or a whole one.
package struct SpanChunk: Sendable {
    package var bytes: [UInt8]
    package var spans: Int
    package var isCompressed: Bool

    package init(bytes: [UInt8], spans: Int, isCompressed: Bool = false) {
        self.bytes = bytes
        self.spans = spans
        self.isCompressed = isCompressed
    }

    /// gzip's members can be put together byte for byte, as the documents within can.
    mutating func compress() {
        guard !self.isCompressed, let smaller = Gzip.compress(self.bytes, level: 1) else { return }
        self.bytes = smaller
        self.isCompressed = true
    }
}

/// Chunks in the order in which they came, bounded in bytes: when there is no room the oldest go.
package struct SpanSpool: Sendable {
    private var chunks: [SpanChunk] = []
    private var first = 0
    package let maximumBytes: Int
    /// Of everything that waits, what is on its way included.
    package private(set) var bytes = 0
    package private(set) var spans = 0

    package init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    package var count: Int { self.chunks.count - self.first }

    /// - Returns: how many spans had to go to make room.
    package mutating func add(_ chunk: SpanChunk) -> Int {
        var lost = 0
        while self.bytes + chunk.bytes.count > self.maximumBytes, let oldest = self.takeFirst() {
            lost += oldest.spans
            self.forget([oldest])
        }
        guard self.bytes + chunk.bytes.count <= self.maximumBytes else { return lost + chunk.spans }
        self.chunks.append(chunk)
        self.bytes += chunk.bytes.count
        self.spans += chunk.spans
        return lost
    }

    /// What one request may carry. It counts until `forget` or `putBack`. Chunks that are compressed are not put
    /// together with others: nothing is compressed twice, however often it is sent.
    ///
    /// - Parameter joins: whether chunks may be put together at all.
    package mutating func take(spans: Int, bytes: Int, joins: Bool) -> [SpanChunk] {
        var batch: [SpanChunk] = []
        var taken = (spans: 0, bytes: 0)
        while self.first < self.chunks.count {
            let next = self.chunks[self.first]
            let isTooMuch = taken.spans + next.spans > spans || taken.bytes + next.bytes.count > bytes
            if let head = batch.first {
                guard joins, !isTooMuch, head.isCompressed == next.isCompressed else { break }
            }
            guard let chunk = self.takeFirst() else { break }
            taken.spans += chunk.spans
            taken.bytes += chunk.bytes.count
            batch.append(chunk)
        }
        return batch
    }

    /// They are delivered, or lost.
    package mutating func forget(_ batch: [SpanChunk]) {
        for chunk in batch {
            self.bytes -= chunk.bytes.count
            self.spans -= chunk.spans
        }
    }

    /// They are to be sent again, before the others.
    package mutating func putBack(_ batch: [SpanChunk]) {
        if self.first >= batch.count {
            self.chunks.replaceSubrange((self.first - batch.count)..<self.first, with: batch)
            self.first -= batch.count
        } else {
            self.chunks.replaceSubrange(0..<self.first, with: batch)
            self.first = 0
        }
    }

    private mutating func takeFirst() -> SpanChunk? {
        guard self.first < self.chunks.count else { return nil }
        let chunk = self.chunks[self.first]
        self.chunks[self.first] = SpanChunk(bytes: [], spans: 0)
        self.first += 1
        if self.first > 64, self.first * 2 > self.chunks.count {
            self.chunks.removeFirst(self.first)
            self.first = 0
        }
        return chunk
    }
}
