import CLibUV
import CMicroHTTPD

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Opens the sockets that the reactors listen on.
enum ListenSocket {
    private static let backlog: Int32 = 4096

    /// One socket per reactor on the same address; the kernel spreads connections over them.
    ///
    /// Shared ports hide a second instance: half the requests would silently go to it. So the address is first bound
    /// without sharing, which fails when anybody else listens there.
    static func open(host: String, port: Int, count: Int) throws(HTTPServerError) -> (sockets: [Int32], port: Int) {
        let addresses = try Self.resolve(host: host, port: port)
        defer { freeaddrinfo(addresses) }
        let address = addresses.pointee
        let probe = try Self.bind(address, host: host, port: port, shared: false)
        let bound = Self.port(of: probe) ?? port
        close(probe)
        var sockets: [Int32] = []
        for _ in 0..<count {
            do {
                let found = try Self.resolve(host: host, port: bound)
                defer { freeaddrinfo(found) }
                sockets.append(try Self.bind(found.pointee, host: host, port: bound, shared: true))
            } catch {
                for socket in sockets { close(socket) }
                throw error
            }
        }
        return (sockets, bound)
    }

    private static func resolve(host: String, port: Int) throws(HTTPServerError) -> UnsafeMutablePointer<addrinfo> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let found else {
            throw .address("\(host):\(port)", reason: String(cString: gai_strerror(status)))
        }
        return found
    }

    private static func bind(
        _ address: addrinfo, host: String, port: Int, shared: Bool
    ) throws(HTTPServerError) -> Int32 {
        let type = address.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw .address("\(host):\(port)", reason: Self.reason()) }
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
        if shared { setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, size) }
        guard CLibUV.bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, listen(descriptor, Self.backlog) == 0
        else {
            let code = errno
            let reason = Self.reason()
            close(descriptor)
            throw code == EADDRINUSE ? .inUse(host: host, port: port) : .address("\(host):\(port)", reason: reason)
        }
        return descriptor
    }

    private static func port(of descriptor: Int32) -> Int? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard status == 0 else { return nil }
        let family = Int32(storage.ss_family)
        return withUnsafePointer(to: &storage) { pointer in
            switch family {
            case AF_INET: pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Self.host($0.pointee.sin_port) }
            case AF_INET6:
                pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { Self.host($0.pointee.sin6_port) }
            default: nil
            }
        }
    }

    private static func host(_ port: in_port_t) -> Int { Int(UInt16(bigEndian: port)) }

    private static func reason() -> String { String(cString: strerror(errno)) }

    /// The numeric form of a peer's address.
    static func text(_ address: UnsafePointer<sockaddr>?) -> String {
        guard let address else { return "" }
        let family = Int32(address.pointee.sa_family)
        let length = family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        guard family == AF_INET || family == AF_INET6 else { return "" }
        var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = getnameinfo(
            address, socklen_t(length), &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
        guard status == 0 else { return "" }
        return buffer.withUnsafeBufferPointer { bytes in
            String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
