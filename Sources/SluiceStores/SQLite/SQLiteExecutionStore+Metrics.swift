import SluiceTelemetry

extension SQLiteExecutionStore: MetricSource {
    package func write(to page: inout MetricPage) {
        let (waiting, lost) = self.load
        page.single(
            "sluice_history_waiting",
            .gauge,
            "Ended requests that wait to be written to history.",
            Double(waiting)
        )
        page.single(
            "sluice_history_lost_total",
            .counter,
            "Ended requests that history could not keep up with.",
            Double(lost)
        )
    }
}
