import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// A model as `GET /v1/models` tells of it.
struct ListedModel {
    var id: String
    /// Who answers; `nil`: not known.
    var provider: String?
    var known: PriceTable.Entry?

    /// With what OpenAI's list has, and what is known beside it.
    ///
    /// - Parameter created: seconds since 1970.
    func write(created: Int, to json: inout JSONWriter) {
        let provider = self.provider ?? self.known?.provider
        json.object { json in
            json.field("id", self.id)
            json.field("object", "model")
            json.field("created", created)
            json.field("owned_by", provider ?? "sluice")
            if let provider { json.field("provider", provider) }
            if let context = self.known?.context { json.field("context_length", context) }
            if let output = self.known?.maximumOutput { json.field("max_output_tokens", output) }
            if let prices = self.known?.prices {
                // US dollars for a million tokens.
                json.object("pricing") { json in
                    json.field("input", prices.input)
                    json.field("output", prices.output)
                    if let price = prices.cachedInput { json.field("cached_input", price) }
                    if let price = prices.cacheWrite { json.field("cache_write", price) }
                }
            }
        }
    }

    /// As Anthropic's list has it.
    func writeAnthropic(to json: inout JSONWriter) {
        json.object { json in
            json.field("type", "model")
            json.field("id", self.id)
            json.field("display_name", self.id)
            json.field("created_at", "1970-01-01T00:00:00Z")
        }
    }
}

extension Gateway {
    /// What the configuration names for this backend and this caller.
    func listedModels(for caller: Caller, _ backend: Backend, pool: String) -> [ListedModel] {
        var names = backend.modelAliases.keys.sorted()
        for (name, pool) in self.configuration.modelRules
        where !name.hasSuffix("*") && caller.allowedPools?.contains(pool) != false && !names.contains(name) {
            names.append(name)
        }
        return names.map { name in
            let rule = self.configuration.pool(forModel: name) ?? pool
            let target = self.configuration.backends[rule] ?? backend
            return self.listedModel(name, target, pool: rule)
        }
    }

    func listedModel(_ name: String, _ backend: Backend, pool: String) -> ListedModel {
        ListedModel(
            id: name,
            provider: backend.provider(of: name),
            known: self.spending.entry(name, pool: pool)
        )
    }

    func list(_ models: [ListedModel], _ request: HTTPRequest) -> HTTPResponse {
        var json = JSONWriter()
        let created = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
        let isAnthropic = request.headers.bytes(of: "anthropic-version") != nil
        json.object { json in
            if !isAnthropic { json.field("object", "list") }
            json.array("data") { json in
                for model in models {
                    if isAnthropic { model.writeAnthropic(to: &json) } else { model.write(created: created, to: &json) }
                }
            }
            if isAnthropic {
                json.field("has_more", false)
                json.field("first_id", models.first?.id)
                json.field("last_id", models.last?.id)
            }
        }
        return Self.json(json)
    }
}
