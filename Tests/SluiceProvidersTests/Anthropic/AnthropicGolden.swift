import SluiceBasics
import SluiceWire
import Testing

@testable import SluiceProviders

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A JSON value that can be compared: order of members does not count, spelling of numbers neither.
indirect enum JSONTree: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONTree])
    case object([String: JSONTree])

    init(_ bytes: [UInt8]) throws { self = try JSON.read(bytes) { JSONTree($0) } }

    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .bool: self = .bool(value.bool ?? false)
        case .number: self = .number(value.double ?? .nan)
        case .string: self = .string(value.string ?? "")
        case .array:
            var elements: [JSONTree] = []
            value.forEachElement { element in
                elements.append(JSONTree(element))
                return true
            }
            self = .array(elements)
        case .object:
            var members: [String: JSONTree] = [:]
            value.forEachMember { name, member in
                members[name] = JSONTree(member)
                return true
            }
            self = .object(members)
        }
    }

    /// Arguments of calls are JSON within a text, in which space does not count.
    var withParsedArguments: JSONTree {
        switch self {
        case .array(let elements): .array(elements.map(\.withParsedArguments))
        case .object(let members):
            .object(
                members.reduce(into: [:]) { result, member in
                    if member.key == "arguments", case .string(let text) = member.value {
                        result[member.key] = (try? JSONTree(Array(text.utf8))) ?? member.value
                    } else {
                        result[member.key] = member.value.withParsedArguments
                    }
                }
            )
        default: self
        }
    }
}

/// Files of `Golden/anthropic`.
enum AnthropicGolden {
    private static var folder: String {
        let parts = #filePath.split(separator: "/").dropLast(2)
        return "/" + parts.joined(separator: "/") + "/Golden/anthropic/"
    }

    /// Names of all that begin like this, without `.json`.
    static func names(_ prefix: String) -> [String] {
        guard let directory = opendir(Self.folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix), name.hasSuffix(".json") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }

    static func read(_ name: String) throws -> [UInt8] {
        let file = try #require(fopen(Self.folder + name + ".json", "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// One file's members as texts.
    static func members(_ name: String) throws -> [String: JSONText] {
        try JSON.read(try Self.read(name)) { root in
            var members: [String: JSONText] = [:]
            root.forEachMember { name, value in
                members[name] = value.text
                return true
            }
            return members
        }
    }
}

extension JSONText {
    var stringMembers: [String: String] {
        var result: [String: String] = [:]
        _ = try? JSON.read(self.bytes) { root in
            root.forEachMember { name, value in
                result[name] = value.string
                return true
            }
        }
        return result
    }

    var list: [JSONText] {
        var result: [JSONText] = []
        _ = try? JSON.read(self.bytes) { root in
            root.forEachElement { element in
                result.append(element.text)
                return true
            }
        }
        return result
    }

    var stringValue: String? { (try? JSON.read(self.bytes) { $0.string }) ?? nil }
    var intValue: Int? { (try? JSON.read(self.bytes) { $0.int }) ?? nil }
    var tree: JSONTree { (try? JSONTree(self.bytes)) ?? .null }
}

extension ProviderCall {
    /// A call of Anthropic's own address.
    static func anthropic(
        _ request: ChatRequest,
        settings: [String: String] = [:],
        policy: UnsupportedParameterPolicy = .drop
    ) -> ProviderCall {
        var endpoint = ProviderEndpoint(baseURL: "https://api.anthropic.com", credential: .key("sk-ant-api03-test"))
        endpoint.settings = settings
        endpoint.unsupported = policy
        return ProviderCall(request: request, endpoint: endpoint, now: 1_700_000_000, requestID: "req_ours")
    }
}

/// A message's events as the bytes of its stream.
func anthropicStream(_ events: [JSONText]) -> [UInt8] {
    events.flatMap { event -> [UInt8] in
        let type = (try? JSON.read(event.bytes) { $0["type"]?.string }) ?? nil
        return SSEWriter.event(name: type ?? "", data: event.bytes)
    }
}
