import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

/// How many may do something at once.
final class Watchers: Sendable {
    private let count = Lock(0)
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    /// `false`: as many as are allowed do already.
    func enter() -> Bool {
        self.count.withLock { count in
            guard count < self.maximum else { return false }
            count += 1
            return true
        }
    }

    func leave() { self.count.withLock { $0 -= 1 } }
}

// GET /api/live/stream: a page of live requests as it changes, as server-sent events.
extension Gateway {
    /// Watchers at once; each costs a look through all live requests, four times a second at most.
    static let maximumLiveWatchers = 32
    private static let liveInterval = Duration.milliseconds(250)
    /// What only time or other processes change is looked at this often.
    private static let slowInterval = Duration.seconds(1)

    func liveStream(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let query = try LiveQuery(request.http)
        let wantsOverview = ["1", "true"].contains(request.parameter("overview") ?? "")
        guard self.liveWatchers.enter() else {
            throw .unavailable(
                "As many watchers as are allowed (\(Self.maximumLiveWatchers)) are connected already. Try again in "
                    + "about 5 s.",
                code: "too_many_watchers",
                retryAfter: 5
            )
        }
        let headers = HTTPFields([
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
        ])
        return HTTPResponse(
            headers: headers,
            body: .stream { writer in
                defer { self.liveWatchers.leave() }
                try await self.watch(query, wantsOverview, request.http.headers, writer)
            }
        )
    }

    private func watch(
        _ query: LiveQuery,
        _ wantsOverview: Bool,
        _ headers: HTTPFields,
        _ writer: any HTTPBodyWriter
    ) async throws {
        var keys = self.keys.version
        var shown = ShownPage()
        var overviewAt: Instant?
        var spokeAt = self.clock.now()
        // What depends on the clock or on other processes changes without a word from the dispatcher.
        let changesByItself = query.minimumAge != nil || self.fabric != nil
        while true {
            if keys != self.keys.version {
                // A key that has been taken away does not watch any longer.
                keys = self.keys.version
                guard try self.keys.caller(headers).seesAll else { return }
            }
            let version = self.dispatcher.version
            let now = self.clock.now()
            let isDue = shown.lookedAt.map { now - $0 >= Self.slowInterval } ?? true
            var bytes: [UInt8] = []
            if version != shown.version || isDue && (changesByItself || shown.showsPlaces) {
                bytes = self.changes(await self.live(query), query, &shown, at: now, refreshes: isDue)
                shown.version = version
            }
            if wantsOverview, overviewAt.map({ now - $0 >= Self.slowInterval }) ?? true {
                overviewAt = now
                bytes += await self.overviewEvent()
            }
            if bytes.isEmpty && now - spokeAt >= self.configuration.heartbeat { bytes = Self.heartbeat }
            if !bytes.isEmpty {
                try await writer.write(bytes)
                spokeAt = now
            }
            if self.draining && self.dispatcher.liveCount == 0 { return }
            try await self.sleep(Self.liveInterval)
        }
    }

    /// What a watcher has been shown.
    private struct ShownPage {
        var version: UInt64?
        var lookedAt: Instant?
        var count: UInt64 = 0
        var order: [String] = []
        var signs: [String: [String]] = [:]
        var totals: [Int] = []
        /// Whether some rows wait in a line, where their places change.
        var showsPlaces = false
    }

    /// The event that brings a watcher from what it has been shown to what is; empty when that is the same.
    private func changes(
        _ page: LiveView,
        _ query: LiveQuery,
        _ shown: inout ShownPage,
        at now: Instant,
        refreshes: Bool
    ) -> [UInt8] {
        let isFull = shown.lookedAt == nil
        let order = page.rows.map(\.id)
        var signs: [String: [String]] = [:]
        signs.reserveCapacity(page.rows.count)
        var changed: [LiveRow] = []
        var showsPlaces = false
        for (id, row) in zip(order, page.rows) {
            let sign = row.sign
            signs[id] = sign
            if row.state == .queued { showsPlaces = true }
            // Places in line change with every start: they are told at leisure.
            if shown.signs[id] != sign || refreshes && row.state == .queued { changed.append(row) }
        }
        let totals = [page.queued, page.inFlight, page.matched]
        let isSame = changed.isEmpty && order == shown.order && totals == shown.totals
        if refreshes || isFull { shown.lookedAt = now }
        (shown.order, shown.signs, shown.totals, shown.showsPlaces) = (order, signs, totals, showsPlaces)
        guard isFull || !isSame else { return [] }
        shown.count += 1
        let view = self.rowView
        var json = JSONWriter(reserving: 512 + 1024 * changed.count)
        json.object { json in
            self.writeHead(page, query, view, to: &json)
            json.field("full", isFull)
            json.array("order") { json in for id in order { json.value(id) } }
            json.array("upsert") { json in
                for row in changed { json.object { view.write(row, to: &$0) } }
            }
        }
        return Array("id: \(shown.count)\n".utf8) + SSEWriter.event(name: "rows", data: json.bytes)
    }
}
