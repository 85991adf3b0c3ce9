// swift-tools-version: 6.3
import PackageDescription

// Targets in layers; each may know only what its line names. See ARCHITECTURE.md.
let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["sluice"]),
        // For Swift programs: the queue, its scoring and its limits. Depends on nothing but the standard library.
        .library(name: "Sluice", targets: ["Sluice"]),
        // For Swift programs: one call for every provider of language models.
        .library(name: "SluiceCompletion", targets: ["SluiceCompletion"]),
        // The test suite that a queue store of one's own has to pass.
        .library(name: "SluiceConformance", targets: ["SluiceConformance"]),
    ],
    targets: [
        // C libraries from the distribution's packages: a module map and a header of inline wrappers each.
        .systemLibrary(name: "CLibUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        // Without pkg-config, whose flags for hiredis SwiftPM warns about; the module map names the library.
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "CSimdJSON",
            linkerSettings: [.linkedLibrary("simdjson")]
        ),
        .target(name: "CConsole", exclude: ["web"]),

        // Layer 0
        .target(name: "SluiceBasics"),
        // Layer 1
        .target(name: "SluiceCore", dependencies: ["SluiceBasics"]),
        .target(name: "SluiceWire", dependencies: ["SluiceBasics", "CSimdJSON", "CCrypto", "CZlib"]),
        // Layer 2
        .target(name: "SluiceEngine", dependencies: ["SluiceCore", "SluiceBasics"]),
        .target(name: "SluiceProviders", dependencies: ["SluiceCore", "SluiceWire", "SluiceBasics"]),
        .target(name: "SluiceTelemetry", dependencies: ["SluiceCore", "SluiceWire", "SluiceBasics"]),
        .target(
            name: "SluiceTransport",
            dependencies: ["SluiceWire", "SluiceBasics", "CLibUV", "CMicroHTTPD", "CCurl", "CHiredis", "COpenSSL"]
        ),
        // What was answered before, and who waits for the same answer.
        .target(name: "SluiceCache", dependencies: ["SluiceWire", "SluiceBasics"]),
        .target(name: "SluiceSimulator", dependencies: ["SluiceCore", "SluiceWire", "SluiceBasics"]),
        .target(name: "Sluice", dependencies: ["SluiceCore", "SluiceBasics"]),
        .target(name: "SluiceConformance", dependencies: ["Sluice", "SluiceBasics"]),
        .target(
            name: "SluiceCompletion",
            dependencies: ["SluiceProviders", "SluiceTransport", "SluiceWire", "SluiceBasics"]
        ),
        // What is wrong with a runtime, from what it says of itself.
        .target(name: "SluiceDoctor", dependencies: ["SluiceWire"]),
        // Layer 3
        // Histories outside the process's memory: an embedded database, and ClickHouse.
        .target(
            name: "SluiceStores",
            dependencies: ["SluiceTelemetry", "SluiceCore", "SluiceWire", "SluiceBasics", "CSQLite"]
        ),
        .target(
            name: "SluiceGateway",
            dependencies: [
                "SluiceCore", "SluiceWire", "SluiceEngine", "SluiceTelemetry", "SluiceProviders", "SluiceBasics",
                "SluiceFabric", "SluiceCache", "SluiceDoctor", "SluiceSimulator", "CConsole",
                "CCrypto",
            ]
        ),
        .target(
            name: "SluiceFabric",
            dependencies: [
                "SluiceCore", "SluiceWire", "SluiceEngine", "SluiceTelemetry", "SluiceProviders", "SluiceBasics",
            ]
        ),
        // Layer 4
        .executableTarget(
            name: "sluice",
            dependencies: [
                "SluiceBasics", "SluiceCore", "SluiceWire", "SluiceEngine", "SluiceProviders", "SluiceTelemetry",
                "SluiceTransport", "SluiceStores", "SluiceGateway", "SluiceFabric", "SluiceCache", "SluiceSimulator",
                "SluiceDoctor", "CYAML",
                "CCrypto",
            ],
            // In place of the C library's allocator, whose per-thread cache ends at 1 KiB. Not in debug builds, whose
            // sanitizers bring their own.
            linkerSettings: [.linkedLibrary("mimalloc", .when(configuration: .release))]
        ),
        .target(name: "SluiceTestKit", dependencies: ["SluiceBasics", "SluiceCore", "SluiceWire", "SluiceEngine"]),

        .executableTarget(
            name: "completion-example",
            dependencies: ["SluiceCompletion"],
            path: "examples/completion"
        ),
        .executableTarget(
            name: "core-benchmark",
            dependencies: ["SluiceBasics", "SluiceCore", "SluiceEngine"],
            path: "Benchmarks/CoreBenchmark"
        ),
        .executableTarget(
            name: "queue-benchmark",
            dependencies: ["Sluice"],
            path: "Benchmarks/QueueBenchmark",
            linkerSettings: [.linkedLibrary("mimalloc", .when(configuration: .release))]
        ),
        .executableTarget(
            name: "translate-benchmark",
            dependencies: ["SluiceProviders", "SluiceWire"],
            path: "Benchmarks/TranslateBenchmark",
            linkerSettings: [.linkedLibrary("mimalloc", .when(configuration: .release))]
        ),
        .executableTarget(
            name: "fabric-benchmark",
            dependencies: ["SluiceBasics", "SluiceEngine", "SluiceFabric", "SluiceTransport", "SluiceWire"],
            path: "Benchmarks/FabricBenchmark",
            linkerSettings: [.linkedLibrary("mimalloc", .when(configuration: .release))]
        ),

        // What the fuzzers check, run shortly by the tests and at length by the program.
        .target(
            name: "SluiceFuzz",
            dependencies: ["SluiceProviders", "SluiceWire", "SluiceBasics"],
            path: "Tests/Fuzz/SluiceFuzz"
        ),
        .executableTarget(name: "provider-fuzz", dependencies: ["SluiceFuzz"], path: "Tests/Fuzz/provider-fuzz"),

        .testTarget(name: "SluiceBasicsTests", dependencies: ["SluiceBasics", "SluiceTestKit"]),
        .testTarget(
            name: "SluiceCoreTests",
            dependencies: ["SluiceCore", "SluiceBasics", "SluiceTestKit"],
            exclude: ["Estimation/Golden"]
        ),
        .testTarget(
            name: "SluiceWireTests",
            dependencies: ["SluiceWire", "SluiceBasics", "SluiceTestKit"],
            exclude: ["Golden"]
        ),
        .testTarget(
            name: "SluiceEngineTests",
            dependencies: ["SluiceEngine", "SluiceCore", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceTests",
            dependencies: ["Sluice", "SluiceConformance", "SluiceCore", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceSimulatorTests",
            dependencies: ["SluiceSimulator", "SluiceCore", "SluiceWire", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceProvidersTests",
            dependencies: [
                "SluiceProviders", "SluiceFuzz", "SluiceCore", "SluiceWire", "SluiceBasics", "SluiceTestKit",
            ],
            exclude: ["Golden"]
        ),
        .testTarget(
            name: "SluiceTelemetryTests",
            dependencies: ["SluiceTelemetry", "SluiceCore", "SluiceWire", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceStoresTests",
            dependencies: [
                "SluiceStores", "SluiceTelemetry", "SluiceCore", "SluiceWire", "SluiceBasics", "SluiceTestKit",
                "SluiceTransport",
            ]
        ),
        .testTarget(
            name: "SluiceTransportTests",
            dependencies: ["SluiceTransport", "SluiceWire", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceCacheTests",
            dependencies: ["SluiceCache", "SluiceWire", "SluiceBasics", "SluiceTestKit"]
        ),
        .testTarget(
            name: "SluiceGatewayTests",
            dependencies: [
                "SluiceGateway", "SluiceCache", "SluiceEngine", "SluiceTelemetry", "SluiceProviders", "SluiceCore",
                "SluiceWire", "SluiceSimulator", "SluiceDoctor",
                "SluiceBasics", "SluiceTestKit",
            ]
        ),
        .testTarget(
            name: "SluiceFabricTests",
            dependencies: [
                "SluiceFabric", "SluiceEngine", "SluiceTelemetry", "SluiceProviders", "SluiceCore", "SluiceWire",
                "SluiceBasics", "SluiceTestKit",
            ]
        ),
        .testTarget(
            name: "SluiceCommandTests",
            dependencies: [
                "sluice", "SluiceDoctor", "SluiceCore", "SluiceWire", "SluiceGateway", "SluiceProviders",
                "SluiceTransport", "SluiceSimulator", "SluiceCompletion", "SluiceBasics", "SluiceTestKit",
            ]
        ),
        .testTarget(
            name: "SluiceCompletionTests",
            dependencies: [
                "SluiceCompletion", "SluiceProviders", "SluiceTransport", "SluiceWire", "SluiceBasics",
                "SluiceTestKit",
            ]
        ),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)

/// Targets that touch C or raw memory. Everywhere else `unsafe` does not compile.
let adapters: Set<String> = [
    "SluiceBasics", "SluiceWire", "SluiceTransport", "SluiceStores", "SluiceGateway", "sluice", "core-benchmark",
    "SluiceFuzz",
]

for target in package.targets where [.regular, .executable, .test].contains(target.type) && !target.name.hasPrefix("C")
{
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .treatAllWarnings(as: .error),
    ]
    if target.type == .regular && !adapters.contains(target.name) {
        settings.append(.strictMemorySafety())
    }
    target.swiftSettings = settings
}
