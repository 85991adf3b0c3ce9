import SluiceCore

// What models cost, and how much may be spent.
extension ConfigurationSchema {
    static let spending: [ConfigurationKey] = [
        .init(
            path: "prices.file",
            kind: .path,
            help: "Price table in JSON (docs/costs.md); what it says wins over the one that comes with the program."
        ),
        .init(
            path: "budgets.*.limit",
            kind: .ratio(0...1_000_000_000),
            isLive: true,
            help: "US dollars that may be spent in a period."
        ),
        .init(
            path: "budgets.*.period",
            kind: .choice(SpendingLimit.Period.allCases.map(\.rawValue)),
            fallback: "month",
            isLive: true,
            help: "The period, by the calendar in UTC; total has no end."
        ),
        .init(
            path: "budgets.*.tenant",
            kind: .text,
            isLive: true,
            help: "Whose requests it covers; everybody's when not set."
        ),
        .init(
            path: "budgets.*.key",
            kind: .name,
            isLive: true,
            help: "Name of the API key whose requests it covers; any when not set."
        ),
        .init(
            path: "budgets.*.unpriced",
            kind: .choice(["allow", "refuse"]),
            fallback: "allow",
            isLive: true,
            help: "What becomes of requests for models without a price: free of charge, or refused."
        ),
    ]
}
