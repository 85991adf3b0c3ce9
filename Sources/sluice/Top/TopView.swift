import SluiceDoctor

/// What the person at the keyboard has chosen to see.
struct TopView: Sendable, Equatable {
    enum Section: Sendable, CaseIterable {
        case pools
        case dispatchers
        case requests
    }

    enum Action: Sendable, Equatable {
        case quit
        case suspend
        case redraw
        case freeze
        case pause(pool: String)
        case resume(pool: String)
        case cancel(request: String)
    }

    enum Mode: Sendable, Equatable {
        case watching
        case filtering
        case asking(question: String, Action)
        case help
    }

    var focus = Section.pools
    var mode = Mode.watching
    var filter = ""
    /// One sentence about what was done or cannot be done.
    var notice: String?
    /// By section: what is selected. Kept by name, because rows move.
    private var selected: [Section: String] = [:]
    /// Where the selected row stood when it was last there.
    private var positions: [Section: Int] = [:]

    private static let maximumFilter = 128

    /// The requests that the filter lets through: every word is in one of its texts.
    func visible(_ requests: [TopModel.Request]) -> [TopModel.Request] {
        let words = self.filter.lowercased().split(separator: " ")
        guard !words.isEmpty else { return requests }
        return requests.filter { request in
            let texts = [
                request.id, request.pool, request.model, request.producer, request.dispatcher, request.stage,
            ].compactMap { $0?.lowercased() }
            return words.allSatisfy { word in texts.contains { $0.contains(word) } }
        }
    }

    private func names(_ section: Section, _ model: TopModel?) -> [String] {
        guard let model else { return [] }
        return switch section {
        case .pools: model.pools.map(\.id)
        case .dispatchers: model.dispatchers.map(\.id)
        case .requests: self.visible(model.requests).map(\.id)
        }
    }

    /// The selected row; one that has gone gives its place to what stands there now.
    func position(_ section: Section, _ model: TopModel?) -> Int? {
        let names = self.names(section, model)
        guard !names.isEmpty else { return nil }
        if let name = self.selected[section], let found = names.firstIndex(of: name) { return found }
        return min(self.positions[section] ?? 0, names.count - 1)
    }

    private mutating func select(_ position: Int, _ model: TopModel?) {
        let names = self.names(self.focus, model)
        guard !names.isEmpty else { return }
        let position = min(max(0, position), names.count - 1)
        self.positions[self.focus] = position
        self.selected[self.focus] = names[position]
    }

    /// Keeps the selection where it is while rows come and go.
    mutating func settle(_ model: TopModel) {
        for section in Section.allCases {
            guard let position = self.position(section, model) else { continue }
            // The place of a vanished row is kept, but what stands there now is not chosen until a key says so.
            if let name = self.selected[section], self.names(section, model)[position] != name {
                self.selected[section] = nil
            }
            self.positions[section] = position
        }
    }

    mutating func press(_ key: TopKey, _ model: TopModel?) -> Action? {
        switch key {
        case .interrupt: return .quit
        case .suspend: return .suspend
        case .redraw: return .redraw
        default: break
        }
        switch self.mode {
        case .filtering:
            self.edit(key)
            return nil
        case .asking(_, let action):
            self.mode = .watching
            if key == .character("y") || key == .character("Y") { return action }
            self.notice = "Nothing was changed."
            return nil
        case .help:
            self.mode = .watching
            return nil
        case .watching:
            self.notice = nil
            return self.watch(key, model)
        }
    }

    private mutating func edit(_ key: TopKey) {
        switch key {
        case .enter: self.mode = .watching
        case .escape:
            self.filter = ""
            self.mode = .watching
        case .backspace: _ = self.filter.popLast()
        case .character(let character) where self.filter.count < Self.maximumFilter: self.filter.append(character)
        default: break
        }
    }

    private mutating func watch(_ key: TopKey, _ model: TopModel?) -> Action? {
        let position = self.position(self.focus, model) ?? 0
        switch key {
        case .character("q"), .character("Q"): return .quit
        case .character(" "): return .freeze
        case .character("?"), .character("h"): self.mode = .help
        case .character("/"): self.mode = .filtering
        case .character("p"): self.askForPool(model)
        case .character("c"): self.askForRequest(model)
        case .escape: self.filter = ""
        case .tab: self.focus = Self.next(self.focus, 1)
        case .backTab: self.focus = Self.next(self.focus, Section.allCases.count - 1)
        case .up, .character("k"): self.select(position - 1, model)
        case .down, .character("j"): self.select(position + 1, model)
        case .pageUp: self.select(position - 10, model)
        case .pageDown: self.select(position + 10, model)
        case .home, .character("g"): self.select(0, model)
        case .end, .character("G"): self.select(Int.max, model)
        default: break
        }
        return nil
    }

    private static func next(_ section: Section, _ steps: Int) -> Section {
        let all = Section.allCases
        let index = all.firstIndex(of: section) ?? 0
        return all[(index + steps) % all.count]
    }

    private mutating func askForPool(_ model: TopModel?) {
        guard self.focus == .pools else {
            self.notice = "p pauses a pool: press tab until the pools are selected."
            return
        }
        guard let model, let position = self.position(.pools, model) else {
            self.notice = "There is no pool to pause."
            return
        }
        let pool = model.pools[position]
        switch pool.state {
        case "running":
            self.mode = .asking(question: "Pause pool '\(pool.id)'?", .pause(pool: pool.id))
        case "paused", "draining":
            self.mode = .asking(question: "Resume pool '\(pool.id)'?", .resume(pool: pool.id))
        default:
            self.notice = "Pool '\(pool.id)' cannot be steered here: its state is not known to this gateway."
        }
    }

    private mutating func askForRequest(_ model: TopModel?) {
        guard self.focus == .requests else {
            self.notice = "c cancels a request: press tab until the requests are selected."
            return
        }
        let rows = model.map { self.visible($0.requests) } ?? []
        guard let position = self.position(.requests, model), position < rows.count else {
            self.notice = "There is no request to cancel."
            return
        }
        self.mode = .asking(question: "Cancel request '\(rows[position].id)'?", .cancel(request: rows[position].id))
    }
}
