/// What becomes of spans, for `/metrics`.
package struct ExportMetrics: MetricSource {
    private let exporters: [any SpanExporting]

    package init(_ exporters: [any SpanExporting]) { self.exporters = exporters }

    /// Nothing without exporters.
    package func write(to page: inout MetricPage) {
        guard !self.exporters.isEmpty else { return }
        let figures = self.exporters.map { ($0.name, $0.figures) }
        page.family("sluice_spans_delivered_total", .counter, "Spans that were taken.")
        for (name, figures) in figures { page.sample([("exporter", name)], Double(figures.delivered)) }
        page.family("sluice_spans_lost_total", .counter, "Spans that were not delivered, by the reason.")
        for (name, figures) in figures {
            page.sample([("exporter", name), ("reason", "queue_full")], Double(figures.lostInQueue))
            page.sample([("exporter", name), ("reason", "spool_full")], Double(figures.lostInSpool))
            page.sample([("exporter", name), ("reason", "refused")], Double(figures.refused))
        }
        page.family("sluice_span_export_failures_total", .counter, "Deliveries that have to be tried again.")
        for (name, figures) in figures { page.sample([("exporter", name)], Double(figures.failures)) }
        page.family("sluice_spans_waiting", .gauge, "Spans that wait to be taken.")
        for (name, figures) in figures { page.sample([("exporter", name)], Double(figures.waitingSpans)) }
        page.family("sluice_span_spool_bytes", .gauge, "What they take in memory.")
        for (name, figures) in figures { page.sample([("exporter", name)], Double(figures.waitingBytes)) }
    }
}
