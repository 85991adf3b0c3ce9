import SluiceBasics
import SluiceDoctor
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The loop: keys, answers, signals and time come in, frames go out. Everything that decides is in the model, the view
/// and the renderer.
struct TopSession {
    /// What other threads tell the loop.
    private enum Event: Sendable {
        case looked(Result<[HTTPClientResponse], OperatorClient.Unreachable>, at: Double)
        case identified(Result<[HTTPClientResponse], OperatorClient.Unreachable>, at: Double)
        case steered(String, Result<[HTTPClientResponse], OperatorClient.Unreachable>)
        case signal(Int32)
    }

    private struct Frozen {
        var model: TopModel?
        var at: Double
    }

    private let client: OperatorClient
    private let renderer: TopRenderer
    private let interval: Double
    private let limit: Int
    private let bell: Doorbell
    private let events = Lock<[Event]>([])
    private let clock = SystemClock()

    private var tracker: TopTracker
    private var painter: ScreenPainter
    private var keys = TopKeyReader()
    private var typedAt = 0.0
    private var screen = TerminalScreen()
    private var view = TopView()
    private var model: TopModel?
    private var modelAt: Double?
    private var trouble: String?
    private var frozen: Frozen?
    private var isAsking = false
    private var isIdentified = false
    private var asksNextAt = 0.0
    private var result: Int32?

    /// Seconds that the rest of an escape sequence may take.
    private static let sequencePatience = 0.05
    private static let callTimeout = Duration.seconds(5)

    init(
        client: OperatorClient,
        renderer: TopRenderer,
        hasColour: Bool,
        interval: Duration,
        limit: Int,
        bell: Doorbell
    ) {
        self.client = client
        self.renderer = renderer
        self.interval = interval.inSeconds
        self.limit = limit
        self.bell = bell
        self.tracker = TopTracker(url: TopCommand.shown(client.url))
        self.painter = ScreenPainter(hasColour: hasColour)
    }

    mutating func run() -> Int32 {
        // Before the terminal is changed: no signal may end the program without changing it back.
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT] {
            self.client.onSignal(number, self.teller { .signal(number) })
        }
        guard self.screen.enter() else { return ExitCode.failure }
        defer { self.screen.leave() }
        while true {
            self.ask()
            self.draw()
            switch TerminalScreen.wait(self.bell, milliseconds: Int((self.patience() * 1000).rounded(.up))) {
            case .bytes(let bytes):
                self.typedAt = self.now()
                for key in self.keys.feed(bytes) { self.press(key) }
            case .nothing where self.now() - self.typedAt >= Self.sequencePatience:
                for key in self.keys.settle() { self.press(key) }
            case .nothing: break
            case .ended: return ExitCode.failure
            }
            for event in self.events.withLock({ events in
                defer { events = [] }
                return events
            }) { self.take(event) }
            if let result { return result }
        }
    }

    private func now() -> Double { self.clock.now().seconds }

    private func teller(_ event: @escaping @Sendable () -> Event) -> @Sendable () -> Void {
        let (events, bell) = (self.events, self.bell)
        return {
            events.withLock { $0.append(event()) }
            bell.ring()
        }
    }

    /// Seconds until something has to be done without being told. Ages on the screen change once a second.
    private func patience() -> Double {
        if self.keys.isWaiting { return Self.sequencePatience }
        return self.isAsking ? 1 : min(1, max(0, self.asksNextAt - self.now()))
    }

    private mutating func ask() {
        let now = self.now()
        guard !self.isAsking, now >= self.asksNextAt else { return }
        self.isAsking = true
        self.asksNextAt = now + self.interval
        let (clock, events, bell) = (self.clock, self.events, self.bell)
        self.client.begin(.get, TopFetch.paths(limit: self.limit), timeout: Self.callTimeout) { result in
            events.withLock { $0.append(.looked(result, at: clock.now().seconds)) }
            bell.ring()
        }
    }

    private mutating func take(_ event: Event) {
        switch event {
        case .looked(let result, let at): self.looked(result, at)
        case .identified(let result, let at):
            guard case .success(let answers) = result else { return }
            self.tracker.identity = TopFetch.identity(answers, at: at)
        case .steered(let words, let result): self.view.notice = Self.notice(words, result)
        case .signal(let number): self.heed(number)
        }
    }

    private mutating func looked(_ result: Result<[HTTPClientResponse], OperatorClient.Unreachable>, _ at: Double) {
        self.isAsking = false
        do throws(TopFetch.Trouble) {
            guard case .success(let answers) = result else {
                guard case .failure(let error) = result else { return }
                throw TopFetch.Trouble(message: error.message)
            }
            let model = self.tracker.model(try TopFetch.observation(answers, at: at))
            self.view.settle(self.frozen?.model ?? model)
            self.model = model
            self.modelAt = at
            self.trouble = nil
            self.identify()
        } catch {
            self.trouble = error.message
            // It may be another process that answers next.
            self.isIdentified = false
        }
    }

    private mutating func identify() {
        guard !self.isIdentified else { return }
        self.isIdentified = true
        let (clock, events, bell) = (self.clock, self.events, self.bell)
        self.client.begin(.get, TopFetch.identityPaths, timeout: Self.callTimeout) { result in
            events.withLock { $0.append(.identified(result, at: clock.now().seconds)) }
            bell.ring()
        }
    }

    private mutating func heed(_ number: Int32) {
        switch number {
        case SIGWINCH: self.painter.forget()
        case SIGTSTP: self.suspend()
        case SIGCONT: self.resume()
        default: self.result = ExitCode.interrupted
        }
    }

    private mutating func suspend() {
        self.screen.leave()
        TerminalScreen.suspend()
        self.resume()
    }

    /// Takes the terminal again, whatever the shell has done with it.
    private mutating func resume() {
        self.screen.leave()
        if !self.screen.enter() { self.result = ExitCode.failure }
        self.painter.forget()
    }

    // MARK: Keys

    private mutating func press(_ key: TopKey) {
        guard self.result == nil, let action = self.view.press(key, self.shown) else { return }
        switch action {
        case .quit: self.result = ExitCode.success
        case .suspend: self.suspend()
        case .redraw: self.painter.forget()
        case .freeze: self.frozen = self.frozen == nil ? Frozen(model: self.model, at: self.now()) : nil
        case .pause(let pool):
            self.steer("Pool '\(pool)' is paused.", "/api/pools/\(ClientCommand.escaped(pool))/pause")
        case .resume(let pool): self.steer("Pool '\(pool)' runs.", "/api/pools/\(ClientCommand.escaped(pool))/resume")
        case .cancel(let id):
            self.steer("Request '\(id)' was told to stop.", "/api/requests/\(ClientCommand.escaped(id))/cancel")
        }
    }

    private mutating func steer(_ words: String, _ path: String) {
        self.view.notice = "Asking..."
        let (events, bell) = (self.events, self.bell)
        self.client.begin(.post, [path], timeout: Self.callTimeout) { result in
            events.withLock { $0.append(.steered(words, result)) }
            bell.ring()
        }
    }

    private static func notice(
        _ words: String,
        _ result: Result<[HTTPClientResponse], OperatorClient.Unreachable>
    ) -> String {
        switch result {
        case .failure(let error): return "It is not known whether that happened: \(error.message)"
        case .success(let answers):
            do throws(TopFetch.Trouble) {
                for answer in answers { try TopFetch.check(answer) }
                return words
            } catch {
                return error.message
            }
        }
    }

    // MARK: Frames

    private var shown: TopModel? { self.frozen.map(\.model) ?? self.model }

    private mutating func draw() {
        let now = self.now()
        let (columns, rows) = TerminalScreen.size()
        let link = TopRenderer.Link(
            dataAge: self.modelAt.map { now - $0 },
            trouble: self.trouble,
            patience: self.interval * 2 + 0.5,
            frozenFor: self.frozen.map { now - $0.at }
        )
        let size = TopRenderer.Size(columns: columns, rows: rows)
        let output = self.painter.paint(self.renderer.frame(self.shown, self.view, link, size))
        if !output.isEmpty { Files.write(output, to: STDOUT_FILENO) }
    }
}
