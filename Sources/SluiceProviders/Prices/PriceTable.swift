import SluiceCore
import SluiceWire

/// What is known of models: their prices, how much they can read, how much they can say.
///
/// A file of JSON that users can replace:
///
/// ```json
/// {"models": {"gpt-4.1": {"provider": "openai", "input": 2.0, "output": 8.0, "cached_input": 0.5,
///                         "context": 1047576, "max_output": 32768}}}
/// ```
///
/// Prices are US dollars for a million tokens.
package struct PriceTable: Sendable {
    package struct Entry: Sendable, Equatable {
        package var provider: String?
        /// `nil`: not known.
        package var prices: TokenPrices?
        /// Tokens that fit into prompt and answer.
        package var context: Int?
        package var maximumOutput: Int?

        package init(
            provider: String? = nil,
            prices: TokenPrices? = nil,
            context: Int? = nil,
            maximumOutput: Int? = nil
        ) {
            self.provider = provider
            self.prices = prices
            self.context = context
            self.maximumOutput = maximumOutput
        }
    }

    package private(set) var entries: [String: Entry]

    package init(entries: [String: Entry] = [:]) { self.entries = entries }

    /// What this table says, and another where it says nothing.
    package func over(_ other: PriceTable) -> PriceTable {
        PriceTable(entries: other.entries.merging(self.entries) { _, own in own })
    }

    /// By the exact name; then without the provider, region or vendor before it and without the date or version behind
    /// it. Never by another model's name: a part of it that is no version stays.
    package func entry(_ model: String) -> Entry? {
        var name = model[...]
        while true {
            if let entry = self.versioned(name) { return entry }
            if let slash = name.firstIndex(of: "/") {
                name = name[name.index(after: slash)...]
            } else if let dot = name.firstIndex(of: "."), Self.vendors.contains(String(name[..<dot])) {
                name = name[name.index(after: dot)...]
            } else {
                return nil
            }
        }
    }

    /// What stands before a dot in names of models on Bedrock.
    private static let vendors: Set<String> = [
        "us", "eu", "apac", "jp", "au", "global", "anthropic", "mistral", "cohere", "deepseek", "openai",
    ]

    private func versioned(_ name: Substring) -> Entry? {
        var rest = name
        while true {
            if let entry = self.entries[String(rest)] { return entry }
            guard let shorter = Self.withoutVersion(rest) else { return nil }
            rest = shorter
        }
    }

    /// Without one `:0`, `@date`, `-v1`, `-latest`, `-0613`, `-20250929` or `-2024-08-06` at its end.
    private static func withoutVersion(_ name: Substring) -> Substring? {
        guard let cut = name.lastIndex(where: { $0 == "-" || $0 == "@" || $0 == ":" }) else { return nil }
        let version = name[name.index(after: cut)...]
        let isNumber = !version.isEmpty && version.utf8.allSatisfy { (48...57).contains($0) }
        let isTagged = version.first == "v" && version.count > 1 && version.dropFirst().allSatisfy { $0.isNumber }
        if name[cut] != "-" || version == "latest" || isTagged || (isNumber && version.utf8.count >= 4) {
            return name[..<cut]
        }
        guard isNumber, version.utf8.count == 2 else { return nil }
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count > 3, parts[parts.count - 3].count == 4, parts[parts.count - 3].allSatisfy({ $0.isNumber }),
            parts[parts.count - 2].count == 2, parts[parts.count - 2].allSatisfy({ $0.isNumber })
        else { return nil }
        return name.dropLast(11)
    }
}

/// Why a price table cannot be read.
package struct PriceTableFault: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
}

extension PriceTable {
    /// Models in one table at most.
    private static let maximumEntries = 100_000

    package static func parse(_ bytes: [UInt8]) throws(PriceTableFault) -> PriceTable {
        do {
            return try JSON.read(bytes) { root throws(PriceTableFault) in try Self.read(root) }
        } catch let fault as PriceTableFault {
            throw fault
        } catch {
            throw PriceTableFault(description: "the price table is not valid JSON")
        }
    }

    private static func read(_ root: JSONValue) throws(PriceTableFault) -> PriceTable {
        guard let models = root["models"], models.kind == .object else {
            throw PriceTableFault(description: "the price table has no object 'models'")
        }
        guard models.count <= Self.maximumEntries else {
            throw PriceTableFault(description: "the price table has more than \(Self.maximumEntries) models")
        }
        var entries: [String: Entry] = [:]
        entries.reserveCapacity(models.count)
        var fault: PriceTableFault?
        models.forEachMember { name, value in
            do throws(PriceTableFault) {
                entries[name] = try Self.entry(value, name)
            } catch {
                fault = error
            }
            return fault == nil
        }
        if let fault { throw fault }
        return PriceTable(entries: entries)
    }

    private static let known: Set<String> = [
        "provider", "input", "output", "cached_input", "cache_write", "context", "max_output",
    ]

    private static func entry(_ value: JSONValue, _ name: String) throws(PriceTableFault) -> Entry {
        guard value.kind == .object else {
            throw PriceTableFault(description: "models.\(name) must be an object")
        }
        var unknown: String?
        value.forEachMember { key, _ in
            if !Self.known.contains(key) { unknown = key }
            return unknown == nil
        }
        if let unknown {
            let names = Self.known.sorted().joined(separator: ", ")
            throw PriceTableFault(description: "models.\(name).\(unknown) is not known; known are \(names)")
        }
        let input = try Self.price(value["input"], "\(name).input")
        let output = try Self.price(value["output"], "\(name).output")
        var prices: TokenPrices?
        if let input {
            prices = TokenPrices(
                input: input,
                output: output ?? 0,
                cachedInput: try Self.price(value["cached_input"], "\(name).cached_input"),
                cacheWrite: try Self.price(value["cache_write"], "\(name).cache_write")
            )
        } else if output != nil {
            throw PriceTableFault(description: "models.\(name) has a price for output but none for input")
        }
        return Entry(
            provider: value["provider"]?.string,
            prices: prices,
            context: try Self.count(value["context"], "\(name).context"),
            maximumOutput: try Self.count(value["max_output"], "\(name).max_output")
        )
    }

    private static func price(_ value: JSONValue?, _ path: String) throws(PriceTableFault) -> Double? {
        guard let value, !value.isNull else { return nil }
        guard let price = value.double, price >= 0, price <= 1_000_000 else {
            throw PriceTableFault(description: "models.\(path) must be a number from 0 to 1000000")
        }
        return price
    }

    private static func count(_ value: JSONValue?, _ path: String) throws(PriceTableFault) -> Int? {
        guard let value, !value.isNull else { return nil }
        guard let count = value.int, count > 0 else {
            throw PriceTableFault(description: "models.\(path) must be a whole number above 0")
        }
        return count
    }
}
