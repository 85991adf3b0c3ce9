import Glibc
import SluiceFuzz

struct FuzzProgram {
    /// Inputs of a child.
    private static let chunk = 100_000
    /// A child that takes longer hangs, in seconds.
    private static let patience: UInt32 = 900
    private static let defaultCount = 100_000
    private static let defaultSeed: UInt64 = 20_261_121

    private let path: String

    init(_ path: String) { self.path = path }

    func run(_ arguments: [String]) -> Int32 {
        switch arguments.first {
        case "--list":
            for target in FuzzTarget.all { print(target.name) }
            return 0
        case "--one": return self.one(Array(arguments.dropFirst()))
        case "--range": return self.range(Array(arguments.dropFirst()))
        default: return self.all(arguments)
        }
    }

    private func target(_ name: String?) -> FuzzTarget? { FuzzTarget.all.first { $0.name == name } }

    private func seed(_ text: String?) -> UInt64 { text.flatMap { UInt64($0) } ?? Self.defaultSeed }

    /// Runs in this process and prints the input.
    private func one(_ arguments: [String]) -> Int32 {
        guard arguments.count >= 2, let target = self.target(arguments[0]), let number = Int(arguments[1]) else {
            return 64
        }
        let seed = self.seed(arguments.dropFirst(2).first)
        let fuzzer = Fuzzer(target, seed: seed, corpus: GoldenCorpus.read())
        print(String(decoding: fuzzer.input(number), as: UTF8.self))
        guard let finding = fuzzer.run(number..<(number + 1)) else { return 0 }
        print("breaks: \(finding.rule)")
        return 1
    }

    /// What a child does: all of a range, in this process.
    private func range(_ arguments: [String]) -> Int32 {
        guard arguments.count == 4, let target = self.target(arguments[0]), let from = Int(arguments[1]),
            let to = Int(arguments[2]), from <= to
        else { return 64 }
        alarm(Self.patience)
        let fuzzer = Fuzzer(target, seed: self.seed(arguments[3]), corpus: GoldenCorpus.read())
        guard let finding = fuzzer.run(from..<to) else { return 0 }
        Self.say("\(target.name) \(finding.number): \(finding.rule)")
        Self.write(finding.input, to: "/tmp/fuzz-\(target.name)-\(finding.number)")
        return 1
    }

    private func all(_ arguments: [String]) -> Int32 {
        let targets = arguments.first.map { name in FuzzTarget.all.filter { $0.name == name } } ?? FuzzTarget.all
        guard !targets.isEmpty else { return 64 }
        let count = arguments.dropFirst().first.flatMap { Int($0) } ?? Self.defaultCount
        let seed = self.seed(arguments.dropFirst(2).first)
        var failed: Int32 = 0
        for target in targets {
            var from = 0
            while from < count {
                let to = min(count, from + Self.chunk)
                let status = self.child(target, from, to, seed)
                if status != 0 {
                    failed = 1
                    if status != 1 { self.search(target, from, to, seed) }
                    break
                }
                from = to
            }
            Self.say("\(target.name): \(from) inputs with seed \(seed)\(from < count ? ", then a fault" : "")")
        }
        return failed
    }

    /// At once, for the next line may never come.
    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "w") else { return }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    private func search(_ target: FuzzTarget, _ from: Int, _ to: Int, _ seed: UInt64) {
        var from = from
        var to = to
        while to - from > 1 {
            let middle = from + (to - from) / 2
            if self.child(target, from, middle, seed) != 0 { to = middle } else { from = middle }
        }
        Self.say("\(target.name) \(from): ends the process; see: \(self.path) --one \(target.name) \(from) \(seed)")
        let fuzzer = Fuzzer(target, seed: seed, corpus: GoldenCorpus.read())
        Self.write(fuzzer.input(from), to: "/tmp/fuzz-\(target.name)-\(from)")
    }

    /// - Returns: 0, or 1 for a rule that is broken, or what else ended the child.
    private func child(_ target: FuzzTarget, _ from: Int, _ to: Int, _ seed: UInt64) -> Int32 {
        let words = [self.path, "--range", target.name, "\(from)", "\(to)", "\(seed)"]
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process: pid_t = 0
        guard posix_spawn(&process, "/proc/self/exe", nil, nil, &pointers, environ) == 0 else { return 127 }
        var status: Int32 = 0
        guard waitpid(process, &status, 0) == process else { return 127 }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
    }
}
