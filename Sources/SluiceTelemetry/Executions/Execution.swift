import SluiceBasics
import SluiceCore

/// A request that has ended, as it is handed to whoever keeps or exports it.
///
/// An object, since several keep it and pass it on: a record's copy is a count for each of its texts.
package final class Execution: Sendable {
    /// Final: it will not change any more.
    package let record: RequestRecord
    /// Nanoseconds since 1970 when it was submitted. Every other time of the record is relative to that.
    package let submittedAt: Int64

    package init(record: RequestRecord, submittedAt: Int64) {
        self.record = record
        self.submittedAt = submittedAt
    }

    /// Nanoseconds since 1970.
    package func unixNanoseconds(_ instant: Instant) -> Int64 {
        self.submittedAt &+ instant.nanoseconds(since: self.record.submittedAt)
    }
}

/// Takes executions off the request's path: bounded, never waits, counts what it has to let go.
package protocol ExecutionSink: Sendable {
    /// Called once for every request that has ended, on the thread on which it ended. Must return at once.
    func record(_ execution: Execution)
    /// A pool or a backend has changed its state.
    func changed(_ event: PoolEvent)
}

extension ExecutionSink {
    package func changed(_ event: PoolEvent) {}
}

/// Which process an execution belongs to: what no record knows.
package struct RuntimeIdentity: Sendable, Equatable {
    package var fabricGroup: String
    package var gateway: String?
    package var dispatcher: String?
    /// `service.name` of everything that is exported.
    package var serviceName: String
    package var version: String

    package init(
        fabricGroup: String = "default",
        gateway: String? = nil,
        dispatcher: String? = nil,
        serviceName: String = "sluice",
        version: String = ""
    ) {
        self.fabricGroup = fabricGroup
        self.gateway = gateway
        self.dispatcher = dispatcher
        self.serviceName = serviceName
        self.version = version
    }
}
