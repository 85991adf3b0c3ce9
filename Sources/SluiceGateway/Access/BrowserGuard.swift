import SluiceWire

/// Keeps web pages of other sites away from a gateway that asks for no key.
///
/// Without keys whoever reaches the address may do everything, and a browser on the same machine reaches it for every
/// page that it shows: by a plain cross-site form or `fetch` (which needs no permission for POST), or by a name of the
/// page's own that is suddenly resolved to 127.0.0.1. With keys neither helps: a page cannot know one.
enum BrowserGuard {
    /// - Parameter isLocal: the gateway listens on a loopback address only.
    static func admit(_ headers: HTTPFields, isLocal: Bool) throws(GatewayError) {
        let host = headers.bytes(of: "host")
        if isLocal, let host, !Self.isLocalName(host) {
            throw .forbidden(
                "This gateway has no API keys and serves this machine only: ask for it as localhost or by its numeric "
                    + "address. To serve other names, set api_keys_file.",
                code: "host_not_allowed"
            )
        }
        let isForeign = headers.has("sec-fetch-site", value: "cross-site")
        // A link to the console from elsewhere is a navigation, and shows nothing to where it came from.
        guard !isForeign || headers.has("sec-fetch-mode", value: "navigate") else { throw .foreignOrigin }
        // The browser's own word for it, which holds behind proxies that change the host.
        guard !headers.has("sec-fetch-site", value: "same-origin") else { return }
        guard let origin = headers.bytes(of: "origin") else { return }
        guard let host, Self.names(origin, host) else {
            throw .foreignOrigin
        }
    }

    /// What changes something is taken from pages of this origin only, keys or not: a browser may add the key of
    /// somebody who does not know what he is clicking at.
    static func admitAction(_ headers: HTTPFields) throws(GatewayError) {
        if let site = headers["sec-fetch-site"]?.lowercased() {
            guard site == "same-origin" || site == "none" else { throw .foreignPage }
            return
        }
        guard let origin = headers.bytes(of: "origin") else { return }
        guard let host = headers.bytes(of: "host"), Self.names(origin, host) else { throw .foreignPage }
    }

    /// `localhost`, a name below it, or a numeric address; with or without a port.
    static func isLocalName(_ host: ArraySlice<UInt8>) -> Bool {
        if host.first == UInt8(ascii: "[") { return true }
        let name = host.prefix { $0 != UInt8(ascii: ":") }
        if name.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) { return true }
        let lowercase = name.map { $0 | 0x20 }
        return lowercase.elementsEqual("localhost".utf8) || lowercase.suffix(10).elementsEqual(".localhost".utf8)
    }

    /// Whether an origin (`scheme://host:port`) is this very host.
    private static func names(_ origin: ArraySlice<UInt8>, _ host: ArraySlice<UInt8>) -> Bool {
        for scheme in ["http://", "https://"] where origin.starts(with: scheme.utf8) {
            return origin.dropFirst(scheme.utf8.count).elementsEqual(host) { $0 | 0x20 == $1 | 0x20 }
        }
        return false
    }
}

extension GatewayError {
    fileprivate static var foreignPage: GatewayError {
        .forbidden("What changes something is not taken from web pages of other sites.", code: "origin_not_allowed")
    }

    fileprivate static var foreignOrigin: GatewayError {
        .forbidden(
            "This gateway has no API keys and takes nothing from web pages of other sites. Set api_keys_file, and send "
                + "a key.",
            code: "origin_not_allowed"
        )
    }
}
