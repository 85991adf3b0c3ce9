import SluiceBasics
import Testing

@testable import SluiceDoctor
@testable import sluice

@Suite struct TopKeyReaderTests {
    @Test func `keys are read however their bytes arrive`() {
        let bytes = Array("q\u{1B}[A\u{1B}OB\u{1B}[5~\t\u{1B}[Z\r\u{7F}ä模\u{3}".utf8)
        let expected: [TopKey] = [
            .character("q"), .up, .down, .pageUp, .tab, .backTab, .enter, .backspace, .character("ä"), .character("模"),
            .interrupt,
        ]
        for size in 1...bytes.count {
            var reader = TopKeyReader()
            var keys: [TopKey] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                keys += reader.feed(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            #expect(keys == expected, "\(size)")
            #expect(!reader.isWaiting)
        }
    }

    @Test func `an escape alone is a key once nothing follows`() {
        var reader = TopKeyReader()
        #expect(reader.feed([0x1B]).isEmpty && reader.isWaiting)
        #expect(reader.settle() == [.escape] && !reader.isWaiting)
        #expect(reader.feed([0x1B, 0x71]) == [.escape, .character("q")])
    }

    @Test func `noise is neither a key nor kept`() {
        var random = SeededRandom(seed: 7)
        var reader = TopKeyReader()
        for _ in 0..<20_000 {
            let bytes = (0..<8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for key in reader.feed(bytes) {
                guard case .character(let character) = key else { continue }
                #expect(character.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
            }
        }
        _ = reader.settle()
        #expect(reader.feed(Array("\u{1B}[99999999999999999999999999999999999999999A".utf8)).isEmpty == false)
    }
}

@Suite struct TopViewTests {
    private func model(_ requests: [String], state: String? = "running") -> TopModel {
        var model = TopModel()
        model.pools = [TopModel.Pool(id: "a", state: state), TopModel.Pool(id: "b", state: "paused")]
        model.requests = requests.map { TopModel.Request(id: $0) }
        return model
    }

    @Test func `pausing asks first and names its pool`() {
        var view = TopView()
        let model = self.model([])
        #expect(view.press(.character("p"), model) == nil)
        #expect(view.mode == .asking(question: "Pause pool 'a'?", .pause(pool: "a")))
        #expect(view.press(.character("n"), model) == nil)
        #expect(view.mode == .watching)
        _ = view.press(.character("p"), model)
        #expect(view.press(.character("y"), model) == .pause(pool: "a"))
        _ = view.press(.down, model)
        _ = view.press(.character("p"), model)
        #expect(view.press(.character("y"), model) == .resume(pool: "b"))
    }

    @Test func `a pool whose state is unknown is left alone`() {
        var view = TopView()
        #expect(view.press(.character("p"), self.model([], state: nil)) == nil)
        #expect(view.mode == .watching && view.notice != nil)
        #expect(view.press(.character("p"), nil) == nil)
        #expect(view.notice == "There is no pool to pause.")
    }

    @Test func `c belongs to requests and p to pools`() {
        var view = TopView()
        let model = self.model(["r1"])
        _ = view.press(.character("c"), model)
        #expect(view.mode == .watching && view.notice != nil)
        _ = view.press(.backTab, model)
        #expect(view.focus == .requests)
        _ = view.press(.character("p"), model)
        #expect(view.mode == .watching)
        _ = view.press(.character("c"), model)
        #expect(view.press(.character("y"), model) == .cancel(request: "r1"))
    }

    @Test func `the question keeps its request while rows move`() {
        var view = TopView()
        view.focus = .requests
        _ = view.press(.down, self.model(["r1", "r2", "r3"]))
        _ = view.press(.character("c"), self.model(["r1", "r2", "r3"]))
        #expect(view.press(.character("y"), self.model(["r9", "r3", "r2"])) == .cancel(request: "r2"))
    }

    @Test func `the selection follows its row, and stays in place when the row goes`() {
        var view = TopView()
        view.focus = .requests
        _ = view.press(.down, self.model(["r1", "r2", "r3"]))
        view.settle(self.model(["r0", "r1", "r2", "r3"]))
        #expect(view.position(.requests, self.model(["r0", "r1", "r2", "r3"])) == 2)
        view.settle(self.model(["r0", "r1", "r3"]))
        #expect(view.position(.requests, self.model(["r0", "r1", "r3"])) == 2)
        view.settle(self.model(["r0"]))
        #expect(view.position(.requests, self.model(["r0"])) == 0)
        #expect(view.position(.requests, self.model([])) == nil)
        _ = view.press(.end, self.model(["r1", "r2"]))
        _ = view.press(.pageDown, self.model(["r1", "r2"]))
        #expect(view.position(.requests, self.model(["r1", "r2"])) == 1)
    }

    @Test func `the filter looks into every text, all its words, any case`() {
        var view = TopView()
        var request = TopModel.Request(id: "req_1")
        request.pool = "Bulk"
        request.model = "qwen"
        request.producer = "host:7"
        request.dispatcher = "d-9"
        request.stage = "executing"
        for word in ["REQ_1", "bulk", "wen", "host", "D-9", "exec", "qwen bulk"] {
            view.filter = word
            #expect(view.visible([request]).count == 1, "\(word)")
        }
        for word in ["other", "qwen other"] {
            view.filter = word
            #expect(view.visible([request]).isEmpty, "\(word)")
        }
    }

    @Test func `while a filter is written letters are letters`() {
        var view = TopView()
        _ = view.press(.character("/"), nil)
        for letter in "qpc" { #expect(view.press(.character(letter), nil) == nil) }
        _ = view.press(.backspace, nil)
        _ = view.press(.enter, nil)
        #expect(view.filter == "qp" && view.mode == .watching)
        _ = view.press(.escape, nil)
        #expect(view.filter.isEmpty)
        #expect(view.press(.character("q"), nil) == .quit)
    }

    @Test func `control-c always quits`() {
        for mode in [TopView.Mode.filtering, .help, .asking(question: "", .redraw), .watching] {
            var view = TopView()
            view.mode = mode
            #expect(view.press(.interrupt, nil) == .quit)
        }
    }
}
