import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// Answers that are fetched later (RFC 7240, `respond-async`).
extension Gateway {
    func later(_ call: Call, _ cancellation: LateCancellation) -> HTTPResponse {
        let results = self.results
        let relay = self.relay
        let clock = self.clock
        cancellation.set(
            self.spawn {
                let response = await relay.whole(call)
                results.keep(response, for: call.submission.id, tenant: call.submission.tenant, at: clock.now())
            }
        )
        let live = self.dispatcher.find(call.submission.id)
        var json = JSONWriter()
        json.object { json in
            json.field("id", call.idText)
            json.field("state", live?.record.state.rawValue ?? "ended")
            json.field("pool", call.submission.pool)
        }
        var headers = HTTPFields([
            ("Content-Type", "application/json"),
            ("Location", "\(self.configuration.console.pathPrefix)/api/requests/\(call.idText)"),
            ("Preference-Applied", "respond-async"),
        ])
        TraceHeaders.append(call, nil, to: &headers)
        if !call.backend.isFabric || live?.waiting != nil { TraceHeaders.append(live?.waiting, to: &headers) }
        return HTTPResponse(status: 202, headers: headers, body: .bytes(json.bytes))
    }
}
