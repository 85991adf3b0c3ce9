import SluiceEngine
import SluiceFabric
import SluiceTelemetry
import SluiceWire

extension Gateway {
    /// Everything that this process measures, now.
    package func metricPage() async -> MetricPage {
        var page = self.telemetry.metrics.newPage()
        // Asked for first: a wait, after which the rest is of one moment.
        let fabric: FabricMetrics? = if let fabric = self.fabric { await self.fabricMetrics(fabric) } else { nil }
        self.telemetry.metrics.write(to: &page, pools: self.dispatcher.pools())
        for source in self.metricSources { source.write(to: &page) }
        if let cache = self.cache { cache.write(to: &page) }
        WebhookMetrics.write(self.watch.webhooks, to: &page)
        fabric?.write(to: &page)
        return page
    }

    func metrics(_ request: HTTPRequest) async -> HTTPResponse {
        let format = PrometheusText.Format(accept: request.headers["Accept"])
        return HTTPResponse(
            headers: HTTPFields([("Content-Type", format.contentType), ("Vary", "Accept")]),
            body: .bytes(PrometheusText.write(await self.metricPage(), as: format))
        )
    }
}
