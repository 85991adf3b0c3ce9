import SluiceBasics
import SluiceWire

/// How OTLP is spoken to an endpoint.
package struct OTLPSettings: Sendable, Equatable {
    package enum Encoding: String, Sendable, CaseIterable {
        case protobuf = "http/protobuf"
        case json = "http/json"
    }

    /// Whole, with its path.
    package var url: String
    package var headers: [(name: String, value: String)]
    package var encoding: Encoding
    package var isCompressed: Bool
    package var timeout: Duration

    package init(
        url: String,
        headers: [(name: String, value: String)] = [],
        encoding: Encoding = .protobuf,
        isCompressed: Bool = false,
        timeout: Duration = .seconds(10)
    ) {
        self.url = url
        self.headers = headers
        self.encoding = encoding
        self.isCompressed = isCompressed
        self.timeout = timeout
    }

    package static func == (left: OTLPSettings, right: OTLPSettings) -> Bool {
        left.url == right.url && left.encoding == right.encoding && left.isCompressed == right.isCompressed
            && left.timeout == right.timeout && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }
}

/// Spans to an OpenTelemetry receiver over HTTP.
package struct OTLPDelivery: SpanDelivery {
    package let name = "otlp"
    package let settings: OTLPSettings
    private static let maximumAnswer = 4 << 20

    package init(_ settings: OTLPSettings) { self.settings = settings }

    package var compression: SpanCompression { self.settings.isCompressed ? .gzip : .none }
    package var joins: Bool { self.settings.encoding == .protobuf }
    package var preparations: [HTTPClientRequest] { [] }

    package func request(_ body: [UInt8], isCompressed: Bool) -> HTTPClientRequest {
        let isJSON = self.settings.encoding == .json
        var headers = HTTPFields([
            ("Content-Type", isJSON ? "application/json" : "application/x-protobuf"),
            ("User-Agent", "sluice"),
        ])
        if isCompressed { headers.append("Content-Encoding", "gzip") }
        for (name, value) in self.settings.headers { headers.append(name, value) }
        return HTTPClientRequest(
            url: self.settings.url,
            headers: headers,
            body: body,
            timeout: self.settings.timeout,
            maximumResponseBytes: Self.maximumAnswer
        )
    }

    /// The specification's list: these may be tried again, and no others.
    package func verdict(_ answer: HTTPClientResponse, now: Int) -> SpanVerdict {
        switch answer.status {
        case 200..<300:
            let partial = PartialSuccess(answer, isJSON: self.settings.encoding == .json)
            return .taken(rejected: partial.rejected, message: partial.message)
        case 429, 502, 503, 504:
            return .later(
                after: SpanVerdict.patience(answer.headers),
                message: "status \(answer.status)",
                isAboutBatch: false
            )
        default: return .refused(SpanVerdict.words(answer))
        }
    }
}

/// What a receiver says of spans that it has not taken, though it has taken the request.
struct PartialSuccess: Sendable, Equatable {
    private(set) var rejected = 0
    private(set) var message: String?

    init(_ answer: HTTPClientResponse, isJSON: Bool) {
        let isJSON = answer.headers["content-type"].map { $0.hasPrefix("application/json") } ?? isJSON
        if isJSON { self.read(json: answer.body) } else { self.read(protobuf: answer.body) }
    }

    private mutating func read(json: [UInt8]) {
        let found = try? JSON.read(json) { document -> (Int, String?)? in
            guard let partial = document["partialSuccess"] else { return nil }
            let count = partial["rejectedSpans"]
            return (count?.int ?? count?.string.flatMap { Int($0) } ?? 0, partial["errorMessage"]?.string)
        }
        guard let pair = found ?? nil else { return }
        self.rejected = pair.0
        self.message = pair.1.flatMap { $0.isEmpty ? nil : String($0.prefix(200)) }
    }

    private mutating func read(protobuf: [UInt8]) {
        var reader = ProtobufReader(protobuf[...])
        while let field = reader.next() {
            guard field.number == 1, case .bytes(let inner) = field.value else { continue }
            var reader = ProtobufReader(inner)
            while let field = reader.next() {
                switch (field.number, field.value) {
                case (1, .number(let count)): self.rejected = Int(clamping: Int64(bitPattern: count))
                case (2, .bytes(let text)) where !text.isEmpty:
                    self.message = String(decoding: text.prefix(200), as: UTF8.self)
                default: break
                }
            }
        }
    }
}

/// Fields of a protobuf message, in order; ends at the first that makes no sense.
struct ProtobufReader {
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    mutating func next() -> (number: Int, value: Value)? {
        guard let tag = self.varint() else { return nil }
        let number = Int(truncatingIfNeeded: tag >> 3)
        switch tag & 7 {
        case 0: return self.varint().map { (number, .number($0)) }
        case 1: return self.fixed(8).map { (number, .number($0)) }
        case 5: return self.fixed(4).map { (number, .number($0)) }
        case 2:
            guard let size = self.varint(), size <= UInt64(self.rest.count) else { return nil }
            let bytes = self.rest.prefix(Int(size))
            self.rest = self.rest.dropFirst(Int(size))
            return (number, .bytes(bytes))
        default: return nil
        }
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0 as UInt64, to: 64, by: 7) {
            guard let byte = self.rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func fixed(_ size: Int) -> UInt64? {
        guard self.rest.count >= size else { return nil }
        var value: UInt64 = 0
        for index in 0..<size {
            guard let byte = self.rest.popFirst() else { return nil }
            value |= UInt64(byte) << UInt64(index * 8)
        }
        return value
    }
}
