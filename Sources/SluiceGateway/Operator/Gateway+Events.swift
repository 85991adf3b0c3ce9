import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceWire

// GET /api/events: what changes, as server-sent events.
extension Gateway {
    func events(_ request: HTTPRequest) throws(GatewayError) -> HTTPResponse {
        guard let subscription = self.telemetry.feed.subscribe() else {
            throw .unavailable(
                "As many watchers as are allowed are connected already.",
                code: "too_many_watchers",
                retryAfter: 5
            )
        }
        let feed = self.telemetry.feed
        let headers = HTTPFields([
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
        ])
        return HTTPResponse(
            headers: headers,
            body: .stream { writer in
                let heartbeat = self.spawn {
                    while !Task.isCancelled {
                        do { try await self.sleep(self.configuration.heartbeat) } catch { return }
                        subscription.nudge()
                    }
                }
                defer {
                    heartbeat.cancel()
                    feed.unsubscribe(subscription)
                }
                try await writer.write(SSEWriter.event(name: "pools", data: self.poolsEvent()))
                while let items = await subscription.next() {
                    try await writer.write(self.encode(items))
                    if self.draining && self.dispatcher.liveCount == 0 { return }
                }
            }
        )
    }

    private func poolsEvent() -> [UInt8] {
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            json.array("pools") { json in
                for pool in self.dispatcher.pools() { json.object { self.write(pool, to: &$0) } }
            }
        }
        return json.bytes
    }

    /// A batch of steps, followed by the pools as they are now; a heartbeat when there are none.
    private func encode(_ items: [FeedItem]) -> [UInt8] {
        guard !items.isEmpty else { return SSEWriter.event(name: "pools", data: self.poolsEvent()) }
        var bytes: [UInt8] = []
        let view = RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds())
        for item in items {
            switch item {
            case .request(let event): bytes += SSEWriter.event(name: "request", data: Self.encode(event, view))
            case .pool: break
            case .missed(let count):
                var json = JSONWriter()
                json.object { $0.field("missed", count) }
                bytes += SSEWriter.event(name: "missed", data: json.bytes)
            }
        }
        return bytes + SSEWriter.event(name: "pools", data: self.poolsEvent())
    }

    private static func encode(_ event: RequestEvent, _ view: RequestView) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("id", event.id.description)
            json.field("pool", event.pool)
            json.field("tenant", event.tenant)
            json.field("model", event.model)
            json.field("state", event.state.rawValue)
            json.field("outcome", event.reason?.outcome.rawValue)
            json.field("reason", event.reason?.rawValue)
            json.field("waiting", event.waiting?.rawValue)
            json.field("attempt", event.attempt)
            json.field("at", view.epoch(event.at))
        }
        return json.bytes
    }
}
