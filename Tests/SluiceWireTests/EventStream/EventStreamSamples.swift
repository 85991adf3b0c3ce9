import Glibc
import SluiceBasics
import SluiceWire

/// Messages of all kinds, those of a file that botocore has judged and random ones.
enum EventStreamSamples {
    struct Judged {
        var bytes: [UInt8]
        var message: EventStreamMessage
    }

    static func judged() throws -> [Judged] {
        let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        guard let file = fopen("\(folder)/Golden/event-stream.json", "r") else { return [] }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let text = Array(buffer[..<fread(&buffer, 1, buffer.count, file)])
        return try JSON.read(text) { root in
            var samples: [Judged] = []
            root.forEachElement { entry in
                var message = EventStreamMessage(payload: Self.bytes(entry["payload"]?.string))
                entry["headers"]?.forEachElement { header in
                    guard let name = header["name"]?.string, let value = Self.value(header) else { return false }
                    message.headers.append(EventStreamHeader(name, value))
                    return true
                }
                samples.append(Judged(bytes: Self.bytes(entry["bytes"]?.string), message: message))
                return true
            }
            return samples
        }
    }

    private static func value(_ header: JSONValue) -> EventStreamValue? {
        let text = header["value"]?.string ?? ""
        return switch header["type"]?.int {
        case 0: .bool(true)
        case 1: .bool(false)
        case 2: Int8(text).map { .int8($0) }
        case 3: Int16(text).map { .int16($0) }
        case 4: Int32(text).map { .int32($0) }
        case 5: Int64(text).map { .int64($0) }
        case 6: .bytes(Self.bytes(text))
        case 7: .string(text)
        case 8: Int64(text).map { .timestamp(milliseconds: $0) }
        case 9: .uuid(UInt64(text.prefix(16), radix: 16) ?? 0, UInt64(text.suffix(16), radix: 16) ?? 0)
        default: nil
        }
    }

    private static func bytes(_ hexadecimal: String?) -> [UInt8] {
        let digits = (hexadecimal ?? "").compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    static func random(_ random: inout SeededRandom) -> EventStreamMessage {
        var message = EventStreamMessage(payload: Self.bytes(Int.random(in: 0...300, using: &random), &random))
        for number in 0..<Int.random(in: 0...20, using: &random) {
            message.headers.append(EventStreamHeader("é\(number)", Self.randomValue(&random)))
        }
        return message
    }

    private static func randomValue(_ random: inout SeededRandom) -> EventStreamValue {
        let word = Int64(bitPattern: random.next())
        return switch word & 15 {
        case 0, 1: .bool(word & 1 == 0)
        case 2: .int8(Int8(truncatingIfNeeded: word >> 4))
        case 3: .int16(Int16(truncatingIfNeeded: word >> 4))
        case 4: .int32(Int32(truncatingIfNeeded: word >> 4))
        case 5: .int64(word)
        case 6: .bytes(Self.bytes(Int.random(in: 0...50, using: &random), &random))
        case 8: .timestamp(milliseconds: word)
        case 9: .uuid(random.next(), random.next())
        default: .string("日本 \(word)")
        }
    }

    static func bytes(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
}
