import SluiceBasics

/// Everything that is measured, at one moment, before it is written in some format.
///
/// Families come in the order in which they were begun; one name begins once.
package struct MetricPage: Sendable {
    package enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    /// Names are as OTLP has them: those of GenAI's conventions have dots.
    package typealias Label = (name: String, value: String)

    package enum Value: Sendable {
        case number(Double)
        case histogram(Histogram)
    }

    package struct Point: Sendable {
        package var labels: [Label]
        package var value: Value
    }

    package struct Family: Sendable {
        /// As Prometheus has it, without a counter's `_total`.
        package var name: String
        /// As OTLP has it. Translated by the usual rules it becomes `name` again.
        package var instrument: String
        package var kind: Kind
        package var help: String
        package var unit: MetricUnit?
        package var points: [Point] = []
    }

    package private(set) var families: [Family] = []
    /// Nanoseconds since 1970.
    package let takenAt: Int64
    /// What an `Instant` lacks to be nanoseconds since 1970.
    private let epoch: Int64

    package init(clock: any TimeSource) {
        self.takenAt = clock.wallClockNanoseconds()
        self.epoch = self.takenAt &- clock.now().nanoseconds
        self.families.reserveCapacity(96)
    }

    /// Nanoseconds since 1970.
    package func unixNanoseconds(_ instant: Instant) -> Int64 { self.epoch &+ instant.nanoseconds }

    /// - Parameter name: as Prometheus has it, a counter's with `_total`; its unit is the name's last word.
    package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        let base = kind == .counter && name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        let unit = MetricUnit.allCases.first { base.hasSuffix("_" + $0.rawValue) }
        self.families.append(
            Family(name: base, instrument: Self.instrument(base, unit), kind: kind, help: help, unit: unit)
        )
    }

    /// - Parameters:
    ///   - instrument: OTLP's name, with dots.
    ///   - unit: `nil`: things that are counted, e.g. tokens.
    package mutating func family(instrument: String, _ kind: Kind, unit: MetricUnit?, _ help: String) {
        var name = String(instrument.map { $0 == "." ? "_" : $0 })
        if let unit { name += "_" + unit.rawValue }
        self.families.append(Family(name: name, instrument: instrument, kind: kind, help: help, unit: unit))
    }

    /// Of the family that was begun last.
    package mutating func sample(_ labels: [Label], _ value: Double) {
        self.add(Point(labels: labels, value: .number(value)))
    }

    /// Of the family that was begun last.
    package mutating func histogram(_ labels: [Label], _ histogram: Histogram) {
        self.add(Point(labels: labels, value: .histogram(histogram)))
    }

    /// A family of one value without labels.
    package mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.family(name, kind, help)
        self.sample([], value)
    }

    private mutating func add(_ point: Point) {
        guard let last = self.families.indices.last else { return }
        self.families[last].points.append(point)
    }

    /// `sluice_queue_wait_seconds` → `sluice.queue_wait`. The first dispatchers' names stay as they were.
    private static func instrument(_ name: String, _ unit: MetricUnit?) -> String {
        guard let prefix = ["sluice_", "process_"].first(where: { name.hasPrefix($0) }) else { return name }
        var rest = name.dropFirst(prefix.count)
        if let unit, unit.isTranslated { rest = rest.dropLast(unit.rawValue.count + 1) }
        return prefix.dropLast() + "." + rest
    }
}

/// What a metric is measured in: the last word of its name.
package enum MetricUnit: String, Sendable, CaseIterable {
    case seconds
    case bytes
    case dollars

    /// As OTLP writes it (UCUM).
    package var code: String {
        switch self {
        case .seconds: "s"
        case .bytes: "By"
        case .dollars: "{USD}"
        }
    }

    /// Whether the translation of OTLP's names to Prometheus' adds the word for this code.
    var isTranslated: Bool { self != .dollars }
}

/// Who has more to tell than the pools' metrics.
package protocol MetricSource: Sendable {
    /// Called for every reading, on the thread of whoever reads; must be quick.
    func write(to page: inout MetricPage)
}
