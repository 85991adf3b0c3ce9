import SluiceBasics
import SluiceCore

/// Calls of models, as OpenTelemetry's conventions for generative AI want them measured.
///
/// A call is an attempt: each has a provider, a model and an error of its own.
final class GenAIMetrics: Sendable {
    /// What tells series apart.
    struct Labels: Hashable, Sendable {
        var operation: GenAI.Operation
        var provider: String
        var model: String
    }

    struct Series: Sendable {
        let labels: Labels
        /// Successes, and failures by class, as far as there were any.
        var durations: [(failure: FailureClass?, histogram: Histogram)] = []
        var input = Histogram(GenAI.tokenBounds)
        var output = Histogram(GenAI.tokenBounds)
        var firstToken = Histogram(GenAI.firstTokenBounds)
        var perOutputToken = Histogram(GenAI.perTokenBounds)
    }

    private struct Key: Hashable {
        var operation: String
        var backend: String
        var model: String
    }

    private struct State {
        var series: [Series] = []
        /// `nil`: that backend is no server of models.
        var places: [Key: Int?] = [:]
    }

    private let state = Lock(State())
    private let provider: @Sendable (_ backend: String, _ model: String) -> String?
    /// Series of models that are told apart; those beyond are `other`.
    static let maximumSeries = 200
    /// Ways to a series; more than series, because several backends may be of one provider.
    private static let maximumPlaces = 1_000
    private static let otherModel = "other"

    init(provider: @escaping @Sendable (_ backend: String, _ model: String) -> String?) { self.provider = provider }

    func snapshot() -> [Series] { self.state.withLock { $0.series } }

    func ended(_ record: RequestRecord) {
        guard !record.attempts.isEmpty else { return }
        let decisive = record.usage == nil ? nil : record.decisiveAttempt?.number
        self.state.withLock { state in
            for attempt in record.attempts {
                guard let ended = attempt.endedAt, let place = self.place(of: attempt, record.submission, &state) else {
                    continue
                }
                let usage = attempt.number == decisive ? record.usage : nil
                state.series[place].record(attempt, ended: ended, usage, record.submission)
            }
        }
    }

    private func place(of attempt: AttemptRecord, _ submission: Submission, _ state: inout State) -> Int? {
        var key = Key(
            operation: submission.operation,
            backend: attempt.backend,
            model: attempt.model ?? submission.model
        )
        if let known = state.places[key] { return known }
        // Names that clients make up must not use up the room: whoever answers for a model has it.
        if attempt.failure != nil || state.places.count >= Self.maximumPlaces { key.model = Self.otherModel }
        if let known = state.places[key] { return known }
        let place = self.newPlace(key, submission.model, &state)
        state.places[key] = .some(place)
        return place
    }

    private func newPlace(_ key: Key, _ model: String, _ state: inout State) -> Int? {
        guard let provider = self.provider(key.backend, key.model == Self.otherModel ? model : key.model) else {
            return nil
        }
        let operation = GenAI.Operation(path: key.operation)
        var labels = Labels(operation: operation, provider: provider, model: key.model)
        if state.series.count >= Self.maximumSeries { labels.model = Self.otherModel }
        if let index = state.series.firstIndex(where: { $0.labels == labels }) { return index }
        state.series.append(Series(labels: labels))
        return state.series.count - 1
    }
}

extension GenAIMetrics.Series {
    fileprivate mutating func record(
        _ attempt: AttemptRecord,
        ended: Instant,
        _ usage: TokenUsage?,
        _ submission: Submission
    ) {
        let whole = (ended - attempt.startedAt).wholeNanoseconds
        if let index = self.durations.firstIndex(where: { $0.failure == attempt.failure }) {
            self.durations[index].histogram.record(whole, of: submission, at: ended)
        } else {
            var histogram = Histogram(GenAI.durationBounds)
            histogram.record(whole, of: submission, at: ended)
            self.durations.append((attempt.failure, histogram))
        }
        if let usage {
            self.input.record(Int64(clamping: usage.prompt), of: submission, at: ended)
            if submission.operation != "embeddings" {
                self.output.record(Int64(clamping: usage.completion), of: submission, at: ended)
            }
        }
        guard submission.isStream, let first = attempt.firstByteAt else { return }
        self.firstToken.record((first - attempt.startedAt).wholeNanoseconds, of: submission, at: ended)
        guard let usage, attempt.failure == nil, usage.completion > 1 else { return }
        let rest = (ended - first).wholeNanoseconds / Int64(clamping: usage.completion - 1)
        self.perOutputToken.record(rest, of: submission, at: ended)
    }
}
