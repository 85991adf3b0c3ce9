import SluiceTelemetry

/// What became of webhooks' messages, for `/metrics`.
enum WebhookMetrics {
    /// Nothing without receivers.
    static func write(_ senders: [WebhookSender], to page: inout MetricPage) {
        guard !senders.isEmpty else { return }
        let senders = senders.sorted { $0.name < $1.name }
        func family(_ name: String, _ kind: MetricPage.Kind, _ help: String, _ value: (WebhookSender) -> Double) {
            page.family(name, kind, help)
            for sender in senders { page.sample([("callback", sender.name)], value(sender)) }
        }
        family("sluice_webhook_delivered_total", .counter, "Messages that the receiver has taken.") {
            Double($0.figures.delivered)
        }
        family("sluice_webhook_failures_total", .counter, "Deliveries that failed, each attempt counted.") {
            Double($0.figures.failures)
        }
        family("sluice_webhook_dropped_total", .counter, "Messages that had to make room or found none.") {
            Double($0.figures.dropped)
        }
        family("sluice_webhook_given_up_total", .counter, "Messages that were not taken at any attempt.") {
            Double($0.figures.givenUp)
        }
        family("sluice_webhook_waiting", .gauge, "Messages that wait or are on their way.") { Double($0.waiting) }
    }
}
