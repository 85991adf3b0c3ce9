import SluiceCore

extension PriceTable {
    /// What the providers published by November 2026. Prices change: a file of one's own wins over it.
    package static let builtIn = PriceTable(rows: Self.rows)

    /// Model, provider, dollars for a million tokens of input, output, cached input, cache write; context, longest
    /// answer. A dash: not known, or not told apart.
    private static let rows = """
        claude-fable-5 anthropic 10 50 1 12.5 1000000 128000
        claude-fable-5-1 anthropic 10 50 0.25 12.5 1000000 128000
        claude-haiku-4-5 anthropic 1 5 0.1 1.25 200000 64000
        claude-haiku-5-5 anthropic 0.1 0.5 0.01 0.125 1000000 128000
        claude-mythos-5 anthropic 10 50 1 12.5 1000000 128000
        claude-mythos-5-1 anthropic 10 50 0.25 12.5 1000000 128000
        claude-opus-4-5 anthropic 5 25 0.5 6.25 200000 64000
        claude-opus-4-6 anthropic 5 25 0.5 6.25 1000000 128000
        claude-opus-4-7 anthropic 5 25 0.5 6.25 1000000 128000
        claude-opus-4-8 anthropic 5 25 0.5 6.25 1000000 128000
        claude-opus-5 anthropic 5 25 0.5 6.25 1000000 128000
        claude-opus-5-5 anthropic 4 20 0.2 5 1000000 128000
        claude-sonnet-4-5 anthropic 3 15 0.3 3.75 200000 64000
        claude-sonnet-4-6 anthropic 3 15 0.3 3.75 1000000 128000
        claude-sonnet-5 anthropic 2 10 0.2 2.5 1000000 128000
        claude-sonnet-5-5 anthropic 2 10 0.1 2.5 1000000 128000
        amazon.nova-2-lite-v1:0 bedrock 0.3 2.5 0.075 - 1000000 64000
        amazon.nova-2-pro-preview-20251202-v1:0 bedrock 1.25 10 0.3125 - 1000000 64000
        amazon.nova-lite-v1:0 bedrock 0.06 0.24 0.015 - 300000 10000
        amazon.nova-micro-v1:0 bedrock 0.035 0.14 0.00875 - 128000 10000
        amazon.nova-premier-v1:0 bedrock 2.5 12.5 0.625 - 1000000 10000
        amazon.nova-pro-v1:0 bedrock 0.8 3.2 0.2 - 300000 10000
        gemma-4-31b cerebras 0.99 1.49 - - 131072 40960
        gpt-oss-120b cerebras 0.35 0.75 - - 131072 32768
        llama-3.3-70b cerebras 0.85 1.2 - - 128000 128000
        qwen-3-32b cerebras 0.4 0.8 - - 128000 128000
        embed-english-v3.0 cohere 0.1 0 - - 512 -
        embed-multilingual-v3.0 cohere 0.1 0 - - 512 -
        embed-v4.0 cohere 0.12 0 - - 128000 -
        embed-v5.0-fast cohere 0.08 0 - - 128000 -
        embed-v5.0-pro cohere 0.12 0 - - 128000 -
        deepseek-flash deepseek 0.3 1.2 0.006 - 1000000 393216
        deepseek-r1 deepseek 0.55 2.19 0.14 - 65536 8192
        deepseek-v3 deepseek 0.27 1.1 0.07 - 65536 8192
        deepseek-v3.2 deepseek 0.28 0.4 0.028 - 163840 163840
        deepseek-v4-flash deepseek 0.3 1.2 0.006 - 1000000 393216
        deepseek-v4-pro deepseek 1.32 3.96 0.044 - 1000000 393216
        gemini-2.5-flash gemini 0.3 2.5 0.03 - 1048576 65536
        gemini-2.5-flash-lite gemini 0.1 0.4 0.01 - 1048576 65536
        gemini-2.5-pro gemini 1.25 10 0.125 - 1048576 65536
        gemini-3.1-flash-lite gemini 0.25 1.5 0.025 - 1048576 65536
        gemini-3.5-flash gemini 1.5 9 0.15 - 1048576 65536
        gemini-3.5-flash-lite gemini 0.3 2.5 0.03 - 1048576 65536
        gemini-3.6-flash gemini 0.75 3.75 0.075 - 1048576 65536
        gemini-3.7-flash gemini 0.75 3.75 0.075 - 1048576 65536
        gemini-3.8-flash gemini 0.75 3.75 0.075 - 1048576 65536
        gemini-4-argon gemini 2 10 0.1 - 1048576 1048576
        gemini-embedding-2 gemini 0.2 0 - - 8192 -
        gemma-3-27b-it gemini 0 0 - - 131072 8192
        gemma-4-26b-a4b-it gemini 0 0 - - 262144 32768
        gemma-4-31b-it gemini 0 0 - - 262144 32768
        gpt-oss-20b groq 0.075 0.3 0.0375 - 131072 65536
        qwen3.8-27b groq 0.8 4 - - 131072 16384
        codestral-embed mistral 0.15 0 0.015 - 8192 -
        mistral-embed mistral 0.1 0 - - 8192 -
        mistral-large-3 mistral 0.5 1.5 0.05 - 262144 262144
        mistral-large-4 mistral 0.68 2.09 0.068 - 1048576 -
        mistral-medium mistral 1.5 7.5 0.15 - 262144 262144
        mistral-medium-3 mistral 1.5 7.5 0.15 - 262144 262144
        mistral-medium-3.5 mistral 1.5 7.5 0.15 - 262144 262144
        mistral-small mistral 0.1 0.3 0.01 - 32000 8191
        mistral-tiny mistral 0.25 0.25 0.025 - 32000 8191
        open-mistral-nemo mistral 0.3 0.3 0.03 - 128000 128000
        gpt-4.1 openai 2 8 0.5 - 1047576 32768
        gpt-4.1-mini openai 0.4 1.6 0.1 - 1047576 32768
        gpt-4o openai 2.5 10 1.25 - 128000 16384
        gpt-4o-mini openai 0.15 0.6 0.075 - 128000 16384
        gpt-5 openai 1.25 10 0.125 - 272000 128000
        gpt-5-mini openai 0.25 2 0.025 - 272000 128000
        gpt-5-nano openai 0.05 0.4 0.005 - 272000 128000
        gpt-5-pro openai 15 120 - - 400000 272000
        gpt-5.1 openai 1.25 10 0.125 - 272000 128000
        gpt-5.2 openai 1.75 14 0.175 - 272000 128000
        gpt-5.2-pro openai 21 168 - - 272000 128000
        gpt-5.3-codex openai 1.75 14 0.175 - 272000 128000
        gpt-5.4 openai 2.5 15 0.25 - 1050000 128000
        gpt-5.4-mini openai 0.75 4.5 0.075 - 272000 128000
        gpt-5.4-nano openai 0.2 1.25 0.02 - 272000 128000
        gpt-5.4-pro openai 30 180 - - 1050000 128000
        gpt-5.5 openai 5 30 0.5 - 1050000 128000
        gpt-5.5-pro openai 30 180 - - 1050000 128000
        gpt-5.6 openai 4 20 0.4 5 922000 128000
        gpt-5.6-luna openai 0.2 1.2 0.02 0.25 922000 128000
        gpt-5.6-sol openai 4 20 0.4 5 922000 128000
        gpt-5.6-terra openai 2 12 0.2 2.5 922000 128000
        gpt-6-astra openai 10 50 1 12.5 922000 128000
        gpt-6-luna openai 0.1 0.5 0.01 0.125 922000 128000
        gpt-6-sol openai 2 10 0.2 2.5 922000 128000
        gpt-6.1-sol openai 2 10 0.1 2.5 922000 128000
        o3 openai 2 8 0.5 - 200000 100000
        o3-pro openai 20 80 - - 200000 100000
        text-embedding-3-large openai 0.13 0 - - 8191 -
        text-embedding-3-small openai 0.02 0 - - 8191 -
        grok-4.20 xai 1.25 2.5 0.2 - 1000000 1000000
        grok-4.3 xai 1.25 2.5 0.2 - 1000000 1000000
        grok-4.5 xai 2 6 0.3 - 500000 500000
        grok-4.6 xai 2 6 0.5 - 500000 500000
        grok-4.7 xai 2 6 0.5 - 500000 500000
        grok-code-fast xai 1 2 0.2 - 256000 256000
        """

    private init(rows: String) {
        var entries: [String: Entry] = [:]
        for row in rows.split(separator: "\n") {
            let words = row.split(separator: " ")
            guard words.count == 8, let input = Double(words[2]), let output = Double(words[3]) else { continue }
            entries[String(words[0])] = Entry(
                provider: String(words[1]),
                prices: TokenPrices(
                    input: input,
                    output: output,
                    cachedInput: Double(words[4]),
                    cacheWrite: Double(words[5])
                ),
                context: Int(words[6]),
                maximumOutput: Int(words[7])
            )
        }
        self.init(entries: entries)
    }
}
