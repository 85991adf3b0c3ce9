import SluiceBasics
import SluiceGateway
import SluiceTransport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The lab, and the thread on which it works: one of its own, which gives way to those that answer requests.
struct LabWiring {
    let laboratory: Laboratory
    private let reactors: ReactorGroup

    /// Steps by which the lab's thread is less important than all others.
    private static let niceness: Int32 = 10

    init(_ configuration: LabConfiguration, start: [UInt8]? = nil, clock: any TimeSource) throws {
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        self.reactors = reactors
        self.laboratory = Laboratory(
            configuration,
            start: start,
            clock: clock,
            spawn: { reactors.spawn($0) },
            sleep: { try await reactors.sleep(for: $0) }
        )
        #if os(Linux)
            // There, 0 is this thread and not the process. Without permission it works all the same.
            reactors.spawn { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness) }
        #endif
    }

    /// `nil`: it is switched off.
    static func make(_ configuration: Configuration, _ clock: any TimeSource) throws -> LabWiring? {
        guard configuration.toggle("lab.enabled") else { return nil }
        var lab = LabConfiguration()
        lab.maximumSessions = configuration.integer("lab.max_sessions") ?? lab.maximumSessions
        lab.idle = configuration.duration("lab.idle")
        lab.maximumTraceBytes = configuration.integer("lab.max_trace_bytes") ?? lab.maximumTraceBytes
        lab.maximumRun = configuration.duration("lab.max_run")
        return try LabWiring(lab, clock: clock)
    }

    func stop() { self.reactors.stop() }
}
