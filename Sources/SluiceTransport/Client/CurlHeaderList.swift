import CCurl
import SluiceWire

/// The header lines of one request as libcurl wants them: a linked list of C strings.
///
/// libcurl's own function allocates twice for each line. It only ever reads the list, so here nodes and text lie in two
/// blocks that serve one request after another.
final class CurlHeaderList {
    private var nodes: UnsafeMutablePointer<curl_slist>
    private var nodeCapacity = 16
    private var text: UnsafeMutablePointer<CChar>
    private var textCapacity = 1024
    private var count = 0
    private var used = 0

    init() {
        self.nodes = .allocate(capacity: self.nodeCapacity)
        self.text = .allocate(capacity: self.textCapacity)
    }

    deinit {
        self.nodes.deallocate()
        self.text.deallocate()
    }

    /// Lays out these fields in place of those before. Valid until the next call.
    func fill(_ fields: HTTPFields) -> UnsafeMutablePointer<curl_slist> {
        // A colon and a null for each line; the line that is always there.
        self.reserve(lines: fields.count + 1, bytes: fields.byteCount + 2 * fields.count + 16)
        self.count = 0
        self.used = 0
        // Without this libcurl asks for permission before bodies over 1 MiB, which costs a round trip or a second.
        "Expect:".utf8.forEach { self.put($0) }
        self.endLine(from: 0)
        fields.forEach { name, value in self.append(name, value) }
        return self.nodes
    }

    private func reserve(lines: Int, bytes: Int) {
        if lines > self.nodeCapacity {
            self.nodes.deallocate()
            self.nodeCapacity = lines
            self.nodes = .allocate(capacity: lines)
        }
        if bytes > self.textCapacity {
            self.text.deallocate()
            self.textCapacity = bytes
            self.text = .allocate(capacity: bytes)
        }
    }

    private func append(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        // A line break would begin another header, a null would end this one.
        guard !name.contains(where: Self.breaksLine), !value.contains(where: Self.breaksLine) else { return }
        let start = self.used
        self.put(name)
        // libcurl's own notation for a header without a value is a semicolon.
        self.put(UInt8(ascii: value.isEmpty ? ";" : ":"))
        self.put(value)
        self.endLine(from: start)
    }

    private static func breaksLine(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 || byte == 0 }

    private func put(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            UnsafeMutableRawPointer(self.text + self.used).copyMemory(from: base, byteCount: source.count)
        }
        self.used += bytes.count
    }

    private func put(_ byte: UInt8) {
        self.text[self.used] = CChar(bitPattern: byte)
        self.used += 1
    }

    private func endLine(from start: Int) {
        self.put(0)
        (self.nodes + self.count).initialize(to: curl_slist(data: self.text + start, next: nil))
        if self.count > 0 { self.nodes[self.count - 1].next = self.nodes + self.count }
        self.count += 1
    }
}
