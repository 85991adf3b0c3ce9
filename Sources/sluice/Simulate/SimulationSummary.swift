import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceSimulator
import SluiceWire

/// What policies made of a workload, for people and for machines.
struct SimulationSummary {
    let options: SimulateOptions
    let workload: PreparedWorkload
    let reports: [SimulationReport]

    // MARK: Text

    func text(style: TextStyle, display: DisplayText) -> String {
        var text = display.clean(self.workload.name) + ": " + self.heading + "\n\n" + self.totals.render(style: style)
        if self.options.limit != nil { text += "\n" + self.limits.render(style: style) }
        return text + "\n" + self.waits(style, display).render(style: style)
    }

    private var heading: String {
        let requests = self.workload.workload.arrivals.count
        let tenants = self.workload.workload.tenants.count
        var facts = [
            Self.counted(requests, "request"), "of " + Self.counted(tenants, "tenant"),
            Self.counted(self.options.slots, "slot"), "seed \(self.options.seed)",
        ]
        if let rate = self.workload.rate { facts.append("\(Self.decimal(rate, 3)) a second") }
        if let load = self.workload.load { facts.append("load \(Self.decimal(load, 3))") }
        if let loop = self.workload.workload.loop { facts.append(Self.counted(loop.users, "user")) }
        return self.workload.explanation + "\n" + facts.joined(separator: ", ")
    }

    private var totals: TextTable {
        var table = TextTable([
            ("POLICY", .left), ("IN TIME", .right), ("MISSED", .right), ("REFUSED", .right), ("SHED", .right),
            ("EXPIRED", .right), ("GOODPUT/S", .right), ("TOKENS/S", .right), ("BUSY", .right), ("IDLE", .right),
            ("JAIN", .right),
        ])
        for report in self.reports {
            table.add([
                .init(report.policy), .init("\(report.inTime)"), .init("\(report.missed)"),
                .init("\(report.refused)"), .init("\(report.shed)"), .init("\(report.expired)"),
                .init(Self.decimal(report.goodput, 3)), .init(Self.decimal(report.tokenGoodput, 0)),
                .init(Self.percent(report.utilization)), .init(Self.percent(report.idle)),
                .init(Self.decimal(report.fairness, 4)),
            ])
        }
        return table
    }

    private var limits: TextTable {
        var table = TextTable([
            ("LIMIT", .left), ("TOKENS USED", .right), ("TOKENS PEAK", .right), ("REQUESTS USED", .right),
            ("REQUESTS PEAK", .right), ("MINUTES", .right),
        ])
        for report in self.reports {
            table.add([
                .init(report.policy), .init(Self.percent(report.limit?.tokenShare)),
                .init(Self.percent(report.limit?.tokenPeak)), .init(Self.percent(report.limit?.requestShare)),
                .init(Self.percent(report.limit?.requestPeak)), .init("\(report.limit?.minutes ?? 0)"),
            ])
        }
        return table
    }

    /// Tenants of which a table for people has rows.
    private static let mostTenants = 12

    private func waits(_ style: TextStyle, _ display: DisplayText) -> TextTable {
        var table = TextTable([
            ("WAIT, S", .left), ("POLICY", .left), ("REQUESTS", .right), ("IN TIME", .right), ("MEAN", .right),
            ("P50", .right), ("P95", .right), ("P99", .right), ("MAX", .right),
        ])
        let groups = self.reports.first?.waits.map(\.group) ?? []
        var tenants = 0
        for group in groups {
            if case .tenant = group { tenants += 1 }
            guard tenants <= Self.mostTenants else { break }
            for (number, report) in self.reports.enumerated() {
                guard let wait = report.wait(group) else { continue }
                let name = number == 0 ? group.name : ""
                table.add([
                    .init(display.clean(name), style.bold), .init(report.policy), .init("\(wait.requests)"),
                    .init("\(wait.inTime)"), .init(Self.decimal(wait.mean, 2)), .init(Self.decimal(wait.p50, 2)),
                    .init(Self.decimal(wait.p95, 2)), .init(Self.decimal(wait.p99, 2)),
                    .init(Self.decimal(wait.longest, 2)),
                ])
            }
        }
        return table
    }

    private static func counted(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// With so many digits behind the point.
    static func decimal(_ value: Double?, _ digits: Int) -> String {
        guard let value, value.isFinite, abs(value) < 1e15 else { return "-" }
        let scale = (0..<digits).reduce(1) { product, _ in product * 10 }
        let scaled = Int((abs(value) * Double(scale)).rounded())
        let whole = (value < 0 && scaled > 0 ? "-" : "") + "\(scaled / scale)"
        guard digits > 0 else { return whole }
        let fraction = String(scaled % scale)
        return "\(whole).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    private static func percent(_ share: Double?) -> String {
        share.map { "\(Self.decimal($0 * 100, 1)) %" } ?? "-"
    }

    // MARK: JSON

    var document: [UInt8] {
        var json = JSONWriter(reserving: 16 << 10)
        json.object { json in
            json.object("workload") { json in
                json.field("name", self.workload.name)
                json.field("requests", self.workload.workload.arrivals.count)
                json.field("rate", self.workload.rate)
                json.field("load", self.workload.load)
                json.field("seed", self.options.seed)
                json.array("tenants") { json in
                    for tenant in self.workload.workload.tenants { json.value(tenant) }
                }
            }
            json.field("slots", self.options.slots)
            json.array("policies") { json in
                for report in self.reports { json.object { Self.write(report, to: &$0) } }
            }
        }
        return json.bytes
    }

    private static func write(_ report: SimulationReport, to json: inout JSONWriter) {
        json.field("policy", report.policy)
        json.field("requests", report.requests)
        json.field("duration_s", report.duration)
        json.field("in_time", report.inTime)
        json.field("missed", report.missed)
        json.field("refused", report.refused)
        json.field("shed", report.shed)
        json.field("expired", report.expired)
        json.object("outcomes") { json in
            for reason in OutcomeReason.allCases where report.outcomes[reason] > 0 {
                json.field(reason.rawValue, report.outcomes[reason])
            }
        }
        json.field("goodput_per_s", report.goodput)
        json.field("token_goodput_per_s", report.tokenGoodput)
        json.field("busy_share", report.utilization)
        json.field("idle_share", report.idle)
        json.field("jain_index", report.fairness)
        json.field("jain_minutes", report.fairnessMinutes)
        if let limit = report.limit {
            json.object("limit") { json in
                json.field("minutes", limit.minutes)
                json.field("token_share", limit.tokenShare)
                json.field("token_peak", limit.tokenPeak)
                json.field("request_share", limit.requestShare)
                json.field("request_peak", limit.requestPeak)
            }
        } else {
            json.nullField("limit")
        }
        json.array("waits") { json in
            for wait in report.waits {
                json.object { json in
                    json.field("kind", wait.group.kind)
                    json.field("name", wait.group.name)
                    json.field("requests", wait.requests)
                    json.field("in_time", wait.inTime)
                    json.field("mean_s", wait.mean)
                    json.field("p50_s", wait.p50)
                    json.field("p95_s", wait.p95)
                    json.field("p99_s", wait.p99)
                    json.field("max_s", wait.longest)
                }
            }
        }
    }
}
