import SluiceBasics
import SluiceWire

/// Where one kind of telemetry goes by OTLP over HTTP, as OpenTelemetry's environment variables say it.
package struct OTLPEndpoint: Sendable {
    package enum Signal: String, Sendable {
        case traces
        case metrics

        var variable: String { self == .traces ? "TRACES" : "METRICS" }
    }

    package enum Encoding: String, Sendable, CaseIterable {
        case protobuf = "http/protobuf"
        case json = "http/json"
    }

    /// A variable that says what cannot be.
    package struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
        package var variable: String
        package var message: String

        package var description: String { "\(self.variable): \(self.message)" }
    }

    /// Whole, with its path.
    package var url: String
    package var headers: [(name: String, value: String)] = []
    package var encoding = Encoding.protobuf
    package var isCompressed = false
    /// Of one call.
    package var timeout = Duration.seconds(10)

    /// Largest answer that is read, in bytes.
    private static let maximumAnswer = 1 << 20

    package init(url: String) { self.url = url }

    /// - Returns: `nil` where nothing is to be sent: exported is what an endpoint is named for, or what
    ///   `OTEL_…_EXPORTER` wants to be exported.
    package static func read(
        _ signal: Signal,
        _ environment: [String: String]
    ) throws(Problem) -> OTLPEndpoint? {
        let variables = OTELVariables(environment)
        guard !variables.isDisabled else { return nil }
        let name = signal.variable
        let exporters = variables.text("OTEL_\(name)_EXPORTER")?.split(separator: ",").map { OTELVariables.trim($0) }
        if let exporters, !exporters.contains("otlp") { return nil }
        let own = variables.text("OTEL_EXPORTER_OTLP_\(name)_ENDPOINT")
        let common = variables.text("OTEL_EXPORTER_OTLP_ENDPOINT")
        guard own != nil || common != nil || exporters != nil else { return nil }
        let base = common ?? "http://localhost:4318"
        let url = own ?? "\(base.hasSuffix("/") ? String(base.dropLast()) : base)/v1/\(signal.rawValue)"
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw Problem(
                variable: own == nil ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_\(name)_ENDPOINT",
                message: "must begin with http:// or https://"
            )
        }
        var endpoint = OTLPEndpoint(url: url)
        try endpoint.read(variables, name)
        return endpoint
    }

    private mutating func read(_ variables: OTELVariables, _ name: String) throws(Problem) {
        if let (variable, text) = variables.either("OTEL_EXPORTER_OTLP_\(name)_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
            self.headers = OTELVariables.pairs(text)
            let isSound = self.headers.allSatisfy { header in
                header.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
                    && header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            }
            guard isSound else { throw Problem(variable: variable, message: "holds what no header may hold") }
        }
        if let (variable, text) = variables.either(
            "OTEL_EXPORTER_OTLP_\(name)_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL"
        ) {
            guard let encoding = Encoding(rawValue: text) else {
                throw Problem(variable: variable, message: "'\(text)' is neither http/protobuf nor http/json")
            }
            self.encoding = encoding
        }
        if let (variable, text) = variables.either(
            "OTEL_EXPORTER_OTLP_\(name)_COMPRESSION",
            "OTEL_EXPORTER_OTLP_COMPRESSION"
        ) {
            guard text == "gzip" || text == "none" else {
                throw Problem(variable: variable, message: "'\(text)' is neither gzip nor none")
            }
            self.isCompressed = text == "gzip"
        }
        if let (variable, text) = variables.either("OTEL_EXPORTER_OTLP_\(name)_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            self.timeout = try OTELVariables.milliseconds(text, variable)
        }
    }

    /// A call that brings a document.
    package func request(_ document: [UInt8]) -> HTTPClientRequest {
        var headers = HTTPFields([
            ("Content-Type", self.encoding == .json ? "application/json" : "application/x-protobuf"),
            ("User-Agent", "sluice"),
        ])
        var body = document
        if self.isCompressed, let smaller = Gzip.compress(document) {
            body = smaller
            headers.append("Content-Encoding", "gzip")
        }
        for (name, value) in self.headers { headers.append(name, value) }
        return HTTPClientRequest(
            url: self.url,
            headers: headers,
            body: body,
            timeout: self.timeout,
            maximumResponseBytes: Self.maximumAnswer
        )
    }
}

/// OpenTelemetry's environment variables: an empty one is none.
package struct OTELVariables: Sendable {
    private let environment: [String: String]

    package init(_ environment: [String: String]) { self.environment = environment }

    package func text(_ name: String) -> String? {
        guard let text = self.environment[name].map({ Self.trim($0[...]) }), !text.isEmpty else { return nil }
        return text
    }

    package func either(_ first: String, _ second: String) -> (name: String, text: String)? {
        if let text = self.text(first) { return (first, text) }
        return self.text(second).map { (second, $0) }
    }

    package var isDisabled: Bool { self.text("OTEL_SDK_DISABLED")?.lowercased() == "true" }

    /// - Throws: for what is no count of milliseconds from 1 to a day.
    package static func milliseconds(_ text: String, _ variable: String) throws(OTLPEndpoint.Problem) -> Duration {
        guard let number = Int(text), number > 0, number <= 86_400_000 else {
            throw OTLPEndpoint.Problem(
                variable: variable,
                message: "'\(text)' is no number of milliseconds up to a day"
            )
        }
        return .milliseconds(number)
    }

    /// `name=value,name=value`, percent-encoded. What has no `=` is passed over.
    package static func pairs(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: ",").compactMap { pair in
            guard let equals = pair.firstIndex(of: "=") else { return nil }
            let name = Self.trim(pair[..<equals])
            let value = Self.decoded(Self.trim(pair[pair.index(after: equals)...]))
            return name.isEmpty ? nil : (name, value)
        }
    }

    static func trim(_ text: Substring) -> String {
        let start = text.drop { $0 == " " || $0 == "\t" }
        var end = start
        while let last = end.last, last == " " || last == "\t" { end.removeLast() }
        return String(end)
    }

    private static func decoded(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let byte = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                result.append(byte)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
