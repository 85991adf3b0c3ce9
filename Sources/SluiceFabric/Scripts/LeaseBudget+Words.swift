import SluiceCore
import SluiceWire

extension BudgetQuestion {
    /// What `leaseBudget` is given after the holder's name.
    package var arguments: [ValkeyArgument] {
        let limits = self.limits
        let head = [
            self.number, self.epoch, limits.isStrict ? 1 : 0, limits.tokenRate, limits.tokenCapacity,
            limits.requestRate, limits.requestCapacity, self.leaseMilliseconds,
        ]
        let tokens = [self.kept, self.returned, self.owed, self.target, self.least].map(\.tokens)
        let requests = [self.kept, self.returned, self.owed, self.target, self.least].map(\.requests)
        let refunds = self.refunds.flatMap { [$0.slot, $0.amount.tokens, $0.amount.requests] }
        return (head + tokens + requests + [self.isLast ? 1 : 0] + refunds).map { .integer($0) }
    }
}

/// What `leaseBudget` answers.
package enum LeaseBudgetAnswer: Sendable, Equatable {
    case leased(BudgetAnswer)
    /// A later question has been answered.
    case outdated

    package init?(_ value: RESPValue) {
        guard let numbers = value.array?.compactMap(\.int), let code = numbers.first else { return nil }
        guard code == 1 else {
            self = .outdated
            return
        }
        guard numbers.count == 15 else { return nil }
        self = .leased(
            BudgetAnswer(
                epoch: numbers[1],
                held: BudgetAmount(tokens: numbers[2], requests: numbers[3]),
                isMet: numbers[4] == 1,
                slot: numbers[5],
                left: BudgetAmount(tokens: numbers[6], requests: numbers[7]),
                holders: numbers[8],
                limits: BudgetLimits(
                    isStrict: numbers[9] == 1,
                    tokenRate: numbers[10],
                    tokenCapacity: numbers[12],
                    requestRate: numbers[11],
                    requestCapacity: numbers[13]
                ),
                differs: numbers[14] == 1
            )
        )
    }
}
