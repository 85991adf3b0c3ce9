/// Text that may be shown on a terminal: nothing in it can steer the terminal, and its width in columns is known.
struct DisplayText: Sendable {
    /// Whether the terminal reads UTF-8; else everything beyond ASCII is replaced.
    var isUnicode: Bool

    static func standard(environment: [String: String]) -> DisplayText {
        // The first of these that is set decides, as for every program of the C library.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let name = locale.uppercased()
        return DisplayText(isUnicode: name.contains("UTF-8") || name.contains("UTF8"))
    }

    var ellipsis: String { self.isUnicode ? "…" : "~" }
    var unknown: String { self.isUnicode ? "–" : "-" }
    var separator: String { self.isUnicode ? " · " : " | " }

    /// Combining marks on one character beyond this many are left out.
    private static let maximumMarks = 4

    /// `text` without anything but printable characters. What cannot be shown leaves a mark.
    func clean(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var marks = 0
        for scalar in text.unicodeScalars {
            if scalar.isASCII {
                result.append(scalar.value < 0x20 || scalar.value == 0x7F ? self.substitute : scalar)
                marks = 0
                continue
            }
            guard self.isUnicode, Self.isPrintable(scalar) else {
                result.append(self.substitute)
                marks = 0
                continue
            }
            marks = Self.width(scalar) == 0 ? marks + 1 : 0
            // A mark without a base would change what stands before this text.
            if marks > 0 && (result.isEmpty || marks > Self.maximumMarks) { continue }
            result.append(scalar)
        }
        return String(result)
    }

    private var substitute: Unicode.Scalar { self.isUnicode ? "\u{FFFD}" : "?" }

    /// Formatting characters count as not printable: they reorder or hide what stands beside them.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// Cuts clean text to at most `columns`, the last of which says that something is missing.
    func cut(_ text: String, to columns: Int) -> String {
        guard columns > 0 else { return "" }
        var used = 0
        var result = String.UnicodeScalarView()
        var fitting = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            used += Self.width(scalar)
            if used > columns { return String(fitting) + self.ellipsis }
            result.append(scalar)
            if used <= columns - 1 { fitting = result }
        }
        return text
    }

    /// Columns of clean text.
    static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + self.width($1) }
    }

    static func width(_ scalar: Unicode.Scalar) -> Int {
        if scalar.isASCII { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return Self.isWide(scalar.value) ? 2 : 1
        }
    }

    /// East Asian Wide and Fullwidth (Unicode's EastAsianWidth.txt), in ranges, with emoji that show as pictures.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x231A...0x231B, 0x2329...0x232A, 0x23E9...0x23EC, 0x23F0...0x23F0, 0x23F3...0x23F3,
        0x25FD...0x25FE, 0x2614...0x2615, 0x2648...0x2653, 0x267F...0x267F, 0x2693...0x2693, 0x26A1...0x26A1,
        0x26AA...0x26AB, 0x26BD...0x26BE, 0x26C4...0x26C5, 0x26CE...0x26CE, 0x26D4...0x26D4, 0x26EA...0x26EA,
        0x26F2...0x26F3, 0x26F5...0x26F5, 0x26FA...0x26FA, 0x26FD...0x26FD, 0x2705...0x2705, 0x270A...0x270B,
        0x2728...0x2728, 0x274C...0x274C, 0x274E...0x274E, 0x2753...0x2755, 0x2757...0x2757, 0x2795...0x2797,
        0x27B0...0x27B0, 0x27BF...0x27BF, 0x2B1B...0x2B1C, 0x2B50...0x2B50, 0x2B55...0x2B55, 0x2E80...0x303E,
        0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18AFF,
        0x1AFF0...0x1B2FF, 0x1F004...0x1F004, 0x1F0CF...0x1F0CF, 0x1F18E...0x1F18E, 0x1F191...0x1F19A,
        0x1F1E6...0x1F202, 0x1F210...0x1F23B, 0x1F240...0x1F248, 0x1F250...0x1F251, 0x1F260...0x1F265,
        0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F7E0...0x1F7EB, 0x1F7F0...0x1F7F0, 0x1F900...0x1F9FF,
        0x1FA70...0x1FAFF, 0x20000...0x2FFFD, 0x30000...0x3FFFD,
    ]

    private static func isWide(_ value: UInt32) -> Bool {
        guard value >= 0x1100 else { return false }
        var low = 0
        var high = Self.wide.count
        while low < high {
            let middle = (low + high) / 2
            let range = Self.wide[middle]
            if value < range.lowerBound {
                high = middle
            } else if value > range.upperBound {
                low = middle + 1
            } else {
                return true
            }
        }
        return false
    }
}
