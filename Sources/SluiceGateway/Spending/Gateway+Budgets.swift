import SluiceCore
import SluiceWire

extension Gateway {
    /// `GET /api/budgets`: what may be spent, is spent, and is promised to requests that run; in US dollars.
    func listBudgets() -> HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.array("budgets") { json in
                for status in self.spending.status() {
                    json.object { json in
                        json.field("name", status.rule.name)
                        json.field("tenant", status.rule.tenant)
                        json.field("key", status.rule.key)
                        json.field("period", status.rule.limit.period.rawValue)
                        json.field("limit_dollars", status.rule.limit.amount.dollars)
                        json.field("spent_dollars", status.spent.dollars)
                        json.field("reserved_dollars", status.reserved.dollars)
                        json.field("left_dollars", status.left.dollars)
                    }
                }
            }
        }
        return Self.json(json)
    }
}
