import SluiceBasics
import Testing

@testable import SluiceDoctor
@testable import sluice

@Suite struct TopRendererTests {
    private let renderer = TopRenderer(display: DisplayText(isUnicode: true))

    private func sample() -> TopModel {
        var model = TopModel(url: "http://h:1", version: "1.2.3", fabricGroup: "fab", uptime: 3600)
        model.totals = TopModel.Totals(
            pending: 12,
            inFlight: 3,
            slots: 8,
            donePerSecond: 10.25,
            failedPerSecond: 0,
            dropped: 2,
            registeredDispatchers: 2,
            runningDispatchers: 1
        )
        model.pools = [
            TopModel.Pool(
                id: "default",
                state: "running",
                slots: 8,
                inFlight: 3,
                pending: 12,
                oldestWait: 4.25,
                requestsPerSecond: 123.4,
                breaker: "open",
                waitingReason: "circuit_open"
            ), TopModel.Pool(id: "bulk"),
        ]
        model.dispatchers = [
            TopModel.Dispatcher(
                id: "d1",
                isRunning: true,
                pools: ["default", "bulk"],
                processed: 7,
                lastError: "refused"
            )
        ]
        model.requests = (1...30).map { number in
            var request = TopModel.Request(id: "req_\(number)")
            request.pool = "default"
            request.model = "qwen"
            request.stage = number < 4 ? "executing" : "pending"
            request.waited = 1
            request.inFlightFor = 2
            request.dispatcher = "d1"
            request.waitingReason = number < 4 ? nil : "slots_full"
            return request
        }
        return model
    }

    private func frame(_ model: TopModel?, _ columns: Int, _ rows: Int, _ view: TopView = TopView()) -> [String] {
        self.renderer.frame(model, view, .init(), .init(columns: columns, rows: rows)).map(\.text)
    }

    @Test func `a frame shows what is known, and what is not as a dash`() {
        let text = self.frame(self.sample(), 140, 40).joined(separator: "\n")
        for part in [
            "sluice  http://h:1 · 1.2.3 · up 60 min · fabric fab",
            "pending 12   in flight 3/8   done 10.3/s   failed 0.0/s   dropped 2   dispatchers 1/2", "123/s", "4.3 s",
            "circuit_open", "default,bulk", "refused", "req_1 ", "executing", "3 s", "slots_full",
        ] { #expect(text.contains(part), "\(part)\n\(text)") }
        let bulk = text.split(separator: "\n").first { $0.contains("  bulk ") } ?? ""
        #expect(bulk.filter { $0 == "–" }.count == 8 && !bulk.contains("0"))
    }

    @Test func `every frame fits its screen exactly, whatever is in it`() {
        var model = self.sample()
        model.requests[0].id = String(repeating: "模", count: 200)
        model.requests[1].model = "a\u{1B}]0;title\u{07}\u{202E}b"
        model.dispatchers[0].lastError = String(repeating: "error ", count: 100)
        var random = SeededRandom(seed: 3)
        for _ in 0..<600 {
            let size = TopRenderer.Size(columns: 1 + Int(random.next() % 200), rows: 1 + Int(random.next() % 60))
            var view = TopView()
            view.focus = TopView.Section.allCases[Int(random.next() % 3)]
            view.mode = [.watching, .help, .filtering, .asking(question: "Really?", .redraw)][Int(random.next() % 4)]
            view.filter = random.next() % 2 == 0 ? "" : "req"
            for _ in 0..<(random.next() % 20) { _ = view.mode == .watching ? view.press(.down, model) : nil }
            let link = TopRenderer.Link(dataAge: 9, trouble: random.next() % 2 == 0 ? "cannot \u{1B}[2J reach" : nil)
            let lines = self.renderer.frame(random.next() % 8 == 0 ? nil : model, view, link, size)
            #expect(lines.count == size.rows)
            for line in lines {
                #expect(line.width <= size.columns, "\(line.text)")
                #expect(line.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
            }
        }
    }

    @Test func `the selected row is always on the screen`() {
        var view = TopView()
        view.focus = .requests
        let model = self.sample()
        for number in 1...30 {
            for rows in [8, 15, 24, 60] {
                let lines = self.frame(model, 100, rows, view)
                #expect(lines.contains { $0.hasPrefix("> req_\(number) ") }, "\(number) at \(rows)")
            }
            _ = view.press(.down, model)
        }
    }

    @Test func `little room goes to what is looked at`() {
        var view = TopView()
        view.focus = .dispatchers
        let lines = self.frame(self.sample(), 60, 6, view)
        #expect(lines[3].hasPrefix("* DISPATCHER") && lines[4].hasPrefix("> d1"))
        #expect(TopLayout.heights(wanted: [3, 2, 31], focus: 2, room: 40) == [3, 2, 31])
        #expect(TopLayout.heights(wanted: [40, 40, 40], focus: 1, room: 20).reduce(0, +) == 20)
        #expect(TopLayout.heights(wanted: [40, 40, 40], focus: 1, room: 1) == [0, 0, 0])
    }

    @Test func `a lost gateway dims what is shown and says how old it is`() {
        let lines = self.renderer.frame(
            self.sample(),
            TopView(),
            .init(dataAge: 12.4, trouble: "cannot reach it"),
            .init(columns: 120, rows: 30)
        )
        #expect(lines[2] == Line("The data is 12.4 s old. Trying again: cannot reach it", .bad))
        #expect(lines[3...].prefix(20).allSatisfy { $0.pieces.allSatisfy { $0.look == .dim } })
        let late = self.renderer.frame(self.sample(), TopView(), .init(dataAge: 7), .init(columns: 99, rows: 9))
        #expect(late[2].text == "No answer yet; the data is 7 s old.")
    }

    @Test func `only rows that changed are written`() {
        var painter = ScreenPainter(hasColour: true)
        let first = painter.paint([Line("a"), Line("b", .bad), Line("c")])
        #expect(first.contains("\u{1B}[2J") && first.contains("\u{1B}[2;1H\u{1B}[2K\u{1B}[31mb\u{1B}[0m"))
        #expect(painter.paint([Line("a"), Line("b", .bad), Line("c")]).isEmpty)
        #expect(painter.paint([Line("a"), Line("x"), Line("c")]) == "\u{1B}[2;1H\u{1B}[2Kx")
        #expect(painter.paint([Line("a"), Line("x")]).contains("\u{1B}[2J"))
        painter.forget()
        #expect(painter.paint([Line("a"), Line("x")]).contains("1H\u{1B}[2Ka"))
    }

    @Test func `without colour no attribute is set`() {
        var painter = ScreenPainter(hasColour: false)
        #expect(painter.paint([Line("a", .selected)]).hasSuffix("\u{1B}[1;1H\u{1B}[2Ka"))
    }

    @Test func `a page shows all rows and nothing to press`() {
        let text = self.renderer.page(self.sample(), columns: 200).map(\.text).joined(separator: "\n")
        #expect(text.contains("req_30") && !text.contains(">") && !text.contains("quit"))
    }

    @Test func `columns shrink before they go, the least important first`() {
        var table = TopTable(columns: [
            .init(title: "AAAA", minimum: 4, rank: 0), .init(title: "BB", minimum: 5, rank: 2),
            .init(title: "CC", minimum: 2, rank: 1),
        ])
        table.rows = [[.init(text: "aaaaaaaaaa"), .init(text: "bbbbb"), .init(text: "cc")]]
        #expect(table.widths(21) == [10, 5, 2])
        #expect(table.widths(16) == [5, 5, 2])
        #expect(table.widths(14) == [10, nil, 2])
        #expect(table.widths(3) == [4, nil, nil])
    }
}
