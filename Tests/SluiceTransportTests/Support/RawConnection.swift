import Glibc
import SluiceBasics
import SluiceTransport

/// A socket that a test writes to and reads from byte by byte.
struct RawConnection {
    let descriptor: Int32
    private let reactors: ReactorGroup

    init(port: Int, _ reactors: ReactorGroup) {
        self.reactors = reactors
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Answers whether the peer still takes bytes.
    @discardableResult
    func send(_ text: String) -> Bool {
        Array(text.utf8).withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, 0) } >= 0
    }

    struct Received {
        var text = ""
        /// Whether the peer has closed the connection, and how long that took since the call.
        var closedAfter: Duration?
    }

    /// Reads until `enough` says so, the peer closes, or the limit has passed.
    func receive(_ limit: Duration = .seconds(30), until enough: (String) -> Bool = { _ in false }) async -> Received {
        let clock = SystemClock()
        let began = clock.now()
        var received = Received()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while clock.now() - began < limit && !enough(received.text) {
            let count = recv(self.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received.text += String(decoding: buffer[..<count], as: UTF8.self)
            } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                received.closedAfter = clock.now() - began
                return received
            } else {
                do { try await self.reactors.sleep(for: .milliseconds(2)) } catch { return received }
            }
        }
        return received
    }

    func close() { Glibc.close(self.descriptor) }
}
