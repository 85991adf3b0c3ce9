import SluiceBasics

/// Makes documents of spans: what one request of an exporter carries.
package protocol SpanEncoder: SpanWriter, Sendable {
    /// Bytes of what has been told since the last `seal`, roughly.
    var byteCount: Int { get }
    /// What has been told since the last one as a document of its own. Begins the next.
    mutating func seal() -> [UInt8]
}

/// What is said once of all spans of a process: names and values in order.
package struct SpanResource: Sendable, Equatable {
    package var attributes: [(name: String, value: String)]
    package var serviceName: String
    package var scopeName = "sluice"
    package var scopeVersion: String

    /// - Parameter others: from `OTEL_RESOURCE_ATTRIBUTES`; the service's name there gives way to the identity's.
    package init(_ identity: RuntimeIdentity, others: [(name: String, value: String)] = []) {
        self.serviceName = identity.serviceName
        self.scopeVersion = identity.version
        var attributes: [(name: String, value: String)] = [(SpanKey.serviceName.name, identity.serviceName)]
        if !identity.version.isEmpty { attributes.append((SpanKey.serviceVersion.name, identity.version)) }
        if let instance = identity.dispatcher ?? identity.gateway {
            attributes.append((SpanKey.serviceInstance.name, instance))
        }
        for other in others where !attributes.contains(where: { $0.name == other.name }) { attributes.append(other) }
        self.attributes = attributes
    }

    package static func == (left: SpanResource, right: SpanResource) -> Bool {
        left.serviceName == right.serviceName && left.scopeVersion == right.scopeVersion
            && left.attributes.elementsEqual(right.attributes) { $0 == $1 }
    }
}
