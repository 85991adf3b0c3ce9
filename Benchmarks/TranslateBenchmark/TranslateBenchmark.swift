import Glibc
import SluiceProviders
import SluiceWire

/// Measures what translating costs: a chat request of 2 KB, its answer of 2 KB and each chunk of its stream, for every
/// provider behind OpenAI's face and for every face in front of OpenAI's JSON. No network, no HTTP; reading and writing
/// JSON are included on both sides.
///
///     swift run -c release translate-benchmark [rounds [name]]
///
/// With a name, of that one only.
/// Prints CPU time of the thread, the median of the rounds, the parts interleaved; then one line of JSON. Exit code 1
/// when an aim is missed: 15 µs for a request or an answer, 3 µs for a chunk.
@main
enum TranslateBenchmark {
    static let aims = [15.0, 15.0, 3.0]
    private static let defaultRounds = 21
    private static let repetitions = 400

    static func main() throws {
        let rounds = max(3, CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? Self.defaultRounds)
        let name = CommandLine.arguments.dropFirst(2).first
        let subjects = try (ProviderSubject.all() + FaceSubject.all()).filter { name == nil || $0.name == name }
        var costs = subjects.map { $0.parts.map { _ in [Double]() } }
        for round in 0...rounds {
            for (index, subject) in subjects.enumerated() {
                for (place, part) in subject.parts.enumerated() {
                    let cost = try Self.measure(part)
                    // The first round warms up.
                    if round > 0 { costs[index][place].append(cost) }
                }
            }
        }
        let medians = costs.map { parts in parts.map { $0.sorted()[$0.count / 2] } }
        let isMet = zip(subjects, medians).allSatisfy { subject, figures in
            zip(figures, subject.parts).allSatisfy { $0 <= Self.aims[$1.aim] }
        }
        Self.report(subjects, medians)
        exit(isMet ? 0 : 1)
    }

    /// Microseconds for one of them.
    private static func measure(_ part: Part) throws -> Double {
        let times = max(1, Self.repetitions / part.count)
        let start = Self.processorNanoseconds()
        for _ in 0..<times { try part.run() }
        return Double(Self.processorNanoseconds() - start) / Double(times * part.count) / 1_000
    }

    private static func processorNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func report(_ subjects: [Subject], _ medians: [[Double]]) {
        print(Self.row("µs of CPU", ["request", "answer", "chunk"], ["request", "answer"]))
        for (subject, figures) in zip(subjects, medians) {
            let marked = zip(figures, subject.parts).map { figure, part in
                Self.rounded(figure) + (figure > Self.aims[part.aim] ? "!" : " ")
            }
            print(Self.row(subject.name, marked, subject.parts.prefix(2).map { "\($0.bytes) B" }))
        }
        let fields = zip(subjects, medians).map { subject, figures in
            "\"\(subject.name)\":[\(figures.map(Self.rounded).joined(separator: ","))]"
        }
        print("{\"benchmark\":\"translate\",\(fields.joined(separator: ","))}")
    }

    private static func row(_ name: String, _ figures: [String], _ sizes: [String]) -> String {
        Self.padded(name, 24)
            + (figures + sizes).map { text in
                String(repeating: " ", count: max(1, 11 - text.count)) + text
            }.joined()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func rounded(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = "\(hundredths % 100)"
        return "\(hundredths / 100)." + String(repeating: "0", count: max(0, 2 - fraction.count)) + fraction
    }
}

/// Something that is translated.
struct Part {
    /// Which of the aims holds for it.
    var aim: Int
    /// How many are translated in one run.
    var count = 1
    /// Bytes of one as they come in.
    var bytes: Int
    var run: () throws -> Void
}

/// A provider or a face: its request, its answer, its chunks.
struct Subject {
    var name: String
    var parts: [Part]
}

enum Fault: Error {
    /// The benchmark's own samples are wrong.
    case sample(String)
}
