import SluiceCore
import Testing

struct ImageTests {
    @Test(arguments: [
        // The provider's own examples.
        (1_024, 1_024, ImageRule.Detail.high, 765), (2_048, 4_096, .high, 1_105), (4_096, 8_192, .low, 85),
        (512, 512, .high, 255), (1, 1, .auto, 255), (513, 512, .auto, 425), (65_535, 1, .high, 765),
    ])
    func `tiles are counted as documented`(width: Int, height: Int, detail: ImageRule.Detail, tokens: Int) {
        let rule = ImageRule(model: "gpt-4o")
        #expect(rule.tokens(ImageSize(width: width, height: height), detail: detail) == tokens)
    }

    @Test(arguments: [
        (1_024, 1_024, 1_024), (1_800, 2_400, 1_452), (32, 32, 1), (33, 32, 2), (65_535, 65_535, 1_521),
        // Strips that are thinner than a patch once they have been scaled.
        (65_535, 1, 1_536), (1, 65_535, 1_536), (60_000, 33, 1_536),
    ])
    func `patches are counted as documented`(width: Int, height: Int, patches: Int) {
        #expect(ImageRule.patches(hundredths: 100).tokens(ImageSize(width: width, height: height)) == patches)
        let cheap = ImageRule(model: "openai/gpt-4.1-mini").tokens(ImageSize(width: width, height: height))
        #expect(cheap == (patches * 162 + 99) / 100)
    }

    @Test func `extreme shapes stay within bounds`() {
        for width in [1, 31, 512, 769, 2_049, 65_535] {
            for height in [1, 33, 768, 4_000, 65_535] {
                let size = ImageSize(width: width, height: height)
                let patches = ImageRule.patches(hundredths: 100).tokens(size)
                #expect((1...1_536).contains(patches), "\(width) x \(height): \(patches)")
                #expect((255...2_805).contains(ImageRule(model: "gpt-4o").tokens(size)), "\(width) x \(height)")
            }
        }
        #expect(ImageSize(width: -5, height: Int.max) == ImageSize(width: 1, height: 65_535))
    }

    @Test func `an image of unknown size costs what the common rule says for a square of 1,024`() {
        #expect(ImageRule(model: "some-model").tokens(nil) == 765)
        #expect(ImageRule(model: "gpt-5").tokens(nil) == 630)
        #expect(ImageRule(model: "gpt-4o-mini").tokens(nil, detail: .low) == 2_833)
    }

    // MARK: - Sizes

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var number = 0
            for offset in 0..<3 { number = number << 8 | (offset < group.count ? Int(group[start + offset]) : 0) }
            for index in 0...group.count { text.append(alphabet[number >> (18 - 6 * index) & 63]) }
            for _ in group.count..<3 { text.append(0x3D) }
        }
        return text
    }

    private static let png: [UInt8] =
        [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 0, 0, 0, 13] + Array("IHDR".utf8) + [0, 0, 4, 0, 0, 0, 2, 88, 8, 6]
    private static let gif: [UInt8] = Array("GIF89a".utf8) + [0x40, 1, 0xF0, 0, 0]
    private static let lossy: [UInt8] =
        Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8 ".utf8) + [
            0, 0, 0, 0, 0, 0, 0, 0x9D, 1, 0x2A, 0x20, 3, 0x58, 2,
        ]
    private static let lossless: [UInt8] =
        Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8L".utf8) + [0, 0, 0, 0, 0x2F, 0x1F, 0xC3, 0x95, 0]
    private static let extended: [UInt8] =
        Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8X".utf8)
        + [10, 0, 0, 0, 0, 0, 0, 0, 0x1F, 3, 0, 0x57, 2, 0]
    private static let jpeg: [UInt8] =
        [0xFF, 0xD8, 0xFF, 0xE1, 0x02, 0x02] + [UInt8](repeating: 7, count: 512)
        + [0xFF, 0xFF, 0xC2, 0, 17, 8, 0x02, 0x58, 0x03, 0x20, 3]

    @Test(arguments: [
        (png, 1_024, 600), (gif, 320, 240), (lossy, 800, 600), (lossless, 800, 600), (extended, 800, 600),
        (jpeg, 800, 600),
    ])
    func `sizes are read from an image's head`(bytes: [UInt8], width: Int, height: Int) {
        let size = ImageSize(width: width, height: height)
        #expect(ImageSize(base64: Self.base64(bytes).span) == size)
        // Whatever follows.
        #expect(ImageSize(base64: Self.base64(bytes + [UInt8](repeating: 0xAA, count: 5_000)).span) == size)
        let address = Array("data:image/x;base64,".utf8) + Self.base64(bytes)
        #expect(ImageSize(dataURL: address.span) == size)
        // Cut anywhere, it is unknown or right.
        for count in 0..<bytes.count {
            let cut = ImageSize(base64: Self.base64(Array(bytes[..<count])).span)
            #expect(cut == nil || cut == size)
        }
    }

    @Test func `what is no image has no size`() {
        for text in [
            "", "A", "AAAA", "https://example.com/a.png", "data:image/png", "data:,", "data:text/plain;base64,",
        ] {
            #expect(ImageSize(base64: Array(text.utf8).span) == nil)
            #expect(ImageSize(dataURL: Array(text.utf8).span) == nil)
        }
        // Nothing but markers ends after a bounded number of them.
        let marks = Self.base64([0xFF, 0xD8] + [UInt8](repeating: 0xFF, count: 100_000))
        #expect(ImageSize(base64: marks.span) == nil)
    }

    @Test func `audio costs ten tokens a second`() {
        let head = Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WAVEfmt ".utf8) + [16, 0, 0, 0, 1, 0, 1, 0]
        // 16,000 samples of two bytes a second, three seconds.
        let wav = head + [0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 16, 0] + [UInt8](repeating: 0, count: 96_000)
        #expect((30...31).contains(MediaTokens.audio(base64: Self.base64(wav).span)))
        #expect((61...64).contains(MediaTokens.audio(base64: Self.base64([UInt8](repeating: 1, count: 100_000)).span)))
        #expect(MediaTokens.audio(base64: [UInt8]().span) == 1)
    }

    @Test func `files cost what their kind lets expect`() {
        let pdf = Array("%PDF-1.7".utf8)
        #expect(MediaTokens.file(base64: Self.base64(pdf).span) == 1_500)
        #expect(MediaTokens.file(base64: Self.base64(pdf + [UInt8](repeating: 9, count: 600_000)).span) == 30_000)
        #expect(MediaTokens.file(base64: Self.base64(Array(repeating: 0x61, count: 400)).span) == 100)
    }
}
