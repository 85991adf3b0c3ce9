import Glibc
import SluiceBasics

/// Passes bytes on between clients and a local port, until it is told to swallow those of some connections: both ends
/// then see a connection that lives and says nothing.
final class SwallowingProxy: Sendable {
    private struct State {
        var isStopping = false
        var accepted = 0
        var swallowed: Set<Int> = []
        var target: Int
        /// After each piece.
        var rest: UInt32 = 0
    }

    private struct Passage {
        var number: Int
        var client: Int32
        var server: Int32
    }

    let port: Int
    private let listener: Int32
    private let state: Lock<State>

    init(to target: Int) {
        self.state = Lock(State(target: target))
        let (listener, port) = Self.listen()
        self.listener = listener
        self.port = port
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread,
            nil,
            { context in
                if let context { Unmanaged<SwallowingProxy>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            },
            context
        )
        pthread_detach(thread)
    }

    /// Connections taken so far; they are numbered from 0.
    var accepted: Int { self.state.withLock { $0.accepted } }

    func swallow(_ number: Int) { self.state.withLock { _ = $0.swallowed.insert(number) } }

    /// Where new connections go.
    func turn(to target: Int) { self.state.withLock { $0.target = target } }

    /// Passes at most 64 KiB in so many microseconds.
    func slowDown(_ rest: UInt32) { self.state.withLock { $0.rest = rest } }

    func stop() { self.state.withLock { $0.isStopping = true } }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    private static func listen() -> (Int32, Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size)
                getsockname(descriptor, $0, &size)
            }
        }
        Glibc.listen(descriptor, 64)
        return (descriptor, Int(in_port_t(bigEndian: address.sin_port)))
    }

    private func run() {
        var passages: [Passage] = []
        while !self.state.withLock({ $0.isStopping }) {
            var polled = [pollfd(fd: self.listener, events: Int16(POLLIN), revents: 0)]
            let swallowed = self.state.withLock { $0.swallowed }
            for passage in passages where !swallowed.contains(passage.number) {
                polled.append(pollfd(fd: passage.client, events: Int16(POLLIN), revents: 0))
                polled.append(pollfd(fd: passage.server, events: Int16(POLLIN), revents: 0))
            }
            guard poll(&polled, nfds_t(polled.count), 5) > 0 else { continue }
            let rest = self.state.withLock { $0.rest }
            if rest > 0 { usleep(rest) }
            let readable = Set(polled.filter { $0.revents != 0 }.map(\.fd))
            if readable.contains(self.listener), let passage = self.accept() { passages.append(passage) }
            passages.removeAll { passage in
                // What was told meanwhile counts.
                guard !self.state.withLock({ $0.swallowed.contains(passage.number) }) else { return false }
                for (from, to) in [(passage.client, passage.server), (passage.server, passage.client)]
                where readable.contains(from) && !Self.pass(from, to) {
                    close(passage.client)
                    close(passage.server)
                    return true
                }
                return false
            }
        }
        for passage in passages {
            close(passage.client)
            close(passage.server)
        }
        close(self.listener)
    }

    private func accept() -> Passage? {
        let client = Glibc.accept(self.listener, nil, nil)
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(self.state.withLock { $0.target })
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard client >= 0, status == 0 else {
            close(client)
            close(server)
            return nil
        }
        let number = self.state.withLock { state in
            defer { state.accepted += 1 }
            return state.accepted
        }
        return Passage(number: number, client: client, server: server)
    }

    private static func pass(_ from: Int32, _ to: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(from, &buffer, buffer.count, 0)
        return count > 0 && send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count
    }
}
