import CConsole
import SluiceWire

/// The console's files, which are part of the program.
enum ConsoleAssets {
    private struct Asset: Sendable {
        var type: String
        var bytes: [UInt8]
        /// `nil` where that would not be smaller.
        var compressed: [UInt8]?
        var tag: String
    }

    /// Compressed once, when the first is asked for. By path.
    private static let assets: [String: Asset] = {
        var assets: [String: Asset] = [:]
        for index in 0..<sluice_console_count() {
            let file = sluice_console_file(index)
            guard let path = file.path, let type = file.type, let start = file.bytes else { continue }
            let bytes = Array(UnsafeBufferPointer(start: start, count: file.size))
            let compressed = Gzip.compress(bytes, level: 9)
            assets[String(cString: path)] = Asset(
                type: String(cString: type),
                bytes: bytes,
                compressed: compressed.flatMap { $0.count < bytes.count ? $0 : nil },
                tag: Digest.hex(Array(Digest.sha256(bytes).prefix(8)))
            )
        }
        return assets
    }()

    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        + "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    static func response(_ request: HTTPRequest) -> HTTPResponse? {
        let path = request.path == "/" ? "/index.html" : request.path
        guard let asset = Self.assets[path] else { return nil }
        let compressed = Self.takesGzip(request.headers) ? asset.compressed : nil
        // Another encoding is another representation, which has a tag of its own.
        let tag = compressed == nil ? "\"\(asset.tag)\"" : "\"\(asset.tag)-gzip\""
        var headers = HTTPFields([
            ("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"),
            ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", Self.policy),
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ])
        if let known = request.headers["if-none-match"], known == "*" || known.contains(tag) {
            return HTTPResponse(status: 304, headers: headers, body: .bytes([]))
        }
        headers.append("Content-Type", asset.type)
        guard let compressed else { return HTTPResponse(headers: headers, body: .bytes(asset.bytes)) }
        headers.append("Content-Encoding", "gzip")
        return HTTPResponse(headers: headers, body: .bytes(compressed))
    }

    /// Whether `Accept-Encoding` names gzip, or anything, and does not forbid it with `q=0` (RFC 9110, 12.5.3).
    static func takesGzip(_ headers: HTTPFields) -> Bool {
        guard let accepted = headers["accept-encoding"]?.lowercased() else { return false }
        var takesAny = false
        for part in accepted.split(separator: ",") {
            let words = part.split(separator: ";").map { $0.trimmingSpaces() }
            let isForbidden = words.dropFirst().contains { word in
                guard word.hasPrefix("q=") else { return false }
                return word.dropFirst(2).allSatisfy { $0 == "0" || $0 == "." }
            }
            if words.first == "gzip" { return !isForbidden }
            if words.first == "*" { takesAny = !isForbidden }
        }
        return takesAny
    }
}
