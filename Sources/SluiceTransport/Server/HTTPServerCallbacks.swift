import CMicroHTTPD
import SluiceBasics
import SluiceWire

/// What libmicrohttpd calls. Contexts are unmanaged pointers: the daemon outlives its callbacks; a connection is
/// retained from its opening to its closing, an exchange from its first header to its completion.
enum HTTPServerCallbacks {
    /// Bytes of a refused body that are read and thrown away, so that the client sees the answer rather than a reset.
    private static let maximumDiscardedBytes = 64 << 20

    static let connectionChanged: MHD_NotifyConnectionCallback = { context, handle, socketContext, code in
        guard let context, let handle, let socketContext else { return }
        let daemon = Unmanaged<HTTPServerDaemon>.fromOpaque(context).takeUnretainedValue()
        if code == .CONNECTION_NOTIFY_STARTED {
            socketContext.pointee = Unmanaged.passRetained(daemon.opened(handle)).toOpaque()
        } else if let pointer = socketContext.pointee {
            socketContext.pointee = nil
            daemon.closed(Unmanaged<HTTPServerConnection>.fromOpaque(pointer).takeRetainedValue())
        }
    }

    static let requestCompleted: MHD_RequestCompletedCallback = { _, _, requestContext, _ in
        guard let pointer = requestContext?.pointee else { return }
        requestContext?.pointee = nil
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(pointer).takeRetainedValue()
        exchange.ended()
        exchange.connection.becameIdle()
    }

    static let access: MHD_AccessHandlerCallback = {
        context,
        handle,
        url,
        method,
        _,
        upload,
        uploadSize,
        requestContext in
        guard let context, let handle, let url, let method, let uploadSize, let requestContext else { return .NO }
        let daemon = Unmanaged<HTTPServerDaemon>.fromOpaque(context).takeUnretainedValue()
        guard let pointer = requestContext.pointee else {
            return Self.arrived(daemon, handle, url: url, method: method, requestContext: requestContext)
        }
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(pointer).takeUnretainedValue()
        if uploadSize.pointee > 0 {
            let count = uploadSize.pointee
            uploadSize.pointee = 0
            return Self.received(exchange, upload, count)
        }
        if let refusal = exchange.refusal { return Self.refuse(refusal, exchange, handle) }
        switch exchange.answer {
        case .bytes(let response), .stream(let response): return Self.send(response, exchange, handle)
        case .none:
            if !exchange.hasHandled { exchange.begin() }
            return .YES
        }
    }

    /// The head is here.
    private static func arrived(
        _ daemon: HTTPServerDaemon,
        _ handle: OpaquePointer,
        url: UnsafePointer<CChar>,
        method: UnsafePointer<CChar>,
        requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> MHD_Result {
        guard let socketContext = sluice_mhd_socket_context(handle) else { return .NO }
        let connection = Unmanaged<HTTPServerConnection>.fromOpaque(socketContext).takeUnretainedValue()
        let exchange = HTTPExchange(
            daemon,
            connection,
            handle: handle,
            method: Self.method(method),
            path: String(cString: url),
            now: daemon.now()
        )
        connection.exchange = exchange
        requestContext.pointee = Unmanaged.passRetained(exchange).toOpaque()
        HTTPHeadReader.read(handle, into: exchange)
        return Self.judge(exchange, daemon, handle)
    }

    /// Refuses early what would be refused anyway.
    private static func judge(
        _ exchange: HTTPExchange,
        _ daemon: HTTPServerDaemon,
        _ handle: OpaquePointer
    ) -> MHD_Result {
        let limits = daemon.configuration
        if exchange.headers.byteCount > limits.maximumHeadBytes {
            return Self.refuse(.headTooLarge(limit: limits.maximumHeadBytes), exchange, handle)
        }
        guard let text = exchange.headers["content-length"] else { return .YES }
        if exchange.headers.contains("transfer-encoding") {
            return Self.refuse(.ambiguousLength(), exchange, handle)
        }
        guard exchange.headers.occurrences(of: "content-length") == 1, let length = Int(text), length >= 0 else {
            return Self.refuse(.badLength(), exchange, handle)
        }
        if length > limits.maximumBodyBytes {
            exchange.refusal = .bodyTooLarge(limit: limits.maximumBodyBytes)
            let expectsContinue = exchange.headers.contains("expect")
            guard length <= Self.maximumDiscardedBytes && !expectsContinue else {
                return Self.refuse(.bodyTooLarge(limit: limits.maximumBodyBytes), exchange, handle)
            }
        } else {
            exchange.body.reserveCapacity(length + Self.parserPadding)
        }
        return .YES
    }

    /// Spare bytes behind a body, so that a vectorised parser may read past its end without a copy.
    private static let parserPadding = 64

    private static func received(
        _ exchange: HTTPExchange,
        _ upload: UnsafePointer<CChar>?,
        _ count: Int
    ) -> MHD_Result {
        guard exchange.refusal == nil, let upload else {
            exchange.discardedBytes += count
            return exchange.discardedBytes > Self.maximumDiscardedBytes ? .NO : .YES
        }
        let limit = exchange.daemon.configuration.maximumBodyBytes
        guard exchange.body.count + count <= limit else {
            exchange.refusal = .bodyTooLarge(limit: limit)
            exchange.discardedBytes = exchange.body.count + count
            exchange.body = []
            return .YES
        }
        exchange.body.append(contentsOf: UnsafeRawBufferPointer(start: upload, count: count))
        return .YES
    }

    // MARK: Answers

    private static func refuse(
        _ refusal: HTTPServerRefusal,
        _ exchange: HTTPExchange,
        _ handle: OpaquePointer
    ) -> MHD_Result {
        exchange.daemon.report(refusal, exchange, exchange.connection)
        return Self.send(refusal.response, exchange, handle)
    }

    private static func send(_ response: HTTPResponse, _ exchange: HTTPExchange, _ handle: OpaquePointer) -> MHD_Result
    {
        guard response.status != HTTPResponse.disconnect.status else { return .NO }
        let made: OpaquePointer?
        switch response.body {
        case .bytes(let bytes):
            made = bytes.withUnsafeBytes { buffer in
                MHD_create_response_from_buffer(
                    buffer.count,
                    UnsafeMutableRawPointer(mutating: buffer.baseAddress),
                    .RESPMEM_MUST_COPY
                )
            }
        case .stream:
            let length = response.headers["content-length"].flatMap { UInt64($0) } ?? sluice_mhd_size_unknown()
            made = MHD_create_response_from_callback(
                length,
                16 << 10,
                Self.readBody,
                Unmanaged.passRetained(exchange).toOpaque(),
                Self.releaseBody
            )
        }
        guard let made else { return .NO }
        defer { MHD_destroy_response(made) }
        HTTPHeadWriter.write(response.headers, closing: exchange.daemon.isStopping, to: made)
        return MHD_queue_response(handle, UInt32(clamping: response.status), made)
    }

    private static let readBody: MHD_ContentReaderCallback = { context, _, buffer, maximum in
        guard let context, let buffer else { return sluice_mhd_end_with_error() }
        return Unmanaged<HTTPExchange>.fromOpaque(context).takeUnretainedValue().read(into: buffer, maximum: maximum)
    }

    private static let releaseBody: MHD_ContentReaderFreeCallback = { context in
        guard let context else { return }
        Unmanaged<HTTPExchange>.fromOpaque(context).release()
    }

    private static func method(_ name: UnsafePointer<CChar>) -> HTTPMethod {
        switch UInt8(bitPattern: name[0]) {
        case UInt8(ascii: "G"): HTTPMethod(rawValue: String(cString: name)) ?? .other
        default: HTTPMethod(rawValue: String(cString: name)) ?? .other
        }
    }
}
