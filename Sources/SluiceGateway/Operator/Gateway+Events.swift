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
                "As many watchers as are allowed are connected already. Try again in about 5 s.",
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
                let ticker = self.spawn {
                    while !Task.isCancelled {
                        do { try await self.sleep(self.configuration.poolsInterval) } catch { return }
                        subscription.nudge()
                    }
                }
                defer {
                    ticker.cancel()
                    feed.unsubscribe(subscription)
                }
                try await self.follow(subscription, writer, for: request.headers)
            }
        )
    }

    /// Steps as they come; the pools when they have changed, but not more often than their interval; a comment when
    /// there has been nothing to say for the length of a heartbeat.
    private func follow(
        _ subscription: EventFeed.Subscription,
        _ writer: any HTTPBodyWriter,
        for headers: HTTPFields
    ) async throws {
        var keys = self.keys.version
        var shown = PoolsView(self.dispatcher.pools(), at: self.clock.now())
        try await writer.write(SSEWriter.event(name: "pools", data: self.poolsEvent(shown.pools)))
        var spokeAt = shown.at
        while let items = await subscription.next() {
            if keys != self.keys.version {
                // A key that has been taken away does not watch any longer.
                keys = self.keys.version
                guard try self.keys.caller(headers).seesAll else { return }
            }
            let now = self.clock.now()
            var bytes = self.encode(items)
            if now - shown.at >= self.configuration.poolsInterval {
                let view = PoolsView(self.dispatcher.pools(), at: now)
                if view.differs(from: shown) {
                    bytes += SSEWriter.event(name: "pools", data: self.poolsEvent(view.pools))
                    shown = view
                }
            }
            if bytes.isEmpty && now - spokeAt >= self.configuration.heartbeat { bytes = Self.heartbeat }
            if !bytes.isEmpty {
                try await writer.write(bytes)
                spokeAt = now
            }
            if self.draining && self.dispatcher.liveCount == 0 { return }
        }
    }

    static let heartbeat = Array(": \n\n".utf8)

    /// What a watcher has been shown of the pools.
    private struct PoolsView {
        let pools: [PoolStatus]
        let at: Instant

        init(_ pools: [PoolStatus], at: Instant) {
            self.pools = pools
            self.at = at
        }

        /// Whether anything but ages is different.
        func differs(from other: PoolsView) -> Bool { self.timeless != other.timeless }

        private var timeless: [PoolStatus] {
            self.pools.map { pool in
                var pool = pool
                // Since when, rather than for how long.
                pool.oldestQueuedAge = pool.oldestQueuedAge.map { (self.at - $0) - .zero }
                pool.breaker.opensProbeIn = pool.breaker.opensProbeIn.map { (self.at + $0) - .zero }
                for index in pool.targets.indices {
                    pool.targets[index].coolsFor = pool.targets[index].coolsFor.map { (self.at + $0) - .zero }
                }
                return pool
            }
        }
    }

    private func poolsEvent(_ pools: [PoolStatus]) -> [UInt8] {
        // With their lists, as they were when somebody last looked.
        let known = Dictionary(self.knownPools().map { ($0.name, $0) }) { first, _ in first }
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            json.array("pools") { json in
                for pool in pools {
                    let shown = known[pool.configuration.name]?.showing(pool)
                    json.object { self.write(shown ?? self.known(pool), to: &$0) }
                }
            }
        }
        return json.bytes
    }

    private func encode(_ items: [FeedItem]) -> [UInt8] {
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
        return bytes
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
