import SluiceWire

/// The text of a candidate so far, because what it refers to is given by places in it, in bytes of UTF-8.
struct GeminiText: Sendable {
    /// Of a longer text only the beginning is kept; sources of what follows have no place.
    static let maximumBytes = 1 << 20
    private static let maximumParts = 4096

    private(set) var bytes: [UInt8] = []
    private(set) var isWhole = true
    /// Where each part begins; parts that are not text are empty.
    private var starts: [Int] = []
    /// Scalars before every block of bytes, as far as they have been counted.
    private var scalars: [Int] = [0]
    private static let block = 256
    private var lastIsText = false
    private var lastIsThought = false

    mutating func append(_ text: String) {
        if !self.lastIsText { self.begin() }
        self.lastIsText = true
        self.lastIsThought = false
        guard self.isWhole, self.bytes.count + text.utf8.count <= Self.maximumBytes else {
            self.isWhole = false
            return
        }
        self.bytes.append(contentsOf: text.utf8)
    }

    mutating func appendThought() {
        if !self.lastIsThought { self.begin() }
        self.lastIsText = false
        self.lastIsThought = true
    }

    mutating func appendOther() {
        self.begin()
        self.lastIsText = false
        self.lastIsThought = false
    }

    private mutating func begin() {
        if self.starts.count < Self.maximumParts { self.starts.append(self.bytes.count) }
    }

    /// Counts what has come since the last time; every byte is looked at once.
    fileprivate mutating func countScalars() {
        while self.scalars.count * Self.block <= self.bytes.count {
            let end = self.scalars.count * Self.block
            let last = self.scalars[self.scalars.count - 1]
            self.scalars.append(last + Self.scalars(self.bytes[(end - Self.block)..<end]))
        }
    }

    /// Scalars before a place that is within the text.
    fileprivate func scalarCount(_ offset: Int) -> Int {
        let block = min(offset / Self.block, self.scalars.count - 1)
        return self.scalars[block] + Self.scalars(self.bytes[(block * Self.block)..<offset])
    }

    private static func scalars(_ bytes: ArraySlice<UInt8>) -> Int {
        var count = 0
        for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
        return count
    }

    /// Where a part begins, in bytes; parts are counted from 0.
    func start(ofPart index: Int) -> Int { self.starts.indices.contains(index) ? self.starts[index] : 0 }
}

/// `groundingMetadata` and `citationMetadata` in OpenAI's terms.
struct GeminiCitations {
    private let text: GeminiText

    init(_ text: inout GeminiText) {
        text.countScalars()
        self.text = text
    }

    private struct Source {
        var url: String?
        var title: String?
    }

    func read(grounding: JSONValue) -> [Citation] {
        var sources: [Source] = []
        grounding["groundingChunks"]?.forEachElement { chunk in
            let inner = chunk["web"] ?? chunk["retrievedContext"] ?? chunk["maps"] ?? chunk["image"]
            let url = inner?["uri"]?.string ?? inner?["sourceUri"]?.string
            sources.append(Source(url: url, title: inner?["title"]?.string ?? inner?["domain"]?.string))
            return sources.count < 4096
        }
        var used: Set<Int> = []
        var citations: [Citation] = []
        grounding["groundingSupports"]?.forEachElement { support in
            let segment = support["segment"]
            let part = self.text.start(ofPart: segment?["partIndex"]?.int ?? 0)
            let range = self.range(segment?["startIndex"]?.int, segment?["endIndex"]?.int, from: part)
            let quote = segment?["text"]?.string
            support["groundingChunkIndices"]?.forEachElement { index in
                guard let index = index.int, sources.indices.contains(index) else { return true }
                used.insert(index)
                let source = sources[index]
                citations.append(Citation(url: source.url, title: source.title, quote: quote, range: range))
                return citations.count < 4096
            }
            return citations.count < 4096
        }
        // Sources that no place refers to were still read for the answer.
        for (index, source) in sources.enumerated() where !used.contains(index) && source.url != nil {
            citations.append(Citation(url: source.url, title: source.title))
        }
        return citations
    }

    func read(citations value: JSONValue) -> [Citation] {
        var citations: [Citation] = []
        (value["citations"] ?? value["citationSources"])?.forEachElement { citation in
            let range = self.range(citation["startIndex"]?.int, citation["endIndex"]?.int, from: 0)
            citations.append(
                Citation(url: citation["uri"]?.string, title: citation["title"]?.string, range: range)
            )
            return citations.count < 4096
        }
        return citations
    }

    /// From bytes to scalars; `nil` when it is not within the text.
    private func range(_ start: Int?, _ end: Int?, from part: Int) -> Range<Int>? {
        guard let end else { return nil }
        let (first, firstOverflow) = part.addingReportingOverflow(start ?? 0)
        let (last, lastOverflow) = part.addingReportingOverflow(end)
        guard !firstOverflow, !lastOverflow, first >= 0, first < last, last <= self.text.bytes.count else { return nil }
        return self.text.scalarCount(first)..<self.text.scalarCount(last)
    }
}
