/// What this process does of the fabric.
enum Role: String, Sendable {
    /// Everything in one process; with the fabric enabled it serves the lists as well.
    case serve
    /// HTTP in, lists out.
    case gateway
    /// Lists in, backends out.
    case dispatcher

    var usesFabric: Bool { self != .serve }

    var standardListen: ListenAddress {
        ListenAddress(host: "127.0.0.1", port: self == .dispatcher ? 8401 : 8400)
    }
}
