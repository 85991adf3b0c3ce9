import CConsole
import SluiceWire

/// The console's files, which are part of the program.
enum ConsoleAssets {
    private struct Asset: Sendable {
        var path: String
        var type: String
        var bytes: [UInt8]
        var tag: String
    }

    private static let assets: [Asset] = {
        var assets: [Asset] = []
        for index in 0..<sluice_console_count() {
            let file = sluice_console_file(index)
            guard let path = file.path, let type = file.type, let start = file.bytes else { continue }
            let bytes = Array(UnsafeBufferPointer(start: start, count: file.size))
            let tag = Digest.hex(Array(Digest.sha256(bytes).prefix(8)))
            assets.append(
                Asset(path: String(cString: path), type: String(cString: type), bytes: bytes, tag: "\"\(tag)\"")
            )
        }
        return assets
    }()

    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    static func response(_ request: HTTPRequest) -> HTTPResponse? {
        let path = request.path == "/" ? "/index.html" : request.path
        guard let asset = Self.assets.first(where: { $0.path == path }) else { return nil }
        var headers = HTTPFields([
            ("ETag", asset.tag), ("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", Self.policy), ("Referrer-Policy", "no-referrer"),
        ])
        if request.headers["if-none-match"] == asset.tag {
            return HTTPResponse(status: 304, headers: headers, body: .bytes([]))
        }
        headers.append("Content-Type", asset.type)
        return HTTPResponse(headers: headers, body: .bytes(asset.bytes))
    }
}
