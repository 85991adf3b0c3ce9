import SluiceWire

// A prefix in front of every path, for proxies that pass it on. Those that take it away find the same without it.
extension Gateway {
    func respondBelowPrefix(_ request: HTTPRequest) async -> HTTPResponse {
        let prefix = self.configuration.console.pathPrefix
        guard request.path.hasPrefix(prefix) else { return await self.respondAtRoot(request) }
        let rest = request.path.dropFirst(prefix.count)
        // Relative addresses of the console's page only lead here below a slash.
        if rest.isEmpty && (request.method == .get || request.method == .head) {
            return HTTPResponse(status: 308, headers: HTTPFields([("Location", prefix + "/")]), body: .bytes([]))
        }
        guard rest.hasPrefix("/") else { return await self.respondAtRoot(request) }
        var request = request
        request.path = String(rest)
        return await self.respondAtRoot(request)
    }
}
