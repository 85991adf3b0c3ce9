import SluiceBasics

/// What an attempt says about the target that it went to.
enum HealthSign: Sendable, Equatable {
    case healthy
    /// A few of these in a row are needed.
    case failing(FailureClass)
    /// At once; for as long as the target asked, if it did.
    case unusable(FailureClass, for: Duration?)
    case neutral
}

extension AttemptFailure {
    /// Which fallbacks it calls for; `nil`: no other target could do better.
    package var fallbackClass: FallbackClass? {
        if let refusal = self.refusal { return refusal }
        if self.isInexpressible { return .error }
        switch self.failureClass {
        case .rateLimited, .overloaded: return .rateLimit
        case .connectRefused, .connectTimeout, .connectError, .serverError, .readTimeout, .reset, .malformedResponse,
            .authentication, .routeOrModel:
            return .error
        case .providerRejected:
            switch self.status {
            case 402: return .error
            case 429: return .rateLimit
            default: return nil
            }
        case .responseTooLarge, .invalidRequest, .deadline, .cancelled: return nil
        }
    }

    /// What it says about the target.
    ///
    /// - Parameters:
    ///   - choosesModel: the target has a name of its own for the model. Otherwise clients choose it, and whoever asks
    ///     for what does not exist must not close the target for others.
    ///   - isOverdue: a time had passed that no client chose.
    ///   - standsForMany: several providers are behind the target, and only one of them was asked.
    func healthSign(
        choosesModel: Bool,
        standsForMany: Bool = false,
        isOverdue: Bool,
        patience: Duration,
        usual: Duration?
    ) -> HealthSign {
        if standsForMany { return .neutral }
        switch self.failureClass {
        case .connectRefused, .connectTimeout, .connectError: return .unusable(self.failureClass, for: nil)
        case .rateLimited: return .unusable(self.failureClass, for: self.retryAfter)
        case .overloaded:
            return self.retryAfter == nil ? .failing(.overloaded) : .unusable(.overloaded, for: self.retryAfter)
        case .authentication: return self.status == 403 ? .neutral : .unusable(self.failureClass, for: nil)
        case .routeOrModel: return choosesModel ? .unusable(self.failureClass, for: nil) : .neutral
        case .providerRejected:
            // The account has no money left, or its quota is used up.
            guard self.status == 402 || self.status == 429 else { return .neutral }
            return .unusable(self.failureClass, for: self.retryAfter)
        case .serverError where self.isAboutThisRequest: return .neutral
        case .serverError, .reset, .malformedResponse: return .failing(self.failureClass)
        case .readTimeout, .deadline:
            let counts = isOverdue || self.verdict(patience: patience, usual: usual) == .failing
            return counts ? .failing(self.failureClass) : .neutral
        case .cancelled, .responseTooLarge, .invalidRequest: return .neutral
        }
    }
}
