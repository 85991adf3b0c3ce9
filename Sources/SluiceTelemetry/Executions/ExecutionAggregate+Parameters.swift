extension ExecutionAggregation {
    private static let ownNames = ["by", "bucket_s", "metrics", "groups"]

    /// Reads `by`, `bucket_s`, `metrics`, `groups` and the filters of a query from URL parameters.
    ///
    /// - Parameter now: microseconds since 1970.
    package static func read(
        _ parameters: [(name: String, value: String)],
        now: Int64
    ) throws(ExecutionQueryError) -> ExecutionAggregation {
        var aggregation = ExecutionAggregation()
        for (name, _) in parameters where ["sort", "limit", "cursor"].contains(name) {
            throw ExecutionQueryError(name, "The parameter '\(name)' means nothing for figures.")
        }
        aggregation.query = try ExecutionQuery.read(parameters, now: now, others: Self.ownNames)
        for (name, value) in parameters where Self.ownNames.contains(name) {
            try aggregation.set(name, value)
        }
        // Until now: a rate is over a time that has an end.
        if let from = aggregation.query.from, aggregation.query.to == nil, from < now { aggregation.query.to = now }
        if aggregation.bucket != nil { try aggregation.bound(now) }
        return aggregation
    }

    private mutating func set(_ name: String, _ value: String) throws(ExecutionQueryError) {
        switch name {
        case "by":
            for part in value.split(separator: ",") {
                guard let field = ExecutionField(rawValue: String(part)), field.groups else {
                    let known = ExecutionField.allCases.filter(\.groups).map(\.rawValue).joined(separator: ", ")
                    throw ExecutionQueryError(name, "The parameter 'by' takes: \(known).")
                }
                if !self.by.contains(field) { self.by.append(field) }
            }
            guard self.by.count <= Self.maximumFields else {
                throw ExecutionQueryError(name, "The parameter 'by' takes at most \(Self.maximumFields) names.")
            }
        case "bucket_s":
            guard let seconds = Double(value), (1...31_622_400).contains(seconds) else {
                throw ExecutionQueryError(name, "The parameter 'bucket_s' must be seconds, from 1 to 31622400.")
            }
            self.bucket = Int64((seconds * 1e6).rounded())
        case "metrics":
            self.metrics = []
            for part in value.split(separator: ",") {
                guard let metric = ExecutionMetric(rawValue: String(part)) else {
                    let known = ExecutionMetric.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ExecutionQueryError(name, "The parameter 'metrics' takes: \(known).")
                }
                if !self.metrics.contains(metric) { self.metrics.append(metric) }
            }
        default:
            guard let groups = Int(value), (1...Self.greatestGroups).contains(groups) else {
                throw ExecutionQueryError(
                    name,
                    "The parameter 'groups' must be a whole number from 1 to \(Self.greatestGroups)."
                )
            }
            self.maximumGroups = groups
        }
    }

    private func bound(_ now: Int64) throws(ExecutionQueryError) {
        guard let bucket, let from = self.query.from else {
            throw ExecutionQueryError("from", "With 'bucket_s' the parameter 'from' is needed: how far back?")
        }
        let buckets = ((self.query.to ?? now) - from) / bucket + 2
        guard buckets <= Int64(Self.maximumBuckets) else {
            throw ExecutionQueryError(
                "bucket_s",
                "That makes \(buckets) buckets; at most \(Self.maximumBuckets) are answered. Take longer ones or less "
                    + "time."
            )
        }
        guard buckets * Int64(self.maximumGroups) <= Int64(Self.maximumCells) || self.by.isEmpty else {
            throw ExecutionQueryError(
                "groups",
                "That makes up to \(buckets) buckets for each of \(self.maximumGroups) groups; at most "
                    + "\(Self.maximumCells) figures are answered. Ask for fewer 'groups' or longer buckets."
            )
        }
    }
}
