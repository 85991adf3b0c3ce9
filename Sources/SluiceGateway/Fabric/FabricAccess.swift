import SluiceBasics
import SluiceFabric
import SluiceTelemetry
import SluiceWire

/// The fabric as a gateway has it.
package struct FabricAccess: Sendable {
    package var view: FabricView
    /// Serves lists in this process.
    package var dispatcher: FabricDispatcher?
    /// Puts work onto lists from this process.
    package var producer: Producer?

    package init(view: FabricView, dispatcher: FabricDispatcher?, producer: Producer?) {
        self.view = view
        self.dispatcher = dispatcher
        self.producer = producer
    }

    /// Why this process cannot do its part, in sentences.
    var troubles: [String] {
        var troubles: [String] = []
        if let producer = self.producer, !producer.isAlive {
            troubles.append("Valkey has not confirmed this gateway's alive key; requests wait until it does.")
        }
        if let dispatcher = self.dispatcher, !dispatcher.isKnown {
            let why = dispatcher.lastError.map { ": \($0)" } ?? "."
            troubles.append("Valkey has not taken this dispatcher's heartbeat\(why)")
        }
        return troubles
    }
}

extension Gateway {
    func fabricMetrics(_ fabric: FabricAccess) async -> FabricMetrics {
        let snapshot: FabricSnapshot?
        do throws(ValkeyError) {
            snapshot = try await fabric.view.look(limit: 1)
        } catch {
            snapshot = nil
        }
        return FabricMetrics(fabric, snapshot) { self.telemetry.metrics.execution(pool: $0) }
    }
}
