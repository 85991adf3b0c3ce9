import SluiceTelemetry

extension RuntimeIdentity {
    /// This process as the configuration has it.
    ///
    /// - Parameter fabric: `nil` when it has nothing to do with the fabric.
    init(_ configuration: Configuration, _ role: Role, _ fabric: FabricWiring?) {
        self.init(
            fabricGroup: configuration.text("fabric.group_id") ?? "default",
            gateway: configuration.text("fabric.gateway_id"),
            dispatcher: role == .gateway ? nil : fabric?.dispatcherID,
            version: Version.text
        )
    }
}
