import CLibUV

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
    /// without sharing, which fails when anybody else listens there. That socket never listens: whoever reached it
    /// would be cut off when it closes.
    static func open(host: String, port: Int, count: Int) throws(HTTPServerError) -> (sockets: [Int32], port: Int) {
        let addresses = try Self.resolve(host: host, port: port)
        defer { freeaddrinfo(addresses) }
        let address = addresses.pointee
        let probe = try Self.bind(address, host: host, port: port, shared: false)
        let bound = Int(sluice_bound_port(probe))
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
        hints.ai_socktype = sluice_stream_type()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let found else {
            throw .address("\(host):\(port)", reason: String(cString: gai_strerror(status)))
        }
        return found
    }

    private static func bind(
        _ address: addrinfo,
        host: String,
        port: Int,
        shared: Bool
    ) throws(HTTPServerError) -> Int32 {
        let type = address.ai_socktype | sluice_private_nonblocking()
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw .address("\(host):\(port)", reason: Self.reason()) }
        _ = sluice_set_option(descriptor, 0)
        if shared { _ = sluice_set_option(descriptor, 1) }
        var address = address
        guard sluice_bind(descriptor, &address) == 0, !shared || listen(descriptor, Self.backlog) == 0 else {
            let code = errno
            let reason = Self.reason()
            close(descriptor)
            throw code == EADDRINUSE ? .inUse(host: host, port: port) : .address("\(host):\(port)", reason: reason)
        }
        return descriptor
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
