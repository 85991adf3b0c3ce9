import SluiceBasics
import SluiceCore
import SluiceGateway
import SluiceProviders

/// Makes prices and budgets of the configuration.
struct SpendingWiring {
    /// Bytes of a price table at most.
    private static let maximumTableBytes = 32 << 20

    let configuration: Configuration

    struct Problem: Error {
        var message: String
    }

    func prices() throws(Problem) -> PriceTable {
        guard let path = self.configuration.text("prices.file") else { return .builtIn }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(path, limit: Self.maximumTableBytes)
        } catch {
            throw Problem(message: "prices.file: \(error.message)")
        }
        do throws(PriceTableFault) {
            return try PriceTable.parse(bytes).over(.builtIn)
        } catch {
            throw Problem(message: "prices.file: \(path): \(error.description)")
        }
    }

    func rules() -> [SpendingRule] {
        self.configuration.names("budgets").compactMap { name in
            let path = "budgets.\(name)"
            // A budget of nothing is refused by `checkSpending`.
            guard case .ratio(let dollars) = self.configuration.setting("\(path).limit")?.value,
                let amount = Money(dollars: dollars)
            else { return nil }
            let period = self.configuration.text("\(path).period").flatMap { SpendingLimit.Period(rawValue: $0) }
            return SpendingRule(
                name: name,
                key: self.configuration.text("\(path).key"),
                tenant: self.configuration.text("\(path).tenant"),
                limit: SpendingLimit(amount: amount, period: period ?? .month),
                refusesUnpriced: self.configuration.text("\(path).unpriced") == "refuse"
            )
        }
    }
}
