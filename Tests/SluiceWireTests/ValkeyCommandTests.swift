import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

struct ValkeyCommandTests {
    private static func encoded(_ command: ValkeyCommand) -> [UInt8] {
        var bytes: [UInt8] = []
        command.encode(into: &bytes)
        return bytes
    }

    @Test func `a command becomes an array of strings`() {
        let command = ValkeyCommand("SET", ["kéy", -12, .bytes([0, 13, 10, 255]), ""])
        let text = Array("*5\r\n$3\r\nSET\r\n$4\r\nkéy\r\n$3\r\n-12\r\n$4\r\n".utf8)
        #expect(Self.encoded(command) == text + [0, 13, 10, 255] + Array("\r\n$0\r\n\r\n".utf8))
        #expect(command.arguments == ["SET", "kéy", "-12"].map { Array($0.utf8) } + [[0, 13, 10, 255], []])
        #expect(command == ValkeyCommand("SET", ["kéy", "-12", .bytes([0, 13, 10, 255]), .text("")]))
    }

    @Test(arguments: [0, 9, 10, 99, 100, 1_000, 65_536, 999_999, 1_000_000])
    func `lengths are written in full, and the size is no less than the bytes`(count: Int) {
        let command = ValkeyCommand("ECHO", [.bytes([UInt8](repeating: 7, count: count)), .integer(.min)])
        let bytes = Self.encoded(command)
        #expect(bytes.starts(with: Array("*3\r\n$4\r\nECHO\r\n$\(count)\r\n".utf8)))
        #expect(bytes.count <= command.wireSize)
        let many = ValkeyCommand("DEL", [ValkeyArgument](repeating: "k", count: min(count, 1_000)))
        #expect(Self.encoded(many).starts(with: Array("*\(min(count, 1_000) + 1)\r\n".utf8)))
    }
}
