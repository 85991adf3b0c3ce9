import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceWire

/// A page of live requests as operators see it.
struct LiveView: Sendable {
    /// All that live, and of those: on their way or waiting, and with a backend.
    var queued = 0
    var inFlight = 0
    /// That match, as far as they could be looked at.
    var matched = 0
    var rows: [LiveRow] = []
    /// Whether more may match than could be looked at: lists are only read from their heads.
    var isSampled = false
    /// Why the fabric's part is missing.
    var complaint: String?

    var total: Int { self.queued + self.inFlight }
}

// GET /api/live: what lives, anywhere, filtered, sorted and cut here rather than in the browser.
extension Gateway {
    func listLive(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        let query = try LiveQuery(request.http)
        let page = await self.live(query)
        let view = self.rowView
        var json = JSONWriter(reserving: 1024 * (page.rows.count + 1))
        json.object { json in
            self.writeHead(page, query, view, to: &json)
            json.array("rows") { json in
                for row in page.rows { json.object { view.write(row, to: &$0) } }
            }
        }
        return Self.json(json)
    }

    var rowView: LiveRowView {
        LiveRowView(
            view: RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds()),
            process: self.processName
        )
    }

    func writeHead(_ page: LiveView, _ query: LiveQuery, _ view: LiveRowView, to json: inout JSONWriter) {
        json.field("at", view.view.epoch(view.view.now))
        json.field("total", page.total)
        json.field("queued", page.queued)
        json.field("in_flight", page.inFlight)
        json.field("matched", page.matched)
        json.field("offset", query.offset)
        json.field("sampled", page.isSampled)
        if let complaint = page.complaint { json.field("fabric_error", complaint) }
    }

    func live(_ query: LiveQuery) async -> LiveView {
        guard let fabric = self.fabric else {
            let page = self.dispatcher.page(query)
            var view = LiveView()
            let pools = self.dispatcher.pools()
            view.queued = pools.reduce(0) { $0 + $1.queued }
            view.inFlight = pools.reduce(0) { $0 + $1.inFlight }
            view.matched = page.matched
            view.rows = page.rows.map { .own($0, nil) }
            return view
        }
        return await self.live(query, fabric)
    }

    // MARK: With a fabric

    /// Elements of each list, and of each index, that are looked at.
    private static let fabricRows = 250
    /// Of our own requests on lists, when their states are asked for.
    private static let placedRows = 1_000

    private func live(_ query: LiveQuery, _ fabric: FabricAccess) async -> LiveView {
        var view = LiveView()
        var others = LiveFabric(complaint: ())
        do throws(ValkeyError) {
            others = try await self.others(query, fabric)
        } catch {
            view.complaint = error.message
        }
        var part = query
        part.offset = max(0, query.offset - others.rows.count)
        part.limit = query.limit + query.offset - part.offset
        let own: OwnRows
        if fabric.producer != nil, !query.states.isEmpty {
            own = await self.placed(part)
        } else {
            let page = self.dispatcher.page(part)
            let places = await self.whereabouts(page.rows.map(\.record))
            own = OwnRows(page, page.rows.map { .own($0, places[$0.record.submission.id]) }, matched: page.matched)
        }
        let now = self.clock.now()
        let keyed = own.rows.map { row -> (key: Int64, row: LiveRow) in
            guard case .own(let live, _) = row else { return (0, row) }
            return (query.key(live.record, at: now), row)
        }
        view.rows = others.merged(keyed, first: part.offset, offset: query.offset, limit: query.limit)
        view.matched = own.matched + others.rows.count
        view.isSampled = own.isSampled || others.isSampled
        self.count(others, own.localInFlight, isGateway: fabric.producer != nil, into: &view)
        return view
    }

    /// What other processes have, as far as it can be looked at.
    func others(_ query: LiveQuery, _ fabric: FabricAccess) async throws(ValkeyError) -> LiveFabric {
        LiveFabric(
            try await fabric.view.look(limit: Self.fabricRows),
            query,
            own: (fabric.dispatcher?.configuration.dispatcherID, fabric.producer?.configuration.producerID),
            now: Double(self.clock.wallClockNanoseconds()) / 1e9
        )
    }

    /// What this process has queued has not been pushed yet, or came over HTTP; what it runs is in the index if it came
    /// from a list or went onto one.
    private func count(_ others: LiveFabric, _ local: Int, isGateway: Bool, into view: inout LiveView) {
        let pools = self.dispatcher.pools()
        let queued = pools.reduce(0) { $0 + $1.queued }
        let inFlight = pools.reduce(0) { $0 + $1.inFlight }
        guard let pending = others.pending, let held = others.inFlight else {
            (view.queued, view.inFlight) = (queued, inFlight)
            return
        }
        view.queued = queued + pending
        view.inFlight = isGateway ? held : held + local
    }

    /// Our own requests that are in the wanted states when the fabric is asked where they are.
    private func placed(_ query: LiveQuery) async -> OwnRows {
        var all = query
        all.states = []
        all.offset = 0
        all.limit = Self.placedRows
        let page = self.dispatcher.page(all)
        let places = await self.whereabouts(page.rows.map(\.record))
        let rows = page.rows.compactMap { live -> LiveRow? in
            let row = LiveRow.own(live, places[live.record.submission.id])
            return query.states.contains(row.state) ? row : nil
        }
        let shown = Array(rows.dropFirst(query.offset).prefix(query.limit))
        return OwnRows(page, shown, matched: rows.count, isSampled: page.matched > page.rows.count)
    }

    private struct OwnRows {
        var rows: [LiveRow]
        var matched: Int
        var isSampled: Bool
        /// In flight, and not from a list.
        var localInFlight: Int

        init(_ page: LivePage, _ rows: [LiveRow], matched: Int, isSampled: Bool = false) {
            self.rows = rows
            self.matched = matched
            self.isSampled = isSampled
            self.localInFlight = page.localInFlight
        }
    }
}
