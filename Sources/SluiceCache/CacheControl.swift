/// What a request's `Cache-Control` header asks for (RFC 9111, 5.2.1), as far as it means something here.
package struct CacheControl: Sendable, Equatable {
    /// Do not answer from the cache, nor with an answer that somebody else is waiting for. A new answer is kept.
    package var isFresh = false
    /// Do not keep the answer, nor give it to others. One that is kept already may be used.
    package var isUnstored = false
    /// Seconds: an older answer will not do.
    package var maximumAge: Int?
    /// Answer from the cache or not at all.
    package var onlyIfCached = false

    package init() {}

    /// Unknown directives are left out, as the RFC asks; a number that is none allows nothing old.
    package init(_ header: String) {
        var age: Int?
        var sharedAge: Int?
        for part in header.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard let name = pair.first.map({ Self.trimmed($0).lowercased() }) else { continue }
            let value = pair.count == 2 ? Self.seconds(Self.trimmed(pair[1])) : nil
            switch name {
            case "no-cache": self.isFresh = true
            case "no-store": self.isUnstored = true
            case "max-age": age = value ?? 0
            case "s-maxage": sharedAge = value ?? 0
            case "only-if-cached": self.onlyIfCached = true
            default: break
            }
        }
        // This is a shared cache: the word for those comes first.
        self.maximumAge = sharedAge ?? age
    }

    /// Whether an answer of this age in seconds will do.
    package func allows(age: Int) -> Bool { self.maximumAge.map { age <= $0 } ?? true }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " || $0 == "\t" }
        var end = start
        while end.last == " " || end.last == "\t" { end = end.dropLast() }
        return end
    }

    /// Too many digits are as good as for ever.
    private static func seconds(_ text: Substring) -> Int? {
        let digits = text.drop { $0 == "\"" }.prefix { $0 != "\"" }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 48 < 10 }) else { return nil }
        return Int(digits) ?? .max
    }
}

/// What the cache had to do with an answer: the value of the header `x-sluice-cache`.
package enum CacheState: String, Sendable, CaseIterable {
    /// It was kept from an earlier request.
    case hit
    /// It was made for this request.
    case miss
    /// It was made for another request that ran at the same time.
    case shared
    /// The cache was not asked, because the request said so or cannot be cached.
    case bypass
}
