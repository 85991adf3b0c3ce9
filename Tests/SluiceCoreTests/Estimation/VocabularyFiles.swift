import Glibc
import SluiceCore

/// Real vocabularies, which are not part of the sources: from the directory that `SLUICE_TOKENIZERS` names, else from
/// the test tools that `scripts/setup --tests` installs.
enum VocabularyFiles {
    static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()

    static let cl100k = Self.load("9b5ad71b2ce5302211f9c61530b329a4922fc6a4", .cl100k)
    static let o200k = Self.load("fb374d419588a4632f3f557e76b4b70aebbca790", .o200k)

    private static func load(_ name: String, _ family: TokenizerFamily) -> TokenVocabulary? {
        for directory in Self.directories {
            guard let bytes = Self.read("\(directory)/\(name)") else { continue }
            return try? TokenVocabulary(tiktoken: bytes, family: family)
        }
        return nil
    }

    private static var directories: [String] {
        let named = getenv("SLUICE_TOKENIZERS").map { String(cString: $0) }
        let packages = (9...20).map { "\(Self.root)/.tools/venv/lib/python3.\($0)/site-packages" }
        return (named.map { [$0] } ?? []) + packages.map { "\($0)/litellm/litellm_core_utils/tokenizers" }
    }

    static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}

/// A text with the tokens that tiktoken has for it.
struct GoldenText: Sendable {
    var text: [UInt8]
    var counts: [Int]
    var hashes: [UInt32]

    static let all: [GoldenText] = {
        let path = "\(VocabularyFiles.root)/Tests/SluiceCoreTests/Estimation/Golden/tokens.txt"
        let file = String(decoding: VocabularyFiles.read(path) ?? [], as: UTF8.self)
        var texts: [GoldenText] = []
        var letters: [UInt8] = []
        for line in file.split(separator: "\n") where !line.hasPrefix("#") {
            guard line.hasPrefix("= ") else {
                letters += Array(line.utf8)
                continue
            }
            let numbers = line.dropFirst(2).split(separator: " ").compactMap { Int($0) }
            texts.append(
                GoldenText(
                    text: Self.decoded(letters),
                    counts: [numbers[0], numbers[2]],
                    hashes: [UInt32(numbers[1]), UInt32(numbers[3])]
                )
            )
            letters = []
        }
        return texts
    }()

    private static func decoded(_ letters: [UInt8]) -> [UInt8] {
        let padding = letters.suffix(2).count { $0 == 0x3D }
        let count = letters.count / 4 * 3 - padding
        return (0..<max(0, count)).compactMap { letters.span.base64Byte($0).map { UInt8($0) } }
    }

    static func hash(_ tokens: [Int]) -> UInt32 {
        var hash: UInt32 = 0x811C_9DC5
        for token in tokens {
            for shift in [0, 8, 16, 24] { hash = (hash ^ UInt32(token >> shift & 255)) &* 0x0100_0193 }
        }
        return hash
    }
}
