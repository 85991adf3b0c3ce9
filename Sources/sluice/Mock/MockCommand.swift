import CLibUV
import SluiceBasics
import SluiceTransport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `sluice mock`: a simulated backend by itself.
struct MockCommand {
    let address: ListenAddress
    let behaviour: MockBehaviour
    let seed: UInt64
    let threads: Int
    let terminal: Terminal

    func run() -> Int32 {
        do {
            _ = sluice_raise_open_files()
            let reactors = try ReactorGroup(count: self.threads)
            try reactors.start()
            let backend = MockBackend(
                self.behaviour,
                seed: self.seed,
                clock: SystemClock(),
                sleep: { try await reactors.sleep(for: $0) }
            )
            let server = try HTTPServer(
                configuration: HTTPServerConfiguration(host: self.address.host, port: self.address.port),
                reactors: reactors,
                handler: backend
            )
            self.terminal.errorLine(
                "simulated backend listens on http://\(self.address.host):\(server.port)/v1, control at /mock/config"
            )
            let done = Countdown(1)
            for number in [SIGTERM, SIGINT] {
                reactors.onSignal(number) {
                    reactors.spawn {
                        await server.stop(grace: .zero)
                        done.signal()
                    }
                }
            }
            done.wait()
            reactors.stop()
            return ExitCode.success
        } catch {
            self.terminal.errorLine("error: \(error)")
            return ExitCode.failure
        }
    }
}
