import SluiceWire

// GET /api/me, GET /api/version: who asks, and whom.
extension Gateway {
    func me(_ caller: Caller) -> HTTPResponse {
        let console = self.configuration.console
        var json = JSONWriter()
        json.object { json in
            json.field("name", caller.keyName ?? "anybody")
            json.field("role", caller.role?.rawValue)
            json.field("tenant", caller.tenant)
            json.field("read_only", console.isReadOnly)
            json.field("version", self.configuration.version)
            json.field("fabric_group", self.configuration.fabricGroup)
            json.field("gateway", self.configuration.gatewayName)
            json.field("history", console.history)
            json.field("lab", console.hasLab)
            json.field("fabric", self.fabric != nil)
            json.field("payloads_kept", self.shelf.isOn)
            json.field("trace_url", console.traceURL)
            json.field("keys", !self.keys.isOpen)
        }
        return Self.json(json)
    }

    func versionPage() -> HTTPResponse {
        var json = JSONWriter()
        json.object { $0.field("version", self.configuration.version) }
        return Self.json(json)
    }
}
