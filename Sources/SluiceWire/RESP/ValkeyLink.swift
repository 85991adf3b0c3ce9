/// The port to a Valkey server. Commands of one turn are pipelined.
package protocol ValkeyLink: Sendable {
    /// - Throws: what the server refuses as `.server`.
    func send(_ command: ValkeyCommand) async throws(ValkeyError) -> RESPValue
    /// One write, in order; what the server refuses is a value.
    func send(_ commands: [ValkeyCommand]) async throws(ValkeyError) -> [RESPValue]
    /// Runs a script by its digest, and loads it where it is not known.
    func evaluate(
        _ script: ValkeyScript,
        keys: [String],
        arguments: [ValkeyArgument]
    ) async throws(ValkeyError) -> RESPValue
    /// A connection of its own for pops that block.
    func openPopper() throws(ValkeyError) -> any ValkeyPopper
}

/// A connection on which one blocking pop at a time waits.
package protocol ValkeyPopper: Sendable {
    /// Not given up from our side while the server may merely be slow: what is popped while nobody listens would be
    /// lost. The server's own time-out ends it.
    ///
    /// - Parameter seconds: that time-out, as the command says it; not 0, which means for ever.
    func pop(_ command: ValkeyCommand, seconds: Int) async throws(ValkeyError) -> RESPValue
    func close() async
}

/// A Lua script and the digest by which the server knows it.
package struct ValkeyScript: Sendable, Equatable {
    package let name: String
    package let source: String
    package let sha1: String

    package init(name: String, source: String) {
        self.name = name
        self.source = source
        self.sha1 = SHA1.hexadecimal(Array(source.utf8))
    }
}
