import CLibUV
import SluiceBasics
import SluiceTelemetry
import SluiceTransport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A few numbers of the process for `/metrics`.
struct ProcessMetrics: MetricSource {
    /// The process's own, and those of sinks and exporter.
    static func sources(
        _ server: Lock<HTTPServer?>,
        _ metrics: Metrics,
        _ sinks: [any ExecutionSink],
        _ exporter: MetricExporter?
    ) -> [any MetricSource] {
        var sources: [any MetricSource] = [ProcessMetrics(server, startedAt: metrics.startedAt)]
        sources += sinks.compactMap { $0 as? any MetricSource }
        if let exporter { sources.append(exporter) }
        return sources
    }

    private let server: Lock<HTTPServer?>
    private let startedAt: Int64

    /// - Parameters:
    ///   - server: `nil` before it listens.
    ///   - startedAt: nanoseconds since 1970.
    init(_ server: Lock<HTTPServer?>, startedAt: Int64) {
        self.server = server
        self.startedAt = startedAt
    }

    func write(to page: inout MetricPage) {
        if let statistics = self.server.withLock({ $0?.statistics }) {
            page.single(
                "sluice_http_connections",
                .gauge,
                "Open client connections.",
                Double(statistics.connections)
            )
            page.single(
                "sluice_http_requests_in_flight",
                .gauge,
                "Requests whose handler runs.",
                Double(statistics.requestsInFlight)
            )
        }
        var usage = rusage()
        guard sluice_own_usage(&usage) == 0 else { return }
        let user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        let system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
        page.single("process_cpu_seconds_total", .counter, "User and system time.", user + system)
        page.single(
            "process_start_time_seconds",
            .gauge,
            "When the process began, in seconds since 1970.",
            Double(self.startedAt) / 1e9
        )
        if let resident = Self.residentBytes() {
            page.single("process_resident_memory_bytes", .gauge, "Memory that is in RAM.", Double(resident))
        }
    }

    /// `nil` where there is no `/proc`.
    private static func residentBytes() -> Int? {
        // "size resident shared …", in pages.
        guard let statm = try? Files.read("/proc/self/statm", limit: 256) else { return nil }
        let words = statm.split(separator: 0x20)
        guard words.count > 1 else { return nil }
        return Int(String(decoding: words[1], as: UTF8.self)).map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) }
    }
}
