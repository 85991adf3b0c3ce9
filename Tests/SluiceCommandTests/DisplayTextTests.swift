import Testing

@testable import sluice

@Suite struct DisplayTextTests {
    private let unicode = DisplayText(isUnicode: true)
    private let plain = DisplayText(isUnicode: false)

    @Test func `nothing that steers a terminal is left`() {
        let hostile = "a\u{1B}[31mb\u{07}\u{0}\r\n\u{7F}\u{9B}31m\u{202E}\u{200B}\u{2028}\u{E000}c"
        for display in [self.unicode, self.plain] {
            let clean = display.clean(hostile)
            #expect(clean.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
            #expect(!clean.unicodeScalars.contains("\u{202E}") && !clean.unicodeScalars.contains("\u{2028}"))
            #expect(clean.hasPrefix("a") && clean.hasSuffix("c"))
        }
    }

    /// Every scalar there is, so that no table has a hole.
    @Test func `every character is shown as itself or as a mark`() {
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let clean = self.unicode.clean(String(Character(scalar)))
            let isControl = [.control, .format, .surrogate, .privateUse, .unassigned].contains(
                scalar.properties.generalCategory
            )
            if isControl { #expect(clean == "\u{FFFD}", "\(value)") }
            #expect(clean.unicodeScalars.count <= 1)
        }
    }

    @Test func `without UTF-8 only ASCII is written`() {
        #expect(self.plain.clean("größe 模型") == "gr??e ??")
        #expect(self.plain.cut("a long name", to: 6) == "a lon~")
        #expect(self.plain.unknown == "-" && self.plain.ellipsis.unicodeScalars.allSatisfy(\.isASCII))
    }

    @Test func `marks do not pile up`() {
        let clean = self.unicode.clean("\u{301}e" + String(repeating: "\u{301}", count: 50) + "x")
        #expect(clean.unicodeScalars.count == 6 && DisplayText.width(clean) == 2)
    }

    @Test(arguments: [
        ("request", 7, "request"), ("request", 6, "reque…"), ("request", 1, "…"), ("request", 0, ""),
        ("模型名", 6, "模型名"), ("模型名", 5, "模型…"), ("模型名", 4, "模…"), ("模型名", 2, "…"),
        ("a🙂b", 4, "a🙂b"), ("a🙂b", 3, "a…"), ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
    ])
    func `text is cut by columns`(text: String, columns: Int, expected: String) {
        let cut = self.unicode.cut(text, to: columns)
        #expect(cut == expected)
        #expect(DisplayText.width(cut) <= columns)
    }

    @Test(arguments: [
        (["LANG": "en_US.UTF-8"], true), (["LANG": "C.utf8"], true), (["LC_ALL": "C", "LANG": "en_US.UTF-8"], false),
        ([:], false), (["LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"], true),
    ])
    func `the locale says what the terminal reads`(environment: [String: String], isUnicode: Bool) {
        #expect(DisplayText.standard(environment: environment).isUnicode == isUnicode)
    }
}
