/// Whoever wants to know of calls while they happen.
///
/// For each call: `willCall` once, before a backend is asked the first time; `didReceive` for each piece of a stream;
/// then either `didSucceed` or `didFail`, and `didEnd` after it. A call that is answered by the cache, or refused
/// before it came so far, has no `willCall`.
///
/// The methods are called on the call's own way and must come back at once: no input or output, no waiting, no lock
/// that somebody else holds for long. What takes time belongs into a queue of the observer's own. They can be called
/// from several threads at once, those of one call one after the other. All of them do nothing unless they are
/// implemented.
public protocol CompletionObserver: Sendable {
    /// Whether `didReceive` is to be called.
    var wantsChunks: Bool { get }
    /// Whether reports are to hold requests and answers.
    var wantsContent: Bool { get }

    func willCall(_ report: CompletionReport)
    func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport)
    func didSucceed(_ report: CompletionReport)
    func didFail(_ report: CompletionReport)
    func didEnd(_ report: CompletionReport)
}

extension CompletionObserver {
    public var wantsChunks: Bool { false }
    public var wantsContent: Bool { false }
    public func willCall(_ report: CompletionReport) {}
    public func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport) {}
    public func didSucceed(_ report: CompletionReport) {}
    public func didFail(_ report: CompletionReport) {}
    public func didEnd(_ report: CompletionReport) {}
}
