import SluiceBasics
import SluiceCore

// A pool's targets as they result from its keys, and what in them cannot be meant.
extension Configuration {
    /// - Parameter path: of the pool, e.g. `pools.default`. `nil`: it has the one backend.
    func route(_ path: String) -> RoutePlan? {
        let targets = self.targets("\(path).route.targets")
        guard !targets.isEmpty else { return nil }
        var fallbacks: [FallbackClass: [RoutePlan.Target]] = [:]
        for kind in FallbackClass.allCases {
            fallbacks[kind] = self.targets("\(path).route.fallbacks.\(kind.rawValue)")
        }
        var timeout: Duration?
        if case .duration(let value) = self.setting("\(path).route.attempt_timeout")?.value { timeout = value }
        return RoutePlan(
            targets: targets,
            fallbacks: fallbacks,
            strategy: self.text("\(path).route.strategy").flatMap { RoutePlan.Strategy(rawValue: $0) } ?? .weighted,
            coolDown: self.duration("\(path).route.cool_down"),
            failuresToCoolDown: self.integer("\(path).route.cool_down_after") ?? 3,
            attemptTimeout: timeout,
            firstTokenTimeout: Self.firstToken(self.text("\(path).route.first_token_timeout")) ?? .off,
            firstTokenFactor: self.ratio("\(path).route.first_token_factor"),
            firstTokenFloor: self.duration("\(path).route.first_token_floor"),
            firstTokenCeiling: self.duration("\(path).route.first_token_ceiling"),
            hedgeRatio: self.ratio("\(path).route.hedge")
        )
    }

    /// Whether a pool goes by targets rather than by its one backend.
    func isRouted(_ path: String) -> Bool { !(self.list("\(path).route.targets") ?? []).isEmpty }

    /// What `checkRouting` lets through are targets.
    private func targets(_ key: String) -> [RoutePlan.Target] {
        (self.list(key) ?? []).compactMap { text in
            guard var target = try? TargetText.read(text).get() else { return nil }
            // With a model of its own it is one provider all the same.
            let provider = self.text("backends.\(target.backend).provider")
            target.standsForMany = target.model == nil && provider == BackendWiring.byModel
            return target
        }
    }

    private static func firstToken(_ text: String?) -> RoutePlan.FirstTokenTimeout? {
        switch text {
        case "learned", nil: return .learned
        case "off": return .off
        case .some(let text):
            let range = Duration.milliseconds(1) ... .seconds(3600)
            return DurationText.parse(text).flatMap { range.contains($0) ? .fixed($0) : nil }
        }
    }

    // MARK: Checks

    func checkRouting() -> [ConfigurationProblem] {
        self.names("pools").flatMap { pool -> [ConfigurationProblem] in
            let path = "pools.\(pool)"
            var problems = self.checkTargets("\(path).route.targets", areFallbacks: false)
            var count = self.list("\(path).route.targets")?.count ?? 0
            for kind in FallbackClass.allCases {
                let key = "\(path).route.fallbacks.\(kind.rawValue)"
                problems += self.checkTargets(key, areFallbacks: true)
                count += self.list(key)?.count ?? 0
            }
            problems += self.isRouted(path) ? self.checkHedge(path) : self.checkIdle(path)
            if count > RoutePlan.maximumTargets {
                let most = RoutePlan.maximumTargets
                problems.append(
                    self.problem(
                        "\(path).route.targets",
                        "names \(count) targets with its fallbacks; \(most) are the most"
                    )
                )
            }
            return problems + self.checkPatience("\(path).route")
        }
    }

    private func checkTargets(_ key: String, areFallbacks: Bool) -> [ConfigurationProblem] {
        let backends = self.names("backends")
        var seen: Set<String> = []
        return (self.list(key) ?? []).compactMap { text in
            switch TargetText.read(text) {
            case .failure(let failure): return self.problem(key, failure.message)
            case .success(let target):
                if !backends.contains(target.backend) {
                    let near = Nearest.match(target.backend, in: backends).map { "; did you mean '\($0)'?" } ?? ""
                    return self.problem(
                        key,
                        "there is no backend '\(target.backend)', only \(backends.joined(separator: ", "))\(near)"
                    )
                }
                if areFallbacks && (target.weight != 1 || target.order != 0) {
                    return self.problem(key, "'\(text.prefix(60))': fallbacks are tried in order, without weights")
                }
                return seen.insert(target.name).inserted ? nil : self.problem(key, "names '\(target.name)' twice")
            }
        }
    }

    /// Without targets nothing of a route means anything.
    private func checkIdle(_ path: String) -> [ConfigurationProblem] {
        self.settings.filter {
            $0.path.hasPrefix("\(path).route.") && $0.path != "\(path).route.targets" && !$0.isAsByDefault
        }
        .map { self.problem($0.path, "does nothing without \(path).route.targets") }
    }

    private func checkHedge(_ path: String) -> [ConfigurationProblem] {
        let key = "\(path).route.hedge"
        guard self.ratio(key) > 0 else { return [] }
        if let mode = self.text("\(path).retry.mode"), mode != RetryMode.auto.rawValue {
            return [self.problem(key, "does nothing with \(path).retry.mode \(mode): a second call is a repetition")]
        }
        if self.integer("\(path).retry.attempts") == 1 {
            return [self.problem(key, "does nothing with \(path).retry.attempts 1: a second call is an attempt too")]
        }
        return []
    }

    private func checkPatience(_ path: String) -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let text = self.text("\(path).first_token_timeout")
        if Self.firstToken(text) == nil {
            let shown = (text ?? "").prefix(60)
            problems.append(
                self.problem(
                    "\(path).first_token_timeout",
                    "'\(shown)' is not learned, off or a duration from 1ms to 1h"
                )
            )
        }
        if self.duration("\(path).first_token_floor") > self.duration("\(path).first_token_ceiling") {
            problems.append(self.problem("\(path).first_token_floor", "is longer than first_token_ceiling"))
        }
        return problems
    }
}

/// A target as it is written: `backend`, `backend/model`, `backend/model=weight`, and `order=1` as a word behind it.
enum TargetText {
    private static let weights = 1...1_000_000
    private static let orders = 0...100

    static func read(_ text: String) -> Result<RoutePlan.Target, ConfigurationReadFailure> {
        let shown = text.prefix(60)
        let words = text.split(separator: " ")
        guard var place = words.first else { return .failure(.init("holds an empty target")) }
        var weight = 1
        var order = 0
        if let equals = place.lastIndex(of: "="), let number = Int(place[place.index(after: equals)...]) {
            weight = number
            place = place[..<equals]
        }
        for word in words.dropFirst() {
            let sides = word.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let number = Int(sides[1]), sides[0] == "weight" || sides[0] == "order" else {
                return .failure(.init("'\(shown)': '\(word.prefix(30))' is neither weight=NUMBER nor order=NUMBER"))
            }
            if sides[0] == "weight" { weight = number } else { order = number }
        }
        guard Self.weights.contains(weight) else {
            return .failure(.init("'\(shown)': a weight is a number from 1 to 1000000"))
        }
        guard Self.orders.contains(order) else {
            return .failure(.init("'\(shown)': an order is a number from 0 to 100"))
        }
        let sides = place.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let backend = String(sides.first ?? "")
        guard ConfigurationKey.isName(backend), sides.count == 1 || !(sides.last ?? "").isEmpty else {
            return .failure(.init("'\(shown)' is not backend, backend/model or backend/model=weight"))
        }
        let model = sides.count == 2 ? sides.last.map { String($0) } : nil
        return .success(RoutePlan.Target(backend: backend, model: model, weight: weight, order: order))
    }
}
