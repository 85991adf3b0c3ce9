/// The layer that the file says.
enum FileLayer {
    /// More than this and the file is something else altogether.
    private static let maximumProblems = 20

    static func read(_ bytes: [UInt8], path: String) -> ConfigurationLayer {
        var walk = Walk(file: path)
        do throws(YAMLError) {
            guard let root = try YAMLReader.read(bytes) else { return walk.layer }
            walk.section(root, path: [], pattern: [])
        } catch {
            walk.layer.problems.append(
                .init(source: walk.source(error.position), key: "", message: error.message)
            )
        }
        return walk.layer
    }

    private struct Walk {
        let file: String
        var layer = ConfigurationLayer()

        init(file: String) {
            self.file = file
        }

        func source(_ position: YAMLNode.Position) -> ConfigurationSource {
            .file(self.file, line: position.line, column: position.column)
        }

        mutating func fail(_ position: YAMLNode.Position, _ key: [String], _ message: String) {
            guard self.layer.problems.count < FileLayer.maximumProblems else { return }
            self.layer.problems.append(
                .init(source: self.source(position), key: key.joined(separator: "."), message: message)
            )
        }

        mutating func section(_ node: YAMLNode, path: [String], pattern: [String]) {
            let known = ConfigurationPaths.members(of: pattern)
            guard case .mapping(let members) = node.content else {
                if case .nothing = node.content { return }
                let listed = known.first == "*" ? "names, each with its settings" : known.joined(separator: ", ")
                return self.fail(node.position, path, "needs a mapping of \(listed)")
            }
            for member in members {
                self.member(member, known: known, path: path + [member.name], pattern: pattern)
            }
        }

        private mutating func member(_ member: YAMLNode.Member, known: [String], path: [String], pattern: [String]) {
            let word = known.first == "*" ? "*" : member.name
            guard known.contains(word) else {
                let near = Nearest.match(member.name, in: known)
                let hint = near.map { "did you mean '\($0)'?" } ?? "known here: \(known.joined(separator: ", "))"
                return self.fail(member.position, path, "there is no such key; \(hint)")
            }
            if word == "*", !ConfigurationKey.isName(member.name) {
                return self.fail(
                    member.position,
                    path,
                    "a name has letters, digits, '.', '_' and '-', at most 64 of them"
                )
            }
            guard let found = ConfigurationPaths.find(path.joined(separator: ".")) else {
                return self.section(member.node, path: path, pattern: pattern + [word])
            }
            guard let raw = self.raw(member.node, path: path) else { return }
            let entry = LayerEntry(
                raw: raw,
                source: self.source(member.node.position),
                isSecretFile: found.isSecretFile
            )
            self.layer.set(found.path, entry)
        }

        /// Settings hold values, lists of values, or names with values; nothing deeper.
        private mutating func raw(_ node: YAMLNode, path: [String]) -> RawValue? {
            switch node.content {
            case .nothing:
                return .nothing
            case .scalar(let text):
                return .scalar(text)
            case .sequence(let items):
                var texts: [String] = []
                for item in items {
                    guard case .scalar(let text) = item.content else {
                        self.fail(item.position, path, "needs a list of plain values")
                        return nil
                    }
                    texts.append(text)
                }
                return .list(texts)
            case .mapping(let members):
                var pairs: [RawValue.Pair] = []
                for member in members {
                    guard case .scalar(let text) = member.node.content else {
                        self.fail(member.node.position, path + [member.name], "needs a plain value")
                        return nil
                    }
                    pairs.append(.init(name: member.name, value: text))
                }
                return .table(pairs)
            }
        }
    }
}
