/// What images cost, by the rules that OpenAI documents for its models.
public enum ImageRule: Sendable, Hashable {
    /// A price for the image and one for each tile of 512 × 512 pixels, after the image was brought into 2,048 × 2,048
    /// and its shorter side down to 768. In low detail the price for the image alone.
    case tiles(base: Int, tile: Int)
    /// Patches of 32 × 32 pixels, at most 1,536 of them, times a factor in hundredths.
    case patches(hundredths: Int)

    public enum Detail: String, Sendable, Hashable, CaseIterable {
        case low
        case high
        case auto
    }

    /// Of an image whose size is not known, such as one behind an address: 765 tokens by the common rule.
    public static let unknownSize = ImageSize(width: 1_024, height: 1_024)

    /// The rule for models of this name; `tiles(85, 170)` for those that are not known.
    public init(model: String) {
        let name = ModelName(model)
        self = Self.known.first { name.begins($0.prefix) }?.rule ?? .tiles(base: 85, tile: 170)
    }

    /// The more exact names first.
    private static let known: [(prefix: String, rule: ImageRule)] = [
        ("gpt-4o-mini", .tiles(base: 2_833, tile: 5_667)),
        ("gpt-4.1-mini", .patches(hundredths: 162)),
        ("gpt-4.1-nano", .patches(hundredths: 246)),
        ("gpt-5-mini", .patches(hundredths: 162)),
        ("gpt-5-nano", .patches(hundredths: 246)),
        ("o4-mini", .patches(hundredths: 172)),
        ("gpt-5", .tiles(base: 70, tile: 140)),
        ("o1", .tiles(base: 75, tile: 150)),
        ("o3", .tiles(base: 75, tile: 150)),
        ("computer-use", .tiles(base: 65, tile: 129)),
    ]

    /// - Parameters:
    ///   - size: `nil` when it is not known; `unknownSize` stands for it.
    ///   - detail: `auto` counts as `high`, which is what providers choose for all but small images.
    public func tokens(_ size: ImageSize?, detail: Detail = .auto) -> Int {
        let size = size ?? Self.unknownSize
        switch self {
        case .tiles(let base, let tile):
            return detail == .low ? base : base + tile * Self.tiles(size)
        case .patches(let hundredths):
            // In low detail the image is brought into 512 × 512.
            let patches = Self.patches(detail == .low ? Self.within(512, size) : size)
            return (patches * hundredths + 99) / 100
        }
    }

    private static func within(_ side: Int, _ size: ImageSize) -> ImageSize {
        let longer = max(size.width, size.height)
        guard longer > side else { return size }
        return ImageSize(width: size.width * side / longer, height: size.height * side / longer)
    }

    private static func tiles(_ size: ImageSize) -> Int {
        var size = Self.within(2_048, size)
        let shorter = min(size.width, size.height)
        if shorter > 768 {
            size = ImageSize(width: size.width * 768 / shorter, height: size.height * 768 / shorter)
        }
        return ((size.width + 511) / 512) * ((size.height + 511) / 512)
    }

    private static func patches(_ size: ImageSize) -> Int {
        let most = 1_536
        let plain = ((size.width + 31) / 32) * ((size.height + 31) / 32)
        guard plain > most else { return plain }
        let width = Double(size.width)
        let height = Double(size.height)
        var scale = (Double(32 * 32 * most) / (width * height)).squareRoot()
        // Until whole patches fit at least one way.
        let across = width * scale / 32
        let down = height * scale / 32
        // Less than a patch is one at any scale.
        scale *= min(across < 1 ? 1 : across.rounded(.down) / across, down < 1 ? 1 : down.rounded(.down) / down)
        // The hair's breadth keeps a whole number whole.
        let columns = (width * scale / 32 - 1e-9).rounded(.up)
        let rows = (height * scale / 32 - 1e-9).rounded(.up)
        return min(most, max(1, Int(columns)) * max(1, Int(rows)))
    }
}

/// What parts other than text and images cost. Rules of thumb, for want of documented ones; what a backend really
/// counts corrects them.
package enum MediaTokens {
    /// Of a file that is named but not sent.
    package static let unknownFile = 1_500
    /// Of audio that is named but not sent: half a minute.
    package static let unknownAudio = 300

    /// Ten tokens a second. A WAV says its bytes per second; others are taken to have 16,000 (128 kbit/s).
    package static func audio(base64 data: Span<UInt8>) -> Int {
        let isWAV = data.base64Big(0, 4) == 0x5249_4646 && data.base64Big(8, 4) == 0x5741_5645
        let rate = isWAV ? data.base64Little(28, 4) ?? 0 : 16_000
        return min(1_000_000, data.base64Count / max(100, rate / 10) + 1)
    }

    /// A PDF has pages of about 30 kB that cost about 1,500 tokens each, as text and as image; other files are taken
    /// for text in ASCII.
    package static func file(base64 data: Span<UInt8>) -> Int {
        let isPDF = data.base64Big(0, 4) == 0x2550_4446
        let tokens = isPDF ? max(Self.unknownFile, data.base64Count / 20) : data.base64Count / 4
        return min(1_000_000, tokens)
    }
}

/// What the frame around texts costs.
package enum FrameTokens {
    /// For each message: its marks and its role.
    package static let message = 4
    /// For the answer's beginning.
    package static let answer = 3
    /// For a name beside the role.
    package static let name = 1
    /// For each tool, beside its words.
    package static let tool = 8
    /// For each property of a tool's parameters, beside its words.
    package static let property = 3
}
