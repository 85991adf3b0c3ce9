import SluiceProviders
import SluiceTelemetry

/// Puts what was asked and answered where spans find it, in OpenTelemetry's form. Only where that is switched on.
package final class ContentCapture: CompletionObserver {
    package let wantsContent = true
    package let wantsChunks = false
    /// One for each exporter: what one has fetched the others still need.
    private let shelves: [ContentShelf]
    private let maximumBytes: Int

    /// - Parameter maximumBytes: of prompts, and of answers; what is longer is cut.
    package init(_ shelves: [ContentShelf], maximumBytes: Int) {
        self.shelves = shelves
        self.maximumBytes = maximumBytes
    }

    package func didEnd(_ report: CompletionReport) {
        let words = MessageWords(operation: report.operation, maximumBytes: self.maximumBytes)
        let content = CapturedContent(
            input: report.request.flatMap { words.input($0) },
            output: report.answer.flatMap { words.output($0, isStream: report.isStream) }
        )
        guard content.byteCount > 0 else { return }
        for shelf in self.shelves { shelf.put(report.id, content) }
    }
}
