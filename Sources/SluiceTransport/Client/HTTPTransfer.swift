import CCurl
import SluiceBasics
import SluiceWire

/// One call of a backend. Confined to its reactor's thread once started.
///
/// ```
/// new ──▶ running ──▶ ended(result)
/// ```
/// `execute` waits for the end; `stream` waits for the head and then, again and again, for bytes.
final class HTTPTransfer: @unchecked Sendable {
    // Sound: touched by its driver's reactor only, apart from `request`, which is constant.

    enum Mode {
        case whole
        case streamed
    }

    typealias Whole = Result<HTTPClientResponse, HTTPClientError>
    typealias Head = Result<HTTPClientStream, HTTPClientError>
    typealias Chunk = Result<[UInt8]?, HTTPClientError>

    let driver: HTTPClientDriver
    let request: HTTPClientRequest
    let mode: Mode
    private(set) var easy: CurlEasy?
    var multi: CurlMulti?
    private var bodyOffset = 0
    // What came.
    private var status = 0
    private var headers = HTTPFields()
    private var isHeadComplete = false
    private var received: [UInt8] = []
    private var isPaused = false
    private var failure: HTTPClientError?
    private var hasEnded = false
    // Who waits.
    private var wholeWaiter: UnsafeContinuation<Whole, Never>?
    private var headWaiter: UnsafeContinuation<Head, Never>?
    private var chunkWaiter: UnsafeContinuation<Chunk, Never>?

    init(_ driver: HTTPClientDriver, _ request: HTTPClientRequest, _ mode: Mode) {
        self.driver = driver
        self.request = request
        self.mode = mode
    }

    // MARK: Starting and waiting

    func start(_ waiter: UnsafeContinuation<Whole, Never>) {
        self.wholeWaiter = waiter
        self.begin()
    }

    func start(_ waiter: UnsafeContinuation<Head, Never>) {
        self.headWaiter = waiter
        self.begin()
    }

    private func begin() {
        if let failure = self.failure { return self.end(failure) }
        do throws(HTTPClientError) {
            let easy = try self.driver.borrow()
            self.easy = easy
            easy.prepare(self.request, transfer: self)
            try self.driver.add(self, easy)
        } catch {
            self.end(error)
        }
    }

    /// Waits for the next bytes.
    func next(_ waiter: UnsafeContinuation<Chunk, Never>) {
        if !self.received.isEmpty {
            let chunk = self.received
            self.received = []
            waiter.resume(returning: .success(chunk))
            self.unpause()
        } else if self.hasEnded {
            waiter.resume(returning: self.failure.map { .failure($0) } ?? .success(nil))
        } else {
            self.chunkWaiter = waiter
            self.unpause()
        }
    }

    private func unpause() {
        guard self.isPaused, let easy = self.easy, let multi = self.multi else { return }
        self.isPaused = false
        curl_easy_pause(easy.handle, CURLPAUSE_CONT)
        multi.needsKick = true
    }

    /// Makes libcurl write what it holds for the transfer's connection: a change of what is paused does.
    func flush() {
        guard let easy = self.easy, let multi = self.multi else { return }
        guard !self.isPaused else { return self.unpause() }
        curl_easy_pause(easy.handle, CURLPAUSE_SEND)
        curl_easy_pause(easy.handle, CURLPAUSE_CONT)
        multi.needsKick = true
    }

    /// Closes the transfer, whatever it is doing.
    func cancel() {
        guard !self.hasEnded else { return }
        let wasSent = self.multi != nil && self.wasSent
        let failure = HTTPClientError(.cancelled, message: "the call was cancelled", sent: wasSent)
        guard self.multi != nil else {
            self.failure = failure
            return
        }
        self.finish(failure)
    }

    // MARK: What libcurl reports

    func header(_ line: UnsafeRawBufferPointer) {
        guard !self.isHeadComplete else { return }
        if Self.isStatusLine(line) {
            self.status = Self.status(in: line)
            self.headers = HTTPFields()
            self.headers.reserve(fields: 12, bytes: 384)
        } else if line.count <= 2 {
            // The end of an interim response (RFC 9110, 15.2) is not the end of the head.
            guard self.status >= 200 else { return }
            self.isHeadComplete = true
            if let waiter = self.headWaiter {
                self.headWaiter = nil
                waiter.resume(returning: .success(self.makeStream()))
            }
        } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            self.headers.append(
                name: UnsafeRawBufferPointer(rebasing: line[..<colon]),
                value: Self.trimmed(line, from: colon + 1)
            )
        }
    }

    /// Begins with `HTTP/`.
    private static func isStatusLine(_ line: UnsafeRawBufferPointer) -> Bool {
        line.count > 5 && line[0] == 0x48 && line[1] == 0x54 && line[2] == 0x54 && line[3] == 0x50 && line[4] == 0x2F
    }

    /// `HTTP/1.1 200 OK`: the number after the first space.
    private static func status(in line: UnsafeRawBufferPointer) -> Int {
        guard let space = line.firstIndex(of: UInt8(ascii: " ")) else { return 0 }
        var value = 0
        for byte in line[(space + 1)...].prefix(3) where byte >= 48 && byte <= 57 {
            value = value * 10 + Int(byte - 48)
        }
        return value
    }

    private static func trimmed(_ line: UnsafeRawBufferPointer, from start: Int) -> UnsafeRawBufferPointer {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 || byte == 10 }
        var lower = start
        var upper = line.count
        while lower < upper && isSpace(line[lower]) { lower += 1 }
        while upper > lower && isSpace(line[upper - 1]) { upper -= 1 }
        return UnsafeRawBufferPointer(rebasing: line[lower..<upper])
    }

    private func makeStream() -> HTTPClientStream {
        HTTPClientStream(status: self.status, headers: self.headers, body: HTTPTransferReader(transfer: self))
    }

    enum Appetite {
        case took
        case pause
        case refuse
    }

    func body(_ bytes: UnsafeRawBufferPointer) -> Appetite {
        switch self.mode {
        case .whole:
            guard self.received.count + bytes.count <= self.request.maximumResponseBytes else {
                self.failure = HTTPClientError(
                    .responseTooLarge,
                    message: "the response is larger than the limit of \(self.request.maximumResponseBytes) bytes",
                    sent: true
                )
                return .refuse
            }
            if self.received.isEmpty { self.reserveBody() }
            self.received.append(contentsOf: bytes)
        case .streamed:
            guard self.received.count < self.driver.configuration.streamBufferBytes else {
                self.isPaused = true
                return .pause
            }
            self.received.append(contentsOf: bytes)
            self.handOver()
        }
        return .took
    }

    private func reserveBody() {
        guard let text = self.headers["content-length"], let length = Int(text), length >= 0 else { return }
        // Beyond the body: room for a vectorised parser to read past the end without a copy.
        self.received.reserveCapacity(min(length, self.request.maximumResponseBytes) + 64)
    }

    /// Wakes the reader. It runs after libcurl has delivered everything it has read, and takes all of that at once.
    private func handOver() {
        guard let waiter = self.chunkWaiter else { return }
        self.chunkWaiter = nil
        self.driver.reactor.later {
            let chunk = self.received
            self.received = []
            waiter.resume(returning: .success(chunk))
            self.unpause()
        }
    }

    /// libcurl wants more of the request's body.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, self.request.body.count - self.bodyOffset)
        guard count > 0 else { return 0 }
        self.request.body.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[self.bodyOffset..<self.bodyOffset + count]))
        }
        self.bodyOffset += count
        return count
    }

    func seek(to offset: Int) -> Bool {
        guard offset >= 0, offset <= self.request.body.count else { return false }
        self.bodyOffset = offset
        return true
    }

    // MARK: The end

    /// Whether a byte of the request may have left.
    var wasSent: Bool {
        guard let easy = self.easy else { return false }
        return sluice_easy_get_size(easy.handle, CURLINFO_PRETRANSFER_TIME_T) > 0
    }

    /// libcurl is done with the transfer.
    func completed(_ code: CURLcode) {
        guard !self.hasEnded else { return }
        if code == CURLE_OK, self.status < 200 {
            return self.finish(HTTPClientError(.malformed, message: "the answer has no HTTP status", sent: true))
        }
        if code == CURLE_OK { return self.finish(nil) }
        self.finish(self.failure ?? CurlErrors.translate(code, self))
    }

    private func finish(_ failure: HTTPClientError?) {
        let easy = self.easy
        let companions = failure == nil ? [] : self.driver.companions(of: self)
        if failure != nil && companions.isEmpty { easy?.closeConnection() }
        if let multi = self.multi, let easy { multi.remove(easy) }
        self.multi = nil
        self.driver.forget(self)
        for companion in companions { companion.flush() }
        self.end(failure)
        if let easy {
            self.easy = nil
            self.driver.giveBack(easy)
        }
    }

    private func end(_ failure: HTTPClientError?) {
        self.hasEnded = true
        self.failure = failure
        if let waiter = self.wholeWaiter {
            self.wholeWaiter = nil
            let response = HTTPClientResponse(status: self.status, headers: self.headers, body: self.received)
            self.received = []
            waiter.resume(returning: failure.map { .failure($0) } ?? .success(response))
        }
        if let waiter = self.headWaiter {
            self.headWaiter = nil
            let missing = HTTPClientError(.malformed, message: "the answer ended before its head did", sent: true)
            waiter.resume(returning: .failure(failure ?? missing))
        }
        if let waiter = self.chunkWaiter {
            self.chunkWaiter = nil
            waiter.resume(returning: failure.map { .failure($0) } ?? .success(nil))
        }
    }
}

/// The reader's side of a streamed transfer.
private final class HTTPTransferReader: HTTPBodyReader {
    private let transfer: HTTPTransfer

    init(transfer: HTTPTransfer) { self.transfer = transfer }

    // A body that nobody reads any more must not hold its connection.
    deinit { self.close() }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        let transfer = self.transfer
        let reactor = transfer.driver.reactor
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<HTTPTransfer.Chunk, Never>) in
                if reactor.isCurrent {
                    transfer.next(continuation)
                } else {
                    reactor.post { transfer.next(continuation) }
                }
            }
        } onCancel: {
            reactor.post { transfer.cancel() }
        }
        return try result.get()
    }

    func close() {
        let transfer = self.transfer
        transfer.driver.reactor.post { transfer.cancel() }
    }
}
