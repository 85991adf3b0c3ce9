import CCurl
import SluiceBasics
import SluiceWire

/// libcurl on one reactor's loop. Confined to the reactor's thread.
final class HTTPClientDriver: ReactorParticipant, @unchecked Sendable {
    // Sound: confined to one thread; `reactor` and `configuration` are constant.

    private static let maximumIdleHandles = 64
    private static let sweepInterval = Duration.seconds(15)
    /// After a burst its connections are kept for two to three sweeps.
    private static let maximumIdleSweeps = 3

    let reactor: Reactor
    let configuration: HTTPClientConfiguration
    private var sweeper: ReactorTimer?
    private var multis: [CurlMulti] = []
    private var idle: [CurlEasy] = []
    private var transfers: [ObjectIdentifier: HTTPTransfer] = [:]
    private var sockets: [Int32: CurlSocket] = [:]
    /// Sockets whose closing libcurl tells us of; others (its resolver's) it closes by itself.
    private var ours: Set<Int32> = []

    init(_ reactor: Reactor, _ configuration: HTTPClientConfiguration) {
        self.reactor = reactor
        self.configuration = configuration
    }

    // MARK: Transfers

    func borrow() throws(HTTPClientError) -> CurlEasy {
        guard self.transfers.count < self.configuration.maximumTransfersPerReactor else {
            throw HTTPClientError(
                .tooManyTransfers,
                message: "\(self.transfers.count) backend calls are already running on this thread, which is the limit",
                sent: false
            )
        }
        if let easy = self.idle.popLast() { return easy }
        guard let easy = CurlEasy(self.configuration, driver: self) else {
            throw HTTPClientError(.tooManyTransfers, message: "out of memory for another backend call", sent: false)
        }
        return easy
    }

    func giveBack(_ easy: CurlEasy) {
        if easy.isReusable && self.idle.count < Self.maximumIdleHandles { self.idle.append(easy) }
    }

    func add(_ transfer: HTTPTransfer, _ easy: CurlEasy) throws(HTTPClientError) {
        self.attach()
        guard let multi = self.multiWithRoom(), multi.add(easy) else {
            throw HTTPClientError(.tooManyTransfers, message: "libcurl takes no more transfers", sent: false)
        }
        transfer.multi = multi
        self.transfers[ObjectIdentifier(transfer)] = transfer
    }

    func forget(_ transfer: HTTPTransfer) {
        self.transfers[ObjectIdentifier(transfer)] = nil
    }

    /// The other transfers on the same connection, which then is HTTP/2.
    ///
    /// A transfer that is given up there leaves a reset of its stream behind, which libcurl 7.88 only writes with the
    /// next bytes of another one. Until then the backend would go on working, and be paid for it: so either a companion
    /// is made to write, or the connection has to end.
    func companions(of transfer: HTTPTransfer) -> [HTTPTransfer] {
        guard transfer.request.url.hasPrefix("https:"), let port = transfer.easy?.localPort else { return [] }
        return self.transfers.values.filter { other in
            other !== transfer && other.multi === transfer.multi && other.easy?.localPort == port
        }
    }

    private func multiWithRoom() -> CurlMulti? {
        if let multi = self.multis.first(where: { $0.hasRoom }) { return multi }
        guard let multi = CurlMulti(self) else { return nil }
        self.multis.append(multi)
        return multi
    }

    private func attach() {
        guard self.sweeper == nil else { return }
        self.reactor.add(self)
        let sweeper = ReactorTimer(self.reactor)
        self.sweeper = sweeper
        sweeper.start(after: Self.sweepInterval, repeating: Self.sweepInterval) { [unowned self] in self.sweep() }
    }

    /// Lets go of the connections that a burst has left behind; the first multi handle always stays.
    private func sweep() {
        for multi in self.multis where multi.count == 0 { multi.idleSweeps += 1 }
        guard let first = self.multis.first else { return }
        self.multis.removeAll { $0 !== first && $0.idleSweeps >= Self.maximumIdleSweeps }
    }

    func takeTurn() -> Bool {
        var didWork = false
        for multi in self.multis where multi.needsKick {
            multi.kick()
            didWork = true
        }
        return didWork
    }

    // MARK: Sockets

    func watch(_ descriptor: Int32, what: Int32, for multi: CurlMulti) {
        if what == CURL_POLL_REMOVE {
            if self.ours.contains(descriptor) {
                self.sockets[descriptor]?.rest()
            } else {
                self.sockets.removeValue(forKey: descriptor)?.close()
            }
            return
        }
        if let socket = self.sockets[descriptor] { return socket.want(what, for: multi) }
        guard let socket = CurlSocket(self, descriptor, multi) else { return }
        self.sockets[descriptor] = socket
        socket.want(what, for: multi)
    }

    func opened(_ descriptor: Int32) { self.ours.insert(descriptor) }

    func closed(_ descriptor: Int32) {
        self.ours.remove(descriptor)
        self.sockets.removeValue(forKey: descriptor)?.close()
    }
}
