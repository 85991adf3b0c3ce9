import SluiceDoctor

/// Makes the screen's lines from what is known and what was chosen. Pure: the same input gives the same frame.
struct TopRenderer: Sendable {
    struct Size: Sendable, Equatable {
        var columns: Int
        var rows: Int
    }

    /// What is known of the connection.
    struct Link: Sendable, Equatable {
        /// Seconds since the gateway said what is shown; `nil` before it has said anything.
        var dataAge: Double?
        /// Why it says nothing more.
        var trouble: String?
        /// Seconds after which an answer is late.
        var patience = 2.5
        /// Seconds since the picture was frozen.
        var frozenFor: Double?
    }

    let display: DisplayText

    func frame(_ model: TopModel?, _ view: TopView, _ link: Link, _ size: Size) -> [Line] {
        let head = self.head(model, link) + [self.status(model, view, link)]
        let footer = self.footer(view)
        var body: [Line] = []
        if view.mode == .help {
            body = self.help()
        } else if let model {
            let room = max(0, size.rows - head.count - 1)
            body = self.sections(model, view, Size(columns: size.columns, rows: room))
        }
        if link.trouble != nil && view.mode != .help { body = body.map { $0.all(.dim) } }
        var lines = Array((head + body).prefix(max(0, size.rows - 1)))
        while lines.count < size.rows - 1 { lines.append(Line()) }
        lines.append(footer)
        return lines.prefix(size.rows).map { $0.cut(to: size.columns, self.display) }
    }

    /// The same without a screen: everything there is, and no keys.
    func page(_ model: TopModel, columns: Int) -> [Line] {
        var view = TopView()
        view.focus = .requests
        var lines = self.head(model, Link()) + [Line()]
        for (index, section) in TopView.Section.allCases.enumerated() {
            if index > 0 { lines.append(Line()) }
            let table = self.table(section, model, view)
            lines += self.block(table, section, nil, false, Size(columns: columns, rows: table.rows.count + 1))
        }
        if let unseen = model.unseenRequests, unseen > 0 { lines.append(Line("and \(unseen) more requests", .dim)) }
        return lines.map { $0.cut(to: columns, self.display) }
    }

    // MARK: Head and foot

    private func head(_ model: TopModel?, _ link: Link) -> [Line] {
        var title = Line("sluice", .bold)
        var facts: [String] = []
        if let model {
            facts.append(self.display.clean(model.url))
            facts += [model.version.map { self.display.clean($0) }].compactMap { $0 }
            facts.append("up " + self.span(model.uptime))
            if let group = model.fabricGroup, !group.isEmpty { facts.append("fabric " + self.display.clean(group)) }
        }
        title.add("  " + facts.joined(separator: self.display.separator))
        guard let model else { return [title, Line()] }
        let totals = model.totals
        var line = Line()
        func add(_ name: String, _ value: String, _ look: Line.Look) {
            if !line.pieces.isEmpty { line.add("   ") }
            line.add(name + " ", .dim)
            line.add(value, look)
        }
        let slots = totals.slots.map { "/\($0)" } ?? ""
        add("pending", self.count(totals.pending), .bold)
        add("in flight", self.count(totals.inFlight) + slots, .bold)
        add("done", self.rate(totals.donePerSecond), .bold)
        add("failed", self.rate(totals.failedPerSecond), (totals.failedPerSecond ?? 0) > 0 ? .bad : .bold)
        add("dropped", self.count(totals.dropped), (totals.dropped ?? 0) > 0 ? .caution : .bold)
        let running = self.count(totals.runningDispatchers)
        add("dispatchers", "\(running)/\(self.count(totals.registeredDispatchers))", .bold)
        return [title, link.trouble == nil ? line : line.all(.dim)]
    }

    private func status(_ model: TopModel?, _ view: TopView, _ link: Link) -> Line {
        if let trouble = link.trouble {
            let age = link.dataAge.map { "The data is \(self.span($0)) old. " } ?? ""
            return Line("\(age)Trying again: \(self.display.clean(trouble))", .bad)
        }
        if let notice = view.notice { return Line(self.display.clean(notice), .caution) }
        if let error = model?.fabricError {
            return Line("The fabric cannot be seen: \(self.display.clean(error))", .bad)
        }
        if let frozen = link.frozenFor { return Line("Frozen for \(self.span(frozen)); space goes on.", .caution) }
        if let age = link.dataAge, age > link.patience {
            return Line("No answer yet; the data is \(self.span(age)) old.", .caution)
        }
        if model == nil { return Line("Asking the gateway...", .dim) }
        return Line()
    }

    private func footer(_ view: TopView) -> Line {
        switch view.mode {
        // The choice first: a long name may be cut.
        case .asking(let question, _): Line("[y/n] " + self.display.clean(question), .bold)
        case .filtering: Line("/" + self.display.clean(view.filter) + "_", .bold)
        case .help: Line("any key goes back", .dim)
        case .watching:
            Line("q quit   tab next   arrows select   / filter   p pause   c cancel   space freeze   ? help", .dim)
        }
    }

    private func help() -> [Line] {
        [
            "", "  tab, shift-tab   switch between pools, dispatchers and requests",
            "  arrows, j, k     select a row; page up, page down, g, G: further",
            "  p                pause or resume the selected pool (asks)",
            "  c                cancel the selected request (asks)",
            "  /                show only requests with these words in id, pool, model, producer, dispatcher or stage",
            "  escape           show all requests again", "  space            freeze the picture, and go on",
            "  ctrl-l           draw the screen anew", "  q, ctrl-c        quit", "",
            "  \(self.display.unknown) means unknown. Rates are those of the last five seconds.",
        ].map { Line($0) }
    }

    // MARK: Sections

    private func sections(_ model: TopModel, _ view: TopView, _ size: Size) -> [Line] {
        let all = TopView.Section.allCases
        let tables = all.map { self.table($0, model, view) }
        let heights = TopLayout.heights(
            wanted: tables.map { max(1, $0.rows.count) + 1 },
            focus: all.firstIndex(of: view.focus) ?? 0,
            room: size.rows
        )
        var lines: [Line] = []
        // Between sections, when nothing is lost by it.
        let hasGaps = heights.reduce(0, +) + all.count - 1 <= size.rows
        for (index, section) in all.enumerated() where heights[index] > 1 {
            if hasGaps && !lines.isEmpty { lines.append(Line()) }
            let room = Size(columns: size.columns, rows: heights[index])
            let position = view.position(section, model)
            lines += self.block(tables[index], section, position, section == view.focus, room)
        }
        return lines
    }

    /// A header and as many rows as fit, the selected one among them.
    private func block(
        _ table: TopTable,
        _ section: TopView.Section,
        _ position: Int?,
        _ hasFocus: Bool,
        _ size: Size
    ) -> [Line] {
        let widths = table.widths(max(1, size.columns - 2))
        let marker = hasFocus && position != nil ? "> " : "  "
        var lines = [Line((hasFocus && position != nil ? "* " : "  ") + table.header(widths, self.display), .bold)]
        guard !table.rows.isEmpty else { return lines + [Line("  none", .dim)] }
        let room = max(1, size.rows - 1)
        let first = max(0, min(max(0, (position ?? 0) - room + 1), table.rows.count - room))
        for (index, row) in table.rows.enumerated().dropFirst(first).prefix(room) {
            let isSelected = hasFocus && index == position
            var line = Line(isSelected ? marker : "  ")
            line.pieces += table.line(row, widths, self.display).pieces
            lines.append(isSelected ? line.all(.selected) : line)
        }
        return lines
    }

    // MARK: Words

    func count(_ value: Int?) -> String { value.map { String($0) } ?? self.display.unknown }

    func span(_ seconds: Double?) -> String {
        guard let seconds, seconds.isFinite else { return self.display.unknown }
        let milliseconds = (seconds * 1000).rounded()
        return milliseconds > 0 ? ClientCommand.span(milliseconds) : "0 ms"
    }

    func rate(_ value: Double?) -> String {
        guard let value, value.isFinite, value < 1e12 else { return self.display.unknown }
        if value >= 100 { return "\(Int(value.rounded()))/s" }
        return "\((value * 10).rounded() / 10)/s"
    }

    func word(_ text: String?) -> String {
        guard let text, !text.isEmpty else { return self.display.unknown }
        return self.display.clean(text)
    }
}
