/// How a server spells what OpenAI's format leaves open, as data.
package struct OpenAIDialect: Sendable, Equatable {
    /// How an assistant's earlier reasoning is sent back.
    package enum Reasoning: Sendable, Equatable {
        /// Not at all: the server refuses what it does not know.
        case none
        /// `reasoning_content`.
        case content
        /// `reasoning`.
        case reasoning
        /// Parts of the content, as Mistral does.
        case parts
        /// `reasoning_content`, and `thinking_blocks` where there are signatures.
        case blocks
    }

    package var reasoning: Reasoning
    /// Whether `cache_control` is written.
    package var writesCacheMarks: Bool
    /// Whether a tool call's signature and a failed tool's `is_error` are written.
    package var writesMarks: Bool
    /// Whether a file may be told by its address, as OpenRouter takes it in `file_data`.
    package var takesFileAddresses = false
    package var seedName = "seed"
    /// The word for a tool call that must happen.
    package var requiredWord = "required"

    /// Everything that we know, as it is spoken between our own parts.
    package static let canonical = OpenAIDialect(reasoning: .blocks, writesCacheMarks: true, writesMarks: true)
    /// OpenAI's own, without extensions.
    package static let plain = OpenAIDialect(reasoning: .none, writesCacheMarks: false, writesMarks: false)

    package init(reasoning: Reasoning, writesCacheMarks: Bool, writesMarks: Bool) {
        self.reasoning = reasoning
        self.writesCacheMarks = writesCacheMarks
        self.writesMarks = writesMarks
    }
}
