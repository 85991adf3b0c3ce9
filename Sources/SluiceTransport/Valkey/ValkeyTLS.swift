import COpenSSL
import SluiceWire

/// TLS over a stream of a reactor: what comes in is decrypted from memory, what goes out is encrypted into it.
/// Confined to the reactor's thread.
final class ValkeyTLS: ValkeyLine {
    /// What OpenSSL is given, and gives, at a time.
    private static let pieceBytes = 256 << 10

    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let plain: UnsafeMutableRawBufferPointer
    private let name: String
    private let hear: (ValkeyStream.Event) -> Void
    private var stream: ValkeyStream?
    private var isEstablished = false
    /// The other side's last word on our certificate comes with or instead of its first bytes.
    private var hasHeard = false
    private var isClosed = false

    init(
        _ reactor: Reactor,
        _ place: ValkeyAddress.Place,
        _ context: ValkeyTLSContext,
        _ hear: @escaping (ValkeyStream.Event) -> Void
    ) throws(ValkeyError) {
        self.name = context.serverName(of: place)
        self.hear = hear
        guard let session = SSL_new(context.pointer) else { throw Self.outOfMemory }
        guard let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            SSL_free(session)
            throw Self.outOfMemory
        }
        // The session owns both from now on.
        SSL_set_bio(session, incoming, outgoing)
        SSL_set_connect_state(session)
        self.session = session
        self.incoming = incoming
        self.outgoing = outgoing
        self.plain = .allocate(byteCount: Self.pieceBytes, alignment: 16)
        guard sluice_tls_expect(session, self.name) == 1 else {
            throw .untrusted("'\(self.name)' cannot be the name of a server")
        }
        self.stream = ValkeyStream(reactor, place) { [weak self] event in self?.happened(event) }
    }

    deinit {
        self.stream?.close()
        SSL_free(self.session)
        self.plain.deallocate()
    }

    private static let outOfMemory = ValkeyError.unreachable("there is no memory for TLS")

    private func happened(_ event: ValkeyStream.Event) {
        switch event {
        case .connected: self.advance()
        case .failed(let why) where self.stream?.isConnected == true && !self.isEstablished:
            self.hear(.failed("it ended the TLS handshake (\(why)); is this its port for TLS?"))
        case .failed, .untrusted: self.hear(event)
        case .received(let bytes):
            // A store in memory takes all, or there is no memory.
            guard BIO_write(self.incoming, bytes.baseAddress, Int32(clamping: bytes.count)) == bytes.count else {
                return self.hear(.failed("there is no memory for TLS"))
            }
            self.advance()
        }
    }

    private func advance() {
        if !self.isEstablished {
            ERR_clear_error()
            let result = SSL_do_handshake(self.session)
            let verdict = SSL_get_error(self.session, result)
            self.flush()
            guard result == 1 else {
                if verdict != SSL_ERROR_WANT_READ { self.hear(.untrusted(self.reason())) }
                return
            }
            self.isEstablished = true
            self.hear(.connected)
        }
        while !self.isClosed {
            ERR_clear_error()
            let count = SSL_read(self.session, self.plain.baseAddress, Int32(clamping: self.plain.count))
            guard count > 0 else { return self.stopped(SSL_get_error(self.session, count)) }
            self.hasHeard = true
            self.hear(.received(UnsafeRawBufferPointer(rebasing: self.plain[..<Int(count)])))
        }
    }

    private func stopped(_ verdict: Int32) {
        // Answers to what the protocol itself asked.
        self.flush()
        switch verdict {
        case SSL_ERROR_WANT_READ: break
        case SSL_ERROR_ZERO_RETURN: self.hear(.failed("end of file"))
        default: self.hear(self.hasHeard ? .failed(self.reason()) : .untrusted(self.reason()))
        }
    }

    private func flush() {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = sluice_tls_waiting(self.outgoing, &bytes)
        guard count > 0, let bytes else { return }
        self.stream?.write(UnsafeRawBufferPointer(start: bytes, count: count))
        sluice_tls_drained(self.outgoing)
    }

    var queuedBytes: Int { self.stream?.queuedBytes ?? 0 }

    var takenBytes: Int { self.stream?.takenBytes ?? 0 }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard self.isEstablished, !self.isClosed else { return }
        var rest = bytes
        while !rest.isEmpty {
            let piece = rest.prefix(Self.pieceBytes)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
            let base = UnsafeRawBufferPointer(rebasing: piece).baseAddress
            // What failed shows when it is read.
            guard SSL_write(self.session, base, Int32(clamping: piece.count)) == piece.count else { return }
            self.flush()
        }
    }

    func close() {
        guard !self.isClosed else { return }
        if self.isEstablished {
            SSL_shutdown(self.session)
            self.flush()
        }
        ERR_clear_error()
        self.isClosed = true
        self.stream?.close()
    }

    // MARK: What went wrong

    private func reason() -> String {
        let error = sluice_tls_error()
        let verdict = Int32(truncatingIfNeeded: SSL_get_verify_result(self.session))
        guard verdict == X509_V_OK || SSL_get_verify_mode(self.session) == SSL_VERIFY_NONE else {
            return self.refusal(verdict)
        }
        let text = ValkeyTLSContext.text(error)
        guard sluice_tls_is_of_sessions(error) == 1 else { return "TLS failed: \(text)" }
        switch sluice_tls_reason(error) {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG:
            return "what listens there does not speak TLS; give its port for TLS, or use redis://"
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
            return "it asks for a client certificate that it accepts (\(text)); set a certificate and its key"
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_ACCESS_DENIED:
            return "it does not accept our client certificate (\(text)); give one of an authority that it knows"
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return "it speaks no TLS of version 1.2 or later; allow that at the server"
        default: return "TLS failed: \(text)"
        }
    }

    private func refusal(_ verdict: Int32) -> String {
        switch verdict {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            "its certificate, or an authority's, has expired; renew it, or set the clock of this machine"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            "its certificate is not valid yet; set the clock of this machine"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            "its certificate is not for '\(self.name)'; connect by a name that it is for"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
            "its certificate is from an unknown authority; give the file of the authority's certificate"
        default: "its certificate is refused: \(String(cString: X509_verify_cert_error_string(Int(verdict))))"
        }
    }
}

/// What all connections of a client share: whom to trust, and who we are.
final class ValkeyTLSContext: @unchecked Sendable {
    // Sound: nothing changes it after its making, and OpenSSL counts its users under a lock.

    let pointer: OpaquePointer
    private let configuration: ValkeyTLSConfiguration

    /// Reads the files.
    init(_ configuration: ValkeyTLSConfiguration) throws(ValkeyError) {
        guard let pointer = sluice_tls_context(configuration.verifies ? 1 : 0) else {
            throw .untrusted("TLS cannot be set up: \(Self.lastError())")
        }
        self.pointer = pointer
        self.configuration = configuration
        if let file = configuration.authoritiesFile {
            guard SSL_CTX_load_verify_locations(pointer, file, nil) == 1 else {
                throw .untrusted("no certificates of authorities can be read from \(file): \(Self.lastError())")
            }
        } else if configuration.verifies, SSL_CTX_set_default_verify_paths(pointer) != 1 {
            throw .untrusted("the system's authorities cannot be read: \(Self.lastError())")
        }
        ERR_clear_error()
        try self.identify()
    }

    deinit { SSL_CTX_free(self.pointer) }

    private func identify() throws(ValkeyError) {
        guard let certificate = self.configuration.certificateFile else {
            guard self.configuration.keyFile == nil else {
                throw .untrusted("a client key is of no use without its certificate; set both or none")
            }
            return
        }
        guard let key = self.configuration.keyFile else {
            throw .untrusted("the client certificate \(certificate) needs its key; set both or none")
        }
        guard SSL_CTX_use_certificate_chain_file(self.pointer, certificate) == 1 else {
            throw .untrusted("the client certificate \(certificate) cannot be read: \(Self.lastError())")
        }
        guard SSL_CTX_use_PrivateKey_file(self.pointer, key, SSL_FILETYPE_PEM) == 1 else {
            throw .untrusted("the client key \(key) cannot be read, or is of another certificate: \(Self.lastError())")
        }
    }

    func serverName(of place: ValkeyAddress.Place) -> String {
        if let name = self.configuration.serverName { return name }
        switch place {
        case .host(let host, _): return host
        case .socket: return "localhost"
        }
    }

    static func text(_ error: UInt) -> String {
        guard error != 0 else { return "the connection ended" }
        return ERR_reason_error_string(error).map { String(cString: $0) } ?? "error \(error)"
    }

    private static func lastError() -> String { Self.text(sluice_tls_error()) }
}
