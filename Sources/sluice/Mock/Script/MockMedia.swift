/// Types of files by their first bytes.
enum MockMedia {
    private static let beginnings = [
        ("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ]

    /// `nil` when the file is none of those that are known.
    static func type(ofBase64 text: String) -> String? { Self.beginnings.first { text.hasPrefix($0.0) }?.1 }

    /// - Parameter isURLSafe: whether the alphabet for addresses is good as well.
    static func isBase64(_ text: String, isURLSafe: Bool = false) -> Bool {
        !text.isEmpty && text.utf8.count.isMultiple(of: 4)
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || byte == 43 || byte == 47 || byte == 61 || isURLSafe && (byte == 45 || byte == 95)
            }
    }
}
