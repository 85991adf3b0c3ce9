import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceWire

/// Where a request is that this gateway has put onto a list. The gateway's own engine knows only that it has been sent.
enum Whereabouts {
    /// On the list; nobody has taken it.
    case waiting
    case held(InflightRecord)
}

extension Gateway {
    /// Asks the fabric about requests that have been sent to it. Empty where Valkey cannot be asked, and for whoever is
    /// no gateway.
    func whereabouts(_ records: [RequestRecord]) async -> [RequestID: Whereabouts] {
        var places: [RequestID: Whereabouts] = [:]
        // What was found until then is better than nothing.
        try? await self.askWhereabouts(records, &places)
        return places
    }

    /// As the other, for whoever must not go on without knowing.
    func askWhereabouts(
        _ records: [RequestRecord],
        _ places: inout [RequestID: Whereabouts]
    ) async throws(ValkeyError) {
        guard let fabric = self.fabric, fabric.producer != nil else { return }
        let sent = records.filter { $0.state == .started }
        for (pool, records) in Dictionary(grouping: sent, by: \.submission.pool) {
            let held = try await fabric.view.held(records.map { $0.submission.id.description }, pool: pool)
            for record in records {
                let id = record.submission.id
                places[id] = held[id.description].map { .held($0) } ?? .waiting
            }
        }
    }
}

extension Whereabouts? {
    /// The state of a request that is there.
    func state(_ record: RequestRecord) -> RequestState {
        if case .waiting = self { .queued } else { record.state }
    }
}
