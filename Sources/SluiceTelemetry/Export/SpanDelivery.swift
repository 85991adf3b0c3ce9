import SluiceBasics
import SluiceWire

/// When what is sent is compressed.
package enum SpanCompression: String, Sendable, CaseIterable {
    case none
    /// Only what has to wait, because nobody takes it.
    case outage
    case gzip
}

/// Where spans go and what the answers mean.
package protocol SpanDelivery: Sendable {
    /// For figures and logs.
    var name: String { get }
    var compression: SpanCompression { get }
    /// Whether documents, one after the other, are one document.
    var joins: Bool { get }
    func request(_ body: [UInt8], isCompressed: Bool) -> HTTPClientRequest
    func verdict(_ answer: HTTPClientResponse, now epochSeconds: Int) -> SpanVerdict
    /// What has to be asked, in order, whenever `unprepared` was the verdict.
    var preparations: [HTTPClientRequest] { get }
}

package enum SpanVerdict: Sendable, Equatable {
    /// All but some, which are lost.
    case taken(rejected: Int, message: String?)
    /// - Parameter isAboutBatch: it may be the batch's own fault; otherwise it is the other side's state, and the
    ///   batch can wait for a better one as long as it takes.
    case later(after: Duration?, message: String, isAboutBatch: Bool)
    /// Never, as it is.
    case refused(String)
    /// The other side lacks what `preparations` make.
    case unprepared(String)
}

extension SpanVerdict {
    /// Seconds of `Retry-After`, within an hour.
    static func patience(_ headers: HTTPFields) -> Duration? {
        headers["retry-after"].flatMap { Int($0) }.map { .seconds(min(3_600, max(0, $0))) }
    }

    /// The beginning of what somebody else said, for a log.
    static func words(_ answer: HTTPClientResponse) -> String {
        let text = String(decoding: answer.body.prefix(200), as: UTF8.self)
        return text.isEmpty ? "status \(answer.status)" : "status \(answer.status): \(text)"
    }
}

/// How much is put together, how long it waits, and what may wait.
package struct ExportLimits: Sendable, Equatable {
    /// Ended requests that wait to be encoded.
    package var queue = 32_768
    /// Of these in one go: bounds how long a thread is held.
    package var chunk = 128
    /// A request ends with the execution that reaches one of these.
    package var batchSpans = 8_192
    package var batchBytes = 4 << 20
    /// Longest time before a span is sent.
    package var interval = Duration.seconds(1)
    /// What waits while nobody takes it.
    package var spoolBytes = 64 << 20
    package var leastBackoff = Duration.milliseconds(250)
    package var mostBackoff = Duration.seconds(5)

    package init() {}
}

/// What became of executions.
package struct ExportFigures: Sendable, Equatable {
    package var delivered = 0
    /// Requests that found no place in the queue.
    package var lostInQueue = 0
    /// Spans that had to make room for others while nobody took them.
    package var lostInSpool = 0
    /// Spans that were refused.
    package var refused = 0
    package var failures = 0
    /// Spans and bytes that wait.
    package var waitingSpans = 0
    package var waitingBytes = 0
}
