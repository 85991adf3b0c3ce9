import SluiceBasics
import SluiceCore
import SluiceWire

/// Reads a trace: JSON lines, each a request, or a whole answer of `GET /api/requests` or one of its elements.
package enum TraceReader {
    /// A year, in milliseconds, from the first request to the last.
    private static let longest = 31_536_000_000.0

    package static func read(_ bytes: [UInt8]) throws(TraceProblem) -> Workload {
        var lines: [TraceLine] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard line.contains(where: { $0 != 32 && $0 != 9 && $0 != 13 }) else { continue }
            do {
                try JSON.read(Array(line)) { root throws(TraceProblem) in try Self.add(root, to: &lines) }
            } catch let problem as TraceProblem {
                throw TraceProblem(message: "line \(number): \(problem.message)")
            } catch {
                // Perhaps it is one document over many lines.
                guard number == 1, let whole = try? Self.document(bytes) else {
                    throw TraceProblem(message: "line \(number): \(error)")
                }
                return try Self.workload(whole)
            }
        }
        return try Self.workload(lines)
    }

    private static func document(_ bytes: [UInt8]) throws -> [TraceLine] {
        var lines: [TraceLine] = []
        try JSON.read(bytes) { root throws(TraceProblem) in try Self.add(root, to: &lines) }
        return lines
    }

    private static func add(_ root: JSONValue, to lines: inout [TraceLine]) throws(TraceProblem) {
        guard root.kind == .object else { throw TraceProblem(message: "a JSON object is needed") }
        if let listed = root["requests"] {
            var problem: TraceProblem?
            var found: [TraceLine] = []
            listed.forEachElement { element in
                do throws(TraceProblem) {
                    found.append(try TraceLine(listed: element))
                    return true
                } catch {
                    problem = error
                    return false
                }
            }
            if let problem { throw problem }
            lines += found
        } else if root["submitted_at"] != nil {
            lines.append(try TraceLine(listed: root))
        } else {
            lines.append(try TraceLine(root))
        }
    }

    private static func workload(_ lines: [TraceLine]) throws(TraceProblem) -> Workload {
        let times = lines.map(\.arrival)
        guard let first = times.min(), let last = times.max() else {
            throw TraceProblem(message: "there are no requests in it")
        }
        guard last - first <= Self.longest else {
            throw TraceProblem(message: "arrival_ms: the last request comes more than a year after the first")
        }
        var tenants = Names()
        var models = Names()
        // Stable: of equal times, the order of the lines decides.
        let sorted = lines.enumerated().sorted { ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset) }
        let arrivals = sorted.map { _, line in
            Arrival(
                at: Self.span(line.arrival - first),
                tenant: tenants.number(line.tenant),
                priority: line.priority,
                promptTokens: line.promptTokens,
                completionTokens: line.completionTokens,
                tokenEstimate: line.tokenEstimate ?? line.promptTokens + line.completionTokens,
                model: models.number(line.model),
                deadline: line.deadline.map { Self.span($0) },
                service: line.service.map { Self.span($0) }
            )
        }
        return Workload(tenants: tenants.all, models: models.all, arrivals: arrivals)
    }

    /// Milliseconds.
    private static func span(_ milliseconds: Double) -> Duration {
        .nanoseconds(Int64(min(9e18, milliseconds * 1e6).rounded()))
    }

    private struct Names {
        private(set) var all: [String] = []
        private var numbers: [String: Int] = [:]

        mutating func number(_ name: String) -> Int {
            if let known = self.numbers[name] { return known }
            self.numbers[name] = self.all.count
            self.all.append(name)
            return self.all.count - 1
        }
    }
}
