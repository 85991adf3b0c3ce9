import SluiceCore

/// Who may ask for what. The key itself is not kept, only its digest.
package struct APIKey: Sendable {
    /// For logs and lists.
    package var name: String
    /// SHA-256.
    package var digest: [UInt8]
    package var tenant: String
    package var defaultPool: String?
    /// `nil`: all.
    package var allowedPools: [String]?
    package var highestPriority: Priority
    /// What it may do with the operator's API; `nil`: nothing but see its own requests.
    package var role: OperatorRole?

    package init(
        name: String,
        digest: [UInt8],
        tenant: String,
        defaultPool: String? = nil,
        allowedPools: [String]? = nil,
        highestPriority: Priority = .urgent,
        role: OperatorRole? = nil
    ) {
        self.name = name
        self.digest = digest
        self.tenant = tenant
        self.defaultPool = defaultPool
        self.allowedPools = allowedPools
        self.highestPriority = highestPriority
        self.role = role
    }

    /// From the key's text.
    package init(
        name: String,
        secret: String,
        tenant: String,
        defaultPool: String? = nil,
        allowedPools: [String]? = nil,
        highestPriority: Priority = .urgent,
        role: OperatorRole? = nil
    ) {
        self.init(
            name: name,
            digest: Digest.sha256(Array(secret.utf8)),
            tenant: tenant,
            defaultPool: defaultPool,
            allowedPools: allowedPools,
            highestPriority: highestPriority,
            role: role
        )
    }
}

/// The caller of one request, as far as access goes.
package struct Caller: Sendable, Equatable {
    package var tenant: String
    package var keyName: String?
    package var defaultPool: String?
    package var allowedPools: [String]?
    package var highestPriority: Priority
    package var role: OperatorRole?

    /// Whether it may see what other tenants do.
    var seesAll: Bool { self.role != nil }

    func may(_ role: OperatorRole) -> Bool { self.role.map { $0 >= role } ?? false }

    /// When no keys are configured.
    static func anonymous(tenant: String) -> Caller {
        Caller(
            tenant: tenant,
            keyName: nil,
            defaultPool: nil,
            allowedPools: nil,
            highestPriority: .urgent,
            role: .admin
        )
    }

    /// Of routes that ask for no key.
    static let nobody = Caller(
        tenant: "",
        keyName: nil,
        defaultPool: nil,
        allowedPools: [],
        highestPriority: .low,
        role: nil
    )

    init(
        tenant: String,
        keyName: String?,
        defaultPool: String?,
        allowedPools: [String]?,
        highestPriority: Priority,
        role: OperatorRole?
    ) {
        self.tenant = tenant
        self.keyName = keyName
        self.defaultPool = defaultPool
        self.allowedPools = allowedPools
        self.highestPriority = highestPriority
        self.role = role
    }

    init(_ key: APIKey) {
        self.init(
            tenant: key.tenant,
            keyName: key.name,
            defaultPool: key.defaultPool,
            allowedPools: key.allowedPools,
            highestPriority: key.highestPriority,
            role: key.role
        )
    }
}
