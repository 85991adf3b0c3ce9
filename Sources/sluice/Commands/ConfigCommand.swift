import SluiceWire

/// `sluice config`: what the configuration comes to, and who said each value.
struct ConfigCommand {
    let loader: ConfigurationLoader
    let asJSON: Bool
    let onlyCheck: Bool
    let terminal: Terminal

    func run() -> Int32 {
        do throws(ConfigurationProblems) {
            let configuration = try self.loader.load()
            for warning in configuration.warnings {
                self.terminal.errorLine(self.terminal.errorStyle.yellow("warning: ") + warning)
            }
            if self.onlyCheck {
                self.terminal.line("The configuration is good.")
            } else if self.asJSON {
                self.printJSON(configuration)
            } else {
                self.printTable(configuration)
            }
            return ExitCode.success
        } catch {
            for problem in error.problems {
                self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + problem.text)
            }
            return ExitCode.failure
        }
    }

    private func printTable(_ configuration: Configuration) {
        var table = TextTable([("KEY", .left), ("VALUE", .left), ("SOURCE", .left)])
        let style = self.terminal.style
        for setting in configuration.settings {
            let isDefault = setting.source == .standard
            table.add([
                .init(setting.path), .init(setting.shown, { isDefault ? $0 : style.bold($0) }),
                .init(setting.source.text, style.dim),
            ])
        }
        self.terminal.out(table.render(style: style))
    }

    private func printJSON(_ configuration: Configuration) {
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            for setting in configuration.settings {
                json.object(setting.path) { json in
                    json.field("value", setting.value == .none ? nil : setting.shown)
                    json.field("source", setting.source.text)
                }
            }
        }
        self.terminal.line(String(decoding: json.bytes, as: UTF8.self))
    }
}
