/// Writes a page in Prometheus' text format 0.0.4, or in OpenMetrics' 1.0.0.
package struct PrometheusText {
    package enum Format: Sendable {
        case prometheus
        case openMetrics

        package var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    private let format: Format
    private var bytes: [UInt8] = []

    package static func write(_ page: MetricPage, as format: Format) -> [UInt8] {
        var text = PrometheusText(format: format)
        text.bytes.reserveCapacity(64 << 10)
        for family in page.families { text.write(family, page) }
        if format == .openMetrics { text.add("# EOF\n") }
        return text.bytes
    }

    private init(format: Format) { self.format = format }

    private mutating func write(_ family: MetricPage.Family, _ page: MetricPage) {
        // What a counter's samples are called: in the older format the family is called so too.
        let counted = family.kind == .counter ? family.name + "_total" : family.name
        let name = self.format == .openMetrics ? family.name : counted
        self.add("# HELP \(name) \(Self.escaped(family.help, quotes: self.format == .openMetrics))\n")
        self.add("# TYPE \(name) \(family.kind.rawValue)\n")
        if self.format == .openMetrics, let unit = family.unit { self.add("# UNIT \(name) \(unit.rawValue)\n") }
        for point in family.points {
            let labels = Self.labels(point.labels)
            switch point.value {
            case .number(let value):
                self.add(counted)
                if !labels.isEmpty { self.add("{\(labels)}") }
                self.add(" \(Self.number(value))\n")
            case .histogram(let histogram):
                self.write(histogram, family.name, labels, page)
            }
        }
    }

    private mutating func write(_ histogram: Histogram, _ name: String, _ labels: String, _ page: MetricPage) {
        let start = "\(name)_bucket{\(labels)\(labels.isEmpty ? "" : ",")le=\""
        var total: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            total &+= count
            self.add(start)
            self.add(index < histogram.bounds.upper.count ? self.bound(histogram.bounds, index) : "+Inf")
            self.add("\"} ")
            self.add(String(total))
            if self.format == .openMetrics, index < histogram.exemplars.count, let last = histogram.exemplars[index] {
                self.write(last, of: histogram, page)
            }
            self.bytes.append(0x0A)
        }
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        self.add("\(name)_sum\(braces) \(Self.number(histogram.sum))\n")
        self.add("\(name)_count\(braces) \(histogram.count)\n")
    }

    /// OpenMetrics wants bounds written as floating point numbers.
    private func bound(_ bounds: BucketBounds, _ index: Int) -> String {
        let text = bounds.texts[index]
        return self.format == .openMetrics && !text.contains(".") ? text + ".0" : text
    }

    private mutating func write(_ exemplar: Exemplar, of histogram: Histogram, _ page: MetricPage) {
        let trace = exemplar.trace
        let nanoseconds = page.unixNanoseconds(exemplar.at)
        self.add(" # {trace_id=\"\(trace.traceText)\",span_id=\"\(trace.spanText)\"} ")
        self.add(Self.number(histogram.told(exemplar)))
        self.add(" \(nanoseconds / 1_000_000_000).")
        let milliseconds = String(nanoseconds / 1_000_000 % 1_000)
        self.add(String(repeating: "0", count: 3 - milliseconds.utf8.count) + milliseconds)
    }

    private mutating func add(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    // MARK: Words

    private static func labels(_ labels: [MetricPage.Label]) -> String {
        var text = ""
        for (name, value) in labels {
            if !text.isEmpty { text += "," }
            text += name.contains(".") ? String(name.map { $0 == "." ? "_" : $0 }) : name
            text += "=\""
            text += Self.escaped(value, quotes: true)
            text += "\""
        }
        return text
    }

    /// As Go's `ParseFloat` reads it, which is what the formats refer to.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : value.description
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return text }
        var result = ""
        // By scalars: as a character, CR LF is one that is not LF.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += quotes ? "\\\"" : "\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension PrometheusText.Format {
    /// The format that a scraper likes best of those that we write, by the `Accept` it sends.
    ///
    /// The older one unless the newer one is asked for by name.
    package init(accept: String?) {
        self = .prometheus
        guard let accept else { return }
        var best = (openMetrics: 0.0, text: 0.0)
        for range in accept.split(separator: ",").prefix(32) {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let type = parts.first else { continue }
            let quality = parts.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            switch type {
            case "application/openmetrics-text":
                let version = parts.first { $0.hasPrefix("version=") }?.dropFirst(8)
                if version == nil || version == "1.0.0" || version == "0.0.1" {
                    best.openMetrics = max(best.openMetrics, quality)
                }
            case "text/plain", "text/*": best.text = max(best.text, quality)
            default: break
            }
        }
        if best.openMetrics > 0, best.openMetrics >= best.text { self = .openMetrics }
    }
}
