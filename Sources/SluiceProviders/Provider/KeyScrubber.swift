/// Takes keys out of texts that others wrote: providers repeat a wrong key in their messages.
package enum KeyScrubber {
    private static let replacement = "[key removed]"
    /// How the keys of known providers begin.
    private static let prefixes = [
        "sk-", "gsk_", "xai-", "pplx-", "nvapi-", "csk-", "fw_", "fw-", "tgp_", "AIza", "ya29.", "AKIA", "ASIA",
        "hf_", "sess-", "eyJ", "co-", "rk-", "ABSK", "bedrock-api-key-",
    ]
    /// Words after a prefix must be at least this long together with it, so that `co-author` stays.
    private static let minimumBytes = 12

    /// - Parameter secrets: keys that are known, removed wherever they stand.
    package static func scrub(_ text: String, secrets: [String] = []) -> String {
        var text = text
        for secret in secrets where secret.utf8.count >= 4 && text.contains(secret) {
            text = text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: Self.replacement)
        }
        guard Self.mayHoldKey(text) else { return text }
        var result = ""
        var word = ""
        var isAfterBearer = false
        func end() {
            result += Self.isKey(word) || isAfterBearer && word.utf8.count >= 8 ? Self.replacement : word
            isAfterBearer = word.isEmpty ? isAfterBearer : word.lowercased() == "bearer"
            word = ""
        }
        for character in text {
            if Self.isOfWord(character) {
                word.append(character)
            } else {
                end()
                result.append(character)
            }
        }
        end()
        return result
    }

    private static func mayHoldKey(_ text: String) -> Bool {
        let bytes = Array(text.utf8)[...]
        return Bytes.contains(bytes, "bearer") || Self.prefixes.contains { Bytes.contains(bytes, $0.lowercased()) }
    }

    private static func isKey(_ word: String) -> Bool {
        guard word.utf8.count >= Self.minimumBytes, Self.prefixes.contains(where: word.hasPrefix) else { return false }
        return word.utf8.contains { (48...57).contains($0) || $0 == UInt8(ascii: "*") || (65...90).contains($0) }
    }

    private static func isOfWord(_ character: Character) -> Bool {
        guard character.isASCII, let byte = character.utf8.first else { return false }
        return character.isLetter || character.isNumber || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: "*") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "+")
    }
}

extension ProviderError {
    /// What a provider may say in one word.
    private static let maximumWordBytes = 256

    /// The same without these keys, should a part of it hold one.
    package func scrubbed(of secrets: [String]) -> ProviderError {
        var error = self
        error.message = KeyScrubber.scrub(error.message, secrets: secrets)
        func word(_ text: String?) -> String? {
            text.map {
                KeyScrubber.scrub(
                    String(decoding: $0.utf8.prefix(Self.maximumWordBytes), as: UTF8.self),
                    secrets: secrets
                )
            }
        }
        error.code = word(error.code)
        error.parameter = word(error.parameter)
        error.requestID = word(error.requestID)
        return error
    }
}
