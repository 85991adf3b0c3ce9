import SluiceBasics
import SluiceSimulator
import SluiceWire

/// Traces that were sent here, by what they say: the same one twice is one. The one that was not used for the longest
/// makes room.
struct LabTraces {
    private struct Entry {
        var workload: Workload
        var bytes: Int
        var use: UInt64
    }

    private let maximumBytes: Int
    private var entries: [String: Entry] = [:]
    private var bytes = 0
    private var uses: UInt64 = 0

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    static func name(of bytes: [UInt8]) -> String { "tr_" + Digest.hex(Array(Digest.sha256(bytes).prefix(10))) }

    /// What it takes in memory, about.
    static func size(of workload: Workload) -> Int {
        workload.arrivals.count * MemoryLayout<Arrival>.stride
            + workload.tenants.reduce(0) { $0 + $1.utf8.count + MemoryLayout<String>.stride }
    }

    /// `false`: it is too large for the room that there is in all.
    mutating func keep(_ name: String, _ workload: Workload) -> Bool {
        let size = Self.size(of: workload)
        guard size <= self.maximumBytes else { return false }
        self.uses += 1
        if self.entries[name] != nil {
            self.entries[name]?.use = self.uses
            return true
        }
        while self.bytes + size > self.maximumBytes, let oldest = self.entries.min(by: { $0.value.use < $1.value.use })
        {
            self.bytes -= oldest.value.bytes
            self.entries[oldest.key] = nil
        }
        self.entries[name] = Entry(workload: workload, bytes: size, use: self.uses)
        self.bytes += size
        return true
    }

    mutating func find(_ name: String) -> Workload? {
        guard let entry = self.entries[name] else { return nil }
        self.uses += 1
        self.entries[name]?.use = self.uses
        return entry.workload
    }
}
