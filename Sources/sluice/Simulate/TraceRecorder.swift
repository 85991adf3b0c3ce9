import SluiceSimulator
import SluiceWire

/// Makes a trace of what a running system remembers.
enum TraceRecorder {
    private static let mostPages = 10_000

    /// - Parameter get: asks the operator API.
    static func record(_ get: (String) throws -> [UInt8]) throws -> [String] {
        var lines: [TraceLine] = []
        var path = "/api/requests?state=ended&limit=1000"
        for _ in 0..<Self.mostPages {
            let (page, next) = try JSON.read(try get(path)) { root throws(TraceProblem) in
                try Self.page(root)
            }
            lines += page
            guard let next else { break }
            path = "/api/requests?state=ended&limit=1000&cursor=\(ClientCommand.escaped(next))"
        }
        let first = lines.map(\.arrival).min() ?? 0
        return lines.enumerated().sorted { ($0.element.arrival, $1.offset) < ($1.element.arrival, $0.offset) }
            .map { _, line in
                var shifted = line
                // Wall clock is told in milliseconds, spans to the nanosecond, of which a microsecond is plenty.
                shifted.arrival = (line.arrival - first).rounded()
                shifted.deadline = line.deadline?.rounded()
                shifted.service = line.service.map { ($0 * 1_000).rounded() / 1_000 }
                return shifted.text
            }
    }

    private static func page(_ root: JSONValue) throws(TraceProblem) -> (lines: [TraceLine], next: String?) {
        var lines: [TraceLine] = []
        var problem: TraceProblem?
        root["requests"]?.forEachElement { element in
            do throws(TraceProblem) {
                lines.append(try TraceLine(listed: element))
                return true
            } catch {
                problem = error
                return false
            }
        }
        if let problem { throw problem }
        return (lines, root["next_cursor"]?.string)
    }
}
