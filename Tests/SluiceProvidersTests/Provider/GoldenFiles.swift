import Glibc
import SluiceWire

@testable import SluiceProviders

/// Files of `Golden/<folder>`, as the provider documents its requests and answers.
enum GoldenFiles {
    private static let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Golden"

    static func read(_ path: String) -> [UInt8] {
        guard let file = fopen("\(Self.folder)/\(path)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// Names of the files that begin so, in order.
    static func names(_ folder: String, _ prefix: String) -> [String] {
        guard let directory = opendir("\(Self.folder)/\(folder)") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix), name.hasSuffix(".json") { names.append(name) }
        }
        return names.sorted()
    }

    /// The members of a file, compact.
    static func members(_ folder: String, _ name: String) throws -> [String: JSONText] {
        try JSON.read(Self.read("\(folder)/\(name)")) { root in
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
    var elements: [JSONText] {
        JSONMembers.elements(self.bytes[...]).map { JSONText(trusted: Array($0)) }
    }

    var string: String { (try? JSON.read(self.bytes) { $0.string }) ?? nil ?? "" }

    var strings: [String] { self.elements.map(\.string) }

    /// Of an object of strings.
    var dictionary: [String: String] {
        JSONMembers.scan(self.bytes).reduce(into: [:]) { $0[$1.name] = JSONMembers.string($1.value) }
    }
}

/// What a decoder says of a stream, however it is cut.
struct DecodedStream: Equatable {
    var events: [ChatStreamEvent] = []
    var error: ProviderError?

    init(_ decoder: any ChatStreamDecoder, _ pieces: [[UInt8]]) {
        var decoder = decoder
        var events: [ChatStreamEvent] = []
        do throws(ProviderError) {
            for piece in pieces { try decoder.feed(piece) { events.append($0) } }
            try decoder.finish { events.append($0) }
        } catch {
            self.error = error
        }
        self.events = events
    }

    var response: ChatResponse {
        get throws { try ChatResponse(collecting: self.events) }
    }
}
