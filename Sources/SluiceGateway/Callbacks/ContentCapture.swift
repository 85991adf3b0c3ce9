import SluiceProviders
import SluiceTelemetry

/// Puts what was asked and answered where spans find it, in OpenTelemetry's form. Only where that is switched on.
package final class ContentCapture: CompletionObserver {
    package let wantsContent = true
    package let wantsChunks = false
    private let shelf: ContentShelf
    private let maximumBytes: Int

    /// - Parameter maximumBytes: of prompts, and of answers; what is longer is cut.
    package init(_ shelf: ContentShelf, maximumBytes: Int) {
        self.shelf = shelf
        self.maximumBytes = maximumBytes
    }

    package func didEnd(_ report: CompletionReport) {
        let words = MessageWords(operation: report.operation, maximumBytes: self.maximumBytes)
        let content = CapturedContent(
            input: report.request.flatMap { words.input($0) },
            output: report.answer.flatMap { words.output($0, isStream: report.isStream) }
        )
        if content.byteCount > 0 { self.shelf.put(report.id, content) }
    }
}
