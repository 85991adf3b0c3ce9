import CLibUV
import SluiceBasics

/// Takes bytes for a server until it is closed.
protocol ValkeyLine: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer)
    func close()
    /// Bytes that wait here because the system takes no more.
    var queuedBytes: Int { get }
    /// Bytes that the system has taken so far: grows while the other side reads.
    var takenBytes: Int { get }
}

/// A socket to Valkey on a reactor's loop: TCP or local. Confined to the reactor's thread.
///
/// Its owner hears of everything through one function, never from within a call of its own.
final class ValkeyStream: ValkeyLine {
    enum Event {
        case connected
        /// Refused, not found, reset, ended. Nothing follows.
        case failed(String)
        /// We do not trust the other side, or it does not trust us. Nothing follows.
        case untrusted(String)
        /// Valid during the call.
        case received(UnsafeRawBufferPointer)
    }

    private static let readBytes = 64 << 10
    /// Addresses of one name that are tried one after the other.
    private static let mostCandidates = 8

    private let reactor: Reactor
    private let hear: (Event) -> Void
    private let buffer: UnsafeMutableRawPointer
    private var handedBytes = 0
    /// Of the attempt that is under way or has succeeded.
    private var handle: UnsafeMutablePointer<uv_any_handle>?
    /// Addresses that have not been tried, the next one last.
    private var candidates: [sockaddr_storage] = []
    private(set) var isConnected = false
    private var isClosed = false

    init(_ reactor: Reactor, _ place: ValkeyAddress.Place, _ hear: @escaping (Event) -> Void) {
        self.reactor = reactor
        self.hear = hear
        self.buffer = .allocate(byteCount: Self.readBytes, alignment: 16)
        switch place {
        case .socket(let path): self.connect(path)
        case .host(let host, let port): self.resolve(host, port)
        }
    }

    // Whoever is in a callback of the loop holds on to this object, and with it to the buffer.
    deinit {
        self.close()
        self.buffer.deallocate()
    }

    private var stream: UnsafeMutablePointer<uv_stream_t>? {
        self.handle.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: uv_stream_t.self) }
    }

    private func open<Kind>(_ start: (UnsafeMutablePointer<Kind>) -> Void) -> UnsafeMutablePointer<Kind> {
        let handle = UnsafeMutablePointer<uv_any_handle>.allocate(capacity: 1)
        let kind = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: Kind.self)
        start(kind)
        self.handle = handle
        self.stream?.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        return kind
    }

    // MARK: Connecting

    private func connect(_ path: String) {
        let pipe = self.open { (pipe: UnsafeMutablePointer<uv_pipe_t>) in uv_pipe_init(self.reactor.loop, pipe, 0) }
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        uv_pipe_connect(request, pipe, path, Self.connected)
    }

    /// Names are looked up off the loop's thread.
    private func resolve(_ host: String, _ port: Int) {
        let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
        // The request outlives this object if that is given up meanwhile.
        request.pointee.data = Unmanaged.passRetained(Weak(self)).toOpaque()
        var hints = addrinfo()
        hints.ai_socktype = sluice_stream_type()
        let status = uv_getaddrinfo(
            self.reactor.loop,
            request,
            { request, status, addresses in
                guard let request, let context = request.pointee.data else { return }
                let stream = Unmanaged<Weak>.fromOpaque(context).takeRetainedValue().stream
                request.deallocate()
                defer { uv_freeaddrinfo(addresses) }
                guard let stream, !stream.isClosed else { return }
                guard status == 0, addresses != nil else {
                    return stream.hear(.failed("its name cannot be resolved: \(ValkeyStream.text(status))"))
                }
                stream.remember(addresses)
                stream.connectToNext()
            },
            host,
            String(port),
            &hints
        )
        if status != 0 {
            request.pointee.data.map { Unmanaged<Weak>.fromOpaque($0).release() }
            request.deallocate()
            self.fail(status)
        }
    }

    private final class Weak {
        weak var stream: ValkeyStream?
        init(_ stream: ValkeyStream) { self.stream = stream }
    }

    private func remember(_ first: UnsafeMutablePointer<addrinfo>?) {
        var next = first
        while let info = next?.pointee, self.candidates.count < Self.mostCandidates {
            var address = sockaddr_storage()
            if let source = info.ai_addr, Int(info.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size {
                withUnsafeMutableBytes(of: &address) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(info.ai_addrlen)))
                }
                self.candidates.insert(address, at: 0)
            }
            next = info.ai_next
        }
    }

    private func connectToNext() {
        guard var address = self.candidates.popLast() else { return self.fail(UV_EADDRNOTAVAIL.rawValue) }
        let tcp = self.open { (tcp: UnsafeMutablePointer<uv_tcp_t>) in uv_tcp_init(self.reactor.loop, tcp) }
        uv_tcp_nodelay(tcp, 1)
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        let status = withUnsafeMutablePointer(to: &address) { address in
            uv_tcp_connect(
                request,
                tcp,
                UnsafeMutableRawPointer(address).assumingMemoryBound(to: sockaddr.self),
                Self.connected
            )
        }
        guard status != 0 else { return }
        request.deallocate()
        guard !self.candidates.isEmpty else { return self.fail(status) }
        self.release()
        self.connectToNext()
    }

    private static let connected: uv_connect_cb = { request, status in
        guard let request else { return }
        defer { request.deallocate() }
        // Closed meanwhile: the handle no longer leads to its owner.
        guard status != UV_ECANCELED.rawValue else { return }
        guard let stream = ValkeyStream.of(request.pointee.handle), !stream.isClosed else { return }
        guard status == 0 else {
            guard !stream.candidates.isEmpty else { return stream.hear(.failed(ValkeyStream.text(status))) }
            stream.release()
            return stream.connectToNext()
        }
        stream.isConnected = true
        uv_read_start(request.pointee.handle, ValkeyStream.room, ValkeyStream.read)
        stream.hear(.connected)
    }

    private static func of(_ handle: UnsafeMutablePointer<uv_stream_t>?) -> ValkeyStream? {
        guard let context = handle?.pointee.data else { return nil }
        return Unmanaged<ValkeyStream>.fromOpaque(context).takeUnretainedValue()
    }

    private static func text(_ status: Int32) -> String { String(cString: uv_strerror(status)) }

    /// From within a call of the owner's: told later.
    private func fail(_ status: Int32) {
        self.reactor.later { [weak self] in
            guard let self, !self.isClosed else { return }
            self.hear(.failed(Self.text(status)))
        }
    }

    // MARK: Reading

    private static let room: uv_alloc_cb = { handle, _, result in
        guard let handle, let result, let context = handle.pointee.data else { return }
        let stream = Unmanaged<ValkeyStream>.fromOpaque(context).takeUnretainedValue()
        result.pointee = uv_buf_init(stream.buffer.assumingMemoryBound(to: CChar.self), UInt32(ValkeyStream.readBytes))
    }

    private static let read: uv_read_cb = { handle, count, buffer in
        guard let stream = ValkeyStream.of(handle), !stream.isClosed else { return }
        if count > 0 {
            stream.hear(.received(UnsafeRawBufferPointer(start: stream.buffer, count: count)))
        } else if count < 0 {
            stream.hear(.failed(ValkeyStream.text(Int32(truncatingIfNeeded: count))))
        }
    }

    // MARK: Writing

    /// Written at once as far as the system takes it; the rest when there is room.
    func write(_ bytes: UnsafeRawBufferPointer) {
        guard let stream = self.stream, !self.isClosed, let base = bytes.baseAddress else { return }
        var piece = Self.piece(base, bytes.count)
        self.handedBytes += bytes.count
        let written = Int(max(0, uv_try_write(stream, &piece, 1)))
        guard written < bytes.count else { return }
        let rest = ValkeyWrite(UnsafeRawBufferPointer(rebasing: bytes[written...]))
        let status = rest.start(on: stream)
        if status != 0 { self.fail(status) }
    }

    var queuedBytes: Int { self.stream.map { Int(uv_stream_get_write_queue_size($0)) } ?? 0 }

    var takenBytes: Int { self.handedBytes - self.queuedBytes }

    static func piece(_ base: UnsafeRawPointer, _ count: Int) -> uv_buf_t {
        uv_buf_init(
            UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: CChar.self),
            UInt32(clamping: count)
        )
    }

    // MARK: The end

    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.release()
    }

    /// Lets go of the handle, whose memory is given back when the loop has let go of it, too.
    private func release() {
        guard let stream = self.stream else { return }
        self.handle = nil
        stream.pointee.data = nil
        uv_close(sluice_uv_handle(stream)) { handle in UnsafeMutableRawPointer(handle)?.deallocate() }
    }
}

/// Bytes on their way, kept until the loop has written them.
private final class ValkeyWrite {
    private let bytes: UnsafeMutableRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = .allocate(byteCount: bytes.count, alignment: 1)
        self.bytes.copyBytes(from: bytes)
    }

    deinit { self.bytes.deallocate() }

    func start(on stream: UnsafeMutablePointer<uv_stream_t>) -> Int32 {
        guard let base = self.bytes.baseAddress else { return 0 }
        let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        var piece = ValkeyStream.piece(base, self.bytes.count)
        let status = uv_write(request, stream, &piece, 1) { request, _ in
            guard let request else { return }
            // What failed shows when it is read.
            if let context = request.pointee.data { Unmanaged<ValkeyWrite>.fromOpaque(context).release() }
            request.deallocate()
        }
        if status != 0 {
            Unmanaged.passUnretained(self).release()
            request.deallocate()
        }
        return status
    }
}
