import SluiceDoctor
import SluiceWire

/// Findings for people and for machines.
struct DoctorReport: Sendable {
    let url: String
    let findings: [DoctorFinding]
    /// Seconds, and how often it looked.
    let watched: Double
    let looks: Int

    func text(style: TextStyle, display: DisplayText) -> String {
        var lines: [String] = []
        for finding in self.findings {
            let place = finding.pool.map { " (pool \($0))" } ?? ""
            lines.append(style.bold(style.red(display.clean(finding.code.symptom + place))))
            lines += Self.block("saw", finding.evidence, style, display)
            lines += Self.block("look at", finding.look, style, display)
            lines.append("")
        }
        let time = self.looks > 1 ? " in \(DoctorChecks.span(self.watched))" : ""
        let looked = DoctorChecks.plural(self.looks, "look") + time
        if self.findings.isEmpty {
            lines.append(style.green("Nothing found") + " at \(display.clean(self.url)) after \(looked).")
        } else {
            lines.append(
                "\(DoctorChecks.plural(self.findings.count, "finding")) at \(display.clean(self.url)) after \(looked)."
            )
        }
        lines.append(style.dim("Not visible from here: " + display.clean(DoctorBlindSpot.fallback)))
        return lines.joined(separator: "\n") + "\n"
    }

    private static func block(
        _ title: String,
        _ texts: [String],
        _ style: TextStyle,
        _ display: DisplayText
    ) -> [String] {
        texts.enumerated().map { index, text in
            let head = index == 0 ? title : ""
            let space = String(repeating: " ", count: 9 - head.count)
            return "  " + style.dim(head) + space + display.cut(display.clean(text), to: 400)
        }
    }

    var document: [UInt8] {
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.field("url", self.url)
            json.field("watched_seconds", self.watched)
            json.field("looks", self.looks)
            json.array("findings") { json in
                for finding in self.findings { json.object { Self.write(finding, &$0) } }
            }
            json.array("not_visible") { $0.value(DoctorBlindSpot.fallback) }
        }
        return json.bytes
    }

    private static func write(_ finding: DoctorFinding, _ json: inout JSONWriter) {
        json.field("code", finding.code.rawValue)
        json.field("symptom", finding.code.symptom)
        json.field("pool", finding.pool)
        json.array("evidence") { json in for text in finding.evidence { json.value(text) } }
        json.object("numbers") { json in
            for (name, value) in finding.numbers.sorted(by: { $0.key < $1.key }) { json.field(name, value) }
        }
        json.array("look_at") { json in for text in finding.look { json.value(text) } }
    }
}
